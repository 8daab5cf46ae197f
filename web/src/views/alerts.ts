/** alerts: what trajd raised, of one run or of all: fetched, brought up to date by events, listed. */

import { get } from "../api/client";
import type { Alert, AlertList } from "../api/types";
import { h } from "../dom";
import { alertKey, figuresText } from "../model/alerts";
import { Feed, entry } from "./feed";
import { Loader } from "./loader";

const RETRY_MS = 3000;

export interface AlertOptions {
    path: string;
    /** How many are shown at first, and fetched at a time. */
    first: number;
    page: number;
    /** What leads to the run, or to its steps. */
    lead(alert: Alert): HTMLElement[];
    paused(): boolean;
    /** These have come since the first were shown; newest first. */
    tell(news: readonly Alert[]): void;
    /** Others are shown than before. */
    changed?(): void;
}

export class AlertFeed {
    /** Newest first. */
    alerts: readonly Alert[] = [];
    private cursor: string | null = null;
    /** Of the run, when they were asked for. */
    private count = 0;
    private loaded = false;
    private wantsNewest = false;
    private wantsOlder = false;
    /** Events that came while a request was under way, which may not know them. */
    private heard: Alert[] = [];
    private timer = 0;
    private readonly loader = new Loader((signal) => this.load(signal));
    private readonly feed: Feed<Alert>;
    private readonly problem = h("p", { class: "caption", hidden: true }, "▲ The newest alerts are not to be had now. Trying again…");
    readonly element: HTMLElement;

    constructor(private readonly options: AlertOptions) {
        this.feed = new Feed<Alert>({
            first: options.first,
            none: "None were raised.",
            key: alertKey,
            entry: (alert) =>
                entry(
                    alert.severity,
                    [h("code", {}, alert.rule), ...options.lead(alert)],
                    alert.sentence,
                    figuresText(alert),
                    alert.wall_ns,
                ),
            older: () => {
                this.wantsOlder = true;
                this.loader.now();
            },
        });
        this.element = h(
            "section",
            { class: "alerts", tabindex: -1, "aria-label": "Alerts" },
            h("h2", {}, "Alerts"),
            this.problem,
            this.feed.element,
        );
    }

    /** So many the run has now. */
    note(count: number): void {
        if (count === this.alerts.length) {
            this.loaded = true;
            this.draw();
        } else if (count !== this.count) {
            this.count = count;
            this.again();
        }
    }

    /** Events may have been missed. */
    again(): void {
        this.wantsNewest = true;
        this.loader.soon();
    }

    hear(alert: Alert): void {
        if (this.loader.busy()) {
            this.heard.push(alert);
        }
        this.take([alert], this.alerts, this.loaded);
    }

    /** Not before it is known whether there are any. */
    paint(): void {
        if (this.loaded || this.alerts.length > 0) {
            this.feed.show(this.alerts, this.cursor !== null);
            this.options.changed?.();
        }
    }

    press(range: readonly [number, number] | null): void {
        this.feed.press(range);
    }

    close(): void {
        window.clearTimeout(this.timer);
        this.loader.close();
    }

    /** These, and behind them those of the others that are not among them. */
    private take(newest: readonly Alert[], others: readonly Alert[], tell: boolean): void {
        const known = new Set(this.alerts.map(alertKey));
        const news = newest.filter((alert) => !known.has(alertKey(alert)));
        const keys = new Set(newest.map(alertKey));
        this.alerts = [...newest, ...others.filter((alert) => !keys.has(alertKey(alert)))];
        this.draw();
        if (tell && news.length > 0 && !this.options.paused()) {
            this.options.tell(news);
        }
    }

    private draw(): void {
        if (!this.options.paused()) {
            this.paint();
        }
    }

    private async load(signal: AbortSignal): Promise<void> {
        try {
            if (this.wantsNewest) {
                await this.loadNewest(signal);
            }
            if (this.wantsOlder && this.cursor !== null) {
                await this.loadOlder(this.cursor, signal);
            }
            this.problem.hidden = true;
        } catch {
            if (!signal.aborted) {
                this.problem.hidden = false;
                this.timer = window.setTimeout(() => this.loader.soon(), RETRY_MS);
            }
        }
    }

    private async loadNewest(signal: AbortSignal): Promise<void> {
        this.heard = [];
        const { data, page } = await get<AlertList>(this.options.path, { limit: this.options.page }, signal);
        this.wantsNewest = false;
        this.cursor = page.next_cursor;
        const keys = new Set(data.map(alertKey));
        const tell = this.loaded;
        this.loaded = true;
        this.take([...this.heard.reverse().filter((alert) => !keys.has(alertKey(alert))), ...data], [], tell);
    }

    private async loadOlder(cursor: string, signal: AbortSignal): Promise<void> {
        const { data, page } = await get<AlertList>(this.options.path, { limit: this.options.page, cursor }, signal);
        this.wantsOlder = false;
        this.cursor = page.next_cursor;
        this.alerts = [...this.alerts, ...data];
        this.paint();
    }
}
