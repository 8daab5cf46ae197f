/** feed: what happened, newest first: some of it, and more when it is asked for. */

import type { Int } from "../api/types";
import { h, place } from "../dom";
import { grouped, moment, wallMs } from "../draw/format";
import { isAround } from "../model/around";
import type { Level } from "../model/levels";
import { levelBadge } from "./badge";

/** More of those that are here already. */
const MORE = 50;

export interface FeedOptions<T> {
    /** How many are shown at first. */
    first: number;
    /** Said where there are none. */
    none: string;
    key(item: T): string;
    /** Made once of each: what happened does not change. */
    entry(item: T): HTMLElement;
    /** Those after the last one are wanted. */
    older(): void;
}

export class Feed<T> {
    private shown: number;
    private items: readonly T[] = [];
    private more = false;
    private range: readonly [number, number] | null = null;
    private readonly made = new Map<string, HTMLElement>();
    private readonly list = h("ol", { class: "feed" });
    private readonly none: HTMLElement;
    private readonly button = h("button", { type: "button", hidden: true, onclick: () => this.older() }, "Show more");
    readonly element: HTMLElement;

    constructor(private readonly options: FeedOptions<T>) {
        this.shown = options.first;
        this.none = h("p", { class: "dim", hidden: true }, options.none);
        this.element = h("div", {}, this.none, this.list, this.button);
    }

    /** more: there are others behind the last one. */
    show(items: readonly T[], more: boolean): void {
        this.items = items;
        this.more = more;
        place(this.list, items.slice(0, this.shown).map((item) => this.elementOf(item)));
        this.none.hidden = items.length > 0;
        this.list.hidden = items.length === 0;
        this.button.hidden = !more && items.length <= this.shown;
        this.press(this.range);
    }

    /** Of the buttons that show steps, those of the steps that are shown are pressed. */
    press(range: readonly [number, number] | null): void {
        this.range = range;
        this.list.querySelectorAll<HTMLElement>("[data-step]").forEach((button) =>
            button.setAttribute("aria-pressed", String(isAround(range, Number(button.dataset["step"])))),
        );
    }

    private elementOf(item: T): HTMLElement {
        const key = this.options.key(item);
        const element = this.made.get(key) ?? this.options.entry(item);
        this.made.set(key, element);
        return element;
    }

    private older(): void {
        this.shown += MORE;
        if (this.more && this.shown > this.items.length) {
            this.options.older();
        }
        this.show(this.items, this.more);
    }
}

/** lead: between how bad it is and what is said of it; about: after that. */
export function entry(
    level: Level,
    lead: readonly (Node | string)[],
    text: string,
    about: string,
    wallNs: string,
): HTMLElement {
    const at = wallMs(wallNs);
    return h(
        "li",
        {},
        levelBadge(level),
        ...lead,
        h("span", { class: "said" }, text),
        about === "" ? null : h("span", { class: "dim" }, about),
        h("time", { class: "dim", datetime: new Date(at).toISOString() }, moment(at)),
    );
}

export function stepText(step: Int): string {
    return `step ${grouped(Number(step))}`;
}

export function stepButton(step: Int, onStep: (step: number) => void): HTMLElement {
    return h(
        "button",
        {
            type: "button",
            "data-step": Number(step),
            "aria-pressed": "false",
            title: "Show the steps around it, or the whole run again",
            onclick: () => onStep(Number(step)),
        },
        stepText(step),
    );
}
