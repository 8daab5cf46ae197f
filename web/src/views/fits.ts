/** fits: the numbers under the picture, and what makes them doubtful beside the verdict. */

import type { Fits, Verdict } from "../api/types";
import { dashOf } from "../charts/curves";
import { h, svg } from "../dom";
import { grouped, sig3 } from "../draw/format";
import { type Curve, PAIRS_MIN, curves, doubts, excludedText } from "../model/fits";
import { factRows } from "./drawer";

export class FitTable {
    private readonly body = h("tbody", {});
    private readonly facts = h("dl", { class: "facts" });
    private readonly said = h("ul", { class: "warnings", "aria-label": "Warnings" });
    readonly element = h(
        "section",
        { class: "fits", "aria-label": "Fitted laws" },
        h("h3", {}, "Law: smoothness ≤ L0 + L1 · gradient norm"),
        this.said,
        h(
            "div",
            { class: "scroll", tabindex: 0, role: "region", "aria-label": "Fits" },
            h(
                "table",
                {},
                h(
                    "thead",
                    {},
                    h(
                        "tr",
                        {},
                        ...["Method", "L0", "L1"].map((text) => h("th", { scope: "col" }, text)),
                    ),
                ),
                this.body,
            ),
        ),
        this.facts,
        h(
            "details",
            { class: "reading" },
            h("summary", {}, "How to read this"),
            h(
                "p",
                {},
                "Each point is one step: how fast the gradient changed along the update, against how large it was. " +
                    "Points that rise to the right mean that the smoothness grows with the gradient norm, as in " +
                    "(L0, L1)-smoothness; L1 is how fast. Clipping then pays where L1‖g‖ is larger than L0.",
            ),
            h(
                "p",
                {},
                "It is no proof. Along the update the measured smoothness rises with the gradient norm even on some " +
                    "quadratics, where the true L1 is 0. Grey ticks are the ceiling (‖g‖+‖g′‖)/‖d‖, which no " +
                    "function exceeds and unrelated gradients come near: points that hug it say how long the " +
                    "step was, and nothing about the function. Bars below the points are their floors, the smoothness that " +
                    "sampling noise or the rounding of gradients alone gives: a point at its floor measured nothing else.",
            ),
        ),
    );

    private shown: unknown[] = [];

    /** verdict: what is said elsewhere on the page. */
    show(fits: Fits | null, verdict: Verdict | null): void {
        if (fits === this.shown[0] && verdict === this.shown[1]) {
            return;
        }
        this.shown = [fits, verdict];
        const drawn = curves(fits);
        this.body.replaceChildren(
            ...(drawn.length > 0
                ? drawn.map(row)
                : [
                      h(
                          "tr",
                          {},
                          h(
                              "td",
                              { colspan: 3, class: "dim" },
                              `none yet: ${grouped(fits?.n ?? 0)} of ${PAIRS_MIN} pairs`,
                          ),
                      ),
                  ]),
        );
        this.facts.replaceChildren(...(fits === null ? [] : factsOf(fits)));
        const texts = fits === null ? [] : doubts(fits, verdict);
        const old = [...this.said.children].map((item) => item.textContent);
        if (old.length !== texts.length || texts.some((text, i) => text !== old[i])) {
            this.said.replaceChildren(...texts.map((text) => h("li", {}, text)));
        }
        this.said.hidden = texts.length === 0;
    }
}

function row(curve: Curve): HTMLElement {
    const swatch = svg(
        "svg",
        { viewBox: "0 0 34 6", class: `swatch c-${curve.key}`, "aria-hidden": "true" },
        svg("line", { x1: 0, x2: 34, y1: 3, y2: 3, "stroke-dasharray": dashOf(curve.key).join(" ") }),
    );
    return h(
        "tr",
        {},
        h("td", {}, h("span", { class: "method" }, swatch, h("span", {}, curve.long))),
        h("td", { class: "number" }, sig3(curve.L0)),
        h("td", { class: "number" }, sig3(curve.L1)),
    );
}

function factsOf(fits: Fits): HTMLElement[] {
    const facts: [string, string][] = [
        [
            "pairs used",
            fits.n === 0
                ? "0"
                : `${grouped(fits.n)} (${fits.estimator.replace(/_/g, " ")}, x: ${fits.regressor})`,
        ],
        ["left out", excludedText(fits)],
        [
            "log-log slope",
            fits.loglog === null
                ? "–"
                : `${sig3(fits.loglog.slope)} (Pearson r ${sig3(fits.loglog.pearson_r)})`,
        ],
        [
            "Spearman",
            `${sig3(fits.spearman)}; of gradient norm and step ${sig3(fits.spearman_step_x)}`,
        ],
    ];
    return factRows(facts);
}
