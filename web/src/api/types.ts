/**
 * types: what the API answers (schema/openapi.yaml). A measured value may be
 * one of three words, because JSON has no NaN; null is "not measured".
 */

export type Real = number | "NaN" | "Infinity" | "-Infinity";
export type Column = (Real | null)[];
/** An integer; a text where it is beyond 2^53. */
export type Int = number | string;

export type RunState = "live" | "stalled" | "lost" | "finished" | "failed";
export const RUN_STATES: readonly RunState[] = ["live", "stalled", "lost", "finished", "failed"];

export interface Run {
    id: string;
    project: string;
    name: string;
    state: RunState;
    exit_code: number | null;
    tags: string[];
    attempts: number;
    ranks: number;
    records: { step: Int; probe: Int; metric: Int; event: Int };
    lost_records: Int;
    dropped_records: Int;
    last_step: Int | null;
    created_wall_ns: string;
    updated_wall_ns: string;
    revision: Int;
}

export interface Stream {
    attempt: number;
    rank: number;
    committed_seq: Int;
    lost_records: Int;
    closed: boolean;
    first_step: Int | null;
    created_wall_ns: string;
    heard_wall_ns: string;
}

export interface RunDetail extends Run {
    config: Record<string, unknown>;
    hello: Record<string, unknown>;
    streams: Stream[];
}

export interface List<T> {
    data: T[];
    page: { next_cursor: string | null };
}

export interface BucketColumns {
    step_first: Int[];
    step_last: Int[];
    min: Column;
    max: Column;
    argmin: (Int | null)[];
    argmax: (Int | null)[];
    last: Column;
    count: Int[];
    nonfinite: Int[];
}

export interface Sampling {
    method: string;
    rows_in: number;
    rows_out: number;
}

export interface SeriesReply {
    data: { bucket_steps: number; metrics: Record<string, BucketColumns> };
    sampling: Sampling;
}

export type Regressor = "start" | "trapezoid" | "simpson";
export const REGRESSORS: readonly Regressor[] = ["start", "trapezoid", "simpson"];

export interface PointsData {
    mode: "points";
    x_name: Regressor;
    /** smoothness: the largest over gamma, with start; secant: over the whole step. */
    y_name: "smoothness" | "secant";
    step: Int[];
    x: Column;
    y: Column;
    ceiling: Column;
    flags: (Int | null)[];
}

export interface DensityData {
    mode: "density";
    x_name: Regressor;
    y_name: "smoothness" | "secant";
    x_log10: [number, number];
    y_log10: [number, number];
    w: number;
    h: number;
    counts: number[];
    mean_step: (number | null)[];
    extremes: { step: Int[]; x: Column; y: Column };
}

export interface ScatterReply {
    data: PointsData | DensityData;
    sampling: Sampling;
    excluded: number;
}

export interface FitLine {
    method: string;
    tau: number | null;
    L0: number | null;
    L1: number | null;
}

/** What makes a fit doubtful, as the daemon names it. */
export type FitWarning =
    | "monotone_in_time"
    | "near_ceiling"
    | "different_data"
    | "not_idempotent"
    | "narrow_range"
    | "thinned";

export interface Fits {
    regressor: Regressor;
    estimator: string;
    n: number;
    n_excluded: number;
    /** Why pairs were left out, and how many for each reason. */
    excluded: Record<string, Int>;
    /** Every how many-th pair was fitted; 1 = all. */
    every: number;
    step_range: [Int, Int] | null;
    x_range: [number, number] | null;
    y_range: [number, number] | null;
    fits: FitLine[];
    loglog: { slope: number; intercept: number; pearson_r: number } | null;
    spearman: number | null;
    spearman_step_x: number | null;
    ceiling_ratio: number | null;
    warnings: FitWarning[];
    reason: string | null;
}

/** The columns of a live `rows` event: step rows and probe rows. */
export interface StepRows {
    attempt: number[];
    seq: Int[];
    step: Int[];
    loss: Column;
    grad_norm: Column;
    lr: Column;
    clip_threshold: Column;
    delta_norm: Column;
    param_norm: Column;
}

export interface ProbeRows {
    step: Int[];
    start: Column;
    trapezoid: Column;
    simpson: Column;
    /** The largest over gamma, which belongs to start, and its ceiling. */
    smoothness: Column;
    smoothness_ceiling: Column;
    /** Over the whole step, which belongs to trapezoid and simpson. */
    secant: Column;
    secant_ceiling: Column;
    flags: (Int | null)[];
}

export interface Problem {
    title: string;
    status: number;
    detail?: string;
    code?: string;
}

/** NaN stands for "not measured" too: for places that draw neither. */
export function real(value: Real | null | undefined): number {
    return value === null || value === undefined ? NaN : Number(value);
}
