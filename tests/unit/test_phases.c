/* Phases: cuts at what is known, at the learning rate, and where a law changes;
 * how they are put in order, and where they end. */
#include "pure/phases.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "traj.h"

#define N 2000

struct world {
    struct pairs pairs;
    struct fit_sample sample;
};

typedef double (*of_step)(uint64_t step);

static double constant(uint64_t step)
{
    (void)step;
    return 0.1;
}

/* One law but where y_more says another; x goes up and down. Steps are even and
 * begin at first; what they have is that of steps from 0 on. */
static void open_world_at(
    struct world *w, uint64_t first, of_step lr, of_step y_more)
{
    pairs_init(&w->pairs, N);
    uint64_t state = 1;
    for (uint64_t k = 0; k < N; k++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const double x = 1 + (double)(state >> 40) * 9 * 0x1p-24;
        state = state * 6364136223846793005u + 1442695040888963407u;
        const double e = (double)(state >> 40) * 0x1p-24 - 0.5;
        const double y = (2 + 0.7 * x + y_more(2 * k)) * (1 + 0.1 * e);
        const struct pair pair = {
            .step = first + 2 * k,
            .x = { x, x, x },
            .y = { y, y, y },
            .ceiling = { 100 * y, 100 * y, 100 * y },
            .noise_floor = (double)NAN,
            .lr = lr(2 * k),
            .measured = 0x1ff,
            .estimator = TRAJ_ESTIMATOR_FULL,
        };
        assert_true(pairs_add(&w->pairs, &pair));
    }
    const struct run_fit_query query = { PAIR_REGRESSOR_AUTO,
        PAIR_ESTIMATOR_AUTO, 0, UINT64_MAX };
    assert_true(fit_sample_take(&w->pairs, &query, &w->sample));
}

static void open_world(struct world *w, of_step lr, of_step y_more)
{
    open_world_at(w, 0, lr, y_more);
}

static bool find(const struct world *w, const struct phase_cut *known,
    size_t n_known, struct phases *ret)
{
    const struct phases_query query = { .to_step = UINT64_MAX,
        .changes = true,
        .known = known,
        .n_known = n_known };
    return phases_find(&w->sample, &query, ret);
}

static void close_world(struct world *w)
{
    fit_sample_done(&w->sample);
    pairs_done(&w->pairs);
}

static double nothing(uint64_t step)
{
    (void)step;
    return 0;
}

static void assert_phases(const struct phases *phases, size_t n,
    const struct phase *expected, uint64_t slack)
{
    assert_int_equal(phases->n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(phases->v[i].cause, expected[i].cause);
        const uint64_t from = phases->v[i].from_step;
        assert_true(from + slack >= expected[i].from_step &&
                    from <= expected[i].from_step + slack);
        assert_int_equal(phases->v[i].to_step,
            i + 1 < n ? phases->v[i + 1].from_step - 1 : UINT64_MAX);
    }
}

static void test_one_law_is_one_phase(void **state)
{
    (void)state;
    struct world w;
    struct phases phases;
    open_world(&w, constant, nothing);
    assert_true(find(&w, NULL, 0, &phases));
    const struct phase expected[] = { { 0, 0, PHASE_START } };
    assert_phases(&phases, 1, expected, 0);
    close_world(&w);
}

static double warm_up_and_drop(uint64_t step)
{
    return step < 400    ? 0.1 * (double)(step + 1) / 401
           : step < 3000 ? 0.1
                         : 0.01;
}

static void test_the_learning_rate(void **state)
{
    (void)state;
    struct world w;
    struct phases phases;
    open_world(&w, warm_up_and_drop, nothing);
    assert_true(find(&w, NULL, 0, &phases));
    const struct phase expected[] = { { 0, 0, PHASE_START },
        { 400, 0, PHASE_LR_PEAK }, { 3000, 0, PHASE_LR_DROP } };
    assert_phases(&phases, 3, expected, 0);
    close_world(&w);
}

/* A tenth less is a schedule, not a jump; and a jump up. */
static double in_steps(uint64_t step)
{
    return step < 1000 ? 0.1 : step < 2000 ? 0.09 : step < 3000 ? 0.089 : 0.5;
}

static double falling(uint64_t step)
{
    return 0.1 * exp(-(double)step / 1000);
}

static void test_schedules_do_not_cut(void **state)
{
    (void)state;
    struct world w;
    struct phases phases;
    open_world(&w, falling, nothing);
    assert_true(find(&w, NULL, 0, &phases));
    assert_int_equal(phases.n, 1);
    close_world(&w);
    open_world(&w, in_steps, nothing);
    assert_true(find(&w, NULL, 0, &phases));
    const struct phase expected[] = { { 0, 0, PHASE_START },
        { 3000, 0, PHASE_LR_PEAK } };
    assert_phases(&phases, 2, expected, 0);
    close_world(&w);
}

static double another_law(uint64_t step)
{
    return step < 1500 ? 0 : 4;
}

static void test_a_change_point(void **state)
{
    (void)state;
    struct world w;
    struct phases phases;
    open_world(&w, constant, another_law);
    assert_true(find(&w, NULL, 0, &phases));
    const struct phase expected[] = { { 0, 0, PHASE_START },
        { 1500, 0, PHASE_CHANGE_POINT } };
    assert_phases(&phases, 2, expected, 2);
    /* Where the resumption is known, nothing is left to find. */
    const struct phase_cut known[] = { { 1500, PHASE_ATTEMPT },
        { 0, PHASE_ATTEMPT } };
    assert_true(find(&w, known, 2, &phases));
    const struct phase resumed[] = { { 0, 0, PHASE_START },
        { 1500, 0, PHASE_ATTEMPT } };
    assert_phases(&phases, 2, resumed, 0);
    close_world(&w);
}

static void test_there_is_an_end_to_phases(void **state)
{
    (void)state;
    struct world w;
    struct phases phases;
    struct phase_cut known[PHASES_MAX];
    for (size_t i = 0; i < PHASES_MAX; i++) {
        known[i] = (struct phase_cut){ 4000 - 100 * (i + 1), PHASE_ATTEMPT };
    }
    open_world(&w, constant, nothing);
    assert_true(find(&w, known, PHASES_MAX - 1, &phases));
    assert_int_equal(phases.n, PHASES_MAX);
    assert_false(phases.is_full);
    for (size_t i = 1; i < phases.n; i++) {
        assert_int_equal(phases.v[i].from_step, phases.v[i - 1].to_step + 1);
        assert_int_equal(phases.v[i].cause, PHASE_ATTEMPT);
    }
    assert_true(find(&w, known, PHASES_MAX, &phases));
    assert_int_equal(phases.n, PHASES_MAX);
    assert_true(phases.is_full);
    close_world(&w);
    /* A change point that no phase is left for. */
    for (size_t i = 0; i < PHASES_MAX; i++) {
        known[i] = (struct phase_cut){ 10 * (i + 1), PHASE_ATTEMPT };
    }
    open_world(&w, constant, another_law);
    assert_true(find(&w, known, PHASES_MAX - 1, &phases));
    assert_int_equal(phases.n, PHASES_MAX);
    assert_true(phases.is_full);
    assert_true(find(&w, known, PHASES_MAX - 2, &phases));
    assert_int_equal(phases.n, PHASES_MAX);
    assert_false(phases.is_full);
    close_world(&w);
}

/* One that follows a rule, and a threshold that does: 1/(L0 + L1 x). */
static double by_rule(uint64_t step)
{
    return step / 2 % 3 == 0 ? 0.1 : 0.3;
}

static void test_what_changes_all_the_time_begins_nothing(void **state)
{
    (void)state;
    struct world w;
    struct phases phases;
    struct phase_cut known[PHASE_JUMPS_MAX + 1];
    open_world(&w, by_rule, nothing);
    assert_true(find(&w, NULL, 0, &phases));
    assert_int_equal(phases.n, 1);
    close_world(&w);
    open_world(&w, constant, nothing);
    for (size_t i = 0; i <= PHASE_JUMPS_MAX; i++) {
        known[i] = (struct phase_cut){ 400 * (i + 1), PHASE_CLIP };
    }
    assert_true(find(&w, known, PHASE_JUMPS_MAX + 1, &phases));
    assert_int_equal(phases.n, 1);
    assert_true(find(&w, known, PHASE_JUMPS_MAX, &phases));
    assert_int_equal(phases.n, PHASE_JUMPS_MAX + 1);
    close_world(&w);
}

static void test_change_points_only_where_they_are_asked_for(void **state)
{
    (void)state;
    struct world w;
    struct phases phases;
    open_world(&w, constant, another_law);
    const struct phases_query query = { .to_step = UINT64_MAX };
    assert_true(phases_find(&w.sample, &query, &phases));
    assert_int_equal(phases.n, 1);
    close_world(&w);
}

/* A double holds every second step from 2^53 on, every 2048th of the largest:
 * edges of phases are exact, and the same as those of small steps. */
static void test_where_steps_begin_does_not_move_an_edge(void **state)
{
    (void)state;
    static const uint64_t firsts[] = { (UINT64_C(1) << 53) - 2999,
        (UINT64_C(1) << 53) + 1, UINT64_MAX - 5000 };
    struct world w;
    struct phases small;
    struct phases phases;
    open_world(&w, warm_up_and_drop, another_law);
    assert_true(find(&w, NULL, 0, &small));
    close_world(&w);
    assert_int_equal(small.n, 4);
    for (size_t i = 0; i < 3; i++) {
        const struct phase_cut known = { firsts[i] + 801, PHASE_ATTEMPT };
        open_world_at(&w, firsts[i], warm_up_and_drop, another_law);
        assert_true(find(&w, NULL, 0, &phases));
        assert_int_equal(phases.n, small.n);
        for (size_t k = 1; k < small.n; k++) {
            assert_int_equal(
                phases.v[k].from_step, firsts[i] + small.v[k].from_step);
            assert_int_equal(phases.v[k].cause, small.v[k].cause);
        }
        assert_int_equal(phases.v[1].from_step, firsts[i] + 400);
        assert_int_equal(phases.v[3].from_step, firsts[i] + 3000);
        assert_true(find(&w, &known, 1, &phases));
        assert_int_equal(phases.v[1].to_step, firsts[i] + 800);
        assert_int_equal(phases.v[2].from_step, firsts[i] + 801);
        close_world(&w);
    }
}

static void test_causes_have_names(void **state)
{
    (void)state;
    assert_string_equal(phase_cause_name(PHASE_START), "start");
    assert_string_equal(phase_cause_name(PHASE_CHANGE_POINT), "change_point");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_law_is_one_phase),
        cmocka_unit_test(test_the_learning_rate),
        cmocka_unit_test(test_schedules_do_not_cut),
        cmocka_unit_test(test_a_change_point),
        cmocka_unit_test(test_there_is_an_end_to_phases),
        cmocka_unit_test(test_what_changes_all_the_time_begins_nothing),
        cmocka_unit_test(test_change_points_only_where_they_are_asked_for),
        cmocka_unit_test(test_where_steps_begin_does_not_move_an_edge),
        cmocka_unit_test(test_causes_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
