/* The write-ahead log: what the writer's file gathers, and how the log is kept
 * short while commits go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "../lib/store_rig.h"
#include "store/checkpoint.h"
#include "store/db.h"
#include "threads/checkpointer.h"
#include "threads/wal.h"

struct pair {
    struct rig rig;
    sqlite3 *writer;
};

static void run(sqlite3 *db, const char *sql)
{
    char *text = NULL;
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, &text), SQLITE_OK);
}

static void open_pair(struct pair *p, enum db_sync sync)
{
    struct err e = { 0 };
    rig_open(&p->rig, 0);
    assert_int_equal(db_open(p->rig.path, DB_WRITE, &p->writer, &e), ERR_NONE);
    assert_int_equal(db_set_up_writer(p->writer, &e), ERR_NONE);
    assert_int_equal(db_set_sync(p->writer, sync, &e), ERR_NONE);
    run(p->writer, "CREATE TABLE t (x INTEGER PRIMARY KEY, y BLOB);");
}

static void close_pair(struct pair *p)
{
    db_close(p->writer);
    rig_close(&p->rig);
}

static int64_t rows(const struct pair *p)
{
    return rig_number(&p->rig, "SELECT ifnull(sum(length(y)), 0) FROM t");
}

/* 30 pages of blobs and more pages than fit into what is gathered. */
static const char *const transactions[] = {
    "INSERT INTO t (y) VALUES (zeroblob(10));",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
    "WHERE i < 100) INSERT INTO t (y) SELECT randomblob(9000) FROM n;",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
    "WHERE i < 31) INSERT INTO t (y) SELECT randomblob(4000) FROM n;",
};
static const int64_t bytes_of[] = { 10, 900000, 124000 };

static void commits_are_seen_at_once(enum db_sync sync)
{
    struct pair p = { 0 };
    int64_t expected = 0;
    open_pair(&p, sync);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 3; i++) {
            run(p.writer, transactions[i]);
            expected += bytes_of[i];
            assert_int_equal(rows(&p), expected);
        }
        run(p.writer, "PRAGMA wal_checkpoint(PASSIVE);");
        assert_int_equal(rows(&p), expected);
    }
    assert_int_equal(
        rig_number(&p.rig, "SELECT count(*) FROM pragma_integrity_check "
                           "WHERE integrity_check = 'ok'"),
        1);
    close_pair(&p);
}

static void test_a_commit_is_in_the_file_when_it_returns(void **state)
{
    (void)state;
    commits_are_seen_at_once(DB_SYNC_COMMIT);
}

static void test_so_is_one_that_is_not_synced(void **state)
{
    (void)state;
    commits_are_seen_at_once(DB_SYNC_LATER);
}

/* A cache of few pages: SQLite writes them to the log before the commit, and
 * reads them back from there. */
static void test_what_is_written_before_a_commit_reads_back(void **state)
{
    (void)state;
    struct pair p = { 0 };
    open_pair(&p, DB_SYNC_LATER);
    run(p.writer, "PRAGMA cache_size = 5; BEGIN;");
    run(p.writer, transactions[1]);
    run(p.writer, "UPDATE t SET y = zeroblob(9001);");
    assert_int_equal(rows(&p), 0);
    run(p.writer, "INSERT INTO t (x, y) SELECT 1000, zeroblob(sum(length(y))) "
                  "FROM t;");
    run(p.writer, "COMMIT;");
    assert_int_equal(rows(&p), 2 * 100 * 9001);
    run(p.writer, "BEGIN;");
    run(p.writer, "DELETE FROM t;");
    run(p.writer, transactions[1]);
    run(p.writer, "ROLLBACK;");
    assert_int_equal(rows(&p), 2 * 100 * 9001);
    run(p.writer, transactions[0]);
    assert_int_equal(rows(&p), 2 * 100 * 9001 + 10);
    close_pair(&p);
}

static off_t size_of(const struct rig *rig, const char *suffix)
{
    char path[128];
    struct stat status = { 0 };
    (void)snprintf(path, sizeof path, "%s%s", rig->path, suffix);
    return stat(path, &status) == 0 ? status.st_size : -1;
}

/* Commits of 64 steps until the log has begun again so many times. */
static uint64_t commit_until_reset(
    struct rig *rig, struct wal *wal, struct stream_state *s, int times)
{
    uint32_t pages = 0;
    while (times > 0 && s->committed_seq < 64 * 200000) {
        rig_steps(rig, s, 1, s->committed_seq, 64);
        wal_committed(wal);
        wal_care(wal);
        times -= store_wal_pages(rig->store) < pages;
        pages = store_wal_pages(rig->store);
    }
    assert_int_equal(times, 0);
    return s->committed_seq;
}

static void test_the_log_begins_again_while_commits_go_on(void **state)
{
    (void)state;
    struct rig rig;
    struct wal wal;
    struct err e = { 0 };
    const struct store_options options = { .path = rig.path };
    rig_open(&rig, 0);
    struct stream_state s =
        rig_hello(&rig, 1, "{\"run_id\":\"r\",\"attempt\":1}");
    assert_int_equal(wal_open(&wal, &options, rig.store, &e), ERR_NONE);
    uint64_t n = commit_until_reset(&rig, &wal, &s, 3);
    assert_true(size_of(&rig, "-wal") < (off_t)(2 * WAL_MOST_PAGES) * 4120);
    assert_int_equal(rig_number(&rig, "SELECT sum(last_seq - first_seq + 1) "
                                      "FROM log"),
        (int64_t)n);
    wal_close(&wal);
    assert_int_equal(size_of(&rig, "-wal"), 0);
    assert_int_equal(rig_number(&rig, "SELECT sum(last_seq - first_seq + 1) "
                                      "FROM log"),
        (int64_t)n);
    rig_close(&rig);
}

static void test_a_reader_holds_the_log_but_not_the_commits(void **state)
{
    (void)state;
    struct rig rig;
    struct wal wal;
    struct err e = { 0 };
    struct reader *reader = NULL;
    const struct store_options options = { .path = rig.path };
    rig_open(&rig, 0);
    struct stream_state s =
        rig_hello(&rig, 1, "{\"run_id\":\"r\",\"attempt\":1}");
    assert_int_equal(wal_open(&wal, &options, rig.store, &e), ERR_NONE);
    assert_int_equal(reader_open(rig.path, &reader, &e), ERR_NONE);
    assert_int_equal(reader_begin(reader, &e), ERR_NONE);
    while (store_wal_pages(rig.store) < 3 * WAL_MOVE_PAGES) {
        rig_steps(&rig, &s, 1, s.committed_seq, 64);
        wal_committed(&wal);
        wal_care(&wal);
    }
    reader_end(reader);
    reader_close(reader);
    (void)commit_until_reset(&rig, &wal, &s, 1);
    wal_close(&wal);
    rig_close(&rig);
}

static void test_a_checkpoint_beside_the_writer_moves_what_is_committed(
    void **state)
{
    (void)state;
    struct rig rig;
    struct err e = { 0 };
    struct checkpoint *checkpoint = NULL;
    rig_open(&rig, 0);
    struct stream_state s =
        rig_hello(&rig, 1, "{\"run_id\":\"r\",\"attempt\":1}");
    rig_steps(&rig, &s, 1, 0, 5000);
    off_t before = size_of(&rig, "");
    assert_int_equal(checkpoint_open(rig.path, &checkpoint, &e), ERR_NONE);
    assert_int_equal(checkpoint_move(checkpoint, &e), ERR_NONE);
    assert_true(size_of(&rig, "") > before + 5000 * 10);
    rig_steps(&rig, &s, 1, 5000, 10);
    assert_true(store_wal_pages(rig.store) < 20); /* it began again */
    checkpoint_close(checkpoint);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_commit_is_in_the_file_when_it_returns),
        cmocka_unit_test(test_so_is_one_that_is_not_synced),
        cmocka_unit_test(test_what_is_written_before_a_commit_reads_back),
        cmocka_unit_test(test_the_log_begins_again_while_commits_go_on),
        cmocka_unit_test(test_a_reader_holds_the_log_but_not_the_commits),
        cmocka_unit_test(
            test_a_checkpoint_beside_the_writer_moves_what_is_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
