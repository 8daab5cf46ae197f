/** schema: from schema/openapi.yaml by api_types.mjs; not to be edited. */

export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @example {
         *       "type": "about:blank",
         *       "title": "Not Found",
         *       "status": 404,
         *       "detail": "no such run",
         *       "code": "not_found"
         *     } */
        Problem: {
            type: string;
            title: string;
            status: number;
            detail: string;
            /** @description Stable. */
            code: string;
        };
        /** @description A whole number; a text of its digits beyond 2^53 - 1. */
        Count: number | string;
        /** @description A whole number, never beyond 2^53 - 1. */
        Whole: number;
        Integer: number | string;
        /** @example 1795354903178477730 */
        Nanoseconds: string;
        Double: number | ("NaN" | "Infinity" | "-Infinity");
        /** @description Points of the probe: [gamma, grad_sq, dgrad_sq, delta_sq]. */
        Gammas: [
            components["schemas"]["Double"],
            components["schemas"]["Double"],
            components["schemas"]["Double"],
            components["schemas"]["Double"]
        ][];
        CountColumn: (components["schemas"]["Count"] | null)[];
        /** @description A column without gaps. */
        Counts: components["schemas"]["Count"][];
        /** @description A column without gaps. */
        Wholes: components["schemas"]["Whole"][];
        IntegerColumn: (components["schemas"]["Integer"] | null)[];
        NanosecondsColumn: (components["schemas"]["Nanoseconds"] | null)[];
        DoubleColumn: (components["schemas"]["Double"] | null)[];
        TextColumn: (string | null)[];
        GammasColumn: (components["schemas"]["Gammas"] | null)[];
        Page: {
            /** @description null at the end. */
            next_cursor: string | null;
        };
        Project: {
            name: string;
            runs: components["schemas"]["Count"];
            updated_wall_ns: components["schemas"]["Nanoseconds"];
        };
        ProjectList: {
            data: components["schemas"]["Project"][];
            page: components["schemas"]["Page"];
        };
        /** @description How many of each kind. */
        Records: {
            step: components["schemas"]["Count"];
            probe: components["schemas"]["Count"];
            metric: components["schemas"]["Count"];
            event: components["schemas"]["Count"];
            sharpness: components["schemas"]["Count"];
            group: components["schemas"]["Count"];
        };
        /** @description Records that came again, as after a lost connection, and were left out. No harm. */
        Repeated: components["schemas"]["Count"];
        /** @description Records that came after the BYE or the FINISH of their stream. Kept like all others. */
        Late: components["schemas"]["Count"];
        /** @description Why the run is not complete; empty if it is. lost_records: a stream says that records are lost at
         *     their source. dropped_records: a trainer's spool was full. stream_open: a trainer of some attempt has
         *     neither finished nor said that it has gone, so more may come. rank_missing: a rank of the newest
         *     attempt's world was never heard of.
         *      */
        Gaps: ("lost_records" | "dropped_records" | "stream_open" | "rank_missing")[];
        /** @example {
         *       "id": "r-17",
         *       "project": "mlp",
         *       "name": "tanh sgd",
         *       "state": "live",
         *       "exit_code": null,
         *       "tags": [
         *         "sgd"
         *       ],
         *       "attempts": 1,
         *       "ranks": 1,
         *       "records": {
         *         "step": 1200,
         *         "probe": 120,
         *         "metric": 0,
         *         "event": 1,
         *         "sharpness": 15,
         *         "group": 600
         *       },
         *       "group_probes": 80,
         *       "lost_records": 0,
         *       "dropped_records": 0,
         *       "thinned_records": 0,
         *       "repeated_records": 0,
         *       "late_records": 0,
         *       "alerts": 0,
         *       "alert_errors": 0,
         *       "complete": false,
         *       "gaps": [
         *         "stream_open"
         *       ],
         *       "last_step": 1199,
         *       "created_wall_ns": "1795354903178477730",
         *       "updated_wall_ns": "1795354903544179501",
         *       "revision": 50,
         *       "fork": null
         *     } */
        Run: {
            id: string;
            project: string;
            name: string;
            /** @enum {unknown} */
            state: "live" | "stalled" | "lost" | "finished" | "failed";
            /** @description null until it has ended. */
            exit_code: components["schemas"]["Integer"] | null;
            tags: string[];
            attempts: components["schemas"]["Whole"];
            ranks: components["schemas"]["Whole"];
            records: components["schemas"]["Records"];
            /** @description Of records.probe those of one group; the others are of all parameters. Records stored by a trajd that did not tell them apart count as such. */
            group_probes: components["schemas"]["Count"];
            lost_records: components["schemas"]["Count"];
            dropped_records: components["schemas"]["Count"];
            thinned_records: components["schemas"]["Count"];
            repeated_records: components["schemas"]["Repeated"];
            late_records: components["schemas"]["Late"];
            /** @description Raised of it, see /alerts. */
            alerts: components["schemas"]["Whole"];
            /** @description Of these, how many are errors; the others are warnings. */
            alert_errors: components["schemas"]["Whole"];
            /** @description Every record of every attempt is here, and none is to come. */
            complete: boolean;
            gaps: components["schemas"]["Gaps"];
            last_step: components["schemas"]["Count"] | null;
            created_wall_ns: components["schemas"]["Nanoseconds"];
            updated_wall_ns: components["schemas"]["Nanoseconds"];
            revision: components["schemas"]["Count"];
            fork: components["schemas"]["Fork"];
        };
        RunList: {
            data: components["schemas"]["Run"][];
            page: components["schemas"]["Page"];
        };
        RunDetail: {
            id: string;
            project: string;
            name: string;
            /** @enum {unknown} */
            state: "live" | "stalled" | "lost" | "finished" | "failed";
            /** @description null until it has ended. */
            exit_code: components["schemas"]["Integer"] | null;
            tags: string[];
            attempts: components["schemas"]["Whole"];
            ranks: components["schemas"]["Whole"];
            records: components["schemas"]["Records"];
            /** @description Of records.probe those of one group; the others are of all parameters. Records stored by a trajd that did not tell them apart count as such. */
            group_probes: components["schemas"]["Count"];
            lost_records: components["schemas"]["Count"];
            dropped_records: components["schemas"]["Count"];
            thinned_records: components["schemas"]["Count"];
            repeated_records: components["schemas"]["Repeated"];
            late_records: components["schemas"]["Late"];
            /** @description Raised of it, see /alerts. */
            alerts: components["schemas"]["Whole"];
            /** @description Of these, how many are errors; the others are warnings. */
            alert_errors: components["schemas"]["Whole"];
            /** @description Every record of every attempt is here, and none is to come. */
            complete: boolean;
            gaps: components["schemas"]["Gaps"];
            last_step: components["schemas"]["Count"] | null;
            created_wall_ns: components["schemas"]["Nanoseconds"];
            updated_wall_ns: components["schemas"]["Nanoseconds"];
            revision: components["schemas"]["Count"];
            fork: components["schemas"]["Fork"];
            /** @description Steps between probes that trainers are asked for; 0: as they like. */
            probe_every: number;
            /** @description As the trainer gave it. */
            config: Record<string, unknown>;
            /** @description As the newest attempt introduced itself. */
            hello: Record<string, unknown>;
            streams: components["schemas"]["Stream"][];
        };
        /** @description The run that this one continues from `step` on; its steps before that come first in this run's series. null is no fork. */
        Fork: {
            /** @description Its id; it may have been deleted. */
            run: string;
            step: components["schemas"]["Count"];
        } | null;
        ProbeEvery: {
            /** @description Steps; 0: as the trainer likes. */
            probe_every: number;
        };
        /** @description The records of one process since it opened the run. */
        Stream: {
            attempt: components["schemas"]["Whole"];
            rank: components["schemas"]["Whole"];
            committed_seq: components["schemas"]["Count"];
            lost_records: components["schemas"]["Count"];
            dropped_records: components["schemas"]["Count"];
            repeated_records: components["schemas"]["Repeated"];
            late_records: components["schemas"]["Late"];
            closed: boolean;
            first_step: components["schemas"]["Count"] | null;
            created_wall_ns: components["schemas"]["Nanoseconds"];
            heard_wall_ns: components["schemas"]["Nanoseconds"];
        };
        /** @description Columns of equal length; the fields asked for. */
        StepColumns: {
            attempt: components["schemas"]["CountColumn"];
            rank: components["schemas"]["CountColumn"];
            seq: components["schemas"]["CountColumn"];
            step?: components["schemas"]["CountColumn"];
            wall_ns?: components["schemas"]["NanosecondsColumn"];
            mono_ns?: components["schemas"]["NanosecondsColumn"];
            loss?: components["schemas"]["DoubleColumn"];
            lr?: components["schemas"]["DoubleColumn"];
            grad_sq?: components["schemas"]["DoubleColumn"];
            param_sq?: components["schemas"]["DoubleColumn"];
            delta_sq?: components["schemas"]["DoubleColumn"];
            grad_delta?: components["schemas"]["DoubleColumn"];
            dgrad_sq?: components["schemas"]["DoubleColumn"];
            dgrad_delta?: components["schemas"]["DoubleColumn"];
            grad_prev?: components["schemas"]["DoubleColumn"];
            grad_max_abs?: components["schemas"]["DoubleColumn"];
            grad_nan?: components["schemas"]["CountColumn"];
            grad_inf?: components["schemas"]["CountColumn"];
            param_nan?: components["schemas"]["CountColumn"];
            param_inf?: components["schemas"]["CountColumn"];
            clip_threshold?: components["schemas"]["DoubleColumn"];
            clip_scale?: components["schemas"]["DoubleColumn"];
            grad_clipped_sq?: components["schemas"]["DoubleColumn"];
            loss_scale?: components["schemas"]["DoubleColumn"];
            stage?: components["schemas"]["CountColumn"];
            flags?: components["schemas"]["CountColumn"];
            micro_batches?: components["schemas"]["CountColumn"];
            momentum?: components["schemas"]["DoubleColumn"];
            tokens?: components["schemas"]["CountColumn"];
            samples?: components["schemas"]["CountColumn"];
            epoch?: components["schemas"]["DoubleColumn"];
            micro_grad_sq?: components["schemas"]["DoubleColumn"];
            batch_samples?: components["schemas"]["CountColumn"];
            combine?: components["schemas"]["CountColumn"];
            fold_count?: components["schemas"]["CountColumn"];
            fold_first_step?: components["schemas"]["CountColumn"];
            fold_loss_sum?: components["schemas"]["DoubleColumn"];
            fold_loss_min?: components["schemas"]["DoubleColumn"];
            fold_loss_min_step?: components["schemas"]["CountColumn"];
            fold_loss_max?: components["schemas"]["DoubleColumn"];
            fold_loss_max_step?: components["schemas"]["CountColumn"];
            fold_grad_sq_sum?: components["schemas"]["DoubleColumn"];
            fold_grad_sq_min?: components["schemas"]["DoubleColumn"];
            fold_grad_sq_min_step?: components["schemas"]["CountColumn"];
            fold_grad_sq_max?: components["schemas"]["DoubleColumn"];
            fold_grad_sq_max_step?: components["schemas"]["CountColumn"];
            fold_delta_sq_sum?: components["schemas"]["DoubleColumn"];
            fold_nonfinite?: components["schemas"]["CountColumn"];
            fold_clipped?: components["schemas"]["CountColumn"];
        };
        /** @description One line of NDJSON. */
        StepRow: {
            attempt: components["schemas"]["Count"];
            rank: components["schemas"]["Count"];
            seq: components["schemas"]["Count"];
            step?: components["schemas"]["Count"];
            wall_ns?: components["schemas"]["Nanoseconds"];
            mono_ns?: components["schemas"]["Nanoseconds"];
            loss?: components["schemas"]["Double"];
            lr?: components["schemas"]["Double"];
            grad_sq?: components["schemas"]["Double"];
            param_sq?: components["schemas"]["Double"];
            delta_sq?: components["schemas"]["Double"];
            grad_delta?: components["schemas"]["Double"];
            dgrad_sq?: components["schemas"]["Double"];
            dgrad_delta?: components["schemas"]["Double"];
            grad_prev?: components["schemas"]["Double"];
            grad_max_abs?: components["schemas"]["Double"];
            grad_nan?: components["schemas"]["Count"];
            grad_inf?: components["schemas"]["Count"];
            param_nan?: components["schemas"]["Count"];
            param_inf?: components["schemas"]["Count"];
            clip_threshold?: components["schemas"]["Double"];
            clip_scale?: components["schemas"]["Double"];
            grad_clipped_sq?: components["schemas"]["Double"];
            loss_scale?: components["schemas"]["Double"];
            stage?: components["schemas"]["Count"];
            flags?: components["schemas"]["Count"];
            micro_batches?: components["schemas"]["Count"];
            momentum?: components["schemas"]["Double"];
            tokens?: components["schemas"]["Count"];
            samples?: components["schemas"]["Count"];
            epoch?: components["schemas"]["Double"];
            micro_grad_sq?: components["schemas"]["Double"];
            batch_samples?: components["schemas"]["Count"];
            combine?: components["schemas"]["Count"];
            fold_count?: components["schemas"]["Count"];
            fold_first_step?: components["schemas"]["Count"];
            fold_loss_sum?: components["schemas"]["Double"];
            fold_loss_min?: components["schemas"]["Double"];
            fold_loss_min_step?: components["schemas"]["Count"];
            fold_loss_max?: components["schemas"]["Double"];
            fold_loss_max_step?: components["schemas"]["Count"];
            fold_grad_sq_sum?: components["schemas"]["Double"];
            fold_grad_sq_min?: components["schemas"]["Double"];
            fold_grad_sq_min_step?: components["schemas"]["Count"];
            fold_grad_sq_max?: components["schemas"]["Double"];
            fold_grad_sq_max_step?: components["schemas"]["Count"];
            fold_delta_sq_sum?: components["schemas"]["Double"];
            fold_nonfinite?: components["schemas"]["Count"];
            fold_clipped?: components["schemas"]["Count"];
        };
        StepPage: {
            data: components["schemas"]["StepColumns"];
            rows: number;
            page: components["schemas"]["Page"];
        };
        /** @description Columns of equal length; the fields asked for. */
        ProbeColumns: {
            attempt: components["schemas"]["CountColumn"];
            rank: components["schemas"]["CountColumn"];
            seq: components["schemas"]["CountColumn"];
            step?: components["schemas"]["CountColumn"];
            wall_ns?: components["schemas"]["NanosecondsColumn"];
            estimator?: components["schemas"]["CountColumn"];
            group?: components["schemas"]["CountColumn"];
            norm?: components["schemas"]["CountColumn"];
            dtype?: components["schemas"]["CountColumn"];
            smoothness?: components["schemas"]["DoubleColumn"];
            smoothness_gamma?: components["schemas"]["DoubleColumn"];
            grad_sq?: components["schemas"]["DoubleColumn"];
            grad_mid_sq?: components["schemas"]["DoubleColumn"];
            grad_end_sq?: components["schemas"]["DoubleColumn"];
            delta_sq?: components["schemas"]["DoubleColumn"];
            dgrad_sq?: components["schemas"]["DoubleColumn"];
            grad_delta?: components["schemas"]["DoubleColumn"];
            dgrad_delta?: components["schemas"]["DoubleColumn"];
            grad_grad_end?: components["schemas"]["DoubleColumn"];
            param_sq?: components["schemas"]["DoubleColumn"];
            loss?: components["schemas"]["DoubleColumn"];
            loss_end?: components["schemas"]["DoubleColumn"];
            lr?: components["schemas"]["DoubleColumn"];
            noise_floor?: components["schemas"]["DoubleColumn"];
            rounding_floor?: components["schemas"]["DoubleColumn"];
            idempotence?: components["schemas"]["DoubleColumn"];
            cost_ns?: components["schemas"]["CountColumn"];
            grad_evals?: components["schemas"]["CountColumn"];
            micro_batches?: components["schemas"]["CountColumn"];
            batch_samples?: components["schemas"]["CountColumn"];
            micro_grad_sq?: components["schemas"]["DoubleColumn"];
            micro_dgrad_sq?: components["schemas"]["DoubleColumn"];
            flags?: components["schemas"]["CountColumn"];
            combine?: components["schemas"]["CountColumn"];
            gammas?: components["schemas"]["GammasColumn"];
            precond_delta_sq?: components["schemas"]["DoubleColumn"];
            precond_dgrad_sq?: components["schemas"]["DoubleColumn"];
            subset_fraction?: components["schemas"]["DoubleColumn"];
            ceiling?: components["schemas"]["DoubleColumn"];
            noise_sq?: components["schemas"]["DoubleColumn"];
            grad_dual?: components["schemas"]["DoubleColumn"];
            dgrad_dual?: components["schemas"]["DoubleColumn"];
            delta_norm?: components["schemas"]["DoubleColumn"];
        };
        /** @description One line of NDJSON. */
        ProbeRow: {
            attempt: components["schemas"]["Count"];
            rank: components["schemas"]["Count"];
            seq: components["schemas"]["Count"];
            step?: components["schemas"]["Count"];
            wall_ns?: components["schemas"]["Nanoseconds"];
            estimator?: components["schemas"]["Count"];
            group?: components["schemas"]["Count"];
            norm?: components["schemas"]["Count"];
            dtype?: components["schemas"]["Count"];
            smoothness?: components["schemas"]["Double"];
            smoothness_gamma?: components["schemas"]["Double"];
            grad_sq?: components["schemas"]["Double"];
            grad_mid_sq?: components["schemas"]["Double"];
            grad_end_sq?: components["schemas"]["Double"];
            delta_sq?: components["schemas"]["Double"];
            dgrad_sq?: components["schemas"]["Double"];
            grad_delta?: components["schemas"]["Double"];
            dgrad_delta?: components["schemas"]["Double"];
            grad_grad_end?: components["schemas"]["Double"];
            param_sq?: components["schemas"]["Double"];
            loss?: components["schemas"]["Double"];
            loss_end?: components["schemas"]["Double"];
            lr?: components["schemas"]["Double"];
            noise_floor?: components["schemas"]["Double"];
            rounding_floor?: components["schemas"]["Double"];
            idempotence?: components["schemas"]["Double"];
            cost_ns?: components["schemas"]["Count"];
            grad_evals?: components["schemas"]["Count"];
            micro_batches?: components["schemas"]["Count"];
            batch_samples?: components["schemas"]["Count"];
            micro_grad_sq?: components["schemas"]["Double"];
            micro_dgrad_sq?: components["schemas"]["Double"];
            flags?: components["schemas"]["Count"];
            combine?: components["schemas"]["Count"];
            gammas?: components["schemas"]["Gammas"];
            precond_delta_sq?: components["schemas"]["Double"];
            precond_dgrad_sq?: components["schemas"]["Double"];
            subset_fraction?: components["schemas"]["Double"];
            ceiling?: components["schemas"]["Double"];
            noise_sq?: components["schemas"]["Double"];
            grad_dual?: components["schemas"]["Double"];
            dgrad_dual?: components["schemas"]["Double"];
            delta_norm?: components["schemas"]["Double"];
        };
        ProbePage: {
            data: components["schemas"]["ProbeColumns"];
            rows: number;
            page: components["schemas"]["Page"];
        };
        /** @description Columns of equal length; the fields asked for. */
        MetricColumns: {
            attempt: components["schemas"]["CountColumn"];
            rank: components["schemas"]["CountColumn"];
            seq: components["schemas"]["CountColumn"];
            step?: components["schemas"]["CountColumn"];
            wall_ns?: components["schemas"]["NanosecondsColumn"];
            name?: components["schemas"]["TextColumn"];
            value?: components["schemas"]["DoubleColumn"];
        };
        /** @description One line of NDJSON. */
        MetricRow: {
            attempt: components["schemas"]["Count"];
            rank: components["schemas"]["Count"];
            seq: components["schemas"]["Count"];
            step?: components["schemas"]["Count"];
            wall_ns?: components["schemas"]["Nanoseconds"];
            name?: string;
            value?: components["schemas"]["Double"];
        };
        MetricPage: {
            data: components["schemas"]["MetricColumns"];
            rows: number;
            page: components["schemas"]["Page"];
        };
        /** @description Columns of equal length; the fields asked for. */
        EventColumns: {
            attempt: components["schemas"]["CountColumn"];
            rank: components["schemas"]["CountColumn"];
            seq: components["schemas"]["CountColumn"];
            step?: components["schemas"]["CountColumn"];
            wall_ns?: components["schemas"]["NanosecondsColumn"];
            event?: components["schemas"]["CountColumn"];
            severity?: components["schemas"]["CountColumn"];
            text?: components["schemas"]["TextColumn"];
            value?: components["schemas"]["DoubleColumn"];
            exit_code?: components["schemas"]["IntegerColumn"];
        };
        /** @description One line of NDJSON. */
        EventRow: {
            attempt: components["schemas"]["Count"];
            rank: components["schemas"]["Count"];
            seq: components["schemas"]["Count"];
            step?: components["schemas"]["Count"];
            wall_ns?: components["schemas"]["Nanoseconds"];
            event?: components["schemas"]["Count"];
            severity?: components["schemas"]["Count"];
            text?: string;
            value?: components["schemas"]["Double"];
            exit_code?: components["schemas"]["Integer"];
        };
        EventPage: {
            data: components["schemas"]["EventColumns"];
            rows: number;
            page: components["schemas"]["Page"];
        };
        /** @description Columns of equal length; the fields asked for. */
        SharpnessColumns: {
            attempt: components["schemas"]["CountColumn"];
            rank: components["schemas"]["CountColumn"];
            seq: components["schemas"]["CountColumn"];
            step?: components["schemas"]["CountColumn"];
            wall_ns?: components["schemas"]["NanosecondsColumn"];
            group?: components["schemas"]["CountColumn"];
            method?: components["schemas"]["CountColumn"];
            estimator?: components["schemas"]["CountColumn"];
            dtype?: components["schemas"]["CountColumn"];
            value?: components["schemas"]["DoubleColumn"];
            residual?: components["schemas"]["DoubleColumn"];
            lambda_min?: components["schemas"]["DoubleColumn"];
            lambda_max?: components["schemas"]["DoubleColumn"];
            hvps?: components["schemas"]["CountColumn"];
            converged?: components["schemas"]["CountColumn"];
            grad_evals?: components["schemas"]["CountColumn"];
            cost_ns?: components["schemas"]["CountColumn"];
            epsilon?: components["schemas"]["DoubleColumn"];
            grad_sq?: components["schemas"]["DoubleColumn"];
            loss?: components["schemas"]["DoubleColumn"];
            lr?: components["schemas"]["DoubleColumn"];
            batch_samples?: components["schemas"]["CountColumn"];
            subset_fraction?: components["schemas"]["DoubleColumn"];
            flags?: components["schemas"]["CountColumn"];
            residual_min?: components["schemas"]["DoubleColumn"];
            residual_max?: components["schemas"]["DoubleColumn"];
        };
        /** @description One line of NDJSON. */
        SharpnessRow: {
            attempt: components["schemas"]["Count"];
            rank: components["schemas"]["Count"];
            seq: components["schemas"]["Count"];
            step?: components["schemas"]["Count"];
            wall_ns?: components["schemas"]["Nanoseconds"];
            group?: components["schemas"]["Count"];
            method?: components["schemas"]["Count"];
            estimator?: components["schemas"]["Count"];
            dtype?: components["schemas"]["Count"];
            value?: components["schemas"]["Double"];
            residual?: components["schemas"]["Double"];
            lambda_min?: components["schemas"]["Double"];
            lambda_max?: components["schemas"]["Double"];
            hvps?: components["schemas"]["Count"];
            converged?: components["schemas"]["Count"];
            grad_evals?: components["schemas"]["Count"];
            cost_ns?: components["schemas"]["Count"];
            epsilon?: components["schemas"]["Double"];
            grad_sq?: components["schemas"]["Double"];
            loss?: components["schemas"]["Double"];
            lr?: components["schemas"]["Double"];
            batch_samples?: components["schemas"]["Count"];
            subset_fraction?: components["schemas"]["Double"];
            flags?: components["schemas"]["Count"];
            residual_min?: components["schemas"]["Double"];
            residual_max?: components["schemas"]["Double"];
        };
        SharpnessPage: {
            data: components["schemas"]["SharpnessColumns"];
            rows: number;
            page: components["schemas"]["Page"];
        };
        /** @description Columns of equal length; the fields asked for. */
        GroupColumns: {
            attempt: components["schemas"]["CountColumn"];
            rank: components["schemas"]["CountColumn"];
            seq: components["schemas"]["CountColumn"];
            step?: components["schemas"]["CountColumn"];
            wall_ns?: components["schemas"]["NanosecondsColumn"];
            group?: components["schemas"]["CountColumn"];
            grad_sq?: components["schemas"]["DoubleColumn"];
            param_sq?: components["schemas"]["DoubleColumn"];
            delta_sq?: components["schemas"]["DoubleColumn"];
            grad_delta?: components["schemas"]["DoubleColumn"];
            dgrad_sq?: components["schemas"]["DoubleColumn"];
            dgrad_delta?: components["schemas"]["DoubleColumn"];
            grad_prev?: components["schemas"]["DoubleColumn"];
            grad_max_abs?: components["schemas"]["DoubleColumn"];
            grad_nan?: components["schemas"]["CountColumn"];
            grad_inf?: components["schemas"]["CountColumn"];
            param_nan?: components["schemas"]["CountColumn"];
            param_inf?: components["schemas"]["CountColumn"];
            norm?: components["schemas"]["CountColumn"];
            grad_dual?: components["schemas"]["DoubleColumn"];
            delta_norm?: components["schemas"]["DoubleColumn"];
            combine?: components["schemas"]["CountColumn"];
            stage?: components["schemas"]["CountColumn"];
        };
        /** @description One line of NDJSON. */
        GroupRow: {
            attempt: components["schemas"]["Count"];
            rank: components["schemas"]["Count"];
            seq: components["schemas"]["Count"];
            step?: components["schemas"]["Count"];
            wall_ns?: components["schemas"]["Nanoseconds"];
            group?: components["schemas"]["Count"];
            grad_sq?: components["schemas"]["Double"];
            param_sq?: components["schemas"]["Double"];
            delta_sq?: components["schemas"]["Double"];
            grad_delta?: components["schemas"]["Double"];
            dgrad_sq?: components["schemas"]["Double"];
            dgrad_delta?: components["schemas"]["Double"];
            grad_prev?: components["schemas"]["Double"];
            grad_max_abs?: components["schemas"]["Double"];
            grad_nan?: components["schemas"]["Count"];
            grad_inf?: components["schemas"]["Count"];
            param_nan?: components["schemas"]["Count"];
            param_inf?: components["schemas"]["Count"];
            norm?: components["schemas"]["Count"];
            grad_dual?: components["schemas"]["Double"];
            delta_norm?: components["schemas"]["Double"];
            combine?: components["schemas"]["Count"];
            stage?: components["schemas"]["Count"];
        };
        GroupPage: {
            data: components["schemas"]["GroupColumns"];
            rows: number;
            page: components["schemas"]["Page"];
        };
        /** @description A group of parameters, as the lowest rank that has a part of it says. rows and cols are 0 for a vector; norm and combine as in traj.h. */
        Layer: {
            /** @description Its number; in records, too, where the rank is the run's lowest. */
            group: number;
            name: string;
            size: components["schemas"]["Count"];
            /** @description How many ranks of the newest attempts have a part of it. */
            ranks: components["schemas"]["Whole"];
            /** @description Of their sizes: the layer's, where they are shards. */
            size_sum: components["schemas"]["Count"];
            rows: components["schemas"]["Whole"];
            cols: components["schemas"]["Whole"];
            norm: components["schemas"]["Whole"];
            combine: components["schemas"]["Whole"];
        };
        Layers: {
            data: components["schemas"]["Layer"][];
            /** @description Columns of equal length, of those layers that have such a record. disagree: 1 where replicas do. */
            newest: {
                group: components["schemas"]["Wholes"];
                step: components["schemas"]["Counts"];
                disagree: components["schemas"]["Wholes"];
                grad_sq: components["schemas"]["DoubleColumn"];
                param_sq: components["schemas"]["DoubleColumn"];
                delta_sq: components["schemas"]["DoubleColumn"];
                grad_delta: components["schemas"]["DoubleColumn"];
                grad_max_abs: components["schemas"]["DoubleColumn"];
            } | null;
        };
        /** @description Last line of an export. */
        Trailer: {
            trailer: {
                rows: components["schemas"]["Count"];
                thinned: components["schemas"]["Count"];
                crc32c: string;
            };
        };
        ExportLine: components["schemas"]["StepRow"] | components["schemas"]["ProbeRow"] | components["schemas"]["MetricRow"] | components["schemas"]["EventRow"] | components["schemas"]["SharpnessRow"] | components["schemas"]["GroupRow"] | components["schemas"]["Trailer"];
        /** @description What is shown of what. */
        Sampling: {
            /** @enum {unknown} */
            method: "none" | "minmax" | "density";
            rows_in: components["schemas"]["Whole"];
            rows_out: components["schemas"]["Whole"];
        };
        /** @description What is shown of what, over all metrics. */
        SeriesSampling: {
            /** @enum {unknown} */
            method: "none" | "minmax";
            rows_in: components["schemas"]["Whole"];
            rows_out: components["schemas"]["Whole"];
            /** @description Values of records that retention has taken: of rows_in those that exist as buckets alone, which may be wider than asked for and are left out where the window cuts them. With rank=global: records of all ranks that are not in rows_in. */
            thinned: components["schemas"]["Whole"];
        };
        /** @description Columns of equal length. min and max of the finite values; null if there is none. */
        Buckets: {
            step_first: components["schemas"]["Counts"];
            step_last: components["schemas"]["Counts"];
            min: components["schemas"]["DoubleColumn"];
            max: components["schemas"]["DoubleColumn"];
            argmin: components["schemas"]["CountColumn"];
            argmax: components["schemas"]["CountColumn"];
            last: components["schemas"]["DoubleColumn"];
            count: components["schemas"]["Counts"];
            nonfinite: components["schemas"]["Counts"];
        };
        Series: {
            data: {
                bucket_steps: components["schemas"]["Count"];
                /** @description Of the steps: global, all, or the number. */
                rank: string;
                metrics: {
                    [key: string]: components["schemas"]["Buckets"];
                };
            };
            sampling: components["schemas"]["SeriesSampling"];
        };
        /** @description One process of the newest attempt's world: its newest attempt. */
        RankRow: {
            rank: components["schemas"]["Whole"];
            /**
             * @description missing: never heard of.
             * @enum {unknown}
             */
            state: "live" | "stalled" | "lost" | "finished" | "failed" | "missing";
            attempts: components["schemas"]["Whole"];
            attempt: components["schemas"]["Whole"] | null;
            host: string | null;
            pid: components["schemas"]["Whole"] | null;
            last_step: components["schemas"]["Count"] | null;
            /** @description Steps behind the foremost rank. */
            behind: components["schemas"]["Count"] | null;
            records: components["schemas"]["Count"];
            lost_records: components["schemas"]["Count"];
            dropped_records: components["schemas"]["Count"];
            heard_wall_ns: components["schemas"]["Nanoseconds"] | null;
        };
        RankFinding: {
            /**
             * @description mixed_rules: ranks give different rules or stages; one_shard: the norm of
             *     one shard passes for the run's; own_data: the gradient of each rank's own
             *     data does; wrong_factor: ||d||/(lr ||g||) of plain SGD is off by a number
             *     that the run knows; replicas_disagree on what they measure; ranks_differ
             *     in what they say of the step; gammas_differ: ranks measured a probe at
             *     other points of the step.
             *
             * @enum {unknown}
             */
            code: "mixed_rules" | "one_shard" | "own_data" | "wrong_factor" | "replicas_disagree" | "ranks_differ" | "gammas_differ";
            /**
             * @description Of which records.
             * @enum {unknown}
             */
            kind: "step" | "probe";
            /** @description Of such a record. */
            field: string;
            /** @description What ||g|| lacks (one_shard, wrong_factor); the largest relative difference (replicas_disagree, ranks_differ). */
            factor: components["schemas"]["Double"] | null;
            first_step: components["schemas"]["Count"];
            /** @description How many show it. */
            steps: components["schemas"]["Count"];
            /** @description Whom it is about; 0 is all. */
            n_ranks: components["schemas"]["Whole"];
            /** @description The lowest of them. */
            ranks: components["schemas"]["Whole"][];
            text: string;
        };
        Ranks: {
            world: components["schemas"]["Whole"];
            steps: {
                from: components["schemas"]["Count"];
                to: components["schemas"]["Count"];
                complete: components["schemas"]["Count"];
                incomplete: components["schemas"]["Count"];
                open: components["schemas"]["Count"];
                disagree: components["schemas"]["Count"];
                last_complete: components["schemas"]["Count"] | null;
                /**
                 * @description Of the last step.
                 * @enum {unknown}
                 */
                rule: "none" | "shard" | "replica" | "mixed" | null;
            };
            /** @description Of all parameters. */
            probes: components["schemas"]["RankProbes"];
            findings: components["schemas"]["RankFinding"][];
            ranks: components["schemas"]["RankRow"][];
        };
        RanksReply: {
            data: components["schemas"]["Ranks"];
        };
        ScatterPoints: {
            /** @constant */
            mode: "points";
            /** @enum {unknown} */
            x_name: "start" | "trapezoid" | "simpson";
            /** @enum {unknown} */
            y_name: "smoothness" | "secant";
            estimator: string;
            group: components["schemas"]["Whole"];
            /** @description Probes in one pair; 1 but for microbatches. */
            window: components["schemas"]["Whole"];
            /** @description global, all, or the number. */
            rank: string;
            step: components["schemas"]["Counts"];
            x: components["schemas"]["DoubleColumn"];
            y: components["schemas"]["DoubleColumn"];
            ceiling: components["schemas"]["DoubleColumn"];
            /** @description What y is of sampling noise alone, as the probe estimated it; null where it did not. */
            noise_floor: components["schemas"]["DoubleColumn"];
            /** @description What y is of the rounding of gradients alone. */
            rounding_floor: components["schemas"]["DoubleColumn"];
            flags: components["schemas"]["Wholes"];
        };
        /** @description Row 0 is the lowest; cell (column, row) at row * w + column. */
        ScatterDensity: {
            /** @constant */
            mode: "density";
            /** @enum {unknown} */
            x_name: "start" | "trapezoid" | "simpson";
            /** @enum {unknown} */
            y_name: "smoothness" | "secant";
            estimator: string;
            group: components["schemas"]["Whole"];
            /** @description Probes in one pair; 1 but for microbatches. */
            window: components["schemas"]["Whole"];
            /** @description global, all, or the number. */
            rank: string;
            x_log10: components["schemas"]["Range"];
            y_log10: components["schemas"]["Range"];
            w: number;
            h: number;
            counts: components["schemas"]["Wholes"];
            /** @description null where the count is 0. */
            mean_step: (number | null)[];
            extremes: {
                step: components["schemas"]["Counts"];
                x: components["schemas"]["DoubleColumn"];
                y: components["schemas"]["DoubleColumn"];
            };
        };
        Range: [
            number,
            number
        ];
        Scatter: {
            data: components["schemas"]["ScatterPoints"] | components["schemas"]["ScatterDensity"];
            sampling: components["schemas"]["Sampling"];
            /** @description Pairs without a place on the axes, and probes that are in no pair. */
            excluded: components["schemas"]["Whole"];
            /** @description With rank global: what became of the probes. */
            ranks: components["schemas"]["RankProbes"] | null;
        };
        /** @description What became of the probes of all ranks together. */
        RankProbes: {
            world: components["schemas"]["Whole"];
            /** @description All ranks that have a part of it are in. */
            whole: components["schemas"]["Count"];
            /** @description Of replicas, taken though one is missing. */
            unchecked: components["schemas"]["Count"];
            /** @description Left out: a shard, or who speaks for all, is missing or not there yet. */
            incomplete: components["schemas"]["Count"];
            /** @description Left out: other rules, or other numbers of microbatches. */
            ranks_differ: components["schemas"]["Count"];
            /** @description Left out: measured at other points of the step. */
            gammas_differ: components["schemas"]["Count"];
            /** @description Taken, though ranks disagree: findings of /ranks say on what. */
            disagree: components["schemas"]["Count"];
            /** @description Of those taken, summed over probes: the time of the slowest rank. */
            cost_ns: components["schemas"]["Count"];
            /** @description Likewise the gradients of the rank that says most: ranks evaluate each of the whole model together, so theirs do not add up. */
            grad_evals: components["schemas"]["Count"];
            /** @description The highest step of those taken. */
            last_whole: components["schemas"]["Count"] | null;
            /** @description Ranks whose part of a probe is missing. */
            n_missing: components["schemas"]["Whole"];
            /** @description The lowest of them. */
            missing: components["schemas"]["Whole"][];
        };
        Fit: {
            /** @enum {unknown} */
            method: "nnls_relative" | "ols" | "nnls" | "quantile" | "expectile" | "envelope" | "envelope_robust";
            /** @description Of quantile and expectile. */
            tau: number | null;
            L0: components["schemas"]["Double"];
            L1: components["schemas"]["Double"];
        };
        /** @description y = L0 + L1 x^rho by relative errors, rho of the least score. */
        PowerFit: {
            rho: number;
            L0: components["schemas"]["Double"];
            L1: components["schemas"]["Double"];
            /** @description Of rho = 0, 1/4, .., 2: the root mean square of ln y - ln yhat, each of five blocks of the pairs, in the order of steps, predicted by a fit to the others. Of at most 4,096 pairs, evenly spaced. Infinity: a block is not predicted. */
            scores: [
                components["schemas"]["Double"],
                components["schemas"]["Double"],
                components["schemas"]["Double"],
                components["schemas"]["Double"],
                components["schemas"]["Double"],
                components["schemas"]["Double"],
                components["schemas"]["Double"],
                components["schemas"]["Double"],
                components["schemas"]["Double"]
            ];
        };
        /** @description All pairs (L0, L1) that hold for these pairs: those on or above the line through these vertices, [L0, L1] by rising L1, from [largest y, 0] on; right of the last, L0 stays what it is there. A certificate for what was seen, no estimate. Of more than 64 vertices 64, whose line is above; from states it is that of their hull. */
        Frontier: [
            components["schemas"]["Double"],
            components["schemas"]["Double"]
        ][];
        /** @description y = L0 + L1 x + H1 (f - f*), 0 where it has no such term; null: not determined. */
        Rival: null | {
            L0: components["schemas"]["Double"];
            L1: components["schemas"]["Double"];
            H1: components["schemas"]["Double"];
            /** @description As of PowerFit. */
            score: components["schemas"]["Double"];
        };
        /** @description Laws of the loss gap beside that of the gradient norm (2510.03164), each by relative errors with coefficients >= 0, and which predicts best what it has not seen. f is the probe's loss at the start of the step, for trapezoid and simpson the mean of its ends; of several processes that of the lowest rank. */
        Rivals: {
            /** @description Pairs with a loss. */
            n: components["schemas"]["Whole"];
            /** @description Pairs without. */
            n_excluded: components["schemas"]["Whole"];
            /** @description The least loss of the pairs, which flatters the gap a little. */
            f_star: components["schemas"]["Double"];
            /**
             * @description Of the least score.
             * @enum {unknown}
             */
            best: "constant" | "gradient" | "gap" | "both";
            /** @description The lesser score of constant and gap over that of gradient: above 1 the gradient norm predicts better than what is without it. */
            score_ratio: components["schemas"]["MaybeDouble"];
            constant: components["schemas"]["Rival"];
            gradient: components["schemas"]["Rival"];
            gap: components["schemas"]["Rival"];
            both: components["schemas"]["Rival"];
        };
        /** @description A fit without enough data is absent. */
        Fits: {
            /** @description In events only. */
            run?: string;
            /** @enum {unknown} */
            regressor: "start" | "trapezoid" | "simpson";
            estimator: string;
            n: components["schemas"]["Whole"];
            n_excluded: components["schemas"]["Whole"];
            /** @description Why pairs were left out: tiny_step, rounding, nonfinite, not_measured, burst (taken because of a spike: chosen by what they measure, they would tilt the law), noise_limited (sampling noise alone gives half of the smoothness or more), not_positive, other_estimator, window_open (microbatch probes of a window that is not full), and of several processes incomplete (a rank's part is missing), ranks_differ and gammas_differ (RankProbes). */
            excluded: {
                [key: string]: components["schemas"]["Whole"];
            };
            /** @description Every so many-th pair was fitted; from states: is behind spearman, power, rivals and ceiling_ratio. */
            every: components["schemas"]["Whole"];
            /** @description Probes in one pair; 1 but for microbatches. */
            window: components["schemas"]["Whole"];
            /** @description Of more than 65,536 pairs of one process: of all of them, from the states that are stored with the records, and not from the pairs. ols, nnls and loglog are exact, nnls_relative, quantile and envelope near (relative errors within 0.3 % of the noise, 1 % of a quantile); expectile, envelope_robust, power, rivals, theil_sen, spearman and ceiling_ratio are absent, or, where the analysis remembers the run, of every so many-th pair. */
            from_states: boolean;
            interval_absent?: components["schemas"]["AbsentReason"];
            /** @description From states only: 95 %, by blocks of consecutive pairs. */
            interval?: components["schemas"]["LawInterval"];
            step_range: [
                components["schemas"]["Count"],
                components["schemas"]["Count"]
            ] | null;
            x_range: components["schemas"]["Range"] | null;
            y_range: components["schemas"]["Range"] | null;
            fits: components["schemas"]["Fit"][];
            power: components["schemas"]["PowerFit"] | null;
            loglog: {
                slope: number;
                intercept: number;
                pearson_r: number;
                /** @description The median of the slopes of all pairs of pairs; of more than 4,096, of 4,096 evenly spaced. */
                theil_sen: number | null;
            } | null;
            frontier: components["schemas"]["Frontier"] | null;
            /**
             * @description Why there are no rivals: fewer than 30 pairs, or than 30 whose probe says the loss; or from_states, which keep no losses: then they are there only where the analysis remembers the run, of every so many-th pair.
             * @enum {unknown}
             */
            rivals_absent: null | "too_few_pairs" | "few_losses" | "from_states";
            rivals: components["schemas"]["Rivals"] | null;
            spearman: number | null;
            spearman_step_x: number | null;
            ceiling_ratio: components["schemas"]["Double"] | null;
            /** @description What makes the fits doubtful. */
            warnings: ("monotone_in_time" | "near_ceiling" | "different_data" | "not_idempotent" | "narrow_range" | "thinned")[];
            /** @description Why there are no fits. */
            reason: string | null;
        };
        FitsReply: {
            data: components["schemas"]["Fits"];
        };
        MaybeDouble: components["schemas"]["Double"] | null;
        /**
         * @description What was found first of: nothing or too little measured; noise, rounding or the ceiling explain it; the gradient norm hardly varies, or only with time; then the law: flat, falling, growing. grows_unconfirmed: along the update, and too few operator norms to tell, or they do not; direction_artefact: the operator norm certainly grows less than half as fast.
         * @enum {unknown}
         */
        VerdictKind: "no_data" | "too_few" | "noise_limited" | "rounding_limited" | "near_ceiling" | "not_identifiable" | "not_separable_from_time" | "inconclusive" | "flat" | "falls" | "direction_artefact" | "grows_unconfirmed" | "grows";
        /**
         * @description Why a figure is not there.
         * @enum {unknown}
         */
        AbsentReason: null | "argument" | "few_samples" | "undetermined" | "constant" | "few_blocks" | "short_blocks" | "long_memory" | "not_separable";
        Interval: {
            estimate: components["schemas"]["Double"];
            se: components["schemas"]["Double"];
            low: components["schemas"]["Double"];
            high: components["schemas"]["Double"];
        };
        /** @description Of the line with the relative fit's weights; its L1 may be negative. centroid: L0 + L1 x_mean, which is known best. corr: of the errors of L0 and L1. */
        LawInterval: null | {
            level: number;
            dof: number;
            L0: components["schemas"]["Interval"];
            L1: components["schemas"]["Interval"];
            x_mean: components["schemas"]["Double"];
            centroid: components["schemas"]["Interval"];
            corr: components["schemas"]["Double"];
        };
        CompareReply: {
            data: {
                runs: {
                    run: string;
                    interval_absent: components["schemas"]["AbsentReason"];
                    interval: components["schemas"]["LawInterval"];
                    fit: components["schemas"]["Fits"];
                }[];
                /** @description The relative-error fit of all pairs; its interval counts the blocks of all runs. */
                pooled: {
                    n: components["schemas"]["Whole"];
                    /** @description Of the states of all runs, for one of them has more pairs than a fit of pairs takes; as near as that of one run. */
                    from_states: boolean;
                    L0: components["schemas"]["MaybeDouble"];
                    L1: components["schemas"]["MaybeDouble"];
                    interval_absent: components["schemas"]["AbsentReason"];
                    interval: components["schemas"]["LawInterval"];
                };
                /** @description p: that L1 differ so much by chance; null for fewer than two intervals. */
                equal_L1: null | {
                    q: components["schemas"]["Double"];
                    dof: components["schemas"]["Whole"];
                    p: components["schemas"]["Double"];
                };
            };
        };
        VerdictReason: {
            /** @enum {unknown} */
            name: "pairs" | "noise_limited_pairs" | "rounding_pairs" | "ceiling_ratio" | "different_data" | "grad_norm_spread" | "independent_pairs" | "spearman_step" | "proportional_L1" | "noise_share" | "slope_p" | "partial_spearman_p" | "operator_norms" | "operator_share" | "operator_growth_most" | "operator_p" | "operator_growth" | "falling_slope_p" | "falling_spearman_p" | "slope_low";
            value: components["schemas"]["Double"];
            limit: components["schemas"]["MaybeDouble"];
            /** @description It was on the side of its limit that decides. */
            decides: boolean;
        };
        /**
         * @description Why a phase begins.
         * @enum {unknown}
         */
        PhaseCause: "start" | "attempt" | "lr_peak" | "lr_drop" | "lr_rise" | "clip" | "change_point";
        /** @description Learning rates are the optimizer's own: steps of x -= h g over 1/(1 - momentum) where it adds gradients up. Where refusal is not null there is nothing else; but of a layer (refusal layer) there are its law, knee and share, and the radius of its own part of a step. */
        Advice: {
            refusal: string | null;
            /** @description The operator norm does not tell, or was not measured. */
            unconfirmed?: boolean;
            L0?: components["schemas"]["Double"];
            L1?: components["schemas"]["Double"];
            /** @description Largest gradient norm seen: of the largest there is a lower bound. */
            grad_norm_most?: components["schemas"]["Double"];
            /** @description Gradient norm to reach. */
            target?: components["schemas"]["Double"];
            /** @description L0/L1: above it smoothness is ruled by the gradient norm. */
            knee?: components["schemas"]["Double"];
            /** @description Of the pairs. */
            share_above_knee?: components["schemas"]["Double"];
            /** @description Of a layer: that of the radius, in the dual of the layer's norm: the one asked for, else the phase's last. */
            grad_norm?: components["schemas"]["MaybeDouble"];
            /** @description Of a layer: grad_norm/(L0 + L1 grad_norm), the length in its own norm of its part of a step along that norm's steepest descent, where all layers do so (2505.13416). No learning rate, but with L2, where it is grad_norm times 1/(L0 + L1 grad_norm). */
            radius?: components["schemas"]["MaybeDouble"];
            /** @description By rule (traj_rule_step), at the gradient norm now; fixed: at grad_norm_most. */
            steps?: {
                [key: string]: components["schemas"]["MaybeDouble"];
            };
            /** @description Learning rates with their clip thresholds: 1905.11881 Theorem 3, 2410.10800 eta_cl, 2305.01588. */
            recipes?: {
                /** @enum {unknown} */
                name: "clipped" | "clipped_l0l1" | "clipped_convex";
                lr: components["schemas"]["Double"];
                threshold: components["schemas"]["Double"];
            }[];
            /** @description 1/(3 L1 lr): with the learning rate that is set. */
            own_threshold?: components["schemas"]["MaybeDouble"];
            /** @description Edge of stability of the optimizer over the 0.95 quantile of the smoothness or, if it is larger, of the operator norm: above it steps are unstable, below it perhaps too. */
            lr_limit?: components["schemas"]["MaybeDouble"];
            lr_over_limit?: components["schemas"]["MaybeDouble"];
            /** @description Iterations that theorems grant one fixed step, over those of clipping: (L1 grad_norm_most + L0)/(L0 + 3/2 L1 target). */
            bound_ratio?: components["schemas"]["Double"];
            /** @description Without a fit: sum g^2/y over sum g^2/max y, 1 where steps that follow the smoothness gain nothing. */
            adaptivity?: components["schemas"]["Double"];
        };
        Phase: {
            from_step: components["schemas"]["Count"];
            /** @description Inclusive; null: no end. */
            to_step: components["schemas"]["Count"] | null;
            cause: components["schemas"]["PhaseCause"];
            verdict: components["schemas"]["VerdictKind"];
            sentence: string;
            reasons: components["schemas"]["VerdictReason"][];
            interval_absent: components["schemas"]["AbsentReason"];
            interval: components["schemas"]["LawInterval"];
            /** @description Integrated autocorrelation time of the residuals, in pairs. */
            tau_int: components["schemas"]["MaybeDouble"];
            /** @description Independent pairs among n. */
            n_eff: components["schemas"]["MaybeDouble"];
            partial_absent: components["schemas"]["AbsentReason"];
            /** @description Spearman of gradient norm and smoothness given the step, and the learning rate where every probe says it and it does not itself follow the gradient norm. */
            partial_spearman: components["schemas"]["MaybeDouble"];
            /** @description That it is above 0 by chance: by circular shifts. */
            partial_p: components["schemas"]["MaybeDouble"];
            /** @description Of first differences. */
            difference_spearman: components["schemas"]["MaybeDouble"];
            /** @description That it is above 0 by chance: by circular shifts. */
            difference_p: components["schemas"]["MaybeDouble"];
            /** @description That L1 is above 0 by chance: cluster t. */
            slope_p: components["schemas"]["MaybeDouble"];
            /** @description The NNLS fit without the pairs of the largest hundredth of gradient norms. */
            leverage: {
                dropped: components["schemas"]["Whole"];
                x_above: components["schemas"]["Double"];
                L0: components["schemas"]["Double"];
                L1: components["schemas"]["Double"];
            } | null;
            /** @description Operator norms measured in this phase, their q95/q05, their Spearman with the gradient norm, and that of chance given the step; growth: d ln of it / d ln of the gradient norm, with its standard error (that of the smoothness is fit.loglog.slope); share: median smoothness over median operator norm; high: its 0.95 quantile. */
            operator_norm: {
                n: components["schemas"]["Whole"];
                growth: components["schemas"]["MaybeDouble"];
                growth_se: components["schemas"]["MaybeDouble"];
                share: components["schemas"]["MaybeDouble"];
                high: components["schemas"]["MaybeDouble"];
                spread: components["schemas"]["MaybeDouble"];
                spearman: components["schemas"]["MaybeDouble"];
                p: components["schemas"]["MaybeDouble"];
            };
            fit: components["schemas"]["Fits"];
            advice: components["schemas"]["Advice"];
        };
        Verdict: {
            /** @description Of the main phase. */
            verdict: components["schemas"]["VerdictKind"];
            sentence: string;
            /** @description Index into phases: the last with pairs enough for a fit, else the last. */
            main_phase: components["schemas"]["Whole"];
            /** @description There was more to cut than 16 phases hold. */
            more_phases: boolean;
            phases: components["schemas"]["Phase"][];
        };
        /** @description Of the main phase. */
        VerdictEvent: {
            run: string;
            verdict: components["schemas"]["VerdictKind"];
            sentence: string;
        };
        VerdictReply: {
            data: components["schemas"]["Verdict"];
        };
        AdviceReply: {
            data: {
                from_step: components["schemas"]["Count"];
                to_step: components["schemas"]["Count"] | null;
                cause: components["schemas"]["PhaseCause"];
                verdict: components["schemas"]["VerdictKind"];
                sentence: string;
                advice: components["schemas"]["Advice"];
            };
        };
        /**
         * @description non_finite: a loss, gradient or parameter is NaN or infinite. spike: loss or gradient norm far out of
         *     its recent range. stall: the run, or one rank of it, makes no step or is not heard. clip_fraction: nearly
         *     every step is clipped. skipped: updates are skipped. lr_over_limit: the learning rate is beyond what
         *     the fitted law is stable with. l1_jump: L1 of two consecutive phases differs.
         *
         * @enum {unknown}
         */
        AlertRule: "non_finite" | "spike" | "stall" | "clip_fraction" | "skipped" | "lr_over_limit" | "l1_jump";
        /** @description What a run was found to need somebody for, at one step of one attempt. */
        Alert: {
            run: string;
            rule: components["schemas"]["AlertRule"];
            /** @enum {unknown} */
            severity: "warning" | "error";
            attempt: components["schemas"]["Count"];
            /** @description The process that has it, or had it first; of several the lowest. null: the run, of one process or half of them or more. */
            rank: number | null;
            step: components["schemas"]["Count"];
            /** @description What was measured: of a spike robust standard deviations, of a stall seconds, of clip_fraction and skipped a share, of the others themselves or a ratio. */
            value: components["schemas"]["Double"];
            /** @description That the value is beyond; null where there is none. */
            limit: components["schemas"]["Double"] | null;
            /** @description For people. */
            sentence: string;
            /** @description When it was raised, by the daemon's clock. */
            wall_ns: components["schemas"]["Nanoseconds"];
        };
        AlertList: {
            data: components["schemas"]["Alert"][];
            page: components["schemas"]["Page"];
        };
        ClipWindow: {
            /** @description The last so many; null: all that were looked at. */
            steps: number | null;
            /** @description Steps of which it is known. */
            n: components["schemas"]["Whole"];
            clipped: components["schemas"]["Whole"];
            fraction: components["schemas"]["MaybeDouble"];
            /** @description Mean of 1 - c/||g|| over the clipped. */
            mean_shrink: components["schemas"]["MaybeDouble"];
        };
        /** @description A threshold that was not used. */
        ClipTrial: {
            threshold: components["schemas"]["Double"];
            n: components["schemas"]["Whole"];
            clipped: components["schemas"]["Whole"];
            fraction: components["schemas"]["MaybeDouble"];
            /** @description Mean of c/||g|| over the clipped. */
            mean_scale: components["schemas"]["MaybeDouble"];
        };
        /** @description The gradient noise scale, from norms of gradients of parts of each step's data: microbatches, or the ranks' own gradients before the reduction (micro_grad_sq; of replicas the mean over ranks). */
        Noise: {
            windows: components["schemas"]["NoiseWindow"][];
            /** @description Records that say nothing of it, by the first reason that holds: fold (several steps in one), shards, micro (the norm is of one microbatch), no_part_norm (no micro_grad_sq), no_gradient (no norm of all the data: of local norms the reduced one is missing), one_part (fewer than two gradients behind g), no_samples (no batch_samples), no_factor (what g was multiplied by is not known), nonfinite. */
            absent: {
                [key: string]: components["schemas"]["Whole"];
            };
            /** @description Why there is no scale at all, in English; null where there is one or there are no steps. */
            reason: string | null;
        };
        /** @description 1812.06162: means over the steps with two or more parts. */
        NoiseWindow: {
            /** @description The last so many; null: all that were looked at. */
            steps: number | null;
            n: components["schemas"]["Whole"];
            /** @description Of ||E g||^2; may be negative. */
            signal_sq: components["schemas"]["MaybeDouble"];
            /** @description Of the trace of the covariance of a sample's gradient. */
            noise: components["schemas"]["MaybeDouble"];
            /** @description noise / signal_sq, in samples; null where the signal is not positive. */
            scale: components["schemas"]["MaybeDouble"];
            /** @description Of scale, steps taken as independent. */
            standard_error: components["schemas"]["MaybeDouble"];
        };
        /** @description Sums over n moves. Where f and f' are of different data, realised holds the
         *     difference of the data too, and the descent lemma says nothing of a single
         *     move: its rate of violations is no test of the law.
         *      */
        Decrease: {
            /** @description Whether f and f' of a move are of the same data: a probe's are, those of two steps each of its own batch. */
            same_data: boolean;
            n: components["schemas"]["Whole"];
            /** @description -<g,d> */
            predicted: components["schemas"]["MaybeDouble"];
            /** @description f - f' */
            realised: components["schemas"]["MaybeDouble"];
        };
        /** @description How often f' was above f + <g,d> + (L0 + L1 G)(e^(L1 r) - L1 r - 1)/L1^2. */
        LawCheck: {
            /** @enum {unknown} */
            method: "nnls_relative" | "ols" | "nnls" | "quantile" | "expectile" | "envelope" | "envelope_robust";
            tau: number | null;
            L0: components["schemas"]["Double"];
            L1: components["schemas"]["Double"];
            /** @description f and f' each of its own batch: no test of the law but where the batches are all data. */
            step_violations: components["schemas"]["Whole"];
            /** @description As step_violations. */
            step_rate: components["schemas"]["MaybeDouble"];
            probe_violations: components["schemas"]["Whole"];
            probe_rate: components["schemas"]["MaybeDouble"];
        };
        SpikeEvent: {
            step: components["schemas"]["Count"];
            /** @enum {unknown} */
            of: "loss" | "grad_norm";
            z: components["schemas"]["Double"];
        };
        Diagnostics: {
            /** @description STEP records looked at. */
            records: components["schemas"]["Whole"];
            /** @description Steps in them: a folded record has several. */
            steps: components["schemas"]["Whole"];
            probes: components["schemas"]["Whole"];
            clipping: {
                windows: components["schemas"]["ClipWindow"][];
                would: components["schemas"]["ClipTrial"][];
                autoclip: components["schemas"]["AutoClip"];
                zclip: components["schemas"]["ZClip"];
            };
            noise: components["schemas"]["Noise"];
            spikes: components["schemas"]["Spikes"];
            descent: {
                /** @description f' is the loss of the next step, on its own data. */
                steps: components["schemas"]["Decrease"];
                /** @description f and f' on the same data. */
                probes: components["schemas"]["Decrease"];
                laws: components["schemas"]["LawCheck"][];
            };
            adgd: components["schemas"]["AdGD"];
            faults: components["schemas"]["Faults"];
        };
        AutoClip: {
            n: components["schemas"]["Whole"];
            /** @description The 10th percentile of the norms looked at. */
            threshold: components["schemas"]["MaybeDouble"];
            /** @description The 0.9 quantile of the last 1,000. */
            recent_threshold: components["schemas"]["MaybeDouble"];
        };
        /** @description Norms with z above 2.5, about exponential averages (0.97) begun with 25 norms; n counts those after. */
        ZClip: {
            n: components["schemas"]["Whole"];
            clipped: components["schemas"]["Whole"];
            fraction: components["schemas"]["MaybeDouble"];
            /** @description What it would clip beyond now. */
            threshold: components["schemas"]["MaybeDouble"];
            mean: components["schemas"]["MaybeDouble"];
            deviation: components["schemas"]["MaybeDouble"];
        };
        /** @description Robust z above 6, till it is down to 3, against the 128 values before. A spike of the norm is alone, or leads one of the loss by 1 to 32 steps, or comes with or after one; undecided at the end it is none of these. */
        Spikes: {
            /** @description Values of the loss. */
            n_loss: components["schemas"]["Whole"];
            n_grad_norm: components["schemas"]["Whole"];
            /** @description Spikes of the loss. */
            loss: components["schemas"]["Whole"];
            grad_norm: components["schemas"]["Whole"];
            grad_norm_alone: components["schemas"]["Whole"];
            grad_norm_leading: components["schemas"]["Whole"];
            grad_norm_with: components["schemas"]["Whole"];
            mean_lead: components["schemas"]["MaybeDouble"];
            /** @description Newest first. */
            recent: components["schemas"]["SpikeEvent"][];
        };
        /** @description The step lambda of 1910.09529, and lr against it. */
        AdGD: {
            n: components["schemas"]["Whole"];
            lambda: components["schemas"]["MaybeDouble"];
            n_ratio: components["schemas"]["Whole"];
            /** @description lr / lambda, the last. */
            ratio: components["schemas"]["MaybeDouble"];
            /** @description The geometric mean. */
            mean_ratio: components["schemas"]["MaybeDouble"];
            /** @description Share of steps with lr above lambda. */
            above: components["schemas"]["MaybeDouble"];
        };
        Faults: {
            /** @description Records that have flags, but for those that a watch did not measure (measure_every): skipped and found_inf are of these. */
            n_flags: components["schemas"]["Whole"];
            /** @description Said so, or no update though there was a gradient. */
            skipped: components["schemas"]["Whole"];
            found_inf: components["schemas"]["Whole"];
            /** @description Records with the length of the update. */
            n_updates: components["schemas"]["Whole"];
            zero_updates: components["schemas"]["Whole"];
            /** @description Records with a loss or a norm of gradient or parameters. */
            n_values: components["schemas"]["Whole"];
            /** @description Steps with a loss, gradient or parameter that is NaN or infinite. */
            nonfinite: components["schemas"]["Whole"];
            /** @description Of the first such record: the first step that is folded into it, where it is of several. */
            first_nonfinite_step: components["schemas"]["Count"] | null;
        };
        DiagnosticsReply: {
            data: components["schemas"]["Diagnostics"];
        };
        /** @description Columns of equal length. grad_norm as in series. */
        LiveSteps: {
            attempt: components["schemas"]["Wholes"];
            seq: components["schemas"]["Counts"];
            step: components["schemas"]["Counts"];
            loss: components["schemas"]["DoubleColumn"];
            grad_norm: components["schemas"]["DoubleColumn"];
            lr: components["schemas"]["DoubleColumn"];
            clip_threshold: components["schemas"]["DoubleColumn"];
            delta_norm: components["schemas"]["DoubleColumn"];
            param_norm: components["schemas"]["DoubleColumn"];
        };
        /** @description Columns of equal length. smoothness: the largest over gamma, which belongs to start; secant: over the whole step, which belongs to trapezoid and simpson. */
        LiveProbes: {
            attempt: components["schemas"]["Wholes"];
            step: components["schemas"]["Counts"];
            start: components["schemas"]["DoubleColumn"];
            trapezoid: components["schemas"]["DoubleColumn"];
            simpson: components["schemas"]["DoubleColumn"];
            smoothness: components["schemas"]["DoubleColumn"];
            smoothness_ceiling: components["schemas"]["DoubleColumn"];
            smoothness_noise_floor: components["schemas"]["DoubleColumn"];
            smoothness_rounding_floor: components["schemas"]["DoubleColumn"];
            secant: components["schemas"]["DoubleColumn"];
            secant_ceiling: components["schemas"]["DoubleColumn"];
            secant_noise_floor: components["schemas"]["DoubleColumn"];
            secant_rounding_floor: components["schemas"]["DoubleColumn"];
            flags: components["schemas"]["Wholes"];
        };
        /** @description The data of an event rows. */
        LiveRows: {
            run: string;
            step: components["schemas"]["LiveSteps"];
            probe: components["schemas"]["LiveProbes"];
        };
        /** @description The data of an event more. */
        LiveMore: {
            run: string;
            last_step: components["schemas"]["Count"] | null;
        };
        Status: {
            /** @enum {unknown} */
            status: "ok" | "ready";
        };
        Version: {
            version: string;
            api: number;
            wire: number;
            sqlite: string;
            libmicrohttpd: string;
            zeromq: string;
        };
        Self: {
            version: string;
            /** @description Where trainers connect. */
            ingest: string;
            ready: boolean;
            /** @description Why it is not ready: the disk is full, say. */
            problem: string | null;
            counters: {
                [key: string]: components["schemas"]["Count"];
            };
            gauges: {
                [key: string]: components["schemas"]["Integer"];
            };
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
