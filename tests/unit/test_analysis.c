/* Tests of daemon/threads/analysis.c: over a store that the test writes. */
#include "threads/analysis.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/clock.h"
#include "../lib/store_rig.h"
#include "traj.h"

#define PATIENCE_NS (30 * NS_PER_S)

struct bench {
    struct rig rig;
    struct live *live;
    struct analysis *analysis;
    struct live_stream *stream;
    _Atomic bool asleep; /* relaxed: read_events looks again */
    char *text;
    size_t n;
};

static void run_json(
    struct buf *out, const struct run_row *run, int64_t now_wall_ns)
{
    const struct run_limits limits = RUN_LIMITS_DEFAULT;
    buf_printf(out, "{\"id\":\"%s\",\"state\":\"%s\"}", run->uid,
        run_state_name(run_state_at(&run->facts, now_wall_ns, &limits)));
}

static void fall_asleep(void *context)
{
    struct bench *bench = context;
    atomic_store(&bench->asleep, true);
}

static void wake(void *context)
{
    struct bench *bench = context;
    atomic_store(&bench->asleep, false);
}

static void setup(struct bench *bench)
{
    struct err e = { 0 };
    *bench = (struct bench){ .text = calloc(1, 1) };
    rig_open(&bench->rig, 0);
    assert_int_equal(live_new(&bench->live, &e), ERR_NONE);
    const struct live_stream_options options = {
        .sleep = fall_asleep,
        .wake = wake,
        .context = bench,
    };
    assert_int_equal(
        live_stream_open(bench->live, &options, &bench->stream, &e), ERR_NONE);
}

typedef enum err_code (*add_alert_fn)(void *context, const char *run_uid,
    const struct alert *alert, bool *ret_new, struct err *e);

/* What the analysis thread gave; for after it has ended. */
struct taken {
    _Atomic int calls;
    struct alert first;
    struct alert last;
};

static void start_with(
    struct bench *bench, add_alert_fn add_alert, void *context)
{
    struct err e = { 0 };
    const struct analysis_options options = {
        .db_path = bench->rig.path,
        .live = bench->live,
        .run_json = run_json,
        .alert_limits = ALERT_LIMITS_DEFAULT,
        .add_alert = add_alert,
        .context = context,
    };
    assert_int_equal(analysis_start(&options, &bench->analysis, &e), ERR_NONE);
}

static void start(struct bench *bench)
{
    start_with(bench, NULL, NULL);
}

static void teardown(struct bench *bench)
{
    analysis_stop(bench->analysis);
    live_stream_close(bench->stream);
    live_free(bench->live);
    rig_close(&bench->rig);
    free(bench->text);
}

static void read_events(struct bench *bench)
{
    char piece[4096];
    while (!atomic_load(&bench->asleep)) {
        long n = live_read(bench->stream, piece, sizeof piece);
        if (n > 0) {
            bench->text = realloc(bench->text, bench->n + (size_t)n + 1);
            memcpy(bench->text + bench->n, piece, (size_t)n);
            bench->n += (size_t)n;
            bench->text[bench->n] = '\0';
        }
    }
}

static void pause_briefly(void)
{
    const struct timespec pause = { .tv_nsec = 2000000 };
    (void)nanosleep(&pause, NULL);
}

static bool hears(struct bench *bench, const char *wanted)
{
    int64_t deadline = clock_mono_ns() + PATIENCE_NS;
    do {
        read_events(bench);
        if (strstr(bench->text, wanted) != NULL) {
            return true;
        }
        pause_briefly();
    } while (clock_mono_ns() < deadline);
    return false;
}

/* Waits until the fit of so many PROBE records is known. */
static bool fitted(
    struct bench *bench, const char *uid, uint64_t records, struct run_fit *ret)
{
    int64_t deadline = clock_mono_ns() + PATIENCE_NS;
    while (!analysis_fit(bench->analysis, uid, records, ret)) {
        if (clock_mono_ns() > deadline) {
            return false;
        }
        pause_briefly();
    }
    return true;
}

/* ---- records ---- */

/* x goes up and down, so that it is no function of time. */
static double x_at(uint64_t step)
{
    return 0.5 + (double)(step * 7919 % 101) / 10;
}

static struct rig_record probe(
    uint64_t seq, uint64_t step, double L0, double L1)
{
    struct rig_record r = { .seq = seq, .kind = WIRE_PROBE };
    r.values[PROBE_step] = step;
    r.values[PROBE_estimator] = TRAJ_ESTIMATOR_SAME_BATCH;
    r.present = 1u << PROBE_step | 1u << PROBE_estimator;
    double x = x_at(step);
    rig_set(&r, PROBE_grad_sq, x * x);
    rig_set(&r, PROBE_grad_mid_sq, x * x);
    rig_set(&r, PROBE_grad_end_sq, x * x);
    rig_set(&r, PROBE_delta_sq, 1e-12);
    rig_set(&r, PROBE_dgrad_sq, 1e-12 * (L0 + L1 * x) * (L0 + L1 * x));
    return r;
}

/* n steps, each with its probe, from seq and step on. */
static void append_law(struct bench *bench, struct stream_state *state,
    uint32_t uid, uint64_t step, size_t n, double L1)
{
    struct rig_records records = { 0 };
    uint64_t seq = state->committed_seq + 1;
    for (size_t i = 0; i < n; i++) {
        struct rig_record s = rig_step(seq + 2 * i, step + i, 1);
        struct rig_record p = probe(seq + 2 * i + 1, step + i, 2, L1);
        rig_records_add(&records, &s);
        rig_records_add(&records, &p);
    }
    rig_append(&bench->rig, state, uid, &records, 0, records.n);
    rig_records_done(&records);
    live_touch(bench->live, state->run_uid);
}

/* n operator norms of the law 2 + 3 x, from seq on, at the steps from 0 on. */
static void append_norms(
    struct bench *bench, struct stream_state *state, uint32_t uid, size_t n)
{
    struct rig_records records = { 0 };
    for (size_t i = 0; i < n; i++) {
        struct rig_record r = { .seq = state->committed_seq + 1 + i,
            .kind = WIRE_SHARPNESS };
        const double x = x_at(i);
        r.values[SHARPNESS_step] = i;
        r.values[SHARPNESS_converged] = 1;
        r.present = 1u << SHARPNESS_step | 1u << SHARPNESS_converged;
        rig_set(&r, SHARPNESS_value, 2 + 3 * x);
        rig_set(&r, SHARPNESS_grad_sq, x * x);
        rig_records_add(&records, &r);
    }
    rig_append(&bench->rig, state, uid, &records, 0, records.n);
    rig_records_done(&records);
    live_touch(bench->live, state->run_uid);
}

static double relative_L1(const struct run_fit *fit)
{
    assert_true(fit->report.fits[0].valid);
    assert_string_equal(fit->report.fits[0].method, "nnls_relative");
    return fit->report.fits[0].line.L1;
}

/* ---- the tests ---- */

static void test_new_probes_are_fitted_and_told(void **state)
{
    (void)state;
    struct bench bench;
    struct run_fit fit;
    setup(&bench);
    start(&bench);
    struct stream_state stream =
        rig_hello(&bench.rig, 1, "{\"run_id\":\"a\",\"attempt\":1}");
    append_law(&bench, &stream, 1, 0, 100, 3);
    assert_true(fitted(&bench, "a", 100, &fit));
    assert_int_equal(fit.report.n, 100);
    assert_true(fabs(relative_L1(&fit) - 3) < 1e-9);
    assert_true(hears(&bench, "event: fit\ndata: {\"run\":\"a\","));
    assert_non_null(strstr(bench.text, "event: run\ndata: {\"id\":\"a\""));

    /* The second reading goes on where the first one ended. */
    append_law(&bench, &stream, 1, 100, 50, 3);
    assert_true(fitted(&bench, "a", 150, &fit));
    assert_int_equal(fit.report.n, 150);
    assert_int_equal(fit.last_step, 149);
    teardown(&bench);
}

static void test_a_rewound_run_is_read_again(void **state)
{
    (void)state;
    struct bench bench;
    struct run_fit fit;
    setup(&bench);
    start(&bench);
    struct stream_state first =
        rig_hello(&bench.rig, 1, "{\"run_id\":\"a\",\"attempt\":1}");
    append_law(&bench, &first, 1, 0, 100, 3);
    assert_true(fitted(&bench, "a", 100, &fit));
    struct stream_state second =
        rig_hello(&bench.rig, 2, "{\"run_id\":\"a\",\"attempt\":2}");
    append_law(&bench, &second, 2, 40, 100, 3);
    assert_true(fitted(&bench, "a", 200, &fit));
    assert_int_equal(fit.report.n, 140); /* 0..39 of 1, 40..139 of 2 */

    /* The rest of the first attempt comes late: it was replaced too. */
    append_law(&bench, &first, 1, 100, 10, 99);
    assert_true(fitted(&bench, "a", 210, &fit));
    assert_int_equal(fit.report.n, 140);
    assert_true(fabs(relative_L1(&fit) - 3) < 1e-9);
    teardown(&bench);
}

static void append_probes(struct bench *bench, struct stream_state *state,
    uint32_t uid, uint64_t step, size_t n)
{
    struct rig_records records = { 0 };
    for (size_t i = 0; i < n; i++) {
        struct rig_record p =
            probe(state->committed_seq + 1 + i, step + i, 2, 3);
        rig_records_add(&records, &p);
    }
    rig_append(&bench->rig, state, uid, &records, 0, records.n);
    rig_records_done(&records);
    live_touch(bench->live, state->run_uid);
}

/* Where an attempt without steps begins is known with its first probe: later
 * than the attempt itself. */
static void test_a_rewound_run_of_probes_alone_is_read_again(void **state)
{
    (void)state;
    struct bench bench;
    struct run_fit fit;
    setup(&bench);
    start(&bench);
    struct stream_state first =
        rig_hello(&bench.rig, 1, "{\"run_id\":\"a\",\"attempt\":1}");
    struct stream_state second =
        rig_hello(&bench.rig, 2, "{\"run_id\":\"a\",\"attempt\":2}");
    append_probes(&bench, &first, 1, 0, 100);
    assert_true(fitted(&bench, "a", 100, &fit));
    assert_int_equal(fit.report.n, 100);
    append_probes(&bench, &second, 2, 40, 100);
    assert_true(fitted(&bench, "a", 200, &fit));
    assert_int_equal(fit.report.n, 140); /* 0..39 of 1, 40..139 of 2 */
    teardown(&bench);
}

static void test_a_run_is_lost_without_a_word(void **state)
{
    (void)state;
    struct bench bench;
    struct err e = { 0 };
    struct stream_state stream;
    const struct run_limits limits = RUN_LIMITS_DEFAULT;
    setup(&bench);
    start(&bench);
    /* In three seconds it is lost: by then the looks that the HELLO and the
     * touch ask for are over, and only the time can ask for another. */
    int64_t heard = clock_wall_ns() - limits.lost_after_ns + 3 * NS_PER_S;
    struct stream_uid uid = rig_uid(1);
    assert_int_equal(store_begin(bench.rig.store, &e), ERR_NONE);
    assert_int_equal(
        store_hello(bench.rig.store, uid,
            STR("{\"run_id\":\"quiet\",\"attempt\":1}"), heard, &stream, &e),
        ERR_NONE);
    assert_int_equal(store_commit(bench.rig.store, &e), ERR_NONE);
    live_touch(bench.live, "quiet");
    assert_true(hears(&bench, "{\"id\":\"quiet\",\"state\":\"live\"}"));
    assert_true(hears(&bench, "{\"id\":\"quiet\",\"state\":\"lost\"}"));
    teardown(&bench);
}

static void test_runs_from_before_the_start_are_followed(void **state)
{
    (void)state;
    struct bench bench;
    struct err e = { 0 };
    struct stream_state stream;
    setup(&bench);
    assert_int_equal(store_begin(bench.rig.store, &e), ERR_NONE);
    assert_int_equal(store_hello(bench.rig.store, rig_uid(1),
                         STR("{\"run_id\":\"old\",\"attempt\":1}"),
                         clock_wall_ns(), &stream, &e),
        ERR_NONE);
    assert_int_equal(store_commit(bench.rig.store, &e), ERR_NONE);
    start(&bench);
    assert_true(hears(&bench, "{\"id\":\"old\",\"state\":\"live\"}"));
    teardown(&bench);
}

static void test_advice_needs_a_verdict_that_allows_it(void **state)
{
    (void)state;
    struct bench bench;
    struct run_fit fit;
    struct run_law law;
    setup(&bench);
    start(&bench);
    assert_false(analysis_advice(bench.analysis, "a", &law));
    struct stream_state stream = rig_hello(&bench.rig, 1,
        "{\"run_id\":\"a\",\"attempt\":1,\"optimizer\":\"sgd\"}");
    append_law(&bench, &stream, 1, 0, 10, 3);
    assert_true(fitted(&bench, "a", 10, &fit));
    assert_string_equal(fit.reason, "too_few_pairs");
    assert_false(analysis_advice(bench.analysis, "a", &law));
    append_law(&bench, &stream, 1, 10, 90, 3);
    assert_true(fitted(&bench, "a", 100, &fit));
    assert_int_equal(fit.warnings, 0);
    assert_true(analysis_advice(bench.analysis, "a", &law));
    assert_int_equal(law.n, 100);
    assert_true(fabs(law.line.L0 - 2) < 1e-9 && fabs(law.line.L1 - 3) < 1e-9);
    assert_true(hears(&bench,
        "event: verdict\ndata: {\"run\":\"a\",\"verdict\":\"too_few\""));
    assert_true(
        hears(&bench, "event: verdict\ndata: {\"run\":\"a\",\"verdict\":"
                      "\"grows_unconfirmed\""));

    /* Operator norms alone change what is said. */
    append_norms(&bench, &stream, 1, 60);
    assert_true(hears(
        &bench, "event: verdict\ndata: {\"run\":\"a\",\"verdict\":\"grows\""));

    /* The steps of Adam are in a metric of its own. */
    stream = rig_hello(&bench.rig, 2,
        "{\"run_id\":\"b\",\"attempt\":1,\"optimizer\":\"adam\"}");
    append_law(&bench, &stream, 2, 0, 100, 3);
    assert_true(fitted(&bench, "b", 100, &fit));
    assert_false(analysis_advice(bench.analysis, "b", &law));
    teardown(&bench);
}

/* Fails once, then takes what it is given. */
static enum err_code take_alert(void *context, const char *run_uid,
    const struct alert *alert, bool *ret_new, struct err *e)
{
    struct taken *taken = context;
    if (atomic_fetch_add(&taken->calls, 1) == 0) {
        taken->first = *alert;
        return err_set(e, ERR_STORE, "the disk is full");
    }
    taken->last = *alert;
    assert_string_equal(run_uid, "a");
    *ret_new = true;
    return ERR_NONE;
}

static void test_an_alert_that_cannot_be_stored_is_tried_again(void **state)
{
    (void)state;
    struct bench bench;
    struct taken taken = { 0 };
    setup(&bench);
    start_with(&bench, take_alert, &taken);
    struct stream_state stream =
        rig_hello(&bench.rig, 1, "{\"run_id\":\"a\",\"attempt\":1}");
    struct rig_records records = { 0 };
    struct rig_record bad = rig_step(1, 5, (double)NAN);
    rig_records_add(&records, &bad);
    rig_append(&bench.rig, &stream, 1, &records, 0, 1);
    rig_records_done(&records);
    live_touch(bench.live, "a");
    assert_true(hears(&bench,
        "event: alert\ndata: {\"run\":\"a\",\"rule\":\"non_finite\","
        "\"severity\":\"error\",\"attempt\":1,\"rank\":null,\"step\":5,"));
    teardown(&bench);
    assert_int_equal(atomic_load(&taken.calls), 2);
    assert_int_equal(taken.first.wall_ns, taken.last.wall_ns);
    assert_string_equal(taken.first.sentence, taken.last.sentence);
}

static void test_stopping_does_not_wait_for_work(void **state)
{
    (void)state;
    struct bench bench;
    setup(&bench);
    start(&bench);
    teardown(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_probes_are_fitted_and_told),
        cmocka_unit_test(test_a_rewound_run_is_read_again),
        cmocka_unit_test(test_a_rewound_run_of_probes_alone_is_read_again),
        cmocka_unit_test(test_a_run_is_lost_without_a_word),
        cmocka_unit_test(test_runs_from_before_the_start_are_followed),
        cmocka_unit_test(test_advice_needs_a_verdict_that_allows_it),
        cmocka_unit_test(test_an_alert_that_cannot_be_stored_is_tried_again),
        cmocka_unit_test(test_stopping_does_not_wait_for_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
