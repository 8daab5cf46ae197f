/** laws: the fits of the runs in a list, asked for one at a time and kept. */

import { get, runPath } from "../api/client";
import type { Fits, FitsReply, Run } from "../api/types";

export class Laws {
    private readonly known = new Map<string, Fits | null>();
    private readonly waiting: Run[] = [];
    private busy = false;
    private readonly stop = new AbortController();

    constructor(private readonly changed: () => void) {}

    /** null while it is not known; the run is then asked for. */
    of(run: Run): Fits | null {
        const fits = this.known.get(run.id);
        if (fits === undefined) {
            this.known.set(run.id, null);
            this.waiting.push(run);
            void this.work();
        }
        return fits ?? null;
    }

    put(run: string, fits: Fits): void {
        this.known.set(run, fits);
    }

    close(): void {
        this.stop.abort();
    }

    private async work(): Promise<void> {
        if (this.busy) {
            return;
        }
        this.busy = true;
        for (
            let run = this.waiting.shift();
            run !== undefined && !this.stop.signal.aborted;
            run = this.waiting.shift()
        ) {
            try {
                const reply = await get<FitsReply>(
                    `${runPath(run.id)}/fits`,
                    {},
                    this.stop.signal,
                );
                this.known.set(run.id, reply.data);
                this.changed();
            } catch {
                // A dash stays in the list; the run's own page says more.
            }
        }
        this.busy = false;
    }
}
