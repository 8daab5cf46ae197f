/** density: a grid of counts as an image: colour is the mean step, opacity the logarithm of the count. */

import type { DensityData } from "../api/types";
import type { Plane } from "../draw/plane";
import { rampIndex, rampPixels, type Shade } from "../draw/ramp";

/** The outer edges of a grid whose first and last cells have their centres on lo and hi. */
export function cellEdges([lo, hi]: readonly [number, number], cells: number): [number, number] {
    const half = (hi - lo) / Math.max(1, cells - 1) / 2;
    return [lo - half, hi + half];
}

export function cellOf(log10: number, [lo, hi]: readonly [number, number], cells: number): number {
    return Math.round(((log10 - lo) / (hi - lo)) * (cells - 1));
}

let made: { density: DensityData; shade: Shade; canvas: HTMLCanvasElement } | null = null;

export function drawDensity(
    ctx: CanvasRenderingContext2D,
    plane: Plane,
    density: DensityData,
    shade: Shade,
): void {
    const [x, y] = [cellEdges(density.x_log10, density.w), cellEdges(density.y_log10, density.h)];
    const [left, top] = [plane.toX(x[0]), plane.toY(y[1])];
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(
        densityImage(density, shade),
        left,
        top,
        plane.toX(x[1]) - left,
        plane.toY(y[0]) - top,
    );
}

/** Cells of the same size as grid cells; row 0 of the grid is the lowest y. Kept until the data change. */
function densityImage(density: DensityData, shade: Shade): HTMLCanvasElement {
    if (made !== null && made.density === density && made.shade === shade) {
        return made.canvas;
    }
    const canvas = document.createElement("canvas");
    canvas.width = density.w;
    canvas.height = density.h;
    canvas
        .getContext("2d")
        ?.putImageData(new ImageData(densityPixels(density, shade), density.w, density.h), 0, 0);
    made = { density, shade, canvas };
    return canvas;
}

export function densityPixels(
    { w, h, counts, mean_step }: DensityData,
    shade: Shade,
): Uint8ClampedArray<ArrayBuffer> {
    const ramp = rampPixels(shade);
    const most = counts.reduce((a, b) => Math.max(a, b), 1);
    const steps = mean_step.filter((v): v is number => v !== null);
    const first = steps.reduce((a, b) => Math.min(a, b), Infinity);
    const last = steps.reduce((a, b) => Math.max(a, b), -Infinity);
    const bytes = new Uint8ClampedArray(w * h * 4);
    for (let j = 0; j < h; j++) {
        for (let i = 0; i < w; i++) {
            const count = counts[j * w + i] ?? 0;
            if (count > 0) {
                const pixel = ramp[rampIndex(mean_step[j * w + i] ?? first, first, last)]!;
                const at = ((h - 1 - j) * w + i) * 4;
                bytes[at] = pixel & 255;
                bytes[at + 1] = (pixel >> 8) & 255;
                bytes[at + 2] = (pixel >> 16) & 255;
                bytes[at + 3] = 70 + (185 * Math.log1p(count)) / Math.log1p(most);
            }
        }
    }
    return bytes;
}
