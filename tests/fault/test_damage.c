/*
 * A database with wrong bytes in its pages: check says so or they do not
 * matter, and what repair makes of it is whole, has nothing that was not there,
 * and all that SQLite still reads of it, or more.
 */
#include "../lib/store_rig.h"
#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "care/check.h"
#include "care/repair.h"
#include "store/alerts.h"

#define PAGE 4096
#define STREAMS 4
#define RECORDS 900
#define ROUNDS 60
#define ALERTS 3

/* What a database was made of, and its file, closed and without a log. */
struct whole {
    struct rig rig;
    struct rig_records records[STREAMS];
    char run_uid[STREAMS][8];
    uint8_t *bytes;
    size_t n;
};

static struct whole whole;

static void read_file(const char *path, uint8_t **ret_bytes, size_t *ret_n)
{
    struct stat status;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    *ret_n = (size_t)status.st_size;
    *ret_bytes = malloc(*ret_n);
    assert_non_null(*ret_bytes);
    assert_int_equal(read(fd, *ret_bytes, *ret_n), (ssize_t)*ret_n);
    (void)close(fd);
}

static void write_file(const char *path, const uint8_t *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    (void)close(fd);
}

/* Runs r0, r1 (two attempts), r2; the last stream half in the log. */
static void fill(struct whole *w)
{
    uint64_t seed = 1;
    for (uint32_t i = 0; i < STREAMS; i++) {
        static const char *const hellos[STREAMS] = {
            "{\"run_id\":\"r0\",\"attempt\":1,\"tags\":[\"a\",\"b\"]}",
            "{\"run_id\":\"r1\",\"attempt\":1,\"project\":\"p\"}",
            "{\"run_id\":\"r1\",\"attempt\":2,\"project\":\"p\"}",
            "{\"run_id\":\"r2\",\"attempt\":1,\"rank\":3,\"world\":4}",
        };
        memcpy(w->run_uid[i], hellos[i] + 11, 2);
        struct stream_state s = rig_hello(&w->rig, i + 1, hellos[i]);
        for (uint64_t seq = 1; seq <= RECORDS; seq++) {
            struct rig_record r = rig_any_record(&seed, seq);
            rig_records_add(&w->records[i], &r);
        }
        for (size_t at = 0; at < RECORDS; at += 60) {
            rig_append(&w->rig, &s, i + 1, &w->records[i], at, at + 60);
        }
        (void)rig_seal(&w->rig, &s, i < STREAMS - 1);
    }
}

/* A value with a fraction, one without, one that is no number, one without an
 * end. */
static void add_alerts(struct whole *w)
{
    static const struct alert alerts[] = {
        { .rule = ALERT_SPIKE,
            .rank = 17,
            .step = 7,
            .value = 6.5,
            .limit = 6 },
        { .rule = ALERT_NON_FINITE,
            .rank = ALERT_NO_RANK,
            .value = (double)NAN,
            .limit = (double)NAN },
        { .rule = ALERT_STALL, .step = 1000, .value = (double)INFINITY },
    };
    struct err e = { 0 };
    bool is_new = false;
    assert_int_equal(store_begin(w->rig.store, &e), ERR_NONE);
    for (size_t i = 0; i < ALERTS; i++) {
        assert_int_equal(store_add_alert(w->rig.store, i == 2 ? "r1" : "r0",
                             &alerts[i], &is_new, &e),
            ERR_NONE);
        assert_true(is_new);
    }
    assert_int_equal(store_commit(w->rig.store, &e), ERR_NONE);
}

static int make_whole(void **state)
{
    struct whole *w = &whole;
    struct err e = { 0 };
    rig_open(&w->rig, 200);
    fill(w);
    add_alerts(w);
    assert_int_equal(
        store_checkpoint(w->rig.store, STORE_CHECKPOINT_TRUNCATE, &e),
        ERR_NONE);
    store_close(w->rig.store);
    w->rig.store = NULL;
    read_file(w->rig.path, &w->bytes, &w->n);
    *state = w;
    return 0;
}

static int drop_whole(void **state)
{
    struct whole *w = *state;
    for (size_t i = 0; i < STREAMS; i++) {
        rig_records_done(&w->records[i]);
    }
    free(w->bytes);
    rig_close(&w->rig);
    return 0;
}

/* ---- what is there ------------------------------------------------------- */

static void count_finding(void *context, const struct finding *finding)
{
    size_t *n = context;
    (void)finding;
    ++*n;
}

static size_t findings_of(
    const char *path, enum check_depth depth, enum err_code *ret_code)
{
    size_t n = 0;
    const struct check_options options = {
        .path = path, .depth = depth, .found = count_finding, .context = &n
    };
    struct check_counts counts = { 0 };
    struct err e = { 0 };
    *ret_code = check_database(&options, &counts, &e);
    return n;
}

static void assert_is_whole(const char *path)
{
    enum err_code code = ERR_NONE;
    assert_int_equal(findings_of(path, CHECK_ALL, &code), 0);
    assert_int_equal(code, ERR_NONE);
    assert_int_equal(findings_of(path, CHECK_QUICK, &code), 0);
}

/* The records of `actual` are of `expected`, bit for bit; returns how many. */
static size_t assert_some_of(
    const struct rig_records *expected, const struct rig_records *actual)
{
    size_t at = 0;
    for (size_t i = 0; i < actual->n; i++) {
        while (at < expected->n && expected->v[at].seq < actual->v[i].seq) {
            at++;
        }
        assert_true(at < expected->n);
        struct rig_records one = { .v = &expected->v[at], .n = 1 };
        struct rig_records other = { .v = &actual->v[i], .n = 1 };
        rig_assert_same(&one, actual->v[i].kind, &other);
    }
    return actual->n;
}

/* The records of stream i that the run of this uid has; how many. */
static size_t assert_some_of_stream(const struct whole *w,
    struct reader *reader, const struct rig *there, size_t i, const char *uid,
    uint32_t attempt)
{
    size_t n = 0;
    struct err e = { 0 };
    struct run_row row = { 0 };
    if (runs_get(reader, uid, &row, &e) != ERR_NONE) {
        return 0;
    }
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        struct rig_records got;
        struct scan_query query = rig_query(row.id, (enum wire_kind)kind);
        query.attempts = SCAN_ONE;
        query.attempt = attempt;
        rig_scan(there, &query, &got);
        n += assert_some_of(&w->records[i], &got);
        rig_records_done(&got);
    }
    run_row_done(&row);
    return n;
}

/* Every record that the file at path gives is one of the whole; how many. A
 * stream whose name is gone has another. */
static size_t assert_nothing_else(const struct whole *w, const char *path)
{
    size_t n = 0;
    struct err e = { 0 };
    struct reader *reader = NULL;
    struct rig there = w->rig;
    (void)snprintf(there.path, sizeof there.path, "%s", path);
    assert_int_equal(reader_open(path, &reader, &e), ERR_NONE);
    for (size_t i = 0; i < STREAMS; i++) {
        char recovered[24];
        (void)snprintf(recovered, sizeof recovered, "recovered-%zu", i + 1);
        n += assert_some_of_stream(
            w, reader, &there, i, w->run_uid[i], i == 2 ? 2 : 1);
        n += assert_some_of_stream(w, reader, &there, i, recovered, 1);
    }
    reader_close(reader);
    return n;
}

/* ---- damage -------------------------------------------------------------- */

static void damaged_path(const struct whole *w, char ret[static 80])
{
    (void)snprintf(ret, 80, "%s/damaged.db", w->rig.dir);
}

static void remove_copies(const char *path)
{
    char pattern[120];
    glob_t found;
    (void)snprintf(pattern, sizeof pattern, "%s*", path);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        (void)unlink(found.gl_pathv[i]);
    }
    globfree(&found);
}

/* Records of chunks and log rows that SQLite gives of the damaged file, and
 * that are as they were. */
static int64_t count_readable(const struct whole *w, const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    char sql[400];
    int64_t n = 0;
    assert_int_equal(sqlite3_open(w->rig.path, &db), SQLITE_OK);
    (void)snprintf(sql, sizeof sql, "ATTACH '%s' AS damaged", path);
    (void)sqlite3_exec(db, sql, NULL, NULL, NULL); /* or it reads nothing */
    /* One at a time: a row that does not read ends a longer statement. */
    static const char *const rows[] = {
        "SELECT d.records FROM damaged.chunk AS d JOIN main.chunk AS c "
        "ON c.id = ?1 AND d.id = ?1 WHERE d.stream = c.stream "
        "AND d.kind = c.kind AND d.body = c.body",
        "SELECT d.last_seq - d.first_seq + 1 FROM damaged.log AS d "
        "JOIN main.log AS c ON c.id = ?1 AND d.id = ?1 "
        "WHERE d.stream = c.stream AND d.frame = c.frame "
        "AND d.first_seq = c.first_seq AND d.last_seq = c.last_seq",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (sqlite3_prepare_v2(db, rows[i], -1, &stmt, NULL) != SQLITE_OK) {
            continue;
        }
        for (int id = 1; id < 1000; id++) {
            (void)sqlite3_bind_int(stmt, 1, id);
            if (sqlite3_step(stmt) == SQLITE_ROW) {
                n += sqlite3_column_int64(stmt, 0);
            }
            (void)sqlite3_reset(stmt);
        }
        (void)sqlite3_finalize(stmt);
        stmt = NULL;
    }
    (void)sqlite3_close(db);
    return n;
}

static int64_t count_recovered(const struct whole *w, const char *path)
{
    struct rig there = w->rig;
    (void)snprintf(there.path, sizeof there.path, "%s", path);
    return rig_number(
        &there, "SELECT count(*) FROM run WHERE uid LIKE 'recovered-%'");
}

/* Repairs the file at path and looks at what comes of it; returns the records
 * that are left. */
static size_t assert_repaired(const struct whole *w, const char *path)
{
    struct err e = { 0 };
    uint8_t *before = NULL;
    uint8_t *after = NULL;
    size_t before_n = 0;
    size_t after_n = 0;
    FILE *out = fopen("/dev/null", "w");
    char pattern[130];
    glob_t kept;
    read_file(path, &before, &before_n);
    enum err_code code = repair_database(path, out, &e);
    (void)fclose(out);
    if (code != ERR_NONE) {
        fail_msg("repair: %s", e.text);
    }
    assert_is_whole(path);
    (void)snprintf(pattern, sizeof pattern, "%s.damaged-*Z", path);
    assert_int_equal(glob(pattern, 0, NULL, &kept), 0);
    read_file(kept.gl_pathv[0], &after, &after_n);
    globfree(&kept);
    assert_int_equal(after_n, before_n);
    assert_memory_equal(after, before, before_n);
    free(before);
    free(after);
    return assert_nothing_else(w, path);
}

static int64_t alerts_in(const char *path)
{
    static const char sql[] =
        "SELECT count(*) FROM alerts WHERE "
        "(run = 'r0' AND rule = 'spike' AND step = 7 AND value = 6.5 AND "
        "limit_value = 6 AND rank = 17) OR (run = 'r0' AND "
        "rule = 'non_finite' AND value IS NULL AND limit_value IS NULL AND "
        "rank IS NULL) OR (run = 'r1' AND rule = 'stall' AND step = 1000 AND "
        "value = 9e999 AND rank = 0);";
    struct rig rig;
    (void)snprintf(rig.path, sizeof rig.path, "%s", path);
    return rig_number(&rig, sql);
}

static void test_a_whole_database_is_repaired_to_the_same(void **state)
{
    struct whole *w = *state;
    char path[80];
    damaged_path(w, path);
    assert_is_whole(w->rig.path);
    write_file(path, w->bytes, w->n);
    assert_int_equal(assert_repaired(w, path), STREAMS * RECORDS);
    assert_int_equal(count_recovered(w, path), 0);
    assert_int_equal(alerts_in(path), ALERTS);
    remove_copies(path);
}

/* Any bytes of any pages: a few of one, or many. */
static void spoil(uint8_t *bytes, size_t n, uint64_t *seed)
{
    size_t page = rig_random(seed) % (n / PAGE);
    size_t flips = 1 + rig_random(seed) % 12;
    for (size_t i = 0; i < flips; i++) {
        size_t at = page * PAGE + rig_random(seed) % PAGE;
        bytes[at] ^= (uint8_t)(1 + rig_random(seed) % 255);
        page = rig_random(seed) % 4 == 0 ? rig_random(seed) % (n / PAGE) : page;
    }
}

static void assert_harmless(const struct whole *w, const char *path)
{
    assert_int_equal(assert_nothing_else(w, path), STREAMS * RECORDS);
}

static void test_check_says_it_or_it_does_not_matter_and_repair_keeps_the_rest(
    void **state)
{
    struct whole *w = *state;
    uint64_t seed = 20;
    uint8_t *bytes = malloc(w->n);
    char path[80];
    size_t said = 0;
    assert_non_null(bytes);
    damaged_path(w, path);
    for (unsigned round = 0; round < ROUNDS; round++) {
        enum err_code code = ERR_NONE;
        memcpy(bytes, w->bytes, w->n);
        spoil(bytes, w->n, &seed);
        write_file(path, bytes, w->n);
        bool clean =
            findings_of(path, CHECK_ALL, &code) == 0 && code == ERR_NONE;
        said += !clean;
        if (clean) {
            assert_harmless(w, path);
        }
        int64_t readable = count_readable(w, path);
        remove_copies(path);
        write_file(path, bytes, w->n);
        size_t left = assert_repaired(w, path);
        if ((int64_t)left < readable) {
            fail_msg("round %u: %zu of %lld records", round, left,
                (long long)readable);
        }
        remove_copies(path);
    }
    assert_true(said > ROUNDS / 2); /* else nothing was damaged */
    free(bytes);
}

/* ---- damage of a kind ---------------------------------------------------- */

static uint32_t root_of(const struct whole *w, const char *table)
{
    char sql[100];
    (void)snprintf(sql, sizeof sql,
        "SELECT rootpage FROM sqlite_schema WHERE name = '%s'", table);
    return (uint32_t)rig_number(&w->rig, sql);
}

static size_t repaired_without_page(
    const struct whole *w, uint32_t page, int64_t *ret_alerts)
{
    uint8_t *bytes = malloc(w->n);
    char path[80];
    assert_non_null(bytes);
    memcpy(bytes, w->bytes, w->n);
    memset(bytes + (size_t)(page - 1) * PAGE, 0, PAGE);
    damaged_path(w, path);
    write_file(path, bytes, w->n);
    free(bytes);
    enum err_code code = ERR_NONE;
    bool clean = findings_of(path, CHECK_ALL, &code) == 0 && code == ERR_NONE;
    assert_false(clean);
    size_t left = assert_repaired(w, path);
    assert_int_equal(count_recovered(w, path), 0);
    *ret_alerts = alerts_in(path);
    remove_copies(path);
    return left;
}

/* Alerts need the row of their run: one that is made anew has none. */
static void test_without_the_roots_of_tables_all_records_come_back(void **state)
{
    struct whole *w = *state;
    static const char *const tables[] = { "chunk", "chunk_by_stream",
        "log_by_stream", "run_progress", "run_tag", "stream_progress", "run" };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        int64_t alerts = 0;
        const bool of_run = strcmp(tables[i], "run") == 0;
        assert_int_equal(
            repaired_without_page(w, root_of(w, tables[i]), &alerts),
            STREAMS * RECORDS);
        assert_int_equal(alerts, of_run ? 0 : ALERTS);
    }
}

static void test_without_the_first_page_all_records_come_back(void **state)
{
    struct whole *w = *state;
    int64_t alerts = 0;
    assert_int_equal(repaired_without_page(w, 1, &alerts), STREAMS * RECORDS);
    assert_int_equal(alerts, ALERTS);
}

static void test_records_without_a_stream_get_a_run_of_their_own(void **state)
{
    struct whole *w = *state;
    struct rig there = w->rig;
    uint8_t *bytes = malloc(w->n);
    assert_non_null(bytes);
    memcpy(bytes, w->bytes, w->n);
    memset(bytes + (size_t)(root_of(w, "stream") - 1) * PAGE, 0, PAGE);
    char path[80];
    damaged_path(w, path);
    write_file(path, bytes, w->n);
    free(bytes);
    assert_int_equal(assert_repaired(w, path), STREAMS * RECORDS);
    (void)snprintf(there.path, sizeof there.path, "%s", path);
    assert_int_equal(rig_number(&there, "SELECT count(*) FROM run "
                                        "WHERE uid LIKE 'recovered-%' AND "
                                        "project = 'recovered'"),
        STREAMS);
    assert_int_equal(rig_number(&there, "SELECT sum(committed_seq) FROM "
                                        "stream_progress"),
        STREAMS * RECORDS);
    remove_copies(path);
}

static void test_a_file_cut_short_is_repaired_to_what_is_there(void **state)
{
    struct whole *w = *state;
    char path[80];
    damaged_path(w, path);
    for (size_t part = 1; part <= 3; part++) {
        write_file(path, w->bytes, w->n / 4 * part + 100);
        assert_true(assert_repaired(w, path) <= STREAMS * RECORDS);
        remove_copies(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_database_is_repaired_to_the_same),
        cmocka_unit_test(
            test_check_says_it_or_it_does_not_matter_and_repair_keeps_the_rest),
        cmocka_unit_test(
            test_without_the_roots_of_tables_all_records_come_back),
        cmocka_unit_test(test_without_the_first_page_all_records_come_back),
        cmocka_unit_test(test_records_without_a_stream_get_a_run_of_their_own),
        cmocka_unit_test(test_a_file_cut_short_is_repaired_to_what_is_there),
    };
    return cmocka_run_group_tests(tests, make_whole, drop_whole);
}
