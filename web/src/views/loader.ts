/**
 * loader: one request at a time. What the user asks for starts now, in place
 * of what is under way; what events ask for, at most once a second, and less
 * often where the answers are long in coming.
 */

/** Of the time, at most this part is spent on requests that events ask for. */
const SHARE = 4;

export class Loader {
    private request: AbortController | null = null;
    private again = false;
    private timer = 0;
    private startedAt = -Infinity;
    private tookMs = 0;
    private closed = false;

    /** work must not throw, and ends soon after its signal. */
    constructor(
        private readonly work: (signal: AbortSignal) => Promise<void>,
        private readonly leastMs = 1000,
    ) {}

    now(): void {
        window.clearTimeout(this.timer);
        this.timer = 0;
        this.request?.abort();
        void this.run();
    }

    soon(): void {
        if (this.request !== null) {
            this.again = true;
        } else if (this.timer === 0 && !this.closed) {
            const every = Math.max(this.leastMs, SHARE * this.tookMs);
            const wait = Math.max(0, this.startedAt + every - performance.now());
            this.timer = window.setTimeout(() => this.now(), wait);
        }
    }

    busy(): boolean {
        return this.request !== null;
    }

    close(): void {
        this.closed = true;
        this.request?.abort();
        window.clearTimeout(this.timer);
    }

    private async run(): Promise<void> {
        if (this.closed) {
            return;
        }
        const request = new AbortController();
        this.request = request;
        this.startedAt = performance.now();
        await this.work(request.signal);
        if (this.request !== request) {
            return; // another one has taken its place
        }
        this.request = null;
        this.tookMs = performance.now() - this.startedAt;
        if (this.again) {
            this.again = false;
            this.soon();
        }
    }
}
