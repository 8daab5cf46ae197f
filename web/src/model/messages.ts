/** messages: the events that trainers recorded, in words. Pure. */

import { type EventColumns, type Int, real } from "../api/types";
import { counted } from "../draw/format";
import type { Level } from "./levels";

export interface Message {
    key: string;
    attempt: number;
    rank: number;
    /** null: of no step. */
    step: number | null;
    wallNs: string;
    level: Level;
    text: string;
}

/** A text may be 64 KiB long: of more than this the export has the rest. */
export const TEXT_MOST = 2000;

const LEVELS: readonly Level[] = ["info", "warning", "error"];
/** enum traj_event_kind. */
const FINISH = 1;
const DROPPED = 2;

/** In the order that they come in. */
export function readMessages(columns: EventColumns): Message[] {
    const { attempt, rank, seq, step, wall_ns, severity } = columns;
    return seq.map((n, i) => ({
        key: `${attempt[i]} ${rank[i]} ${n}`,
        attempt: Number(attempt[i]),
        rank: Number(rank[i]),
        step: optional(step?.[i]),
        wallNs: String(wall_ns?.[i] ?? 0),
        level: LEVELS[Number(severity?.[i] ?? 0)] ?? "error",
        text: textOf(columns, i),
    }));
}

/** Of one moment too, the later record first. */
export function newestFirst(messages: readonly Message[]): Message[] {
    return [...messages].reverse().sort((a, b) => Number(BigInt(b.wallNs) - BigInt(a.wallNs)));
}

function optional(value: Int | null | undefined): number | null {
    return value === null || value === undefined ? null : Number(value);
}

function textOf({ event, text, value, exit_code }: EventColumns, i: number): string {
    const said = text?.[i] ?? "";
    if (said !== "") {
        const more = said.length - TEXT_MOST;
        return more > 0 ? `${said.slice(0, TEXT_MOST)}… and ${counted(more, "character")} more` : said;
    }
    switch (Number(event?.[i] ?? 0)) {
        case FINISH:
            return `the trainer ended with ${exit_code?.[i] ?? "no exit code"}`;
        case DROPPED:
            return `${counted(real(value?.[i]), "record")} dropped: the spool was full`;
        default:
            return "(no text)";
    }
}
