/* Lists of runs, projects and streams. */
#include "../lib/store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include <cmocka.h>

static int open_rig(void **state)
{
    static struct rig rig;
    rig_open(&rig, 0);
    *state = &rig;
    return 0;
}

static int close_rig(void **state)
{
    rig_close(*state);
    return 0;
}

/* The ids of a list, each with a blank behind it. */
struct seen {
    char ids[4000];
    size_t n;
    struct run_row last; /* without what it owns */
};

static enum err_code see(
    void *context, const struct run_row *row, struct err *e)
{
    (void)e;
    struct seen *seen = context;
    strcat(seen->ids, row->uid);
    strcat(seen->ids, " ");
    seen->n++;
    seen->last = *row;
    return ERR_NONE;
}

static struct seen list(const struct rig *rig, struct run_query query)
{
    struct seen seen = { 0 };
    struct reader *reader = NULL;
    struct err e = { 0 };
    query.limit = query.limit == 0 ? 100 : query.limit;
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(runs_list(reader, &query, see, &seen, &e), ERR_NONE);
    reader_close(reader);
    return seen;
}

static void add_run(struct rig *rig, uint32_t number, const char *project,
    const char *name, const char *tags, unsigned started)
{
    char json[400];
    (void)snprintf(json, sizeof json,
        "{\"run_id\":\"r%u\",\"attempt\":1,\"project\":\"%s\",\"name\":\"%s\","
        "\"tags\":%s,\"started_wall_ns\":\"%u\"}",
        number, project, name, tags, started);
    (void)rig_hello(rig, number, json);
}

static void add_some(struct rig *rig)
{
    add_run(rig, 1, "lm", "First LSTM", "[\"a\"]", 100);
    add_run(rig, 2, "lm", "second", "[\"a\",\"b\"]", 300);
    add_run(rig, 3, "vision", "third", "[\"b\"]", 200);
    add_run(rig, 4, "lm", "100% lstm", "[]", 300);
}

static void test_runs_come_newest_first(void **state)
{
    struct rig *rig = *state;
    add_some(rig);
    assert_string_equal(list(rig, (struct run_query){ 0 }).ids, "r4 r2 r3 r1 ");
}

static void test_filters_narrow_the_list(void **state)
{
    struct rig *rig = *state;
    add_some(rig);
    struct run_query by_project = { .project = "lm" };
    struct run_query by_tag = { .tag = "b" };
    struct run_query by_both = { .project = "lm", .tag = "b" };
    struct run_query by_name = { .text = "LSTM" };
    struct run_query by_percent = { .text = "%" };
    struct run_query by_id = { .text = "R3", .project = "vision" };
    struct run_query by_tag_and_text = { .tag = "a", .text = "first" };
    struct run_query by_nothing = { .project = "none" };
    assert_string_equal(list(rig, by_project).ids, "r4 r2 r1 ");
    assert_string_equal(list(rig, by_tag).ids, "r2 r3 ");
    assert_string_equal(list(rig, by_both).ids, "r2 ");
    assert_string_equal(list(rig, by_name).ids, "r4 r1 ");
    assert_string_equal(list(rig, by_percent).ids, "r4 ");
    assert_string_equal(list(rig, by_id).ids, "r3 ");
    assert_string_equal(list(rig, by_tag_and_text).ids, "r1 ");
    assert_string_equal(list(rig, by_nothing).ids, "");
}

static void assert_pages_are_whole(
    const struct rig *rig, struct run_query query, const char *expected)
{
    char ids[100] = "";
    query.limit = 1;
    struct seen seen = list(rig, query);
    while (seen.n > 0) {
        strcat(ids, seen.ids);
        query.after_created_wall_ns = seen.last.created_wall_ns;
        query.after_id = seen.last.id.v;
        seen = list(rig, query);
    }
    assert_string_equal(ids, expected);
}

static void test_pages_have_each_run_once_though_created_together(void **state)
{
    struct rig *rig = *state;
    add_some(rig);
    assert_pages_are_whole(rig, (struct run_query){ 0 }, "r4 r2 r3 r1 ");
    assert_pages_are_whole(
        rig, (struct run_query){ .project = "lm" }, "r4 r2 r1 ");
    assert_pages_are_whole(rig, (struct run_query){ .tag = "a" }, "r2 r1 ");
}

static enum err_code stop(
    void *context, const struct run_row *row, struct err *e)
{
    (void)row;
    ++*(int *)context;
    return err_set(e, ERR_BUSY, "enough");
}

static void test_a_visitor_can_stop_the_list(void **state)
{
    struct rig *rig = *state;
    add_some(rig);
    struct reader *reader = NULL;
    struct err e = { 0 };
    int visits = 0;
    struct run_query query = { .limit = 100 };
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(runs_list(reader, &query, stop, &visits, &e), ERR_BUSY);
    assert_int_equal(visits, 1);
    assert_string_equal(e.text, "enough");
    reader_close(reader);
}

static enum err_code see_project(
    void *context, const struct project_row *row, struct err *e)
{
    (void)e;
    char text[100];
    (void)snprintf(text, sizeof text, "%s:%d:%lld ", row->name, (int)row->runs,
        (long long)(row->updated_wall_ns - RIG_NOW_NS));
    strcat(context, text);
    return ERR_NONE;
}

static void test_projects_count_their_runs(void **state)
{
    struct rig *rig = *state;
    add_some(rig);
    char text[200] = "";
    struct reader *reader = NULL;
    struct err e = { 0 };
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(runs_projects(reader, see_project, text, &e), ERR_NONE);
    assert_string_equal(text, "lm:3:0 vision:1:0 ");
    reader_close(reader);
}

static enum err_code see_stream(
    void *context, const struct stream_row *row, struct err *e)
{
    (void)e;
    char text[100];
    (void)snprintf(text, sizeof text, "%u/%u:%d:%d:%d ", row->attempt,
        row->rank, (int)row->committed_seq,
        row->has_first_step ? (int)row->first_step : -1,
        row->has_began ? (int)row->began : -1);
    strcat(context, text);
    return ERR_NONE;
}

static void test_streams_come_by_attempt_and_rank(void **state)
{
    struct rig *rig = *state;
    struct stream_state a = rig_hello(
        rig, 1, "{\"run_id\":\"r\",\"attempt\":2,\"rank\":1,\"world\":2}");
    struct stream_state b = rig_hello(
        rig, 2, "{\"run_id\":\"r\",\"attempt\":1,\"rank\":1,\"world\":2}");
    (void)rig_hello(rig, 3, "{\"run_id\":\"r\",\"attempt\":2}");
    rig_steps(rig, &a, 1, 50, 3);
    rig_steps(rig, &b, 2, 7, 1);
    char text[200] = "";
    struct reader *reader = NULL;
    struct err e = { 0 };
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(
        runs_streams(reader, a.run, see_stream, text, &e), ERR_NONE);
    assert_string_equal(text, "1/1:1:7:7 2/0:0:-1:-1 2/1:3:50:50 ");
    reader_close(reader);
}

/* Of probes alone: where its first begins. */
static void test_an_attempt_begins_with_its_steps_or_its_probes(void **state)
{
    struct rig *rig = *state;
    char text[200] = "";
    struct reader *reader = NULL;
    struct err e = { 0 };
    struct stream_state streams[3];
    for (uint32_t i = 0; i < 3; i++) {
        char json[60];
        (void)snprintf(json, sizeof json, "{\"run_id\":\"r\",\"attempt\":%u}",
            (unsigned)i + 1);
        streams[i] = rig_hello(rig, i + 1, json);
        struct rig_records records = { 0 };
        for (uint64_t k = 0; k < 3; k++) {
            static const uint64_t steps[] = { 45, 40, 42 };
            const struct rig_record probe = { .seq = k + 1,
                .kind = WIRE_PROBE,
                .present = 1,
                .values = { steps[k] + i } };
            rig_records_add(&records, &probe);
        }
        rig_append(rig, &streams[i], i + 1, &records, 0, 3);
        rig_records_done(&records);
    }
    rig_steps(rig, &streams[2], 3, 41, 3);
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(
        runs_streams(reader, streams[0].run, see_stream, text, &e), ERR_NONE);
    assert_string_equal(text, "1/0:3:-1:-1 2/0:3:-1:41 3/0:6:41:41 ");
    reader_close(reader);
}

static void test_a_run_that_is_not_there_is_not_found(void **state)
{
    struct rig *rig = *state;
    struct reader *reader = NULL;
    struct run_row row = { 0 };
    struct err e = { 0 };
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(runs_get(reader, "nope", &row, &e), ERR_NOT_FOUND);
    reader_close(reader);
}

static void test_a_snapshot_sees_one_state(void **state)
{
    struct rig *rig = *state;
    add_some(rig);
    struct reader *reader = NULL;
    struct seen before = { 0 };
    struct seen after = { 0 };
    struct run_query query = { .limit = 100 };
    struct err e = { 0 };
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(reader_begin(reader, &e), ERR_NONE);
    add_run(rig, 5, "lm", "late", "[]", 400);
    assert_int_equal(runs_list(reader, &query, see, &before, &e), ERR_NONE);
    reader_end(reader);
    assert_int_equal(runs_list(reader, &query, see, &after, &e), ERR_NONE);
    assert_int_equal(before.n, 4);
    assert_int_equal(after.n, 5);
    reader_close(reader);
}

/* The plan of a statement as one text. */
static void plan_of(const struct rig *rig, const char *sql, char out[1000])
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    out[0] = '\0';
    assert_int_equal(sqlite3_open(rig->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        strcat(out, (const char *)sqlite3_column_text(stmt, 3));
        strcat(out, "; ");
    }
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_lists_are_served_by_an_index_and_not_sorted(void **state)
{
    struct rig *rig = *state;
    static const char *const cases[][2] = {
        { "EXPLAIN QUERY PLAN SELECT r.uid FROM run AS r "
          "JOIN run_progress AS q ON q.run = r.id "
          "WHERE (r.created_wall_ns, r.id) < (5, 5) "
          "ORDER BY r.created_wall_ns DESC, r.id DESC",
            "run_by_created" },
        { "EXPLAIN QUERY PLAN SELECT r.uid FROM run AS r "
          "JOIN run_progress AS q ON q.run = r.id "
          "WHERE r.project = 'p' AND (r.created_wall_ns, r.id) < (5, 5) "
          "ORDER BY r.created_wall_ns DESC, r.id DESC",
            "run_by_project" },
        { "EXPLAIN QUERY PLAN SELECT r.uid FROM run AS r "
          "JOIN run_progress AS q ON q.run = r.id "
          "JOIN run_tag AS t ON t.run = r.id WHERE t.tag = 't' "
          "AND (t.created_wall_ns, t.run) < (5, 5) "
          "ORDER BY t.created_wall_ns DESC, t.run DESC",
            "SEARCH t USING PRIMARY KEY" },
        { "EXPLAIN QUERY PLAN SELECT id, least_step, most_step FROM chunk "
          "WHERE stream = 1 AND kind = 1 AND last_seq > 5 ORDER BY last_seq",
            "COVERING INDEX chunk_by_stream" },
        { "EXPLAIN QUERY PLAN SELECT frame FROM log "
          "WHERE stream = 1 AND last_seq > 5 ORDER BY last_seq",
            "log_by_stream" },
        { "EXPLAIN QUERY PLAN SELECT r.uid FROM alert AS a "
          "JOIN run AS r ON r.id = a.run WHERE (a.wall_ns, a.id) < (5, 5) "
          "AND a.wall_ns >= 1 AND (?1 IS NULL OR a.rank = ?1) "
          "ORDER BY a.wall_ns DESC, a.id DESC",
            "alert_by_time" },
        { "EXPLAIN QUERY PLAN SELECT r.uid FROM alert AS a "
          "JOIN run AS r ON r.id = a.run WHERE (a.wall_ns, a.id) < (5, 5) "
          "AND a.wall_ns >= 1 AND (?1 IS NULL OR a.rank = ?1) "
          "AND a.rule = 'spike' "
          "ORDER BY a.wall_ns DESC, a.id DESC",
            "alert_by_rule" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char plan[1000];
        plan_of(rig, cases[i][0], plan);
        assert_non_null(strstr(plan, cases[i][1]));
        assert_null(strstr(plan, "TEMP B-TREE"));
        assert_null(strstr(plan, "SCAN"));
    }
}

static void test_the_owners_views_give_rows(void **state)
{
    struct rig *rig = *state;
    add_some(rig);
    assert_int_equal(rig_number(rig, "SELECT sum(attempts) FROM runs"), 4);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM streams "
                                     "WHERE run = 'r3' AND attempt = 1"),
        1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_runs_come_newest_first),
        TEST(test_filters_narrow_the_list),
        TEST(test_pages_have_each_run_once_though_created_together),
        TEST(test_a_visitor_can_stop_the_list),
        TEST(test_projects_count_their_runs),
        TEST(test_streams_come_by_attempt_and_rank),
        TEST(test_an_attempt_begins_with_its_steps_or_its_probes),
        TEST(test_a_run_that_is_not_there_is_not_found),
        TEST(test_a_snapshot_sees_one_state),
        TEST(test_lists_are_served_by_an_index_and_not_sorted),
        TEST(test_the_owners_views_give_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
