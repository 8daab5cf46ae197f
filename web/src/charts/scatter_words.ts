/** scatter_words: the scatter in words: of a point, of a cell, of all. Pure. */

import { type DensityData, real } from "../api/types";
import { grouped, sig3 } from "../draw/format";
import type { Points } from "../model/points";
import type { Curve } from "../model/fits";
import { cellOf } from "./density";

export function pointText(points: Points, i: number): string {
    const parts = [
        `step ${grouped(points.step[i]!)}`,
        `gradient norm ${sig3(points.x[i])}`,
        `smoothness ${sig3(points.y[i])}`,
    ];
    const bounds: [string, number][] = [
        ["ceiling", points.ceiling[i]!],
        ["noise floor", points.noise[i]!],
        ["rounding floor", points.rounding[i]!],
    ];
    for (const [name, value] of bounds) {
        if (Number.isFinite(value)) {
            parts.push(`${name} ${sig3(value)}`);
        }
    }
    return parts.join(" · ");
}

/** What is at a place of a density; "" where nothing is. */
export function cellText(density: DensityData, x: number, y: number): string {
    const i = cellOf(Math.log10(x), density.x_log10, density.w);
    const j = cellOf(Math.log10(y), density.y_log10, density.h);
    const cell = j * density.w + i;
    const inside = i >= 0 && i < density.w && j >= 0 && j < density.h;
    const count = inside ? (density.counts[cell] ?? 0) : 0;
    return count === 0
        ? ""
        : `${grouped(count)} points here, mean step ${grouped(real(density.mean_step[cell]))}`;
}

/** The label of the canvas. */
export function pictureText(
    points: Points,
    density: DensityData | null,
    steps: readonly [number, number],
    curves: readonly Curve[],
): string {
    const what = density === null ? `${grouped(points.n)} points` : "as a density";
    const laws = curves.map((c) => `${c.long}: L0 ${sig3(c.L0)}, L1 ${sig3(c.L1)}`).join("; ");
    return (
        `Smoothness against gradient norm, log-log, ${what}, ` +
        `steps ${grouped(steps[0])} to ${grouped(steps[1])}. ${laws}`
    );
}
