/* The public calls against a scripted daemon behind a real socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/peer.h"
#include "../lib/spool_rig.h"
#include "traj.h"
#include "transport/drain.h"

struct world {
    char dir[64];
    struct peer peer;
    struct traj_options options;
    traj_run *run;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    test_dir_make(w->dir);
    peer_start(&w->peer);
    w->options = (struct traj_options)TRAJ_OPTIONS_INIT;
    w->options.endpoint = w->peer.endpoint;
    w->options.dir = w->dir;
    w->options.run_id = "run";
    *state = w;
    return 0;
}

/* The daemon lets records wait for as long as it may. */
static int setup_patient(void **state)
{
    (void)setup(state);
    struct world *w = *state;
    peer_lock(&w->peer)->wait_ms = DRAIN_WAIT_MAX_MS;
    peer_unlock(&w->peer);
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    peer_stop(&w->peer);
    peer_done(&w->peer);
    test_dir_remove(w->dir);
    free(w);
    return 0;
}

static void open_run(struct world *w)
{
    assert_int_equal(traj_open(&w->options, &w->run), TRAJ_OK);
}

static void record(struct world *w, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        struct traj_step step = rig_traj_step(i);
        assert_int_equal(traj_step(w->run, &step), TRAJ_OK);
    }
}

static struct traj_stats stats_of(const traj_run *run)
{
    struct traj_stats stats = { .size = sizeof stats };
    assert_int_equal(traj_get_stats(run, &stats), TRAJ_OK);
    return stats;
}

static bool all_is_acked(void *context)
{
    const struct world *w = context;
    struct traj_stats stats = stats_of(w->run);
    return stats.acked_seq == stats.last_seq;
}

/* Records of streams.records[i] that are steps, in order, then one event. */
static void assert_steps_then_finish(
    const struct fake_stream *s, uint64_t steps, int64_t exit_code)
{
    assert_int_equal(s->n, steps + 1);
    for (size_t i = 0; i < steps; i++) {
        const struct fake_record *r = &s->records[i];
        assert_is_rig_step(i, r->kind, r->present, r->values);
    }
    const struct fake_record *last = &s->records[steps];
    assert_int_equal(last->kind, WIRE_EVENT);
    assert_int_equal(last->values[EVENT_event], TRAJ_EVENT_FINISH);
    assert_int_equal((int64_t)last->values[EVENT_exit_code], exit_code);
}

static void test_finish_means_that_the_daemon_has_it_all(void **state)
{
    struct world *w = *state;
    open_run(w);
    record(w, 0, 20000);
    assert_int_equal(traj_finish(w->run, 3, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    assert_int_equal(d->malformed, 0);
    assert_steps_then_finish(&d->streams[0], 20000, 3);
    assert_true(d->streams[0].closed);
    assert_non_null(strstr(d->streams[0].json, "\"run_id\":\"run\""));
    peer_unlock(&w->peer);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/run/a0001-r00000", w->dir);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_a_run_survives_a_daemon_that_comes_and_goes(void **state)
{
    struct world *w = *state;
    char endpoint[64];
    memcpy(endpoint, w->peer.endpoint, sizeof endpoint);
    open_run(w);
    for (uint64_t i = 0; i < 3; i++) {
        record(w, i * 4000, i * 4000 + 2000);
        peer_stop(&w->peer); /* keeps what it has, as a store does */
        record(w, i * 4000 + 2000, i * 4000 + 4000);
        peer_start_at(&w->peer, endpoint);
        wait_until(all_is_acked, w);
    }
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    assert_steps_then_finish(&d->streams[0], 12000, 0);
    assert_int_equal(d->streams[0].lost, 0);
    peer_unlock(&w->peer);
}

static void test_metrics_events_and_probes_arrive_whole(void **state)
{
    struct world *w = *state;
    struct traj_probe probe;
    traj_probe_init(&probe);
    probe.step = 7;
    probe.smoothness = 0.5;
    probe.n_points = 2;
    probe.points[1] = (struct traj_probe_point){ 1, 2, 3, 4 };
    char longest[65536];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    open_run(w);
    assert_int_equal(traj_log(w->run, "val/acc", 5, 0.25), TRAJ_OK);
    assert_int_equal(traj_event(w->run, TRAJ_WARNING, 6, longest), TRAJ_OK);
    assert_int_equal(traj_event(w->run, TRAJ_INFO, 6, ""), TRAJ_OK);
    assert_int_equal(traj_log_probe(w->run, &probe), TRAJ_OK);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    const struct fake_record *r = d->streams[0].records;
    double quarter = 0.25;
    assert_string_equal(r[0].text, "val/acc");
    assert_memory_equal(&r[0].values[METRIC_value], &quarter, 8);
    assert_string_equal(r[1].text, longest);
    assert_int_equal(r[2].text_bytes, 0);
    assert_non_null(r[2].text);
    assert_int_equal(r[3].text_bytes, 64);
    assert_memory_equal(r[3].text, probe.points, 64);
    assert_false(r[3].present >> PROBE_loss & 1);
    peer_unlock(&w->peer);
}

static void test_a_nan_is_recorded_and_an_unset_value_is_not(void **state)
{
    struct world *w = *state;
    struct traj_step step;
    traj_step_init(&step);
    step.step = 1;
    step.loss = (double)__builtin_nanf("");
    step.lr = traj_unset();
    open_run(w);
    assert_int_equal(traj_step(w->run, &step), TRAJ_OK);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    const struct fake_record *r = d->streams[0].records;
    assert_true(r->present >> STEP_loss & 1);
    assert_int_equal(r->values[STEP_loss], 0x7ff8000000000000u);
    assert_false(r->present >> STEP_lr & 1);
    peer_unlock(&w->peer);
}

static void test_an_older_and_a_newer_caller_are_understood(void **state)
{
    struct world *w = *state;
    struct {
        struct traj_step step;
        double of_tomorrow[4];
    } newer = { .step = rig_traj_step(0) };
    newer.step.size = sizeof newer;
    struct traj_step older = rig_traj_step(1);
    older.size = offsetof(struct traj_step, param_sq);
    w->options.size = offsetof(struct traj_options, config_json);
    w->options.config_json = "not looked at";
    open_run(w);
    assert_int_equal(traj_step(w->run, &newer.step), TRAJ_OK);
    assert_int_equal(traj_step(w->run, &older), TRAJ_OK);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    const struct fake_record *r = d->streams[0].records;
    assert_is_rig_step(0, r[0].kind, r[0].present, r[0].values);
    assert_int_equal(r[1].present & ~(UINT64_C(1) << STEP_flags), 0x3f);
    assert_non_null(strstr(d->streams[0].json, "\"config\":{}"));
    peer_unlock(&w->peer);
}

static void test_a_caller_of_tomorrow_opens_asks_and_probes(void **state)
{
    struct world *w = *state;
    struct {
        struct traj_options options;
        unsigned char of_tomorrow[64];
    } options = { .options = w->options };
    struct {
        struct traj_stats stats;
        unsigned char of_tomorrow[64];
    } stats = { .stats = { .size = sizeof stats } };
    struct {
        struct traj_probe probe;
        unsigned char of_tomorrow[64];
    } probe;
    unsigned char untouched[64];
    memset(untouched, 0xee, sizeof untouched);
    memset(options.of_tomorrow, 0xee, sizeof options.of_tomorrow);
    memset(stats.of_tomorrow, 0xee, sizeof stats.of_tomorrow);
    traj_probe_init(&probe.probe);
    probe.probe.size = sizeof probe;
    options.options.size = sizeof options;
    assert_int_equal(traj_open(&options.options, &w->run), TRAJ_OK);
    assert_int_equal(traj_get_stats(w->run, &stats.stats), TRAJ_OK);
    assert_int_equal(stats.stats.size, sizeof stats);
    assert_memory_equal(stats.of_tomorrow, untouched, sizeof untouched);
    assert_int_equal(traj_log_probe(w->run, &probe.probe), TRAJ_OK);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    assert_int_equal(d->streams[0].n, 2);
    assert_int_equal(d->streams[0].records[0].kind, WIRE_PROBE);
    peer_unlock(&w->peer);
}

static void test_resume_is_a_new_attempt_and_sends_the_rest_of_the_old(
    void **state)
{
    struct world *w = *state;
    w->options.mode = TRAJ_MODE_OFFLINE;
    open_run(w);
    record(w, 0, 5000);
    traj_close(w->run);
    w->options.mode = TRAJ_MODE_ONLINE;
    open_run(w);
    assert_int_equal(traj_attempt(w->run), 2);
    record(w, 0, 100);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    open_run(w); /* both are sent and gone: the number still rises */
    assert_int_equal(traj_attempt(w->run), 3);
    traj_close(w->run);
    struct fake_daemon *d = peer_lock(&w->peer);
    size_t old = strstr(d->streams[0].json, "\"attempt\":1,") != NULL ? 0 : 1;
    assert_fake_stream_has_steps(&d->streams[old], 0, 5000);
    assert_int_equal(
        d->streams[old].bye_flags, WIRE_F_SYNC | WIRE_F_WRITER_GONE);
    assert_steps_then_finish(&d->streams[1 - old], 100, 0);
    assert_int_equal(d->streams[1 - old].sync_messages, 0);
    peer_unlock(&w->peer);
}

/* What a child process returns through its exit code. */
static int in_child(int (*body)(struct world *w), struct world *w)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(body(w));
    }
    int status = 0;
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int open_the_same_run(struct world *w)
{
    traj_run *other = NULL;
    return (int)traj_open(&w->options, &other);
}

static void test_a_run_being_recorded_is_busy_for_everyone_else(void **state)
{
    struct world *w = *state;
    open_run(w);
    assert_int_equal(open_the_same_run(w), TRAJ_EBUSY);
    assert_non_null(strstr(traj_last_error(), "locked by process"));
    assert_int_equal(in_child(open_the_same_run, w), TRAJ_EBUSY);
    /* The other's failure must not have cost us the lock. */
    assert_int_equal(in_child(open_the_same_run, w), TRAJ_EBUSY);
    w->options.rank = 1;
    w->options.world = 2;
    traj_run *rank_0 = w->run;
    open_run(w);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    assert_int_equal(traj_finish(rank_0, 0, 10000), TRAJ_OK);
}

static int use_the_parents_run(struct world *w)
{
    struct traj_step step = rig_traj_step(0);
    struct traj_stats stats = { .size = sizeof stats };
    bool forked = traj_step(w->run, &step) == TRAJ_EFORKED &&
                  traj_log(w->run, "a", 0, 0) == TRAJ_EFORKED &&
                  traj_event(w->run, TRAJ_INFO, 0, "") == TRAJ_EFORKED &&
                  traj_get_stats(w->run, &stats) == TRAJ_EFORKED &&
                  traj_finish(w->run, 0, 1) == TRAJ_EFORKED;
    traj_close(w->run);
    return forked ? 0 : 1;
}

static void test_a_forked_child_leaves_the_run_alone(void **state)
{
    struct world *w = *state;
    open_run(w);
    record(w, 0, 1000);
    assert_int_equal(in_child(use_the_parents_run, w), 0);
    record(w, 1000, 2000);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    assert_steps_then_finish(&d->streams[0], 2000, 0);
    peer_unlock(&w->peer);
}

#ifndef __SANITIZE_THREAD__
static int record_a_run_of_its_own(struct world *w)
{
    w->options.run_id = "child";
    open_run(w);
    record(w, 0, 100);
    return (int)traj_finish(w->run, 0, 10000);
}

static void test_a_forked_child_may_open_a_run_of_its_own(void **state)
{
    struct world *w = *state;
    open_run(w);
    traj_run *parents = w->run;
    assert_int_equal(in_child(record_a_run_of_its_own, w), TRAJ_OK);
    assert_int_equal(traj_finish(parents, 0, 10000), TRAJ_OK);
}
#endif

static void test_a_refused_run_is_told_and_kept(void **state)
{
    struct world *w = *state;
    struct fake_daemon *d = peer_lock(&w->peer);
    d->forced = WIRE_ACK_REFUSED;
    d->forced_n = 1;
    peer_unlock(&w->peer);
    open_run(w);
    record(w, 0, 10);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_EREFUSED);
    open_run(w); /* asked again: taken now */
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    d = peer_lock(&w->peer);
    assert_int_equal(d->n_streams, 2);
    peer_unlock(&w->peer);
}

static void test_without_a_daemon_finish_times_out_and_keeps_all(void **state)
{
    struct world *w = *state;
    w->options.endpoint = "tcp://127.0.0.1:9";
    open_run(w);
    record(w, 0, 10);
    assert_int_equal(traj_finish(w->run, 0, 50), TRAJ_ETIMEDOUT);
    w->options.endpoint = w->peer.endpoint;
    open_run(w);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    assert_int_equal(d->n_streams, 2);
    assert_int_equal(d->streams[0].n + d->streams[1].n, 12);
    peer_unlock(&w->peer);
}

static void test_at_the_limit_records_are_dropped_counted_and_told(void **state)
{
    struct world *w = *state;
    struct fake_daemon *d = peer_lock(&w->peer);
    d->silent = true;
    peer_unlock(&w->peer);
    w->options.spool_bytes = 1u << 20;
    open_run(w);
    struct traj_step step = rig_traj_step(0);
    uint64_t kept = 0;
    while (traj_step(w->run, &step) == TRAJ_OK) {
        kept++;
    }
    for (int i = 0; i < 9; i++) {
        assert_int_equal(traj_step(w->run, &step), TRAJ_EFULL);
    }
    assert_int_equal(stats_of(w->run).dropped, 10);
    assert_true(stats_of(w->run).spool_bytes <= 1u << 20);
    d = peer_lock(&w->peer);
    d->silent = false;
    peer_unlock(&w->peer);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    d = peer_lock(&w->peer);
    const struct fake_record *r = d->streams[0].records;
    assert_int_equal(d->streams[0].n, kept + 2);
    assert_int_equal(r[kept].values[EVENT_event], TRAJ_EVENT_DROPPED);
    double ten = 10;
    assert_memory_equal(&r[kept].values[EVENT_value], &ten, 8);
    assert_int_equal(r[kept + 1].values[EVENT_event], TRAJ_EVENT_FINISH);
    peer_unlock(&w->peer);
}

static void test_block_waits_for_room_and_drops_nothing(void **state)
{
    struct world *w = *state;
    w->options.spool_bytes = 1u << 20;
    w->options.full = TRAJ_FULL_BLOCK;
    open_run(w);
    record(w, 0, 50000); /* about 8 MB */
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    assert_steps_then_finish(&d->streams[0], 50000, 0);
    peer_unlock(&w->peer);
}

static void test_a_disabled_run_does_nothing_and_succeeds(void **state)
{
    struct world *w = *state;
    w->options.mode = TRAJ_MODE_DISABLED;
    open_run(w);
    record(w, 0, 10);
    assert_string_equal(stats_of(w->run).status, "disabled");
    assert_int_equal(traj_finish(w->run, 0, 0), TRAJ_OK);
    assert_int_equal(rmdir(w->dir), 0); /* it is empty */
    test_dir_make(w->dir);
}

static void test_wrong_options_are_named(void **state)
{
    struct world *w = *state;
    const struct {
        struct traj_options options;
        const char *text;
    } wrong[] = {
        { { .run_id = ".." }, "run_id" },
        { { .run_id = "a/b" }, "run_id" },
        { { .endpoint = "127.0.0.1:7011" }, "endpoint" },
        { { .endpoint = "tcp://127.0.0.1:99999" }, "endpoint" },
        { { .config_json = "{\"a\":1,}" }, "byte 7" },
        { { .config_json = "[]" }, "byte 0" },
        { { .project = "" }, "project" },
        { { .name = "\xff" }, "UTF-8" },
        { { .rank = 2, .world = 2 }, "rank 2 of world 2" },
        { { .fork_run = "a/b" }, "fork of \"a/b\"" },
        { { .run_id = "r", .fork_run = "r" }, "another run" },
        { { .fork_run = "p", .fork_step = UINT64_C(1) << 63 }, "2^63" },
        { { .mode = (enum traj_mode)9 }, "mode" },
        { { .dir = "/proc/no/such" }, "/proc/no/such" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct traj_options o = wrong[i].options;
        o.size = sizeof o;
        o.dir = o.dir != NULL ? o.dir : w->dir;
        enum traj_status status = traj_open(&o, &w->run);
        assert_true(status == TRAJ_EINVAL || status == TRAJ_EIO);
        assert_non_null(strstr(traj_last_error(), wrong[i].text));
        assert_null(w->run);
    }
}

static void test_a_fork_named_wrongly_by_the_environment_is_refused(
    void **state)
{
    struct world *w = *state;
    static const char *const wrong[] = { "p", "p@", "@5", "p@x", "p@-1",
        "p@1234567890123456789", "a/b@5", "p@5 " };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(setenv("TRAJ_FORK", wrong[i], 1), 0);
        assert_int_equal(traj_open(&w->options, &w->run), TRAJ_EINVAL);
        assert_null(w->run);
    }
    assert_int_equal(unsetenv("TRAJ_FORK"), 0);
}

static void test_null_runs_and_unset_structs_are_errors_not_crashes(
    void **state)
{
    struct world *w = *state;
    struct traj_step raw = { .size = 0 };
    struct traj_stats stats = { .size = 0 };
    assert_int_equal(traj_step(NULL, &raw), TRAJ_EINVAL);
    assert_int_equal(traj_finish(NULL, 0, 0), TRAJ_OK);
    traj_close(NULL);
    struct traj_options no_size = { .run_id = "mine" };
    assert_int_equal(traj_open(&no_size, &w->run), TRAJ_EINVAL);
    assert_non_null(strstr(traj_last_error(), "TRAJ_OPTIONS_INIT"));
    assert_null(w->run);
    open_run(w);
    assert_int_equal(traj_step(w->run, &raw), TRAJ_EINVAL);
    assert_int_equal(traj_step(w->run, NULL), TRAJ_EINVAL);
    assert_int_equal(traj_log(w->run, "", 0, 0), TRAJ_EINVAL);
    assert_int_equal(traj_log(w->run, NULL, 0, 0), TRAJ_EINVAL);
    assert_int_equal(traj_event(w->run, TRAJ_INFO, 0, NULL), TRAJ_EINVAL);
    struct traj_probe probe;
    traj_probe_init(&probe);
    probe.n_points = TRAJ_GAMMAS_MAX + 1;
    assert_int_equal(traj_log_probe(w->run, &probe), TRAJ_EINVAL);
    assert_non_null(strstr(traj_last_error(), "n_points is 33"));
    assert_int_equal(traj_get_stats(w->run, &stats), TRAJ_EINVAL);
    traj_close(w->run);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define PATIENT(name)                                                          \
    cmocka_unit_test_setup_teardown(name, setup_patient, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_finish_means_that_the_daemon_has_it_all),
        PATIENT(test_finish_means_that_the_daemon_has_it_all),
        PATIENT(test_a_run_survives_a_daemon_that_comes_and_goes),
        PATIENT(test_resume_is_a_new_attempt_and_sends_the_rest_of_the_old),
        TEST(test_a_run_survives_a_daemon_that_comes_and_goes),
        TEST(test_metrics_events_and_probes_arrive_whole),
        TEST(test_a_nan_is_recorded_and_an_unset_value_is_not),
        TEST(test_an_older_and_a_newer_caller_are_understood),
        TEST(test_a_caller_of_tomorrow_opens_asks_and_probes),
        TEST(test_resume_is_a_new_attempt_and_sends_the_rest_of_the_old),
        TEST(test_a_run_being_recorded_is_busy_for_everyone_else),
        TEST(test_a_forked_child_leaves_the_run_alone),
/* ThreadSanitizer cannot follow a forked child that starts threads. */
#ifndef __SANITIZE_THREAD__
        TEST(test_a_forked_child_may_open_a_run_of_its_own),
#endif
        TEST(test_a_refused_run_is_told_and_kept),
        TEST(test_without_a_daemon_finish_times_out_and_keeps_all),
        TEST(test_at_the_limit_records_are_dropped_counted_and_told),
        TEST(test_block_waits_for_room_and_drops_nothing),
        TEST(test_a_disabled_run_does_nothing_and_succeeds),
        TEST(test_wrong_options_are_named),
        TEST(test_a_fork_named_wrongly_by_the_environment_is_refused),
        TEST(test_null_runs_and_unset_structs_are_errors_not_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
