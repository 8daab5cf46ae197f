/**
 * scatter: the picture of the paper. Smoothness against gradient norm, both
 * logarithmic, coloured by iteration, with the fitted laws over it.
 *
 * uPlot gives axes and cursor; points are written as pixels by raster.ts and
 * put in one piece under the curves, which costs 9 ms for 50,000 points where
 * paths cost 20 to 3,800.
 */

import uPlot from "uplot";
import { REGRESSORS, type DensityData, type Regressor, real } from "../api/types";
import type { Announcer } from "../dom";
import { h } from "../dom";
import { grouped, sig3 } from "../draw/format";
import { type Raster, clearRaster, dotRows, drawDot, newRaster, pick } from "../draw/raster";
import { RAMP_SIZE, rampIndex, rampPixels, steadyLast } from "../draw/ramp";
import { spread } from "../draw/labels";
import type { Theme } from "../draw/theme";
import { FLAGS_DOUBTFUL, Points, widen } from "../model/points";
import type { Curve } from "../model/verdict";
import { axis } from "./axes";
import { drawCurve, drawLabel, labelText, type CurvePath } from "./curves";
import { cellEdges, cellOf, densityImage } from "./density";
import { Frame } from "./frame";
import type { TableSource } from "./table";

export interface ScatterOptions {
    theme: Theme;
    announcer: Announcer;
    ceiling: boolean;
    onRegressor(regressor: Regressor): void;
    onCeiling(shown: boolean): void;
    onPick(step: number | null): void;
}

export interface LawRange {
    curves: readonly Curve[];
    /** The gradient norms that were fitted: a law is not drawn beyond them. */
    x: readonly [number, number] | null;
}

const REGRESSOR_TEXT: Record<Regressor, string> = {
    start: "‖g‖ at the start of the step",
    trapezoid: "‖g‖, mean of start and end",
    simpson: "‖g‖, Simpson over the step",
};
const Y_SIZE = 58;
const LABEL_ROOM = 106;
const NARROW = 520;
/** Decades above the points for their ceiling: a far one must not press them together. */
const CEILING_ROOM = 0.5;

export class Scatter {
    readonly frame: Frame;
    points = new Points();
    private density: DensityData | null = null;
    private law: LawRange = { curves: [], x: null };
    private readonly u: uPlot;
    private raster: Raster = newRaster(1, 1);
    private readonly under = document.createElement("canvas");
    private lo: [number, number] = [-1, -1];
    private hi: [number, number] = [1, 1];
    private chosen = -1;
    /** What the raster holds; null = nothing of use. */
    private painted: { points: Points; key: string; n: number } | null = null;
    private ceiling: boolean;
    private excluded = 0;
    private sampling = "";
    private readonly select: HTMLSelectElement;
    private readonly ceilingBox: HTMLInputElement;
    private readonly legend = h("canvas", { class: "ramp", width: RAMP_SIZE, height: 1, "aria-hidden": "true" });
    private readonly first = h("span", {});
    private readonly last = h("span", {});
    private readonly unfollow: () => void;

    constructor(private readonly options: ScatterOptions) {
        this.ceiling = options.ceiling;
        this.frame = new Frame(
            "Smoothness against gradient norm",
            "log-log scatter, coloured by iteration",
            () => this.table(),
            () => this.resize(),
        );
        this.frame.element.classList.add("scatter");
        this.select = h(
            "select",
            { onchange: () => options.onRegressor(this.select.value as Regressor) },
            ...REGRESSORS.map((r) => h("option", { value: r }, REGRESSOR_TEXT[r])),
        );
        this.ceilingBox = h("input", { type: "checkbox", onchange: () => options.onCeiling(this.ceilingBox.checked) });
        this.ceilingBox.checked = this.ceiling;
        this.frame.tools.append(
            h("label", {}, "x: ", this.select),
            h("label", { class: "check" }, this.ceilingBox, "ceiling (G+G′)/r"),
        );
        this.frame.element.insertBefore(
            h("div", { class: "legend" }, "step ", this.first, this.legend, this.last),
            this.frame.element.querySelector(".plot-box"),
        );
        this.u = this.make();
        this.colourLegend();
        this.frame.plot.addEventListener("keydown", (event) => this.key(event));
        this.unfollow = options.theme.onChange(() => {
            this.colourLegend();
            this.u.redraw(false, true);
        });
    }

    setPoints(points: Points, excluded: number, sampling: string): void {
        this.points = points;
        this.density = null;
        this.excluded = excluded;
        this.sampling = sampling;
    }

    setDensity(density: DensityData, excluded: number, sampling: string): void {
        this.density = density;
        this.points = new Points();
        density.extremes.step.forEach((step, i) => {
            this.points.append(
                {
                    step: [step],
                    start: [density.extremes.x[i] ?? null],
                    trapezoid: [],
                    simpson: [],
                    smoothness: [density.extremes.y[i] ?? null],
                    ceiling: [null],
                    flags: [0],
                },
                "start",
            );
        });
        this.excluded = excluded;
        this.sampling = sampling;
    }

    isDensity(): boolean {
        return this.density !== null;
    }

    setLaw(law: LawRange): void {
        this.law = law;
    }

    setRegressor(regressor: Regressor): void {
        this.select.value = regressor;
    }

    setCeiling(shown: boolean): void {
        this.ceiling = shown;
        this.ceilingBox.checked = shown;
    }

    /** Ring the point of this step, if there is one. */
    showStep(step: number | null): void {
        const before = this.chosen;
        this.chosen = -1;
        for (let i = 0; step !== null && i < this.points.n; i++) {
            if (this.points.step[i] === step) {
                this.chosen = i;
                break;
            }
        }
        if (this.chosen !== before) {
            this.u.redraw(false, false);
        }
    }

    paint(): void {
        const before = [...this.lo, ...this.hi].join();
        this.fitScales();
        if ([...this.lo, ...this.hi].join() === before) {
            this.u.redraw(false, false);
        } else {
            this.u.batch(() => {
                this.u.setScale("x", { min: 10 ** this.lo[0], max: 10 ** this.hi[0] });
                this.u.setScale("y", { min: 10 ** this.lo[1], max: 10 ** this.hi[1] });
            });
        }
        this.describe();
    }

    close(): void {
        this.unfollow();
        this.frame.close();
        this.u.destroy();
    }

    private make(): uPlot {
        const { theme } = this.options;
        return new uPlot(
            {
                width: this.frame.width(),
                height: this.height(),
                legend: { show: false },
                padding: [8, () => this.labelRoom(), 0, 0],
                scales: {
                    x: { time: false, distr: 3, auto: false, range: (_u, lo, hi) => [lo ?? 0.1, hi ?? 10] },
                    y: { distr: 3, auto: false, range: (_u, lo, hi) => [lo ?? 0.1, hi ?? 10] },
                },
                axes: [
                    {
                        ...axis({ theme, log: () => true, side: 2, size: 28, room: 60 }),
                        label: "gradient norm",
                        labelSize: 18,
                        labelFont: "12px system-ui, sans-serif",
                    },
                    {
                        ...axis({ theme, log: () => true, side: 3, size: Y_SIZE, room: 40 }),
                        label: "smoothness",
                        labelSize: 18,
                        labelFont: "12px system-ui, sans-serif",
                    },
                ],
                series: [{}, { show: false }],
                cursor: {
                    points: { show: false },
                    drag: { x: false, y: false, setScale: false },
                    bind: { dblclick: () => () => null },
                },
                hooks: {
                    draw: [(u) => this.draw(u)],
                    setCursor: [(u) => this.moved(u)],
                },
            },
            [[0.1, 10], [null, null]],
            this.frame.plot,
        );
    }

    private labelRoom(): number {
        return this.frame.width() < NARROW ? 12 : LABEL_ROOM;
    }

    private height(): number {
        const width = this.frame.width();
        return Math.round(Math.max(300, Math.min(560, width * 0.62)));
    }

    private resize(): void {
        this.u.setSize({ width: this.frame.width(), height: this.height() });
    }

    private fitScales(): void {
        const x: [number, number] = [...this.points.extentX];
        const y: [number, number] = [...this.points.extentY];
        if (this.density !== null) {
            this.density.x_log10.forEach((v) => widen(x, v));
            this.density.y_log10.forEach((v) => widen(y, v));
        }
        if (this.law.x !== null) {
            const [from, to] = this.law.x;
            for (const { L0, L1 } of this.law.curves) {
                [L0 + L1 * from, L0 + L1 * to].filter((v) => v > 0).forEach((v) => widen(y, Math.log10(v)));
            }
        }
        if (this.ceiling && this.points.extentCeiling[1] > y[1]) {
            widen(y, Math.min(this.points.extentCeiling[1], y[1] + CEILING_ROOM));
        }
        [this.lo[0], this.hi[0]] = aired(x);
        [this.lo[1], this.hi[1]] = aired(y);
    }

    private draw(u: uPlot): void {
        const { ctx, bbox } = u;
        const [w, height] = [Math.round(bbox.width), Math.round(bbox.height)];
        if (w < 1 || height < 1) {
            return;
        }
        if (this.raster.w !== w || this.raster.h !== height) {
            this.raster = newRaster(w, height);
            this.under.width = w;
            this.under.height = height;
            this.painted = null;
        }
        ctx.save();
        ctx.beginPath();
        ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
        ctx.clip();
        if (this.density !== null) {
            this.drawDensity(u, this.density);
        } else if (this.ceiling) {
            this.drawCeiling(u);
        }
        if (this.drawPoints()) {
            const bytes = new Uint8ClampedArray(this.raster.pixels.buffer as ArrayBuffer);
            this.under.getContext("2d")?.putImageData(new ImageData(bytes, w, height), 0, 0);
        }
        ctx.drawImage(this.under, bbox.left, bbox.top);
        ctx.restore();
        this.drawLaws(u);
        this.drawChosen(u);
    }

    private toX(logX: number): number {
        return ((logX - this.lo[0]) / (this.hi[0] - this.lo[0])) * this.raster.w;
    }

    private toY(logY: number): number {
        return (1 - (logY - this.lo[1]) / (this.hi[1] - this.lo[1])) * this.raster.h;
    }

    private dotSize(): number {
        const { n } = this.points;
        const css = this.density !== null ? 3 : n <= 500 ? 6 : n <= 4000 ? 4 : n <= 20000 ? 3 : 2;
        return Math.max(2, Math.round(css * devicePixelRatio));
    }

    /** Only the points that are new, if nothing that all depend on has changed; false if there are none. */
    private drawPoints(): boolean {
        const { points, raster } = this;
        const { shade, doubt } = this.options.theme.palette;
        const [first, last] = this.stepRange();
        const until = this.density === null ? steadyLast(first, last) : last;
        const key = [shade, this.dotSize(), first, until, ...this.lo, ...this.hi].join();
        const fresh = this.painted === null || this.painted.points !== points || this.painted.key !== key;
        const from = fresh ? 0 : this.painted!.n;
        if (fresh) {
            clearRaster(raster);
        } else if (from === points.n) {
            return false;
        }
        const ramp = rampPixels(shade);
        const rows = dotRows(this.dotSize());
        const doubtful = cssPixel(doubt);
        for (let i = from; i < points.n; i++) {
            const doubted = (points.flags[i]! & FLAGS_DOUBTFUL) !== 0;
            const pixel = doubted ? doubtful : ramp[rampIndex(points.step[i]!, first, until)]!;
            drawDot(raster, rows, i, this.toX(points.logX[i]!), this.toY(points.logY[i]!), pixel);
        }
        this.painted = { points, key, n: points.n };
        return true;
    }

    /** Behind the points, and not to be picked: their own layer is drawn first. */
    private drawCeiling(u: uPlot): void {
        const { ctx, bbox } = u;
        const { points } = this;
        const size = Math.max(2, Math.round((points.n <= 500 ? 3 : 2) * devicePixelRatio));
        ctx.fillStyle = this.options.theme.palette.ceiling;
        const stride = Math.max(1, Math.ceil(points.n / 4000));
        for (let i = 0; i < points.n; i += stride) {
            const at = points.logCeiling[i]!;
            if (at === at) {
                ctx.fillRect(
                    Math.round(bbox.left + this.toX(points.logX[i]!) - size / 2),
                    Math.round(bbox.top + this.toY(at) - size / 2),
                    size,
                    size,
                );
            }
        }
    }

    private drawDensity(u: uPlot, density: DensityData): void {
        const image = densityImage(density, this.options.theme.palette.shade);
        const [x, y] = [cellEdges(density.x_log10, density.w), cellEdges(density.y_log10, density.h)];
        const [left, right] = [u.bbox.left + this.toX(x[0]), u.bbox.left + this.toX(x[1])];
        const [top, bottom] = [u.bbox.top + this.toY(y[1]), u.bbox.top + this.toY(y[0])];
        u.ctx.imageSmoothingEnabled = false;
        u.ctx.drawImage(image, left, top, right - left, bottom - top);
    }

    private drawLaws(u: uPlot): void {
        const { bbox } = u;
        const { palette } = this.options.theme;
        const range = this.law.x ?? [10 ** this.points.extentX[0], 10 ** this.points.extentX[1]];
        const paths: CurvePath[] = [];
        for (const curve of this.law.curves) {
            const path: { x: number; y: number }[] = [];
            for (let i = 0; i <= 100; i++) {
                const x = range[0] * Math.pow(range[1] / range[0], i / 100);
                const y = curve.L0 + curve.L1 * x;
                if (x > 0 && y > 0) {
                    path.push({ x: bbox.left + this.toX(Math.log10(x)), y: bbox.top + this.toY(Math.log10(y)) });
                }
            }
            if (path.length > 1) {
                paths.push({ curve, path, colour: palette.curve[curve.key] });
            }
        }
        u.ctx.save();
        u.ctx.beginPath();
        u.ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
        u.ctx.clip();
        paths.forEach((p) => drawCurve(u.ctx, p, palette.paper));
        u.ctx.restore();
        this.labelLaws(u, paths);
    }

    private labelLaws(u: uPlot, paths: readonly CurvePath[]): void {
        const { bbox, ctx } = u;
        const ratio = devicePixelRatio;
        const inside = this.frame.width() < NARROW;
        const ends = paths.map(({ path }) => path[path.length - 1]!);
        const wanted = ends.map((end) => Math.max(bbox.top, Math.min(bbox.top + bbox.height, end.y - (inside ? 10 * ratio : 0))));
        const placed = spread(wanted, 15 * ratio, bbox.top - 6 * ratio, bbox.top + bbox.height);
        paths.forEach((path, i) => {
            const end = ends[i]!;
            const x = inside ? Math.min(end.x, bbox.left + bbox.width) - 4 * ratio : bbox.left + bbox.width + 8 * ratio;
            drawLabel(ctx, {
                text: labelText(path.curve),
                x,
                y: placed[i]!,
                align: inside ? "right" : "left",
                colour: path.colour,
                halo: this.options.theme.palette.paper,
                from: inside ? null : { x: Math.min(end.x, bbox.left + bbox.width), y: wanted[i]! },
            });
        });
    }

    private drawChosen(u: uPlot): void {
        const i = this.chosen;
        if (i < 0 || i >= this.points.n) {
            return;
        }
        const { ctx, bbox } = u;
        const x = bbox.left + this.toX(this.points.logX[i]!);
        const y = bbox.top + this.toY(this.points.logY[i]!);
        const ratio = devicePixelRatio;
        for (const [width, colour] of [[5, this.options.theme.palette.paper], [2, this.options.theme.palette.ink]] as const) {
            ctx.lineWidth = width * ratio;
            ctx.strokeStyle = colour;
            ctx.beginPath();
            ctx.arc(x, y, 7 * ratio, 0, 2 * Math.PI);
            ctx.stroke();
        }
    }

    private moved(u: uPlot): void {
        const { left, top } = u.cursor;
        if (left === undefined || top === undefined || left < 0) {
            return;
        }
        const ratio = devicePixelRatio;
        const found = pick(this.raster, left * ratio, top * ratio, Math.round(8 * ratio));
        if (found < 0 && this.density !== null) {
            this.frame.say(this.cellText(u, left, top));
        }
        if (found !== this.chosen) {
            this.choose(found);
        }
    }

    private choose(point: number): void {
        this.chosen = point;
        this.u.redraw(false, false);
        this.options.onPick(point < 0 ? null : this.points.step[point]!);
        if (point >= 0) {
            this.frame.say(this.pointText(point));
        } else if (this.density === null) {
            this.frame.say("");
        }
    }

    private pointText(i: number): string {
        const ceiling = Number.isFinite(this.points.ceiling[i]!) ? ` · ceiling ${sig3(this.points.ceiling[i])}` : "";
        return (
            `step ${grouped(this.points.step[i]!)} · gradient norm ${sig3(this.points.x[i])}` +
            ` · smoothness ${sig3(this.points.y[i])}${ceiling}`
        );
    }

    private cellText(u: uPlot, left: number, top: number): string {
        const density = this.density!;
        const i = cellOf(Math.log10(u.posToVal(left, "x")), density.x_log10, density.w);
        const j = cellOf(Math.log10(u.posToVal(top, "y")), density.y_log10, density.h);
        const cell = j * density.w + i;
        const count = i >= 0 && i < density.w && j >= 0 && j < density.h ? (density.counts[cell] ?? 0) : 0;
        return count === 0 ? "" : `${grouped(count)} points here, mean step ${grouped(real(density.mean_step[cell]))}`;
    }

    private key(event: KeyboardEvent): void {
        const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -Infinity, End: Infinity }[event.key];
        const { n } = this.points;
        if (move === undefined || n === 0) {
            return;
        }
        event.preventDefault();
        const from = this.chosen < 0 ? n - 1 : this.chosen;
        this.choose(Math.max(0, Math.min(n - 1, from + move)));
        this.options.announcer.say(this.pointText(this.chosen));
    }

    private stepRange(): [number, number] {
        if (this.density !== null) {
            const steps = this.density.mean_step.filter((v): v is number => v !== null);
            return [steps.reduce((a, b) => Math.min(a, b), Infinity), steps.reduce((a, b) => Math.max(a, b), -Infinity)];
        }
        return [this.points.n > 0 ? this.points.step[0]! : 0, this.points.lastStep];
    }

    private describe(): void {
        const { points, frame } = this;
        const [first, last] = this.stepRange();
        const some = points.n > 0 || this.density !== null;
        this.first.textContent = some ? grouped(first) : "";
        this.last.textContent = some ? grouped(last) : "";
        const out = this.excluded + points.excluded;
        const left = out === 0 ? "" : `${grouped(out)} left out (missing, not finite or not above 0)`;
        const drawn = this.density === null && some ? `${grouped(points.n)} points${this.sampling}` : this.sampling;
        frame.note([drawn, left, this.ceilingText()].filter(Boolean).join(" · "));
        frame.instead(
            some ? null : "No probe yet. The smoothness needs two gradients on the same batch: give the hook a gradient function.",
        );
        const laws = this.law.curves.map((c) => `${c.long}: L0 ${sig3(c.L0)}, L1 ${sig3(c.L1)}`).join("; ");
        frame.label(
            this.u.ctx.canvas,
            some
                ? `Smoothness against gradient norm, log-log, ${this.density === null ? `${grouped(points.n)} points` : "as a density"}, ` +
                      `steps ${grouped(first)} to ${grouped(last)}. ${laws}`
                : "Smoothness against gradient norm: no points yet",
        );
    }

    private ceilingText(): string {
        const highest = this.points.extentCeiling[1];
        return this.ceiling && highest > this.hi[1] ? `ceiling up to ${sig3(10 ** highest)}, beyond the picture` : "";
    }

    private colourLegend(): void {
        const pixels = rampPixels(this.options.theme.palette.shade);
        const bytes = new Uint8ClampedArray(pixels.buffer as ArrayBuffer);
        this.legend.getContext("2d")?.putImageData(new ImageData(bytes, RAMP_SIZE, 1), 0, 0);
    }

    private table(): TableSource {
        const { points } = this;
        return {
            heads: ["step", "gradient norm", "smoothness", "ceiling"],
            rows: points.n,
            row: (i) => [
                grouped(points.step[i]!),
                sig3(points.x[i]),
                sig3(points.y[i]),
                Number.isFinite(points.ceiling[i]!) ? sig3(points.ceiling[i]) : "–",
            ],
        };
    }
}

function aired([lo, hi]: readonly [number, number]): [number, number] {
    if (!(hi >= lo)) {
        return [-1, 1];
    }
    const span = Math.max(hi - lo, 0.3);
    const middle = (lo + hi) / 2;
    return [middle - span * 0.54, middle + span * 0.54];
}

function cssPixel(hex: string): number {
    const n = Number.parseInt(hex.slice(1), 16);
    return ((255 << 24) | ((n & 255) << 16) | (n & 0xff00) | (n >> 16)) >>> 0;
}
