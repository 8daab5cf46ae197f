/** norms: the run's measurements of the operator norm, asked for when the run has more of them. */

import { get, runPath } from "../api/client";
import type { Run, SharpnessPage } from "../api/types";
import type { Buckets } from "../model/buckets";
import { type Norm, normBuckets, readNorms } from "../model/norms";
import { Loader } from "./loader";

/** They are rare: each costs several gradients. */
const LEAST_MS = 5000;
const MOST = 100_000;

export class NormFeed {
    norms: readonly Norm[] = [];
    private made: { norms: readonly Norm[]; steps: number; buckets: Buckets } | null = null;
    /** How many the run has, and had when they were asked for. */
    private count = 0;
    private known = 0;
    private readonly loader = new Loader((signal) => this.load(signal), LEAST_MS);

    constructor(
        private readonly id: string,
        private readonly range: () => readonly [number, number] | null,
        private readonly changed: () => void,
    ) {}

    /** The same ones till the norms change, or the width. */
    buckets(steps: number): Buckets {
        const { norms } = this;
        if (this.made?.norms !== norms || this.made.steps !== steps) {
            this.made = { norms, steps, buckets: normBuckets(norms, steps) };
        }
        return this.made.buckets;
    }

    note(run: Run): void {
        this.count = Number(run.records.sharpness);
        if (this.count !== this.known) {
            this.loader.soon();
        }
    }

    /** Another part of the run is shown. */
    again(): void {
        if (this.count > 0) {
            this.loader.now();
        }
    }

    close(): void {
        this.loader.close();
    }

    private async load(signal: AbortSignal): Promise<void> {
        const { count, range } = this;
        const [from, to] = range() ?? [];
        const fields = "step,group,value,residual,converged,grad_sq";
        try {
            const path = `${runPath(this.id)}/sharpness`;
            const query = { fields, limit: MOST, from, to };
            const { data } = await get<SharpnessPage>(path, query, signal);
            this.norms = readNorms(data);
            this.known = count;
            this.changed();
        } catch {
            // The next change of the run asks again; a lost connection is said elsewhere.
        }
    }
}
