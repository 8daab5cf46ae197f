import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./load.mjs";

const { SseParser } = await load("live/sse.ts");
const { latest, planFor, readEvent, withRun } = await load("live/events.ts");
const { Points } = await load("model/points.ts");
const { LOG_DEFAULT, readView, runView, writeView } = await load("model/view.ts");
const { curves, doubts, excludedText } = await load("model/fits.ts");

test("events are the same in whatever pieces the text comes", () => {
    const text =
        ':hb\n\nid: 7\nevent: rows\ndata: {"a":\ndata: 1}\n\nevent: bye\r\ndata: {}\r\n\r\ndata: plain\n\n';
    const expected = [
        { name: "rows", data: '{"a":\n1}', id: "7" },
        { name: "bye", data: "{}", id: "7" },
        { name: "message", data: "plain", id: "7" },
    ];
    for (let size = 1; size <= text.length; size++) {
        const parser = new SseParser();
        const events = [];
        for (let at = 0; at < text.length; at += size) {
            events.push(...parser.push(text.slice(at, at + size)));
        }
        assert.deepEqual(events, expected, `pieces of ${size}`);
    }
});

test("a heartbeat and an event without data are no events", () => {
    assert.deepEqual(new SseParser().push(":hb\n\nevent: run\n\n"), []);
});

test("what is no event of ours is null, and never throws", () => {
    for (const [name, data] of [
        ["rows", "{"],
        ["rows", "null"],
        ["rows", "{}"],
        ["news", "{}"],
        ["fit", '{"run":3}'],
        ["rows", "[1]"],
    ]) {
        assert.equal(readEvent({ name, data, id: null }), null, `${name} ${data}`);
    }
    assert.deepEqual(readEvent({ name: "resync", data: "", id: null }), { type: "resync" });
});

const SHOWING = { run: "r", attempt: 1, regressor: null, ranged: false };
const steps = (attempt) => ({
    attempt: [attempt],
    seq: [1],
    step: [5],
    loss: [1],
    grad_norm: [1],
    lr: [1],
    clip_threshold: [null],
});
const probes = {
    step: [5],
    start: [1],
    trapezoid: [2],
    simpson: [3],
    smoothness: [4],
    smoothness_ceiling: [5],
    smoothness_noise_floor: [0.5],
    smoothness_rounding_floor: [0.25],
    secant: [3.5],
    secant_ceiling: [6],
    secant_noise_floor: [0],
    secant_rounding_floor: [null],
    flags: [0],
};

test("rows are appended, and those of another run are not", () => {
    const rows = { type: "rows", run: "r", step: steps(1), probe: probes };
    assert.equal(planFor(rows, SHOWING).steps, rows.step);
    assert.equal(planFor(rows, SHOWING).refetch, false);
    assert.equal(planFor({ ...rows, run: "other" }, SHOWING).steps, null);
});

test("a new attempt voids what is drawn", () => {
    const plan = planFor({ type: "rows", run: "r", step: steps(2), probe: null }, SHOWING);
    assert.equal(plan.refetch, true);
    assert.equal(plan.steps, null);
});

test("more and resync are fetched, and a part of a run is left as it is", () => {
    assert.equal(planFor({ type: "more", run: "r" }, SHOWING).refetch, true);
    assert.equal(planFor({ type: "resync" }, SHOWING).refetch, true);
    const ranged = { ...SHOWING, ranged: true };
    assert.equal(planFor({ type: "more", run: "r" }, ranged).refetch, false);
    assert.equal(
        planFor({ type: "rows", run: "r", step: steps(1), probe: probes }, ranged).steps,
        null,
    );
    assert.equal(
        planFor({ type: "fit", run: "r", fits: { regressor: "start" } }, ranged).fits,
        null,
    );
});

test("a fit of the shown regressor is taken, one of another asks for a fit", () => {
    const fit = { type: "fit", run: "r", fits: { regressor: "simpson" } };
    assert.equal(planFor(fit, SHOWING).fits, fit.fits);
    assert.equal(planFor(fit, { ...SHOWING, regressor: "simpson" }).fits, fit.fits);
    const other = planFor(fit, { ...SHOWING, regressor: "start" });
    assert.deepEqual([other.fits, other.refit], [null, true]);
});

test("a verdict is of the whole run, by the daemon's regressor", () => {
    const data = '{"run":"r","verdict":"flat","sentence":"s"}';
    const event = readEvent({ name: "verdict", data, id: null });
    assert.deepEqual(planFor(event, SHOWING).verdict, { run: "r", verdict: "flat", sentence: "s" });
    assert.equal(planFor(event, { ...SHOWING, run: "other" }).verdict, null);
    assert.equal(planFor(event, { ...SHOWING, ranged: true }).verdict, null);
    assert.equal(planFor(event, { ...SHOWING, regressor: "start" }).verdict, null);
    assert.equal(readEvent({ name: "verdict", data: "{}", id: null }), null);
});

test("an alert is of its run, whatever is shown of it", () => {
    const event = readEvent({ name: "alert", data: '{"run":"r","rule":"spike","step":7}', id: null });
    assert.deepEqual(planFor(event, { ...SHOWING, ranged: true }).alert, { run: "r", rule: "spike", step: 7 });
    assert.equal(planFor(event, { ...SHOWING, run: "other" }).alert, null);
    assert.equal(readEvent({ name: "alert", data: '{"rule":"spike"}', id: null }), null);
});

const run = (id, created, revision = 1) => ({ id, created_wall_ns: String(created), revision });

test("of an event and an answer that overtake each other the later revision counts, with the details of the last answer", () => {
    const details = (host) => ({ config: { lr: 1 }, hello: { host }, streams: [{ attempt: 1 }], probe_every: 4 });
    const known = { ...run("a", 1, 5), ...details("x") };
    assert.deepEqual(latest(null, known), known);
    assert.deepEqual(latest(null, run("a", 1, 5)), { ...run("a", 1, 5), config: {}, hello: {}, streams: [], probe_every: 0 });
    assert.deepEqual(latest(known, run("a", 1, 6)), { ...known, revision: 6 });
    assert.deepEqual(latest(known, run("a", 1, 4)), known);
    assert.deepEqual(latest(known, { ...run("a", 1, 4), ...details("y") }), { ...known, ...details("y") });
    assert.deepEqual(latest(known, run("a", 2, 1)), { ...run("a", 2, 1), ...details("x") });
    const changed = { ...run("a", 1, 5), state: "lost", ...details("x") }; // by the clock alone
    assert.deepEqual(latest(known, changed), changed);
});

const ALL = { wanted: () => true, more: false };
const NONE = { wanted: () => false, more: false };
const ids = (list) => list.map((r) => r.id).join("");

test("a run is changed in place by a newer revision only", () => {
    const list = [run("b", 2), run("a", 1, 5)];
    assert.equal(withRun(list, run("a", 1, 4), ALL), list);
    assert.deepEqual(withRun(list, run("a", 1, 6), ALL)[1], run("a", 1, 6));
    assert.deepEqual(withRun(list, run("a", 3, 1), ALL)[1], run("a", 3, 1)); // deleted, and made anew
});

test("a run that the filter does not want any more leaves the list", () => {
    assert.equal(ids(withRun([run("b", 2), run("a", 1)], run("b", 2, 2), NONE)), "a");
});

test("a new run stands where its age says, if it is wanted", () => {
    const list = [run("c", "1700000000000000003"), run("a", "1700000000000000001")];
    assert.equal(ids(withRun(list, run("b", "1700000000000000002"), ALL)), "cba");
    assert.equal(ids(withRun(list, run("d", "1700000000000000004"), ALL)), "dca");
    assert.equal(withRun(list, run("d", 4), NONE), list);
});

test("a run older than the part of the list that is loaded waits for its page", () => {
    const list = [run("c", 3), run("b", 2)];
    assert.equal(withRun(list, run("a", 1), { ...ALL, more: true }), list);
    assert.equal(ids(withRun(list, run("a", 1), ALL)), "cba");
});

test("points known already are not drawn twice, and what has no logarithm is counted", () => {
    const points = new Points();
    const rows = (step, y) => ({
        ...probes,
        step,
        start: y,
        smoothness: y,
        smoothness_ceiling: y,
        flags: y.map(() => 0),
    });
    points.append(rows([1, 2, 3], [1, 2, 3]), "start");
    assert.equal(points.append(rows([2, 3, 4], [1, 2, 8]), "start"), 1);
    points.append(rows([5, 6, 7, 8, 9], [0, -1, "NaN", "Infinity", null]), "start");
    assert.deepEqual([points.n, points.excluded, points.lastStep], [4, 5, 9]);
    assert.deepEqual([...points.step.slice(0, 4)], [1, 2, 3, 4]);
    assert.ok(Math.abs(points.extentX[1] - Math.log10(8)) < 1e-6);
});

test("each regressor is drawn against the smoothness of its segment", () => {
    for (const [regressor, x, y] of [["start", 1, 4], ["trapezoid", 2, 3.5], ["simpson", 3, 3.5]]) {
        const points = new Points();
        points.append(probes, regressor);
        assert.deepEqual([points.x[0], points.y[0]], [x, y]);
    }
});

test("of its floors the higher one is drawn, and one of 0 or unknown is not", () => {
    const points = new Points();
    points.append(probes, "start");
    assert.deepEqual([points.noise[0], points.rounding[0]], [0.5, 0.25]);
    assert.ok(Math.abs(points.logFloor[0] - Math.log10(0.5)) < 1e-6);
    const whole = new Points();
    whole.append(probes, "simpson");
    assert.deepEqual([whole.noise[0], whole.rounding[0]], [0, NaN]);
    assert.deepEqual([whole.logFloor[0], whole.extentFloor[1]], [NaN, -Infinity]);
});

test("points keep their values when their columns grow", () => {
    const points = new Points();
    for (let i = 0; i < 2000; i++) {
        points.append(
            {
                ...probes,
                step: [i],
                start: [i + 1],
                smoothness: [i + 2],
                smoothness_ceiling: [null],
                flags: [i % 2],
            },
            "start",
        );
    }
    assert.equal(points.n, 2000);
    assert.deepEqual([points.x[1999], points.y[1999], points.doubtful], [2000, 2001, 1000]);
    assert.equal(points.extentCeiling[0], Infinity);
});

test("the address says what is shown, and nothing that is as usual", () => {
    const usual = runView("a b/c", null);
    assert.deepEqual(readView("/runs/a%20b%2Fc", ""), usual);
    assert.equal(writeView(usual), "/runs/a%20b%2Fc");
    const special = {
        ...usual,
        regressor: "start",
        range: [10, 2000],
        ceiling: false,
        log: { ...LOG_DEFAULT, loss: true, lr: false },
        layer: "rnn.0/größe & co",
        theme: "dark",
    };
    const url = new URL(writeView(special), "http://x");
    assert.deepEqual(readView(url.pathname, url.search), special);
    const list = { page: "list", text: "a&b=ü", state: "lost", project: "p", theme: null };
    const at = new URL(writeView(list), "http://x");
    assert.deepEqual(readView(at.pathname, at.search), list);
});

test("an address by hand with nonsense in it shows the usual", () => {
    assert.deepEqual(
        readView("/runs/x", "?x=cubic&range=9-1&theme=pink&flip=foo"),
        readView("/runs/x", ""),
    );
    assert.equal(readView("/runs/%E0%A4%A", "").id, "%E0%A4%A");
    assert.equal(readView("/else", "").page, "unknown");
});

const FITS = {
    regressor: "simpson",
    estimator: "same_batch",
    n: 100,
    n_excluded: 5,
    excluded: { nonfinite: 3, tiny_step: 2, rounding: 0 },
    every: 1,
    step_range: [0, 99],
    x_range: [1, 1.5],
    y_range: [1, 2],
    fits: [
        { method: "nnls_relative", tau: null, L0: 1, L1: 2 },
        { method: "ols", tau: null, L0: -1, L1: 2 },
        { method: "quantile", tau: 0.5, L0: 1, L1: 3 },
        { method: "quantile", tau: 0.95, L0: 1, L1: 4 },
        { method: "envelope", tau: null, L0: 1, L1: 5 },
    ],
    power: null,
    loglog: null,
    spearman: null,
    spearman_step_x: -0.99,
    ceiling_ratio: 0.7,
    warnings: [],
    reason: null,
};

test("the curves drawn are the four of the picture, each with its quantile", () => {
    assert.deepEqual(
        curves(FITS).map((c) => [c.key, c.L1]),
        [
            ["relative", 2],
            ["median", 3],
            ["q95", 4],
            ["envelope", 5],
        ],
    );
    assert.deepEqual(curves(null), []);
});

test("what the verdict says is not said again beside the fits", () => {
    const warnings = ["near_ceiling", "monotone_in_time", "narrow_range"];
    assert.deepEqual(doubts({ ...FITS, warnings }, null), []);
    const rest = { ...FITS, every: 4, warnings: ["different_data", "thinned", "new_doubt"] };
    const phase = { reasons: [{ name: "pairs" }] };
    assert.deepEqual(doubts(rest, { phases: [phase] }), [
        "The two gradients of a pair are of different data: noise alone raises the smoothness.",
        "Only every 4th pair was fitted.",
        "Doubtful: new doubt.",
    ]);
    const said = { reasons: [{ name: "different_data" }] };
    assert.deepEqual(doubts(rest, { phases: [said] }).length, 2);
    assert.match(doubts(FITS, { phases: [phase, phase, phase] })[0], /^Of all 3 phases together/);
    assert.equal(excludedText(FITS), "3 NaN or infinite, 2 the step was too small to measure");
});
