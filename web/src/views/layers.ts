/** layers: a table of the groups of a run, from their newest records of all ranks, and the verdict on one. */

import { get, runPath } from "../api/client";
import type { Layer, Layers, ProbePage, RunDetail, VerdictKind, VerdictReply } from "../api/types";
import { h } from "../dom";
import { type LayerFigures, layerFigures } from "../model/layers";
import { Drawer } from "./drawer";
import { Kept } from "./kept";
import { LayerCard, type LayerCardOptions } from "./layer_card";
import { LayerTable } from "./layer_table";

const PROBE_STEPS = 4096;
const MOST = 100_000;

export interface LayersOptions extends LayerCardOptions {
    /** By name; null: none. */
    chosen: string | null;
    onChoose(name: string | null): void;
}

export class LayersView {
    readonly drawer: Drawer;
    private chosen: string | null;
    private layers: readonly Layer[] = [];
    /** Probes of single layers, and when the kinds were asked for. */
    private probes = 0;
    private judged = 0;
    private isOfSeveral = false;
    private readonly kinds: Kept<VerdictKind>;
    private readonly table: LayerTable;
    private readonly card: LayerCard;
    private readonly parts: HTMLElement;

    constructor(private readonly options: LayersOptions) {
        this.chosen = options.chosen;
        this.kinds = new Kept(
            async (group, signal) =>
                (await get<VerdictReply>(`${runPath(options.id)}/verdict`, { group }, signal)).data.verdict,
            () => this.table.judge(),
        );
        this.table = new LayerTable({
            onChoose: (name) => this.choose(name === this.chosen ? null : name),
            kind: (layer) => this.kindOf(layer),
        });
        this.card = new LayerCard({ ...options, paused: () => options.paused() || !this.drawer.element.open });
        this.parts = h("div", { class: "layers" }, this.table.element, this.card.element);
        this.drawer = new Drawer("Layers", options.chosen !== null, (run, signal) => this.ask(run, signal));
        this.drawer.element.classList.add("wide");
        this.drawer.element.addEventListener("toggle", () => this.card.wake());
    }

    note(run: RunDetail): void {
        this.probes = Number(run.group_probes);
        this.isOfSeveral = run.ranks > 1;
        this.drawer.element.hidden = Number(run.records.group) === 0;
    }

    /** Something else is shown. */
    again(): void {
        this.card.again();
    }

    /** There may be new pairs. */
    judge(): void {
        this.card.note();
    }

    wake(): void {
        this.card.wake();
    }

    close(): void {
        this.card.hide();
        this.table.close();
        this.kinds.close();
    }

    private choose(name: string | null): void {
        this.chosen = name;
        this.options.onChoose(name);
        this.table.choose(name);
        this.showChosen();
        this.card.element.scrollIntoView({ block: "nearest" });
    }

    private showChosen(): void {
        const layer = this.layers.find(({ name }) => name === this.chosen);
        if (layer === undefined) {
            this.card.hide();
        } else {
            this.card.show(layer.name, layer.group);
        }
    }

    /** Of those that were probed; once more when there is twice as much to judge by. */
    private kindOf({ group, smoothness }: LayerFigures): VerdictKind | null {
        if (this.probes === 0 || (Number.isNaN(smoothness) && !this.isOfSeveral)) {
            return null;
        }
        if (this.probes >= 2 * this.judged) {
            this.judged = this.probes;
            this.kinds.again();
        }
        return this.kinds.of(String(group));
    }

    private async ask(run: RunDetail, signal: AbortSignal): Promise<readonly HTMLElement[]> {
        const path = runPath(run.id);
        const { data, newest } = await get<Layers>(`${path}/layers`, {}, signal);
        // One rank's probe of a layer may be of a part of it.
        const probes = run.ranks > 1 ? {} : await newestProbes(path, Number(run.last_step ?? 0), signal);
        const isFirst = this.layers.length === 0;
        this.layers = data;
        this.table.show(layerFigures(data, newest ?? {}, probes), this.chosen);
        if (isFirst) {
            this.showChosen();
        }
        return [this.parts];
    }
}

async function newestProbes(
    path: string,
    last: number,
    signal: AbortSignal,
): Promise<ProbePage["data"]> {
    const query = { fields: "step,group,norm,smoothness", from: Math.max(0, last - PROBE_STEPS), limit: MOST };
    return (await get<ProbePage>(`${path}/probes`, query, signal)).data;
}
