/**
 * points: the pairs of the scatter, in growing columns. Logarithms are kept
 * beside the values, because they are needed for every point at every paint.
 */

import type { DensityData, PointsData, ProbeRows, Regressor } from "../api/types";
import { real } from "../api/types";

/** Probe flags of traj.h that make a point one not to trust. */
export const FLAG_NOT_IDEMPOTENT = 1;
export const FLAG_ROUNDING = 4;
export const FLAGS_DOUBTFUL = FLAG_NOT_IDEMPOTENT | FLAG_ROUNDING;

/** One point, NaN for what is not known. */
interface Point {
    step: number;
    x: number;
    y: number;
    ceiling: number;
    noise: number;
    rounding: number;
    flags: number;
}

export class Points {
    n = 0;
    step = new Float64Array(256);
    x = new Float64Array(256);
    y = new Float64Array(256);
    ceiling = new Float64Array(256);
    /** Floors: what y is of sampling noise alone, and of rounding alone. */
    noise = new Float64Array(256);
    rounding = new Float64Array(256);
    logX = new Float32Array(256);
    logY = new Float32Array(256);
    logCeiling = new Float32Array(256);
    /** Of the higher floor of the two. */
    logFloor = new Float32Array(256);
    flags = new Uint16Array(256);
    /** Extents of the logarithms; empty is +Infinity, -Infinity. */
    extentX: [number, number] = [Infinity, -Infinity];
    extentY: [number, number] = [Infinity, -Infinity];
    extentCeiling: [number, number] = [Infinity, -Infinity];
    extentFloor: [number, number] = [Infinity, -Infinity];
    doubtful = 0;
    /** Live rows that could not be drawn: missing, non-finite, not above 0. */
    excluded = 0;
    lastStep = -1;

    static of(data: PointsData): Points {
        const points = new Points();
        for (let i = 0; i < data.step.length; i++) {
            points.add({
                step: Number(data.step[i]),
                x: real(data.x[i]),
                y: real(data.y[i]),
                ceiling: real(data.ceiling[i]),
                noise: real(data.noise_floor[i]),
                rounding: real(data.rounding_floor[i]),
                flags: Number(data.flags[i] ?? 0),
            });
        }
        return points;
    }

    static ofExtremes(extremes: DensityData["extremes"]): Points {
        const points = new Points();
        extremes.step.forEach((step, i) => {
            const [x, y] = [real(extremes.x[i]), real(extremes.y[i])];
            points.add({ step: Number(step), x, y, ceiling: NaN, noise: NaN, rounding: NaN, flags: 0 });
        });
        return points;
    }

    /** Rows of a live event that are behind all others; how many were added. */
    append(rows: ProbeRows, regressor: Regressor): number {
        const before = this.n;
        const x = rows[regressor];
        const name = regressor === "start" ? "smoothness" : "secant";
        const [ceiling, noise, rounding] = [
            rows[`${name}_ceiling`],
            rows[`${name}_noise_floor`],
            rows[`${name}_rounding_floor`],
        ];
        for (let i = 0; i < rows.step.length; i++) {
            const step = Number(rows.step[i]);
            if (step > this.lastStep) {
                this.add({
                    step,
                    x: real(x[i]),
                    y: real(rows[name][i]),
                    ceiling: real(ceiling[i]),
                    noise: real(noise[i]),
                    rounding: real(rounding[i]),
                    flags: Number(rows.flags[i] ?? 0),
                });
            }
        }
        return this.n - before;
    }

    private add({ step, x, y, ceiling, noise, rounding, flags }: Point): void {
        this.lastStep = Math.max(this.lastStep, step);
        if (!(x > 0 && y > 0 && x < Infinity && y < Infinity)) {
            this.excluded++;
            return;
        }
        if (this.n === this.step.length) {
            this.grow();
        }
        const i = this.n++;
        this.step[i] = step;
        this.x[i] = x;
        this.y[i] = y;
        this.ceiling[i] = ceiling;
        this.noise[i] = noise;
        this.rounding[i] = rounding;
        this.flags[i] = flags;
        this.logX[i] = Math.log10(x);
        this.logY[i] = Math.log10(y);
        this.logCeiling[i] = logOf(ceiling);
        this.logFloor[i] = logOf(Math.max(noise || 0, rounding || 0));
        this.doubtful += (flags & FLAGS_DOUBTFUL) !== 0 ? 1 : 0;
        widen(this.extentX, this.logX[i]!);
        widen(this.extentY, this.logY[i]!);
        widen(this.extentCeiling, this.logCeiling[i]!);
        widen(this.extentFloor, this.logFloor[i]!);
    }

    private grow(): void {
        const more = <T extends Float64Array | Float32Array | Uint16Array>(old: T): T => {
            const bigger = new (old.constructor as new (n: number) => T)(old.length * 2);
            bigger.set(old);
            return bigger;
        };
        this.step = more(this.step);
        this.x = more(this.x);
        this.y = more(this.y);
        this.ceiling = more(this.ceiling);
        this.noise = more(this.noise);
        this.rounding = more(this.rounding);
        this.logX = more(this.logX);
        this.logY = more(this.logY);
        this.logCeiling = more(this.logCeiling);
        this.logFloor = more(this.logFloor);
        this.flags = more(this.flags);
    }
}

/** NaN where a logarithmic axis has no place for it. */
function logOf(value: number): number {
    return value > 0 && value < Infinity ? Math.log10(value) : NaN;
}

export function widen(extent: [number, number], value: number): void {
    if (value < extent[0]) {
        extent[0] = value;
    }
    if (value > extent[1]) {
        extent[1] = value;
    }
}
