/** layers: a table of the groups of a run, from their newest records. */

import { get, runPath } from "../api/client";
import type { GroupPage, Layers, ProbePage } from "../api/types";
import { h } from "../dom";
import { grouped, sig3 } from "../draw/format";
import { type LayerFigures, layerFigures } from "../model/layers";
import { Drawer } from "./drawer";

/** The newest records are looked for in the last so many steps, from few to all. */
const WINDOWS = [64, 1024, Infinity];
const PROBE_STEPS = 4096;
const MOST = 100_000;

export function layersDrawer(): Drawer {
    return new Drawer("Layers", false, async (run, signal) => {
        const path = runPath(run.id);
        const last = Number(run.last_step ?? 0);
        const { data: layers } = await get<Layers>(`${path}/layers`, {}, signal);
        const fields = "step,group,smoothness";
        const from = Math.max(0, last - PROBE_STEPS);
        const [groups, probes] = await Promise.all([
            newestGroups(path, last, signal),
            get<ProbePage>(`${path}/probes`, { fields, from, limit: MOST }, signal),
        ]);
        return [table(layerFigures(layers, groups.data, probes.data))];
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

const HEADS = ["layer", "‖g‖ as sent", "‖d‖/‖x‖", "smoothness", "step"];

function table(layers: readonly LayerFigures[]): HTMLElement {
    return h(
        "div",
        { class: "scroll tall", tabindex: 0, role: "region", "aria-label": "Layers" },
        h(
            "table",
            {},
            h("thead", {}, h("tr", {}, ...HEADS.map(head))),
            h("tbody", {}, ...layers.map(row)),
        ),
    );
}

function head(text: string, i: number): HTMLElement {
    return h("th", { scope: "col", class: i === 0 ? "" : "number" }, text);
}

function row({ name, gradNorm, updateRatio, smoothness, step }: LayerFigures): HTMLElement {
    const known = (value: number): string => (Number.isNaN(value) ? "–" : sig3(value));
    const numbers = [gradNorm, updateRatio, smoothness].map(known);
    return h(
        "tr",
        {},
        h("th", { scope: "row" }, name),
        ...[...numbers, Number.isNaN(step) ? "–" : grouped(step)].map((text) =>
            h("td", { class: "number" }, text),
        ),
    );
}
