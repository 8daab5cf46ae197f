/**
 * panel: a chart of metrics over steps. The lines of a panel are bucketed
 * separately (probes are rarer than steps), so their x values are joined.
 */

import uPlot from "uplot";
import type { Announcer } from "../dom";
import { h, setText } from "../dom";
import { belowLogText, nonfiniteText, sampledText } from "../draw/captions";
import { counted, grouped, sig3 } from "../draw/format";
import type { Palette, Theme } from "../draw/theme";
import type { Flag } from "../model/alerts";
import { type Buckets, lastStep, newBuckets } from "../model/buckets";
import { type Joined, join } from "../model/join";
import { type Norm, legendText } from "../model/norms";
import type { Cut } from "../model/verdict";
import { axis, padLinear, padLog } from "./axes";
import { drawCuts, markText } from "./cuts";
import { drawDiamonds, placed } from "./diamonds";
import { drawFlags } from "./flags";
import { Frame } from "./frame";
import { movedTo } from "./keys";
import type { TableSource } from "./table";

export interface Line {
    metric: string;
    label: string;
    colour: (palette: Palette) => string;
    dash?: readonly number[];
    width?: number;
    band?: boolean;
    /** Its values are drawn as the norms' marks, without a line. */
    marks?: boolean;
}

export interface PanelOptions {
    name: string;
    what: string;
    lines: readonly Line[];
    log: boolean;
    /** Said in place of the chart where no line has a row. */
    empty: string;
    theme: Theme;
    announcer: Announcer;
    onZoom(from: number, to: number): void;
    onReset(): void;
    onCursor(step: number | null, from: Panel): void;
    onLog(log: boolean): void;
}

const HEIGHT = 190;
/** With fewer values than this, each is marked: a line alone would hide how few there are. */
const FEW = 80;
const Y_SIZE = 58;

export class Panel {
    readonly frame: Frame;
    private u: uPlot;
    private readonly data = new Map<string, Buckets>();
    private joined: Joined = { x: [], at: [] };
    private range: [number, number] = [0, 1];
    private log: boolean;
    private hushed = false;
    private norms: readonly Norm[] = [];
    private cuts: readonly Cut[] = [];
    private flags: readonly Flag[] = [];
    private readonly normLegend = h("div", { class: "legend", hidden: true });
    private readonly logBox: HTMLInputElement;
    private readonly unfollow: () => void;

    constructor(private readonly options: PanelOptions) {
        this.log = options.log;
        this.frame = new Frame(
            options.name,
            options.what,
            () => this.table(),
            () => this.resize(),
        );
        this.logBox = h("input", {
            type: "checkbox",
            "aria-label": `${options.name}: logarithmic axis`,
            onchange: () => options.onLog(this.logBox.checked),
        });
        this.logBox.checked = this.log;
        this.frame.tools.append(h("label", { class: "check" }, this.logBox, "log"));
        this.frame.above(this.normLegend);
        this.u = this.make();
        this.frame.plot.addEventListener("keydown", (event) => this.key(event));
        this.unfollow = options.theme.onChange(() => this.u.redraw(false, true));
    }

    set(metric: string, buckets: Buckets): void {
        this.data.set(metric, buckets);
    }

    /** What the line with marks has in its buckets, one by one. */
    setNorms(norms: readonly Norm[]): void {
        this.norms = norms;
        this.normLegend.hidden = norms.length === 0;
        setText(this.normLegend, legendText(norms));
    }

    /** Where phases begin, and where alerts were raised. */
    setMarks(cuts: readonly Cut[], flags: readonly Flag[]): void {
        this.cuts = cuts;
        this.flags = flags;
    }

    setRange(range: [number, number]): void {
        this.range = range[1] > range[0] ? range : [range[0] - 0.5, range[0] + 0.5];
    }

    setLog(log: boolean): void {
        if (log !== this.log) {
            this.log = log;
            this.logBox.checked = log;
            this.u.destroy();
            this.u = this.make();
            this.paint();
        }
    }

    paint(): void {
        this.joined = join(this.options.lines.map((line) => this.buckets(line)));
        this.u.setData(this.columns(), true);
        this.describe();
    }

    /** Show the line of another chart's cursor. */
    follow(step: number | null): void {
        const left = step === null ? -10 : this.u.valToPos(step, "x");
        this.hushed = true;
        this.u.setCursor({ left, top: left < 0 ? -10 : 10 });
        this.hushed = false;
        this.readAt(step === null ? null : (this.u.cursor.idx ?? null));
    }

    close(): void {
        this.unfollow();
        this.frame.close();
        this.u.destroy();
    }

    private buckets(line: Line): Buckets {
        return this.data.get(line.metric) ?? newBuckets();
    }

    private make(): uPlot {
        const { theme, lines } = this.options;
        const series: uPlot.Series[] = [{}];
        const bands: uPlot.Band[] = [];
        for (const line of lines) {
            const stroke = (): string => line.colour(theme.palette);
            const at = series.length;
            const edge: uPlot.Series = { points: { show: false }, spanGaps: true };
            series.push(
                { ...edge },
                { ...edge },
                {
                    stroke,
                    width: line.width ?? 1.25,
                    spanGaps: true,
                    points: { show: () => false },
                    ...(line.marks ? { paths: () => null } : {}),
                    ...(line.dash ? { dash: [...line.dash] } : {}),
                },
            );
            if (line.band !== false && !line.marks) {
                bands.push({ series: [at + 1, at], fill: () => tint(stroke()) });
            }
        }
        const u = new uPlot(
            {
                width: this.frame.width(),
                height: HEIGHT,
                legend: { show: false },
                padding: [10, 14, 0, 0],
                scales: {
                    x: { time: false, range: () => this.range },
                    y: {
                        distr: this.log ? 3 : 1,
                        range: (_u, lo, hi) => (this.log ? padLog(lo, hi) : padLinear(lo, hi)),
                    },
                },
                axes: [
                    axis({ theme, log: () => false, side: 2, size: 26, room: 70, steps: true }),
                    axis({ theme, log: () => this.log, side: 3, size: Y_SIZE, room: 28 }),
                ],
                series,
                bands,
                cursor: {
                    points: { show: false },
                    y: false,
                    drag: { x: true, y: false, setScale: false, dist: 4 },
                    bind: { dblclick: () => () => (this.options.onReset(), null) },
                },
                hooks: {
                    setCursor: [(chart) => this.moved(chart)],
                    setSelect: [(chart) => this.selected(chart)],
                    draw: [(chart) => this.marks(chart)],
                },
            },
            [[]],
            this.frame.plot,
        );
        return u;
    }

    private columns(): uPlot.AlignedData {
        const columns: (number | null)[][] = [];
        const shown = (v: number): number | null =>
            Number.isFinite(v) && (!this.log || v > 0) ? v : null;
        this.options.lines.forEach((line, k) => {
            const b = this.buckets(line);
            const at = this.joined.at[k]!;
            const pull = (values: number[]): (number | null)[] =>
                at.map((i) => (i < 0 ? null : shown(values[i]!)));
            const [min, max] = line.band === false ? [b.value, b.value] : [b.min, b.max];
            columns.push(pull(min), pull(max), pull(b.value));
        });
        return [this.joined.x, ...columns];
    }

    private describe(): void {
        const { frame, options } = this;
        const parts = options.lines.map((line) => this.buckets(line));
        const main = parts.reduce((a, b) => (b.rows > a.rows ? b : a), parts[0] ?? newBuckets());
        frame.instead(main.rows === 0 ? options.empty : null);
        const notes = [
            sampledText(main),
            nonfiniteText(parts),
            this.log ? belowLogText(parts) : "",
        ];
        frame.note(notes.filter(Boolean).join(" · "));
        const values = options.lines
            .map((line, k) => [line.label, parts[k]!] as const)
            .filter(([, b]) => b.rows > 0)
            .map(([label, b]) => `${label} ${sig3(b.value[b.value.length - 1])}`);
        const newest = Math.max(...parts.map(lastStep));
        frame.label(
            this.u.ctx.canvas,
            main.rows === 0
                ? `${options.name}: no data yet`
                : `${options.name} over steps; at step ${grouped(newest)}: ${values.join(", ")}` +
                      this.cuts.map(({ step, text }) => `; from step ${grouped(step)} on ${text}`).join("") +
                      this.flagsText(),
        );
        if (this.u.cursor.idx === null || this.u.cursor.idx === undefined) {
            this.readAt(null);
        }
    }

    private flagsText(): string {
        const [newest] = this.flags;
        return newest === undefined ? "" : `; ${counted(this.flags.length, "alert")}, the last at step ${grouped(newest.step)}`;
    }

    private readAt(index: number | null): void {
        const at = index ?? this.joined.x.length - 1;
        const step = this.joined.x[at];
        if (step === undefined) {
            this.frame.say("");
            return;
        }
        const place = index === null ? "last" : `step ${grouped(step)}`;
        this.frame.say(`${place}: ${this.texts(at, index !== null).join(" · ")}`);
    }

    /** Of the values of all lines, and of what is marked there. */
    private texts(at: number, marked: boolean): string[] {
        const { x } = this.joined;
        const values = this.options.lines.map((line, k) => this.valueText(line, k, at));
        const marks = [this.cuts.map((cut) => ({ ...cut, text: `▸ ${cut.text}` })), this.flags].map((of) =>
            markText(of, x[at - 1] ?? -1, x[at]!, (step) => this.u.valToPos(step, "x")),
        );
        return [...values, ...(marked ? marks : [])].filter(Boolean);
    }

    private valueText(line: Line, k: number, at: number): string {
        const b = this.buckets(line);
        let i = this.joined.at[k]![at]!;
        for (let back = at; i < 0 && back >= 0; back--) {
            i = this.joined.at[k]![back]!;
        }
        if (i < 0) {
            return "";
        }
        const spread =
            b.count[i]! > 1 && line.band !== false
                ? ` (${sig3(b.min[i])} to ${sig3(b.max[i])})`
                : "";
        return `${line.label} ${sig3(b.value[i])}${spread}`;
    }

    private moved(u: uPlot): void {
        if (this.hushed) {
            return;
        }
        const index = (u.cursor.left ?? -1) < 0 ? null : (u.cursor.idx ?? null);
        this.readAt(index);
        this.options.onCursor(index === null ? null : (this.joined.x[index] ?? null), this);
    }

    private selected(u: uPlot): void {
        const { left, width } = u.select;
        if (width < 4) {
            return;
        }
        u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        const from = Math.max(0, Math.floor(u.posToVal(left, "x")));
        const to = Math.ceil(u.posToVal(left + width, "x"));
        if (to > from) {
            this.options.onZoom(from, to);
        }
    }

    private key(event: KeyboardEvent): void {
        const n = this.joined.x.length;
        const to = movedTo(event.key, this.u.cursor.idx ?? n - 1, n);
        if (to === null) {
            return;
        }
        event.preventDefault();
        this.u.setCursor({ left: this.u.valToPos(this.joined.x[to]!, "x"), top: 10 });
        const texts = this.texts(to, true);
        this.options.announcer.say(`step ${grouped(this.joined.x[to]!)}: ${texts.join(", ")}`);
    }

    /** Dots where values are few, and a red triangle at the top for what no axis can show. */
    private marks(u: uPlot): void {
        const { ctx } = u;
        const ratio = devicePixelRatio;
        const { palette } = this.options.theme;
        ctx.save();
        ctx.beginPath();
        ctx.rect(
            u.bbox.left - 6,
            u.bbox.top - 10 * ratio,
            u.bbox.width + 12,
            u.bbox.height + 10 * ratio,
        );
        ctx.clip();
        drawCuts(ctx, this.cuts, (step) => u.valToPos(step, "x", true), u.bbox, palette);
        this.options.lines.forEach((line, k) => {
            const b = this.buckets(line);
            ctx.fillStyle = line.colour(palette);
            for (
                let i = 0;
                b.first.length < FEW && line.band !== false && !line.marks && i < b.first.length;
                i++
            ) {
                const y = u.valToPos(b.value[i]!, "y", true);
                if (Number.isFinite(y)) {
                    ctx.beginPath();
                    ctx.arc(u.valToPos(this.xOf(k, i), "x", true), y, 2.2 * ratio, 0, 2 * Math.PI);
                    ctx.fill();
                }
            }
            ctx.fillStyle = palette.bad;
            for (let i = 0; i < b.first.length; i++) {
                if (b.nonfinite[i]! > 0) {
                    triangle(ctx, u.valToPos(b.last[i]!, "x", true), u.bbox.top, 5 * ratio);
                }
            }
        });
        const places = placed(this.norms, ({ step, value }) => [
            u.valToPos(step, "x", true),
            u.valToPos(Math.abs(value), "y", true),
        ]);
        drawDiamonds(ctx, places, palette);
        drawFlags(ctx, this.flags, (step) => u.valToPos(step, "x", true), u.bbox, palette);
        ctx.restore();
    }

    private xOf(line: number, bucket: number): number {
        const b = this.buckets(this.options.lines[line]!);
        return b.last[bucket]!;
    }

    private resize(): void {
        this.u.setSize({ width: this.frame.width(), height: HEIGHT });
    }

    private table(): TableSource {
        const { lines } = this.options;
        const { x, at } = this.joined;
        const cell = (k: number, i: number): string[] => {
            const b = this.buckets(lines[k]!);
            const j = at[k]![i]!;
            return j < 0 ? ["", "", ""] : [sig3(b.value[j]), sig3(b.min[j]), sig3(b.max[j])];
        };
        return {
            heads: [
                "up to step",
                ...lines.flatMap(({ label }) => [label, `${label}, least`, `${label}, most`]),
            ],
            rows: x.length,
            row: (i) => [grouped(x[i]!), ...lines.flatMap((_, k) => cell(k, i))],
        };
    }
}

function tint(colour: string): string {
    return `color-mix(in srgb, ${colour} 28%, transparent)`;
}

function triangle(ctx: CanvasRenderingContext2D, x: number, top: number, size: number): void {
    ctx.beginPath();
    ctx.moveTo(x - size, top - size * 1.7);
    ctx.lineTo(x + size, top - size * 1.7);
    ctx.lineTo(x, top);
    ctx.closePath();
    ctx.fill();
}
