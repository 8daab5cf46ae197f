/** main: the frame around the pages: address, theme, pause, keys, and whether the data are live. */

import "uplot/dist/uPlot.min.css";
import "./styles.css";
import { Announcer, h, isPlainClick, isTyping, setText } from "./dom";
import { duration } from "./draw/format";
import { Painter } from "./draw/painter";
import { Theme } from "./draw/theme";
import type { LiveStatus } from "./live/live";
import { readView, type ThemeChoice, type View, writeView } from "./model/view";
import type { App, Page } from "./views/app";
import { ListPage } from "./views/list";
import { missingPage } from "./views/missing";
import { keysDialog } from "./views/keys";
import { RunPage } from "./views/run";
import { Trouble } from "./views/trouble";

const THEMES: readonly ThemeChoice[] = ["auto", "light", "dark"];

class Shell {
    private readonly announcer = new Announcer();
    private readonly painter = new Painter();
    private readonly theme: Theme;
    private readonly app: App;
    private page: Page | null = null;
    private view: View;
    private pausedNow = false;
    private live: LiveStatus = { state: "connecting", heardAt: null, retryAt: null };
    private readonly outlet = h("div", { class: "outlet" });
    private readonly status = h("span", { class: "live-status connecting" });
    private readonly banner = h("section", {
        class: "banner",
        "aria-label": "Connection",
        hidden: true,
    });
    private readonly bannerText = h("span", {});
    private readonly pauseButton: HTMLButtonElement;
    private readonly themeButton: HTMLButtonElement;
    private readonly keys = keysDialog();

    constructor(root: HTMLElement) {
        this.view = readView(location.pathname, location.search);
        this.theme = new Theme(this.view.theme);
        this.app = this.makeApp();
        this.pauseButton = h("button", { type: "button", onclick: () => this.pause() }, "Pause");
        this.themeButton = h("button", { type: "button", onclick: () => this.nextTheme() });
        this.banner.append(
            this.bannerText,
            " ",
            h("button", { type: "button", onclick: () => this.page?.retry() }, "Try now"),
        );
        root.replaceChildren(
            h("a", { class: "skip", href: "#main" }, "Skip to the content"),
            h(
                "header",
                { class: "top" },
                h(
                    "a",
                    { class: "brand", href: "/", onclick: (event) => this.home(event) },
                    "trajd",
                ),
                this.status,
                h(
                    "div",
                    { class: "buttons" },
                    this.pauseButton,
                    this.themeButton,
                    h("button", { type: "button", onclick: () => this.keys.showModal() }, "Keys"),
                ),
            ),
            this.banner,
            new Trouble().element,
            this.outlet,
            this.announcer.element,
            this.keys,
        );
        window.addEventListener("popstate", () =>
            this.open(readView(location.pathname, location.search)),
        );
        document.addEventListener("keydown", (event) => this.key(event));
        window.setInterval(() => this.showStatus(), 1000);
        this.labelTheme();
        this.open(this.view);
    }

    private makeApp(): App {
        return {
            theme: this.theme,
            announcer: this.announcer,
            painter: this.painter,
            go: (view) => this.go(view),
            note: (view) => this.note(view),
            title: (text) => {
                document.title = `${text} – trajd`;
            },
            status: (status) => this.heard(status),
            paused: () => this.pausedNow,
        };
    }

    private go(view: View): void {
        history.pushState(null, "", writeView({ ...view, theme: this.view.theme }));
        this.open(view);
        this.page?.element.focus();
        window.scrollTo(0, 0);
    }

    private note(view: View): void {
        this.view = { ...view, theme: this.view.theme };
        history.replaceState(null, "", writeView(this.view));
    }

    private heard(status: LiveStatus): void {
        const before = this.live.state;
        this.live = status;
        this.showStatus();
        if (before !== status.state && (before === "down" || status.state === "down")) {
            this.announcer.say(
                status.state === "down" ? "Disconnected from trajd" : "Connected to trajd again",
            );
        }
    }

    private open(view: View): void {
        this.page?.close();
        this.live = { state: "connecting", heardAt: null, retryAt: null };
        this.view = { ...view, theme: view.theme ?? this.view.theme };
        this.page =
            view.page === "list"
                ? new ListPage(this.app, view)
                : view.page === "run"
                  ? new RunPage(this.app, view)
                  : missingPage(this.app, view.path);
        this.page.element.tabIndex = -1;
        this.outlet.replaceChildren(this.page.element);
        this.page.resume();
        this.showStatus();
    }

    private home(event: Event): void {
        if (isPlainClick(event)) {
            event.preventDefault();
            this.go({ page: "list", text: "", state: null, project: null, theme: this.view.theme });
        }
    }

    private key(event: KeyboardEvent): void {
        if (
            event.ctrlKey ||
            event.metaKey ||
            event.altKey ||
            isTyping(event.target) ||
            this.keys.open
        ) {
            return;
        }
        if (event.key === "p") {
            this.pause();
        } else if (event.key === "?") {
            this.keys.showModal();
        } else if (this.page?.key(event.key) !== true) {
            return;
        }
        event.preventDefault();
    }

    private pause(): void {
        this.painter.flush(); // what came before the pause is drawn before it
        this.pausedNow = !this.pausedNow;
        setText(this.pauseButton, this.pausedNow ? "Go on" : "Pause");
        this.pauseButton.setAttribute("aria-pressed", String(this.pausedNow));
        this.announcer.say(
            this.pausedNow ? "Paused: new data are kept, not drawn" : "Drawing again",
        );
        if (!this.pausedNow) {
            this.page?.resume();
        }
        this.showStatus();
    }

    private nextTheme(): void {
        const at = THEMES.indexOf(this.theme.chosen);
        const choice = THEMES[(at + 1) % THEMES.length] ?? "auto";
        this.theme.choose(choice);
        this.view = { ...this.view, theme: choice === "auto" ? null : choice };
        history.replaceState(null, "", writeView(this.view));
        this.labelTheme();
    }

    private labelTheme(): void {
        setText(this.themeButton, `Theme: ${this.theme.chosen}`);
    }

    /** Says how old the data are when they do not come any more; they stay as they are. */
    private showStatus(): void {
        const { state, heardAt, retryAt } = this.live;
        const down = state === "down";
        const age = heardAt === null ? "" : ` The data are ${duration(Date.now() - heardAt)} old.`;
        const wait = retryAt === null ? 0 : Math.ceil((retryAt - Date.now()) / 1000);
        this.banner.hidden = !down;
        setText(
            this.bannerText,
            down
                ? `Disconnected from trajd.${age} ${wait > 0 ? `Next attempt in ${wait} s.` : "Trying…"}`
                : "",
        );
        const word = this.pausedNow
            ? "paused"
            : down
              ? "disconnected"
              : state === "live"
                ? "live"
                : "connecting";
        this.status.className = `live-status ${word}`;
        setText(
            this.status,
            {
                live: "● live",
                connecting: "○ connecting",
                disconnected: "✕ disconnected",
                paused: "‖ paused",
            }[word],
        );
    }
}

const root = document.getElementById("app");
if (root !== null) {
    new Shell(root);
}
