/** captions: what a chart does not show, in words. Pure. */

import { type Buckets, nonfiniteTotal } from "../model/buckets";
import { counted, grouped } from "./format";

/** "1,024 buckets of 1,000,000 rows, extremes kept", or that all rows are drawn. */
export function sampledText(b: Buckets): string {
    if (b.rows === 0) {
        return "";
    }
    return b.first.length === b.rows
        ? `all ${counted(b.rows, "row")} drawn`
        : `${grouped(b.first.length)} buckets of ${counted(b.rows, "row")}, extremes kept`;
}

/** How many values no axis can show, and from where on. */
export function nonfiniteText(parts: readonly Buckets[]): string {
    const bad = parts.reduce((sum, b) => sum + nonfiniteTotal(b), 0);
    if (bad === 0) {
        return "";
    }
    const firsts = parts.flatMap((b) => {
        const i = b.nonfinite.findIndex((n) => n > 0);
        return i < 0 ? [] : [b.first[i]!];
    });
    return `${counted(bad, "value")} NaN or infinite (▼), from step ${grouped(Math.min(...firsts))} on`;
}

export function belowLogText(parts: readonly Buckets[]): string {
    const hidden = parts.reduce((sum, b) => sum + b.value.filter((v) => v <= 0).length, 0);
    return hidden === 0 ? "" : `${counted(hidden, "value")} at or below 0 not on the log axis`;
}
