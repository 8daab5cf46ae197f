/**
 * judge: the verdict of what is shown, asked for when it may have changed: one
 * request at a time, and none while nobody looks.
 */

import { ApiError, get, isAbort, runPath } from "../api/client";
import type { Verdict, VerdictEvent, VerdictReply } from "../api/types";
import { Loader } from "./loader";

/** New fits are judged again after so long: a verdict costs more than a fit. */
const FITS_MS = 5000;

export interface Asked {
    regressor: string | null;
    from: number | undefined;
    to: number | undefined;
    /** A layer by its number; else all parameters. */
    group?: number;
}

export class Judge {
    verdict: Verdict | null = null;
    /** Why the last request gave none; then what is there is of before. */
    problem: string | null = null;
    /** What is there is of other steps, or by another regressor, than are shown. */
    stale = false;
    private timer = 0;
    private missed = false;
    private readonly loader = new Loader((signal) => this.load(signal));

    constructor(
        private readonly id: string,
        private readonly asked: () => Asked,
        /** What comes is not to be drawn now. */
        private readonly paused: () => boolean,
        private readonly changed: () => void,
    ) {
        document.addEventListener("visibilitychange", this.wake);
    }

    /** Something else is shown. */
    again(): void {
        this.stale = true;
        this.loader.now();
    }

    /** There may be new pairs. */
    note(): void {
        if (this.verdict === null || this.problem !== null) {
            this.loader.soon();
        } else if (!this.miss()) {
            this.later();
        }
    }

    hear({ verdict, sentence }: VerdictEvent): void {
        const differs = verdict !== this.verdict?.verdict || sentence !== this.verdict?.sentence;
        if (differs && !this.miss()) {
            this.loader.soon();
        }
    }

    /** Somebody looks again. */
    readonly wake = (): void => {
        if (this.missed && !this.paused()) {
            this.missed = false;
            this.loader.soon();
        }
    };

    close(): void {
        document.removeEventListener("visibilitychange", this.wake);
        window.clearTimeout(this.timer);
        this.loader.close();
    }

    private later(): void {
        if (this.timer === 0) {
            this.timer = window.setTimeout(() => {
                this.timer = 0;
                this.loader.soon();
            }, FITS_MS);
        }
    }

    /** While nothing is drawn nothing is asked, but kept in mind. */
    private miss(): boolean {
        this.missed ||= this.paused();
        return this.paused();
    }

    private async load(signal: AbortSignal): Promise<void> {
        if (document.visibilityState === "hidden") {
            this.missed = true;
            return;
        }
        try {
            const path = `${runPath(this.id)}/verdict`;
            this.verdict = (await get<VerdictReply>(path, { ...this.asked() }, signal)).data;
            this.problem = null;
            this.stale = false;
        } catch (error) {
            if (isAbort(error) || (error instanceof ApiError && error.status === 404)) {
                return; // of a run that is not there the page says so
            }
            this.problem = error instanceof ApiError ? `trajd answered: ${error.message}` : "trajd cannot be reached";
            this.later();
        }
        this.changed();
    }
}
