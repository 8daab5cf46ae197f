/** layers: a table of the groups of a run, from their newest records of all ranks. */

import { get, runPath } from "../api/client";
import type { Layers, ProbePage } from "../api/types";
import { grouped, sig3 } from "../draw/format";
import { type LayerFigures, layerFigures } from "../model/layers";
import { Drawer, figureTable } from "./drawer";

const PROBE_STEPS = 4096;
const MOST = 100_000;

export function layersDrawer(): Drawer {
    return new Drawer("Layers", false, async (run, signal) => {
        const path = runPath(run.id);
        const { data: layers, newest } = await get<Layers>(`${path}/layers`, {}, signal);
        // One rank's probe of a layer may be of a part of it.
        const probes =
            run.ranks > 1 ? {} : await newestProbes(path, Number(run.last_step ?? 0), signal);
        const rows = layerFigures(layers, newest ?? {}, probes).map(cells);
        return [figureTable("Layers", HEADS, rows, 1)];
    });
}

async function newestProbes(
    path: string,
    last: number,
    signal: AbortSignal,
): Promise<ProbePage["data"]> {
    const query = { fields: "step,group,norm,smoothness", from: Math.max(0, last - PROBE_STEPS), limit: MOST };
    return (await get<ProbePage>(`${path}/probes`, query, signal)).data;
}

const HEADS = ["layer", "‖g‖₂ as sent", "‖d‖₂/‖x‖₂", "smoothness", "in norm", "step"];

function cells({ name, gradNorm, updateRatio, smoothness, norm, step }: LayerFigures): string[] {
    const known = (value: number, text: (value: number) => string): string =>
        Number.isNaN(value) ? "–" : text(value);
    const numbers = [gradNorm, updateRatio, smoothness].map((value) => known(value, sig3));
    const shown = Number.isNaN(smoothness) ? "–" : norm;
    return [name, ...numbers, shown, known(step, grouped)];
}
