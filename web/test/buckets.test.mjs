import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./load.mjs";

const { append, coarsen, fromColumns, lastStep, newBuckets, nonfiniteTotal } =
    await load("model/buckets.ts");
const { Series } = await load("model/series.ts");
const { join } = await load("model/join.ts");
const { belowLogText, nonfiniteText, sampledText } = await load("draw/captions.ts");

function filled(values, width = 1) {
    const b = newBuckets(width);
    values.forEach((value, step) => append(b, step, value));
    return b;
}

const NOISY = Array.from(
    { length: 1000 },
    (_, i) => Math.sin(i) + (i === 617 ? 50 : 0) - (i === 300 ? 40 : 0),
);

test("a row at or before the last step is not counted twice", () => {
    const b = filled([1, 2, 3]);
    assert.equal(append(b, 2, 99), false);
    assert.equal(append(b, 1, 99), false);
    assert.equal(b.rows, 3);
    assert.deepEqual(b.max, [1, 2, 3]);
});

test("a spike of one step survives every coarsening, with its step", () => {
    for (let width = 1; width <= 1024; width *= 2) {
        const b = coarsen(filled(NOISY), width);
        const at = b.max.findIndex((v) => v > 40);
        assert.equal(b.argmax[at], 617);
        assert.equal(b.argmin[b.min.findIndex((v) => v < -30)], 300);
    }
});

test("coarsening equals bucketing at that width from the start", () => {
    const direct = filled(NOISY, 64);
    assert.deepEqual(coarsen(filled(NOISY), 64), direct);
    assert.deepEqual(coarsen(coarsen(filled(NOISY), 16), 64), direct);
});

test("a closed bucket never changes when rows are appended", () => {
    const b = filled(NOISY, 64);
    const before = structuredClone(b);
    for (let step = 1000; step < 2000; step++) {
        append(b, step, 1e6);
    }
    const closed = before.first.length - 1;
    for (const key of [
        "first",
        "last",
        "min",
        "max",
        "argmin",
        "argmax",
        "value",
        "count",
        "nonfinite",
    ]) {
        assert.deepEqual(b[key].slice(0, closed), before[key].slice(0, closed), key);
    }
});

test("NaN and infinities are counted and do not become extremes", () => {
    const b = filled([1, NaN, Infinity, 3, -Infinity], 8);
    assert.equal(nonfiniteTotal(b), 3);
    assert.deepEqual([b.min[0], b.max[0], b.count[0]], [1, 3, 5]);
});

test("a bucket that begins with NaN takes its extremes from what follows", () => {
    const b = filled([NaN, 2, 1], 4);
    assert.deepEqual([b.min[0], b.argmin[0], b.max[0], b.argmax[0]], [1, 2, 2, 1]);
    const joined = coarsen(filled([NaN, 2, 1]), 4);
    assert.deepEqual([joined.min[0], joined.max[0]], [1, 2]);
});

test("columns of the API, with words for what JSON lacks, become buckets", () => {
    const b = fromColumns(2, {
        step_first: [0, 2],
        step_last: [1, 3],
        min: [1, null],
        max: [2, null],
        argmin: [0, null],
        argmax: [1, null],
        last: [2, "NaN"],
        count: [2, 2],
        nonfinite: [0, 2],
    });
    assert.equal(b.rows, 4);
    assert.equal(lastStep(b), 3);
    assert.ok(Number.isNaN(b.min[1]) && Number.isNaN(b.value[1]));
});

function rows(from, n) {
    const step = Array.from({ length: n }, (_, i) => from + i);
    const column = step.map((v) => v + 1);
    return {
        attempt: step.map(() => 1),
        seq: step,
        step,
        loss: column,
        grad_norm: column,
        lr: column,
        clip_threshold: step.map(() => null),
    };
}

test("live rows are bounded: buckets are joined for all metrics at once", () => {
    const series = new Series();
    for (let from = 0; from < 10_000; from += 100) {
        series.appendSteps(rows(from, 100));
    }
    const loss = series.get("loss");
    assert.ok(loss.first.length <= 2000);
    assert.equal(loss.rows, 10_000);
    assert.equal(series.get("lr").steps, loss.steps);
    assert.deepEqual(series.extent(), [0, 9999]);
    assert.equal(series.get("clip_threshold").rows, 0);
});

test("the limit of the step size is 2 over the smoothness", () => {
    const series = new Series();
    series.appendProbes([0, 1, 2], [4, null, 0.5]);
    assert.deepEqual(series.get("step_limit").value, [0.5, 4]);
    assert.deepEqual(series.get("step_limit").last, [0, 2]);
});

test("lines with rows at different steps are joined in order, each at its own places", () => {
    const steps = filled([10, 11, 12, 13]);
    const probes = newBuckets();
    append(probes, 1, 5);
    append(probes, 3, 6);
    const joined = join([steps, probes]);
    assert.deepEqual(joined.x, [0, 1, 2, 3]);
    assert.deepEqual(joined.at, [
        [0, 1, 2, 3],
        [-1, 0, -1, 1],
    ]);
});

test("buckets of one place stand at one x, the last step of any of them", () => {
    const steps = filled([10, 11, 12, 13], 2);
    const probes = newBuckets(2);
    append(probes, 0, 5);
    append(probes, 2, 6);
    const joined = join([steps, probes]);
    assert.deepEqual(joined.x, [1, 3]);
    assert.deepEqual(joined.at, [
        [0, 1],
        [0, 1],
    ]);
});

test("the caption says what was sampled from what", () => {
    assert.equal(sampledText(filled([1, 2, 3])), "all 3 rows drawn");
    assert.equal(sampledText(filled(NOISY, 64)), "16 buckets of 1,000 rows, extremes kept");
    assert.equal(sampledText(newBuckets()), "");
});

test("the caption counts what no axis can show, and says where it begins", () => {
    assert.equal(
        nonfiniteText([filled([1, 2, NaN, Infinity]), filled([1])]),
        "2 values NaN or infinite (▼), from step 2 on",
    );
    assert.equal(nonfiniteText([filled([1])]), "");
    assert.equal(belowLogText([filled([1, 0, -2])]), "2 values at or below 0 not on the log axis");
});
