/** verdict: what the daemon says of the run, phase by phase, and why. */

import type { Phase, Verdict, VerdictKind } from "../api/types";
import { h, setText } from "../dom";
import { grouped } from "../draw/format";
import {
    CAUSES,
    kindText,
    phaseFigures,
    rangeOf,
    reasonRows,
    slopeText,
    stepsText,
} from "../model/verdict";
import { factRows } from "./drawer";

export interface VerdictOptions {
    /** Look at these steps, or null at the whole run. */
    onRange(range: [number, number] | null): void;
    range(): [number, number] | null;
    /** The last step of the run, for a phase that has no end. */
    last(): number;
}

const READING =
    "A run is cut into phases where an attempt began, the learning rate reached its peak or jumped, the clip " +
    "threshold changed, or one line stopped describing the pairs. Each is judged by itself: first whether too " +
    "little, noise, rounding or the ceiling explain the picture, then whether L0 and L1 can be told apart, and " +
    "last whether the smoothness grows with the gradient norm. What is marked ● has decided.";
const CAREFUL =
    "Intervals count blocks of pairs, for pairs that follow each other are not independent; all p are one-sided. " +
    "“Grows” needs the operator norm to agree: along the update the smoothness grows on a quadratic too. " +
    "Nothing here is a property of the network: it is fitted along this trajectory.";

export class VerdictCard {
    /** A verdict that changes is told, the figures of the same one are not. */
    private readonly badge = h("span", { "aria-live": "polite" });
    private readonly sentence = h("p", { class: "sentence" }, "…");
    private readonly about = h("p", { class: "caption" });
    private readonly phases = h("tbody", {});
    private readonly table: HTMLElement;
    private readonly open = new Set<number>();
    private shown = "";
    readonly element: HTMLElement;

    constructor(private readonly options: VerdictOptions) {
        const heads = ["Phase", "Pairs", "L1", "Verdict"];
        this.table = h(
            "div",
            { class: "scroll", tabindex: 0, role: "region", "aria-label": "Phases", hidden: true },
            h(
                "table",
                { class: "phases" },
                h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)))),
                this.phases,
            ),
        );
        this.element = h(
            "section",
            { class: "verdict", "aria-label": "Verdict" },
            h("div", { class: "card-head" }, h("h3", {}, "Verdict, fitted along this trajectory"), this.badge),
            this.sentence,
            this.about,
            this.table,
            h(
                "details",
                { class: "reading" },
                h("summary", {}, "How to read this"),
                h("p", {}, READING),
                h("p", {}, CAREFUL),
            ),
        );
    }

    show(verdict: Verdict | null, problem: string | null): void {
        setText(this.about, aboutText(verdict, problem));
        if (verdict === null) {
            setText(this.sentence, problem === null ? "…" : "no verdict to be had now");
            return;
        }
        const now = JSON.stringify([verdict, this.options.range()]);
        if (now === this.shown) {
            return;
        }
        this.shown = now;
        const badge = kindBadge(verdict.verdict);
        if (badge.textContent !== this.badge.textContent) {
            this.badge.replaceChildren(badge);
        }
        setText(this.sentence, verdict.sentence);
        this.table.hidden = false;
        this.keepingFocus(() => this.phases.replaceChildren(...this.rows(verdict)));
    }

    private rows(verdict: Verdict): HTMLElement[] {
        return verdict.phases.flatMap((phase, i) => this.row(phase, i, verdict));
    }

    private row(phase: Phase, i: number, { phases, main_phase }: Verdict): HTMLElement[] {
        const from = Number(phase.from_step);
        const alone = phases.length === 1;
        const more = h(
            "tr",
            { class: "phase-more", id: `phase-${from}`, hidden: !this.open.has(from) },
            h("td", { colspan: 4 }, ...detailsOf(phase, alone)),
        );
        const why = h(
            "button",
            {
                type: "button",
                "data-key": `why-${from}`,
                "aria-expanded": String(!more.hidden),
                "aria-controls": more.id,
                "aria-label": `Why, steps ${stepsText(phase)}`,
                onclick: () => {
                    more.hidden = !more.hidden;
                    why.setAttribute("aria-expanded", String(!more.hidden));
                    this.open[more.hidden ? "delete" : "add"](from);
                },
            },
            "Why",
        );
        const main = !alone && i === main_phase;
        const head = h(
            "th",
            { scope: "row" },
            h("span", { class: "dim" }, alone ? "" : `${i + 1}. `),
            this.steps(phase),
            h("span", { class: "cause" }, CAUSES[phase.cause] ?? phase.cause),
            main ? h("span", { class: "cause main-phase" }, "◆ spoken of above") : null,
        );
        const row = h(
            "tr",
            { "aria-current": main ? "true" : null },
            head,
            h("td", { class: "number" }, grouped(phase.fit.n)),
            h("td", {}, slopeText(phase)),
            h("td", { class: "phase-verdict" }, kindBadge(phase.verdict), " ", why),
        );
        return [row, more];
    }

    /** Its steps; to press, where that shows anything else. */
    private steps(phase: Phase): HTMLElement {
        const { onRange, range, last } = this.options;
        const shown = range();
        const whole = shown === null && phase.to_step === null && Number(phase.from_step) === 0;
        if (whole) {
            return h("span", {}, stepsText(phase));
        }
        const of = rangeOf(phase, last());
        const pressed = shown !== null && shown[0] === of[0] && shown[1] === of[1];
        return h(
            "button",
            {
                type: "button",
                "data-key": `steps-${phase.from_step}`,
                "aria-pressed": String(pressed),
                title: pressed ? "Show the whole run again" : "Show these steps only",
                onclick: () => onRange(pressed ? null : of),
            },
            stepsText(phase),
        );
    }

    /** A table that is made again must not lose who stands in it. */
    private keepingFocus(change: () => void): void {
        const { activeElement: before } = document;
        const key = before instanceof HTMLElement && this.phases.contains(before) ? before.dataset["key"] : undefined;
        change();
        if (key !== undefined) {
            const all = [...this.phases.querySelectorAll<HTMLElement>("button")];
            (all.find((button) => button.dataset["key"] === key) ?? all[0])?.focus();
        }
    }
}

function aboutText(verdict: Verdict | null, problem: string | null): string {
    if (problem !== null) {
        const old = verdict === null ? "" : " This is of before.";
        return `▲ ${problem}.${old} Trying again…`;
    }
    const phase = verdict?.phases[verdict.main_phase];
    if (verdict === null || phase === undefined) {
        return "";
    }
    const more = verdict.more_phases ? " There was more to cut than 16 phases hold." : "";
    return `Of steps ${stepsText(phase)}; no property of the network.${more}`;
}

export function kindBadge(kind: VerdictKind): HTMLElement {
    const { sign, word, tone } = kindText(kind);
    return h("span", { class: `badge kind-${tone}` }, h("span", { "aria-hidden": "true" }, sign), ` ${word}`);
}

function detailsOf(phase: Phase, alone: boolean): HTMLElement[] {
    const reasons = reasonRows(phase).map(({ name, value, limit, decides }) =>
        h(
            "tr",
            { class: decides ? "decides" : "" },
            h("th", { scope: "row" }, name),
            h("td", { class: "number" }, value),
            h(
                "td",
                {},
                decides ? h("span", { "aria-hidden": "true" }, "● ") : null,
                limit,
                decides ? h("span", { class: "unseen" }, " has decided") : null,
            ),
        ),
    );
    const heads = ["figure", "value", "decides if"].map((text) => h("th", { scope: "col" }, text));
    return [
        h(
            "div",
            { class: "why" },
            alone ? null : h("p", { class: "sentence" }, phase.sentence),
            h("table", {}, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...reasons)),
            h("dl", { class: "facts" }, ...factRows(phaseFigures(phase))),
        ),
    ];
}
