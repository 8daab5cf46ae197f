/** layers: of every group of a run what its newest records say. Pure. */

import { type Column, type GroupColumns, type Layer, type ProbeColumns, real } from "../api/types";

export interface LayerFigures {
    name: string;
    /** Of the gradient, as sent. */
    gradNorm: number;
    /** ||d|| / ||x||. */
    updateRatio: number;
    smoothness: number;
    /** Of the newest of its records; NaN = there is none. */
    step: number;
}

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
        return {
            name,
            gradNorm: Math.sqrt(at(groups.grad_sq)),
            updateRatio: Math.sqrt(at(groups.delta_sq) / at(groups.param_sq)),
            smoothness: probe === undefined ? NaN : real(probes.smoothness?.[probe]),
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
