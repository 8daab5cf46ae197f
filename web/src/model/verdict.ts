/** verdict: what the daemon says of a run and its phases, as words of a page. Pure. */

import { type Phase, type Real, type Verdict, type VerdictKind, real } from "../api/types";
import { brief, grouped, sig3 } from "../draw/format";

/** sign and word: a kind is never told by its colour alone. */
export interface KindText {
    sign: string;
    word: string;
    /** How it is coloured. */
    tone: "law" | "doubt" | "none";
}

const KINDS: Record<VerdictKind, KindText> = {
    no_data: { sign: "○", word: "no data", tone: "none" },
    too_few: { sign: "○", word: "too few pairs", tone: "none" },
    noise_limited: { sign: "≈", word: "limited by noise", tone: "doubt" },
    rounding_limited: { sign: "≈", word: "limited by rounding", tone: "doubt" },
    near_ceiling: { sign: "▲", word: "near the ceiling", tone: "doubt" },
    not_identifiable: { sign: "?", word: "not identifiable", tone: "doubt" },
    not_separable_from_time: { sign: "?", word: "not separable from time", tone: "doubt" },
    inconclusive: { sign: "?", word: "inconclusive", tone: "doubt" },
    flat: { sign: "→", word: "flat", tone: "law" },
    falls: { sign: "↘", word: "falls", tone: "law" },
    direction_artefact: { sign: "▲", word: "direction artefact", tone: "doubt" },
    grows_unconfirmed: { sign: "↗", word: "grows, unconfirmed", tone: "doubt" },
    grows: { sign: "↗", word: "grows", tone: "law" },
};

/** A daemon that was renewed under an open page may say more. */
export function kindText(kind: VerdictKind): KindText {
    return KINDS[kind] ?? { sign: "?", word: kind, tone: "none" };
}

/** Why a phase begins. */
export const CAUSES: Record<Phase["cause"], string> = {
    start: "start",
    attempt: "resumed",
    lr_peak: "learning rate at its peak",
    lr_drop: "learning rate fell",
    lr_rise: "learning rate rose",
    clip: "clip threshold changed",
    change_point: "another law",
};

type Reason = Phase["reasons"][number];

/** What a figure is, and on which side of its limit it decides. */
const REASONS: Record<Reason["name"], readonly [text: string, side: string]> = {
    pairs: ["pairs", "below"],
    noise_limited_pairs: ["pairs at the noise floor", "from"],
    rounding_pairs: ["pairs of rounding only", "from"],
    ceiling_ratio: ["smoothness over its ceiling, median", "above"],
    different_data: ["gradients of different data, noise unknown", ""],
    grad_norm_spread: ["spread of ‖g‖, q95/q05", "below"],
    independent_pairs: ["independent pairs among them", "below"],
    spearman_step: ["Spearman of ‖g‖ and step, size", "above"],
    proportional_L1: ["L1 of growth in proportion", "up to"],
    slope_p: ["p of L1 > 0", "below"],
    partial_spearman_p: ["p of the ranks, time taken out", "below"],
    operator_norms: ["operator norms", "below"],
    operator_share: ["smoothness over the operator norm, median", "above"],
    operator_growth_most: ["growth of the operator norm over that of smoothness, at most", "below"],
    operator_growth: ["the same, as measured", "above"],
    operator_p: ["p of the operator norm’s ranks", "below"],
    noise_share: ["share of pairs at the noise floor", "above"],
    falling_slope_p: ["p of L1 < 0", "below"],
    falling_spearman_p: ["p of the ranks, time taken out, for falling", "below"],
    slope_low: ["lower end of L1", "up to"],
};

export interface ReasonRow {
    name: string;
    value: string;
    /** "below 30"; "" where there is no limit. */
    limit: string;
    decides: boolean;
}

export function reasonRows({ reasons }: Phase): ReasonRow[] {
    return reasons.map(({ name, value, limit, decides }) => {
        const [text, side] = REASONS[name] ?? [name, "limit"];
        return {
            name: text,
            value: side === "" ? "yes" : plain(value),
            limit: limit === null ? "" : `${side} ${brief(real(limit))}`,
            decides,
        };
    });
}

/** Counts stay counts. */
function plain(value: Real): string {
    const v = real(value);
    return Number.isInteger(v) ? grouped(v) : sig3(v);
}

export function stepsText({ from_step, to_step }: Pick<Phase, "from_step" | "to_step">): string {
    const to = to_step === null ? "the end" : grouped(Number(to_step));
    return `${grouped(Number(from_step))} to ${to}`;
}

/** The steps to look at for a phase; last: of the run, for a phase without an end. */
export function rangeOf({ from_step, to_step }: Phase, last: number): [number, number] {
    const from = Number(from_step);
    return [from, Math.max(from + 1, Number(to_step ?? last))];
}

/** "0.697 (0.692 to 0.703)"; "–" where there is none. */
export function slopeText({ interval }: Phase): string {
    return interval === null ? "–" : spanText(interval.L1);
}

interface Span {
    estimate: Real;
    low: Real;
    high: Real;
}

function spanText({ estimate, low, high }: Span): string {
    const [e, l, h] = [estimate, low, high].map((v) => sig3(real(v)));
    return `${e} (${l} to ${h})`;
}

const ABSENT: Record<NonNullable<Phase["interval_absent"]>, string> = {
    argument: "the pairs allow none",
    few_samples: "too few pairs",
    undetermined: "no line is determined",
    constant: "one of the two does not vary",
    few_blocks: "too few blocks of pairs",
    short_blocks: "blocks shorter than the memory of the pairs",
    long_memory: "the memory of the pairs is too long",
    not_separable: "not separable from time",
};

/** The figures behind a verdict, as names and values. */
export function phaseFigures(phase: Phase): [string, string][] {
    return [...lawFigures(phase), ...rankFigures(phase), ...normFigures(phase)];
}

function lawFigures({ interval, interval_absent, tau_int, n_eff, slope_p, fit }: Phase): [string, string][] {
    const memory: [string, string][] =
        tau_int === null || n_eff === null
            ? []
            : [
                  ["τ_int, n_eff", `${sig3(real(tau_int))} pairs; ${grouped(fit.n)} are worth ${sig3(real(n_eff))} independent ones`],
              ];
    if (interval === null) {
        const why = interval_absent === null ? "" : `: ${ABSENT[interval_absent]}`;
        return [["interval", `none${why}`], ...memory];
    }
    const level = `${brief(100 * interval.level)} %`;
    return [
        [`L0, ${level}`, spanText(interval.L0)],
        [`L1, ${level}`, `${spanText(interval.L1)}${slope_p === null ? "" : `, p ${sig3(real(slope_p))}`}`],
        [`L0 + L1 · ${sig3(real(interval.x_mean))}`, `${spanText(interval.centroid)}, known best`],
        ...memory,
    ];
}

function rankFigures(phase: Phase): [string, string][] {
    const { partial_spearman, partial_p, partial_absent, difference_spearman } = phase;
    const partial =
        partial_spearman !== null
            ? `${sig3(real(partial_spearman))}, p ${sig3(real(partial_p))}`
            : `none${partial_absent === null ? "" : `: ${ABSENT[partial_absent]}`}`;
    return [
        ["Spearman given step, lr", partial],
        ["… of differences", difference_spearman === null ? "none" : sig3(real(difference_spearman))],
    ];
}

function normFigures({ operator_norm: { n, spread, spearman, p }, leverage, fit }: Phase): [string, string][] {
    const parts: [string, Real | null][] = [
        ["spread", spread],
        ["Spearman with ‖g‖", spearman],
        ["p", p],
    ];
    const known = parts.filter(([, v]) => v !== null).map(([name, v]) => `, ${name} ${sig3(real(v))}`);
    const rows: [string, string][] = [["operator norms", `${grouped(n)}${known.join("")}`]];
    const all = fit.fits.find(({ method }) => method === "nnls");
    if (leverage !== null && all !== undefined) {
        const [rest, whole] = [leverage.L1, all.L1].map((v) => sig3(real(v)));
        rows.push([
            "leverage",
            `L1 ${rest} without the ${grouped(leverage.dropped)} of the largest ‖g‖, ${whole} with them (NNLS)`,
        ]);
    }
    return rows;
}

/** Where a phase begins, for the charts over steps. */
export interface Cut {
    step: number;
    /** As in the table of phases, from 1. */
    number: number;
    text: string;
}

export function cutsOf(verdict: Verdict | null): Cut[] {
    return (verdict?.phases ?? []).slice(1).map(({ from_step, cause }, i) => ({
        step: Number(from_step),
        number: i + 2,
        text: `phase ${i + 2}: ${CAUSES[cause]}`,
    }));
}

/** The interval of a line at each gradient norm. */
export interface Band {
    x: readonly [number, number];
    level: number;
    at(x: number): [number, number];
}

/**
 * Of the law that is drawn: so only where the run is one phase, and where the
 * line is that law, which has no L0 or L1 below 0. From the errors of L0 and L1
 * and their correlation, with the quantile of their intervals.
 */
export function bandOf(verdict: Verdict | null): Band | null {
    const phase = verdict?.phases.length === 1 ? verdict.phases[0] : undefined;
    const interval = phase?.interval ?? null;
    const range = phase?.fit.x_range ?? null;
    if (interval === null || range === null) {
        return null;
    }
    const { L0, L1, corr, level } = interval;
    const [a, b, da, db, r] = [L0.estimate, L1.estimate, L0.se, L1.se, corr].map(real) as [number, number, number, number, number];
    const t = (real(L0.high) - a) / da;
    if (!(a >= 0 && b >= 0 && Number.isFinite(t * db * r))) {
        return null;
    }
    const at = (x: number): [number, number] => {
        const half = t * Math.sqrt(Math.max(0, da * da + 2 * r * da * db * x + db * db * x * x));
        return [a + b * x - half, a + b * x + half];
    };
    return { x: [range[0]!, range[1]!], level, at };
}
