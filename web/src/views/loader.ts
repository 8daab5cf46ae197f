/** loader: one request at a time, again if asked meanwhile, at most once a second if there is no hurry. */

export class Loader {
    private running = false;
    private again = false;
    private timer = 0;
    private startedAt = -Infinity;
    private closed = false;

    /** work must not throw. */
    constructor(
        private readonly work: () => Promise<void>,
        private readonly leastMs = 1000,
    ) {}

    now(): void {
        if (this.running) {
            this.again = true;
            return;
        }
        window.clearTimeout(this.timer);
        this.timer = 0;
        void this.run();
    }

    soon(): void {
        if (this.timer === 0 && !this.closed) {
            const wait = Math.max(0, this.startedAt + this.leastMs - performance.now());
            this.timer = window.setTimeout(() => this.now(), wait);
        }
    }

    busy(): boolean {
        return this.running;
    }

    close(): void {
        this.closed = true;
        window.clearTimeout(this.timer);
    }

    private async run(): Promise<void> {
        if (this.closed) {
            return;
        }
        this.running = true;
        this.startedAt = performance.now();
        await this.work();
        this.running = false;
        if (this.again) {
            this.again = false;
            this.soon();
        }
    }
}
