/* The tables of daemon/sql: what a SELECT gives is what a scan gives, whatever
 * is left to the scan of its WHERE and its ORDER BY. */
#include "../lib/sql_bed.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/fields.h"

/* ---- random streams ------------------------------------------------------ */

#define STREAM_RECORDS 260

/* Two thirds of its records sealed. */
static void fill_stream(struct rig *rig, uint32_t uid, const char *run,
    unsigned attempt, unsigned rank)
{
    char json[300];
    uint64_t seed = uid;
    struct rig_records sent = { 0 };
    (void)snprintf(json, sizeof json,
        "{\"run_id\":\"%s\",\"attempt\":%u,\"rank\":%u,\"world\":2,"
        "\"groups\":[{\"name\":\"one\",\"size\":1},"
        "{\"name\":\"two\",\"size\":2}]}",
        run, attempt, rank);
    struct stream_state s = rig_hello(rig, uid, json);
    for (uint64_t seq = 1; seq <= STREAM_RECORDS; seq++) {
        struct rig_record r = rig_any_record(&seed, seq);
        rig_records_add(&sent, &r);
    }
    rig_append(rig, &s, uid, &sent, 0, 180);
    (void)rig_seal(rig, &s, true);
    rig_append(rig, &s, uid, &sent, 180, STREAM_RECORDS);
    rig_records_done(&sent);
}

static void fill_runs(struct rig *rig)
{
    static const char *const runs[] = { "c", "a", "b" };
    uint32_t uid = 1;
    for (size_t r = 0; r < 3; r++) {
        for (unsigned attempt = 1; attempt <= 3; attempt++) {
            for (unsigned rank = 0; rank < 2; rank++) {
                fill_stream(rig, uid++, runs[r], attempt, rank);
            }
        }
    }
}

/* ---- the same as a scan -------------------------------------------------- */

static const char *const names[WIRE_KINDS] = { [WIRE_STEP] = "steps",
    [WIRE_PROBE] = "probes",
    [WIRE_METRIC] = "metrics",
    [WIRE_EVENT] = "events",
    [WIRE_SHARPNESS] = "sharpness",
    [WIRE_GROUP] = "groups" };

static void assert_nan_is_named(sqlite3_stmt *stmt, int nan, const char *name)
{
    char quoted[80];
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", name);
    const char *list = (const char *)sqlite3_column_text(stmt, nan);
    assert_non_null(list);
    assert_non_null(strstr(list, quoted));
}

static void assert_double(
    sqlite3_stmt *stmt, int i, double value, int nan, const char *name)
{
    if (isnan(value)) {
        assert_int_equal(sqlite3_column_type(stmt, i), SQLITE_NULL);
        assert_nan_is_named(stmt, nan, name);
        return;
    }
    double got = sqlite3_column_double(stmt, i);
    assert_int_equal(sqlite3_column_type(stmt, i), SQLITE_FLOAT);
    assert_memory_equal(&got, &value, sizeof got); /* -0 too */
}

/* Exact where SQLite has such an integer. */
static void assert_u64(sqlite3_stmt *stmt, int i, uint64_t value)
{
    if (value >> 63 == 0) {
        assert_int_equal(sqlite3_column_type(stmt, i), SQLITE_INTEGER);
        assert_int_equal(sqlite3_column_int64(stmt, i), value);
    } else {
        assert_int_equal(sqlite3_column_type(stmt, i), SQLITE_FLOAT);
        assert_true(sqlite3_column_double(stmt, i) == (double)value);
    }
}

/* A number of points of 32 bytes of the letters a, b, c as doubles. */
static void assert_points(sqlite3_stmt *stmt, int i, struct str blob)
{
    const char *json = (const char *)sqlite3_column_text(stmt, i);
    size_t commas = 0;
    for (size_t at = 0; json[at] != '\0'; at++) {
        commas += json[at] == ',';
    }
    assert_int_equal(commas, blob.n == 0 ? 0 : blob.n / 8 - 1);
}

static void assert_field(sqlite3_stmt *stmt, int nan, unsigned kind,
    unsigned field, const struct scan_batch *batch, size_t i)
{
    const struct wire_field *f = &wire_kind_info(kind)->fields[field];
    int at = 4 + (int)field;
    uint64_t bits = batch->columns[field] ? batch->columns[field][i] : 0;
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    assert_string_equal(sqlite3_column_name(stmt, at), f->name);
    if ((batch->present[i] >> field & 1) == 0) {
        assert_int_equal(sqlite3_column_type(stmt, at), SQLITE_NULL);
    } else if (f->type == WIRE_F64) {
        assert_double(stmt, at, value, nan, f->name);
    } else if (f->type == WIRE_U64) {
        assert_u64(stmt, at, bits);
    } else if (f->type == WIRE_I64) {
        assert_int_equal(sqlite3_column_int64(stmt, at), (int64_t)bits);
    } else if (f->type == WIRE_BLOB) {
        assert_points(stmt, at, batch->texts[i]);
    } else {
        assert_int_equal(sqlite3_column_bytes(stmt, at), batch->texts[i].n);
        assert_memory_equal(sqlite3_column_text(stmt, at), batch->texts[i].p,
            batch->texts[i].n);
    }
}

static int column_named(sqlite3_stmt *stmt, const char *name)
{
    int i = 0;
    while (strcmp(sqlite3_column_name(stmt, i), name) != 0) {
        i++;
    }
    return i;
}

static void assert_record(sqlite3_stmt *stmt, const char *run, unsigned kind,
    const struct scan_batch *batch, size_t i)
{
    int nan = column_named(stmt, "nan");
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(stmt, 0), run);
    assert_int_equal(sqlite3_column_int64(stmt, 1), batch->attempt);
    assert_int_equal(sqlite3_column_int64(stmt, 2), batch->rank);
    assert_int_equal(sqlite3_column_int64(stmt, 3), batch->seq[i]);
    for (unsigned f = 0; f < wire_kind_info(kind)->n_fields; f++) {
        assert_field(stmt, nan, kind, f, batch, i);
    }
}

/* Rows of the statement, one for each record of the scan, in its order. */
static size_t assert_scan_gives(sqlite3_stmt *stmt, const struct rig *rig,
    const char *run, unsigned kind, enum scan_attempts attempts)
{
    struct err e = { 0 };
    struct reader *reader = NULL;
    struct scan *scan = NULL;
    struct scan_batch batch = { 0 };
    struct run_row row = rig_run(rig, run);
    struct scan_query query = rig_query(row.id, (enum wire_kind)kind);
    size_t n = 0;
    query.attempts = attempts;
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(scan_open(reader, &query, &scan, &e), ERR_NONE);
    do {
        assert_int_equal(scan_next(scan, &batch, &e), ERR_NONE);
        for (size_t i = 0; i < batch.n; i++) {
            assert_record(stmt, run, kind, &batch, i);
        }
        n += batch.n;
    } while (batch.n > 0);
    scan_close(scan);
    reader_close(reader);
    run_row_done(&row);
    return n;
}

static void test_a_table_gives_what_scans_of_all_runs_give(void **state)
{
    struct sql_bed *bed = *state;
    fill_runs(&bed->rig);
    size_t n = 0;
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        char sql[100];
        (void)snprintf(sql, sizeof sql, "SELECT * FROM %s", names[kind]);
        sqlite3_stmt *stmt = sql_bed_prepare(bed, sql);
        n += assert_scan_gives(stmt, &bed->rig, "a", kind, SCAN_ALL);
        n += assert_scan_gives(stmt, &bed->rig, "b", kind, SCAN_ALL);
        n += assert_scan_gives(stmt, &bed->rig, "c", kind, SCAN_ALL);
        assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
        assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    }
    assert_int_equal(n, 18 * STREAM_RECORDS);
}

static void test_the_newest_view_is_the_scans(void **state)
{
    static const char *const selects[] = {
        "SELECT * FROM steps WHERE view = 'newest' AND run = 'b'",
        "SELECT * FROM steps('newest') WHERE run = 'b'",
    };
    struct sql_bed *bed = *state;
    fill_runs(&bed->rig);
    for (size_t i = 0; i < 2; i++) {
        sqlite3_stmt *stmt = sql_bed_prepare(bed, selects[i]);
        size_t n =
            assert_scan_gives(stmt, &bed->rig, "b", WIRE_STEP, SCAN_NEWEST);
        assert_in_range(n, 1, 2 * 3 * STREAM_RECORDS - 1);
        assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
        assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    }
    assert_rows(bed,
        "SELECT DISTINCT view FROM steps WHERE run = 'b' UNION ALL "
        "SELECT DISTINCT view FROM steps('newest')",
        "all;newest;");
}

/* ---- the same with and without pushing down ------------------------------ */

static const char *pick(uint64_t *seed, const char *const *from, size_t n)
{
    return from[rig_random(seed) % n];
}
#define PICK(seed, from) pick(seed, from, sizeof(from) / sizeof((from)[0]))

static const char *const of_run[] = { "run = 'b'", "run = 'nobody'",
    "run IN ('a', 'c')", "run > 'a'", "run = NULL", "run = 5", "run = x'62'",
    "(run = 'a' OR run = 'c' AND seq > 100)", "run = 'B' COLLATE NOCASE",
    "run IS 'b'", "(run = 'a' OR step >= 0)", "run = 'b' || char(0)" };
static const char *const of_stream[] = { "attempt = 1", "attempt = 2.0",
    "attempt = '3'", "attempt = 'x'", "attempt = -1", "attempt = 1.5",
    "attempt >= 2", "attempt IN (1, 3)", "attempt = NULL", "rank = 0",
    "rank = 1", "rank = 4294967295", "rank < 1", "rank = 1e30",
    "attempt = x'01'" };
static const char *const relations[] = { "=", "<", "<=", ">", ">=", "<>",
    "IS" };
static const char *const values[] = { "0", "5", "-3", "-0.5", "0.5", "1000.5",
    "16777215", "1e7", "9223372036854775807", "9223372036854775808", "1e19",
    "18446744073709551615", "'18446744073709551615'", "'7'", "'abc'", "''",
    "NULL", "x'00'", "1e300", "-1e300", "9e999", "-9e999", "8388607.0",
    "9007199254740993", "9007199254740992.0", "(SELECT min(step) FROM probes)",
    "(SELECT max(step) FROM steps)",
    "(SELECT min(step) FROM steps WHERE step > 12000000000000000000)",
    "(SELECT step FROM steps WHERE seq = 7)", "-9223372036854775808" };
static const char *const of_seq[] = { "0", "17", "17.5", "180", "181", "250",
    "-1", "260", "1e19", "NULL", "'40'", "'x'" };

static void any_condition(uint64_t *seed, char out[200])
{
    switch (rig_random(seed) % 6) {
    case 0:
        (void)snprintf(out, 200, "%s", PICK(seed, of_run));
        break;
    case 1:
        (void)snprintf(out, 200, "%s", PICK(seed, of_stream));
        break;
    case 2:
        (void)snprintf(out, 200, "step BETWEEN %s AND %s", PICK(seed, values),
            PICK(seed, values));
        break;
    case 3:
        (void)snprintf(
            out, 200, "seq %s %s", PICK(seed, relations), PICK(seed, of_seq));
        break;
    default:
        (void)snprintf(
            out, 200, "step %s %s", PICK(seed, relations), PICK(seed, values));
        break;
    }
}

static void any_where(uint64_t *seed, char out[800])
{
    size_t terms = 1 + rig_random(seed) % 3;
    size_t n = 0;
    for (size_t i = 0; i < terms; i++) {
        char condition[200];
        any_condition(seed, condition);
        n += (size_t)snprintf(out + n, 800 - n, "%s%s(%s)",
            i == 0 ? "" : " AND ", rig_random(seed) % 5 == 0 ? "NOT " : "",
            condition);
    }
}

static bool same_value(sqlite3_stmt *a, sqlite3_stmt *b, int i)
{
    if (sqlite3_column_type(a, i) != sqlite3_column_type(b, i)) {
        return false;
    }
    const void *x = sqlite3_column_text(a, i);
    const void *y = sqlite3_column_text(b, i);
    int n = sqlite3_column_bytes(a, i);
    return n == sqlite3_column_bytes(b, i) &&
           (n == 0 || memcmp(x, y, (size_t)n) == 0);
}

static bool same_row(sqlite3_stmt *a, sqlite3_stmt *b)
{
    bool same = true;
    for (int i = 0; i < sqlite3_column_count(a); i++) {
        same = same && same_value(a, b, i);
    }
    return same;
}

/* Returns how many rows both give. */
static size_t assert_same(
    struct sql_bed *bed, const char *sql, const char *other)
{
    sqlite3_stmt *a = sql_bed_prepare(bed, sql);
    sqlite3_stmt *b = sql_bed_prepare(bed, other);
    size_t n = 0;
    bool same = true;
    bool more = true;
    while (same && more) {
        int rc = sqlite3_step(a);
        same = rc == sqlite3_step(b);
        more = rc == SQLITE_ROW;
        same = same && (!more || same_row(a, b));
        n += more;
    }
    if (!same) {
        print_error("row %zu of: %s\n", n, sql);
    }
    assert_true(same);
    assert_int_equal(sqlite3_finalize(a), SQLITE_OK);
    assert_int_equal(sqlite3_finalize(b), SQLITE_OK);
    return n;
}

#define KEY "run, attempt, rank, seq"

static void test_what_is_pushed_down_changes_no_result(void **state)
{
    static const char *const columns[] = { "run, attempt, rank, seq, step",
        "seq, loss, nan", "*", "grad_norm, step, view", "1", "flags, lr" };
    static const char *const orders[] = { KEY, "seq, attempt, run, rank",
        "seq DESC, run, attempt, rank", "run, attempt DESC, rank, seq",
        "attempt, rank, seq, run", "rank, seq, run, attempt" };
    static const char *const views[] = { "all", "newest" };
    struct sql_bed *bed = *state;
    fill_runs(&bed->rig);
    uint64_t seed = 42;
    size_t rows = 0;
    for (size_t i = 0; i < 250; i++) {
        char where[800];
        char sql[1600];
        char other[1600];
        const char *wanted = PICK(&seed, columns);
        const char *order = PICK(&seed, orders);
        const char *view = PICK(&seed, views);
        any_where(&seed, where);
        (void)snprintf(sql, sizeof sql,
            "SELECT %s FROM steps('%s') WHERE %s ORDER BY %s", wanted, view,
            where, order);
        /* A materialized CTE is a fence: nothing gets to the table. */
        (void)snprintf(other, sizeof other,
            "WITH copy AS MATERIALIZED (SELECT %s FROM steps('%s')) "
            "SELECT %s FROM copy WHERE %s ORDER BY %s",
            strcmp(wanted, "*") == 0 ? "*" : "*, view, grad_norm", view, wanted,
            where, order);
        rows += assert_same(bed, sql, other);
    }
    assert_true(rows > 5000);
}

/* The table is asked once for each value of an IN, with the same run. */
static void test_a_run_is_the_same_for_each_value_of_an_in(void **state)
{
    struct sql_bed *bed = *state;
    fill_runs(&bed->rig);
    assert_rows(bed,
        "SELECT count(*) > 0 FROM steps WHERE run = 'b' AND "
        "step IN (SELECT step FROM steps)",
        "1;");
    assert_rows(bed,
        "SELECT count(*) FROM steps WHERE run = x'62' AND "
        "step IN (SELECT step FROM steps)",
        "0;");
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, sql_bed_open, sql_bed_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_table_gives_what_scans_of_all_runs_give),
        TEST(test_the_newest_view_is_the_scans),
        TEST(test_a_run_is_the_same_for_each_value_of_an_in),
        TEST(test_what_is_pushed_down_changes_no_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
