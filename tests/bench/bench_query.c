/*
 * bench_query: what SQL costs on compressed chunks: statements on 1e6 steps of
 * one run, through the tables of daemon/sql and on a plain table of the same
 * rows, in the order of its steps, in a SQLite file of its own. In turns;
 * prints the median of seven.
 */
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sql/tables.h"
#include "../lib/store_rig.h"

enum { STEPS = 1000000, FRAME = 64, TIMES = 7 };

static void must(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "bench_query: %s\n", what);
        exit(1);
    }
}

static struct rig_record step_record(uint64_t step, uint64_t *seed)
{
    struct rig_record r = rig_step(step + 1, step, 3.0 / (double)(step + 1));
    double noise = 1 + (double)(rig_random(seed) % 1000) / 1e4;
    rig_set(&r, STEP_lr, 0.1);
    rig_set(&r, STEP_grad_sq, noise / sqrt((double)step + 1));
    rig_set(&r, STEP_param_sq, 100 + noise);
    rig_set(&r, STEP_delta_sq, 1e-4 * noise);
    return r;
}

static void fill(struct rig *rig)
{
    static uint8_t frame[WIRE_MESSAGE_MAX];
    struct err e = { 0 };
    uint64_t seed = 1;
    uint32_t taken = 0;
    struct stream_state state =
        rig_hello(rig, 1, "{\"run_id\":\"long\",\"attempt\":1}");
    for (uint64_t step = 0; step < STEPS;) {
        struct rig_records records = { 0 };
        for (size_t i = 0; i < FRAME; i++, step++) {
            struct rig_record s = step_record(step, &seed);
            rig_records_add(&records, &s);
        }
        size_t n =
            rig_encode(&records, 0, records.n, 1, 0, frame, sizeof frame);
        must(store_begin_unsynced(rig->store, &e) == ERR_NONE, "begin");
        must(rig_try_append(rig, &state, frame, n, RIG_NOW_NS, &taken, &e) ==
                 ERR_NONE,
            "append");
        must(store_commit(rig->store, &e) == ERR_NONE, "commit");
        rig_records_done(&records);
    }
    (void)rig_seal(rig, &state, true);
}

static void exec(sqlite3 *db, const char *sql)
{
    must(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK,
        sqlite3_errmsg(db));
}

/* The records as rows of a table, and the file beside the rig's. */
static sqlite3 *copy_plain(const struct rig *rig, char path[200])
{
    char attach[300];
    sqlite3 *db = NULL;
    struct err e = { 0 };
    (void)snprintf(path, 200, "%s/plain.db", rig->dir);
    must(sqlite3_open(rig->path, &db) == SQLITE_OK, "open");
    must(tables_register(db, &e) == ERR_NONE, e.text);
    (void)snprintf(attach, sizeof attach, "ATTACH '%s' AS plain", path);
    exec(db, attach);
    exec(db, "CREATE TABLE plain.steps (run TEXT, attempt INTEGER, rank "
             "INTEGER, seq INTEGER, step INTEGER, wall_ns INTEGER, loss REAL, "
             "lr REAL, grad_sq REAL, param_sq REAL, delta_sq REAL, "
             "PRIMARY KEY (run, step)) WITHOUT ROWID");
    exec(db, "INSERT INTO plain.steps SELECT run, attempt, rank, seq, step, "
             "wall_ns, loss, lr, grad_sq, param_sq, delta_sq FROM main.steps");
    must(sqlite3_close(db) == SQLITE_OK, "close");
    must(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK,
        "open");
    return db;
}

/* Processor time: another program's turn is no cost of a statement. */
static double now_ms(void)
{
    struct timespec now = { 0 };
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double ask(sqlite3 *db, const char *sql, double *ret_value)
{
    sqlite3_stmt *stmt = NULL;
    double began = now_ms();
    must(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK,
        sqlite3_errmsg(db));
    must(sqlite3_step(stmt) == SQLITE_ROW, sqlite3_errmsg(db));
    *ret_value = sqlite3_column_double(stmt, 0);
    (void)sqlite3_finalize(stmt); /* it gave its row */
    return now_ms() - began;
}

static int compare(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static void bench(
    const char *what, sqlite3 *tables, sqlite3 *plain, const char *sql)
{
    double here[TIMES];
    double there[TIMES];
    double a = 0;
    double b = 0;
    for (size_t i = 0; i < TIMES; i++) {
        here[i] = ask(tables, sql, &a);
        there[i] = ask(plain, sql, &b);
        must(fabs(a - b) <= 1e-9 * fabs(b), "the same result");
    }
    qsort(here, TIMES, sizeof here[0], compare);
    qsort(there, TIMES, sizeof there[0], compare);
    printf("%-34s %8.1f ms  plain table %8.1f ms  ratio %5.2f\n", what,
        here[TIMES / 2], there[TIMES / 2], here[TIMES / 2] / there[TIMES / 2]);
    printf("{\"bench\":\"query\",\"row\":\"%s\",\"ms\":%.2f,\"plain_ms\":%.2f}"
           "\n",
        what, here[TIMES / 2], there[TIMES / 2]);
}

static void report_sizes(sqlite3 *tables, sqlite3 *plain)
{
    static const char sql[] = "SELECT page_count * page_size / 1e6 "
                              "FROM pragma_page_count, pragma_page_size";
    double here = 0;
    double there = 0;
    (void)ask(tables, sql, &here);
    (void)ask(plain, sql, &there);
    printf("%-34s %8.1f MB  plain table %8.1f MB  ratio %5.2f\n",
        "pages in use", here, there, here / there);
    printf("{\"bench\":\"query\",\"row\":\"pages in use\",\"mb\":%.2f,"
           "\"plain_mb\":%.2f}\n",
        here, there);
}

int main(void)
{
    struct rig rig;
    struct err e = { 0 };
    char path[200];
    sqlite3 *tables = NULL;
    rig_open(&rig, 0);
    fill(&rig);
    sqlite3 *plain = copy_plain(&rig, path);
    must(sqlite3_open_v2(rig.path, &tables, SQLITE_OPEN_READONLY, NULL) ==
             SQLITE_OK,
        "open");
    must(tables_register(tables, &e) == ERR_NONE, e.text);
    bench("avg(loss) of the run", tables, plain,
        "SELECT avg(loss) FROM steps WHERE run = 'long'");
    bench("count(*) of the run", tables, plain,
        "SELECT count(*) FROM steps WHERE run = 'long'");
    bench("max of five columns", tables, plain,
        "SELECT max(loss) + max(lr) + max(grad_sq) + max(param_sq) + "
        "max(delta_sq) FROM steps WHERE run = 'long'");
    bench("avg(loss) of 1000 steps", tables, plain,
        "SELECT avg(loss) FROM steps WHERE run = 'long' AND step BETWEEN "
        "500000 AND 500999");
    bench("one step", tables, plain,
        "SELECT loss FROM steps WHERE run = 'long' AND step = 777777");
    report_sizes(tables, plain);
    must(sqlite3_close(tables) == SQLITE_OK, "close");
    must(sqlite3_close(plain) == SQLITE_OK, "close");
    rig_close(&rig);
    return 0;
}
