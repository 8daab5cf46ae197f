/** theme: light or dark, and the colours of it that canvases need. */

import type { ThemeChoice } from "../model/view";
import type { Shade } from "./ramp";

export interface Palette {
    shade: Shade;
    ink: string;
    dim: string;
    line: string;
    paper: string;
    bad: string;
    doubt: string;
    ceiling: string;
    floor: string;
    series: Record<"loss" | "grad" | "clip" | "smoothness" | "lr" | "limit", string>;
    curve: Record<"relative" | "median" | "q95" | "envelope", string>;
}

const STORED = "trajd-theme";
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

export class Theme {
    palette: Palette;
    private choice: ThemeChoice;
    private readonly listeners = new Set<() => void>();

    constructor(choice: ThemeChoice | null) {
        this.choice = choice ?? stored();
        this.palette = this.apply();
        dark.addEventListener("change", () => this.refresh());
    }

    get chosen(): ThemeChoice {
        return this.choice;
    }

    choose(choice: ThemeChoice): void {
        this.choice = choice;
        try {
            localStorage.setItem(STORED, choice);
        } catch {
            // Storage may be forbidden: the choice lasts as long as the page.
        }
        this.refresh();
    }

    onChange(listener: () => void): () => void {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
    }

    private refresh(): void {
        this.palette = this.apply();
        this.listeners.forEach((listener) => listener());
    }

    private apply(): Palette {
        const shade: Shade =
            this.choice === "auto" ? (dark.matches ? "dark" : "light") : this.choice;
        document.documentElement.dataset.theme = shade;
        const css = getComputedStyle(document.documentElement);
        const get = (name: string): string => css.getPropertyValue(`--${name}`).trim();
        return {
            shade,
            ink: get("ink"),
            dim: get("dim"),
            line: get("line"),
            paper: get("paper"),
            bad: get("bad"),
            doubt: get("doubt"),
            ceiling: get("ceiling"),
            floor: get("floor"),
            series: {
                loss: get("s-loss"),
                grad: get("s-grad"),
                clip: get("s-clip"),
                smoothness: get("s-smoothness"),
                lr: get("s-lr"),
                limit: get("s-limit"),
            },
            curve: {
                relative: get("c-relative"),
                median: get("c-median"),
                q95: get("c-q95"),
                envelope: get("c-envelope"),
            },
        };
    }
}

function stored(): ThemeChoice {
    try {
        const value = localStorage.getItem(STORED);
        return value === "light" || value === "dark" ? value : "auto";
    } catch {
        return "auto";
    }
}

/** How often charts may be painted: ten times a second, once for those who want less motion. */
export function paintEveryMs(): number {
    return calm.matches ? 1000 : 100;
}
