/** dots: the points of the scatter as pixels, painted once and then only added to. */

import { type Raster, clearRaster, dotRows, drawDot, newRaster, pick } from "../draw/raster";
import type { Plane } from "../draw/plane";
import { rampIndex, rampPixels } from "../draw/ramp";
import type { Palette } from "../draw/theme";
import { FLAGS_DOUBTFUL, type Points } from "../model/points";

/** What the colour and the size of all points depend on. */
export interface Look {
    palette: Palette;
    /** Device pixels. */
    size: number;
    /** Steps at the ends of the ramp. */
    first: number;
    last: number;
}

const REACH = 8;
const BOUNDS_MOST = 4000;

export class Dots {
    private raster: Raster = newRaster(1, 1);
    private readonly canvas = document.createElement("canvas");
    /** What the raster holds; null = nothing of use. */
    private painted: { points: Points; key: string; n: number } | null = null;

    draw(ctx: CanvasRenderingContext2D, plane: Plane, points: Points, look: Look): void {
        const [w, h] = [Math.round(plane.width), Math.round(plane.height)];
        if (this.raster.w !== w || this.raster.h !== h) {
            this.raster = newRaster(w, h);
            this.canvas.width = w;
            this.canvas.height = h;
            this.painted = null;
        }
        if (this.update(plane, points, look)) {
            const bytes = new Uint8ClampedArray(this.raster.pixels.buffer as ArrayBuffer);
            this.canvas.getContext("2d")?.putImageData(new ImageData(bytes, w, h), 0, 0);
        }
        ctx.drawImage(this.canvas, plane.left, plane.top);
    }

    /** The point near this place of the plane, in CSS pixels; -1 = none. */
    at(left: number, top: number): number {
        const ratio = devicePixelRatio;
        return pick(this.raster, left * ratio, top * ratio, Math.round(REACH * ratio));
    }

    /** Only the points that are new, if nothing that all depend on has changed; false if there are none. */
    private update(plane: Plane, points: Points, look: Look): boolean {
        const { shade, doubt } = look.palette;
        const key = [shade, look.size, look.first, look.last, plane.key()].join();
        const old =
            this.painted?.points === points && this.painted.key === key ? this.painted.n : -1;
        if (old === points.n) {
            return false;
        }
        if (old < 0) {
            clearRaster(this.raster);
        }
        const ramp = rampPixels(shade);
        const rows = dotRows(look.size);
        const doubtful = cssPixel(doubt);
        for (let i = Math.max(0, old); i < points.n; i++) {
            const doubted = (points.flags[i]! & FLAGS_DOUBTFUL) !== 0;
            const pixel = doubted
                ? doubtful
                : ramp[rampIndex(points.step[i]!, look.first, look.last)]!;
            const x = plane.toX(points.logX[i]!) - plane.left;
            const y = plane.toY(points.logY[i]!) - plane.top;
            drawDot(this.raster, rows, i, x, y, pixel);
        }
        this.painted = { points, key, n: points.n };
        return true;
    }
}

/** Ceilings as squares, floors as bars: small, behind the points, and not to be picked. */
export function drawBounds(
    ctx: CanvasRenderingContext2D,
    plane: Plane,
    points: Points,
    { ceiling, floor }: Palette,
): void {
    const size = Math.max(2, Math.round((points.n <= 500 ? 3 : 2) * devicePixelRatio));
    drawMarks(ctx, plane, points, points.logCeiling, { colour: ceiling, w: size, h: size });
    const bar = { colour: floor, w: 2 * size + 1, h: Math.max(1, Math.round(size / 2)) };
    drawMarks(ctx, plane, points, points.logFloor, bar);
}

function drawMarks(
    ctx: CanvasRenderingContext2D,
    plane: Plane,
    points: Points,
    logs: Float32Array,
    { colour, w, h }: { colour: string; w: number; h: number },
): void {
    const stride = Math.max(1, Math.ceil(points.n / BOUNDS_MOST));
    ctx.fillStyle = colour;
    for (let i = 0; i < points.n; i += stride) {
        const at = logs[i]!;
        if (!Number.isNaN(at)) {
            const left = Math.round(plane.toX(points.logX[i]!) - w / 2);
            ctx.fillRect(left, Math.round(plane.toY(at) - h / 2), w, h);
        }
    }
}

/** A ring around one point. */
export function drawRing(
    ctx: CanvasRenderingContext2D,
    x: number,
    y: number,
    { paper, ink }: Palette,
): void {
    const ratio = devicePixelRatio;
    for (const [width, colour] of [
        [5, paper],
        [2, ink],
    ] as const) {
        ctx.lineWidth = width * ratio;
        ctx.strokeStyle = colour;
        ctx.beginPath();
        ctx.arc(x, y, 7 * ratio, 0, 2 * Math.PI);
        ctx.stroke();
    }
}

function cssPixel(hex: string): number {
    const n = Number.parseInt(hex.slice(1), 16);
    return ((255 << 24) | ((n & 255) << 16) | (n & 0xff00) | (n >> 16)) >>> 0;
}
