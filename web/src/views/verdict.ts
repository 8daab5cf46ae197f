/** verdict: what the daemon says of the run, phase by phase, and why. */

import type { Phase, Verdict, VerdictKind } from "../api/types";
import { h, place, setText } from "../dom";
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
    /** What it is of, in the title, and in the names of its parts: "", or " of a layer". */
    title: string;
    of: string;
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
    private readonly body = h("tbody", {});
    private readonly table: HTMLElement;
    /** By first step: what is pressed, opened or read stays while figures change. */
    private rows = new Map<number, PhaseRow>();
    readonly element: HTMLElement;

    constructor(private readonly options: VerdictOptions) {
        const heads = ["Phase", "Pairs", "L1", "Verdict"];
        this.table = h(
            "div",
            { class: "scroll", tabindex: 0, role: "region", "aria-label": `Phases${options.of}`, hidden: true },
            h(
                "table",
                { class: "phases" },
                h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)))),
                this.body,
            ),
        );
        this.element = h(
            "section",
            { class: "verdict", "aria-label": `Verdict${options.of}` },
            h("div", { class: "card-head" }, h("h3", {}, options.title), this.badge),
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
        setBadge(this.badge, verdict.verdict);
        setText(this.sentence, verdict.sentence);
        this.table.hidden = false;
        this.showPhases(verdict);
    }

    private showPhases(verdict: Verdict): void {
        const old = this.rows;
        this.rows = new Map();
        verdict.phases.forEach((phase, i) => {
            const from = Number(phase.from_step);
            const row = old.get(from) ?? new PhaseRow(this.options);
            row.show(phase, i, verdict);
            this.rows.set(from, row);
        });
        const inside = this.body.contains(document.activeElement);
        place(this.body, [...this.rows.values()].flatMap((row) => row.elements));
        if (inside && !this.body.contains(document.activeElement)) {
            this.body.querySelector("button")?.focus(); // who stood in the table is not thrown out of it
        }
    }
}

/** A phase: a row, and one below it with its reasons. */
class PhaseRow {
    private phase: Phase | null = null;
    private alone = false;
    private pressed = false;
    private readonly number = h("span", { class: "dim" });
    private readonly steps = h("button", { type: "button", onclick: () => this.select() });
    /** In place of the button where it would show nothing else. */
    private readonly whole = h("span", {});
    private readonly cause = h("span", { class: "cause" });
    private readonly main = h("span", { class: "cause main-phase" }, "◆ spoken of above");
    private readonly pairs = h("td", { class: "number" });
    private readonly slope = h("td", {});
    private readonly badge = h("span", {});
    private readonly why = h("button", { type: "button", onclick: () => this.toggle() }, "Why");
    private readonly reasons = h("td", { colspan: 4 });
    private readonly more = h("tr", { class: "phase-more", hidden: true }, this.reasons);
    private readonly row = h(
        "tr",
        {},
        h("th", { scope: "row" }, this.number, this.steps, this.whole, this.cause, this.main),
        this.pairs,
        this.slope,
        h("td", { class: "phase-verdict" }, this.badge, " ", this.why),
    );
    readonly elements = [this.row, this.more];

    constructor(private readonly options: VerdictOptions) {}

    show(phase: Phase, i: number, { phases, main_phase }: Verdict): void {
        this.phase = phase;
        this.alone = phases.length === 1;
        const main = !this.alone && i === main_phase;
        setText(this.number, this.alone ? "" : `${i + 1}. `);
        this.showSteps(phase);
        setText(this.cause, CAUSES[phase.cause] ?? phase.cause);
        this.main.hidden = !main;
        this.row.setAttribute("aria-current", String(main));
        setText(this.pairs, grouped(phase.fit.n));
        setText(this.slope, slopeText(phase));
        setBadge(this.badge, phase.verdict);
        this.showReasons();
    }

    private showSteps(phase: Phase): void {
        const shown = this.options.range();
        const of = rangeOf(phase, this.options.last());
        this.pressed = shown !== null && shown[0] === of[0] && shown[1] === of[1];
        this.steps.hidden = this.alone && phase.to_step === null;
        this.whole.hidden = !this.steps.hidden;
        this.steps.setAttribute("aria-pressed", String(this.pressed));
        this.steps.title = this.pressed ? "Show the whole run again" : "Show these steps only";
        const text = stepsText(phase);
        setText(this.steps, text);
        setText(this.whole, text);
        this.why.setAttribute("aria-label", `Why, steps ${text}`);
    }

    private select(): void {
        if (this.phase !== null) {
            this.options.onRange(this.pressed ? null : rangeOf(this.phase, this.options.last()));
        }
    }

    private toggle(): void {
        this.more.hidden = !this.more.hidden;
        this.showReasons();
    }

    private showReasons(): void {
        this.why.setAttribute("aria-expanded", String(!this.more.hidden));
        if (this.phase !== null && !this.more.hidden) {
            this.reasons.replaceChildren(...detailsOf(this.phase, this.alone));
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

export function setBadge(where: HTMLElement, kind: VerdictKind): void {
    const { sign, word, tone } = kindText(kind);
    const seen = h("span", { "aria-hidden": "true" }, sign);
    const badge = h("span", { class: `badge kind-${tone}` }, seen, ` ${word}`);
    if (badge.textContent !== where.textContent) {
        where.replaceChildren(badge);
    }
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
