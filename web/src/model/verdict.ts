/** verdict: what a careful reader would say about the picture. Pure. */

import { type Fits, type FitWarning, real } from "../api/types";
import { grouped, sig3 } from "../draw/format";

/** Below this many pairs the daemon gives no L0 and L1 (FIT_N_MIN of fit.h). */
export const PAIRS_MIN = 30;

const REASONS: Record<string, string> = {
    no_probes: "No probe yet: the smoothness needs two gradients on the same batch.",
    all_excluded: "No law: every pair was left out.",
    not_identifiable: "No law: the gradient norm does not vary, so L0 and L1 cannot be told apart.",
};

export function reasonText(fits: Fits): string | null {
    if (fits.reason === null) {
        return null;
    }
    if (fits.reason === "too_few_pairs") {
        return `Too few points: ${fits.n} of ${PAIRS_MIN}. No law is fitted until there are enough.`;
    }
    return REASONS[fits.reason] ?? `No law: ${words(fits.reason)}.`;
}

/** One sentence each, the most damning first. */
export function warnings(fits: Fits): string[] {
    const said = fits.warnings.map((warning) => warningText(warning, fits));
    const reason = reasonText(fits);
    return reason === null ? said : [reason, ...said];
}

function warningText(warning: FitWarning, fits: Fits): string {
    switch (warning) {
        case "near_ceiling":
            return (
                `The smoothness hugs its ceiling (median ratio ${sig3(real(fits.ceiling_ratio))}): ` +
                "noise or a fixed step length alone would give this picture."
            );
        case "monotone_in_time":
            return (
                `Not separable from time: the gradient norm ${(fits.spearman_step_x ?? 0) > 0 ? "rises" : "falls"} ` +
                `with the step almost without exception (Spearman ${sig3(fits.spearman_step_x)}), so anything that ` +
                "drifts would correlate with it."
            );
        case "narrow_range":
            return (
                "Nine in ten gradient norms lie within a factor of 2 of each other: " +
                "L0 and L1 cannot be told apart over so narrow a range."
            );
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
