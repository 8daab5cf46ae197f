/** list: the runs there are, newest first, live. */

import { get, isAbort, runPath } from "../api/client";
import {
    type Fits,
    type FitsReply,
    type ProjectList,
    type Run,
    RUN_STATES,
    type RunList,
    type RunState,
} from "../api/types";
import { h, isPlainClick, setText } from "../dom";
import { ago, counted, duration, grouped, moment, sig3, wallMs } from "../draw/format";
import { Live } from "../live/live";
import { readEvent, withRun } from "../live/events";
import { probesOf } from "../model/counts";
import { newsText } from "../model/alerts";
import { aroundOf } from "../model/around";
import { curves } from "../model/fits";
import { type ListView, type RunView, runView, writeView } from "../model/view";
import type { App, Page } from "./app";
import { AlertFeed } from "./alerts";
import { alertBadges, lossText, stateBadge } from "./badge";
import { stepText } from "./feed";
import { hookHelp } from "./hook";
import { Kept } from "./kept";

const PAGE = 50;
/** Of all runs, so that the list begins not far below. */
const ALERTS_FIRST = 3;
const HEADS = [
    "Run",
    "Project",
    "State",
    "Steps",
    "Probes",
    "L1",
    "Alerts",
    "Attempts",
    "Started",
    "Duration",
] as const;

export class ListPage implements Page {
    readonly element: HTMLElement;
    private runs: readonly Run[] = [];
    private cursor: string | null = null;
    private loaded = false;
    private request: AbortController | null = null;
    private retryTimer = 0;
    private readonly live: Live;
    private readonly laws = new Kept<Fits>(
        async (id, signal) => (await get<FitsReply>(`${runPath(id)}/fits`, {}, signal)).data,
        () => this.app.painter.ask(this.paint),
    );
    private readonly alerts: AlertFeed;
    private readonly body = h("tbody", {});
    private readonly table: HTMLElement;
    private readonly note = h("p", { class: "caption" });
    private readonly empty = h("div", {});
    private readonly more: HTMLButtonElement;
    private readonly filter: HTMLInputElement;
    private readonly states: HTMLSelectElement;
    private readonly project: HTMLSelectElement;
    private typing = 0;
    /** While a request is under way, whose answer may not know of them. */
    private heard: Run[] | null = null;

    constructor(
        private readonly app: App,
        private view: ListView,
    ) {
        app.title("Runs");
        this.filter = h("input", {
            type: "search",
            placeholder: "name or id",
            "aria-label": "Filter runs by name or id",
            oninput: () => this.typed(),
        });
        this.filter.value = view.text;
        const changed = (): void =>
            this.change({
                state: (this.states.value || null) as RunState | null,
                project: this.project.value || null,
            });
        this.states = h(
            "select",
            { onchange: changed },
            h("option", { value: "" }, "any"),
            ...RUN_STATES.map((state) => h("option", { value: state }, state)),
        );
        this.states.value = view.state ?? "";
        this.project = h("select", { onchange: changed }, h("option", { value: "" }, "all"));
        this.more = h(
            "button",
            { type: "button", hidden: true, onclick: () => void this.load(this.cursor) },
            "Load more",
        );
        this.table = h(
            "div",
            { class: "scroll", hidden: true },
            h(
                "table",
                { class: "runs" },
                h("caption", { class: "unseen" }, "Runs, newest first"),
                h(
                    "thead",
                    {},
                    h(
                        "tr",
                        {},
                        ...HEADS.map((text) =>
                            h("th", { scope: "col", class: columnClass(text) }, text),
                        ),
                    ),
                ),
                this.body,
            ),
        );
        this.alerts = new AlertFeed({
            path: "/api/v1/alerts",
            first: ALERTS_FIRST,
            page: PAGE,
            lead: ({ run, step }) => [
                this.link(runView(run, this.view.theme), run),
                this.link({ ...runView(run, this.view.theme), range: aroundOf(Number(step), Infinity) }, stepText(step)),
            ],
            paused: () => app.paused(),
            tell: (news) => app.announcer.say(newsText(news, true)),
        });
        this.element = h(
            "main",
            { id: "main", class: "list-page" },
            h("h1", {}, "Runs"),
            this.alerts.element,
            h("h2", { class: "unseen" }, "All of them"),
            h(
                "form",
                { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
                h("label", {}, "Filter ", this.filter),
                h("label", {}, "State ", this.states),
                h("label", {}, "Project ", this.project),
            ),
            this.note,
            this.table,
            this.empty,
            this.more,
        );
        this.live = new Live("/api/v1/events", {
            event: (raw) => this.event(readEvent(raw)),
            status: (status) => app.status(status),
            resync: () => this.resync(),
        });
        void this.loadProjects();
        this.tick = window.setInterval(() => this.app.painter.ask(this.paint), 10_000);
    }

    private readonly tick: number;

    close(): void {
        this.request?.abort();
        this.live.close();
        this.laws.close();
        this.alerts.close();
        window.clearInterval(this.tick);
        window.clearTimeout(this.typing);
        window.clearTimeout(this.retryTimer);
    }

    resume(): void {
        this.paint();
        this.alerts.paint();
    }

    private resync(): void {
        void this.load(null);
        this.alerts.again();
    }

    retry(): void {
        this.live.retry();
    }

    key(key: string): boolean {
        if (key === "/") {
            this.filter.focus();
            this.filter.select();
            return true;
        }
        if (key !== "j" && key !== "k") {
            return false;
        }
        const links = [...this.body.querySelectorAll<HTMLAnchorElement>("a.run")];
        const at = links.findIndex((link) => link === document.activeElement);
        const to = key === "j" ? Math.min(links.length - 1, at + 1) : Math.max(0, at - 1);
        links[to]?.focus();
        return links.length > 0;
    }

    private typed(): void {
        window.clearTimeout(this.typing);
        this.typing = window.setTimeout(() => this.change({ text: this.filter.value.trim() }), 200);
    }

    private change(change: Partial<ListView>): void {
        this.view = { ...this.view, ...change };
        this.app.note(this.view);
        void this.load(null);
    }

    private wanted(run: Run): boolean {
        const { text, state, project } = this.view;
        const found =
            text === "" || `${run.name}\n${run.id}`.toLowerCase().includes(text.toLowerCase());
        return (
            found &&
            (state === null || run.state === state) &&
            (project === null || run.project === project)
        );
    }

    private async load(cursor: string | null): Promise<void> {
        this.request?.abort();
        window.clearTimeout(this.retryTimer);
        const request = new AbortController();
        this.request = request;
        this.heard = [];
        const { text, state, project } = this.view;
        try {
            const page = await get<RunList>(
                "/api/v1/runs",
                { q: text, state, project, limit: PAGE, cursor },
                request.signal,
            );
            const old = cursor === null ? [] : this.runs;
            this.runs = [
                ...old,
                ...page.data.filter(({ id }) => !old.some((run) => run.id === id)),
            ];
            this.cursor = page.page.next_cursor;
            this.heard?.forEach((run) => this.hear(run));
            this.heard = null;
            this.loaded = true;
            this.paint();
        } catch (error) {
            if (!isAbort(error)) {
                this.heard = null;
                setText(this.note, this.loaded ? "" : "Cannot reach trajd. Trying again…");
                this.retryTimer = window.setTimeout(() => void this.load(null), 3000);
            }
        }
    }

    private async loadProjects(): Promise<void> {
        try {
            const projects = await get<ProjectList>("/api/v1/projects");
            this.project.append(
                ...projects.data.map(({ name }) => h("option", { value: name }, name)),
            );
            this.project.value = this.view.project ?? "";
        } catch {
            // Without the list, all projects are shown, which is the default.
        }
    }

    private hear(run: Run): void {
        this.runs = withRun(this.runs, run, {
            wanted: (other) => this.wanted(other),
            more: this.cursor !== null,
        });
    }

    private event(event: ReturnType<typeof readEvent>): void {
        if (event?.type === "run") {
            this.heard?.push(event.run);
            this.hear(event.run);
        } else if (event?.type === "fit") {
            this.laws.put(event.run, event.fits);
        } else if (event?.type === "alert") {
            this.alerts.hear(event.alert);
            return;
        } else if (event?.type === "resync") {
            this.resync();
            return;
        } else {
            return;
        }
        if (!this.app.paused()) {
            this.app.painter.ask(this.paint);
        }
    }

    private readonly paint = (): void => {
        const focused = this.body.contains(document.activeElement)
            ? document.activeElement?.getAttribute("href")
            : null;
        this.body.replaceChildren(...this.runs.map((run) => this.row(run)));
        if (focused) {
            [...this.body.querySelectorAll("a")]
                .find((a) => a.getAttribute("href") === focused)
                ?.focus();
        }
        const filtered =
            this.view.text !== "" || this.view.state !== null || this.view.project !== null;
        const none = this.loaded && this.runs.length === 0;
        this.table.hidden = this.runs.length === 0;
        this.alerts.element.hidden = !this.loaded || (none && !filtered);
        this.more.hidden = this.cursor === null;
        if (none && !filtered && this.empty.childElementCount === 0) {
            this.empty.append(hookHelp());
        } else if (!none || filtered) {
            this.empty.replaceChildren(
                ...(none ? [h("p", { class: "nothing" }, "No run matches the filter.")] : []),
            );
        }
        setText(
            this.note,
            this.runs.length === 0
                ? ""
                : `${counted(this.runs.length, "run")}${this.cursor === null ? "" : ", more below"}`,
        );
    };

    private row(run: Run): HTMLElement {
        const created = wallMs(run.created_wall_ns);
        const end =
            run.state === "live" || run.state === "stalled"
                ? Date.now()
                : wallMs(run.updated_wall_ns);
        const lost = lossText(run);
        const law = Number(run.records.probe) > 0 ? this.laws.of(run.id) : null;
        const cells: [(typeof HEADS)[number], (Node | string)[]][] = [
            [
                "Run",
                [
                    this.link(runView(run.id, this.view.theme), run.name, "run"),
                    h("span", { class: "id" }, run.name === run.id ? "" : run.id),
                ],
            ],
            ["Project", [run.project]],
            [
                "State",
                [
                    stateBadge(run),
                    lost === null ? "" : h("span", { class: "lost-note" }, ` ▲ ${lost}`),
                ],
            ],
            ["Steps", [grouped(Number(run.records.step))]],
            ["Probes", [grouped(probesOf(run))]],
            ["L1", [lawText(law)]],
            ["Alerts", alertBadges(run)],
            ["Attempts", [grouped(run.attempts)]],
            [
                "Started",
                [
                    h(
                        "time",
                        { datetime: new Date(created).toISOString(), title: moment(created) },
                        ago(Date.now() - created),
                    ),
                ],
            ],
            ["Duration", [duration(end - created)]],
        ];
        return h(
            "tr",
            {},
            ...cells.map(([head, content]) => h("td", { class: columnClass(head) }, ...content)),
        );
    }

    private link(view: RunView, text: string, kind = ""): HTMLElement {
        return h(
            "a",
            {
                class: kind,
                href: writeView(view),
                onclick: (event) => {
                    if (isPlainClick(event)) {
                        event.preventDefault();
                        this.app.go(view);
                    }
                },
            },
            text,
        );
    }
}

function columnClass(head: string): string {
    return `col-${head.toLowerCase()}`;
}

/**
 * L1 of the law that the run's page and `traj show` name first; not where
 * something speaks against it: the page says what.
 */
function lawText(fits: Fits | null): string {
    const law = curves(fits).find((curve) => curve.key === "relative");
    if (law === undefined) {
        return "–";
    }
    return fits?.warnings.some((warning) => warning !== "thinned") ? "in doubt" : sig3(law.L1);
}
