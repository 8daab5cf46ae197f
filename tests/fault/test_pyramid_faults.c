/*
 * Every allocation of sealing a chunk with which a row of the pyramid comes,
 * and of reading a series through rows, fails once: all or nothing, and the
 * next call succeeds.
 */
#include "../lib/store_faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/store_rig.h"
#include "pure/row.h"
#include "store/fit_read.h"
#include "store/pyramid_read.h"

static int install(void **state)
{
    (void)state;
    faults_install();
    return 0;
}

/* The last frame of the 16th chunk, with which a row of the pyramid comes. */
static enum err_code seal_last(struct rig *rig, struct stream_state *state,
    uint64_t *ret_sealed, struct err *e)
{
    enum err_code code = store_begin(rig->store, e);
    if (code == ERR_NONE) {
        code = store_seal(rig->store, state->stream, false, ret_sealed, e);
    }
    if (code == ERR_NONE) {
        code = store_commit(rig->store, e);
    }
    if (code != ERR_NONE) {
        store_rollback(rig->store);
    }
    return code;
}

static void test_a_row_of_the_pyramid_comes_with_its_chunk_or_not_at_all(
    void **state)
{
    (void)state;
    static const char rows[] = "SELECT count(*) FROM pyramid";
    static const char chunks[] = "SELECT count(*) FROM chunk";
    bool failed = true;
    long refused = 0;
    for (long n = 0; failed; n++) {
        struct rig rig;
        struct err e = { 0 };
        uint64_t sealed = 0;
        rig_open(&rig, 64);
        struct stream_state s =
            rig_hello(&rig, 1, "{\"run_id\":\"r\",\"attempt\":1}");
        rig_steps(&rig, &s, 1, 0, 960);
        assert_int_equal(rig_seal(&rig, &s, false), 15);
        rig_steps(&rig, &s, 1, 960, 64);
        rig_sql(&rig, "UPDATE chunk SET summary = x'' WHERE id = 3");
        faults_fail_allocation(n);
        enum err_code code = seal_last(&rig, &s, &sealed, &e);
        failed = faults_off();
        if (code != ERR_NONE) {
            refused++;
            assert_int_equal(code, ERR_NOMEM);
            assert_int_equal(rig_number(&rig, rows), 0);
            assert_int_equal(rig_number(&rig, chunks), 15);
            assert_int_equal(seal_last(&rig, &s, &sealed, &e), ERR_NONE);
        }
        assert_int_equal(rig_number(&rig, rows), 1);
        assert_int_equal(rig_number(&rig, chunks), 16);
        rig_close(&rig);
    }
    assert_true(refused > 3);
}

/* Each of the first 100 fails, then ever fewer: they are mostly alike. */
static long sparse(long n)
{
    return n < 100 ? n + 1 : n + n / 30;
}

static enum err_code read_series(
    struct reader *reader, size_t *ret_n, struct err *e)
{
    static const char *const names[] = { "loss", "grad_norm", "smoothness",
        "metric:a", "group:grad_sq:x" };
    enum { N = sizeof names / sizeof names[0] };
    struct pyramid_wanted wanted[N];
    struct scan_query query = rig_query((struct run_id){ 1 }, WIRE_STEP);
    for (size_t m = 0; m < N; m++) {
        wanted[m] = (struct pyramid_wanted){ .thinned = 0 };
        assert_true(metric_find(str_of(names[m]), &wanted[m].metric));
        buckets_init(&wanted[m].buckets, 10);
    }
    enum err_code code = pyramid_read(reader, &query, wanted, N, e);
    for (size_t m = 0; m < N; m++) {
        *ret_n += code == ERR_NONE ? wanted[m].buckets.rows : 0;
        buckets_done(&wanted[m].buckets);
    }
    return code;
}

static void test_a_series_survives_failed_allocations(void **state)
{
    (void)state;
    struct rig rig;
    struct err e = { 0 };
    struct reader *reader = NULL;
    size_t all = 0;
    rig_open(&rig, 64);
    struct stream_state s =
        rig_hello(&rig, 1, "{\"run_id\":\"r\",\"attempt\":1}");
    rig_steps(&rig, &s, 1, 0, 1100);
    assert_int_equal(rig_seal(&rig, &s, false), 17);
    assert_int_equal(reader_open(rig.path, &reader, &e), ERR_NONE);
    assert_int_equal(read_series(reader, &all, &e), ERR_NONE);
    assert_true(all > 0);
    bool failed = true;
    long n = 0;
    for (; failed; n = sparse(n)) {
        size_t got = 0;
        faults_fail_allocation(n);
        enum err_code code = read_series(reader, &got, &e);
        failed = faults_off();
        assert_true(code == ERR_NOMEM || (code == ERR_NONE && got == all));
    }
    assert_true(n > 20);
    reader_close(reader);
    rig_close(&rig);
}

/* Probes enough for states in chunks, two rows, and a log. */
static void add_probes(struct rig *rig, struct stream_state *s, size_t n)
{
    static const unsigned fields[] = { PROBE_smoothness, PROBE_grad_sq,
        PROBE_ceiling, PROBE_loss };
    for (size_t i = 0; i < n; i++) {
        struct rig_records records = { 0 };
        struct rig_record r = { .seq = s->committed_seq + 1,
            .kind = WIRE_PROBE,
            .present = ROW_BIT(PROBE_step) };
        const double value = 1 + (double)(i % 100) / 100;
        r.values[PROBE_step] = r.seq;
        for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++) {
            memcpy(&r.values[fields[f]], &value, sizeof value);
            r.present |= ROW_BIT(fields[f]);
        }
        rig_records_add(&records, &r);
        rig_append(rig, s, 1, &records, 0, 1);
        rig_records_done(&records);
    }
}

static void test_states_come_with_their_chunk_or_not_at_all(void **state)
{
    (void)state;
    static const char chunks[] = "SELECT count(*) FROM chunk";
    static const char bodies[] =
        "SELECT coalesce(sum(length(body)), 0) FROM pyramid";
    int64_t right = 0;
    bool failed = true;
    for (long n = -1; failed || n == 0; n++) { /* the first: none fails */
        struct rig rig;
        struct err e = { 0 };
        uint64_t sealed = 0;
        rig_open(&rig, 64);
        struct stream_state s =
            rig_hello(&rig, 1, "{\"run_id\":\"r\",\"attempt\":1}");
        add_probes(&rig, &s, 960);
        assert_int_equal(rig_seal(&rig, &s, false), 15);
        add_probes(&rig, &s, 64);
        if (n >= 0) {
            faults_fail_allocation(n);
        }
        enum err_code code = seal_last(&rig, &s, &sealed, &e);
        failed = faults_off();
        if (code != ERR_NONE) {
            assert_int_equal(code, ERR_NOMEM);
            assert_int_equal(rig_number(&rig, bodies), 0);
            assert_int_equal(rig_number(&rig, chunks), 15);
            assert_int_equal(seal_last(&rig, &s, &sealed, &e), ERR_NONE);
        }
        right = n < 0 ? rig_number(&rig, bodies) : right;
        assert_true(right > 0);
        assert_int_equal(rig_number(&rig, bodies), right);
        rig_close(&rig);
    }
}

static void sweep_census(
    struct reader *reader, const struct fit_read_query *query)
{
    struct err e = { 0 };
    bool failed = true;
    long n = 0;
    for (; failed; n = sparse(n)) {
        struct pair_census census;
        uint64_t in_sight = 0;
        faults_fail_allocation(n);
        enum err_code code =
            fit_read_census(reader, query, &census, &in_sight, &e);
        failed = faults_off();
        assert_true(code == ERR_NOMEM || code == ERR_NONE);
        assert_int_equal(in_sight, code == ERR_NONE ? 64 * 18 + 5 - 29 : 0);
    }
    assert_true(n > 20);
}

static void test_a_fit_survives_failed_allocations(void **state)
{
    (void)state;
    struct rig rig;
    struct err e = { 0 };
    struct reader *reader = NULL;
    struct fit_read read;
    struct fit_read_query query = { .estimator = PAIR_ESTIMATOR_AUTO,
        .regressor = PAIR_REGRESSOR_AUTO };
    rig_open(&rig, 64);
    struct stream_state s =
        rig_hello(&rig, 1, "{\"run_id\":\"r\",\"attempt\":1}");
    add_probes(&rig, &s, 64 * 18 + 5);
    assert_int_equal(rig_seal(&rig, &s, false), 18);
    assert_int_equal(reader_open(rig.path, &reader, &e), ERR_NONE);
    query.scan = rig_query(s.run, WIRE_PROBE);
    query.scan.from_step = 30;
    bool failed = true;
    long n = 0;
    for (; failed; n = sparse(n)) {
        faults_fail_allocation(n);
        enum err_code code = fit_read(reader, &query, &read, &e);
        failed = faults_off();
        assert_true(code == ERR_NOMEM || code == ERR_NONE);
        if (code == ERR_NONE) {
            assert_int_equal(read.part.facts.uses[PAIR_USED], 64 * 18 + 5 - 29);
            fit_read_done(&read);
        }
    }
    assert_true(n > 20);
    sweep_census(reader, &query);
    reader_close(reader);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_a_row_of_the_pyramid_comes_with_its_chunk_or_not_at_all),
        cmocka_unit_test(test_a_series_survives_failed_allocations),
        cmocka_unit_test(test_states_come_with_their_chunk_or_not_at_all),
        cmocka_unit_test(test_a_fit_survives_failed_allocations),
    };
    return cmocka_run_group_tests(tests, install, NULL);
}
