/* What the watch of a run reads of its records: each once, of all ranks, the
 * newest where there are too many; and what it makes of them. */
#include "threads/alert_watch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/store_rig.h"
#include "base/clock.h"
#include "base/counters.h"
#include "store/alerts.h"
#include "threads/analysis_run.h"

#define WORLD 8u

static struct rig *rig;
static struct alert_pool pool;
static struct alert_watch *watch;
static struct stream_state streams[WORLD];

static int open_rig(void **state)
{
    (void)state;
    rig = calloc(1, sizeof *rig);
    watch = calloc(1, sizeof *watch);
    assert_true(rig != NULL && watch != NULL);
    rig_open(rig, 0);
    pool = (struct alert_pool){ 0 };
    memset(streams, 0, sizeof streams);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    alert_watch_done(watch);
    free(watch);
    assert_int_equal(pool.windows, 0);
    rig_close(rig);
    free(rig);
    return 0;
}

/* As after a restart. */
static void forget(void)
{
    alert_watch_done(watch);
    memset(watch, 0, sizeof *watch);
}

/* The stream of a rank has the number attempt * 100 + rank. */
static struct stream_state hello(
    uint32_t attempt, uint32_t rank, uint32_t world)
{
    char json[120];
    (void)snprintf(json, sizeof json,
        "{\"run_id\":\"a\",\"attempt\":%u,\"rank\":%u,\"world\":%u}",
        (unsigned)attempt, (unsigned)rank, (unsigned)world);
    return rig_hello(rig, attempt * 100 + rank, json);
}

static void hello_all(uint32_t attempt)
{
    for (uint32_t rank = 0; rank < WORLD; rank++) {
        streams[rank] = hello(attempt, rank, WORLD);
    }
}

static void append_losses(
    struct stream_state *stream, uint64_t first_step, size_t n, double loss)
{
    struct rig_records records = { 0 };
    const uint32_t uid = stream->attempt * 100 + stream->rank;
    for (size_t i = 0; i < n; i++) {
        struct rig_record r =
            rig_step(stream->committed_seq + 1 + i, first_step + i, loss);
        rig_records_add(&records, &r);
    }
    for (size_t at = 0; at < n; at += 4096) {
        rig_append(
            rig, stream, uid, &records, at, n - at < 4096 ? n : at + 4096);
    }
    rig_records_done(&records);
}

static void append_to_all(
    uint64_t first_step, size_t n, double loss, uint32_t but)
{
    for (uint32_t rank = 0; rank < WORLD; rank++) {
        if (rank != but) {
            append_losses(&streams[rank], first_step, n, loss);
        }
    }
}

static void look(void)
{
    struct reader *reader = NULL;
    struct err e = { 0 };
    const struct alert_limits limits = ALERT_LIMITS_DEFAULT;
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(reader_begin(reader, &e), ERR_NONE);
    struct run_row run;
    assert_int_equal(runs_get(reader, "a", &run, &e), ERR_NONE);
    assert_int_equal(
        alert_watch_read(watch, &pool, reader, &run, &limits, &e), ERR_NONE);
    run_row_done(&run);
    reader_end(reader);
    reader_close(reader);
}

static void store(const struct alert *alert)
{
    struct err e = { 0 };
    bool is_new = false;
    assert_int_equal(store_begin(rig->store, &e), ERR_NONE);
    assert_int_equal(
        store_add_alert(rig->store, "a", alert, &is_new, &e), ERR_NONE);
    assert_int_equal(store_commit(rig->store, &e), ERR_NONE);
    assert_true(is_new);
}

/* All that wait for others, raised and stored: how many of the rule; the last
 * of them in *ret. */
static size_t raised(enum alert_rule rule, struct alert *ret)
{
    const int64_t later = clock_mono_ns() + ALERT_SETTLE_NS;
    struct alert alert;
    size_t n = 0;
    while (alert_cases_next(&watch->cases, later, RIG_NOW_NS, &alert)) {
        store(&alert);
        alert_cases_told(&watch->cases, &alert);
        if (alert.rule == rule) {
            *ret = alert;
            n++;
        }
    }
    return n;
}

static void assert_raised(uint32_t rank, uint64_t step, const char *sentence)
{
    struct alert alert = { 0 };
    assert_int_equal(raised(ALERT_NON_FINITE, &alert), 1);
    assert_int_equal(alert.rank, rank);
    assert_int_equal(alert.step, step);
    assert_string_equal(alert.sentence, sentence);
}

static void assert_none_raised(void)
{
    struct alert alert = { 0 };
    assert_int_equal(raised(ALERT_NON_FINITE, &alert), 0);
}

/* ---- of one process ------------------------------------------------------ */

static void test_a_watch_reads_each_record_once(void **state)
{
    (void)state;
    struct stream_state stream = hello(1, 0, 1);
    append_losses(&stream, 0, 50, 1);
    look();
    assert_int_equal(watch->windows.loss.n, 50);
    append_losses(&stream, 50, 10, 1);
    look();
    assert_int_equal(watch->windows.loss.n, 60);
    look();
    assert_int_equal(watch->windows.loss.n, 60);
    assert_int_equal(watch->ranks[0].seq, 60);
    append_losses(&stream, 60, 1, (double)NAN);
    look();
    assert_raised(ALERT_NO_RANK, 60, "the loss is NaN at step 60");
}

static void test_of_more_than_a_look_takes_the_newest_are_seen(void **state)
{
    (void)state;
    const uint64_t before = counter_get(COUNTER_ALERT_RECORDS_SKIPPED);
    struct stream_state stream = hello(1, 0, 1);
    append_losses(&stream, 0, 99, 1);
    append_losses(&stream, 99, 2, (double)NAN); /* steps 99 and 100 */
    append_losses(&stream, 101, ALERT_LOOK_RECORDS - 1, 1);
    look();
    assert_int_equal(counter_get(COUNTER_ALERT_RECORDS_SKIPPED) - before, 100);
    assert_int_equal(watch->left_out, 100);
    assert_raised(ALERT_NO_RANK, 100, "the loss is NaN at step 100");
    append_losses(&stream, 70000, 1, 1);
    look();
    assert_int_equal(watch->left_out, 0);
    assert_int_equal(counter_get(COUNTER_ALERT_RECORDS_SKIPPED) - before, 100);
}

static void test_the_oldest_of_all_attempts_are_left_out(void **state)
{
    (void)state;
    struct alert alert = { 0 };
    struct stream_state first = hello(1, 0, 1);
    append_losses(&first, 0, 100, (double)NAN);
    struct stream_state second = hello(2, 0, 1);
    append_losses(&second, 0, 50, (double)NAN);
    append_losses(&second, 50, 1, (double)NAN);
    append_losses(&second, 51, ALERT_LOOK_RECORDS - 1, 1);
    look();
    assert_int_equal(raised(ALERT_NON_FINITE, &alert), 1);
    assert_int_equal(alert.attempt, 2);
    assert_int_equal(alert.step, 50);
}

static void test_records_of_other_kinds_are_passed_by(void **state)
{
    (void)state;
    struct rig_records records = { 0 };
    const struct rig_record event = {
        .seq = 11, .kind = WIRE_EVENT, .present = UINT64_C(1) << EVENT_event
    };
    struct stream_state stream = hello(1, 0, 1);
    append_losses(&stream, 0, 10, 1);
    rig_records_add(&records, &event);
    rig_append(rig, &stream, 100, &records, 0, 1);
    rig_records_done(&records);
    look();
    assert_int_equal(watch->ranks[0].seq, 11);
}

static void test_of_many_troubles_in_one_look_none_is_lost(void **state)
{
    (void)state;
    struct alert alert = { 0 };
    struct stream_state stream = hello(1, 0, 1);
    for (size_t i = 0; i < 12; i++) {
        append_losses(&stream, 200 * i, 1, (double)NAN);
        append_losses(&stream, 200 * i + 1, 199, 1);
    }
    look();
    assert_int_equal(raised(ALERT_NON_FINITE, &alert), 12);
}

static void test_a_new_watch_knows_what_is_stored(void **state)
{
    (void)state;
    struct stream_state stream = hello(1, 0, 1);
    append_losses(&stream, 0, 50, 1);
    append_losses(&stream, 50, 10, (double)NAN);
    look();
    assert_raised(ALERT_NO_RANK, 50, "the loss is NaN at step 50");
    forget();
    look();
    assert_none_raised();
    append_losses(&stream, 60, 100, 1);
    append_losses(&stream, 160, 1, (double)NAN);
    look();
    assert_raised(ALERT_NO_RANK, 160, "the loss is NaN at step 160");
}

static void test_an_older_attempt_that_comes_late_is_passed_by(void **state)
{
    (void)state;
    struct stream_state first = hello(1, 0, 1);
    append_losses(&first, 0, 10, 1);
    (void)hello(2, 0, 1);
    look();
    assert_int_equal(watch->attempt, 2);
    const uint64_t before = counter_get(COUNTER_ALERT_RECORDS_SKIPPED);
    append_losses(&first, 10, ALERT_LOOK_RECORDS + 1, (double)NAN);
    look();
    assert_int_equal(watch->attempt, 2);
    assert_int_equal(counter_get(COUNTER_ALERT_RECORDS_SKIPPED), before);
    assert_none_raised();
}

/* ---- of several ---------------------------------------------------------- */

static void test_the_rank_that_has_it_first_is_named(void **state)
{
    (void)state;
    hello_all(1);
    append_to_all(0, 100, 1, UINT32_MAX);
    look();
    append_losses(&streams[5], 100, 1, (double)NAN);
    append_to_all(100, 1, 1, 5);
    append_to_all(101, 1, (double)NAN, UINT32_MAX);
    look();
    assert_raised(
        5, 100, "rank 5: the loss is NaN at step 100; 7 more within 10 steps");
}

static void test_ranks_that_come_in_one_look_after_the_other_are_together(
    void **state)
{
    (void)state;
    hello_all(1);
    append_to_all(0, 10, 1, UINT32_MAX);
    for (uint32_t rank = WORLD; rank-- > 0;) {
        append_losses(&streams[rank], 10, 1, (double)NAN);
        look();
    }
    assert_raised(ALERT_NO_RANK, 10, "all 8 ranks: the loss is NaN at step 10");
    append_to_all(11, 5, (double)NAN, UINT32_MAX);
    look();
    assert_none_raised();
}

static void test_after_a_restart_no_rank_tells_again(void **state)
{
    (void)state;
    hello_all(1);
    append_to_all(0, 10, 1, UINT32_MAX);
    append_losses(&streams[5], 10, 300, (double)NAN);
    append_to_all(11, 300, (double)NAN, 5);
    look();
    assert_raised(
        5, 10, "rank 5: the loss is NaN at step 10; 7 more within 10 steps");
    forget();
    look();
    assert_none_raised();
    /* What is new is told, and by whom. */
    append_to_all(1000, 100, 1, UINT32_MAX);
    append_losses(&streams[2], 1100, 1, (double)NAN);
    look();
    assert_raised(2, 1100, "rank 2: the loss is NaN at step 1100");
}

/* Only their ends are looked at again, behind where they began to fail. */
static void test_after_a_restart_that_sees_the_newest_alone_too(void **state)
{
    (void)state;
    const uint64_t quota = ALERT_LOOK_RECORDS / WORLD;
    hello_all(1);
    append_losses(&streams[5], 10, 1, (double)NAN);
    append_to_all(11, 1, (double)NAN, 5);
    look();
    assert_raised(
        5, 10, "rank 5: the loss is NaN at step 10; 7 more within 10 steps");
    append_to_all(20, quota, (double)NAN, UINT32_MAX);
    forget();
    look();
    assert_int_equal(watch->left_out, WORLD);
    assert_none_raised();
}

static void test_the_newest_of_each_rank_are_seen_and_all_of_the_others(
    void **state)
{
    (void)state;
    const uint64_t before = counter_get(COUNTER_ALERT_RECORDS_SKIPPED);
    hello_all(1);
    for (uint32_t rank = 0; rank < WORLD; rank++) {
        append_losses(&streams[rank], 0, 100 * rank, 1);
    }
    append_losses(&streams[7], 700, 1, (double)NAN);
    append_losses(&streams[7], 701, 70000, 1);
    look();
    /* 0 + 100 + ... + 600 of the others. */
    assert_int_equal(counter_get(COUNTER_ALERT_RECORDS_SKIPPED) - before,
        70701 - (ALERT_LOOK_RECORDS - 2100));
    assert_none_raised(); /* it was left out */
    assert_int_equal(watch->ranks[6].rules.windows->loss.n, 128);
    assert_int_equal(watch->ranks[1].rules.windows->loss.n, 100);
    assert_int_equal(watch->ranks[7].seq, 70701);
    append_losses(&streams[6], 600, 1, (double)NAN);
    look();
    assert_raised(6, 600, "rank 6: the loss is NaN at step 600");
}

static void test_of_two_that_are_far_behind_each_has_its_part(void **state)
{
    (void)state;
    hello_all(1);
    for (uint32_t rank = 3; rank < 5; rank++) {
        append_losses(&streams[rank], 0, 10000, 1);
        append_losses(&streams[rank], 10000, 2, (double)NAN);
        append_losses(&streams[rank], 10002, ALERT_LOOK_RECORDS / 2 - 1, 1);
    }
    look();
    assert_int_equal(watch->left_out, 2 * 10001);
    assert_raised(
        3, 10001, "2 of 8 ranks, the lowest 3: the loss is NaN at step 10001");
}

static void test_a_rank_beyond_the_world_is_not_looked_at(void **state)
{
    (void)state;
    hello_all(1);
    append_to_all(0, 10, 1, UINT32_MAX);
    struct stream_state smaller = hello(2, 0, 2);
    append_losses(&smaller, 0, 10, 1);
    look();
    assert_int_equal(watch->n_ranks, 2);
    append_losses(&streams[5], 10, 10, (double)NAN);
    look();
    assert_none_raised();
    struct stream_state larger = hello(3, 11, 12);
    append_losses(&larger, 0, 1, (double)NAN);
    look();
    assert_int_equal(watch->n_ranks, 12);
    struct alert alert = { 0 };
    assert_int_equal(raised(ALERT_NON_FINITE, &alert), 2);
}

/* ---- bounds -------------------------------------------------------------- */

static void test_ranks_without_room_are_not_watched(void **state)
{
    (void)state;
    pool.ranks = ALERT_RANKS_MAX - 5;
    hello_all(1);
    append_losses(&streams[4], 0, 1, (double)NAN);
    append_losses(&streams[5], 50, 1, (double)NAN);
    look();
    assert_int_equal(watch->n_ranks, 5);
    assert_int_equal(pool.ranks, ALERT_RANKS_MAX);
    assert_raised(4, 0, "rank 4: the loss is NaN at step 0");
    pool.ranks -= 20; /* others have gone */
    look();
    assert_int_equal(watch->n_ranks, WORLD);
    alert_watch_done(watch);
    assert_int_equal(pool.ranks, ALERT_RANKS_MAX - 25);
    memset(watch, 0, sizeof *watch);
}

static void test_ranks_without_windows_have_what_needs_none(void **state)
{
    (void)state;
    pool.windows = ALERT_WINDOWS_MAX - 2;
    hello_all(1);
    append_to_all(0, 40, 1, UINT32_MAX);
    look();
    assert_int_equal(pool.windows, ALERT_WINDOWS_MAX);
    assert_ptr_equal(watch->ranks[0].rules.windows, &watch->windows);
    assert_non_null(watch->ranks[2].rules.windows);
    assert_null(watch->ranks[3].rules.windows);
    append_losses(&streams[7], 40, 1, (double)NAN);
    look();
    assert_raised(7, 40, "rank 7: the loss is NaN at step 40");
    alert_watch_rest(watch);
    assert_int_equal(pool.windows, ALERT_WINDOWS_MAX - 2);
    append_losses(&streams[7], 41, 1, 1);
    look();
    assert_non_null(watch->ranks[7].rules.windows); /* there is room again */
    pool.windows -= ALERT_WINDOWS_MAX - 2;
}

static void test_a_run_that_is_over_and_quiet_gives_its_windows_back(
    void **state)
{
    (void)state;
    struct alert_watch *spare = watch;
    struct analysis_run *run = analysis_run_new("a");
    assert_non_null(run);
    watch = &run->watch;
    hello_all(1);
    append_to_all(0, 10, 1, UINT32_MAX);
    look();
    assert_int_equal(pool.windows, WORLD - 1);
    run->changed_mono_ns = 7;
    run->state = RUN_STALLED; /* it may go on */
    analysis_run_rest(run, 8 + ANALYSIS_QUIET_NS);
    run->state = RUN_LOST;
    analysis_run_rest(run, 7 + ANALYSIS_QUIET_NS);
    run->wants_alerts = true;
    analysis_run_rest(run, 8 + ANALYSIS_QUIET_NS);
    assert_int_equal(pool.windows, WORLD - 1);
    run->wants_alerts = false;
    analysis_run_rest(run, 8 + ANALYSIS_QUIET_NS);
    assert_int_equal(pool.windows, 0);
    assert_int_equal(pool.ranks, WORLD);
    append_losses(&streams[3], 10, 1, (double)NAN); /* it goes on */
    look();
    assert_raised(3, 10, "rank 3: the loss is NaN at step 10");
    analysis_run_free(run);
    assert_int_equal(pool.ranks, 0);
    watch = spare;
}

/* ---- silence ------------------------------------------------------------- */

/* By the daemon's clock: it was heard and made its last step so long ago. */
static void silence(uint32_t attempt, uint32_t rank, int heard_s, int stepped_s)
{
    char sql[300];
    const int64_t now = clock_wall_ns();
    (void)snprintf(sql, sizeof sql,
        "UPDATE stream_progress SET heard_wall_ns = %lld, "
        "stepped_wall_ns = %lld WHERE stream = (SELECT id FROM stream WHERE "
        "attempt = %u AND rank = %u);",
        (long long)(now - heard_s * NS_PER_S),
        (long long)(now - stepped_s * NS_PER_S), (unsigned)attempt,
        (unsigned)rank);
    rig_sql(rig, sql);
}

static void all_live(uint32_t attempt)
{
    for (uint32_t rank = 0; rank < WORLD; rank++) {
        silence(attempt, rank, 0, 0);
    }
}

static void look_often(void)
{
    for (unsigned i = 0; i < ALERT_SILENCE_LOOKS; i++) {
        look();
    }
}

static void test_a_rank_that_falls_silent_is_told_once(void **state)
{
    (void)state;
    struct alert alert = { 0 };
    hello_all(1);
    append_to_all(0, 10, 1, UINT32_MAX);
    all_live(1);
    look();
    silence(1, 5, 100, 100);
    look_often();
    assert_int_equal(raised(ALERT_STALL, &alert), 1);
    assert_int_equal(alert.rank, 5);
    assert_int_equal(alert.step, 9);
    assert_int_equal(alert.severity, ALERT_ERROR);
    assert_int_equal(strncmp(alert.sentence,
                         "rank 5: nothing was heard of the trainer for 100 s "
                         "after step 9: ",
                         64),
        0);
    look_often();
    assert_int_equal(raised(ALERT_STALL, &alert), 0);
    forget();
    silence(1, 5, 0, 0);
    look();
    silence(1, 5, 100, 100); /* at the same step, after a restart */
    look_often();
    assert_int_equal(raised(ALERT_STALL, &alert), 0);
    assert_int_equal(watch->ranks[5].silence.looks, ALERT_SILENCE_LOOKS);
}

static void test_ranks_of_an_attempt_that_is_over_are_not_silent(void **state)
{
    (void)state;
    struct alert alert = { 0 };
    hello_all(1);
    append_to_all(0, 10, 1, UINT32_MAX);
    all_live(1);
    look();
    for (uint32_t rank = 0; rank < WORLD; rank++) {
        silence(1, rank, 1000, 1000);
    }
    rig_sql(rig, "UPDATE stream SET created_wall_ns = 5;");
    for (uint32_t rank = 0; rank < 4; rank++) {
        streams[rank] = hello(2, rank, WORLD);
        append_losses(&streams[rank], 5, 5, 1);
        silence(2, rank, 0, 0);
    }
    rig_sql(rig, "UPDATE stream SET created_wall_ns = strftime('%s') * "
                 "1000000000 WHERE attempt = 2;");
    look_often();
    assert_int_equal(raised(ALERT_STALL, &alert), 0);
    assert_true(watch->ranks[5].silence.seen_alive);
    assert_int_equal(watch->ranks[5].silence.looks, 0);
}

/* The others go on in their first attempt. */
static void test_beside_a_rank_that_restarted_alone_the_others_are_heard(
    void **state)
{
    (void)state;
    struct alert alert = { 0 };
    hello_all(1);
    append_to_all(0, 10, 1, UINT32_MAX);
    all_live(1);
    look();
    streams[3] = hello(2, 3, WORLD);
    append_losses(&streams[3], 10, 5, 1);
    silence(2, 3, 0, 0);
    rig_sql(rig, "UPDATE stream SET created_wall_ns = 5;");
    silence(1, 5, 100, 100);
    look_often();
    assert_int_equal(raised(ALERT_STALL, &alert), 1);
    assert_int_equal(alert.rank, 5);
    assert_int_equal(alert.attempt, 1);
}

/* What its process before does counts no more. */
static void test_a_rank_is_where_its_newest_process_is(void **state)
{
    (void)state;
    struct alert alert = { 0 };
    hello_all(1);
    append_to_all(0, 10, 1, UINT32_MAX);
    for (uint32_t rank = 3; rank < 5; rank++) {
        streams[rank] = hello(2, rank, WORLD);
        append_losses(&streams[rank], 10, 5, 1);
        silence(2, rank, 0, 0);
    }
    rig_sql(rig, "UPDATE stream SET created_wall_ns = 5;");
    look();
    silence(2, 3, 100, 100);
    silence(1, 3, 0, 0);
    look_often();
    assert_int_equal(raised(ALERT_STALL, &alert), 1);
    assert_int_equal(alert.rank, 3);
    assert_int_equal(alert.attempt, 2);
}

/* Neither the others that stand still, nor one that has ended before. */
static void test_a_run_that_stalls_is_one_alert(void **state)
{
    (void)state;
    struct alert alert = { 0 };
    hello_all(1);
    append_to_all(0, 10, 1, UINT32_MAX);
    append_to_all(10, 10, 1, 5);
    append_losses(&streams[7], 20, 10, 1);
    rig_sql(rig, "UPDATE stream_progress SET last_step = 29 "
                 "WHERE last_step = 19 AND stream % 2 = 1;");
    rig_sql(rig, "UPDATE stream_progress SET finished = 1, last_step = 3 "
                 "WHERE stream = (SELECT id FROM stream WHERE rank = 2);");
    all_live(1);
    look();
    for (uint32_t rank = 0; rank < WORLD; rank++) {
        silence(1, rank, 0, 100);
    }
    look_often();
    assert_int_equal(raised(ALERT_STALL, &alert), 1);
    assert_int_equal(alert.step, 29);
    assert_int_equal(alert.rank, 1);
    assert_non_null(strstr(
        alert.sentence, "; 3 of 8 ranks are behind, the lowest 1 at step 19"));
    look_often();
    assert_int_equal(raised(ALERT_STALL, &alert), 0);
}

static void test_of_a_run_that_stalls_who_is_behind_is_named(void **state)
{
    (void)state;
    struct alert alert = { 0 };
    hello_all(1);
    append_to_all(0, 10, 1, UINT32_MAX);
    append_to_all(10, 1, 1, 5);
    for (uint32_t rank = 0; rank < WORLD; rank++) {
        silence(1, rank, 0, 100);
    }
    look();
    assert_int_equal(raised(ALERT_STALL, &alert), 1);
    assert_int_equal(alert.rank, 5);
    assert_int_equal(alert.step, 10);
    assert_non_null(strstr(alert.sentence,
        "though the trainer is heard: it hangs, or a step takes long; rank 5 "
        "is behind, at step 9"));
    look();
    assert_int_equal(raised(ALERT_STALL, &alert), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_watch_reads_each_record_once),
        TEST(test_of_more_than_a_look_takes_the_newest_are_seen),
        TEST(test_the_oldest_of_all_attempts_are_left_out),
        TEST(test_records_of_other_kinds_are_passed_by),
        TEST(test_of_many_troubles_in_one_look_none_is_lost),
        TEST(test_a_new_watch_knows_what_is_stored),
        TEST(test_an_older_attempt_that_comes_late_is_passed_by),
        TEST(test_the_rank_that_has_it_first_is_named),
        TEST(test_ranks_that_come_in_one_look_after_the_other_are_together),
        TEST(test_after_a_restart_no_rank_tells_again),
        TEST(test_after_a_restart_that_sees_the_newest_alone_too),
        TEST(test_the_newest_of_each_rank_are_seen_and_all_of_the_others),
        TEST(test_of_two_that_are_far_behind_each_has_its_part),
        TEST(test_a_rank_beyond_the_world_is_not_looked_at),
        TEST(test_ranks_without_room_are_not_watched),
        TEST(test_ranks_without_windows_have_what_needs_none),
        TEST(test_a_run_that_is_over_and_quiet_gives_its_windows_back),
        TEST(test_a_rank_that_falls_silent_is_told_once),
        TEST(test_ranks_of_an_attempt_that_is_over_are_not_silent),
        TEST(test_beside_a_rank_that_restarted_alone_the_others_are_heard),
        TEST(test_a_rank_is_where_its_newest_process_is),
        TEST(test_a_run_that_stalls_is_one_alert),
        TEST(test_of_a_run_that_stalls_who_is_behind_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
