/** layer_card: what may be said of the layer that was chosen. */

import type { Advice } from "../api/types";
import { h, setText } from "../dom";
import { radiusText, refusalText } from "../model/advice";
import { type Asked, Judge } from "./judge";
import { VerdictCard, type VerdictOptions } from "./verdict";

function adviceText(advice: Advice): string {
    return [refusalText(advice), radiusText(advice)].filter((text) => text !== null).join(" ");
}

export interface LayerCardOptions extends Omit<VerdictOptions, "title" | "of"> {
    id: string;
    /** Which part of the run, and by which regressor. */
    asked(): Asked;
    paused(): boolean;
}

export class LayerCard {
    readonly element = h("div", { class: "layer-card", hidden: true });
    private judge: Judge | null = null;
    private paint: () => void = () => undefined;

    constructor(private readonly options: LayerCardOptions) {}

    /** group: its number. */
    show(name: string, group: number): void {
        this.hide();
        const { id, asked, paused } = this.options;
        const card = new VerdictCard({ ...this.options, title: `Verdict on ${name}`, of: ` on the layer ${name}` });
        const advice = h("p", { class: "dim" });
        const judge = new Judge(id, () => ({ ...asked(), group }), paused, () => this.paint());
        this.paint = () => {
            const { verdict, problem, stale } = judge;
            const main = verdict?.phases[verdict.main_phase];
            card.show(verdict, problem);
            card.element.setAttribute("aria-busy", String(stale));
            setText(advice, main === undefined ? "" : adviceText(main.advice));
        };
        card.element.append(advice);
        this.judge = judge;
        this.element.replaceChildren(card.element);
        this.element.hidden = false;
        judge.again();
    }

    hide(): void {
        this.judge?.close();
        this.judge = null;
        this.paint = () => undefined;
        this.element.hidden = true;
        this.element.replaceChildren();
    }

    /** Something else is shown. */
    again(): void {
        this.judge?.again();
        this.paint();
    }

    /** There may be new pairs. */
    note(): void {
        this.judge?.note();
    }

    wake(): void {
        this.judge?.wake();
    }
}
