/** advice: what follows from a law for threshold and step size, or why nothing does. Pure. */

import { type Advice, type Real, real } from "../api/types";
import { sig3 } from "../draw/format";

const REFUSALS: Record<string, string> = {
    no_data: "nothing was probed",
    too_few: "there are too few pairs",
    noise_limited: "sampling noise explains the picture",
    rounding_limited: "rounding explains the picture",
    near_ceiling: "the smoothness is near its ceiling",
    not_identifiable: "L0 and L1 cannot be told apart",
    not_separable_from_time: "the law cannot be told from a drift in time",
    inconclusive: "the verdict is inconclusive",
    falls: "the smoothness falls as the gradient norm grows",
    direction_artefact: "the operator norm does not follow the gradient norm",
    no_law: "no law is fitted",
    layer: "one layer is looked at: it does not bound the step of all of them",
    optimizer:
        "the optimizer is not SGD or a momentum of it: its steps are in a metric of their own, and the law is not",
};

/** null where there is advice. */
export function refusalText({ refusal }: Advice): string | null {
    return refusal === null ? null : `No advice while ${REFUSALS[refusal] ?? refusal.replace(/_/g, " ")}.`;
}

/** Of a layer: the length of its own part of a step that its law gives; null where it has none. */
export function radiusText({ radius, grad_norm }: Advice): string | null {
    const r = finite(radius);
    return r === null
        ? null
        : `Its law gives its own part of a step the radius ‖g‖/(L0 + L1 ‖g‖) = ${sig3(r)}, in its own norm, ` +
              `at ‖g‖ = ${sig3(real(grad_norm))}.`;
}

const UNCONFIRMED =
    "Unconfirmed: no operator norm tells, and along the update the smoothness grows with the gradient norm " +
    "on a quadratic too. Record it (sharpness_every), or more of it, before you rely on this.";

export function caveatText({ unconfirmed }: Advice): string | null {
    return unconfirmed === true ? UNCONFIRMED : null;
}

function finite(value: Real | null | undefined): number | null {
    const v = real(value);
    return Number.isFinite(v) ? v : null;
}

export interface Recipe {
    name: string;
    lr: string;
    threshold: string;
}

const RECIPES: Record<NonNullable<Advice["recipes"]>[number]["name"], string> = {
    clipped: "any loss (1905.11881)",
    clipped_l0l1: "(L0, L1) bound (2410.10800)",
    clipped_convex: "convex (2305.01588)",
};

/** Those that say a learning rate: with L0 of 0 none does. */
export function recipesOf({ recipes }: Advice): Recipe[] {
    return (recipes ?? [])
        .filter(({ lr }) => finite(lr) !== null)
        .map(({ name, lr, threshold }) => ({
            name: RECIPES[name] ?? name,
            lr: sig3(real(lr)),
            threshold: finite(threshold) === null ? "no clipping" : sig3(real(threshold)),
        }));
}

/** Names and values of the rest. */
export function adviceFigures(advice: Advice): [string, string][] {
    const { own_threshold, lr_limit, bound_ratio, adaptivity } = advice;
    const threshold = finite(own_threshold);
    const limit = finite(lr_limit);
    return [
        ["knee L0/L1", kneeText(advice)],
        ["clip threshold for your lr", threshold === null ? "not known: no lr, or L1 is 0" : sig3(threshold)],
        ["lr is unstable above", limit === null ? "not known for this optimizer" : sig3(limit)],
        ["one fixed step needs", `${sig3(real(bound_ratio))} times the steps of clipping, by the bounds`],
        ["adapting the step gains", `at most ${sig3(real(adaptivity))} times on this trajectory, whatever the fit`],
    ];
}

function kneeText({ knee, share_above_knee }: Advice): string {
    const at = finite(knee);
    return at === null
        ? "none: L1 is 0"
        : `${sig3(at)}; ${sig3(100 * real(share_above_knee))} % of the pairs are above it`;
}

/** How far the learning rate is along to its limit, and what is said of it. */
export interface Gauge {
    ratio: number;
    text: string;
    over: boolean;
}

export function gaugeOf({ lr_over_limit }: Advice): Gauge | null {
    const ratio = finite(lr_over_limit);
    if (ratio === null) {
        return null;
    }
    const over = ratio > 1;
    return { ratio, over, text: `${over ? "▲ over it: " : ""}your lr is ${sig3(ratio)} times the limit` };
}
