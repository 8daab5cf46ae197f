/*
 * bench_read: what a chart of a long run costs: a store of 1e6 steps and 1e5
 * probes, sealed, read as series of 1000 buckets and fitted. Prints
 * milliseconds, the least of five.
 */
#include "base/clock.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pure/buckets.h"
#include "pure/derived.h"
#include "pure/run_fit.h"
#include "store/pair_scan.h"
#include "traj.h"
#include "../lib/store_rig.h"

enum { STEPS = 1000000, PROBE_EVERY = 10, FRAME = 64, TIMES = 5 };

static void must(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "bench_read: %s\n", what);
        exit(1);
    }
}

static void set(struct rig_record *r, unsigned field, double value)
{
    memcpy(&r->values[field], &value, sizeof value);
    r->present |= UINT64_C(1) << field;
}

static struct rig_record step_record(
    uint64_t seq, uint64_t step, uint64_t *seed)
{
    struct rig_record r = rig_step(seq, step, 3.0 / (double)(step + 1));
    double noise = 1 + (double)(rig_random(seed) % 1000) / 1e4;
    set(&r, STEP_lr, 0.1);
    set(&r, STEP_grad_sq, noise / sqrt((double)step + 1));
    set(&r, STEP_param_sq, 100 + noise);
    set(&r, STEP_delta_sq, 1e-4 * noise);
    return r;
}

static struct rig_record probe_record(
    uint64_t seq, uint64_t step, uint64_t *seed)
{
    struct rig_record r = { .seq = seq, .kind = WIRE_PROBE };
    double g = exp((double)(rig_random(seed) % 10000) / 2000);
    double noise = exp((double)(rig_random(seed) % 1000) / 2000);
    r.values[PROBE_step] = step;
    r.values[PROBE_estimator] = TRAJ_ESTIMATOR_SAME_BATCH;
    r.present = 1u << PROBE_step | 1u << PROBE_estimator;
    set(&r, PROBE_grad_sq, g * g);
    set(&r, PROBE_grad_mid_sq, g * g * 0.9);
    set(&r, PROBE_grad_end_sq, g * g * 0.8);
    set(&r, PROBE_delta_sq, 1e-8);
    set(&r, PROBE_smoothness, (2 + 3 * g) * noise);
    return r;
}

static void fill(struct rig *rig, struct stream_state *state)
{
    static const uint32_t uid = 1;
    static uint8_t frame[WIRE_MESSAGE_MAX];
    struct err e = { 0 };
    uint64_t seed = 1;
    uint64_t seq = 1;
    uint32_t taken = 0;
    must(store_begin(rig->store, &e) == ERR_NONE, "begin");
    for (uint64_t step = 0; step < STEPS;) {
        struct rig_records records = { 0 };
        for (size_t i = 0; i < FRAME; i++, step++) {
            struct rig_record s = step_record(seq++, step, &seed);
            rig_records_add(&records, &s);
            if (step % PROBE_EVERY == 0) {
                struct rig_record p = probe_record(seq++, step, &seed);
                rig_records_add(&records, &p);
            }
        }
        size_t n =
            rig_encode(&records, 0, records.n, uid, 0, frame, sizeof frame);
        must(rig_try_append(rig, state, frame, n, RIG_NOW_NS, &taken, &e) ==
                 ERR_NONE,
            "append");
        rig_records_done(&records);
    }
    must(store_commit(rig->store, &e) == ERR_NONE, "commit");
    (void)rig_seal(rig, state, true);
}

static void add_batch(struct buckets *buckets, const struct metric *metric,
    const struct scan_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        static const struct trainer trainer = { .world = 1 };
        double value = 0;
        if (metric_read(metric, &trainer, batch->columns, batch->present,
                batch->texts, i, &value)) {
            must(buckets_add(buckets, batch->columns[0][i], value), "memory");
        }
    }
}

static double read_series(
    struct reader *reader, struct run_id run, const char *name)
{
    struct err e = { 0 };
    struct metric metric;
    struct scan *scan = NULL;
    struct buckets buckets;
    int64_t began = clock_mono_ns();
    must(metric_find(str_of(name), &metric), "metric");
    const struct scan_query query = { .run = run,
        .kind = metric.kind,
        .fields = metric.needs | metric.wants,
        .to_step = UINT64_MAX };
    must(scan_open(reader, &query, &scan, &e) == ERR_NONE, "scan");
    buckets_init(&buckets, 1000);
    struct scan_batch batch = { .n = 1 };
    while (batch.n > 0) {
        must(scan_next(scan, &batch, &e) == ERR_NONE, e.text);
        add_batch(&buckets, &metric, &batch);
    }
    scan_close(scan);
    must(buckets.rows > 0, "rows");
    buckets_done(&buckets);
    return (double)(clock_mono_ns() - began) / 1e6;
}

static double read_pairs(
    struct reader *reader, struct run_id run, struct pairs *pairs)
{
    struct err e = { 0 };
    struct pair_query query = { .scan = { .run = run, .to_step = UINT64_MAX } };
    int64_t began = clock_mono_ns();
    pairs_done(pairs);
    must(pair_scan_all(reader, &query, 1, pairs, &e) == ERR_NONE, e.text);
    return (double)(clock_mono_ns() - began) / 1e6;
}

static double fit(const struct pairs *pairs)
{
    const struct run_fit_query query = { .regressor = PAIR_REGRESSOR_AUTO,
        .estimator = PAIR_ESTIMATOR_AUTO,
        .to_step = UINT64_MAX };
    struct run_fit ret;
    int64_t began = clock_mono_ns();
    must(run_fit_compute(pairs, &query, &ret), "memory");
    must(ret.reason == NULL, "a fit");
    return (double)(clock_mono_ns() - began) / 1e6;
}

static void report(const char *what, double least)
{
    printf("%-44s %8.1f ms\n", what, least);
    printf("{\"bench\":\"read\",\"row\":\"%s\",\"ms\":%.2f}\n", what, least);
}

static void bench_series(
    struct reader *reader, struct run_id run, const char *name)
{
    char what[64];
    double least = (double)INFINITY;
    for (int i = 0; i < TIMES; i++) {
        least = fmin(least, read_series(reader, run, name));
    }
    (void)snprintf(what, sizeof what, "series %s, 1000 buckets", name);
    report(what, least);
}

static void bench_fits(struct reader *reader, struct run_id run, size_t max)
{
    char what[64];
    double least_read = (double)INFINITY;
    double least_fit = (double)INFINITY;
    struct pairs pairs;
    pairs_init(&pairs, max);
    for (int i = 0; i < TIMES; i++) {
        least_read = fmin(least_read, read_pairs(reader, run, &pairs));
        least_fit = fmin(least_fit, fit(&pairs));
    }
    (void)snprintf(what, sizeof what, "read %d pairs", STEPS / PROBE_EVERY);
    report(what, least_read);
    (void)snprintf(what, sizeof what, "fit %zu of them", pairs.n);
    report(what, least_fit);
    pairs_done(&pairs);
}

int main(void)
{
    struct rig rig;
    struct reader *reader = NULL;
    struct err e = { 0 };
    rig_open(&rig, 0);
    struct stream_state state =
        rig_hello(&rig, 1, "{\"run_id\":\"long\",\"attempt\":1}");
    fill(&rig, &state);
    must(reader_open(rig.path, &reader, &e) == ERR_NONE, e.text);
    bench_series(reader, state.run, "loss");
    bench_series(reader, state.run, "grad_norm");
    bench_series(reader, state.run, "update_ratio");
    bench_series(reader, state.run, "smoothness");
    bench_fits(reader, state.run, 1000);
    bench_fits(reader, state.run, 10000);
    bench_fits(reader, state.run, 65536);
    bench_fits(reader, state.run, 200000);
    reader_close(reader);
    rig_close(&rig);
    return 0;
}
