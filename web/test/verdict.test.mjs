import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./load.mjs";

const verdicts = await load("model/verdict.ts");
const advices = await load("model/advice.ts");
const { markText } = await load("charts/cuts.ts");
const { brief } = await load("draw/format.ts");

/** A phase as trajd gave it for 600 pairs of a function with L0 = 2 and L1 = 0.7. */
const PHASE = {
    from_step: 0,
    to_step: 599,
    cause: "start",
    verdict: "grows",
    sentence: "smoothness grows",
    reasons: [
        { name: "pairs", value: 600, limit: 30, decides: false },
        { name: "ceiling_ratio", value: 0.373913607236515, limit: 0.6, decides: false },
        { name: "slope_p", value: 1.3115007605952129e-35, limit: 0.025, decides: true },
        { name: "different_data", value: 1, limit: null, decides: true },
    ],
    interval_absent: null,
    interval: {
        level: 0.95,
        dof: 18,
        L0: { estimate: 2.012007956621565, se: 0.027785403541012516, low: 1.9536329899252607, high: 2.0703829233178697 },
        L1: { estimate: 0.696726709381644, se: 0.002162397350669873, low: 0.6921836811278629, high: 0.7012697376354252 },
        x_mean: 4.0625374268672285,
        centroid: { estimate: 4.84248628978254, se: 0.025765091945865848, low: 4.788355840244634, high: 4.8966167393204465 },
        corr: -0.37969995578830096,
    },
    tau_int: 1.607285940406841,
    n_eff: 373.3000985799243,
    partial_absent: null,
    partial_spearman: 0.9985939858382001,
    partial_p: 0.001,
    difference_spearman: 0.9982330640253265,
    slope_p: 1.3115007605952129e-35,
    leverage: { dropped: 6, x_above: 191.47456496968644, L0: 1.992640413441773, L1: 0.698230581852709 },
    operator_norm: { n: 60, spread: 41.62371072359098, spearman: 0.9998332870241733, p: 0.001, growth: 0.9, growth_se: 0.01, share: 0.95, high: 40 },
    fit: { n: 600, x_range: [0.5, 200], fits: [{ method: "nnls", tau: null, L0: 2, L1: 0.694 }] },
    advice: { refusal: "flat" },
};
const ABSENT = {
    ...PHASE,
    interval: null,
    interval_absent: "short_blocks",
    partial_spearman: null,
    partial_p: null,
    partial_absent: "constant",
    difference_spearman: null,
    tau_int: null,
    n_eff: null,
    leverage: null,
    operator_norm: { n: 0, spread: null, spearman: null, p: null, growth: null, growth_se: null, share: null, high: null },
};
const verdictOf = (...phases) => ({ verdict: "grows", sentence: "", main_phase: 0, more_phases: false, phases });

test("a kind is a sign and a word, one that is new too", () => {
    assert.deepEqual(verdicts.kindText("grows_unconfirmed"), { sign: "↗", word: "grows, unconfirmed", tone: "doubt" });
    assert.deepEqual(verdicts.kindText("wobbles"), { sign: "?", word: "wobbles", tone: "none" });
});

test("reasons say on which side of their limit they decide", () => {
    assert.deepEqual(verdicts.reasonRows(PHASE), [
        { name: "pairs", value: "600", limit: "below 30", decides: false },
        { name: "smoothness over its ceiling, median", value: "0.374", limit: "above 0.6", decides: false },
        { name: "p of L1 > 0", value: "1.31e−35", limit: "below 0.025", decides: true },
        { name: "gradients of different data, noise unknown", value: "yes", limit: "", decides: true },
    ]);
    const news = { ...PHASE, reasons: [{ name: "wobble", value: 2, limit: 3, decides: true }] };
    assert.deepEqual(verdicts.reasonRows(news), [{ name: "wobble", value: "2", limit: "limit 3", decides: true }]);
});

test("limits are without the zeros of three digits", () => {
    assert.deepEqual([0.05, 0.6, 30, 1.1, 0, 2, 1e-10, 1200].map(brief), ["0.05", "0.6", "30", "1.1", "0", "2", "1.00e−10", "1,200"]);
});

test("a phase without an end ends with the run, and one of a step can be looked at", () => {
    const open = { ...PHASE, from_step: 600, to_step: null };
    assert.deepEqual([verdicts.stepsText(PHASE), verdicts.stepsText(open)], ["0 to 599", "600 to the end"]);
    assert.deepEqual(verdicts.rangeOf(PHASE, 1199), [0, 599]);
    assert.deepEqual(verdicts.rangeOf(open, 1199), [600, 1199]);
    assert.deepEqual(verdicts.rangeOf({ ...PHASE, from_step: 7, to_step: 7 }, 9), [7, 8]);
});

test("figures are said with their doubt, and why there are none", () => {
    assert.equal(verdicts.slopeText(PHASE), "0.697 (0.692 to 0.701)");
    assert.deepEqual(verdicts.phaseFigures(PHASE), [
        ["L0, 95 %", "2.01 (1.95 to 2.07)"],
        ["L1, 95 %", "0.697 (0.692 to 0.701), p 1.31e−35"],
        ["L0 + L1 · 4.06", "4.84 (4.79 to 4.90), known best"],
        ["τ_int, n_eff", "1.61 pairs; 600 are worth 373 independent ones"],
        ["Spearman given step, lr", "0.999, p 0.00100"],
        ["… of differences", "0.998"],
        ["operator norms", "60, spread 41.6, Spearman with ‖g‖ 1.00, p 0.00100"],
        ["leverage", "L1 0.698 without the 6 of the largest ‖g‖, 0.694 with them (NNLS)"],
    ]);
    assert.equal(verdicts.slopeText(ABSENT), "–");
    assert.deepEqual(verdicts.phaseFigures(ABSENT), [
        ["interval", "none: blocks shorter than the memory of the pairs"],
        ["Spearman given step, lr", "none: one of the two does not vary"],
        ["… of differences", "none"],
        ["operator norms", "0"],
    ]);
});

test("the band of the line is the interval that the daemon gives of its centroid", () => {
    const band = verdicts.bandOf(verdictOf(PHASE));
    const { x_mean, centroid, L0 } = PHASE.interval;
    const near = (a, b) => assert.ok(Math.abs(a / b - 1) < 1e-9, `${a} ${b}`);
    band.at(x_mean).forEach((y, i) => near(y, [centroid.low, centroid.high][i]));
    band.at(0).forEach((y, i) => near(y, [L0.low, L0.high][i]));
    assert.deepEqual(band.x, [0.5, 200]);
});

test("there is no band of a law that is not the drawn one, or without an interval", () => {
    const below = { ...PHASE.interval.L0, estimate: -0.1 };
    assert.equal(verdicts.bandOf(verdictOf({ ...PHASE, interval: { ...PHASE.interval, L0: below } })), null);
    assert.equal(verdicts.bandOf(verdictOf({ ...PHASE, interval: { ...PHASE.interval, corr: "NaN" } })), null);
    assert.equal(verdicts.bandOf(verdictOf(PHASE, PHASE)), null);
    assert.equal(verdicts.bandOf(verdictOf(ABSENT)), null);
    assert.equal(verdicts.bandOf(null), null);
});

test("a cut is told between the points around it, and near it", () => {
    const cuts = verdicts.cutsOf(verdictOf(PHASE, { ...PHASE, from_step: 600, cause: "lr_drop" }));
    assert.deepEqual(cuts, [{ step: 600, number: 2, text: "phase 2: learning rate fell" }]);
    const pixel = (step) => step / 10;
    const told = "phase 2: learning rate fell";
    assert.equal(markText(cuts, 500, 600, pixel), told);
    assert.equal(markText(cuts, 500, 700, pixel), told);
    assert.equal(markText(cuts, 610, 630, pixel), told);
    assert.equal(markText(cuts, 600, 650, pixel), "");
    assert.equal(markText(cuts, 500, 550, pixel), "");
    assert.deepEqual(verdicts.cutsOf(null), []);
});

const ADVICE = {
    refusal: null,
    unconfirmed: true,
    L0: 2,
    L1: 0.7,
    knee: 2 / 0.7,
    share_above_knee: 0.857,
    recipes: [
        { name: "clipped", lr: 0.05, threshold: 2.857 },
        { name: "clipped_l0l1", lr: 0.25, threshold: "Infinity" },
        { name: "clipped_convex", lr: "Infinity", threshold: 0 },
    ],
    own_threshold: 4.76,
    lr_limit: 0.0184,
    lr_over_limit: 5.44,
    bound_ratio: 43.7,
    adaptivity: 2.31,
};

test("a refusal is said in words, and never an advice beside it", () => {
    assert.equal(advices.refusalText({ refusal: "direction_artefact" }),
        "No advice while the operator norm does not follow the gradient norm.");
    assert.equal(advices.refusalText({ refusal: "some_day" }), "No advice while some day.");
    assert.equal(advices.refusalText(ADVICE), null);
});

test("of a layer the radius of its part of a step is said, where its law gives one", () => {
    assert.match(advices.radiusText({ refusal: "layer", radius: 1.2, grad_norm: 6 }), / = 1\.20, in its own norm, at ‖g‖ = 6\.00\.$/);
    assert.equal(advices.radiusText({ refusal: "layer", radius: null, grad_norm: null }), null);
    assert.equal(advices.radiusText({ refusal: "layer", radius: "NaN", grad_norm: 6 }), null);
    assert.equal(advices.radiusText(ADVICE), null);
});

test("what is unconfirmed says so", () => {
    assert.match(advices.caveatText(ADVICE), /^Unconfirmed: no operator norm tells/);
    assert.equal(advices.caveatText({ ...ADVICE, unconfirmed: false }), null);
});

test("recipes that bound no learning rate are left out, and a threshold may be none", () => {
    assert.deepEqual(advices.recipesOf(ADVICE), [
        { name: "any loss (1905.11881)", lr: "0.0500", threshold: "2.86" },
        { name: "(L0, L1) bound (2410.10800)", lr: "0.250", threshold: "no clipping" },
    ]);
});

test("the rest of the advice is figures, or why there are none", () => {
    assert.deepEqual(advices.adviceFigures(ADVICE), [
        ["knee L0/L1", "2.86; 85.7 % of the pairs are above it"],
        ["clip threshold for your lr", "4.76"],
        ["lr is unstable above", "0.0184"],
        ["one fixed step needs", "43.7 times the steps of clipping, by the bounds"],
        ["adapting the step gains", "at most 2.31 times on this trajectory, whatever the fit"],
    ]);
    const flat = { ...ADVICE, knee: "Infinity", own_threshold: null, lr_limit: null };
    assert.deepEqual(advices.adviceFigures(flat).slice(0, 3).map(([, value]) => value), [
        "none: L1 is 0",
        "not known: no lr, or L1 is 0",
        "not known for this optimizer",
    ]);
});

test("the gauge is of the learning rate over its limit", () => {
    assert.deepEqual(advices.gaugeOf(ADVICE), {
        ratio: 5.44,
        over: true,
        text: "▲ over it: your lr is 5.44 times the limit",
    });
    assert.equal(advices.gaugeOf({ ...ADVICE, lr_over_limit: 0.5 }).text, "your lr is 0.500 times the limit");
    assert.equal(advices.gaugeOf({ ...ADVICE, lr_over_limit: null }), null);
});
