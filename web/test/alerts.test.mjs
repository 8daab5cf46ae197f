import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./load.mjs";

const { alertKey, figuresText, flagsOf, newsText } = await load("model/alerts.ts");
const { aroundOf, isAround } = await load("model/around.ts");
const { drawFlags } = await load("charts/flags.ts");
const { TEXT_MOST, newestFirst, readMessages } = await load("model/messages.ts");

/** As trajd gave it. */
const NAN = {
    run: "r-17",
    rule: "non_finite",
    severity: "error",
    attempt: 1,
    step: 812,
    value: "NaN",
    limit: null,
    sentence: "the loss is NaN at step 812",
    wall_ns: "1795354903544179501",
};
const SPIKE = { ...NAN, rule: "spike", severity: "warning", value: 8.2349, limit: 6, sentence: "the loss spikes" };

test("an alert's value and limit in words, also where they are no numbers", () => {
    assert.equal(figuresText(NAN), "value NaN, no limit");
    assert.equal(figuresText(SPIKE), "value 8.23, limit 6");
    assert.equal(figuresText({ ...SPIKE, value: "-Infinity", limit: 0.9 }), "value −∞, limit 0.9");
});

test("alerts are the same that are of the same run, rule and step", () => {
    assert.equal(alertKey(NAN), alertKey({ ...NAN, wall_ns: "1" }));
    const others = [NAN, SPIKE, { ...NAN, run: "r" }, { ...NAN, step: 81 }].map(alertKey);
    assert.equal(new Set(others).size, 4);
});

test("what is new is told by its newest, with the run where there are several", () => {
    assert.equal(newsText([NAN], false), "error, non_finite: the loss is NaN at step 812");
    assert.equal(newsText([SPIKE, NAN], true), "2 new alerts, the last: warning, spike of r-17: the loss spikes");
});

test("flags are not put where a later attempt has done the step again", () => {
    const stream = (attempt, first_step) => ({ attempt, rank: 0, first_step });
    const steps = (streams, alerts) => flagsOf(alerts, streams).map(({ step }) => step);
    const later = { ...NAN, attempt: 2 };
    assert.deepEqual(steps([stream(1, 0)], [NAN]), [812]);
    assert.deepEqual(steps([stream(1, 0), stream(2, 813)], [NAN]), [812]);
    assert.deepEqual(steps([stream(1, 0), stream(2, 812)], [NAN, later]), [812]);
    assert.deepEqual(steps([stream(1, 0), stream(2, null)], [NAN]), [812]);
    assert.deepEqual(steps([stream(1, 0), stream(2, 0), stream(3, 900)], [NAN]), []);
    assert.deepEqual(flagsOf([NAN, SPIKE], []), [
        { step: 812, level: "error", text: "✕ error: non_finite" },
        { step: 812, level: "warning", text: "▲ warning: spike" },
    ]);
});

/** Where flags of these steps are drawn, a pixel a step, and whether full. */
function drawn(flags, ratio = 1) {
    globalThis.devicePixelRatio = ratio;
    const marks = [];
    const nothing = () => undefined;
    const ctx = { save: nothing, restore: nothing, setLineDash: nothing, beginPath: nothing, lineTo: nothing, closePath: nothing, stroke: nothing,
        moveTo: (x) => marks.push([x, false]), fill: () => (marks.at(-1)[1] = true) };
    drawFlags(ctx, flags, (step) => step * ratio, { left: 0, width: 200 * ratio, top: 0, height: 100 }, { bad: "red" });
    return marks;
}

test("flags lie beside each other and within the chart, errors before warnings", () => {
    const error = (step) => ({ step, level: "error" });
    const warning = (step) => ({ step, level: "warning" });
    assert.deepEqual(drawn([error(50), warning(70)]), [[50, true], [70, false]]);
    assert.deepEqual(drawn([error(50), error(60), error(61)]), [[50, true], [61, true]]);
    assert.deepEqual(drawn([error(50), error(60), error(61)], 2), [[100, true], [122, true]]);
    assert.deepEqual(drawn([warning(50), error(55), warning(66)]), [[55, true], [66, false]]);
    assert.deepEqual(drawn([error(-1), error(0), error(200), error(201)]), [[0, true], [200, true]]);
});

test("the steps around one stay within the run, and are known again when it has gone on", () => {
    assert.deepEqual(aroundOf(1000, 5000), [872, 1128]);
    assert.deepEqual(aroundOf(5, 5000), [0, 133]);
    assert.deepEqual(aroundOf(1000, 1010), [872, 1010]);
    assert.deepEqual(aroundOf(1000, 1000), [872, 1001]);
    assert.deepEqual(aroundOf(1000, Infinity), [872, 1128]);
    for (const last of [1000, 1010, 1128, 5000]) {
        assert.ok(isAround(aroundOf(1000, last), 1000), String(last));
    }
    assert.ok(!isAround(null, 1000));
    assert.ok(!isAround([872, 1000], 1000));
    assert.ok(!isAround([872, 1129], 1000));
    assert.ok(!isAround([871, 1100], 1000));
    assert.ok(!isAround(aroundOf(1001, 5000), 1000));
});

const columns = (rows) =>
    Object.fromEntries(
        ["attempt", "rank", "seq", "step", "wall_ns", "event", "severity", "text", "value", "exit_code"].map((name) => [
            name,
            rows.map((row) => row[name] ?? null),
        ]),
    );
const said = (row) => ({ attempt: 1, rank: 0, seq: 1, wall_ns: "5", event: 0, severity: 0, ...row });

test("events have their level, and a text also where the trainer gave none", () => {
    const rows = [
        said({ step: 3, text: "note" }),
        said({ seq: 2, severity: 1, event: 2, value: 31 }),
        said({ seq: 3, severity: 2, event: 1, exit_code: -9 }),
        said({ seq: 4, severity: 7, text: "" }),
        said({ seq: 5, event: 2, value: 1, text: "1 records were dropped here" }),
    ];
    assert.deepEqual(
        readMessages(columns(rows)).map(({ key, level, step, text }) => [key, level, step, text]),
        [
            ["1 0 1", "info", 3, "note"],
            ["1 0 2", "warning", null, "31 records dropped: the spool was full"],
            ["1 0 3", "error", null, "the trainer ended with -9"],
            ["1 0 4", "error", null, "(no text)"],
            ["1 0 5", "info", null, "1 records were dropped here"],
        ],
    );
    assert.equal(readMessages(columns([said({ event: 1 })]))[0].text, "the trainer ended with no exit code");
});

test("a text is shown up to its limit, and what is left out is counted", () => {
    const text = (n) => readMessages(columns([said({ text: "x".repeat(n) })]))[0].text;
    assert.equal(text(TEXT_MOST), "x".repeat(TEXT_MOST));
    assert.equal(text(TEXT_MOST + 1), `${"x".repeat(TEXT_MOST)}… and 1 character more`);
    assert.equal(text(65_535), `${"x".repeat(TEXT_MOST)}… and 63,535 characters more`);
});

test("the newest event is first, of one moment the later record", () => {
    const rows = [
        said({ seq: 1, wall_ns: "1795354903178477731" }),
        said({ seq: 2, wall_ns: "1795354903178477730" }), // the same double
        said({ seq: 3, wall_ns: "1795354903178477730" }),
        said({ seq: 4, wall_ns: "9" }),
    ];
    const order = newestFirst(readMessages(columns(rows))).map(({ key }) => key.at(-1));
    assert.deepEqual(order, ["1", "3", "2", "4"]);
});
