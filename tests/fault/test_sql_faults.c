/* Every allocation of a statement on the tables fails once: the statement says
 * so, and the next one gives all its rows. */
#include "../lib/store_faults.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <sqlite3.h>

#include "../lib/store_rig.h"
#include "sql/tables.h"

static struct rig rig;

static int fill(void **state)
{
    (void)state;
    uint64_t seed = 5;
    struct rig_records sent = { 0 };
    faults_install();
    rig_open(&rig, 100);
    struct stream_state s = rig_hello(&rig, 1,
        "{\"run_id\":\"r\",\"attempt\":1,\"groups\":"
        "[{\"name\":\"a\",\"size\":1}]}");
    for (uint64_t seq = 1; seq <= 300; seq++) {
        struct rig_record r = rig_any_record(&seed, seq);
        rig_records_add(&sent, &r);
    }
    rig_append(&rig, &s, 1, &sent, 0, 200);
    (void)rig_seal(&rig, &s, true);
    rig_append(&rig, &s, 1, &sent, 200, 300);
    rig_records_done(&sent);
    return 0;
}

static int empty(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

/* A connection of its own, so that the tables are declared anew. */
static int run(const char *sql, sqlite3_int64 *ret_rows)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    struct err e = { 0 };
    int rc = sqlite3_open_v2(rig.path, &db, SQLITE_OPEN_READONLY, NULL);
    *ret_rows = 0;
    if (rc == SQLITE_OK && tables_register(db, &e) != ERR_NONE) {
        rc = SQLITE_NOMEM;
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    }
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
        *ret_rows += rc == SQLITE_ROW;
    }
    (void)sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return rc;
}

static void sweep(const char *sql)
{
    sqlite3_int64 rows = 0;
    assert_int_equal(run(sql, &rows), SQLITE_DONE);
    assert_true(rows > 0);
    bool reached = true;
    long n = 0;
    for (; reached; n++) {
        sqlite3_int64 got = 0;
        faults_fail_allocation(n);
        int rc = run(sql, &got);
        reached = faults_off();
        assert_true(rc == SQLITE_DONE || (rc & 0xff) == SQLITE_NOMEM);
        assert_true(rc != SQLITE_DONE || got == rows);
    }
    assert_true(n > 50);
}

static void test_a_select_survives_every_failed_allocation(void **state)
{
    (void)state;
    sweep("SELECT run, step, loss, nan, grad_norm FROM steps "
          "WHERE run = 'r' AND step >= 0");
    sweep("SELECT text, view FROM events");
    sweep("SELECT gammas, group_name, secant FROM probes");
}

static void test_a_fit_survives_every_failed_allocation(void **state)
{
    (void)state;
    sweep("SELECT count(*) FROM fits('r')");
    sweep("SELECT warnings, power_scores, L1_low, partial_p FROM fits");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_select_survives_every_failed_allocation),
        cmocka_unit_test(test_a_fit_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, fill, empty);
}
