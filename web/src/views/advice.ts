/** advice: thresholds and step sizes that follow from the law, or why there are none. */

import type { Phase } from "../api/types";
import { h, svg } from "../dom";
import {
    type Gauge,
    adviceFigures,
    caveatText,
    gaugeOf,
    recipesOf,
    refusalText,
} from "../model/advice";
import { stepsText } from "../model/verdict";
import { factRows, figureTable } from "./drawer";

const READING =
    "Above the knee L0/L1 the gradient norm rules the smoothness, and clipping pays. A recipe is a learning rate " +
    "with the clip threshold that its theorem gives it, for steps lr · min(1, threshold/‖g‖) · g. The lr is stable " +
    "below the optimizer’s edge of stability over the smoothness that 95 % of the pairs stay under. Bounds are " +
    "worst cases: the last line, of this trajectory alone and of no fit, is how much steps that follow the smoothness could gain.";

export class AdviceCard {
    private readonly body = h("div", { class: "advice-body" }, h("p", { class: "dim" }, "…"));
    private shown = "";
    readonly element = h(
        "section",
        { class: "advice", "aria-label": "Advice" },
        h("h3", {}, "Advice, if this law holds"),
        this.body,
        h("details", { class: "reading" }, h("summary", {}, "How to read this"), h("p", {}, READING)),
    );

    /** Of the phase that the verdict speaks of. */
    show(phase: Phase): void {
        const now = JSON.stringify([phase.from_step, phase.to_step, phase.advice]);
        if (now !== this.shown) {
            this.shown = now;
            this.body.replaceChildren(...partsOf(phase));
        }
    }
}

function partsOf(phase: Phase): HTMLElement[] {
    const { advice } = phase;
    const refusal = refusalText(advice);
    if (refusal !== null) {
        return [h("p", {}, refusal)];
    }
    const caveat = caveatText(advice);
    const recipes = recipesOf(advice).map(({ name, lr, threshold }) => [name, lr, threshold]);
    const gauge = gaugeOf(advice);
    return [
        ...(caveat === null ? [] : [h("p", { class: "caveat" }, `△ ${caveat}`)]),
        h("p", { class: "caption" }, `Of steps ${stepsText(phase)}.`),
        h("dl", { class: "facts" }, ...factRows(adviceFigures(advice))),
        ...(gauge === null ? [] : [gaugeOfLr(gauge)]),
        recipes.length > 0
            ? figureTable("Recipes", ["recipe", "lr", "clip at"], recipes, 1)
            : h("p", { class: "dim" }, "No recipe: L0 is 0, which bounds no learning rate."),
    ];
}

/** To twice the limit; the line in the middle is the limit. */
function gaugeOfLr({ ratio, over, text }: Gauge): HTMLElement {
    const bar = svg(
        "svg",
        { viewBox: "0 0 200 10", class: "gauge", preserveAspectRatio: "none", "aria-hidden": "true" },
        svg("rect", { class: "track", width: 200, height: 10 }),
        svg("rect", { class: over ? "over" : "under", y: 2, width: Math.min(200, 100 * ratio), height: 6 }),
        svg("line", { x1: 100, x2: 100, y1: 0, y2: 10 }),
    );
    const box = h("div", { class: "gauge-box" }, h("p", { class: over ? "bad" : "" }, text));
    box.append(bar);
    return box;
}
