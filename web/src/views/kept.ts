/** kept: answers about the rows of a table, asked for one at a time, and kept. */

/** After each, the daemon is left alone for as many times as long as it took. */
const REST = 3;

export class Kept<T> {
    private readonly known = new Map<string, T>();
    private readonly asked = new Set<string>();
    private busy = false;
    private readonly stop = new AbortController();

    /** changed: an answer is there, or another may be asked for. Who is not looked at any more is then not. */
    constructor(
        private readonly ask: (key: string, signal: AbortSignal) => Promise<T>,
        private readonly changed: () => void,
    ) {}

    /** null while it is not known; it is asked for if nothing else is under way. */
    of(key: string): T | null {
        if (!this.busy && !this.asked.has(key)) {
            this.asked.add(key);
            void this.fetch(key);
        }
        return this.known.get(key) ?? null;
    }

    put(key: string, value: T): void {
        this.asked.add(key);
        this.known.set(key, value);
    }

    /** What is known is old: it is asked for once more. */
    again(): void {
        this.asked.clear();
    }

    close(): void {
        this.stop.abort();
    }

    private async fetch(key: string): Promise<void> {
        const { signal } = this.stop;
        const from = performance.now();
        this.busy = true;
        try {
            this.known.set(key, await this.ask(key, signal));
            this.changed();
        } catch {
            // A dash stays in the table; the page of what it is about says more.
        }
        const rest = REST * (performance.now() - from);
        await new Promise((done) => window.setTimeout(done, rest));
        this.busy = false;
        if (!signal.aborted) {
            this.changed();
        }
    }
}
