/** missing: an address that is none of ours. */

import { h } from "../dom";
import type { App, Page } from "./app";

export function missingPage(app: App, path: string): Page {
    app.title("Not found");
    app.status({ state: "live", heardAt: null, retryAt: null });
    return {
        element: h(
            "main",
            { id: "main" },
            h("h1", {}, "Not found"),
            h(
                "p",
                {},
                "There is no page at ",
                h("code", {}, path),
                ". ",
                h("a", { href: "/" }, "All runs"),
                ".",
            ),
        ),
        key: () => false,
        resume: () => undefined,
        retry: () => undefined,
        close: () => undefined,
    };
}
