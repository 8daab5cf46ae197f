import assert from "node:assert/strict";
import test from "node:test";
import { load } from "./load.mjs";

const { ago, counted, duration, grouped, sig3, wallMs } = await load("draw/format.ts");
const { linearTicks, logTicks, stepLabel, tickLabel } = await load("draw/ticks.ts");
const { RAMP_SIZE, lightness, rampIndex, rampPixels, steadyLast } = await load("draw/ramp.ts");
const { clearRaster, dotRows, drawDot, newRaster, pick } = await load("draw/raster.ts");
const { spread } = await load("draw/labels.ts");
const { cellEdges, cellOf, densityPixels } = await load("charts/density.ts");
const { movedTo } = await load("charts/keys.ts");

test("numbers have three significant digits", () => {
    const cases = [
        [0, "0"],
        [1, "1.00"],
        [0.5, "0.500"],
        [123.456, "123"],
        [-2.5, "−2.50"],
        [1234.5, "1,230"],
        [99999, "100,000"],
        [1e5, "1.00e+5"],
        [1.234e-5, "1.23e−5"],
        [0.00123456, "0.00123"],
        [NaN, "NaN"],
        [Infinity, "∞"],
        [-Infinity, "−∞"],
        [null, "–"],
        [undefined, "–"],
    ];
    for (const [value, text] of cases) {
        assert.equal(sig3(value), text, String(value));
    }
});

test("times are the two units that say something", () => {
    assert.equal(duration(1234), "1.2 s");
    assert.equal(duration(61_000), "1 min 1 s");
    assert.equal(duration(3_660_000), "1 h 1 min");
    assert.equal(duration(90_000_000), "1 d 1 h");
    assert.equal(duration(NaN), "–");
    assert.equal(ago(65_000), "1 min ago");
    assert.equal(wallMs("1700000000123000000"), 1700000000123);
});

test("counts are grouped and in the right number", () => {
    assert.equal(grouped(1234567), "1,234,567");
    assert.equal(counted(1, "row"), "1 row");
    assert.equal(counted(2, "row"), "2 rows");
});

test("log ticks lie in the range, ascend, and are never more than there is room for", () => {
    for (const decades of [0.05, 0.2, 0.5, 1, 2, 5, 12, 40, 300]) {
        for (const most of [2, 5, 9]) {
            for (const lo of [1e-7, 0.03, 1, 4.2, 7e5]) {
                const hi = lo * 10 ** decades;
                if (hi > 1e300) {
                    continue;
                }
                const ticks = logTicks(lo, hi, most);
                assert.ok(ticks.length >= 1, `${lo} ${hi} ${most}`);
                assert.ok(
                    ticks.length <= (decades < 0.31 ? 2 * most + 1 : most),
                    `${lo} ${hi} ${most}: ${ticks}`,
                );
                ticks.forEach((t, i) =>
                    assert.ok(
                        t >= lo * (1 - 1e-12) &&
                            t <= hi * (1 + 1e-12) &&
                            (i === 0 || t > ticks[i - 1]),
                    ),
                );
            }
        }
    }
});

test("log ticks are decades where there are many, and round between where there are few", () => {
    assert.deepEqual(logTicks(0.5, 2e4, 6), [1, 10, 100, 1000, 10000]);
    assert.deepEqual(logTicks(0.8, 12, 8), [1, 2, 5, 10]);
    assert.deepEqual(logTicks(1e-9, 1e9, 4).length <= 4, true);
    assert.deepEqual(logTicks(0, 1, 5), []);
    assert.deepEqual(logTicks(2, 1, 5), []);
});

test("linear ticks are round and in the range", () => {
    assert.deepEqual(linearTicks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
    assert.deepEqual(linearTicks(-1, 1, 4), [-1, -0.5, 0, 0.5, 1]);
    assert.deepEqual(linearTicks(5, 5, 4), []);
});

test("labels of ticks are short", () => {
    const cases = [
        [0.01, "0.01"],
        [1, "1"],
        [1000, "1,000"],
        [1e5, "10⁵"],
        [2e-4, "2×10⁻⁴"],
        [-3, "−3"],
        [0, "0"],
    ];
    cases.forEach(([value, text]) => assert.equal(tickLabel(value), text));
    assert.equal(stepLabel(1500), "1,500");
    assert.equal(stepLabel(20_000), "20k");
    assert.equal(stepLabel(1_500_000), "1.5M");
});

test("earlier is darker in both themes, and the dark theme's dark end can be seen", () => {
    for (const shade of ["light", "dark"]) {
        const levels = [...rampPixels(shade)].map(lightness);
        levels.forEach((level, i) =>
            assert.ok(i === 0 || level > levels[i - 1] - 0.004, `${shade} ${i}`),
        );
        assert.ok(levels[RAMP_SIZE - 1] > levels[0] + 0.3);
    }
    assert.ok(lightness(rampPixels("dark")[0]) > 0.12);
    assert.ok(lightness(rampPixels("light")[RAMP_SIZE - 1]) < 0.55);
});

test("steps map to the ends of the ramp, and a single step to its late end", () => {
    assert.equal(rampIndex(10, 10, 20), 0);
    assert.equal(rampIndex(20, 10, 20), RAMP_SIZE - 1);
    assert.equal(rampIndex(5, 10, 20), 0);
    assert.equal(rampIndex(7, 7, 7), RAMP_SIZE - 1);
});

test("picking finds the nearest point, and none out of reach", () => {
    const r = newRaster(100, 80);
    const rows = dotRows(3);
    drawDot(r, rows, 0, 10, 10, 1);
    drawDot(r, rows, 1, 30, 10, 2);
    assert.equal(pick(r, 12, 11, 6), 0);
    assert.equal(pick(r, 27, 10, 6), 1);
    assert.equal(pick(r, 60, 60, 6), -1);
    clearRaster(r);
    assert.equal(pick(r, 10, 10, 6), -1);
});

test("points beyond the edges draw what is inside and nothing else", () => {
    const r = newRaster(10, 10);
    for (const [x, y] of [
        [-50, 5],
        [5, -50],
        [1e9, 5],
        [0, 0],
        [10, 10],
    ]) {
        drawDot(r, dotRows(5), 0, x, y, 7);
    }
    assert.equal(r.owners[0], 1);
    assert.ok(r.pixels.every((p) => p === 0 || p === 7));
    assert.equal(r.owners[5 * 10 + 9], 0);
});

test("which of two points is seen does not depend on which was drawn first", () => {
    const paint = (order) => {
        const r = newRaster(40, 40);
        order.forEach((i) => drawDot(r, dotRows(5), i, 10 + (i % 7) * 3, 10 + (i % 5) * 3, i + 1));
        return [...r.owners];
    };
    const order = Array.from({ length: 200 }, (_, i) => i);
    assert.deepEqual(paint(order), paint([...order].reverse()));
    assert.ok(
        new Set(
            paint(order)
                .filter((v) => v > 0)
                .map((v) => v > 100),
        ).size === 2,
        "neither old nor new hide the others",
    );
});

test("labels keep their order, do not overlap and stay inside", () => {
    const placed = spread([50, 52, 51, 200], 15, 0, 120);
    const sorted = [...placed].sort((a, b) => a - b);
    sorted.forEach((v, i) => assert.ok(i === 0 || v - sorted[i - 1] >= 15 - 1e-9));
    assert.ok(placed[0] < placed[2] && placed[2] < placed[1] && placed[1] < placed[3]);
    assert.ok(sorted[0] >= 7.5 && sorted[3] <= 112.5);
    assert.deepEqual(spread([10, 60], 15, 0, 100), [10, 60]);
});

test("a density's cells have their first and last centres on the ends", () => {
    assert.deepEqual(cellEdges([0, 10], 11), [-0.5, 10.5]);
    assert.equal(cellOf(0, [0, 10], 11), 0);
    assert.equal(cellOf(9.6, [0, 10], 11), 10);
});

test("a density is seen where there are points, the lowest row at the bottom", () => {
    const density = {
        mode: "density",
        w: 2,
        h: 2,
        x_log10: [0, 1],
        y_log10: [0, 1],
        counts: [5, 0, 0, 1],
        mean_step: [1, null, null, 9],
        extremes: { step: [], x: [], y: [] },
    };
    const bytes = densityPixels(density, "light");
    assert.deepEqual(
        [bytes[3], bytes[7], bytes[11], bytes[15]].map((a) => a > 0),
        [false, true, true, false],
    );
    assert.ok(bytes[11] > bytes[7], "more points are more opaque");
});

test("the end of the ramp of a growing run is near and rarely moves", () => {
    const ends = new Set();
    for (let last = 1000; last < 2000; last++) {
        const end = steadyLast(100, last);
        assert.ok(end >= last && end - last <= (last - 100) / 16, `${last} ${end}`);
        ends.add(end);
    }
    assert.ok(ends.size <= 70, `${ends.size}`);
    assert.equal(steadyLast(5, 5), 5);
});

test("arrow keys move through a chart's values and stop at its ends", () => {
    assert.equal(movedTo("ArrowRight", 3, 10), 4);
    assert.equal(movedTo("ArrowLeft", 0, 10), 0);
    assert.equal(movedTo("PageDown", 3, 10), 9);
    assert.equal(movedTo("Home", 7, 10), 0);
    assert.equal(movedTo("End", 7, 10), 9);
    assert.equal(movedTo("a", 7, 10), null);
    assert.equal(movedTo("End", -1, 0), null);
});
