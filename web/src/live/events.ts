/**
 * events: what a live event means for a run on the screen. Pure: the plan
 * says what to do, the page does it.
 */

import type { Alert, Fits, LiveRows, ProbeRows, Regressor, Run, RunDetail, StepRows, VerdictEvent } from "../api/types";
import type { RawEvent } from "./sse";

export type LiveEvent =
    | { type: "rows"; run: string; step: StepRows | null; probe: ProbeRows | null }
    | { type: "more"; run: string }
    | { type: "run"; run: Run }
    | { type: "fit"; run: string; fits: Fits }
    | { type: "verdict"; run: string; verdict: VerdictEvent }
    | { type: "alert"; run: string; alert: Alert }
    | { type: "resync" }
    | { type: "bye" };

/** null for an event that this page does not know, or that is no JSON. */
export function readEvent(raw: RawEvent): LiveEvent | null {
    if (raw.name === "resync" || raw.name === "bye") {
        return { type: raw.name };
    }
    let body: unknown;
    try {
        body = JSON.parse(raw.data);
    } catch {
        return null;
    }
    if (typeof body !== "object" || body === null) {
        return null;
    }
    const run = (body as { run?: unknown }).run;
    switch (raw.name) {
        case "rows": {
            const rows = body as Partial<LiveRows>;
            return typeof run === "string"
                ? { type: "rows", run, step: rows.step ?? null, probe: rows.probe ?? null }
                : null;
        }
        case "more":
            return typeof run === "string" ? { type: "more", run } : null;
        case "run":
            return { type: "run", run: body as Run };
        case "fit":
            return typeof run === "string" ? { type: "fit", run, fits: body as Fits } : null;
        case "verdict":
            return typeof run === "string"
                ? { type: "verdict", run, verdict: body as VerdictEvent }
                : null;
        case "alert":
            return typeof run === "string" ? { type: "alert", run, alert: body as Alert } : null;
        default:
            return null;
    }
}

/** What the page shows now, as far as a plan depends on it. */
export interface Showing {
    run: string;
    attempt: number;
    regressor: Regressor | null;
    /** A part of the run was selected: what comes later is not in it. */
    ranged: boolean;
}

export interface Plan {
    steps: StepRows | null;
    probes: ProbeRows | null;
    run: Run | null;
    fits: Fits | null;
    /** What is shown is void or not all: fetch it again. */
    refetch: boolean;
    /** The fits that are shown are old; those of the event are of another kind. */
    refit: boolean;
    /** What is said now of what is shown. */
    verdict: VerdictEvent | null;
    alert: Alert | null;
}

const NOTHING: Plan = {
    steps: null,
    probes: null,
    run: null,
    fits: null,
    refetch: false,
    refit: false,
    verdict: null,
    alert: null,
};

export function planFor(event: LiveEvent, showing: Showing): Plan {
    switch (event.type) {
        case "rows":
            return event.run === showing.run ? planRows(event.step, event.probe, showing) : NOTHING;
        case "more":
            return event.run === showing.run ? { ...NOTHING, refetch: !showing.ranged } : NOTHING;
        case "run":
            return event.run.id === showing.run ? { ...NOTHING, run: event.run } : NOTHING;
        case "fit":
            return event.run === showing.run ? planFit(event.fits, showing) : NOTHING;
        case "verdict":
            return event.run === showing.run ? planVerdict(event.verdict, showing) : NOTHING;
        case "alert":
            return event.run === showing.run ? { ...NOTHING, alert: event.alert } : NOTHING;
        case "resync":
            return { ...NOTHING, refetch: true };
        case "bye":
            return NOTHING;
    }
}

function planRows(steps: StepRows | null, probes: ProbeRows | null, showing: Showing): Plan {
    if (steps !== null && steps.attempt.some((attempt) => attempt > showing.attempt)) {
        // The trainer went back: steps that are drawn have been done again.
        return { ...NOTHING, refetch: true };
    }
    return showing.ranged ? NOTHING : { ...NOTHING, steps, probes };
}

function planFit(fits: Fits, showing: Showing): Plan {
    if (showing.ranged) {
        return NOTHING;
    }
    if (showing.regressor === null || fits.regressor === showing.regressor) {
        return { ...NOTHING, fits };
    }
    return { ...NOTHING, refit: true };
}

/** Of the whole run, with the regressor that the daemon chooses. */
function planVerdict(verdict: VerdictEvent, showing: Showing): Plan {
    return showing.ranged || showing.regressor !== null ? NOTHING : { ...NOTHING, verdict };
}

/**
 * A run as it is now, of what is known of it and what has come: an event and an
 * answer overtake each other, and the later revision counts. Its details are
 * those that came last, for an event has none.
 */
export function latest(known: RunDetail | null, come: Run | RunDetail): RunDetail {
    const none = { config: {}, hello: {}, streams: [], probe_every: 0 };
    const details = "streams" in come ? come : (known ?? none);
    const { config, hello, streams, probe_every } = details;
    const isSame = known?.created_wall_ns === come.created_wall_ns; // not deleted, and made anew
    const isOld = isSame && Number(known?.revision) > Number(come.revision);
    return { ...(isOld ? known : come), config, hello, streams, probe_every };
}

/** What a list shows: which runs, and whether there are more behind its end. */
export interface ListShowing {
    wanted: (run: Run) => boolean;
    more: boolean;
}

/**
 * The list, newest first, after this run has changed: changed in place, taken
 * out if it is not wanted any more, put where its age says if it is new. The
 * same list if nothing changes.
 */
export function withRun(
    list: readonly Run[],
    run: Run,
    { wanted, more }: ListShowing,
): readonly Run[] {
    const at = list.findIndex((other) => other.id === run.id);
    const known = list[at];
    if (known !== undefined) {
        const isSame = known.created_wall_ns === run.created_wall_ns;
        if (isSame && Number(known.revision) > Number(run.revision)) {
            return list;
        }
        return wanted(run)
            ? list.map((other, i) => (i === at ? run : other))
            : list.filter((_, i) => i !== at);
    }
    const older = list.findIndex(
        (other) => BigInt(other.created_wall_ns) < BigInt(run.created_wall_ns),
    );
    if (!wanted(run) || (older < 0 && more)) {
        return list;
    }
    const place = older < 0 ? list.length : older;
    return [...list.slice(0, place), run, ...list.slice(place)];
}
