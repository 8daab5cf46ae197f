/** view: what the address bar says is shown, both ways. Pure. */

import { REGRESSORS, RUN_STATES, type Regressor, type RunState } from "../api/types";

export type PanelKey = "loss" | "grad" | "smoothness" | "lr";
export const PANEL_KEYS: readonly PanelKey[] = ["loss", "grad", "smoothness", "lr"];
export type ThemeChoice = "auto" | "light" | "dark";

export interface ListView {
    page: "list";
    text: string;
    state: RunState | null;
    project: string | null;
    theme: ThemeChoice | null;
}

export interface RunView {
    page: "run";
    id: string;
    /** null: as the daemon chooses. */
    regressor: Regressor | null;
    range: [number, number] | null;
    ceiling: boolean;
    log: Record<PanelKey, boolean>;
    /** The name of the layer whose verdict is shown. */
    layer: string | null;
    theme: ThemeChoice | null;
}

export type View =
    ListView | RunView | { page: "unknown"; path: string; theme: ThemeChoice | null };

export const LOG_DEFAULT: Readonly<Record<PanelKey, boolean>> = {
    loss: false,
    grad: true,
    smoothness: true,
    lr: true,
};

/** A run as it is shown when nothing was chosen. */
export function runView(id: string, theme: ThemeChoice | null): RunView {
    return { page: "run", id, regressor: null, range: null, ceiling: true, log: { ...LOG_DEFAULT }, layer: null, theme };
}

function oneOf<T extends string>(all: readonly T[], text: string | null): T | null {
    return all.find((value) => value === text) ?? null;
}

function readRange(text: string | null): [number, number] | null {
    const found = /^(\d{1,15})-(\d{1,15})$/.exec(text ?? "");
    if (found === null) {
        return null;
    }
    const [from, to] = [Number(found[1]), Number(found[2])];
    return from < to ? [from, to] : null;
}

export function readView(path: string, search: string): View {
    const query = new URLSearchParams(search);
    const theme = oneOf<ThemeChoice>(["auto", "light", "dark"], query.get("theme"));
    if (path === "/" || path === "/index.html" || path === "/runs" || path === "/runs/") {
        return {
            page: "list",
            text: query.get("q") ?? "",
            state: oneOf(RUN_STATES, query.get("state")),
            project: query.get("project"),
            theme,
        };
    }
    const id = /^\/runs\/([^/]+)\/?$/.exec(path)?.[1];
    if (id === undefined) {
        return { page: "unknown", path, theme };
    }
    const flipped = (query.get("flip") ?? "").split(",");
    const log = { ...LOG_DEFAULT };
    for (const key of PANEL_KEYS) {
        log[key] = LOG_DEFAULT[key] !== flipped.includes(key);
    }
    return {
        page: "run",
        id: safeDecode(id),
        regressor: oneOf(REGRESSORS, query.get("x")),
        range: readRange(query.get("range")),
        ceiling: query.get("ceiling") !== "0",
        log,
        layer: query.get("layer") || null,
        theme,
    };
}

function safeDecode(text: string): string {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}

/** The address of a view: what is as usual is left out. */
export function writeView(view: View): string {
    const query = new URLSearchParams();
    const put = (key: string, value: string | null | undefined): void => {
        if (value !== null && value !== undefined && value !== "") {
            query.set(key, value);
        }
    };
    let path = "/";
    if (view.page === "list") {
        put("q", view.text);
        put("state", view.state);
        put("project", view.project);
    } else if (view.page === "run") {
        path = `/runs/${encodeURIComponent(view.id)}`;
        put("x", view.regressor);
        put("range", view.range === null ? null : `${view.range[0]}-${view.range[1]}`);
        put("ceiling", view.ceiling ? null : "0");
        put("layer", view.layer);
        put("flip", PANEL_KEYS.filter((key) => view.log[key] !== LOG_DEFAULT[key]).join(","));
    } else {
        path = view.path;
    }
    put("theme", view.theme);
    const text = query.toString();
    return text === "" ? path : `${path}?${text}`;
}
