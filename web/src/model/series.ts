/**
 * series: all metrics of the run page, in buckets of one width, kept up to
 * date by live rows and bounded.
 */

import type { Column, Int, SeriesReply, StepRows } from "../api/types";
import { real } from "../api/types";
import { type Buckets, append, coarsen, fromColumns, lastStep, newBuckets } from "./buckets";

export const METRICS = [
    "loss",
    "grad_norm",
    "clip_threshold",
    "smoothness",
    "lr",
    "step_limit",
] as const;
export type Metric = (typeof METRICS)[number];

/** Asked of the daemon; live rows may double that before buckets are joined. */
export const BUCKETS_ASKED = 1000;
const BUCKETS_MOST = 2 * BUCKETS_ASKED;

export class Series {
    private readonly all = new Map<Metric, Buckets>();
    private width = 1;

    static of(reply: SeriesReply): Series {
        const series = new Series();
        series.width = Math.max(1, Number(reply.data.bucket_steps));
        for (const metric of METRICS) {
            const columns = reply.data.metrics[metric];
            if (columns !== undefined) {
                series.all.set(metric, fromColumns(series.width, columns));
            }
        }
        return series;
    }

    get(metric: Metric): Buckets {
        let buckets = this.all.get(metric);
        if (buckets === undefined) {
            buckets = newBuckets(this.width);
            this.all.set(metric, buckets);
        }
        return buckets;
    }

    appendSteps(rows: StepRows): void {
        this.column("loss", rows.step, rows.loss);
        this.column("grad_norm", rows.step, rows.grad_norm);
        this.column("clip_threshold", rows.step, rows.clip_threshold);
        this.column("lr", rows.step, rows.lr);
        this.bound();
    }

    appendProbes(steps: Int[], smoothness: Column): void {
        this.column("smoothness", steps, smoothness);
        this.column(
            "step_limit",
            steps,
            smoothness.map((v) => (v === null ? null : 2 / real(v))),
        );
        this.bound();
    }

    /** First and last step of any metric; null if there is none. */
    extent(): [number, number] | null {
        let [first, last] = [Infinity, -Infinity];
        for (const b of this.all.values()) {
            first = Math.min(first, b.first[0] ?? Infinity);
            last = Math.max(last, b.first.length > 0 ? lastStep(b) : -Infinity);
        }
        return last < first ? null : [first, last];
    }

    private column(metric: Metric, steps: Int[], values: Column): void {
        const buckets = this.get(metric);
        values.forEach((value, i) => {
            if (value !== null) {
                append(buckets, Number(steps[i]), real(value));
            }
        });
    }

    /** One width for all: a panel's lines must have their buckets at the same places. */
    private bound(): void {
        const most = (): number => Math.max(...[...this.all.values()].map((b) => b.first.length));
        while (most() > BUCKETS_MOST) {
            this.width *= 2;
            for (const [metric, buckets] of this.all) {
                this.all.set(metric, coarsen(buckets, this.width));
            }
        }
    }
}
