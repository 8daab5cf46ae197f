/*
 * bench_fit_read: what a fit of a long run costs: a stream of 1e8 probes, its
 * bodies made directly, of a few kinds of chunks again and again, fitted over
 * all of it and over random windows, in CPU time of the reader, and
 * what states add to the file and to sealing.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pure/row.h"
#include "sql/tables.h"
#include "store/chunk.h"
#include "store/db.h"
#include "store/fit_read.h"
#include "store/pyramid.h"
#include "store/pyramid_fits.h"
#include "store/pyramid_nodes.h"
#include "traj.h"
#include "../lib/store_rig.h"

enum { CHUNKS = 48829, RECORDS = 2048, SAME = 30, WINDOWS = 40 };
#define PROBES ((uint64_t)CHUNKS * RECORDS)

static void must(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "bench_fit_read: %s\n", what);
        exit(1);
    }
}

static double cpu_ns(void)
{
    struct timespec now = { 0 };
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* cannot fail */
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double unit(uint64_t *seed)
{
    return (double)(rig_random(seed) % 1000003) / 1000003;
}

static void set(struct records *r, size_t i, unsigned field, double value)
{
    memcpy(&r->columns[field][i], &value, sizeof value);
}

/* x falls over the run, by an octave and a half within a chunk. */
static void make_records(
    struct records *r, uint64_t chunk, uint64_t step, uint64_t *seed)
{
    static const unsigned fields[] = { PROBE_smoothness, PROBE_smoothness_gamma,
        PROBE_grad_sq, PROBE_grad_mid_sq, PROBE_grad_end_sq, PROBE_delta_sq,
        PROBE_dgrad_sq, PROBE_grad_delta, PROBE_param_sq, PROBE_loss,
        PROBE_loss_end, PROBE_lr, PROBE_ceiling, PROBE_rounding_floor };
    uint64_t mask = ROW_BIT(PROBE_step) | ROW_BIT(PROBE_estimator);
    struct err e = { 0 };
    for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++) {
        mask |= ROW_BIT(fields[f]);
    }
    must(records_reserve(r, RECORDS, mask, &e) == ERR_NONE, "memory");
    r->n = RECORDS;
    r->mask = mask;
    const double level = 3 - 5 * (double)chunk / CHUNKS;
    for (size_t i = 0; i < RECORDS; i++) {
        const double g = exp2(level + 1.5 * unit(seed));
        const double y = (2 + 3 * g) * exp(0.3 * (unit(seed) - 0.5));
        const double values[] = { y, 1, g * g, g * g * 0.9, g * g * 0.8, 1e-8,
            y * y * 1e-8, -g * 1e-4, 100 + g, g, g * 0.99, 0.1, 20 * g, 1e-9 };
        r->seq[i] = step + i + 1;
        r->present[i] = mask;
        r->columns[PROBE_step][i] = step + i;
        r->columns[PROBE_estimator][i] = TRAJ_ESTIMATOR_SAME_BATCH;
        for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++) {
            set(r, i, fields[f], values[f]);
        }
    }
}

struct cost {
    double series_ns, fits_ns;
    uint64_t body, series, fits;
};

static struct str copy_of(struct str s)
{
    char *p = malloc(s.n + (s.n == 0));
    must(p != NULL, "memory");
    memcpy(p, s.p, s.n);
    return (struct str){ p, s.n };
}

struct writer {
    sqlite3 *db;
    sqlite3_stmt *add;
    struct pyramid *pyramid;
    struct chunk_coder coder;
    struct pyramid_nodes nodes;
    struct pyramid_fits fits;
    struct cost cost;
};

static void measure(struct writer *w, const struct records *r)
{
    static const struct trainer alone = { .world = 1 };
    struct str series = { 0 };
    struct str both = { 0 };
    struct err e = { 0 };
    double began = cpu_ns();
    must(
        pyramid_nodes_of_records(&w->nodes, r, &alone, &series, &e) == ERR_NONE,
        e.text);
    w->cost.series_ns += cpu_ns() - began;
    began = cpu_ns();
    must(pyramid_fits_of_records(
             &w->fits, r, PYRAMID_FITS_OF_CHUNK, series, &both, &e) == ERR_NONE,
        e.text);
    w->cost.fits_ns += cpu_ns() - began;
    w->cost.series += series.n;
    w->cost.fits += both.n - series.n;
}

/* Steps and seqs of a chunk are those of its place; its summary is that of the
 * first of its kind. */
static void add_chunk(
    struct writer *w, uint64_t chunk, struct str summary, struct str body)
{
    struct err e = { 0 };
    const uint64_t step = chunk * RECORDS;
    int rc = db_bind_u64(w->add, 1, step + 1);
    rc |= db_bind_u64(w->add, 2, step + RECORDS);
    rc |= db_bind_u64(w->add, 3, step);
    rc |= db_bind_u64(w->add, 4, step + RECORDS - 1);
    rc |= sqlite3_bind_blob64(w->add, 5, summary.p, summary.n, SQLITE_STATIC);
    rc |= sqlite3_bind_blob64(w->add, 6, body.p, body.n, SQLITE_STATIC);
    must(rc == SQLITE_OK, "bind");
    must(db_run(w->add, "chunk", &e) == ERR_NONE, e.text);
    must(pyramid_grow(w->pyramid, (struct stream_id){ 1 }, WIRE_PROBE, &e) ==
             ERR_NONE,
        e.text);
}

/* SAME chunks of one kind after the other. */
static void add_all(struct writer *w)
{
    uint64_t seed = 1;
    struct err e = { 0 };
    struct records records;
    struct str summary = { 0 };
    struct str body = { 0 };
    records_init(&records, WIRE_PROBE, UINT64_MAX);
    must(db_exec(w->db, "BEGIN", "bench", &e) == ERR_NONE, e.text);
    for (uint64_t chunk = 0; chunk < CHUNKS; chunk++) {
        if (chunk % SAME == 0) {
            struct str fresh = { 0 };
            records_clear(&records);
            make_records(&records, chunk, chunk * RECORDS, &seed);
            must(chunk_encode(&w->coder, &records, &fresh, &e) == ERR_NONE,
                e.text);
            free((void *)(uintptr_t)body.p);
            body = copy_of(fresh);
            w->cost.body += body.n;
            measure(w, &records);
            must(pyramid_summary(w->pyramid, (struct stream_id){ 1 }, &records,
                     &fresh, &e) == ERR_NONE,
                e.text);
            free((void *)(uintptr_t)summary.p);
            summary = copy_of(fresh);
        }
        /* All records would be 7 GB: the first of a kind has its own. */
        const bool keeps = chunk % SAME == 0;
        add_chunk(w, chunk, summary, keeps ? body : (struct str){ "", 0 });
    }
    must(db_exec(w->db, "COMMIT", "bench", &e) == ERR_NONE, e.text);
    records_done(&records);
    free((void *)(uintptr_t)body.p);
    free((void *)(uintptr_t)summary.p);
    const double n = (CHUNKS + SAME - 1.0) / SAME * RECORDS;
    (void)printf("a probe: records %.1f B, series %.2f B, states %.2f B; "
                 "series %.3f us, states %.3f us of CPU\n",
        (double)w->cost.body / n, (double)w->cost.series / n,
        (double)w->cost.fits / n, w->cost.series_ns / n / 1e3,
        w->cost.fits_ns / n / 1e3);
}

/* Chunks of 255 layers, whose states do not pay there: their row is made of the
 * records. CPU a probe. */
static double layered_us(struct writer *w)
{
    struct err e = { 0 };
    struct records r;
    struct str bodies[PYRAMID_FAN];
    struct str row = { 0 };
    uint64_t seed = 3;
    records_init(&r, WIRE_PROBE, UINT64_MAX);
    make_records(&r, 0, 0, &seed);
    must(records_reserve(&r, 0, ROW_BIT(PROBE_group), &e) == ERR_NONE, e.text);
    for (size_t i = 0; i < RECORDS; i++) {
        r.columns[PROBE_group][i] = i % 255;
        r.present[i] |= ROW_BIT(PROBE_group);
    }
    struct buf bare = { 0 };
    pyramid_body_write(&bare, WIRE_PROBE, false, NULL, 0, NULL, 0);
    const struct str empty = { bare.p, bare.n };
    const double began = cpu_ns();
    for (size_t i = 0; i < PYRAMID_FAN; i++) {
        struct str body = { 0 };
        must(pyramid_fits_of_records(&w->fits, &r, PYRAMID_FITS_OF_CHUNK, empty,
                 &body, &e) == ERR_NONE,
            e.text);
        must(pyramid_fits_of_records(
                 &w->fits, &r, PYRAMID_FITS_ALL, empty, &body, &e) == ERR_NONE,
            e.text);
        bodies[i] = copy_of(body);
    }
    must(pyramid_fits_of_bodies(
             &w->fits, bodies, PYRAMID_FAN, empty, &row, &e) == ERR_NONE,
        e.text);
    const double us = (cpu_ns() - began) / 1e3 / (PYRAMID_FAN * RECORDS);
    for (size_t i = 0; i < PYRAMID_FAN; i++) {
        free((void *)(uintptr_t)bodies[i].p);
    }
    buf_done(&bare);
    records_done(&r);
    return us;
}

static void fill(struct rig *rig)
{
    struct writer w = { .db = NULL };
    struct err e = { 0 };
    must(db_open(rig->path, DB_WRITE, &w.db, &e) == ERR_NONE, e.text);
    must(db_prepare(w.db,
             "INSERT INTO chunk (stream, kind, first_seq, last_seq, "
             "least_step, most_step, records, summary, body) "
             "VALUES (1, 2, ?1, ?2, ?3, ?4, 2048, ?5, ?6)",
             &w.add, &e) == ERR_NONE,
        e.text);
    must(pyramid_open(w.db, &w.pyramid, &e) == ERR_NONE, e.text);
    (void)printf("255 layers: states %.3f us of CPU a probe, with their row\n",
        layered_us(&w));
    const double began = cpu_ns();
    add_all(&w);
    const double all = cpu_ns() - began;
    (void)printf("rows and all else: %.3f us of CPU a probe\n",
        all / (double)PROBES / 1e3);
    pyramid_close(w.pyramid);
    pyramid_nodes_done(&w.nodes);
    pyramid_fits_done(&w.fits);
    chunk_coder_done(&w.coder);
    (void)sqlite3_finalize(w.add);
    must(db_exec(w.db, "PRAGMA wal_checkpoint(TRUNCATE)", "bench", &e) ==
             ERR_NONE,
        e.text);
    db_close(w.db);
    (void)printf("rows: %.2f B a probe\n",
        (double)rig_number(rig, "SELECT sum(length(body)) FROM pyramid") /
            (double)PROBES);
}

static double fit_ms(struct reader *reader, struct run_id run, uint64_t from,
    uint64_t to, struct fit_read *ret)
{
    struct err e = { 0 };
    const struct fit_read_query query = {
        .scan = { .run = run, .from_step = from, .to_step = to },
        .estimator = PAIR_ESTIMATOR_AUTO,
        .regressor = PAIR_REGRESSOR_AUTO,
        .rows = FIT_READ_WEIGHTED,
    };
    const double began = cpu_ns();
    must(fit_read(reader, &query, ret, &e) == ERR_NONE, e.text);
    struct fit_line line;
    must(fit_sums_ols(&ret->part.state.total.plain, &line), "no line");
    must(fit_state_relative(&ret->part.state, &line), "no line");
    must(fit_state_quantile(&ret->part.state, 0.95, &line), "no line");
    return (cpu_ns() - began) / 1e6;
}

/* In the middle of a chunk that has its records. */
static uint64_t edge(uint64_t *seed)
{
    return rig_random(seed) % (CHUNKS / SAME) * SAME * RECORDS + 1000;
}

static int compare(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

/* The same by a statement on the table `fits`, for which the stream has to
 * know how many records it has. */
static void print_table_ms(struct rig *rig)
{
    struct err e = { 0 };
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    char sql[100];
    (void)snprintf(sql, sizeof sql,
        "UPDATE stream_progress SET probes = %" PRIu64, PROBES);
    rig_sql(rig, sql);
    must(sqlite3_open_v2(rig->path, &db, SQLITE_OPEN_READONLY, NULL) ==
             SQLITE_OK,
        "open");
    must(tables_register(db, &e) == ERR_NONE, e.text);
    must(sqlite3_prepare_v2(db, "SELECT max(n), count(*) FROM fits('r')", -1,
             &stmt, NULL) == SQLITE_OK,
        sqlite3_errmsg(db));
    const double began = cpu_ns();
    must(sqlite3_step(stmt) == SQLITE_ROW, sqlite3_errmsg(db));
    (void)printf("the table fits, n %.3g, %d rows: %.2f ms\n",
        sqlite3_column_double(stmt, 0), sqlite3_column_int(stmt, 1),
        (cpu_ns() - began) / 1e6);
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
}

int main(void)
{
    struct rig rig;
    struct err e = { 0 };
    struct reader *reader = NULL;
    double ms[WINDOWS];
    uint64_t seed = 5;
    rig_open(&rig, RECORDS);
    const struct stream_state s =
        rig_hello(&rig, 1, "{\"run_id\":\"r\",\"attempt\":1}");
    fill(&rig);
    must(reader_open(rig.path, &reader, &e) == ERR_NONE, e.text);
    for (size_t i = 0; i < WINDOWS; i++) {
        struct fit_read read;
        const uint64_t from = i == 0 ? 0 : edge(&seed);
        uint64_t to = i == 0 ? UINT64_MAX : edge(&seed);
        to = to <= from ? from + SAME * RECORDS * UINT64_C(10) : to;
        ms[i] = fit_ms(reader, s.run, from, to, &read);
        if (i == 0) {
            (void)printf("all %.3g probes: %.2f ms, %" PRIu64
                         " states, %zu rows\n",
                (double)read.part.facts.uses[PAIR_USED], ms[i], read.states,
                read.n_rows);
        }
        fit_read_done(&read);
    }
    qsort(ms, WINDOWS, sizeof ms[0], compare);
    (void)printf("any window: least %.2f, median %.2f, most %.2f ms\n", ms[0],
        ms[WINDOWS / 2], ms[WINDOWS - 1]);
    (void)printf("{\"bench\":\"fit_read\",\"row\":\"any window of 1e8 "
                 "probes\",\"ms\":%.2f}\n",
        ms[WINDOWS / 2]);
    reader_close(reader);
    print_table_ms(&rig);
    rig_close(&rig);
    return 0;
}
