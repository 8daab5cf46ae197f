/** fits: the laws that are drawn, and what makes them doubtful beside the verdict. Pure. */

import { type Fits, type FitWarning, type Verdict, real } from "../api/types";
import { grouped } from "../draw/format";

/** Below this many pairs the daemon gives no L0 and L1 (FIT_N_MIN of fit.h). */
export const PAIRS_MIN = 30;

/** What neither the verdict nor its reasons say of the fits; one sentence each. */
export function doubts(fits: Fits, verdict: Verdict | null): string[] {
    const phases = verdict?.phases ?? [];
    const said = phases.some(({ reasons }) => reasons.some(({ name }) => name === "different_data"));
    const texts = fits.warnings
        .filter((warning) => !IN_VERDICT.includes(warning) && !(said && warning === "different_data"))
        .map((warning) => doubtText(warning, fits));
    if (phases.length > 1) {
        texts.unshift(
            `Of all ${phases.length} phases together, for which one law need not hold: ` +
                "choose a phase to see the fits of it alone.",
        );
    }
    return texts;
}

/** Kinds of verdicts of their own. */
const IN_VERDICT: readonly FitWarning[] = ["near_ceiling", "monotone_in_time", "narrow_range"];

function doubtText(warning: FitWarning, fits: Fits): string {
    switch (warning) {
        case "different_data":
            return "The two gradients of a pair are of different data: noise alone raises the smoothness.";
        case "not_idempotent":
            return "The gradient function gave two answers at one place (dropout, batch norm, hidden state?).";
        case "thinned":
            return `Only every ${grouped(fits.every)}th pair was fitted.`;
        default:
            return `Doubtful: ${words(warning)}.`;
    }
}

const USES: Record<string, string> = {
    tiny_step: "the step was too small to measure",
    rounding: "rounding only",
    nonfinite: "NaN or infinite",
    not_measured: "not measured",
    burst: "taken because of a spike",
    noise_limited: "sampling noise as large as the smoothness",
    not_positive: "zero",
    other_estimator: "another kind of probe",
};

/** "3 NaN or infinite, 2 zero", or "none". */
export function excludedText(fits: Fits): string {
    const parts = Object.entries(fits.excluded)
        .filter(([, n]) => Number(n) > 0)
        .map(([use, n]) => `${grouped(Number(n))} ${USES[use] ?? words(use)}`);
    return parts.length > 0 ? parts.join(", ") : "none";
}

function words(name: string): string {
    return name.replace(/_/g, " ");
}

/** The four fits that are drawn, in the order of the table. */
export interface Curve {
    key: "relative" | "median" | "q95" | "envelope";
    label: string;
    long: string;
    L0: number;
    L1: number;
}

const DRAWN: readonly {
    key: Curve["key"];
    method: string;
    tau: number | null;
    label: string;
    long: string;
}[] = [
    {
        key: "relative",
        method: "nnls_relative",
        tau: null,
        label: "least squares",
        long: "Least squares, relative error",
    },
    {
        key: "median",
        method: "quantile",
        tau: 0.5,
        label: "median",
        long: "Quantile .5: half of the points below",
    },
    {
        key: "q95",
        method: "quantile",
        tau: 0.95,
        label: "95 %",
        long: "Quantile .95: 95 % of the points below",
    },
    {
        key: "envelope",
        method: "envelope",
        tau: null,
        label: "envelope",
        long: "Upper envelope: a certificate for these points, no estimate",
    },
];

export function curves(fits: Fits | null): Curve[] {
    const found: Curve[] = [];
    for (const { method, tau, ...rest } of DRAWN) {
        const fit = fits?.fits.find((f) => f.method === method && (tau === null || f.tau === tau));
        if (fit !== undefined) {
            found.push({ ...rest, L0: real(fit.L0), L1: real(fit.L1) });
        }
    }
    return found;
}
