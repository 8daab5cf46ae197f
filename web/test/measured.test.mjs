import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./load.mjs";

const norms = await load("model/norms.ts");
const { figures } = await load("model/diagnosis.ts");
const { layerFigures } = await load("model/layers.ts");
const { probesText } = await load("model/counts.ts");
const { shownRanks, stepsText } = await load("model/ranks.ts");
const { diamondAt, placed } = await load("charts/diamonds.ts");

const norm = (step, x, value, converged = true) => ({ step, x, value, converged, residual: 0.1 });

test("norms are of all parameters, by step, with ‖g‖ the root of its square", () => {
    const read = norms.readNorms({
        step: [20, 10, 15, null, 30],
        group: [null, 0, 3, null, null],
        value: [-4, "Infinity", 7, 1, null],
        residual: [0.5, null, 1, 1, 1],
        converged: [1, 0, 1, 1, 1],
        grad_sq: [9, null, 1, 1, 1],
    });
    assert.deepEqual(read, [
        { step: 10, value: Infinity, residual: NaN, converged: false, x: NaN },
        { step: 20, value: -4, residual: 0.5, converged: true, x: 3 },
    ]);
});

test("columns that were not sent are not measured", () => {
    assert.deepEqual(norms.readNorms({}), []);
    assert.deepEqual(norms.readNorms({ step: [1], value: [2] }), [
        { step: 1, value: 2, residual: NaN, converged: false, x: NaN },
    ]);
});

test("buckets of norms hold magnitudes, at the places of the lines beside them", () => {
    const buckets = norms.normBuckets([norm(1, 1, -3), norm(2, 1, 2), norm(9, 1, NaN)], 8);
    assert.deepEqual(
        [buckets.steps, buckets.first, buckets.min, buckets.max, buckets.nonfinite],
        [8, [1, 9], [2, NaN], [3, NaN], [0, 1]],
    );
});

test("Spearman is of ranks, and equal values share theirs", () => {
    assert.equal(norms.spearman([1, 2, 3, 4], [1, 10, 100, 1000]), 1);
    assert.equal(norms.spearman([1, 2, 3, 4], [4, 3, 2, -1]), -1);
    // scipy.stats.spearmanr([1, 2, 2, 3, 5], [3, 1, 4, 4, 9])
    assert.ok(Math.abs(norms.spearman([1, 2, 2, 3, 5], [3, 1, 4, 4, 9]) - 0.7631578947368421) < 1e-15);
    assert.ok(Number.isNaN(norms.spearman([1, 1, 1], [1, 2, 3])));
});

const rising = (n) => Array.from({ length: n }, (_, i) => norm(i, i + 1, 2 * i + 1));

test("a rank correlation is given from ten converged norms on, with their number", () => {
    assert.match(norms.comparisonText(rising(10)), /Spearman .* 1\.00, n = 10 converged/);
    const nine = [...rising(9), norm(9, 50, 1, false), norm(10, NaN, 1), norm(11, 1, 0)];
    assert.match(norms.comparisonText(nine), /^9 converged operator norms .* needs 10\./);
    assert.doesNotMatch(norms.comparisonText(nine), /Spearman/);
    assert.match(norms.comparisonText(nine), /a matter of direction/);
    assert.equal(norms.comparisonText([]), "");
});

test("the legend says what its marks mean, and of those that are there only", () => {
    assert.equal(norms.legendText(rising(3)), "◇ operator norm of the Hessian");
    assert.match(norms.legendText([norm(1, 1, 1, false)]), /grey and dashed: not converged\)/);
    assert.match(norms.legendText([norm(1, 1, -1)]), /with a bar: eigenvalue below 0\)/);
    assert.doesNotMatch(norms.legendText(rising(2000)), /drawn/);
    assert.match(norms.legendText(rising(2001)), /one in 2 drawn/);
});

test("only what has a logarithm has a place, and of very many every second is drawn", () => {
    const bad = [norm(1, 0, 1), norm(1, NaN, 1), norm(1, 1, 0), norm(1, 1, Infinity)];
    assert.deepEqual(bad.map(norms.isPlaced), [false, false, false, false]);
    assert.equal(norms.isPlaced(norm(1, 1, -1)), true);
    assert.equal(placed(rising(2001), ({ x }) => [x, x]).length, 1001);
    assert.deepEqual(placed(rising(2), () => [NaN, 1]), []);
});

test("a mark is found near its place only, the nearest of two", () => {
    globalThis.devicePixelRatio = 1;
    const places = placed([norm(1, 1, 1), norm(2, 1, 1)], ({ step }) => [10 * step, 0]);
    assert.equal(diamondAt(places, 14, 1).step, 1);
    assert.equal(diamondAt(places, 16, 1).step, 2);
    assert.equal(diamondAt(places, 20, 9), null);
});

const NOTHING = {
    records: 0,
    steps: 0,
    probes: 0,
    clipping: {
        windows: [100, 1000, 10000, null].map((steps) => ({
            steps,
            n: 0,
            clipped: 0,
            fraction: null,
            mean_shrink: null,
        })),
        would: [],
        autoclip: { n: 0, threshold: null, recent_threshold: null },
        zclip: { n: 0, clipped: 0, fraction: null, threshold: null, mean: null, deviation: null },
    },
    noise: { windows: [] },
    spikes: {
        n_loss: 0,
        n_grad_norm: 0,
        loss: 0,
        grad_norm: 0,
        grad_norm_alone: 0,
        grad_norm_leading: 0,
        grad_norm_with: 0,
        mean_lead: null,
        recent: [],
    },
    descent: {
        steps: { same_data: false, n: 0, predicted: null, realised: null },
        probes: { same_data: true, n: 0, predicted: null, realised: null },
        laws: [],
    },
    adgd: { n: 0, lambda: null, n_ratio: 0, ratio: null, mean_ratio: null, above: null },
    faults: {
        n_flags: 0,
        skipped: 0,
        found_inf: 0,
        n_updates: 0,
        zero_updates: 0,
        n_values: 0,
        nonfinite: 0,
        first_nonfinite_step: null,
    },
};
const NO_EDGE = { threshold: null, smoothness: null, sharpness: null, optimizer: "sgd" };
const found = (rows, name) => rows.find((row) => row.name.startsWith(name));

test("of a run without records every figure is not measured, none is 0", () => {
    const rows = figures(NOTHING, NO_EDGE);
    assert.equal(rows.length, 15);
    rows.forEach((row) => assert.deepEqual([row.name, row.value, row.n], [row.name, "not measured", 0]));
});

test("figures say what was measured, of how many", () => {
    const data = structuredClone(NOTHING);
    data.clipping.windows[0] = { steps: 100, n: 80, clipped: 20, fraction: 0.25, mean_shrink: 0.5 };
    data.clipping.windows[1] = { steps: 1000, n: 80, clipped: 0, fraction: 0, mean_shrink: null };
    data.clipping.autoclip = { n: 80, threshold: 0.31, recent_threshold: null };
    data.clipping.zclip = { ...data.clipping.zclip, n: 55, fraction: 0.02, threshold: "Infinity" };
    data.noise.windows = [{ steps: null, n: 9, scale: 1200, standard_error: 90 }];
    Object.assign(data.spikes, { n_loss: 70, loss: 1, recent: [{ step: 1234, of: "loss", z: 9 }] });
    Object.assign(data.spikes, { n_grad_norm: 71, grad_norm: 3, grad_norm_alone: 2, grad_norm_leading: 1, mean_lead: 4 });
    Object.assign(data.faults, { n_flags: 80, skipped: 3, found_inf: 2 });
    Object.assign(data.faults, { n_values: 80, nonfinite: 2, first_nonfinite_step: 40 });
    data.descent.probes.n = 50;
    data.descent.laws = [{ L0: 0.5, L1: 8, step_violations: 0, step_rate: null, probe_violations: 2, probe_rate: 0.04 }];
    const rows = figures(data, NO_EDGE);
    const says = (name) => [found(rows, name).value, found(rows, name).n];
    assert.deepEqual(says("clipped, last 100 steps"), ["25.0 %, by 50.0 % on average", 80]);
    assert.deepEqual(says("clipped, last 1,000 steps"), ["0 %", 80]);
    assert.deepEqual(says("AutoClip"), ["0.310", 80]);
    assert.deepEqual(says("ZClip"), ["∞, would have clipped 2.00 %", 55]);
    assert.deepEqual(says("gradient noise scale"), ["1,200 ± 90.0 samples", 9]);
    assert.deepEqual(says("spikes of the loss"), ["1, last at step 1,234", 70]);
    assert.deepEqual(says("spikes of ‖g‖"), [
        "3 (2 alone, 1 ahead of the loss by 4.00 steps, 0 with or after it)",
        71,
    ]);
    assert.deepEqual(says("skipped steps"), ["3 (2 for a gradient not finite)", 80]);
    assert.deepEqual(says("steps not finite"), ["2, first at step 40", 80]);
    assert.equal(found(rows, "steps not finite").bad, true);
    assert.deepEqual(says("descent lemma violated, probes"), ["2 (4.00 %) with L0 0.500, L1 8.00", 50]);
    assert.deepEqual(says("descent lemma violated, steps"), ["not measured", 0]);
    data.descent.steps.n = 10;
    Object.assign(data.descent.laws[0], { step_violations: 5, step_rate: 0.5 });
    assert.equal(
        found(figures(data, NO_EDGE), "descent lemma violated, steps").value,
        "5 (50.0 %) with L0 0.500, L1 8.00: each loss of its own batch",
    );
});

test("a noise scale without a signal says so instead of a number", () => {
    const data = structuredClone(NOTHING);
    data.noise.windows = [{ steps: null, n: 9, signal_sq: -1, scale: null, standard_error: null }];
    const row = found(figures(data, NO_EDGE), "gradient noise scale");
    assert.deepEqual([row.value, row.n], ["no signal above the noise", 9]);
});

test("the edge of stability is compared with what was measured, not with what it is not of", () => {
    const edge = (more) => figures(NOTHING, { ...NO_EDGE, threshold: 40, ...more });
    const sharp = (more) => found(edge(more), "sharpness, the last").value;
    assert.equal(sharp({ sharpness: 30 }), "0.750 of the edge of stability, 40.0");
    assert.equal(sharp({ sharpness: 60 }), "1.50 of the edge of stability, 40.0, over it");
    assert.match(sharp({ sharpness: -60 }), /^−60\.0: the largest eigenvalue in magnitude is below 0/);
    assert.equal(sharp({ sharpness: "NaN" }), "not measured");
    assert.equal(sharp({ threshold: null, sharpness: null }), "not measured");
    assert.match(found(edge({ smoothness: 20 }), "smoothness, the last").value, /^0\.500 of/);
    const adam = edge({ sharpness: 30, optimizer: "AdamW" });
    assert.match(found(adam, "stability").value, /of the preconditioned Hessian, which is not measured/);
    assert.equal(found(adam, "sharpness, the last"), undefined);
});

test("probes of single layers are no probes of the run", () => {
    const count = (probe, group_probes) => probesText({ records: { probe }, group_probes });
    assert.equal(count(120, 0), "120 probes");
    assert.equal(count(1201, 1200), "1 probe (and 1,200 of single layers)");
});

test("without an edge of stability the page says what it lacks", () => {
    const without = (optimizer) => {
        const row = found(figures(NOTHING, { ...NO_EDGE, sharpness: 30, optimizer }), "sharpness, the last");
        return [row.value, row.n];
    };
    assert.deepEqual(without(""), ["optimizer unknown: name it in traj_options.optimizer", 0]);
    assert.deepEqual(without("rprop"), ["no edge of stability is known for the optimizer “rprop”", 0]);
    assert.deepEqual(without("heavy_ball"), ["no edge of stability: lr or momentum is not recorded", 0]);
});

test("a layer has its newest records, and a dash is not a 0", () => {
    const layer = (group, name) => ({ group, name });
    const layers = layerFigures(
        [layer(1, "a"), layer(2, "b"), layer(3, "c")],
        {
            step: [16, 16, 32, 32],
            group: [1, 2, 1, 2],
            grad_sq: [1, 4, 9, "NaN"],
            param_sq: [100, 100, 100, 0],
            delta_sq: [1, 1, 4, null],
        },
        { step: [8, 24, 30, 30], group: [1, 1, null, 2], smoothness: [5, 6, 7, 8], norm: [null, 3, null, null] },
    );
    assert.deepEqual(layers, [
        { group: 1, name: "a", gradNorm: 3, updateRatio: 0.2, smoothness: 6, norm: "spectral", step: 32 },
        { group: 2, name: "b", gradNorm: NaN, updateRatio: NaN, smoothness: 8, norm: "L2", step: 32 },
        { group: 3, name: "c", gradNorm: NaN, updateRatio: NaN, smoothness: NaN, norm: "", step: NaN },
    ]);
});

test("of very many ranks those in trouble are shown", () => {
    const rows = Array.from({ length: 300 }, (_, rank) => ({ rank, state: "live", behind: 0 }));
    rows[290].state = "missing";
    rows[280].behind = 7;
    const few = rows.slice(0, 256);
    assert.equal(shownRanks(few), few);
    assert.deepEqual(
        shownRanks(rows).slice(0, 3).map(({ rank }) => rank),
        [290, 280, 0],
    );
    assert.equal(shownRanks(rows).length, 256);
});

test("steps of ranks are told with the last whole one, or that there is none", () => {
    const steps = { from: 0, to: 1023, complete: 1000, incomplete: 3, open: 21, last_complete: 999 };
    assert.equal(
        stepsText({ world: 4, steps }),
        "4 processes. Of steps 0 to 1,023: 1,000 complete (the last 999), 3 incomplete, 21 still open.",
    );
    assert.match(stepsText({ world: 4, steps: { ...steps, last_complete: null } }), /complete \(none\)/);
});
