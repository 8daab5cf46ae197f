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
import { Drawer } from "./drawer";

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
        return [h("p", { class: "caption" }, aboutText(data)), table(figures(data, edge))];
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
        preconditioned: /^adamw?$/i.test(String(run.hello["optimizer"])),
    };
}

function last(values: Column): Real | null {
    return values[values.length - 1] ?? null;
}

function table(rows: readonly Figure[]): HTMLElement {
    return h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "Diagnostics" },
        h(
            "table",
            {},
            h(
                "thead",
                {},
                h(
                    "tr",
                    {},
                    h("th", { scope: "col" }, "figure"),
                    h("th", { scope: "col" }, "value"),
                    h("th", { scope: "col", class: "number" }, "n"),
                ),
            ),
            h("tbody", {}, ...rows.map(row)),
        ),
    );
}

function row({ name, value, n, bad }: Figure): HTMLElement {
    return h(
        "tr",
        {},
        h("th", { scope: "row" }, name),
        h("td", { class: bad ? "bad" : n === 0 ? "dim" : "" }, bad ? `▲ ${value}` : value),
        h("td", { class: "number dim" }, grouped(n)),
    );
}
