/**
 * types: what the API answers, by the names that the page has for it: all of
 * schema/openapi.yaml. A measured value may be one of three words, because JSON
 * has no NaN; null is "not measured".
 */

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Real = Schemas["Double"];
export type Column = Schemas["DoubleColumn"];
/** An integer; a text where it is beyond 2^53. */
export type Int = Schemas["Count"];

export type Run = Schemas["Run"];
export type RunDetail = Schemas["RunDetail"];
export type RunList = Schemas["RunList"];
export type ProjectList = Schemas["ProjectList"];
export type RunState = Run["state"];
export const RUN_STATES: readonly RunState[] = ["live", "stalled", "lost", "finished", "failed"];

export type BucketColumns = Schemas["Buckets"];
export type SeriesReply = Schemas["Series"];

export type PointsData = Schemas["ScatterPoints"];
export type DensityData = Schemas["ScatterDensity"];
export type ScatterReply = Schemas["Scatter"];

export type Fits = Schemas["Fits"];
export type FitsReply = Schemas["FitsReply"];
export type Regressor = Fits["regressor"];
export const REGRESSORS: readonly Regressor[] = ["start", "trapezoid", "simpson"];
/** What makes a fit doubtful. */
export type FitWarning = Fits["warnings"][number];

export type Verdict = Schemas["Verdict"];
export type VerdictKind = Schemas["VerdictKind"];
export type VerdictReply = Schemas["VerdictReply"];
export type VerdictEvent = Schemas["VerdictEvent"];
export type Phase = Schemas["Phase"];
export type Advice = Schemas["Advice"];

/** The data of a live event `rows`: the columns of its steps and of its probes. */
export type LiveRows = Schemas["LiveRows"];
export type StepRows = LiveRows["step"];
export type ProbeRows = LiveRows["probe"];

export type SharpnessColumns = Schemas["SharpnessColumns"];
export type SharpnessPage = Schemas["SharpnessPage"];
export type GroupColumns = Schemas["GroupColumns"];
export type GroupPage = Schemas["GroupPage"];
export type ProbeColumns = Schemas["ProbeColumns"];
export type ProbePage = Schemas["ProbePage"];
export type Layer = Schemas["Layer"];
export type Layers = Schemas["Layers"];

export type Alert = Schemas["Alert"];
export type AlertList = Schemas["AlertList"];
export type EventColumns = Schemas["EventColumns"];
export type EventPage = Schemas["EventPage"];

export type Diagnostics = Schemas["Diagnostics"];
export type DiagnosticsReply = Schemas["DiagnosticsReply"];

export type Ranks = Schemas["Ranks"];
export type RankRow = Schemas["RankRow"];
export type RanksReply = Schemas["RanksReply"];

export type Problem = Schemas["Problem"];
export type Self = Schemas["Self"];

/** NaN stands for "not measured" too: for places that draw neither. */
export function real(value: Real | null | undefined): number {
    return value === null || value === undefined ? NaN : Number(value);
}
