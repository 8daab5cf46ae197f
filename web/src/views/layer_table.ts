/** layer_table: a row for each layer, whose name chooses it; its kind of verdict where it is looked at. */

import type { VerdictKind } from "../api/types";
import { h, place, setText } from "../dom";
import { grouped, sig3 } from "../draw/format";
import type { LayerFigures } from "../model/layers";
import { setBadge } from "./verdict";

const HEADS = ["layer", "‖g‖₂ as sent", "‖d‖₂/‖x‖₂", "smoothness", "in norm", "step", "verdict, whole run"];
/** Of them, these are words. */
const TEXTS = [0, 4, 6];

export interface LayerTableOptions {
    onChoose(name: string): void;
    /** null: not known. */
    kind(layer: LayerFigures): VerdictKind | null;
}

interface Row {
    layer: LayerFigures;
    element: HTMLElement;
    button: HTMLElement;
    cells: HTMLElement[];
    verdict: HTMLElement;
    /** Nobody asks for the verdicts of thousands of rows that nobody sees. */
    seen: boolean;
}

export class LayerTable {
    private readonly rows = new Map<string, Row>();
    private readonly body = h("tbody", {});
    private readonly seen = new IntersectionObserver((entries) => this.look(entries));
    readonly element = h(
        "div",
        { class: "scroll tall", tabindex: 0, role: "region", "aria-label": "Layers" },
        h(
            "table",
            {},
            h("thead", {}, h("tr", {}, ...HEADS.map((text, i) => h("th", { scope: "col", class: kindOf(i) }, text)))),
            this.body,
        ),
    );

    constructor(private readonly options: LayerTableOptions) {}

    show(layers: readonly LayerFigures[], chosen: string | null): void {
        place(this.body, layers.map((layer) => this.rowOf(layer).element));
        this.choose(chosen);
        this.judge();
    }

    choose(chosen: string | null): void {
        this.rows.forEach(({ button }, name) => button.setAttribute("aria-pressed", String(name === chosen)));
    }

    /** What is said of those that are seen may have changed. */
    judge(): void {
        this.rows.forEach(({ seen, layer, verdict }) => {
            const kind = seen ? this.options.kind(layer) : null;
            if (kind !== null) {
                setBadge(verdict, kind);
            }
        });
    }

    close(): void {
        this.seen.disconnect();
    }

    private rowOf(layer: LayerFigures): Row {
        const row = this.rows.get(layer.name) ?? this.make(layer);
        row.layer = layer;
        textsOf(layer).forEach((text, i) => setText(row.cells[i]!, text));
        return row;
    }

    private make(layer: LayerFigures): Row {
        const { name } = layer;
        const button = h("button", { type: "button", onclick: () => this.options.onChoose(name) }, name);
        const cells = textsOf(layer).map((_, i) => h("td", { class: kindOf(i + 1) }));
        const verdict = h("td", {}, "–");
        const element = h("tr", {}, h("th", { scope: "row" }, button), ...cells, verdict);
        const row: Row = { layer, element, button, cells, verdict, seen: false };
        this.rows.set(name, row);
        this.seen.observe(element);
        return row;
    }

    private look(entries: readonly IntersectionObserverEntry[]): void {
        const rows = new Map([...this.rows.values()].map((row) => [row.element as Element, row]));
        entries.forEach(({ target, isIntersecting }) => {
            const row = rows.get(target);
            if (row !== undefined) {
                row.seen = isIntersecting;
            }
        });
        this.judge();
    }
}

function kindOf(column: number): string {
    return TEXTS.includes(column) ? "" : "number";
}

function textsOf({ gradNorm, updateRatio, smoothness, norm, step }: LayerFigures): string[] {
    const known = (value: number, text: (value: number) => string): string =>
        Number.isNaN(value) ? "–" : text(value);
    const numbers = [gradNorm, updateRatio, smoothness].map((value) => known(value, sig3));
    return [...numbers, Number.isNaN(smoothness) ? "–" : norm, known(step, grouped)];
}
