/**
 * scatter: the picture of the paper. Smoothness against gradient norm, both
 * logarithmic, coloured by iteration, with the fitted laws over it.
 *
 * uPlot gives axes and cursor; points are written as pixels (dots.ts) and put
 * in one piece under the curves, which costs 9 ms for 50,000 points where
 * paths cost 20 to 3,800.
 */

import uPlot from "uplot";
import { type DensityData, REGRESSORS, type Regressor } from "../api/types";
import type { Announcer } from "../dom";
import { h, setText } from "../dom";
import { brief, counted, grouped, sig3 } from "../draw/format";
import { type Extent, Plane, aired } from "../draw/plane";
import { RAMP_SIZE, rampPixels, steadyLast } from "../draw/ramp";
import type { Theme } from "../draw/theme";
import { type Norm, comparisonText, isPlaced, legendText, normText } from "../model/norms";
import { Points, widen } from "../model/points";
import type { Band } from "../model/verdict";
import { axis } from "./axes";
import { drawBand } from "./band";
import { type Laws, drawLaws } from "./curves";
import { drawDensity } from "./density";
import { type Place, diamondAt, drawDiamonds, placed } from "./diamonds";
import { Dots, drawBounds, drawRing } from "./dots";
import { Frame } from "./frame";
import { movedTo } from "./keys";
import { cellText, pictureText, pointText } from "./scatter_words";
import type { TableSource } from "./table";

export interface ScatterOptions {
    theme: Theme;
    announcer: Announcer;
    ceiling: boolean;
    onRegressor(regressor: Regressor): void;
    onCeiling(shown: boolean): void;
    onPick(step: number | null): void;
}

const REGRESSOR_TEXT: Record<Regressor, string> = {
    start: "‖g‖ at the start of the step",
    trapezoid: "‖g‖, mean of start and end",
    simpson: "‖g‖, Simpson over the step",
};
const Y_SIZE = 58;
const LABEL_ROOM = 106;
/** Narrower than this, labels of curves stand inside the picture. */
const NARROW = 520;
/** Decades beside the points for their ceiling and floors: far ones must not press them together. */
const BOUNDS_ROOM = 0.5;

export class Scatter {
    readonly frame: Frame;
    points = new Points();
    private density: DensityData | null = null;
    private laws: Laws = { curves: [], x: null };
    private band: Band | null = null;
    private given: readonly Norm[] = [];
    /** Of them, those that have a place. */
    private norms: readonly Norm[] = [];
    private diamonds: readonly Place[] = [];
    private overNorm: Norm | null = null;
    private readonly u: uPlot;
    private readonly dots = new Dots();
    /** Of the logarithms, as the axes show them. */
    private extentX: Extent = [-1, 1];
    private extentY: Extent = [-1, 1];
    private chosen = -1;
    private ceiling: boolean;
    private excluded = 0;
    private sampling = "";
    private readonly select: HTMLSelectElement;
    private readonly ceilingBox: HTMLInputElement;
    private readonly legend = h("canvas", {
        class: "ramp",
        width: RAMP_SIZE,
        height: 1,
        "aria-hidden": "true",
    });
    private readonly first = h("span", {});
    private readonly last = h("span", {});
    private readonly boundsLegend = h("span", { class: "mark-legend" });
    private readonly normLegend = h("span", { class: "mark-legend" });
    private readonly bandLegend = h("span", { class: "mark-legend" });
    private readonly comparison = h("p", { class: "comparison", hidden: true });
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
        this.ceilingBox = h("input", {
            type: "checkbox",
            onchange: () => options.onCeiling(this.ceilingBox.checked),
        });
        this.ceilingBox.checked = this.ceiling;
        this.frame.tools.append(
            h("label", {}, "x: ", this.select),
            h("label", { class: "check" }, this.ceilingBox, "ceiling, floors"),
        );
        this.frame.above(
            h(
                "div",
                { class: "legend" },
                "step ",
                this.first,
                this.legend,
                this.last,
                this.boundsLegend,
                this.normLegend,
                this.bandLegend,
            ),
        );
        this.frame.element.append(this.comparison);
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
        this.points = Points.ofExtremes(density.extremes);
        this.excluded = excluded;
        this.sampling = sampling;
    }

    isDensity(): boolean {
        return this.density !== null;
    }

    /** band: of the first of the curves, if its interval is known. */
    setLaws(laws: Laws, band: Band | null): void {
        this.laws = laws;
        this.band = band;
        const text = band === null ? "" : `▒ ${brief(100 * band.level)} % interval of the line`;
        setText(this.bandLegend, text);
    }

    setNorms(norms: readonly Norm[]): void {
        if (norms === this.given) {
            return;
        }
        this.given = norms;
        this.norms = norms.filter(isPlaced);
        setText(this.normLegend, norms.length > 0 ? legendText(norms) : "");
        setText(this.comparison, comparisonText(norms));
        this.comparison.hidden = norms.length === 0;
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
        const before = [...this.extentX, ...this.extentY].join();
        this.fitScales();
        if ([...this.extentX, ...this.extentY].join() === before) {
            this.u.redraw(false, false);
        } else {
            const ends = ([lo, hi]: Extent): { min: number; max: number } => ({
                min: 10 ** lo,
                max: 10 ** hi,
            });
            this.u.batch(() => {
                this.u.setScale("x", ends(this.extentX));
                this.u.setScale("y", ends(this.extentY));
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
                padding: [8, () => (this.narrow() ? 12 : LABEL_ROOM), 0, 0],
                scales: {
                    x: {
                        time: false,
                        distr: 3,
                        auto: false,
                        range: (_u, lo, hi) => [lo ?? 0.1, hi ?? 10],
                    },
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
            [
                [0.1, 10],
                [null, null],
            ],
            this.frame.plot,
        );
    }

    private narrow(): boolean {
        return this.frame.width() < NARROW;
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
        for (const norm of this.norms) {
            widen(x, Math.log10(norm.x));
            widen(y, Math.log10(Math.abs(norm.value)));
        }
        if (this.laws.x !== null) {
            const [from, to] = this.laws.x;
            for (const { L0, L1 } of this.laws.curves) {
                [L0 + L1 * from, L0 + L1 * to]
                    .filter((v) => v > 0)
                    .forEach((v) => widen(y, Math.log10(v)));
            }
        }
        const { extentCeiling, extentFloor } = this.points;
        if (this.ceiling && extentCeiling[1] > y[1]) {
            widen(y, Math.min(extentCeiling[1], y[1] + BOUNDS_ROOM));
        }
        if (this.ceiling && extentFloor[1] > y[0] - BOUNDS_ROOM) {
            widen(y, Math.max(extentFloor[0], y[0] - BOUNDS_ROOM));
        }
        this.extentX = aired(x);
        this.extentY = aired(y);
    }

    private draw({ ctx, bbox }: uPlot): void {
        if (bbox.width < 1 || bbox.height < 1) {
            return;
        }
        const { points, density } = this;
        const { palette } = this.options.theme;
        const plane = new Plane(
            this.extentX,
            this.extentY,
            bbox.left,
            bbox.top,
            bbox.width,
            bbox.height,
        );
        const [first, last] = this.stepRange();
        plane.clipped(ctx, () => {
            if (density !== null) {
                drawDensity(ctx, plane, density, palette.shade);
            } else if (this.ceiling) {
                drawBounds(ctx, plane, points, palette);
            }
            const until = density === null ? steadyLast(first, last) : last;
            this.dots.draw(ctx, plane, points, {
                palette,
                size: this.dotSize(),
                first,
                last: until,
            });
        });
        const { band } = this;
        if (band !== null) {
            plane.clipped(ctx, () => drawBand(ctx, plane, band, palette));
        }
        drawLaws(ctx, plane, this.laws, palette, this.narrow());
        this.diamonds = placed(this.norms, ({ x, value }) => [
            plane.toX(Math.log10(x)),
            plane.toY(Math.log10(Math.abs(value))),
        ]);
        plane.clipped(ctx, () => drawDiamonds(ctx, this.diamonds, palette));
        if (this.chosen >= 0 && this.chosen < points.n) {
            const x = plane.toX(points.logX[this.chosen]!);
            drawRing(ctx, x, plane.toY(points.logY[this.chosen]!), palette);
        }
    }

    private dotSize(): number {
        const { n } = this.points;
        const css = this.density !== null ? 3 : n <= 500 ? 6 : n <= 4000 ? 4 : n <= 20000 ? 3 : 2;
        return Math.max(2, Math.round(css * devicePixelRatio));
    }

    private moved(u: uPlot): void {
        const { left, top } = u.cursor;
        if (left === undefined || top === undefined || left < 0) {
            return;
        }
        const before = this.overNorm;
        this.overNorm = this.normAt(u, left, top);
        if (this.overNorm !== null) {
            this.choose(-1);
            this.frame.say(normText(this.overNorm));
            this.options.onPick(this.overNorm.step);
            return;
        }
        const found = this.dots.at(left, top);
        if (found < 0 && this.density !== null) {
            this.frame.say(cellText(this.density, u.posToVal(left, "x"), u.posToVal(top, "y")));
        }
        if (found !== this.chosen || before !== null) {
            this.choose(found);
        }
    }

    private normAt({ bbox }: uPlot, left: number, top: number): Norm | null {
        const ratio = devicePixelRatio;
        return diamondAt(this.diamonds, bbox.left + left * ratio, bbox.top + top * ratio);
    }

    private choose(point: number): void {
        this.chosen = point;
        this.u.redraw(false, false);
        this.options.onPick(point < 0 ? null : this.points.step[point]!);
        if (point >= 0) {
            this.frame.say(pointText(this.points, point));
        } else if (this.density === null) {
            this.frame.say("");
        }
    }

    private key(event: KeyboardEvent): void {
        const { n } = this.points;
        const to = movedTo(event.key, this.chosen < 0 ? n - 1 : this.chosen, n);
        if (to === null) {
            return;
        }
        event.preventDefault();
        this.choose(to);
        this.options.announcer.say(pointText(this.points, this.chosen));
    }

    private stepRange(): [number, number] {
        if (this.density !== null) {
            const steps = this.density.mean_step.filter((v): v is number => v !== null);
            return [
                steps.reduce((a, b) => Math.min(a, b), Infinity),
                steps.reduce((a, b) => Math.max(a, b), -Infinity),
            ];
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
        const left =
            out === 0 ? "" : `${grouped(out)} left out (missing, not finite or not above 0)`;
        const drawn =
            this.density === null && some
                ? `${grouped(points.n)} points${this.sampling}`
                : this.sampling;
        setText(this.boundsLegend, this.boundsMarks());
        frame.note([drawn, left, ...this.boundsTexts()].filter(Boolean).join(" · "));
        const nothing =
            out > 0
                ? `No probe of ${grouped(out)} has a point: each was left out.`
                : "No probe yet. The smoothness needs two gradients on the same batch: give the hook a gradient function.";
        frame.instead(some || this.norms.length > 0 ? null : nothing);
        const marks =
            this.norms.length > 0
                ? `. ${counted(this.norms.length, "operator norm")} of the Hessian as diamonds`
                : "";
        const picture = some
            ? pictureText(points, this.density, [first, last], this.laws.curves)
            : "Smoothness against gradient norm: no points yet";
        frame.label(this.u.ctx.canvas, picture + marks);
    }

    /** What the marks beside the points mean, of those that are in the picture. */
    private boundsMarks(): string {
        const { extentCeiling, extentFloor } = this.points;
        const [bottom, top] = this.extentY;
        const marks = [
            extentCeiling[0] <= top ? "▪ ceiling" : "",
            extentFloor[1] >= bottom ? "▬ floor of noise or rounding" : "",
        ];
        return this.ceiling ? marks.filter(Boolean).join("  ") : "";
    }

    /** Of what is drawn where the picture does not reach. */
    private boundsTexts(): string[] {
        const { extentCeiling, extentFloor } = this.points;
        const [bottom, top] = this.extentY;
        const texts = [
            extentCeiling[1] > top ? `ceiling up to ${sig3(10 ** extentCeiling[1])}, beyond the picture` : "",
            extentFloor[1] > -Infinity && extentFloor[1] < bottom
                ? `floors at most ${sig3(10 ** extentFloor[1])}, below the picture`
                : "",
        ];
        return this.ceiling ? texts : [];
    }

    private colourLegend(): void {
        const pixels = rampPixels(this.options.theme.palette.shade);
        const bytes = new Uint8ClampedArray(pixels.buffer as ArrayBuffer);
        this.legend.getContext("2d")?.putImageData(new ImageData(bytes, RAMP_SIZE, 1), 0, 0);
    }

    private table(): TableSource {
        const { points, norms } = this;
        const known = (value: number): string => (Number.isFinite(value) ? sig3(value) : "–");
        const point = (i: number): string[] => [
            grouped(points.step[i]!),
            sig3(points.x[i]),
            sig3(points.y[i]),
            known(points.ceiling[i]!),
            known(points.noise[i]!),
            known(points.rounding[i]!),
        ];
        const norm = ({ step, x, value, converged }: Norm): string[] => [
            grouped(step),
            sig3(x),
            "–",
            "–",
            "–",
            "–",
            sig3(value) + (converged ? "" : " (not converged)"),
        ];
        const heads = ["step", "gradient norm", "smoothness", "ceiling", "noise floor", "rounding floor"];
        if (norms.length === 0) {
            return { heads, rows: points.n, row: point };
        }
        return {
            heads: [...heads, "operator norm, signed"],
            rows: points.n + norms.length,
            row: (i) => (i < points.n ? [...point(i), "–"] : norm(norms[i - points.n]!)),
        };
    }
}
