/**
 * live: a topic's events in this tab, over one connection per browser.
 *
 * Browsers allow six HTTP/1.1 connections to a host, and an open event stream
 * is one of them: eight tabs would stop each other from loading. So the tabs
 * that show a topic agree by a lock which one reads the stream; it hands the
 * events on by BroadcastChannel. Only visible tabs take part: a hidden one
 * lets go, and fetches again when it is looked at. Where the browser has no
 * locks (plain http on a network name), every visible tab reads for itself.
 */

import { ApiError } from "../api/client";
import type { RawEvent } from "./sse";
import { readStream } from "./stream";

export interface LiveStatus {
    state: "connecting" | "live" | "down";
    /** When anything was last heard, ms since 1970; null = never. */
    heardAt: number | null;
    /** When the next attempt is made; null = not waiting. */
    retryAt: number | null;
}

export interface LiveHandlers {
    event(event: RawEvent): void;
    status(status: LiveStatus): void;
    /**
     * Fetch everything: what comes after that comes as events. Called first
     * when the stream is open, because rows between an answer and the opening
     * of the stream would be in neither; and whenever events may be missing.
     */
    resync(): void;
}

type Notice =
    | { kind: "event"; event: RawEvent }
    | { kind: "status"; status: LiveStatus; resync: boolean }
    | { kind: "asking" };

const BACKOFF_MS = [250, 500, 1000, 2000, 4000, 8000];
/** A glance at another tab does not cost the connection. */
const HIDDEN_GRACE_MS = 3000;
/** A page does not stay empty for longer, even if the stream does not open. */
const BEGIN_MS = 500;

export class Live {
    private readonly channel: BroadcastChannel | null;
    private readonly lock: string;
    private stop = new AbortController();
    private wake: (() => void) | null = null;
    private leading = false;
    private lastId: string | null = null;
    private failures = 0;
    private missed = false;
    private hideTimer = 0;
    private begun = false;
    private readonly beginTimer: number;
    private state: LiveStatus = { state: "connecting", heardAt: null, retryAt: null };

    constructor(
        private readonly url: string,
        private readonly on: LiveHandlers,
    ) {
        this.lock = `trajd ${url}`;
        this.channel = "BroadcastChannel" in window ? new BroadcastChannel(this.lock) : null;
        this.channel?.addEventListener("message", this.noticed);
        this.beginTimer = window.setTimeout(() => this.begin(), BEGIN_MS);
        document.addEventListener("visibilitychange", this.visibility);
        window.addEventListener("online", this.retry);
        if (document.visibilityState === "visible") {
            void this.compete();
        } else {
            this.missed = true;
        }
        this.tell({ kind: "asking" });
    }

    close(): void {
        this.stop.abort();
        window.clearTimeout(this.hideTimer);
        window.clearTimeout(this.beginTimer);
        this.channel?.close();
        document.removeEventListener("visibilitychange", this.visibility);
        window.removeEventListener("online", this.retry);
    }

    /** Do not wait for the next attempt. */
    readonly retry = (): void => {
        this.wake?.();
    };

    private readonly visibility = (): void => {
        window.clearTimeout(this.hideTimer);
        if (document.visibilityState === "hidden") {
            this.hideTimer = window.setTimeout(() => {
                this.stop.abort();
                this.missed = true;
            }, HIDDEN_GRACE_MS);
            return;
        }
        if (this.stop.signal.aborted || this.missed) {
            this.stop = new AbortController();
            this.tell({ kind: "asking" });
            void this.compete();
            this.on.resync();
            this.missed = false;
        }
    };

    private async compete(): Promise<void> {
        const { signal } = this.stop;
        if (!("locks" in navigator) || this.channel === null) {
            return this.lead(signal);
        }
        try {
            await navigator.locks.request(this.lock, { signal }, () => this.lead(signal));
        } catch (error) {
            if (!signal.aborted) {
                throw error;
            }
        }
    }

    private async lead(signal: AbortSignal): Promise<void> {
        this.leading = true;
        while (!signal.aborted) {
            this.set({ state: this.failures === 0 ? "connecting" : "down", retryAt: null });
            try {
                await readStream(this.url, this.lastId, signal, {
                    open: () => this.opened(),
                    heard: () => (this.state.heardAt = Date.now()),
                    event: (event) => this.got(event),
                });
            } catch (error) {
                if (error instanceof ApiError && error.status === 404) {
                    break; // the run is gone: the page's own request says so
                }
            }
            if (!signal.aborted) {
                await this.pause(signal);
            }
        }
        this.leading = false;
    }

    private begin(): void {
        if (!this.begun) {
            this.begun = true;
            window.clearTimeout(this.beginTimer);
            this.on.resync();
        }
    }

    private opened(): void {
        this.failures = 0;
        this.set({ state: "live", heardAt: Date.now(), retryAt: null }, true);
        this.begun = true;
        window.clearTimeout(this.beginTimer);
        this.on.resync();
    }

    private got(event: RawEvent): void {
        this.lastId = event.id ?? this.lastId;
        this.on.event(event);
        this.tell({ kind: "event", event });
    }

    private async pause(signal: AbortSignal): Promise<void> {
        const base = BACKOFF_MS[Math.min(this.failures, BACKOFF_MS.length - 1)]!;
        const wait = base * (0.75 + Math.random() / 2);
        this.failures++;
        this.set({ state: "down", retryAt: Date.now() + wait });
        await new Promise<void>((done) => {
            const timer = window.setTimeout(done, wait);
            this.wake = () => {
                window.clearTimeout(timer);
                done();
            };
            signal.addEventListener("abort", this.wake, { once: true });
        });
        this.wake = null;
    }

    private set(change: Partial<LiveStatus>, resync = false): void {
        this.state = { ...this.state, ...change };
        this.on.status(this.state);
        this.tell({ kind: "status", status: this.state, resync });
    }

    private tell(notice: Notice): void {
        this.channel?.postMessage(notice);
    }

    private readonly noticed = (message: MessageEvent): void => {
        const notice = message.data as Notice;
        if (notice.kind === "asking") {
            if (this.leading) {
                this.tell({ kind: "status", status: this.state, resync: false });
            }
            return;
        }
        if (this.leading || this.stop.signal.aborted) {
            return;
        }
        if (notice.kind === "event") {
            this.lastId = notice.event.id ?? this.lastId;
            this.state.heardAt = Date.now();
            this.on.event(notice.event);
            return;
        }
        this.state = notice.status;
        this.on.status(this.state);
        if (notice.resync) {
            this.on.resync();
        } else if (this.state.state === "live") {
            this.begin();
        }
    };
}
