/** frame: what is around every chart: title, tools, canvas, readout, captions, table. */

import { h, setText } from "../dom";
import { tableView, type TableSource } from "./table";

export class Frame {
    readonly plot: HTMLElement;
    readonly tools = h("div", { class: "tools" });
    readonly element: HTMLElement;
    private readonly readout = h("div", { class: "readout" });
    private readonly caption = h("p", { class: "caption" });
    private readonly empty = h("p", { class: "empty-chart", hidden: true });
    private readonly box: HTMLElement;
    private readonly sizes: ResizeObserver;
    /** Kept, because to ask for it at every paint makes the browser lay out. */
    private boxWidth = 0;

    constructor(
        readonly name: string,
        what: string,
        table: () => TableSource,
        resized: () => void,
    ) {
        this.plot = h("div", {
            class: "plot",
            tabindex: 0,
            role: "group",
            "aria-label": `${name}: ${what}. Left and right arrow keys move through it.`,
        });
        this.box = h("div", { class: "plot-box" }, this.plot, this.empty);
        this.element = h(
            "figure",
            { class: "chart" },
            h("figcaption", {}, h("h3", {}, name), this.readout, this.tools),
            this.box,
            h("div", { class: "below" }, this.caption, tableView(name, table)),
        );
        this.sizes = new ResizeObserver((entries) => {
            const width = Math.floor(entries[entries.length - 1]?.contentRect.width ?? 0);
            if (width > 0 && width !== this.boxWidth) {
                this.boxWidth = width;
                resized();
            }
        });
        this.sizes.observe(this.box);
    }

    /** The canvas says by itself nothing to a screen reader. */
    label(canvas: HTMLCanvasElement, text: string): void {
        canvas.setAttribute("role", "img");
        canvas.setAttribute("aria-label", text);
    }

    /** A legend, between the title and the canvas. */
    above(legend: HTMLElement): void {
        this.element.insertBefore(legend, this.box);
    }

    width(): number {
        return Math.max(160, this.boxWidth);
    }

    say(readout: string): void {
        setText(this.readout, readout);
    }

    note(caption: string): void {
        setText(this.caption, caption);
    }

    /** A text in place of axes that would mean nothing; null where there are data. */
    instead(text: string | null): void {
        this.empty.hidden = text === null;
        this.box.classList.toggle("nodata", text !== null);
        setText(this.empty, text ?? "");
    }

    close(): void {
        this.sizes.disconnect();
    }
}
