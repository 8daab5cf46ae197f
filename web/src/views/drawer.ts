/** drawer: a block that asks the daemon when it is opened, and while it is open from time to time. */

import { isAbort } from "../api/client";
import type { RunDetail } from "../api/types";
import { h, place, setText } from "../dom";
import { Loader } from "./loader";

const LEAST_MS = 10_000;

/** A table whose first cells name the rows; cells of columns after `texts` are numbers. */
export function figureTable(
    name: string,
    heads: readonly string[],
    rows: readonly (readonly (Node | string)[])[],
    texts = 2,
): HTMLElement {
    const kind = (i: number): string => (i < texts ? "" : "number");
    const head = (text: string, i: number): HTMLElement =>
        h("th", { scope: "col", class: kind(i) }, text);
    const cell = (value: Node | string, i: number): HTMLElement =>
        i === 0
            ? h("th", { scope: "row" }, value)
            : h("td", { class: kind(i) }, value);
    return h(
        "div",
        { class: "scroll tall", tabindex: 0, role: "region", "aria-label": name },
        h(
            "table",
            {},
            h("thead", {}, h("tr", {}, ...heads.map(head))),
            h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map(cell)))),
        ),
    );
}

/** What a <dl> holds. */
export function factRows(facts: readonly (readonly [string, string])[]): HTMLElement[] {
    return facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]);
}

export class Drawer {
    readonly element: HTMLDetailsElement;
    private run: RunDetail | null = null;
    private readonly body = h("div", { class: "drawer-body" }, h("p", { class: "dim" }, "…"));
    private readonly about = h("span", { class: "dim" });
    private readonly loader: Loader;

    /** ask gives what is to be shown in place of what is there, or the same again. */
    constructor(
        title: string,
        open: boolean,
        private readonly ask: (
            run: RunDetail,
            signal: AbortSignal,
        ) => Promise<readonly HTMLElement[]>,
        leastMs = LEAST_MS,
    ) {
        this.loader = new Loader((signal) => this.load(signal), leastMs);
        this.element = h(
            "details",
            { class: "drawer", open },
            h("summary", {}, h("h3", {}, title), " ", this.about),
            this.body,
        );
        this.element.addEventListener("toggle", () => this.loadSoon());
    }

    /** The run as last heard: it has changed. */
    note(run: RunDetail): void {
        this.run = run;
        this.loadSoon();
    }

    /** Beside the title, also while it is closed. */
    say(about: string): void {
        setText(this.about, about);
    }

    /** Do not wait. */
    now(): void {
        this.loader.now();
    }

    close(): void {
        this.loader.close();
    }

    private loadSoon(): void {
        if (this.run !== null && this.seen()) {
            this.loader.soon();
        }
    }

    private seen(): boolean {
        const { open, hidden } = this.element;
        return open && !hidden && document.visibilityState === "visible";
    }

    private async load(signal: AbortSignal): Promise<void> {
        if (this.run === null || !this.seen()) {
            return;
        }
        try {
            place(this.body, await this.ask(this.run, signal));
        } catch (error) {
            if (!isAbort(error) && this.body.querySelector("table, ol") === null) {
                this.body.replaceChildren(h("p", { class: "dim" }, "Not to be had now."));
            }
        }
    }
}
