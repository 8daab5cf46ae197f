/** keys: which keys do what. */

import { h } from "../dom";

const KEYS: readonly (readonly [string, string])[] = [
    ["j / k", "next, previous run in the list; Enter opens it"],
    ["/", "filter the list"],
    ["p", "pause drawing, go on"],
    ["0", "show the whole run again"],
    ["← / →", "in a chart: previous, next point; Page Up, Page Down, Home, End"],
    ["?", "this help"],
];

export function keysDialog(): HTMLDialogElement {
    const rows = KEYS.flatMap(([key, does]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, does)]);
    const dialog: HTMLDialogElement = h(
        "dialog",
        { class: "keys", "aria-label": "Keys" },
        h("h2", {}, "Keys"),
        h("dl", {}, ...rows),
        h("button", { type: "button", onclick: () => dialog.close() }, "Close"),
    );
    return dialog;
}
