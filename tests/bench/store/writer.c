/*
 * writer: what bench-store runs in C: trainers that record as fast as they can
 * through libtraj until trajd has acknowledged it all, and SQLite with a row
 * per metric, which is how experiment trackers store theirs.
 *
 *   writer traj   ENDPOINT DIR WRITERS STEPS DOUBLES LAYERS KIND
 *   writer sqlite FILE     -   WRITERS STEPS DOUBLES LAYERS KIND
 *   writer sqlite-read FILE
 *
 * STEPS of each writer. LAYERS > 0: so many rows of 8 doubles to each step.
 * KIND: "full" mantissas of 52 random bits in five columns of eight, or "float"
 * (floats in seven of eight). Prints one line of JSON. DIR/acked is an array of
 * how many rows each writer knows to be acknowledged, for whoever kills trajd.
 */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "traj.h"

enum { DOUBLES_MAX = 16, LAYERS_MAX = 4096, WAIT_MS = 600000 };
enum { TXN_STEPS = 1000 }; /* of SQLite */

struct work {
    unsigned writers;
    uint64_t steps; /* of each */
    unsigned doubles;
    unsigned layers;
    int is_float;
};

static void must(int good, const char *what)
{
    if (!good) {
        (void)fprintf(stderr, "writer: %s: %s\n", what, traj_last_error());
        exit(EXIT_FAILURE);
    }
}

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* splitmix64 of the place, so that no order matters. workload.py has the same:
 * value c of row r of writer w. */
static double value_of(
    const struct work *work, unsigned w, uint64_t row, unsigned c)
{
    uint64_t z = ((uint64_t)w << 48) + row * DOUBLES_MAX + c;
    z = (z + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    double value = 0.5 + (double)(z >> 12) / 4503599627370496.0;
    unsigned floats = work->is_float ? 7 : 3; /* of eight */
    return c % 8 < floats ? (double)(float)value : value;
}

/* ---- trainers ----------------------------------------------------------- */

static void log_layers(
    traj_run *run, const struct work *work, unsigned w, uint64_t step)
{
    for (unsigned layer = 0; layer < work->layers; layer++) {
        uint64_t row = work->steps + step * work->layers + layer;
        double v[8];
        for (unsigned c = 0; c < 8; c++) {
            v[c] = value_of(work, w, row, c);
        }
        struct traj_group_step group;
        traj_group_step_init(&group);
        group.step = step;
        group.group = layer + 1;
        group.moments.grad_sq = v[0];
        group.moments.param_sq = v[1];
        group.moments.delta_sq = v[2];
        group.moments.grad_delta = v[3];
        group.moments.dgrad_sq = v[4];
        group.moments.dgrad_delta = v[5];
        group.moments.grad_prev = v[6];
        group.moments.grad_max_abs = v[7];
        must(traj_log_group(run, &group) == TRAJ_OK, "traj_log_group");
    }
}

static void log_step(
    traj_run *run, const struct work *work, unsigned w, uint64_t step)
{
    struct traj_step s;
    traj_step_init(&s);
    s.step = step;
    double *const fields[DOUBLES_MAX] = { &s.loss, &s.lr, &s.grad_sq,
        &s.param_sq, &s.delta_sq, &s.grad_delta, &s.dgrad_sq, &s.dgrad_delta,
        &s.grad_prev, &s.grad_max_abs, &s.clip_threshold, &s.clip_scale,
        &s.grad_clipped_sq, &s.loss_scale, &s.momentum, &s.epoch };
    for (unsigned c = 0; c < work->doubles; c++) {
        *fields[c] = value_of(work, w, step, c);
    }
    must(traj_step(run, &s) == TRAJ_OK, "traj_step");
}

static traj_run *open_run(
    const struct work *work, unsigned w, const char *endpoint, const char *dir)
{
    static char names[LAYERS_MAX][16];
    static struct traj_group groups[LAYERS_MAX];
    char id[16];
    (void)snprintf(id, sizeof id, "w%u", w);
    for (unsigned i = 0; i < work->layers; i++) {
        (void)snprintf(names[i], sizeof names[i], "layer%u", i);
        groups[i] = (struct traj_group){ .name = names[i], .size = 1000 };
    }
    struct traj_options options = TRAJ_OPTIONS_INIT;
    options.endpoint = endpoint;
    options.dir = dir;
    options.run_id = id;
    options.mode = TRAJ_MODE_ONLINE;
    options.full = TRAJ_FULL_BLOCK;
    options.groups = work->layers > 0 ? groups : NULL;
    options.n_groups = work->layers;
    traj_run *run = NULL;
    must(traj_open(&options, &run) == TRAJ_OK, "traj_open");
    return run;
}

static uint64_t *map_acked(const char *dir, unsigned writers)
{
    char path[4096];
    size_t bytes = writers * sizeof(uint64_t);
    (void)snprintf(path, sizeof path, "%s/acked", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    must(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0, path);
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    must(map != MAP_FAILED, path);
    (void)close(fd);
    return map;
}

/* Says in *acked what has been; true when that is all. */
static int look(const traj_run *run, uint64_t *acked)
{
    struct traj_stats stats = { .size = sizeof stats };
    must(traj_get_stats(run, &stats) == TRAJ_OK, "traj_get_stats");
    *acked = stats.acked_seq;
    return stats.acked_seq == stats.last_seq;
}

/* All of them together look a thousand times a second, and each often enough
 * for its last 50 ms not to count in seconds: looking is no part of recording.
 */
static struct timespec pause_between_looks(unsigned writers)
{
    const long ms = writers < 50 ? (long)writers : 50;
    return (struct timespec){ .tv_nsec = ms * 1000000 };
}

/* One trainer, from the word go. */
static void train(const struct work *work, unsigned w, const char *endpoint,
    const char *dir, uint64_t *acked, int go)
{
    const struct timespec pause = pause_between_looks(work->writers);
    char byte;
    traj_run *run = open_run(work, w, endpoint, dir);
    (void)!read(go, &byte, 1); /* the end of the pipe */
    for (uint64_t step = 0; step < work->steps; step++) {
        log_step(run, work, w, step);
        log_layers(run, work, w, step);
        if (step % 64 == 0) {
            (void)look(run, acked);
        }
    }
    while (!look(run, acked)) {
        (void)nanosleep(&pause, NULL);
    }
    must(traj_finish(run, 0, WAIT_MS) == TRAJ_OK, "traj_finish");
    exit(EXIT_SUCCESS);
}

static int run_trainers(
    const struct work *work, const char *endpoint, const char *dir)
{
    int go[2];
    uint64_t *acked = map_acked(dir, work->writers);
    must(pipe(go) == 0, "pipe");
    for (unsigned w = 0; w < work->writers; w++) {
        pid_t pid = fork();
        must(pid >= 0, "fork");
        if (pid == 0) {
            (void)close(go[1]);
            train(work, w, endpoint, dir, &acked[w], go[0]);
        }
    }
    (void)sleep(1 + work->writers / 64); /* till all of them have opened */
    double start = now_s();
    (void)close(go[1]);
    int failed = 0;
    for (unsigned w = 0; w < work->writers; w++) {
        int status = 0;
        failed |= wait(&status) < 0 || status != 0;
    }
    (void)printf(
        "{\"seconds\": %.6f, \"failed\": %d}\n", now_s() - start, failed);
    return failed;
}

/* ---- a row per metric ---------------------------------------------------- */

static void sql(sqlite3 *db, const char *text)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK) {
        (void)fprintf(stderr, "writer: %s: %s\n", text, sqlite3_errmsg(db));
        exit(EXIT_FAILURE);
    }
}

static sqlite3 *open_rows(const char *file)
{
    sqlite3 *db = NULL;
    must(sqlite3_open(file, &db) == SQLITE_OK, file);
    sql(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
            "CREATE TABLE IF NOT EXISTS metric (run TEXT NOT NULL, "
            "name TEXT NOT NULL, step INTEGER NOT NULL, value REAL);"
            "CREATE INDEX IF NOT EXISTS metric_by ON metric (run, name, step)");
    return db;
}

static void add_row(sqlite3_stmt *stmt, const char *run, const char *name,
    uint64_t step, double value)
{
    int rc = sqlite3_bind_text(stmt, 1, run, -1, SQLITE_STATIC) |
             sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC) |
             sqlite3_bind_int64(stmt, 3, (int64_t)step) |
             sqlite3_bind_double(stmt, 4, value);
    must(rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_DONE, "a row");
    (void)sqlite3_reset(stmt); /* the step has told */
}

static void add_step(
    sqlite3_stmt *stmt, const struct work *work, unsigned w, uint64_t step)
{
    char run[16], name[48];
    (void)snprintf(run, sizeof run, "w%u", w);
    for (unsigned c = 0; c < work->doubles; c++) {
        (void)snprintf(name, sizeof name, "metric%u", c);
        add_row(stmt, run, name, step, value_of(work, w, step, c));
    }
    for (unsigned layer = 0; layer < work->layers; layer++) {
        for (unsigned c = 0; c < 8; c++) {
            uint64_t row = work->steps + step * work->layers + layer;
            (void)snprintf(name, sizeof name, "layer%u/metric%u", layer, c);
            add_row(stmt, run, name, step, value_of(work, w, row, c));
        }
    }
}

static int run_rows(const struct work *work, const char *file)
{
    sqlite3 *db = open_rows(file);
    sqlite3_stmt *stmt = NULL;
    must(sqlite3_prepare_v2(db, "INSERT INTO metric VALUES (?1, ?2, ?3, ?4)",
             -1, &stmt, NULL) == SQLITE_OK,
        "prepare");
    double start = now_s();
    uint64_t in = 0;
    sql(db, "BEGIN");
    for (uint64_t step = 0; step < work->steps; step++) {
        for (unsigned w = 0; w < work->writers; w++) {
            add_step(stmt, work, w, step);
            if (++in % TXN_STEPS == 0) {
                sql(db, "COMMIT; BEGIN");
                (void)printf("%llu\n", (unsigned long long)in);
                (void)fflush(stdout);
            }
        }
    }
    sql(db, "COMMIT");
    double seconds = now_s() - start;
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
    (void)printf("{\"seconds\": %.6f, \"failed\": 0}\n", seconds);
    return 0;
}

static double time_query(sqlite3 *db, const char *text, uint64_t *ret_rows)
{
    sqlite3_stmt *stmt = NULL;
    double start = now_s();
    must(sqlite3_prepare_v2(db, text, -1, &stmt, NULL) == SQLITE_OK, text);
    uint64_t rows = 0;
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        rows += sqlite3_column_type(stmt, 1) == SQLITE_FLOAT;
    }
    (void)sqlite3_finalize(stmt);
    *ret_rows = rows;
    return now_s() - start;
}

static int read_rows(const char *file)
{
    sqlite3 *db = open_rows(file);
    uint64_t rows = 0, buckets = 0;
    double all = time_query(db,
        "SELECT step, value FROM metric WHERE run = 'w0' AND name = 'metric7' "
        "ORDER BY step",
        &rows);
    double drawn = time_query(db,
        "SELECT step / 512, min(value), max(value) FROM metric "
        "WHERE run = 'w0' AND name = 'metric7' GROUP BY 1",
        &buckets);
    (void)sqlite3_close(db);
    (void)printf("{\"read_s\": %.6f, \"rows\": %llu, \"buckets_s\": %.6f, "
                 "\"buckets\": %llu}\n",
        all, (unsigned long long)rows, drawn, (unsigned long long)buckets);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "sqlite-read") == 0) {
        return read_rows(argv[2]);
    }
    if (argc != 9) {
        (void)fprintf(stderr, "writer: see the head of writer.c\n");
        return 2;
    }
    struct work work = { (unsigned)strtoul(argv[4], NULL, 10),
        strtoull(argv[5], NULL, 10), (unsigned)strtoul(argv[6], NULL, 10),
        (unsigned)strtoul(argv[7], NULL, 10), strcmp(argv[8], "float") == 0 };
    if (work.doubles > DOUBLES_MAX || work.layers > LAYERS_MAX) {
        (void)fprintf(stderr, "writer: too many doubles or layers\n");
        return 2;
    }
    return strcmp(argv[1], "traj") == 0 ? run_trainers(&work, argv[2], argv[3])
                                        : run_rows(&work, argv[2]);
}
