/*
 * Every allocation and every write of the store fails once: what a transaction
 * enclosed is there whole or not at all, and the store goes on.
 */
#include "../lib/store_faults.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../lib/store_rig.h"
#include "store/pyramid_read.h"
#include "store/rank_scan.h"

#define FRAMES 6
#define FRAME_RECORDS 40
#define RECORDS ((size_t)FRAMES * FRAME_RECORDS)

static struct rig_records sent;
static uint8_t frames[FRAMES][1 << 18];
static size_t frame_bytes[FRAMES];

static int install(void **state)
{
    (void)state;
    faults_install();
    uint64_t seed = 11;
    for (uint64_t seq = 1; seq <= RECORDS; seq++) {
        struct rig_record r = rig_any_record(&seed, seq);
        rig_records_add(&sent, &r);
    }
    for (size_t i = 0; i < FRAMES; i++) {
        frame_bytes[i] = rig_encode(&sent, i * FRAME_RECORDS,
            (i + 1) * FRAME_RECORDS, 1, 0, frames[i], sizeof frames[i]);
    }
    return 0;
}

static int uninstall(void **state)
{
    (void)state;
    rig_records_done(&sent);
    return 0;
}

static enum err_code write_frames(
    struct store *store, struct stream_state *s, struct err *e)
{
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < FRAMES; i++) {
        struct message message;
        uint32_t taken = 0;
        assert_int_equal(
            decode_message(frames[i], frame_bytes[i], &message), DECODE_OK);
        code = store_append(store, s, &message, frames[i], frame_bytes[i],
            RIG_NOW_NS, &taken, e);
    }
    return code;
}

/* HELLO, all frames and a seal in one transaction; as a writer would, it rolls
 * back on any error. */
static enum err_code write_all(struct store *store, struct err *e)
{
    static const char hello[] =
        "{\"run_id\":\"r\",\"attempt\":1,\"tags\":[\"a\",\"b\"]}";
    struct stream_state s = { 0 };
    bool sealed = false;
    enum err_code code = store_begin(store, e);
    if (code == ERR_NONE) {
        code = store_hello(store, rig_uid(1), str_of(hello), RIG_NOW_NS, &s, e);
    }
    if (code == ERR_NONE) {
        code = write_frames(store, &s, e);
    }
    if (code == ERR_NONE) {
        code = store_seal(store, s.stream, false, &sealed, e);
    }
    if (code == ERR_NONE) {
        code = store_commit(store, e);
    }
    if (code != ERR_NONE) {
        store_rollback(store);
    }
    return code;
}

/* All that was sent, or nothing at all. */
static void assert_has(const struct rig *rig, size_t runs)
{
    struct rig_records none = { 0 };
    assert_int_equal(
        rig_number(rig, "SELECT count(*) FROM run"), (int64_t)runs);
    assert_int_equal(
        rig_number(rig, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        struct rig_records got = { 0 };
        struct scan_query query =
            rig_query((struct run_id){ 1 }, (enum wire_kind)kind);
        rig_scan(rig, &query, &got);
        rig_assert_same(runs == 0 ? &none : &sent, kind, &got);
        rig_records_done(&got);
    }
}

typedef void (*arm_fn)(long n);

/* Fails the n-th of something in the write, for n from 0 until none is left. */
static void sweep_write(arm_fn arm, enum err_code expected)
{
    bool failed = true;
    long refused = 0;
    for (long n = 0; failed; n++) {
        struct rig rig;
        struct err e = { 0 };
        rig_open(&rig, 100);
        arm(n);
        enum err_code code = write_all(rig.store, &e);
        failed = faults_off();
        if (code != ERR_NONE) {
            refused++;
            assert_true(failed);
            assert_int_equal(code, expected);
            assert_has(&rig, 0);
            assert_int_equal(write_all(rig.store, &e), ERR_NONE);
        }
        assert_has(&rig, 1);
        rig_close(&rig);
    }
    assert_true(refused > 3); /* else nothing failed and nothing is proved */
}

static void test_every_failed_allocation_leaves_all_or_nothing(void **state)
{
    (void)state;
    sweep_write(faults_fail_allocation, ERR_NOMEM);
}

/* The last frame of the 16th chunk, with which a row of the pyramid comes. */
static enum err_code seal_last(struct rig *rig, struct stream_state *state,
    bool *ret_sealed, struct err *e)
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
        bool sealed = false;
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

/* Preparing all statements allocates some ten thousand times, mostly alike:
 * each of the first 100 fails, then ever fewer. */
static long sparse(long n)
{
    return n < 100 ? n + 1 : n + n / 30;
}

static void test_open_survives_failed_allocations(void **state)
{
    (void)state;
    bool failed = true;
    long n = 0;
    for (; failed; n = sparse(n)) {
        struct rig rig;
        struct err e = { 0 };
        struct store *store = NULL;
        rig_open(&rig, 100);
        store_close(rig.store);
        rig.store = NULL;
        (void)unlink(rig.path);
        struct store_options options = { .path = rig.path,
            .normal_sync = true };
        faults_fail_allocation(n);
        enum err_code code = store_open(&options, &store, &e);
        failed = faults_off();
        if (code != ERR_NONE) {
            assert_null(store);
            assert_int_equal(code, ERR_NOMEM);
            assert_int_equal(store_open(&options, &store, &e), ERR_NONE);
        }
        assert_int_equal(write_all(store, &e), ERR_NONE);
        store_close(store);
        rig_close(&rig);
    }
    assert_true(n > 20);
}

static enum err_code read_steps(
    struct reader *reader, size_t *ret_n, struct err *e)
{
    struct scan *scan = NULL;
    struct scan_batch batch = { .n = 1 };
    struct scan_query query = rig_query((struct run_id){ 1 }, WIRE_STEP);
    query.from_step = 1;
    enum err_code code = scan_open(reader, &query, &scan, e);
    while (code == ERR_NONE && batch.n > 0) {
        code = scan_next(scan, &batch, e);
        *ret_n += code == ERR_NONE ? batch.n : 0;
    }
    scan_close(scan);
    return code;
}

static bool count_step(void *context, const struct rank_step *step)
{
    size_t *n = context;
    *n += step->n_in;
    return true;
}

static enum err_code read_ranks(
    struct reader *reader, size_t *ret_n, struct err *e)
{
    const struct scan_query query = rig_query((struct run_id){ 1 }, WIRE_STEP);
    return rank_scan(reader, &query, RANK_SCAN_DIAGNOSIS, count_step, ret_n, e);
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

static enum err_code read_all(const struct rig *rig, size_t *ret_n)
{
    struct err e = { 0 };
    struct reader *reader = NULL;
    struct run_row row = { 0 };
    *ret_n = 0;
    enum err_code code = reader_open(rig->path, &reader, &e);
    if (code == ERR_NONE) {
        code = runs_get(reader, "r", &row, &e);
    }
    if (code == ERR_NONE) {
        code = read_steps(reader, ret_n, &e);
    }
    if (code == ERR_NONE) {
        code = read_ranks(reader, ret_n, &e);
    }
    if (code == ERR_NONE) {
        code = read_series(reader, ret_n, &e);
    }
    run_row_done(&row);
    reader_close(reader);
    return code;
}

static void test_reading_survives_failed_allocations(void **state)
{
    (void)state;
    struct rig rig;
    struct err e = { 0 };
    size_t all = 0;
    rig_open(&rig, 100);
    assert_int_equal(write_all(rig.store, &e), ERR_NONE);
    assert_int_equal(read_all(&rig, &all), ERR_NONE);
    assert_true(all > 0);
    bool failed = true;
    long n = 0;
    for (; failed; n = sparse(n)) {
        size_t got = 0;
        faults_fail_allocation(n);
        enum err_code code = read_all(&rig, &got);
        failed = faults_off();
        assert_true(code == ERR_NOMEM || (code == ERR_NONE && got == all));
    }
    assert_true(n > 20);
    rig_close(&rig);
}

static void arm_write(long n)
{
    faults_fail_io(FAULT_WRITE, n);
}

static void arm_full(long n)
{
    faults_fail_io(FAULT_DISK_FULL, n);
}

static void test_every_failed_write_leaves_all_or_nothing(void **state)
{
    (void)state;
    sweep_write(arm_write, ERR_STORE);
}

static void test_a_disk_full_at_any_write_leaves_all_or_nothing(void **state)
{
    (void)state;
    sweep_write(arm_full, ERR_FULL);
}

static void test_a_failed_sync_fails_the_commit(void **state)
{
    (void)state;
    struct rig rig;
    struct err e = { 0 };
    rig_open(&rig, 100);
    store_close(rig.store);
    struct store_options options = { .path = rig.path, .seal_records = 100 };
    assert_int_equal(store_open(&options, &rig.store, &e), ERR_NONE);
    faults_fail_io(FAULT_SYNC, 0);
    assert_int_equal(write_all(rig.store, &e), ERR_STORE);
    assert_true(faults_off());
    assert_has(&rig, 0);
    assert_int_equal(write_all(rig.store, &e), ERR_NONE);
    assert_has(&rig, 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_failed_allocation_leaves_all_or_nothing),
        cmocka_unit_test(
            test_a_row_of_the_pyramid_comes_with_its_chunk_or_not_at_all),
        cmocka_unit_test(test_open_survives_failed_allocations),
        cmocka_unit_test(test_reading_survives_failed_allocations),
        cmocka_unit_test(test_every_failed_write_leaves_all_or_nothing),
        cmocka_unit_test(test_a_disk_full_at_any_write_leaves_all_or_nothing),
        cmocka_unit_test(test_a_failed_sync_fails_the_commit),
    };
    return cmocka_run_group_tests(tests, install, uninstall);
}
