/** layers: of every group of a run what its newest records say. Pure. */

import { type Column, type GroupColumns, type Layer, type ProbeColumns, real } from "../api/types";

export interface LayerFigures {
    /** Its number. */
    group: number;
    name: string;
    /** Of the gradient, as sent; L2, as that of the ratio is. */
    gradNorm: number;
    /** ||d|| / ||x||. */
    updateRatio: number;
    smoothness: number;
    /** That the smoothness is measured in; "" where it is not. */
    norm: string;
    /** Of the newest of its records; NaN = there is none. */
    step: number;
}

/** enum traj_norm, of updates. Of gradients its dual. */
const NORMS = ["L2", "RMS", "L∞", "spectral"];

/** In the order of the layers; NaN where nothing was measured. */
export function layerFigures(
    layers: readonly Layer[],
    groups: Partial<GroupColumns>,
    probes: Partial<ProbeColumns>,
): LayerFigures[] {
    const newest = newestOf(groups);
    const probed = newestOf(probes);
    return layers.map(({ group, name }) => {
        const i = newest.get(group);
        const at = (column: Column | undefined): number =>
            i === undefined ? NaN : real(column?.[i]);
        const probe = probed.get(group);
        const norm = Number(probes.norm?.[probe ?? NaN] ?? 0);
        return {
            group: Number(group),
            name,
            gradNorm: Math.sqrt(at(groups.grad_sq)),
            updateRatio: Math.sqrt(at(groups.delta_sq) / at(groups.param_sq)),
            smoothness: probe === undefined ? NaN : real(probes.smoothness?.[probe]),
            norm: probe === undefined ? "" : (NORMS[norm] ?? String(norm)),
            step: i === undefined ? NaN : Number(groups.step?.[i] ?? NaN),
        };
    });
}

/** Of each group the row of the largest step. */
function newestOf({ group = [], step = [] }: Partial<GroupColumns | ProbeColumns>): Map<number, number> {
    const rows = new Map<number, number>();
    group.forEach((value, i) => {
        const old = rows.get(Number(value));
        if (value !== null && (old === undefined || Number(step[i]) >= Number(step[old]))) {
            rows.set(Number(value), i);
        }
    });
    return rows;
}
