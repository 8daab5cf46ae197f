/**
 * buckets: one metric over steps, in buckets aligned to powers of two. Pure.
 *
 * Invariants: 1. every bucket [i w, (i+1) w) appears at most once, ascending;
 * 2. min and max are of the finite values only, NaN if there is none; 3. a
 * bucket that newer buckets follow does not change, except by `coarsen`,
 * which joins whole buckets and keeps every extreme.
 */

import { type BucketColumns, type Real, real } from "../api/types";

export interface Buckets {
    /** Width in steps: a power of two. */
    steps: number;
    /** Rows behind all buckets. */
    rows: number;
    first: number[];
    last: number[];
    min: number[];
    max: number[];
    argmin: number[];
    argmax: number[];
    value: number[];
    count: number[];
    nonfinite: number[];
}

export function newBuckets(steps = 1): Buckets {
    return {
        steps,
        rows: 0,
        first: [],
        last: [],
        min: [],
        max: [],
        argmin: [],
        argmax: [],
        value: [],
        count: [],
        nonfinite: [],
    };
}

export function fromColumns(steps: number, columns: BucketColumns): Buckets {
    const count = columns.count.map(Number);
    return {
        steps,
        rows: count.reduce((a, b) => a + b, 0),
        first: columns.step_first.map(Number),
        last: columns.step_last.map(Number),
        min: columns.min.map(finite),
        max: columns.max.map(finite),
        argmin: columns.argmin.map((v) => (v === null ? NaN : Number(v))),
        argmax: columns.argmax.map((v) => (v === null ? NaN : Number(v))),
        value: columns.last.map(real),
        count,
        nonfinite: columns.nonfinite.map(Number),
    };
}

function finite(value: Real | null): number {
    const v = real(value);
    return Number.isFinite(v) ? v : NaN;
}

export function lastStep(b: Buckets): number {
    return b.last[b.last.length - 1] ?? -1;
}

/**
 * Add a row behind all others. A row at or before the last step is known
 * already (a request and the stream overlap) and left out: false.
 */
export function append(b: Buckets, step: number, value: number): boolean {
    const n = b.first.length;
    const last = n - 1;
    if (n > 0 && step <= b.last[last]!) {
        return false;
    }
    b.rows++;
    if (n === 0 || Math.floor(step / b.steps) !== Math.floor(b.first[last]! / b.steps)) {
        push(b, step, value);
        return true;
    }
    b.last[last] = step;
    b.count[last]!++;
    b.value[last] = value;
    if (!Number.isFinite(value)) {
        b.nonfinite[last]!++;
        return true;
    }
    if (!(b.min[last]! <= value)) {
        b.min[last] = value;
        b.argmin[last] = step;
    }
    if (!(b.max[last]! >= value)) {
        b.max[last] = value;
        b.argmax[last] = step;
    }
    return true;
}

function push(b: Buckets, step: number, value: number): void {
    const good = Number.isFinite(value);
    b.first.push(step);
    b.last.push(step);
    b.min.push(good ? value : NaN);
    b.max.push(good ? value : NaN);
    b.argmin.push(good ? step : NaN);
    b.argmax.push(good ? step : NaN);
    b.value.push(value);
    b.count.push(1);
    b.nonfinite.push(good ? 0 : 1);
}

/** The same rows in buckets of at least this width; extremes kept. */
export function coarsen(b: Buckets, steps: number): Buckets {
    if (steps <= b.steps) {
        return b;
    }
    const out = newBuckets(steps);
    out.rows = b.rows;
    for (let i = 0; i < b.first.length; i++) {
        const n = out.first.length;
        if (n === 0 || Math.floor(b.first[i]! / steps) !== Math.floor(out.first[n - 1]! / steps)) {
            copy(b, i, out);
        } else {
            join(b, i, out, n - 1);
        }
    }
    return out;
}

function copy(b: Buckets, i: number, out: Buckets): void {
    out.first.push(b.first[i]!);
    out.last.push(b.last[i]!);
    out.min.push(b.min[i]!);
    out.max.push(b.max[i]!);
    out.argmin.push(b.argmin[i]!);
    out.argmax.push(b.argmax[i]!);
    out.value.push(b.value[i]!);
    out.count.push(b.count[i]!);
    out.nonfinite.push(b.nonfinite[i]!);
}

function join(b: Buckets, i: number, out: Buckets, at: number): void {
    out.last[at] = b.last[i]!;
    out.value[at] = b.value[i]!;
    out.count[at]! += b.count[i]!;
    out.nonfinite[at]! += b.nonfinite[i]!;
    if (b.min[i]! < out.min[at]! || Number.isNaN(out.min[at]!)) {
        out.min[at] = b.min[i]!;
        out.argmin[at] = b.argmin[i]!;
    }
    if (b.max[i]! > out.max[at]! || Number.isNaN(out.max[at]!)) {
        out.max[at] = b.max[i]!;
        out.argmax[at] = b.argmax[i]!;
    }
}

export function nonfiniteTotal(b: Buckets): number {
    return b.nonfinite.reduce((a, c) => a + c, 0);
}
