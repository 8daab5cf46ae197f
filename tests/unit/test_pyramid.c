/* Rows of the pyramid as sealing writes them, and what check and repair say. */
#include "store/pyramid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/store_rig.h"
#include "store/db.h"
#include "wire/fields.h"

#define HELLO "{\"run_id\":\"r\",\"attempt\":1,\"optimizer\":\"sgd\"}"
#define CHUNK 64u

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig_open(rig, CHUNK);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

/* Chunks of CHUNK steps of the stream, from where it is. */
static void add_chunks(struct rig *rig, struct stream_state *s, size_t n)
{
    for (; n > 0; n--) {
        rig_steps(rig, s, 1, s->committed_seq, CHUNK);
        assert_int_equal(rig_seal(rig, s, false), 1);
    }
}

static int64_t rows(const struct rig *rig, unsigned level)
{
    char sql[80];
    (void)snprintf(sql, sizeof sql,
        "SELECT count(*) FROM pyramid WHERE level = %u", level);
    return rig_number(rig, sql);
}

static void test_a_row_comes_with_the_sixteenth_below_it(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO);
    add_chunks(rig, &s, 15);
    assert_int_equal(rows(rig, 1), 0);
    add_chunks(rig, &s, 1);
    assert_int_equal(rows(rig, 1), 1);
    add_chunks(rig, &s, 239);
    assert_int_equal(rows(rig, 1), 15);
    assert_int_equal(rows(rig, 2), 0);
    rig_reopen(rig, CHUNK); /* nothing of it is in memory */
    add_chunks(rig, &s, 1);
    assert_int_equal(rows(rig, 1), 16);
    assert_int_equal(rows(rig, 2), 1);
    assert_int_equal(rig_number(rig, "SELECT first_seq FROM pyramid "
                                     "WHERE level = 2"),
        1);
    assert_int_equal(rig_number(rig, "SELECT last_seq FROM pyramid "
                                     "WHERE level = 2"),
        256 * CHUNK);
    assert_int_equal(rig_number(rig, "SELECT most_step - least_step + 1 "
                                     "FROM pyramid WHERE level = 2"),
        256 * CHUNK);
    assert_int_equal(rig_number(rig, "SELECT records FROM pyramid "
                                     "WHERE level = 2"),
        256 * CHUNK);
}

static void test_a_row_is_rolled_back_with_its_chunk(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO);
    struct err e = { 0 };
    uint64_t sealed = 0;
    add_chunks(rig, &s, 15);
    rig_steps(rig, &s, 1, s.committed_seq, CHUNK);
    assert_int_equal(store_begin(rig->store, &e), ERR_NONE);
    assert_int_equal(
        store_seal(rig->store, s.stream, false, &sealed, &e), ERR_NONE);
    assert_true(sealed > 0);
    store_rollback(rig->store);
    assert_int_equal(rows(rig, 1), 0);
    assert_int_equal(rig_seal(rig, &s, false), 1);
    assert_int_equal(rows(rig, 1), 1);
}

static void test_a_deleted_run_leaves_no_rows(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO);
    struct err e = { 0 };
    add_chunks(rig, &s, 16);
    assert_int_equal(store_begin(rig->store, &e), ERR_NONE);
    assert_int_equal(store_delete_run(rig->store, s.run, &e), ERR_NONE);
    assert_int_equal(store_commit(rig->store, &e), ERR_NONE);
    assert_int_equal(rows(rig, 1), 0);
}

static void test_chunks_of_an_old_version_get_their_rows_as_the_stream_goes_on(
    void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO);
    add_chunks(rig, &s, 48);
    rig_sql(rig, "CREATE TABLE right AS SELECT level, last_seq, body "
                 "FROM pyramid");
    rig_sql(rig, "DELETE FROM pyramid; "
                 "UPDATE chunk SET summary = zeroblob(144)");
    for (int64_t made = 1; made <= 3; made++) { /* one with every chunk */
        add_chunks(rig, &s, 1);
        assert_int_equal(rows(rig, 1), made);
    }
    assert_int_equal(
        rig_number(rig, "SELECT count(*) FROM pyramid AS p JOIN right AS r "
                        "USING (level, last_seq) WHERE p.body = r.body"),
        3);
}

static void test_above_a_row_that_cannot_be_read_a_row_is_empty(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO);
    add_chunks(rig, &s, 255);
    rig_sql(rig, "UPDATE pyramid SET body = x'00' WHERE id = 3");
    add_chunks(rig, &s, 1);
    assert_int_equal(
        rig_number(rig, "SELECT length(body) FROM pyramid WHERE level = 2"), 0);
}

static void test_few_records_have_no_summary_and_a_row_above_them(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO);
    for (int i = 0; i < 16; i++) {
        rig_steps(rig, &s, 1, s.committed_seq, 10);
        assert_int_equal(rig_seal(rig, &s, true), 1);
    }
    assert_int_equal(
        rig_number(rig, "SELECT sum(length(summary)) FROM chunk"), 0);
    assert_true(rig_number(rig, "SELECT length(body) FROM pyramid") > 0);
}

/* ---- GROUP records --------------------------------------------------------
 */

/* One step: a STEP record and `groups` GROUP records. */
static void add_layers(
    struct rig *rig, struct stream_state *s, uint64_t step, unsigned groups)
{
    struct rig_records records = { 0 };
    struct rig_record r = rig_step(s->committed_seq + 1, step, 1);
    rig_records_add(&records, &r);
    for (unsigned k = 1; k <= groups; k++) {
        r = (struct rig_record){ .seq = s->committed_seq + 1 + k,
            .kind = WIRE_GROUP,
            .present =
                1u << GROUP_step | 1u << GROUP_group | 1u << GROUP_grad_nan };
        r.values[GROUP_step] = step;
        r.values[GROUP_group] = k;
        r.values[GROUP_grad_nan] = step + k;
        rig_records_add(&records, &r);
    }
    rig_append(rig, s, 1, &records, 0, records.n);
    rig_records_done(&records);
}

static void test_groups_do_not_make_a_chunk_small(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO);
    for (uint64_t step = 0; step + 1 < CHUNK; step++) {
        add_layers(rig, &s, step, 200);
        assert_int_equal(rig_seal(rig, &s, false), 0);
    }
    add_layers(rig, &s, CHUNK - 1, 200);
    assert_int_equal(rig_seal(rig, &s, false), 1);
    assert_int_equal(
        rig_number(rig, "SELECT records FROM chunk WHERE kind = 6"),
        200 * CHUNK);
    assert_int_equal(
        rig_number(rig, "SELECT log_records + log_bytes FROM stream_progress"),
        0);
}

static void test_a_chunk_of_groups_ends_at_its_limit(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO);
    size_t sealed = 0;
    for (uint64_t step = 0; sealed == 0; step++) {
        add_layers(rig, &s, step, 1000);
        sealed = rig_seal(rig, &s, false);
    }
    assert_true(s.committed_seq > 32768);
    assert_true(rig_number(rig, "SELECT max(records) FROM chunk") <= 32768);
    (void)rig_seal(rig, &s, true);
    assert_int_equal(rig_number(rig, "SELECT sum(records) FROM chunk"),
        (int64_t)s.committed_seq);
}

/* ---- check and repair ------------------------------------------------------
 */

static void count_finding(void *context, const struct pyramid_finding *finding)
{
    size_t *n = context;
    assert_non_null(finding->what);
    ++*n;
}

static struct pyramid *open_pyramid(const struct rig *rig, sqlite3 **ret_db)
{
    struct pyramid *pyramid = NULL;
    struct err e = { 0 };
    assert_int_equal(db_open(rig->path, DB_WRITE, ret_db, &e), ERR_NONE);
    assert_int_equal(pyramid_open(*ret_db, &pyramid, &e), ERR_NONE);
    return pyramid;
}

static size_t findings(const struct rig *rig, struct stream_id stream)
{
    struct err e = { 0 };
    sqlite3 *db = NULL;
    size_t n = 0;
    struct pyramid *pyramid = open_pyramid(rig, &db);
    assert_int_equal(
        pyramid_check_rows(pyramid, stream, count_finding, &n, &e), ERR_NONE);
    pyramid_close(pyramid);
    db_close(db);
    return n;
}

static void rebuild(const struct rig *rig, struct stream_id stream)
{
    struct err e = { 0 };
    sqlite3 *db = NULL;
    struct pyramid *pyramid = open_pyramid(rig, &db);
    assert_int_equal(pyramid_rebuild(pyramid, stream, &e), ERR_NONE);
    pyramid_close(pyramid);
    db_close(db);
}

static void test_check_finds_what_was_changed_and_nothing_else(void **state)
{
    static const char *const damage[] = {
        "UPDATE pyramid SET body = (SELECT body FROM keep WHERE id = 5)",
        "UPDATE pyramid SET records = records + 1 WHERE id = 2",
        "UPDATE pyramid SET most_step = most_step + 1 WHERE id = 2",
        "UPDATE pyramid SET least_step = NULL, most_step = NULL WHERE id = 2",
        "UPDATE pyramid SET first_seq = first_seq + 1 WHERE id = 2",
        "UPDATE pyramid SET level = 0 WHERE id = 2",
    };
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO);
    add_chunks(rig, &s, 16 * 16 + 40);
    rig_sql(rig, "CREATE TABLE keep AS SELECT * FROM pyramid");
    assert_int_equal(findings(rig, s.stream), 0);
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        rig_sql(rig, damage[i]);
        assert_true(findings(rig, s.stream) > 0);
        rig_sql(rig, "DELETE FROM pyramid; "
                     "INSERT INTO pyramid SELECT * FROM keep");
    }
    rig_sql(rig, "UPDATE pyramid SET body = x'' WHERE level = 2");
    assert_int_equal(findings(rig, s.stream), 0); /* says nothing wrong */
}

static void test_what_is_made_anew_is_what_was_there(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO);
    add_chunks(rig, &s, 16 * 16 + 40);
    rig_sql(rig, "CREATE TABLE rows AS SELECT * FROM pyramid; "
                 "CREATE TABLE chunks AS SELECT id, summary FROM chunk; "
                 "UPDATE chunk SET summary = x'01'; "
                 "DELETE FROM pyramid WHERE level = 1");
    rebuild(rig, s.stream);
    assert_int_equal(
        rig_number(rig, "SELECT count(*) FROM chunk JOIN chunks USING (id) "
                        "WHERE chunk.summary = chunks.summary"),
        16 * 16 + 40);
    assert_int_equal(
        rig_number(rig, "SELECT count(*) FROM pyramid AS p JOIN rows AS r "
                        "USING (stream, kind, level, first_seq, last_seq, "
                        "least_step, most_step, records, body)"),
        rig_number(rig, "SELECT count(*) FROM rows"));
}

static void read_summary(const struct rig *rig, char *to, size_t *ret_n)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(rig->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(
            db, "SELECT summary FROM chunk WHERE id = 1", -1, &stmt, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    *ret_n = (size_t)sqlite3_column_bytes(stmt, 0);
    memcpy(to, sqlite3_column_blob(stmt, 0), *ret_n);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The records of the first chunk, which are steps of rig_steps. */
static void make_records(struct records *r)
{
    struct err e = { 0 };
    records_init(r, WIRE_STEP, UINT64_MAX);
    struct rig_record one = rig_step(1, 0, 0);
    assert_int_equal(records_reserve(r, CHUNK, one.present, &e), ERR_NONE);
    for (size_t i = 0; i < CHUNK; i++) {
        one = rig_step(i + 1, i, (double)i / 3);
        r->seq[i] = i + 1;
        r->present[i] = one.present;
        r->columns[STEP_step][i] = one.values[STEP_step];
        r->columns[STEP_wall_ns][i] = one.values[STEP_wall_ns];
        r->columns[STEP_loss][i] = one.values[STEP_loss];
    }
    r->n = CHUNK;
    r->mask = one.present;
}

static void test_a_summary_is_of_its_records_or_wrong_or_of_no_use(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO);
    struct err e = { 0 };
    sqlite3 *db = NULL;
    struct records records;
    enum pyramid_state found = PYRAMID_WRONG;
    char bytes[4096];
    size_t n = 0;
    add_chunks(rig, &s, 1);
    read_summary(rig, bytes, &n);
    make_records(&records);
    struct pyramid *pyramid = open_pyramid(rig, &db);
    assert_int_equal(pyramid_check_summary(pyramid, s.stream, &records,
                         (struct str){ bytes, n }, &found, &e),
        ERR_NONE);
    assert_int_equal(found, PYRAMID_RIGHT);
    records.columns[STEP_loss][7] ^= 1;
    assert_int_equal(pyramid_check_summary(pyramid, s.stream, &records,
                         (struct str){ bytes, n }, &found, &e),
        ERR_NONE);
    assert_int_equal(found, PYRAMID_RIGHT); /* no extreme, and not the last */
    records.columns[STEP_loss][CHUNK - 1] ^= 1;
    assert_int_equal(pyramid_check_summary(pyramid, s.stream, &records,
                         (struct str){ bytes, n }, &found, &e),
        ERR_NONE);
    assert_int_equal(found, PYRAMID_WRONG);
    assert_int_equal(pyramid_check_summary(pyramid, s.stream, &records,
                         (struct str){ 0 }, &found, &e),
        ERR_NONE);
    assert_int_equal(found, PYRAMID_EMPTY);
    pyramid_close(pyramid);
    db_close(db);
    records_done(&records);
}

static void test_a_chunk_is_given_a_summary_before_it_is_emptied(void **state)
{
    struct rig *rig = *state;
    struct stream_state s = rig_hello(rig, 1, HELLO);
    struct err e = { 0 };
    sqlite3 *db = NULL;
    rig_steps(rig, &s, 1, 0, 10);
    assert_int_equal(rig_seal(rig, &s, true), 1);
    add_chunks(rig, &s, 1);
    rig_sql(rig, "CREATE TABLE keep AS SELECT id, summary FROM chunk");
    struct pyramid *pyramid = open_pyramid(rig, &db);
    for (int64_t chunk = 1; chunk <= 3; chunk++) { /* there is no third */
        assert_int_equal(pyramid_keep(pyramid, chunk, &e), ERR_NONE);
    }
    pyramid_close(pyramid);
    db_close(db);
    assert_true(rig_number(rig, "SELECT length(summary) FROM chunk "
                                "WHERE id = 1") > 0);
    assert_int_equal(
        rig_number(rig, "SELECT chunk.summary = keep.summary FROM chunk "
                        "JOIN keep USING (id) WHERE id = 2"),
        1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_row_comes_with_the_sixteenth_below_it),
        TEST(test_a_row_is_rolled_back_with_its_chunk),
        TEST(test_a_deleted_run_leaves_no_rows),
        TEST(
            test_chunks_of_an_old_version_get_their_rows_as_the_stream_goes_on),
        TEST(test_above_a_row_that_cannot_be_read_a_row_is_empty),
        TEST(test_few_records_have_no_summary_and_a_row_above_them),
        TEST(test_groups_do_not_make_a_chunk_small),
        TEST(test_a_chunk_of_groups_ends_at_its_limit),
        TEST(test_check_finds_what_was_changed_and_nothing_else),
        TEST(test_what_is_made_anew_is_what_was_there),
        TEST(test_a_summary_is_of_its_records_or_wrong_or_of_no_use),
        TEST(test_a_chunk_is_given_a_summary_before_it_is_emptied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
