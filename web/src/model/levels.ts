/** levels: how bad a thing is, as a sign beside its word: never as colour alone. Pure. */

export type Level = "info" | "warning" | "error";

export const LEVEL_SIGNS: Record<Level, string> = { info: "○", warning: "▲", error: "✕" };
