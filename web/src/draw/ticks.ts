/**
 * ticks: where an axis has its lines. Pure. uPlot draws every minor line of a
 * log axis, which in a small panel run together into grey bands, and starts
 * them at the end of the scale instead of at a round number; hence our own.
 */

const MANTISSAS = [[1], [1, 3], [1, 2, 5], [1, 2, 3, 5, 7], [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9]];

/** With fewer lines than this, a reader cannot tell that an axis is logarithmic. */
const ENOUGH = 4;

/**
 * Round numbers in [lo, hi], 0 < lo < hi, at most `most` of them: decades, of
 * them every k-th where there are many, 1-2-5 and finer where there are few.
 */
export function logTicks(lo: number, hi: number, most: number): number[] {
    if (!(lo > 0) || !(hi > lo)) {
        return [];
    }
    const from = Math.floor(Math.log10(lo));
    const to = Math.ceil(Math.log10(hi));
    if (hi / lo < 2) {
        return linearTicks(lo, hi, most);
    }
    const decades = (k: number): number =>
        Math.floor(Math.log10(hi) / k) - Math.ceil(Math.log10(lo) / k) + 1;
    let every = 1;
    while (decades(every) > Math.max(1, most)) {
        every++;
    }
    let best: number[] = [];
    for (const mantissas of every > 1 ? MANTISSAS.slice(0, 1) : MANTISSAS) {
        const ticks: number[] = [];
        for (let e = Math.ceil(from / every) * every; e <= to; e += every) {
            for (const m of mantissas) {
                const tick = Number(`${m}e${e}`);
                if (tick >= lo && tick <= hi) {
                    ticks.push(tick);
                }
            }
        }
        if (ticks.length > most) {
            break;
        }
        best = ticks;
        if (ticks.length >= Math.min(ENOUGH, most)) {
            break;
        }
    }
    return best.length > 0 ? best : linearTicks(lo, hi, most);
}

/** Multiples of 1, 2 or 5 times a power of ten in [lo, hi], about `most`. */
export function linearTicks(lo: number, hi: number, most: number): number[] {
    if (!(hi > lo) || !Number.isFinite(hi - lo)) {
        return [];
    }
    const rough = (hi - lo) / Math.max(1, most);
    const power = Math.pow(10, Math.floor(Math.log10(rough)));
    const step = power * ([1, 2, 5, 10].find((m) => m * power >= rough * 0.999) ?? 10);
    const ticks: number[] = [];
    for (
        let i = Math.ceil(lo / step - 1e-9);
        i * step <= hi * (1 + 1e-12) && ticks.length <= 2 * most;
        i++
    ) {
        ticks.push(Number((i * step).toPrecision(12)));
    }
    return ticks;
}

const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** 0.01, 1, 20, 1,000, 10⁵, 2×10⁻⁴. */
export function tickLabel(value: number): string {
    const size = Math.abs(value);
    if (value === 0) {
        return "0";
    }
    if (size >= 1e-3 && size < 1e5) {
        const text = String(Number(value.toPrecision(6)));
        return (size >= 1e3 ? Number(text).toLocaleString("en-US") : text).replace("-", "−");
    }
    const [mantissa = "1", exponent = "0"] = value.toExponential().split("e");
    const power = Number(exponent);
    const digits = String(Math.abs(power)).replace(/\d/g, (d) => SUPERSCRIPT[Number(d)] ?? d);
    const ten = `10${power < 0 ? "⁻" : ""}${digits}`;
    const m = String(Number(Number(mantissa).toPrecision(4))).replace("-", "−");
    return m === "1" ? ten : `${m}×${ten}`;
}

/** Steps on an axis: 1,500 or 20k or 1.5M. */
export function stepLabel(value: number): string {
    const short = (v: number, unit: string): string => `${Number(v.toPrecision(6))}${unit}`;
    if (Math.abs(value) >= 1e6) {
        return short(value / 1e6, "M");
    }
    if (Math.abs(value) >= 1e4) {
        return short(value / 1e3, "k");
    }
    return Number(value.toPrecision(6)).toLocaleString("en-US");
}
