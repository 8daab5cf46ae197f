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

export class Points {
    n = 0;
    step = new Float64Array(256);
    x = new Float64Array(256);
    y = new Float64Array(256);
    ceiling = new Float64Array(256);
    logX = new Float32Array(256);
    logY = new Float32Array(256);
    logCeiling = new Float32Array(256);
    flags = new Uint16Array(256);
    /** Extents of the logarithms; empty is +Infinity, -Infinity. */
    extentX: [number, number] = [Infinity, -Infinity];
    extentY: [number, number] = [Infinity, -Infinity];
    extentCeiling: [number, number] = [Infinity, -Infinity];
    doubtful = 0;
    /** Live rows that could not be drawn: missing, non-finite, not above 0. */
    excluded = 0;
    lastStep = -1;

    static of(data: PointsData): Points {
        const points = new Points();
        for (let i = 0; i < data.step.length; i++) {
            points.add(
                Number(data.step[i]),
                real(data.x[i]),
                real(data.y[i]),
                real(data.ceiling[i]),
                Number(data.flags[i] ?? 0),
            );
        }
        return points;
    }

    static ofExtremes(extremes: DensityData["extremes"]): Points {
        const points = new Points();
        extremes.step.forEach((step, i) => {
            points.add(Number(step), real(extremes.x[i]), real(extremes.y[i]), NaN, 0);
        });
        return points;
    }

    /** Rows of a live event that are behind all others; how many were added. */
    append(rows: ProbeRows, regressor: Regressor): number {
        const before = this.n;
        const x = rows[regressor];
        const whole = regressor !== "start";
        const y = whole ? rows.secant : rows.smoothness;
        const ceiling = whole ? rows.secant_ceiling : rows.smoothness_ceiling;
        for (let i = 0; i < rows.step.length; i++) {
            const step = Number(rows.step[i]);
            if (step > this.lastStep) {
                const flags = Number(rows.flags[i] ?? 0);
                this.add(step, real(x[i]), real(y[i]), real(ceiling[i]), flags);
            }
        }
        return this.n - before;
    }

    private add(step: number, x: number, y: number, ceiling: number, flags: number): void {
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
        this.flags[i] = flags;
        this.logX[i] = Math.log10(x);
        this.logY[i] = Math.log10(y);
        this.logCeiling[i] = ceiling > 0 && ceiling < Infinity ? Math.log10(ceiling) : NaN;
        this.doubtful += (flags & FLAGS_DOUBTFUL) !== 0 ? 1 : 0;
        widen(this.extentX, this.logX[i]!);
        widen(this.extentY, this.logY[i]!);
        widen(this.extentCeiling, this.logCeiling[i]!);
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
        this.logX = more(this.logX);
        this.logY = more(this.logY);
        this.logCeiling = more(this.logCeiling);
        this.flags = more(this.flags);
    }
}

export function widen(extent: [number, number], value: number): void {
    if (value < extent[0]) {
        extent[0] = value;
    }
    if (value > extent[1]) {
        extent[1] = value;
    }
}
