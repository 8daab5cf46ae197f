/** axes: how all charts' axes look. */

import type uPlot from "uplot";
import { linearTicks, logTicks, stepLabel, tickLabel } from "../draw/ticks";
import type { Theme } from "../draw/theme";

export const AXIS_FONT = "11px system-ui, sans-serif";

interface AxisOptions {
    theme: Theme;
    log: () => boolean;
    side: 2 | 3;
    size: number;
    /** CSS pixels that a label needs along the axis. */
    room: number;
    steps?: boolean;
}

/** An axis that draws the lines of ticks.ts and no others. */
export function axis({ theme, log, side, size, room, steps }: AxisOptions): uPlot.Axis {
    const along = (u: uPlot): number =>
        (side === 2 ? u.bbox.width : u.bbox.height) / devicePixelRatio;
    const label = steps ? stepLabel : tickLabel;
    return {
        side,
        size,
        gap: 4,
        font: AXIS_FONT,
        stroke: () => theme.palette.dim,
        grid: { stroke: () => theme.palette.line, width: 1 },
        ticks: { stroke: () => theme.palette.line, width: 1, size: 4 },
        splits: (u, _axis, lo, hi) => {
            const most = Math.max(2, Math.floor(along(u) / room));
            return log() ? logTicks(lo, hi, most) : linearTicks(lo, hi, most);
        },
        filter: (_u, splits) => splits,
        values: (_u, splits) => splits.map(label),
    };
}

/** A log scale's ends with air around the data. */
export function padLog(lo: number, hi: number, air = 0.06): [number, number] {
    if (!(lo > 0) || !(hi >= lo) || !Number.isFinite(hi)) {
        return [0.1, 10];
    }
    const span = Math.max(Math.log10(hi / lo), 0.2);
    const middle = (Math.log10(hi) + Math.log10(lo)) / 2;
    const half = span * (0.5 + air);
    return [10 ** (middle - half), 10 ** (middle + half)];
}

export function padLinear(lo: number, hi: number, air = 0.06): [number, number] {
    if (!Number.isFinite(lo) || !Number.isFinite(hi)) {
        return [0, 1];
    }
    const span = hi - lo || Math.abs(hi) * 0.1 || 1;
    return [lo - span * air, hi + span * air];
}
