/** diagnostics: what the last steps say beside the picture. */

import { get, runPath } from "../api/client";
import type {
    Column,
    DiagnosticsReply,
    Real,
    RunDetail,
    SeriesReply,
    SharpnessPage,
} from "../api/types";
import { h } from "../dom";
import { grouped } from "../draw/format";
import { type Edge, type Figure, aboutText, figures } from "../model/diagnosis";
import { readNorms } from "../model/norms";
import { Drawer, figureTable } from "./drawer";

/** What was measured last is looked for in so many steps. */
const RECENT_STEPS = 10_000;
const SHARPNESS_MOST = 100_000;

/** narrow: there it is closed until it is asked for. */
export function diagnosticsDrawer(narrow: boolean): Drawer {
    return new Drawer("Diagnostics", !narrow, async (run, signal) => {
        const [{ data }, edge] = await Promise.all([
            get<DiagnosticsReply>(`${runPath(run.id)}/diagnostics`, {}, signal),
            edgeOf(run, signal),
        ]);
        const rows = figures(data, edge).map(cells);
        return [h("p", { class: "caption" }, aboutText(data)), figureTable("Diagnostics", ["figure", "value", "n"], rows)];
    });
}

async function edgeOf(run: RunDetail, signal: AbortSignal): Promise<Edge> {
    const path = runPath(run.id);
    const from = Math.max(0, Number(run.last_step ?? 0) - RECENT_STEPS);
    const metric = "edge_of_stability,smoothness";
    const fields = "step,group,value";
    const norms = { fields, from, limit: SHARPNESS_MOST };
    const [series, sharpness] = await Promise.all([
        get<SeriesReply>(`${path}/series`, { metric, buckets: 10, from }, signal),
        Number(run.records.sharpness) === 0
            ? null
            : get<SharpnessPage>(`${path}/sharpness`, norms, signal),
    ]);
    const { edge_of_stability: edge, smoothness } = series.data.metrics;
    const values = sharpness === null ? [] : readNorms(sharpness.data).map(({ value }) => value);
    return {
        threshold: last(edge?.last ?? []),
        smoothness: last(smoothness?.last ?? []),
        sharpness: last(values),
        optimizer: String(run.hello["optimizer"] ?? ""),
    };
}

function last(values: Column): Real | null {
    return values[values.length - 1] ?? null;
}

function cells({ name, value, n, bad }: Figure): (Node | string)[] {
    const shown = bad
        ? h("span", { class: "bad" }, `▲ ${value}`)
        : h("span", { class: n === 0 ? "dim" : "" }, value);
    return [name, shown, grouped(n)];
}
