/** badge: the state of a run as colour, sign and word: never as colour alone. */

import type { RankRow, Run, RunState } from "../api/types";
import { h } from "../dom";
import { counted } from "../draw/format";
import { LEVEL_SIGNS, type Level } from "../model/levels";

type State = RunState | RankRow["state"];

const SIGNS: Record<State, { sign: string; means: string }> = {
    live: { sign: "●", means: "the trainer is recording" },
    stalled: { sign: "◐", means: "the trainer is there, but no step has come for a while" },
    lost: {
        sign: "✕",
        means: "nothing has been heard of the trainer, and it did not say that it ended",
    },
    finished: { sign: "✓", means: "the trainer said that it ended well" },
    failed: { sign: "▲", means: "the trainer said that it failed" },
    missing: { sign: "✕", means: "nothing was ever heard of it" },
};

export function stateBadge(run: Pick<Run, "exit_code"> & { state: State }): HTMLElement {
    const { sign, means } = SIGNS[run.state];
    const code = run.state === "failed" && run.exit_code !== null ? ` (exit ${run.exit_code})` : "";
    return h(
        "span",
        { class: `badge ${run.state}`, title: means + code },
        h("span", { "aria-hidden": "true" }, sign),
        ` ${run.state}`,
    );
}

export function lossText(run: Pick<Run, "lost_records" | "dropped_records">): string | null {
    const [lost, dropped] = [Number(run.lost_records), Number(run.dropped_records)];
    if (lost === 0 && dropped === 0) {
        return null;
    }
    return [
        lost > 0 ? `${counted(lost, "record")} lost` : "",
        dropped > 0 ? `${counted(dropped, "record")} dropped` : "",
    ]
        .filter(Boolean)
        .join(", ");
}

type Completeness = Pick<Run, "state" | "complete" | "gaps" | "lost_records" | "dropped_records">;

const GAPS: Record<Run["gaps"][number], (run: Completeness) => string> = {
    lost_records: (run) => `${counted(Number(run.lost_records), "record")} lost`,
    dropped_records: (run) => `${counted(Number(run.dropped_records), "record")} dropped`,
    stream_open: () => "a trainer has not said that it ended",
    rank_missing: () => "a rank was never heard of",
};

/** Whether every record of the trainers is here, and none is to come. */
export function completeBadge(run: Completeness): HTMLElement {
    const running = run.state === "live" || run.state === "stalled";
    const gaps = run.gaps.filter((gap) => !(running && gap === "stream_open"));
    const [kind, sign, text] = run.complete
        ? ["finished", "✓", "complete"]
        : gaps.length === 0
          ? ["open", "○", "not complete yet"]
          : ["failed", "▲", `incomplete: ${gaps.map((gap) => GAPS[gap](run)).join(", ")}`];
    return h(
        "span",
        {
            class: `badge ${kind}`,
            title: "whether every record of its trainers is here, and none is to come",
        },
        h("span", { "aria-hidden": "true" }, sign),
        ` ${text}`,
    );
}

export function levelBadge(level: Level, text: string = level): HTMLElement {
    return h(
        "span",
        { class: `badge level-${level}` },
        h("span", { "aria-hidden": "true" }, LEVEL_SIGNS[level]),
        ` ${text}`,
    );
}

/** How many alerts of each severity there are; none where there are none. */
export function alertBadges({ alerts, alert_errors }: Pick<Run, "alerts" | "alert_errors">): HTMLElement[] {
    const counts: [Level, number][] = [
        ["error", alert_errors],
        ["warning", alerts - alert_errors],
    ];
    return counts.filter(([, n]) => n > 0).map(([level, n]) => levelBadge(level, counted(n, level)));
}
