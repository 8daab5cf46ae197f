/* A step that is drafted before all of it is known: of a process that is killed
 * it is there as it was, and else once, complete. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/recorded.h"
#include "../lib/spool_rig.h"
#include "traj.h"
#include "transport/run_draft.h"

#define MANY 2000u
#define SPOOL_BYTES (16u << 20)
#define LONG_TEXT 60000u /* a tenth of a segment of such a spool, or more */

static const char owner, other;

static struct traj_step step_of(uint64_t k)
{
    struct traj_step step;
    traj_step_init(&step);
    step.step = k;
    step.loss = (double)k / 4;
    return step;
}

/* Not by cmocka, for they are called in a child too. */
static void must(enum traj_status status)
{
    if (status != TRAJ_OK) {
        abort();
    }
}

static void draft(traj_run *run, uint64_t k)
{
    const struct traj_step step = step_of(k);
    must(run_draft_step(run, &owner, &step));
}

static void finish(traj_run *run, uint64_t k)
{
    struct traj_step step = step_of(k);
    step.delta_sq = 0.5;
    must(run_finish_step(run, &owner, &step));
}

static void record(traj_run *run, uint64_t k)
{
    const struct traj_step step = step_of(k);
    must(traj_step(run, &step));
}

static void work_and_die(
    const char *dir, uint32_t fold_steps, void (*work)(traj_run *run))
{
    struct traj_options options = TRAJ_OPTIONS_INIT;
    traj_run *run = NULL;
    options.dir = dir;
    options.run_id = "r";
    options.mode = TRAJ_MODE_OFFLINE;
    options.spool_bytes = SPOOL_BYTES;
    options.fold_steps = fold_steps;
    if (traj_open(&options, &run) == TRAJ_OK) {
        work(run);
        (void)raise(SIGKILL);
    }
    _exit(1);
}

/* What a process has recorded that was killed behind this work. */
static struct recorded left_by(uint32_t fold_steps, void (*work)(traj_run *run))
{
    struct recorded recorded = { .run = NULL };
    test_dir_make(recorded.dir);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        work_and_die(recorded.dir, fold_steps, work);
    }
    int how = 0;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    recorded_close_run(&recorded);
    return recorded;
}

/* STEP i is k, and complete or a draft. */
static void assert_step(
    const struct recorded *recorded, size_t i, uint64_t k, int complete)
{
    const struct recorded_one *one = recorded_at(recorded, WIRE_STEP, i);
    assert_int_equal(recorded_u64(one, STEP_step), k);
    assert_true(recorded_f64(one, STEP_loss) == (double)k / 4);
    assert_int_equal(recorded_has(one, STEP_delta_sq), complete);
}

/* ---- killed -------------------------------------------------------------- */

static void work_to_a_draft(traj_run *run)
{
    draft(run, 0);
    finish(run, 0);
    draft(run, 1);
}

static void test_a_kill_leaves_the_draft(void **state)
{
    (void)state;
    struct recorded recorded = left_by(0, work_to_a_draft);
    assert_int_equal(recorded.n, 2);
    assert_step(&recorded, 0, 0, 1);
    assert_step(&recorded, 1, 1, 0);
    recorded_done(&recorded);
}

static void work_beside_a_draft(traj_run *run)
{
    draft(run, 0);
    record(run, 7);
    must(traj_log(run, "a", 0, 1));
    must(traj_event(run, TRAJ_INFO, 0, "text"));
}

static void work_to_a_step_beside_a_draft(traj_run *run)
{
    draft(run, 0);
    record(run, 7);
}

static void test_other_records_leave_the_draft_behind_them(void **state)
{
    (void)state;
    struct recorded recorded = left_by(0, work_beside_a_draft);
    assert_int_equal(recorded.n, 4);
    assert_int_equal(recorded.records[1].kind, WIRE_METRIC);
    assert_int_equal(recorded.records[2].kind, WIRE_EVENT);
    assert_step(&recorded, 0, 7, 0);
    assert_step(&recorded, 1, 0, 0);
    recorded_done(&recorded);
    recorded = left_by(0, work_to_a_step_beside_a_draft);
    assert_int_equal(recorded.n, 2);
    assert_step(&recorded, 1, 0, 0);
    recorded_done(&recorded);
}

/* Long texts every so often, which do not fit where a draft did. */
static void work_through_segments(traj_run *run)
{
    static char text[LONG_TEXT];
    memset(text, 'x', sizeof text - 1);
    for (uint64_t k = 0; k < MANY; k++) {
        draft(run, k);
        if (k % 10 == 0) {
            must(traj_event(run, TRAJ_INFO, k, text));
        }
        finish(run, k);
    }
}

/* So many segments end that some do with a draft. */
static void test_what_is_finished_is_there_once(void **state)
{
    (void)state;
    struct recorded recorded = left_by(0, work_through_segments);
    assert_int_equal(recorded_count(&recorded, WIRE_STEP), MANY);
    assert_int_equal(recorded_count(&recorded, WIRE_EVENT), MANY / 10);
    assert_int_equal(recorded.n, MANY + MANY / 10);
    for (size_t k = 0; k < MANY; k++) {
        assert_step(&recorded, k, k, 1);
    }
    recorded_done(&recorded);
}

static void test_of_a_run_that_folds_a_kill_takes_the_draft_too(void **state)
{
    (void)state;
    struct recorded recorded = left_by(4, work_to_a_draft);
    assert_int_equal(recorded.n, 0);
    recorded_done(&recorded);
}

/* ---- not killed ---------------------------------------------------------- */

static void test_a_draft_is_not_published(void **state)
{
    (void)state;
    struct recorded recorded;
    struct traj_stats stats = { .size = sizeof stats };
    recorded_open(&recorded, NULL, 0);
    record(recorded.run, 0);
    draft(recorded.run, 1);
    assert_int_equal(traj_get_stats(recorded.run, &stats), TRAJ_OK);
    assert_int_equal(stats.recorded, 1);
    finish(recorded.run, 1);
    recorded_close_run(&recorded);
    assert_int_equal(recorded.n, 2);
    assert_step(&recorded, 1, 1, 1);
    recorded_done(&recorded);
}

static void test_a_run_that_is_closed_records_a_draft_as_it_is(void **state)
{
    (void)state;
    struct recorded recorded;
    recorded_open(&recorded, NULL, 0);
    draft(recorded.run, 3);
    recorded_close_run(&recorded);
    assert_int_equal(recorded.n, 1);
    assert_step(&recorded, 0, 3, 0);
    recorded_done(&recorded);
}

static void test_a_run_that_is_finished_records_it_before_its_end(void **state)
{
    (void)state;
    struct recorded recorded;
    recorded_open(&recorded, NULL, 0);
    draft(recorded.run, 3);
    assert_int_equal(traj_finish(recorded.run, 0, 0), TRAJ_OK);
    recorded.run = NULL;
    recorded_close_run(&recorded);
    assert_int_equal(recorded.n, 2);
    assert_step(&recorded, 0, 3, 0);
    assert_int_equal(recorded.records[1].kind, WIRE_EVENT);
    recorded_done(&recorded);
}

static void test_there_is_a_draft_of_one_owner_at_a_time(void **state)
{
    (void)state;
    const struct traj_step six = step_of(6);
    struct recorded recorded;
    recorded_open(&recorded, NULL, 0);
    draft(recorded.run, 5);
    assert_int_equal(run_draft_step(recorded.run, &other, &six), TRAJ_EBUSY);
    assert_int_equal(run_finish_step(recorded.run, &other, &six), TRAJ_OK);
    assert_int_equal(run_draft_step(recorded.run, &other, &six), TRAJ_EBUSY);
    finish(recorded.run, 5);
    assert_int_equal(run_draft_step(recorded.run, &other, &six), TRAJ_OK);
    recorded_close_run(&recorded);
    assert_int_equal(recorded.n, 3);
    assert_step(&recorded, 0, 6, 0);
    assert_step(&recorded, 1, 5, 1);
    assert_step(&recorded, 2, 6, 0);
    recorded_done(&recorded);
}

static void test_a_finished_step_has_the_time_of_its_draft(void **state)
{
    (void)state;
    const struct timespec pause = { .tv_nsec = 2000000 };
    struct recorded recorded;
    recorded_open(&recorded, NULL, 0);
    draft(recorded.run, 0);
    (void)nanosleep(&pause, NULL);
    record(recorded.run, 1);
    finish(recorded.run, 0);
    finish(recorded.run, 2); /* of no draft: of now */
    recorded_close_run(&recorded);
    uint64_t at[3];
    for (size_t i = 0; i < 3; i++) {
        at[i] =
            recorded_u64(recorded_at(&recorded, WIRE_STEP, i), STEP_mono_ns);
    }
    assert_true(at[1] + 2000000 <= at[0]);
    assert_true(at[2] >= at[0]);
    recorded_done(&recorded);
}

static void test_the_steps_of_a_fold_are_folded_when_they_are_finished(
    void **state)
{
    (void)state;
    struct recorded recorded = { .run = NULL };
    struct traj_options options = TRAJ_OPTIONS_INIT;
    test_dir_make(recorded.dir);
    options.dir = recorded.dir;
    options.run_id = "r";
    options.mode = TRAJ_MODE_OFFLINE;
    options.fold_steps = 2;
    assert_int_equal(traj_open(&options, &recorded.run), TRAJ_OK);
    for (uint64_t k = 0; k < 4; k++) {
        draft(recorded.run, k);
        finish(recorded.run, k);
    }
    recorded_close_run(&recorded);
    assert_int_equal(recorded.n, 2);
    assert_int_equal(recorded_u64(&recorded.records[1], STEP_fold_count), 2);
    assert_step(&recorded, 1, 3, 1);
    recorded_done(&recorded);
}

static void test_a_draft_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct recorded recorded;
    recorded_open(&recorded, NULL, 0);
    struct traj_step step = step_of(0);
    step.combine = (enum traj_combine)9;
    assert_int_equal(run_draft_step(recorded.run, &owner, &step), TRAJ_EINVAL);
    recorded_close_run(&recorded);
    assert_int_equal(recorded.n, 0);
    recorded_done(&recorded);
}

static void test_a_forked_child_drafts_and_finishes_nothing(void **state)
{
    (void)state;
    struct recorded recorded;
    recorded_open(&recorded, NULL, 0);
    draft(recorded.run, 5);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct traj_step step = step_of(9);
        _exit(
            run_draft_step(recorded.run, &owner, &step) == TRAJ_EFORKED &&
                    run_finish_step(recorded.run, &owner, &step) == TRAJ_EFORKED
                ? 0
                : 1);
    }
    int how = 0;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_int_equal(how, 0);
    finish(recorded.run, 5);
    recorded_close_run(&recorded);
    assert_int_equal(recorded.n, 1);
    assert_step(&recorded, 0, 5, 1);
    recorded_done(&recorded);
}

static void test_a_run_that_is_disabled_drafts_nothing(void **state)
{
    (void)state;
    struct traj_options options = TRAJ_OPTIONS_INIT;
    traj_run *run = NULL;
    options.mode = TRAJ_MODE_DISABLED;
    assert_int_equal(traj_open(&options, &run), TRAJ_OK);
    draft(run, 0);
    finish(run, 0);
    traj_close(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_kill_leaves_the_draft),
        cmocka_unit_test(test_other_records_leave_the_draft_behind_them),
        cmocka_unit_test(test_what_is_finished_is_there_once),
        cmocka_unit_test(test_of_a_run_that_folds_a_kill_takes_the_draft_too),
        cmocka_unit_test(test_a_draft_is_not_published),
        cmocka_unit_test(test_a_run_that_is_closed_records_a_draft_as_it_is),
        cmocka_unit_test(test_a_run_that_is_finished_records_it_before_its_end),
        cmocka_unit_test(test_there_is_a_draft_of_one_owner_at_a_time),
        cmocka_unit_test(test_a_finished_step_has_the_time_of_its_draft),
        cmocka_unit_test(
            test_the_steps_of_a_fold_are_folded_when_they_are_finished),
        cmocka_unit_test(test_a_draft_that_makes_no_sense_is_refused),
        cmocka_unit_test(test_a_forked_child_drafts_and_finishes_nothing),
        cmocka_unit_test(test_a_run_that_is_disabled_drafts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
