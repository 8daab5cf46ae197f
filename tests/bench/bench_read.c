/*
 * bench_read: what a chart of a long run costs: a store of 1e6 steps and 1e5
 * probes, sealed, read as values, as series of 1000 buckets, and fitted; then
 * one of 1e8 steps of one metric, made chunk by chunk, read as series of 2000
 * buckets, the file out of memory (cold) and in it. Prints milliseconds, the
 * least of five.
 */
#include "base/clock.h"
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pure/run_fit.h"
#include "store/chunk.h"
#include "store/db.h"
#include "store/pair_scan.h"
#include "store/pyramid.h"
#include "store/pyramid_read.h"
#include "traj.h"
#include "../lib/store_rig.h"

enum { STEPS = 1000000, PROBE_EVERY = 10, FRAME = 64, TIMES = 5 };
enum { LONG_CHUNKS = 48829, LONG_RECORDS = 2048 }; /* 1e8 steps and a few */
#define LONG_STEPS ((uint64_t)LONG_CHUNKS * LONG_RECORDS)

static void must(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "bench_read: %s\n", what);
        exit(1);
    }
}

static struct rig_record step_record(
    uint64_t seq, uint64_t step, uint64_t *seed)
{
    struct rig_record r = rig_step(seq, step, 3.0 / (double)(step + 1));
    double noise = 1 + (double)(rig_random(seed) % 1000) / 1e4;
    rig_set(&r, STEP_lr, 0.1);
    rig_set(&r, STEP_grad_sq, noise / sqrt((double)step + 1));
    rig_set(&r, STEP_param_sq, 100 + noise);
    rig_set(&r, STEP_delta_sq, 1e-4 * noise);
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
    rig_set(&r, PROBE_grad_sq, g * g);
    rig_set(&r, PROBE_grad_mid_sq, g * g * 0.9);
    rig_set(&r, PROBE_grad_end_sq, g * g * 0.8);
    rig_set(&r, PROBE_delta_sq, 1e-8);
    rig_set(&r, PROBE_smoothness, (2 + 3 * g) * noise);
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
        must(store_begin_unsynced(rig->store, &e) == ERR_NONE, "begin");
        must(rig_try_append(rig, state, frame, n, RIG_NOW_NS, &taken, &e) ==
                 ERR_NONE,
            "append");
        must(store_commit(rig->store, &e) == ERR_NONE, "commit");
        rig_records_done(&records);
    }
    (void)rig_seal(rig, state, true);
}

static double ms_since(int64_t began)
{
    return (double)(clock_mono_ns() - began) / 1e6;
}

struct asked {
    const char *metric;
    uint64_t from_step, to_step;
    size_t buckets;
};

static double read_series(
    struct reader *reader, struct run_id run, const struct asked *asked)
{
    struct err e = { 0 };
    struct pyramid_wanted wanted = { .thinned = 0 };
    int64_t began = clock_mono_ns();
    must(metric_find(str_of(asked->metric), &wanted.metric), "metric");
    const struct scan_query query = {
        .run = run, .from_step = asked->from_step, .to_step = asked->to_step
    };
    buckets_init(&wanted.buckets, asked->buckets);
    must(pyramid_read(reader, &query, &wanted, 1, &e) == ERR_NONE, e.text);
    double ms = ms_since(began);
    must(wanted.buckets.rows > 0, "rows");
    must(wanted.buckets.n > asked->buckets / 2 - 1, "buckets");
    buckets_done(&wanted.buckets);
    return ms;
}

/* The values of one metric themselves. */
static double read_values(struct reader *reader, struct run_id run)
{
    struct err e = { 0 };
    struct scan *scan = NULL;
    struct scan_batch batch = { .n = 1 };
    const struct scan_query query = { .run = run,
        .kind = WIRE_STEP,
        .fields = UINT64_C(1) << STEP_loss,
        .to_step = UINT64_MAX };
    size_t n = 0;
    int64_t began = clock_mono_ns();
    must(scan_open(reader, &query, &scan, &e) == ERR_NONE, e.text);
    while (batch.n > 0) {
        must(scan_next(scan, &batch, &e) == ERR_NONE, e.text);
        n += batch.n;
    }
    scan_close(scan);
    must(n == STEPS, "all steps");
    return ms_since(began);
}

static double read_pairs(
    struct reader *reader, struct run_id run, struct pairs *pairs)
{
    struct err e = { 0 };
    struct pair_query query = { .scan = { .run = run, .to_step = UINT64_MAX } };
    int64_t began = clock_mono_ns();
    pairs_done(pairs);
    must(pair_scan_all(reader, &query, 1, pairs, &e) == ERR_NONE, e.text);
    return ms_since(began);
    return ms_since(began);
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
    return ms_since(began);
}

static void report(const char *what, double least)
{
    printf("%-44s %8.1f ms\n", what, least);
    printf("{\"bench\":\"read\",\"row\":\"%s\",\"ms\":%.2f}\n", what, least);
}

static void bench_values(struct reader *reader, struct run_id run)
{
    double least = (double)INFINITY;
    for (int i = 0; i < TIMES; i++) {
        least = fmin(least, read_values(reader, run));
    }
    report("values of loss", least);
}

static void bench_series(
    struct reader *reader, struct run_id run, const char *name)
{
    char what[64];
    double least = (double)INFINITY;
    const struct asked asked = { name, 0, UINT64_MAX, 1000 };
    for (int i = 0; i < TIMES; i++) {
        least = fmin(least, read_series(reader, run, &asked));
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

/* ---- 1e8 steps ----------------------------------------------------------- */

static void make_chunk(
    struct records *r, uint64_t first, uint64_t *seed, uint64_t spike)
{
    for (size_t i = 0; i < LONG_RECORDS; i++) {
        uint64_t step = first + i;
        double loss = 1 + (double)(rig_random(seed) % 256) / 256;
        loss = step == spike ? 1e6 : loss;
        r->seq[i] = step + 1;
        r->present[i] = UINT64_C(1) << STEP_step | UINT64_C(1) << STEP_loss;
        r->columns[STEP_step][i] = step;
        memcpy(&r->columns[STEP_loss][i], &loss, sizeof loss);
    }
    r->n = LONG_RECORDS;
    r->mask = r->present[0];
}

static void add_chunk(sqlite3 *db, sqlite3_stmt *stmt, struct stream_id stream,
    const struct records *r, struct str summary, struct str body)
{
    struct err e = { 0 };
    int rc = sqlite3_bind_int64(stmt, 1, stream.v);
    rc |= db_bind_u64(stmt, 2, r->seq[0]);
    rc |= db_bind_u64(stmt, 3, r->seq[r->n - 1]);
    rc |= db_bind_u64(stmt, 4, r->n);
    rc |= sqlite3_bind_blob64(stmt, 5, summary.p, summary.n, SQLITE_STATIC);
    rc |= sqlite3_bind_blob64(stmt, 6, body.p, body.n, SQLITE_STATIC);
    must(rc == SQLITE_OK, sqlite3_errmsg(db));
    must(db_run(stmt, "chunk", &e) == ERR_NONE, e.text);
}

/* As sealing does it, without the log before it. */
static void fill_long(const char *path, struct stream_id stream)
{
    struct err e = { 0 };
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    struct pyramid *pyramid = NULL;
    struct chunk_coder coder = { 0 };
    struct records r;
    uint64_t seed = 1;
    const uint64_t mask = UINT64_C(1) << STEP_step | UINT64_C(1) << STEP_loss;
    must(db_open(path, DB_WRITE, &db, &e) == ERR_NONE, e.text);
    must(db_set_up_writer(db, &e) == ERR_NONE, e.text);
    must(pyramid_open(db, &pyramid, &e) == ERR_NONE, e.text);
    must(db_prepare(db,
             "INSERT INTO chunk (stream, kind, first_seq, last_seq, "
             "least_step, most_step, records, summary, body) "
             "VALUES (?1, 1, ?2, ?3, ?2 - 1, ?3 - 1, ?4, ?5, ?6);",
             &stmt, &e) == ERR_NONE,
        e.text);
    records_init(&r, WIRE_STEP, UINT64_MAX);
    must(records_reserve(&r, LONG_RECORDS, mask, &e) == ERR_NONE, e.text);
    for (uint64_t i = 0; i < LONG_CHUNKS; i++) {
        struct str summary = { 0 };
        struct str body = { 0 };
        const char *begin = i == 0 ? "BEGIN" : "COMMIT; BEGIN";
        must(i % 256 != 0 || db_exec(db, begin, "begin", &e) == ERR_NONE,
            e.text);
        make_chunk(&r, i * LONG_RECORDS, &seed, LONG_STEPS / 3);
        must(chunk_encode(&coder, &r, &body, &e) == ERR_NONE, e.text);
        must(pyramid_summary(pyramid, stream, &r, &summary, &e) == ERR_NONE,
            e.text);
        add_chunk(db, stmt, stream, &r, summary, body);
        must(pyramid_grow(pyramid, stream, WIRE_STEP, &e) == ERR_NONE, e.text);
    }
    must(db_exec(db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE);", "end", &e) ==
             ERR_NONE,
        e.text);
    records_done(&r);
    chunk_coder_done(&coder);
    (void)sqlite3_finalize(stmt);
    pyramid_close(pyramid);
    db_close(db);
}

/* A reader that has nothing in memory, nor has the system of the file. */
static struct reader *cold_reader(const char *path)
{
    struct reader *reader = NULL;
    struct err e = { 0 };
    int fd = open(path, O_RDONLY);
    must(fd >= 0 && fdatasync(fd) == 0 &&
             posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0,
        "cold");
    (void)close(fd);
    must(reader_open(path, &reader, &e) == ERR_NONE, e.text);
    return reader;
}

static void bench_long_window(const struct rig *rig, struct run_id run,
    const char *window, const struct asked *asked)
{
    char what[64];
    double cold = (double)INFINITY;
    double warm = (double)INFINITY;
    for (int i = 0; i < TIMES; i++) {
        struct reader *reader = cold_reader(rig->path);
        cold = fmin(cold, read_series(reader, run, asked));
        warm = fmin(warm, read_series(reader, run, asked));
        reader_close(reader);
    }
    (void)snprintf(what, sizeof what, "%zu of 1e8 steps, %s, cold",
        asked->buckets, window);
    report(what, cold);
    (void)snprintf(
        what, sizeof what, "%zu of 1e8 steps, %s", asked->buckets, window);
    report(what, warm);
}

static void bench_long(void)
{
    struct rig rig;
    rig_open(&rig, 0);
    struct stream_state s =
        rig_hello(&rig, 1, "{\"run_id\":\"longer\",\"attempt\":1}");
    int64_t began = clock_mono_ns();
    fill_long(rig.path, s.stream);
    report("make 1e8 steps", ms_since(began));
    const uint64_t third = LONG_STEPS / 3;
    const struct asked all = { "loss", 0, UINT64_MAX, 2000 };
    const struct asked odd = { "loss", 12345, third * 2 + 1, 2000 };
    const struct asked part = { "loss", third, third + LONG_STEPS / 100, 2000 };
    const struct asked fine = { "loss", 0, UINT64_MAX, 20000 };
    bench_long_window(&rig, s.run, "all", &all);
    bench_long_window(&rig, s.run, "two thirds", &odd);
    bench_long_window(&rig, s.run, "1 %", &part);
    bench_long_window(&rig, s.run, "all", &fine);
    rig_close(&rig);
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
    bench_values(reader, state.run);
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
    bench_long();
    return 0;
}
