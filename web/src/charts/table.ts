/** table: the numbers of a chart, a page at a time, for those who cannot see or want to copy. */

import { h } from "../dom";
import { grouped } from "../draw/format";

const PAGE = 50;

export interface TableSource {
    heads: readonly string[];
    rows: number;
    row(i: number): readonly string[];
}

/** A closed <details>; the table is made when it is opened and stands still till the page is changed. */
export function tableView(name: string, source: () => TableSource): HTMLElement {
    const body = h("div", { class: "table-body" });
    let page = 0;
    const show = (): void => {
        const table = source();
        const pages = Math.max(1, Math.ceil(table.rows / PAGE));
        page = Math.min(page, pages - 1);
        const head = h("tr", {}, ...table.heads.map((text) => h("th", { scope: "col" }, text)));
        const rows: HTMLElement[] = [];
        for (let i = page * PAGE; i < Math.min(table.rows, (page + 1) * PAGE); i++) {
            rows.push(h("tr", {}, ...table.row(i).map((text) => h("td", {}, text))));
        }
        const turn = (to: number, label: string, off: boolean): HTMLElement =>
            h(
                "button",
                {
                    type: "button",
                    disabled: off,
                    onclick: () => {
                        page = to;
                        show();
                    },
                },
                label,
            );
        body.replaceChildren(
            h(
                "div",
                { class: "scroll", tabindex: 0, role: "region", "aria-label": `${name}, table` },
                h("table", {}, h("thead", {}, head), h("tbody", {}, ...rows)),
            ),
            h(
                "div",
                { class: "pager" },
                turn(page - 1, "Previous", page === 0),
                h("span", {}, `page ${grouped(page + 1)} of ${grouped(pages)}`),
                turn(page + 1, "Next", page + 1 >= pages),
                turn(page, "Refresh", false),
            ),
        );
    };
    const details = h(
        "details",
        { class: "table-view" },
        h("summary", { "aria-label": `${name} as a table` }, "Table"),
        body,
    );
    details.addEventListener("toggle", () => {
        if (details.open) {
            page = 0;
            show();
        } else {
            body.replaceChildren();
        }
    });
    return details;
}
