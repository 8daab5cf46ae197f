/* daemon/sql/query.c: what a database that is only asked answers, and what it
 * refuses. */
#include "../lib/store_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sql/query.h"

static unsigned asked;   /* how often it was to stop; */
static unsigned stop_at; /* at which of them it does; 0: never */

static bool stop(void)
{
    asked++;
    return asked == stop_at;
}

static struct rig rig;

static int open_query(void **state)
{
    struct err e = { 0 };
    asked = 0;
    stop_at = 0;
    rig_open(&rig, 100);
    struct stream_state s =
        rig_hello(&rig, 1, "{\"run_id\":\"r\",\"attempt\":1}");
    rig_steps(&rig, &s, 1, 0, 300);
    (void)rig_seal(&rig, &s, true);
    assert_int_equal(
        query_open(rig.path, stop, (struct query **)state, &e), ERR_NONE);
    return 0;
}

static int close_query(void **state)
{
    query_close(*state);
    rig_close(&rig);
    return 0;
}

static void test_a_select_gives_its_rows(void **state)
{
    struct query *query = *state;
    sqlite3_stmt *stmt = NULL;
    struct err e = { 0 };
    bool row = false;
    assert_int_equal(query_prepare(query,
                         "SELECT count(*) FROM steps AS s JOIN runs AS r "
                         "ON s.run = r.uid; -- and no more",
                         &stmt, &e),
        ERR_NONE);
    assert_int_equal(query_step(query, &row, &e), ERR_NONE);
    assert_true(row);
    assert_int_equal(sqlite3_column_int(stmt, 0), 300);
    assert_int_equal(query_step(query, &row, &e), ERR_NONE);
    assert_false(row);
}

static void test_what_is_more_than_reading_is_refused(void **state)
{
    static const char *const statements[] = { "DELETE FROM run",
        "INSERT INTO run (uid) VALUES ('x')", "UPDATE run SET name = ''",
        "DROP TABLE run", "CREATE TABLE x (a)", "CREATE TEMP TABLE x (a)",
        "CREATE TABLE IF NOT EXISTS run (a)", "ATTACH 'x' AS y", "DETACH main",
        "BEGIN", "COMMIT", "SAVEPOINT a", "VACUUM INTO 'x'", "VACUUM",
        "ANALYZE", "REINDEX", "PRAGMA journal_mode", "PRAGMA user_version = 9",
        "PRAGMA query_only = 0", "PRAGMA wal_checkpoint",
        "PRAGMA writable_schema = 1", "SELECT load_extension('x')",
        "SELECT * FROM pragma_journal_mode",
        "WITH a AS (SELECT 1) DELETE FROM run", "DELETE FROM steps",
        "CREATE VIRTUAL TABLE x USING fts5 (a)" };
    struct query *query = *state;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        sqlite3_stmt *stmt = NULL;
        struct err e = { 0 };
        bool row = false;
        bool refused =
            query_prepare(query, statements[i], &stmt, &e) != ERR_NONE ||
            query_step(query, &row, &e) != ERR_NONE;
        if (!refused) {
            print_error("%s\n", statements[i]);
        }
        assert_true(refused);
        assert_int_equal(e.code, ERR_INVALID);
    }
    assert_int_equal(rig_number(&rig, "SELECT count(*) FROM run"), 1);
}

static void test_the_schema_may_be_asked_for(void **state)
{
    static const char *const statements[] = { "PRAGMA table_info(run)",
        "SELECT name FROM pragma_table_xinfo('steps')", "PRAGMA user_version",
        "PRAGMA table_list", "EXPLAIN SELECT * FROM steps",
        "EXPLAIN QUERY PLAN SELECT * FROM steps", "VALUES (1), (2)",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "SELECT j.value FROM json_each('[1]') AS j" };
    struct query *query = *state;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        sqlite3_stmt *stmt = NULL;
        struct err e = { 0 };
        bool row = false;
        assert_int_equal(
            query_prepare(query, statements[i], &stmt, &e), ERR_NONE);
        assert_int_equal(query_step(query, &row, &e), ERR_NONE);
        assert_true(row);
    }
}

static void test_one_statement_and_no_other_is_taken(void **state)
{
    static const struct {
        const char *sql;
        const char *text;
    } wrong[] = {
        { "", "there is no statement" },
        { " -- nothing\n", "there is no statement" },
        { "SELECT 1; SELECT 2", "one statement at a time" },
        { "SELECT 1;; DELETE FROM run", "one statement at a time" },
        { "SELECT 1; nonsense", "one statement at a time" },
        { "SELECT nothing FROM nowhere", "near \"nothing\": syntax error" },
        { "SELECT 1 FROM nowhere", "no such table: nowhere" },
    };
    struct query *query = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        sqlite3_stmt *stmt = NULL;
        struct err e = { 0 };
        assert_int_equal(
            query_prepare(query, wrong[i].sql, &stmt, &e), ERR_INVALID);
        assert_string_equal(e.text, wrong[i].text);
    }
}

static void test_a_statement_is_stopped_on_its_way(void **state)
{
    struct query *query = *state;
    sqlite3_stmt *stmt = NULL;
    struct err e = { 0 };
    bool row = false;
    assert_int_equal(
        query_prepare(query,
            "SELECT count(*) FROM steps, steps AS b, steps AS c", &stmt, &e),
        ERR_NONE);
    asked = 0;
    stop_at = 3;
    assert_int_equal(query_step(query, &row, &e), ERR_BUSY);
    assert_int_equal(asked, 3);
    assert_int_equal(
        query_prepare(query, "SELECT count(*) FROM steps", &stmt, &e),
        ERR_NONE);
    assert_int_equal(query_step(query, &row, &e), ERR_NONE);
    assert_true(row);
}

static void test_a_damaged_chunk_is_named(void **state)
{
    struct query *query = *state;
    sqlite3_stmt *stmt = NULL;
    struct err e = { 0 };
    bool row = false;
    rig_sql(&rig, "UPDATE chunk SET body = x'' WHERE id = 2");
    assert_int_equal(
        query_prepare(query, "SELECT avg(loss) FROM steps", &stmt, &e),
        ERR_NONE);
    assert_int_equal(query_step(query, &row, &e), ERR_STORE);
    assert_memory_equal(e.text, "chunk 2: ", 9);
}

static void test_what_is_no_database_of_trajd_is_said(void **state)
{
    (void)state;
    struct query *query = NULL;
    struct err e = { 0 };
    assert_int_not_equal(
        query_open("/nonexistent/x.db", stop, &query, &e), ERR_NONE);
    assert_non_null(strstr(e.text, "/nonexistent/x.db"));
    assert_int_equal(query_open("/dev/null", stop, &query, &e), ERR_INVALID);
    assert_null(query);
    query_close(query);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, open_query, close_query)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_select_gives_its_rows),
        TEST(test_what_is_more_than_reading_is_refused),
        TEST(test_the_schema_may_be_asked_for),
        TEST(test_one_statement_and_no_other_is_taken),
        TEST(test_a_statement_is_stopped_on_its_way),
        TEST(test_a_damaged_chunk_is_named),
        TEST(test_what_is_no_database_of_trajd_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
