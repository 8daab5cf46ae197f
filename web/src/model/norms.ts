/** norms: measurements of the operator norm of the Hessian, and how they go with the gradient norm. Pure. */

import { type SharpnessColumns, real } from "../api/types";
import { counted, grouped, sig3 } from "../draw/format";
import { type Buckets, append, coarsen, newBuckets } from "./buckets";

export interface Norm {
    step: number;
    /** The eigenvalue of largest magnitude; its magnitude is the operator norm. */
    value: number;
    residual: number;
    converged: boolean;
    /** Gradient norm where it was measured; NaN = not known. */
    x: number;
}

/** More marks than this hide each other and cost a paint: of more, every k-th is drawn. */
const MARKS_MOST = 2000;

export function everyDrawn(norms: readonly Norm[]): number {
    return Math.max(1, Math.ceil(norms.length / MARKS_MOST));
}

/** With fewer converged ones, no rank correlation is given. */
export const NORMS_MIN = 10;

/** Those of all parameters, ascending by step. */
export function readNorms(columns: SharpnessColumns): Norm[] {
    const { step = [], value = [], residual, converged, grad_sq, group } = columns;
    const norms: Norm[] = [];
    step.forEach((at, i) => {
        const v = value[i] ?? null;
        if (at !== null && v !== null && Number(group?.[i] ?? 0) === 0) {
            norms.push({
                step: Number(at),
                value: real(v),
                residual: real(residual?.[i]),
                converged: Number(converged?.[i] ?? 0) === 1,
                x: Math.sqrt(real(grad_sq?.[i])),
            });
        }
    });
    return norms.sort((a, b) => a.step - b.step);
}

/** Magnitudes, in buckets as wide as those that they are drawn with. */
export function normBuckets(norms: readonly Norm[], steps: number): Buckets {
    const buckets = newBuckets();
    norms.forEach(({ step, value }) => append(buckets, step, Math.abs(value)));
    return coarsen(buckets, steps);
}

/** May it stand in the picture, whose axes are logarithmic? */
export function isPlaced({ x, value }: Norm): boolean {
    const y = Math.abs(value);
    return x > 0 && y > 0 && x < Infinity && y < Infinity;
}

/** Of the ranks, equal values sharing their mean; NaN where one side does not vary. */
export function spearman(x: readonly number[], y: readonly number[]): number {
    const [a, b] = [ranks(x), ranks(y)];
    const mean = (a.length - 1) / 2;
    let [ab, aa, bb] = [0, 0, 0];
    a.forEach((rank, i) => {
        const [da, db] = [rank - mean, b[i]! - mean];
        ab += da * db;
        aa += da * da;
        bb += db * db;
    });
    return ab / Math.sqrt(aa * bb);
}

function ranks(values: readonly number[]): number[] {
    const order = values.map((_, i) => i).sort((i, j) => values[i]! - values[j]!);
    const out = new Array<number>(values.length);
    for (let from = 0; from < order.length; ) {
        let to = from;
        while (to + 1 < order.length && values[order[to + 1]!] === values[order[from]!]) {
            to++;
        }
        for (let k = from; k <= to; k++) {
            out[order[k]!] = (from + to) / 2;
        }
        from = to + 1;
    }
    return out;
}

/** What marks of the legend mean, of those that are there. */
export function legendText(norms: readonly Norm[]): string {
    const every = everyDrawn(norms);
    const signs = [
        norms.some((norm) => !norm.converged) ? "grey and dashed: not converged" : "",
        norms.some((norm) => norm.value < 0) ? "with a bar: eigenvalue below 0" : "",
        every > 1 ? `one in ${grouped(every)} drawn` : "",
    ].filter(Boolean);
    const key = "◇ operator norm of the Hessian";
    return signs.length > 0 ? `${key} (${signs.join("; ")})` : key;
}

/** What the picture says with them, and how to compare; "" without any. */
export function comparisonText(norms: readonly Norm[]): string {
    if (norms.length === 0) {
        return "";
    }
    const used = norms.filter((norm) => norm.converged && isPlaced(norm));
    const rho = spearman(
        used.map((norm) => norm.x),
        used.map((norm) => Math.abs(norm.value)),
    );
    const said =
        used.length >= NORMS_MIN
            ? `Spearman of the operator norm and ‖g‖: ${sig3(rho)}, n = ${grouped(used.length)} converged.`
            : `${counted(used.length, "converged operator norm")} with ‖g‖: a rank correlation needs ${NORMS_MIN}.`;
    return (
        `${said} If the smoothness rises with ‖g‖ and the operator norm does not, the picture is a matter ` +
        "of direction, of how the update turns towards steep directions (README, “How to read the picture”)."
    );
}

export function normText({ step, value, residual, converged, x }: Norm): string {
    return [
        `step ${grouped(step)}`,
        `gradient norm ${sig3(x)}`,
        `operator norm of the Hessian ${sig3(Math.abs(value))}`,
        value < 0 ? "its eigenvalue is below 0" : "",
        Number.isNaN(residual) ? "" : `residual ${sig3(residual)}`,
        converged ? "" : "not converged",
    ]
        .filter(Boolean)
        .join(" · ");
}
