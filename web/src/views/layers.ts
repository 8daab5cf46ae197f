/** layers: a table of the groups of a run, from their newest records. */

import { get, runPath } from "../api/client";
import type { GroupPage, Layers, ProbePage } from "../api/types";
import { grouped, sig3 } from "../draw/format";
import { type LayerFigures, layerFigures } from "../model/layers";
import { Drawer, figureTable } from "./drawer";

/** The newest records are looked for in the last so many steps, from few to all. */
const WINDOWS = [64, 1024, Infinity];
const PROBE_STEPS = 4096;
const MOST = 100_000;

export function layersDrawer(): Drawer {
    return new Drawer("Layers", false, async (run, signal) => {
        const path = runPath(run.id);
        const last = Number(run.last_step ?? 0);
        const { data: layers } = await get<Layers>(`${path}/layers`, {}, signal);
        const fields = "step,group,norm,smoothness";
        const from = Math.max(0, last - PROBE_STEPS);
        const [groups, probes] = await Promise.all([
            newestGroups(path, last, signal),
            get<ProbePage>(`${path}/probes`, { fields, from, limit: MOST }, signal),
        ]);
        const rows = layerFigures(layers, groups.data, probes.data).map(cells);
        return [figureTable("Layers", HEADS, rows, 1)];
    });
}

async function newestGroups(path: string, last: number, signal: AbortSignal): Promise<GroupPage> {
    const fields = "step,group,grad_sq,param_sq,delta_sq";
    for (let i = 0; ; i++) {
        const from = Math.max(0, last - (WINDOWS[i] ?? Infinity));
        const page = await get<GroupPage>(`${path}/groups`, { fields, from, limit: MOST }, signal);
        if (page.rows > 0 || from === 0) {
            return page;
        }
    }
}

const HEADS = ["layer", "‖g‖₂ as sent", "‖d‖₂/‖x‖₂", "smoothness", "in norm", "step"];

function cells({ name, gradNorm, updateRatio, smoothness, norm, step }: LayerFigures): string[] {
    const known = (value: number, text: (value: number) => string): string =>
        Number.isNaN(value) ? "–" : text(value);
    const numbers = [gradNorm, updateRatio, smoothness].map((value) => known(value, sig3));
    const shown = Number.isNaN(smoothness) ? "–" : norm;
    return [name, ...numbers, shown, known(step, grouped)];
}
