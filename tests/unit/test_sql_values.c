/* What the tables of daemon/sql say of a record and of a run, what they read
 * for it, and how they fail. */
#include "../lib/sql_bed.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sql/tables.h"
#include "store/chunk.h"
#include "traj.h"

#define HELLO "{\"run_id\":\"r\",\"attempt\":1}"

static struct stream_state append(struct rig *rig, uint32_t uid,
    const char *hello, const struct rig_record *v, size_t n)
{
    struct stream_state s = rig_hello(rig, uid, hello);
    struct rig_records sent = { 0 };
    for (size_t i = 0; i < n; i++) {
        rig_records_add(&sent, &v[i]);
        sent.v[i].seq = i + 1;
    }
    rig_append(rig, &s, uid, &sent, 0, n);
    free(sent.v);
    return s;
}

static void test_a_nan_is_named_and_what_is_absent_is_not(void **state)
{
    struct sql_bed *bed = *state;
    struct rig_record v[4] = {
        rig_step(1, 7, (double)NAN),
        rig_step(2, 8, (double)INFINITY),
        rig_step(3, 9, -0.5),
        { .kind = WIRE_STEP },
    };
    rig_set(&v[0], STEP_grad_sq, (double)NAN);
    rig_set(&v[1], STEP_grad_sq, 4);
    rig_set_u64(&v[3], STEP_step, 10);
    (void)append(&bed->rig, 1, HELLO, v, 4);
    assert_rows(bed, "SELECT step, loss, grad_sq, nan FROM steps",
        "7|NULL|NULL|[\"loss\",\"grad_sq\",\"grad_norm\",\"grad_norm_raw\"];"
        "8|Inf|4.0|NULL;9|-0.5|NULL|NULL;10|NULL|NULL|NULL;");
    assert_rows(
        bed, "SELECT step FROM steps WHERE nan LIKE '%\"loss\"%'", "7;");
    assert_rows(bed,
        "SELECT s.step, j.value FROM steps AS s, json_each(s.nan) AS j "
        "WHERE j.value LIKE 'grad%' ORDER BY j.value",
        "7|grad_norm;7|grad_norm_raw;7|grad_sq;");
}

/* Inf - Inf and its like: NaN though no field is. */
static void test_a_derived_nan_is_named_too(void **state)
{
    struct sql_bed *bed = *state;
    struct rig_record v = rig_step(1, 1, 0);
    rig_set(&v, STEP_param_sq, (double)INFINITY);
    rig_set(&v, STEP_delta_sq, (double)INFINITY);
    (void)append(&bed->rig, 1, HELLO, &v, 1);
    assert_rows(
        bed, "SELECT update_ratio, nan FROM steps", "NULL|[\"update_ratio\"];");
}

static void test_derived_metrics_are_hidden_columns(void **state)
{
    struct sql_bed *bed = *state;
    struct rig_record v = rig_step(1, 1, 0);
    rig_set(&v, STEP_grad_sq, 9 * 16);
    rig_set_u64(&v, STEP_stage, TRAJ_STAGE_ACCUMULATED);
    rig_set_u64(&v, STEP_micro_batches, 4);
    rig_set(&v, STEP_param_sq, 100);
    rig_set(&v, STEP_delta_sq, 0.25);
    rig_set(&v, STEP_lr, 0.5);
    struct rig_record p = { .kind = WIRE_PROBE };
    rig_set_u64(&p, PROBE_step, 1);
    rig_set_u64(&p, PROBE_group, 2);
    rig_set(&p, PROBE_dgrad_sq, 36);
    rig_set(&p, PROBE_delta_sq, 4);
    const struct rig_record both[2] = { v, p };
    (void)append(&bed->rig, 1,
        "{\"run_id\":\"r\",\"attempt\":1,\"optimizer\":\"SGD\","
        "\"groups\":[{\"name\":\"a\",\"size\":1},{\"name\":\"b\",\"size\":1}]}",
        both, 2);
    assert_rows(bed,
        "SELECT grad_norm, grad_norm_raw, param_norm, delta_norm, "
        "update_ratio, edge_of_stability, cos_update FROM steps",
        "3.0|12.0|10.0|0.5|0.05|4.0|NULL;");
    assert_rows(bed, "SELECT secant, bb, \"group\", group_name FROM probes",
        "3.0|0.333333333333333|2|b;");
    assert_rows(bed,
        "SELECT count(*), sum(hidden) FROM pragma_table_xinfo('steps')",
        "64|13;");
    assert_rows(bed,
        "SELECT name FROM pragma_table_xinfo('probes') WHERE hidden "
        "LIMIT 3 OFFSET 1",
        "probe_grad_norm;trapezoid;simpson;");
}

/* Of the 64th column and those behind it, SQLite says only that one is used. */
static void test_the_last_columns_have_what_they_need(void **state)
{
    struct sql_bed *bed = *state;
    struct rig_record p = { .kind = WIRE_PROBE };
    rig_set_u64(&p, PROBE_step, 1);
    rig_set(&p, PROBE_loss, 3);
    rig_set(&p, PROBE_loss_end, 2);
    rig_set(&p, PROBE_grad_delta, -4);
    (void)append(&bed->rig, 1, HELLO, &p, 1);
    assert_rows(bed,
        "SELECT name FROM pragma_table_xinfo('probes') "
        "ORDER BY cid DESC LIMIT 3",
        "decrease_ratio;realised_decrease;predicted_decrease;");
    assert_rows(bed, "SELECT decrease_ratio FROM probes", "0.25;");
    assert_rows(bed, "SELECT realised_decrease FROM probes", "1.0;");
    assert_rows(bed, "SELECT predicted_decrease FROM probes", "4.0;");
}

/* 2^63 + 1025 is the double 2^63 + 2048, 2^64 - 1 is 2^64. */
static void test_steps_beyond_2_63_compare_as_doubles(void **state)
{
    struct sql_bed *bed = *state;
    const struct rig_record v[4] = { rig_step(1, INT64_MAX, 0),
        rig_step(2, UINT64_C(9223372036854776833), 0),
        rig_step(3, UINT64_C(9223372036854775809), 0),
        rig_step(4, UINT64_MAX, 0) };
    (void)append(&bed->rig, 1, HELLO, v, 4);
    assert_rows(
        bed, "SELECT seq FROM steps WHERE step = 9223372036854777856", "2;");
    assert_rows(
        bed, "SELECT seq FROM steps WHERE step >= 9223372036854777856", "2;4;");
    assert_rows(
        bed, "SELECT seq FROM steps WHERE step <= 9223372036854775808", "1;3;");
    assert_rows(
        bed, "SELECT seq FROM steps WHERE step = 18446744073709551616", "4;");
    assert_rows(bed, "SELECT seq FROM steps WHERE step > 9223372036854775807",
        "2;3;4;");
    assert_rows(bed, "SELECT step FROM steps WHERE step < 9e18 OR seq = 1",
        "9223372036854775807;");
}

/* Each attempt has the groups of its own HELLO. */
static void test_groups_have_their_names(void **state)
{
    struct sql_bed *bed = *state;
    struct rig_record v[3] = { { .kind = WIRE_GROUP }, { .kind = WIRE_GROUP },
        { .kind = WIRE_GROUP } };
    for (size_t i = 0; i < 3; i++) {
        rig_set_u64(&v[i], GROUP_group, i + 1);
    }
    (void)append(&bed->rig, 1,
        "{\"run_id\":\"r\",\"attempt\":1,\"groups\":"
        "[{\"name\":\"x/1\",\"size\":1},{\"name\":\"\\u00fc\",\"size\":1}]}",
        v, 3);
    (void)append(&bed->rig, 2,
        "{\"run_id\":\"r\",\"attempt\":2,\"groups\":"
        "[{\"name\":\"z\",\"size\":1}]}",
        v, 2);
    (void)append(&bed->rig, 3, "{\"run_id\":\"s\",\"attempt\":1}", v, 1);
    assert_rows(bed, "SELECT attempt, \"group\", group_name FROM groups",
        "1|1|x/1;1|2|\xc3\xbc;1|3|NULL;2|1|z;2|2|NULL;1|1|NULL;");
}

static void test_texts_and_points_are_readable(void **state)
{
    static const double points[8] = { 0.5, 4, 1, 0.25, 1, -0.0, 2, 1e300 };
    struct sql_bed *bed = *state;
    char blob[sizeof points];
    char name[] = "eval/loss";
    char text[] = "it's \"so\"";
    memcpy(blob, points, sizeof blob);
    struct rig_record v[4] = {
        { .kind = WIRE_PROBE, .text = blob, .text_bytes = sizeof blob },
        { .kind = WIRE_METRIC, .text = name, .text_bytes = sizeof name - 1 },
        { .kind = WIRE_EVENT, .text = text, .text_bytes = sizeof text - 1 },
        { .kind = WIRE_EVENT },
    };
    v[0].present = UINT64_C(1) << PROBE_gammas;
    v[1].present = UINT64_C(1) << METRIC_name;
    v[2].present = v[3].present = UINT64_C(1) << EVENT_text;
    rig_set(&v[1], METRIC_value, 0.1);
    (void)append(&bed->rig, 1, HELLO, v, 4);
    assert_rows(
        bed, "SELECT gammas FROM probes", "[[0.5,4,1,0.25],[1,-0,2,1e+300]];");
    assert_rows(bed, "SELECT name, value FROM metrics", "eval/loss|0.1;");
    assert_rows(
        bed, "SELECT text, length(text) FROM events", "it's \"so\"|9;|0;");
}

/* ---- what is read -------------------------------------------------------- */

static void test_a_range_of_steps_reads_no_other_chunk(void **state)
{
    struct sql_bed *bed = *state;
    struct stream_state s = rig_hello(&bed->rig, 1, HELLO);
    rig_steps(&bed->rig, &s, 1, 0, 512);
    (void)rig_seal(&bed->rig, &s, true);
    rig_sql(&bed->rig, "UPDATE chunk SET body = x'' WHERE id = 2");
    assert_int_equal(
        sql_bed_fails(bed, "SELECT max(loss) FROM steps"), SQLITE_CORRUPT);
    assert_non_null(strstr(sqlite3_errmsg(bed->db), "chunk 2"));
    assert_int_equal(
        sql_bed_fails(bed, "SELECT step FROM steps WHERE step > 126"),
        SQLITE_CORRUPT);
    assert_int_equal(
        sql_bed_fails(bed, "SELECT step FROM steps WHERE step + 0 > 300"),
        SQLITE_CORRUPT); /* which no scan can know */
    assert_rows(bed,
        "SELECT count(*) FROM steps WHERE step BETWEEN 300 AND 309", "10;");
    assert_rows(bed, "SELECT count(*) FROM steps WHERE step < 128", "128;");
    assert_rows(bed, "SELECT loss FROM steps WHERE step = 300", "100.0;");
    assert_rows(bed, "SELECT step FROM steps WHERE seq > 511", "511;");
    assert_rows(bed, "SELECT count(*) FROM steps WHERE run = 'q'", "0;");
    assert_rows(bed, "SELECT count(*) FROM steps WHERE rank = 1", "0;");
    assert_rows(bed, "SELECT count(*) FROM steps WHERE step = NULL", "0;");
    assert_rows(bed, "SELECT count(*) FROM steps WHERE attempt = 2", "0;");
    assert_rows(bed, "SELECT count(*) FROM probes", "0;");
    assert_rows(bed, "SELECT step FROM steps LIMIT 2 OFFSET 100", "100;101;");
}

/* Damages the first byte of a column of the only chunk. */
static void damage_column(const struct rig *rig, unsigned field)
{
    sqlite3 *db = NULL;
    sqlite3_blob *body = NULL;
    struct chunk_entry entry = { 0 };
    int at = sizeof(struct chunk_head);
    uint8_t byte = 0;
    assert_int_equal(sqlite3_open(rig->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_blob_open(db, "main", "chunk", "body", 1, 1, &body), SQLITE_OK);
    do {
        assert_int_equal(
            sqlite3_blob_read(body, &entry, sizeof entry, at), SQLITE_OK);
        at += (int)sizeof entry;
    } while (entry.id != field);
    (void)sqlite3_blob_read(body, &byte, 1, (int)entry.offset);
    byte ^= 0x55;
    assert_int_equal(
        sqlite3_blob_write(body, &byte, 1, (int)entry.offset), SQLITE_OK);
    assert_int_equal(sqlite3_blob_close(body), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_a_column_that_is_not_asked_for_is_not_read(void **state)
{
    struct sql_bed *bed = *state;
    struct stream_state s = rig_hello(&bed->rig, 1, HELLO);
    rig_steps(&bed->rig, &s, 1, 0, 128);
    (void)rig_seal(&bed->rig, &s, true);
    damage_column(&bed->rig, STEP_loss);
    assert_int_equal(
        sql_bed_fails(bed, "SELECT loss FROM steps"), SQLITE_CORRUPT);
    assert_int_equal(
        sql_bed_fails(bed, "SELECT nan FROM steps"), SQLITE_CORRUPT);
    assert_rows(bed, "SELECT max(step), count(wall_ns) FROM steps", "127|128;");
    assert_rows(bed, "SELECT count(*), max(grad_norm) FROM steps", "128|NULL;");
}

/* Whether the plan sorts. */
static void assert_sorts(struct sql_bed *bed, const char *sql, int sorts)
{
    char explain[400];
    char plan[SQL_BED_TEXT];
    (void)snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
    sql_bed_text(bed, explain, plan);
    assert_int_equal(strstr(plan, "USE TEMP B-TREE") != NULL, sorts);
}

static void test_the_order_of_a_scan_needs_no_sort(void **state)
{
    struct sql_bed *bed = *state;
    assert_sorts(bed, "SELECT 1 FROM steps ORDER BY run", 0);
    assert_sorts(
        bed, "SELECT 1 FROM steps ORDER BY run, attempt, rank, seq", 0);
    assert_sorts(bed, "SELECT run, count(*) FROM steps GROUP BY run", 0);
    assert_sorts(
        bed, "SELECT 1 FROM steps WHERE run = 'a' ORDER BY attempt, rank", 0);
    assert_sorts(bed,
        "SELECT 1 FROM steps WHERE run = 'a' AND attempt = 1 AND rank = 0 "
        "ORDER BY seq",
        0);
    assert_sorts(bed, "SELECT 1 FROM steps ORDER BY attempt", 1);
    assert_sorts(bed, "SELECT 1 FROM steps ORDER BY run, rank", 1);
    assert_sorts(bed, "SELECT 1 FROM steps ORDER BY run DESC", 1);
    assert_sorts(bed, "SELECT 1 FROM steps WHERE run = 'a' ORDER BY step", 1);
    assert_sorts(
        bed, "SELECT 1 FROM steps WHERE run IN ('b', 'a') ORDER BY run", 1);
}

static void test_a_statement_sees_one_state_and_stops_no_writer(void **state)
{
    struct sql_bed *bed = *state;
    struct stream_state a = rig_hello(&bed->rig, 1, HELLO);
    struct stream_state b =
        rig_hello(&bed->rig, 2, "{\"run_id\":\"s\",\"attempt\":1}");
    rig_steps(&bed->rig, &a, 1, 0, 300);
    rig_steps(&bed->rig, &b, 2, 0, 300);
    sqlite3_stmt *stmt = sql_bed_prepare(bed, "SELECT step FROM steps");
    size_t n = 0;
    for (; sqlite3_step(stmt) == SQLITE_ROW; n++) {
        rig_steps(&bed->rig, &b, 2, 300 + n, 1);
        (void)rig_seal(&bed->rig, &b, n % 2 == 0);
    }
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    assert_int_equal(n, 600);
    assert_rows(bed, "SELECT count(*) FROM steps", "1200;");
}

/* ---- joins --------------------------------------------------------------- */

static void test_tables_join_with_each_other_and_with_views(void **state)
{
    struct sql_bed *bed = *state;
    struct rig_record v[3] = { rig_step(1, 5, 0.5), rig_step(2, 6, 0.25),
        { .kind = WIRE_PROBE } };
    rig_set_u64(&v[2], PROBE_step, 6);
    rig_set(&v[2], PROBE_smoothness, 3);
    (void)append(&bed->rig, 1, HELLO, v, 3);
    (void)append(
        &bed->rig, 2, "{\"run_id\":\"s\",\"attempt\":1,\"name\":\"n\"}", v, 2);
    assert_rows(bed,
        "SELECT s.step, s.loss, p.smoothness FROM steps AS s JOIN probes AS p "
        "ON p.run = s.run AND p.attempt = s.attempt AND p.rank = s.rank AND "
        "p.step = s.step",
        "6|0.25|3.0;");
    assert_rows(bed,
        "SELECT r.uid, r.name, count(*), avg(s.loss) FROM runs AS r "
        "JOIN steps AS s ON s.run = r.uid GROUP BY r.uid",
        "r|r|2|0.375;s|n|2|0.375;");
    assert_rows(bed,
        "SELECT run, seq FROM steps WHERE run = 's' AND seq = 1 OR step = 6 "
        "ORDER BY run, seq",
        "r|2;s|1;s|2;");
}

/* ---- fits ---------------------------------------------------------------- */

static struct rig_record probe(uint64_t i, uint64_t estimator)
{
    struct rig_record r = { .kind = WIRE_PROBE };
    double g = 0.5 + (double)(i * 7919 % 101) / 10;
    rig_set_u64(&r, PROBE_step, i);
    rig_set_u64(&r, PROBE_estimator, estimator);
    rig_set(&r, PROBE_smoothness, 2 + 3 * g);
    rig_set(&r, PROBE_grad_sq, g * g);
    return r;
}

static void test_fits_are_those_of_run_fit_by_class(void **state)
{
    struct sql_bed *bed = *state;
    struct rig_record v[120];
    for (uint64_t i = 0; i < 120; i++) {
        v[i] = probe(i, i < 80    ? TRAJ_ESTIMATOR_SAME_BATCH
                        : i < 110 ? TRAJ_ESTIMATOR_FULL
                                  : TRAJ_ESTIMATOR_SUBSET);
    }
    (void)append(&bed->rig, 1, HELLO, v, 120);
    (void)append(&bed->rig, 2, "{\"run_id\":\"s\",\"attempt\":1}", v, 0);
    (void)append(&bed->rig, 3, "{\"run_id\":\"t\",\"attempt\":1}", v, 90);
    assert_rows(bed,
        "SELECT estimator, method, tau, round(L0, 9), round(L1, 9), n, "
        "n_excluded, first_step, last_step, is_default, reason "
        "FROM fits('r')",
        "full|nnls_relative|NULL|2.0|3.0|30|90|80|109|0|NULL;"
        "full|ols|NULL|2.0|3.0|30|90|80|109|0|NULL;"
        "full|nnls|NULL|2.0|3.0|30|90|80|109|0|NULL;"
        "full|quantile|0.5|2.0|3.0|30|90|80|109|0|NULL;"
        "full|quantile|0.9|2.0|3.0|30|90|80|109|0|NULL;"
        "full|quantile|0.95|2.0|3.0|30|90|80|109|0|NULL;"
        "full|quantile|0.99|2.0|3.0|30|90|80|109|0|NULL;"
        "full|expectile|0.9|2.0|3.0|30|90|80|109|0|NULL;"
        "full|envelope|NULL|2.0|3.0|30|90|80|109|0|NULL;"
        "full|envelope_robust|NULL|2.0|3.0|30|90|80|109|0|NULL;"
        "subset|NULL|NULL|NULL|NULL|10|110|110|119|0|too_few_pairs;"
        "same_batch|nnls_relative|NULL|2.0|3.0|80|40|0|79|1|NULL;"
        "same_batch|ols|NULL|2.0|3.0|80|40|0|79|1|NULL;"
        "same_batch|nnls|NULL|2.0|3.0|80|40|0|79|1|NULL;"
        "same_batch|quantile|0.5|2.0|3.0|80|40|0|79|1|NULL;"
        "same_batch|quantile|0.9|2.0|3.0|80|40|0|79|1|NULL;"
        "same_batch|quantile|0.95|2.0|3.0|80|40|0|79|1|NULL;"
        "same_batch|quantile|0.99|2.0|3.0|80|40|0|79|1|NULL;"
        "same_batch|expectile|0.9|2.0|3.0|80|40|0|79|1|NULL;"
        "same_batch|envelope|NULL|2.0|3.0|80|40|0|79|1|NULL;"
        "same_batch|envelope_robust|NULL|2.0|3.0|80|40|0|79|1|NULL;");
    assert_rows(bed,
        "SELECT run, count(*) FROM fits WHERE run = 'r' OR run = 't' "
        "GROUP BY run",
        "r|21;t|11;");
    assert_rows(bed,
        "SELECT uid, L1 > 2.9 FROM runs, fits(uid) WHERE method = 'ols' AND "
        "is_default",
        "r|1;t|1;");
    assert_rows(bed,
        "SELECT run, count(*) FROM fits WHERE run = 'r' OR of_run = 't' "
        "GROUP BY run",
        "r|21;t|11;");
    assert_rows(bed,
        "SELECT count(*) FROM fits WHERE run = 'r' AND method = 'ols' "
        "OR of_run = 'r' AND method = 'nnls'",
        "4;");
    assert_rows(bed, "SELECT count(*) FROM fits", "32;");
    assert_rows(bed, "SELECT count(*) FROM fits(NULL)", "0;");
    assert_rows(bed, "SELECT DISTINCT warnings FROM fits('s')", "");
}

/* ---- failing ------------------------------------------------------------- */

static void test_an_unknown_view_is_refused(void **state)
{
    struct sql_bed *bed = *state;
    static const char *const wrong[] = { "SELECT 1 FROM steps('old')",
        "SELECT 1 FROM steps WHERE view = NULL" };
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(sql_bed_fails(bed, wrong[i]), SQLITE_ERROR);
        assert_string_equal(
            sqlite3_errmsg(bed->db), "view is 'all' or 'newest'");
    }
}

static void test_only_a_database_of_trajd_has_tables(void **state)
{
    struct sql_bed *bed = *state;
    struct err e = { 0 };
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(tables_register(db, &e), ERR_NONE);
    int rc = sqlite3_prepare_v2(db, "SELECT 1 FROM fits", -1, &stmt, NULL);
    assert_int_equal(rc, SQLITE_ERROR);
    assert_string_equal(sqlite3_errmsg(db), "not a database of trajd");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    rig_sql(&bed->rig, "PRAGMA user_version = 1");
    rc = sqlite3_prepare_v2(bed->db, "SELECT 1 FROM steps", -1, &stmt, NULL);
    assert_int_equal(rc, SQLITE_ERROR);
    assert_non_null(strstr(sqlite3_errmsg(bed->db), "older version"));
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, sql_bed_open, sql_bed_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_nan_is_named_and_what_is_absent_is_not),
        TEST(test_a_derived_nan_is_named_too),
        TEST(test_derived_metrics_are_hidden_columns),
        TEST(test_the_last_columns_have_what_they_need),
        TEST(test_steps_beyond_2_63_compare_as_doubles),
        TEST(test_groups_have_their_names),
        TEST(test_texts_and_points_are_readable),
        TEST(test_a_range_of_steps_reads_no_other_chunk),
        TEST(test_a_column_that_is_not_asked_for_is_not_read),
        TEST(test_the_order_of_a_scan_needs_no_sort),
        TEST(test_a_statement_sees_one_state_and_stops_no_writer),
        TEST(test_tables_join_with_each_other_and_with_views),
        TEST(test_fits_are_those_of_run_fit_by_class),
        TEST(test_an_unknown_view_is_refused),
        TEST(test_only_a_database_of_trajd_has_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
