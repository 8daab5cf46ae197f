/*
 * Verdicts on trajectories whose truth is known (theory.md 6): how often each
 * is called growth. Seeds are 1, 2, ...; RUNS of each, or as many as
 * TRAJ_VERDICT_RUNS says (make oracle: 200).
 *
 * The bounds: at most 5 % of runs without growth are called growth, at least
 * 95 % of those with it are found. Of few runs: no more than what the binomial
 * distribution of 5 % exceeds once in a thousand times.
 */
#include "pure/run_verdict.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "traj.h"

#define RUNS 20
#define N 2000
#define OPERATOR_EVERY 10

struct world {
    uint64_t state;
    struct pairs pairs;
    struct operator_norms operators;
};

static double uniform(struct world *w)
{
    w->state = w->state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(w->state >> 12) + 0.5) * 0x1p-52;
}

static double normal(struct world *w)
{
    const double r = sqrt(-2 * log(uniform(w)));
    return r * cos(6.283185307179586 * uniform(w));
}

static void open_world(struct world *w, uint64_t seed)
{
    *w = (struct world){ .state = seed * 0x9e3779b97f4a7c15u + 1 };
    for (int i = 0; i < 20; i++) {
        (void)uniform(w);
    }
    pairs_init(&w->pairs, 65536);
}

static void close_world(struct world *w)
{
    pairs_done(&w->pairs);
    operator_norms_done(&w->operators);
}

/* x: start, trapezoid, Simpson. */
static void add_pair(struct world *w, uint64_t step, const double x[3],
    double y, double ceiling, unsigned estimator, double noise_floor)
{
    const struct pair pair = {
        .step = step,
        .x = { x[0], x[1], x[2] },
        .y = { y, y, y },
        .ceiling = { ceiling, ceiling, ceiling },
        .noise_floor = noise_floor,
        .rounding_floor = (double)NAN,
        .floor_gamma = 1,
        .lr = 0.1,
        .measured = 0x1ff,
        .estimator = (uint8_t)estimator,
    };
    assert_true(pairs_add(&w->pairs, &pair));
}

static void add_operator(
    struct world *w, uint64_t step, double grad_norm, double value)
{
    if (step % OPERATOR_EVERY == 0) {
        assert_true(operator_norms_add(&w->operators, step, grad_norm, value));
    }
}

static struct run_verdict judged(const struct world *w)
{
    const struct run_verdict_input input = {
        .pairs = &w->pairs,
        .query = { .regressor = PAIR_REGRESSOR_AUTO,
            .estimator = PAIR_ESTIMATOR_AUTO,
            .to_step = UINT64_MAX },
        .operators = &w->operators,
        .optimizer = OPTIMIZER_SGD,
    };
    struct run_verdict verdict;
    assert_true(run_verdict_compute(&input, &verdict));
    return verdict;
}

/* ---- the worlds ---------------------------------------------------------- */

/* A trainer that wanders between 1 and 9 from the minimum, as one with noisy
 * gradients and a restless learning rate does. */
static double wander(struct world *w, double *state)
{
    *state = 0.9 * *state + sqrt(1 - 0.81) * normal(w);
    return 3 * exp(0.45 * *state);
}

/* S4, (L0/L1^2) phi(L1 |x|), L0 = 2, L1 = 0.7: g = (L0/L1)(e^{L1 x} - 1). */
static double g4(double x)
{
    return 2 / 0.7 * expm1(0.7 * x);
}

/* S3, (L0/L1^2) cosh(L1 x): g = (L0/L1) sinh(L1 x). */
static double g3(double x)
{
    return 2 / 0.7 * sinh(0.7 * x);
}

/* Descent steps on a function of one variable; smoothness is measured to a
 * tenth, the operator norm to a hundredth. */
static void descend(struct world *w, double (*g)(double), double power)
{
    double state = normal(w);
    for (uint64_t k = 0; k < N; k++) {
        const double x = wander(w, &state);
        const double at = g(x);
        const double d = -at / (2 + 1.5 * 0.7 * at) * (0.5 + uniform(w));
        const double end = g(x + d);
        const double middle = g(x + d / 2);
        const double y = fabs(end - at) / fabs(d) * exp(0.1 * normal(w));
        const double norms[3] = { at, (at + fabs(end)) / 2,
            (at + 4 * fabs(middle) + fabs(end)) / 6 };
        add_pair(w, k, norms, y, 100 * y, TRAJ_ESTIMATOR_FULL, (double)NAN);
        const double size =
            pow(pow(2, power) + pow(0.7 * at, power), 1 / power);
        add_operator(w, k, at, size * (1 + 0.01 * normal(w)));
    }
}

static void world_s4(struct world *w)
{
    descend(w, g4, 1); /* |f''| = L0 + L1 G */
}

static void world_s3(struct world *w)
{
    descend(w, g3, 2); /* f'' = sqrt(L0^2 + L1^2 G^2) */
}

/* S1: eigenvalues 1/i, gradient descent with noise, so that the gradient norm
 * is no function of time. The operator norm is 1, but for rounding. */
#define DIM 40
static void world_s1(struct world *w)
{
    double x[DIM];
    for (size_t i = 0; i < DIM; i++) {
        x[i] = normal(w) * (double)(i + 1);
    }
    for (uint64_t k = 0; k < N; k++) {
        double gg = 0, hh = 0, dd = 0;
        const double size = 0.3 * (1 + sin((double)k / 60));
        for (size_t i = 0; i < DIM; i++) {
            const double lambda = 1 / (double)(i + 1);
            const double g = lambda * x[i];
            gg += g * g;
            hh += lambda * g * lambda * g;
            dd += g * g;
            x[i] += -0.5 * g + size * normal(w);
        }
        const double y = sqrt(hh / dd);
        const double norms[3] = { sqrt(gg), sqrt(gg), sqrt(gg) };
        add_pair(w, k, norms, y, 100 * y, TRAJ_ESTIMATOR_FULL, (double)NAN);
        add_operator(w, k, sqrt(gg), 1 + 1e-7 * normal(w));
    }
}

/* N1 and N2: linear, so there is no curvature; gradients are their mean plus
 * noise of a varying size. Steps of fixed length, or in proportion. */
static void linear(
    struct world *w, bool fixed_length, unsigned estimator, double noise_floor)
{
    double last = 0;
    double state = normal(w);
    for (uint64_t k = 0; k < N; k++) {
        state = 0.9 * state + sqrt(1 - 0.81) * normal(w);
        const double noise = 2 * exp(0.8 * state);
        double gg = 0, ee = 0, end = 0;
        for (size_t i = 0; i < DIM; i++) {
            const double g = 0.1 + noise * normal(w) / sqrt(DIM);
            const double h = 0.1 + noise * normal(w) / sqrt(DIM);
            gg += g * g;
            end += h * h;
            ee += (g - h) * (g - h);
        }
        const double r = fixed_length ? 0.018 : 0.01 * sqrt(gg);
        const double y = sqrt(ee) / r;
        const double norms[3] = { sqrt(gg), (sqrt(gg) + sqrt(end)) / 2,
            sqrt(gg) };
        add_pair(
            w, k, norms, y, (sqrt(gg) + sqrt(end)) / r, estimator, noise_floor);
        last = y;
        add_operator(w, k, sqrt(gg), 1e-9 * (1 + uniform(w)));
    }
    (void)last;
}

static void world_n1(struct world *w)
{
    linear(w, true, TRAJ_ESTIMATOR_DIFFERENT, (double)NAN);
}

static void world_n2(struct world *w)
{
    linear(w, false, TRAJ_ESTIMATOR_DIFFERENT, (double)NAN);
}

/* The same, said to be of one batch: only the ceiling tells. */
static void world_n1_untold(struct world *w)
{
    linear(w, true, TRAJ_ESTIMATOR_FULL, (double)NAN);
}

static void world_n2_untold(struct world *w)
{
    linear(w, false, TRAJ_ESTIMATOR_FULL, (double)NAN);
}

/* N3: both drift, and have nothing else in common. */
static void world_n3(struct world *w)
{
    double a = 0, b = 0;
    for (uint64_t k = 0; k < N; k++) {
        const double trend = exp(-3.0 * (double)k / N);
        a = 0.8 * a + 0.6 * normal(w);
        b = 0.8 * b + 0.6 * normal(w);
        const double x = (0.5 + 5 * trend) * exp(0.3 * a);
        const double y = (1 + 4 * trend) * exp(0.3 * b);
        const double norms[3] = { x, x, x };
        add_pair(w, k, norms, y, 100 * y, TRAJ_ESTIMATOR_FULL, (double)NAN);
    }
}

/* ---- how often ----------------------------------------------------------- */

static size_t runs_asked(void)
{
    const char *text = getenv("TRAJ_VERDICT_RUNS");
    const size_t n = text == NULL ? 0 : strtoul(text, NULL, 10);
    return n > 0 ? n : RUNS;
}

/* So many of n that a chance of 5 % each exceeds it once in a thousand. */
static size_t most_of(size_t n)
{
    double p = pow(0.95, (double)n);
    double below = p;
    size_t k = 0;
    while (below < 0.999) {
        p *= (double)(n - k) / (double)(k + 1) * 0.05 / 0.95;
        below += p;
        k++;
    }
    return n >= 200 ? n / 20 : k;
}

static bool says_growth(const struct run_verdict *verdict)
{
    for (size_t i = 0; i < verdict->n; i++) {
        const enum verdict_kind kind = verdict->v[i].verdict.kind;
        if (kind == VERDICT_GROWS || kind == VERDICT_GROWS_UNCONFIRMED) {
            return true;
        }
    }
    return false;
}

static size_t count_growth(const char *name, void (*make)(struct world *))
{
    const size_t runs = runs_asked();
    size_t grown = 0;
    size_t kinds[VERDICT_KINDS] = { 0 };
    size_t phases = 0;
    for (uint64_t seed = 1; seed <= runs; seed++) {
        struct world w;
        open_world(&w, seed);
        make(&w);
        struct run_verdict verdict = judged(&w);
        grown += says_growth(&verdict);
        kinds[verdict.v[verdict.main].verdict.kind]++;
        phases += verdict.n;
        run_verdict_done(&verdict);
        close_world(&w);
    }
    print_message("%s, seeds 1 to %zu, %zu phases: growth %zu;", name, runs,
        phases, grown);
    for (int k = 0; k < VERDICT_KINDS; k++) {
        if (kinds[k] > 0) {
            print_message(
                " %s %zu", verdict_name((enum verdict_kind)k), kinds[k]);
        }
    }
    print_message("\n");
    return grown;
}

static void test_what_does_not_grow(void **state)
{
    (void)state;
    const size_t most = most_of(runs_asked());
    assert_true(count_growth("S1", world_s1) <= most);
    assert_true(count_growth("N1", world_n1) <= most);
    assert_true(count_growth("N2", world_n2) <= most);
    assert_true(count_growth("N1 untold", world_n1_untold) <= most);
    assert_true(count_growth("N2 untold", world_n2_untold) <= most);
    assert_true(count_growth("N3", world_n3) <= most);
}

static void test_what_grows(void **state)
{
    (void)state;
    const size_t least = runs_asked() - most_of(runs_asked());
    assert_true(count_growth("S4", world_s4) >= least);
    assert_true(count_growth("S3", world_s3) >= least);
}

/* Beyond 2^53 steps that differ by one may be one double. */
static void test_where_steps_begin_changes_no_figure(void **state)
{
    (void)state;
    struct world w;
    struct run_verdict small;
    struct run_verdict large;
    open_world(&w, 1);
    world_s4(&w);
    small = judged(&w);
    for (size_t i = 0; i < w.pairs.n; i++) {
        w.pairs.v[i].step += UINT64_C(1) << 62;
    }
    for (size_t i = 0; i < w.operators.n; i++) {
        w.operators.step[i] += UINT64_C(1) << 62;
    }
    large = judged(&w);
    assert_int_equal(large.n, small.n);
    assert_true(small.v[0].facts.operator_n > 0);
    for (size_t i = 0; i < small.n; i++) {
        const struct phase_verdict *a = &small.v[i];
        const struct phase_verdict *b = &large.v[i];
        assert_memory_equal(&a->facts, &b->facts, sizeof a->facts);
        assert_memory_equal(
            &a->ranks.partial, &b->ranks.partial, sizeof a->ranks.partial);
        assert_int_equal(a->verdict.kind, b->verdict.kind);
        assert_true(i == 0 || b->phase.from_step ==
                                  a->phase.from_step + (UINT64_C(1) << 62));
    }
    run_verdict_done(&small);
    run_verdict_done(&large);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_steps_begin_changes_no_figure),
        cmocka_unit_test(test_what_does_not_grow),
        cmocka_unit_test(test_what_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
