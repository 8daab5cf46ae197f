/* run_compare.c: pure but for its memory; any thread. */
#include "pure/run_compare.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/chi_squared.h"
#include "math/fit_sums.h"
#include "math/fit_weights.h"

void run_compare_start(
    struct run_compare *compare, const struct run_fit_query *query)
{
    *compare = (struct run_compare){ .query = *query };
}

void run_compare_done(struct run_compare *compare)
{
    free(compare->x);
    free(compare->y);
    free(compare->rows);
    fit_state_done(&compare->state);
    compare->x = compare->y = NULL;
    compare->rows = NULL;
}

static bool grow(double **array, size_t n)
{
    double *grown = realloc(*array, n * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    *array = grown;
    return true;
}

static bool keep(struct run_compare *c, const struct fit_sample *sample)
{
    const size_t n = c->n_pairs + sample->n;
    if (n > c->capacity) {
        if (!grow(&c->x, 2 * n) || !grow(&c->y, 2 * n)) {
            return false;
        }
        c->capacity = 2 * n;
    }
    if (sample->n > 0) {
        memcpy(c->x + c->n_pairs, sample->x, sample->n * sizeof *c->x);
        memcpy(c->y + c->n_pairs, sample->y, sample->n * sizeof *c->y);
    }
    c->n_pairs = n;
    c->n_pooled += sample->n;
    return true;
}

bool run_compare_add(struct run_compare *compare, const struct pairs *pairs)
{
    assert(compare->n < RUN_COMPARE_MAX);
    struct compared *run = &compare->runs[compare->n];
    struct fit_sample sample;
    bool ok = fit_sample_take(pairs, &compare->query, &sample);
    if (ok) {
        compare->query.regressor = (int)sample.regressor;
        compare->query.estimator = (int)sample.estimator;
        ok = intervals_of(&sample, INTERVALS_LEVEL, &run->intervals) &&
             run_fit_of_sample(pairs, &compare->query, &sample, &run->fit) &&
             keep(compare, &sample);
    }
    fit_sample_done(&sample);
    run->end = compare->n_pairs;
    compare->n += ok;
    return ok;
}

bool run_compare_add_states(
    struct run_compare *compare, const struct run_fit_states *states)
{
    assert(compare->n < RUN_COMPARE_MAX);
    struct compared *run = &compare->runs[compare->n];
    compare->query.regressor = (int)states->regressor;
    compare->query.estimator = (int)states->estimator;
    if (!run_fit_of_states(states, &compare->query, &run->fit) ||
        !fit_state_merge(&compare->state, &states->part->state)) {
        return false;
    }
    run->intervals = run->fit.intervals;
    run->end = compare->n_pairs;
    compare->from_states = true;
    compare->n_pooled += run->fit.report.n;
    compare->n++;
    return true;
}

/* ---- one law for all ----------------------------------------------------- */

static bool pool_pairs(struct run_compare *c)
{
    double *workspace = malloc(fit_workspace(c->n_pairs) * sizeof(double));
    if (workspace == NULL) {
        return false;
    }
    c->has_pooled =
        c->n_pairs >= FIT_N_MIN &&
        fit_nnls_relative(c->x, c->y, c->n_pairs, workspace, &c->pooled);
    free(workspace);
    return true;
}

static bool pool_states(struct run_compare *c)
{
    for (size_t i = 0; i < c->n_pairs; i++) {
        if (!fit_state_add(&c->state, 0, c->x[i], c->y[i])) {
            return false;
        }
    }
    c->has_pooled =
        c->n_pooled >= FIT_N_MIN && fit_state_relative(&c->state, &c->pooled);
    c->has_weight = c->has_pooled && fit_state_weight(&c->state, &c->weight);
    return true;
}

bool run_compare_pool(struct run_compare *compare)
{
    return compare->from_states ? pool_states(compare) : pool_pairs(compare);
}

/* ---- its interval -------------------------------------------------------- */

static bool reserve_rows(struct run_compare *c, size_t n)
{
    if (c->n_rows + n <= c->rows_capacity) {
        return true;
    }
    const size_t capacity = 2 * (c->n_rows + n);
    struct fit_sums *rows = realloc(c->rows, capacity * sizeof *rows);
    if (rows == NULL) {
        return false;
    }
    c->rows = rows;
    c->rows_capacity = capacity;
    return true;
}

/* A run whose memory is not known is one block. */
bool run_compare_add_rows(struct run_compare *compare,
    const struct compared *run, const struct fit_sums *rows, size_t n)
{
    if (n == 0) {
        return true;
    }
    if (!reserve_rows(compare, n)) {
        return false;
    }
    struct fit_sums *to = compare->rows + compare->n_rows;
    if (run->intervals.length == 0) {
        *to = fit_sums_total(rows, n);
        compare->n_rows++;
        return true;
    }
    memcpy(to, rows, n * sizeof *rows);
    compare->n_rows += n;
    return true;
}

/* The blocks of each run of pairs, as above. */
static bool cut_rows(struct run_compare *c, const double *w)
{
    size_t from = 0;
    for (size_t i = 0; i < c->n; i++) {
        const size_t own = c->runs[i].intervals.length;
        const size_t n = c->runs[i].end - from;
        const size_t length = own > 0 ? own : n + 1;
        if (!reserve_rows(c, n / length + 1)) {
            return false;
        }
        c->n_rows += fit_rows(
            c->x + from, c->y + from, w + from, n, length, c->rows + c->n_rows);
        from = c->runs[i].end;
    }
    return true;
}

/* The longest memory of any. */
static double longest_tau(const struct run_compare *c)
{
    double tau = 1;
    for (size_t i = 0; i < c->n; i++) {
        if (c->runs[i].intervals.length > 0) {
            tau = fmax(tau, c->runs[i].intervals.dependence.tau_int);
        }
    }
    return tau;
}

static bool put_interval(struct run_compare *c, const double *w)
{
    if (!cut_rows(c, w)) {
        return false;
    }
    c->pooled_absent = fit_ci(c->rows, c->n_rows, (double)c->n_pooled,
        longest_tau(c), INTERVALS_LEVEL, &c->pooled_ci);
    return true;
}

/* As the pooled law weighs the pairs. false: it does not. */
static bool weigh(const struct run_compare *c, double *workspace, double *w)
{
    if (!c->from_states) {
        return c->has_pooled &&
               fit_relative_weights(c->pooled, c->x, c->n_pairs, workspace, w);
    }
    for (size_t i = 0; c->has_weight && i < c->n_pairs; i++) {
        w[i] = fit_weight_at(&c->weight, c->x[i]);
    }
    return c->has_weight;
}

static bool find_interval(struct run_compare *c)
{
    double *workspace = malloc((2 * c->n_pairs + 1) * sizeof *workspace);
    if (workspace == NULL) {
        return false;
    }
    double *w = workspace + c->n_pairs;
    c->pooled_absent = FIT_ABSENT_UNDETERMINED;
    const bool ok = !weigh(c, workspace, w) || put_interval(c, w);
    free(workspace);
    return ok;
}

/* ---- equal L1 ------------------------------------------------------------ */

/* An error that is rounding, of a law that is exact, is none to weigh by. */
static bool tells(const struct compared *run)
{
    const struct fit_interval *L1 = &run->intervals.ci.L1;
    return run->intervals.absent == FIT_PRESENT &&
           L1->se > 1e-9 * fabs(L1->estimate);
}

static void test_equality(struct run_compare *c)
{
    double weights = 0;
    double mean = 0;
    size_t k = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (tells(&c->runs[i])) {
            const struct fit_interval *L1 = &c->runs[i].intervals.ci.L1;
            weights += 1 / (L1->se * L1->se);
            mean += L1->estimate / (L1->se * L1->se);
            k++;
        }
    }
    if (k < 2) {
        return;
    }
    mean /= weights;
    c->q = (struct figure){ true, 0 };
    for (size_t i = 0; i < c->n; i++) {
        if (tells(&c->runs[i])) {
            const struct fit_interval *L1 = &c->runs[i].intervals.ci.L1;
            const double z = (L1->estimate - mean) / L1->se;
            c->q.v += z * z;
        }
    }
    c->dof = (unsigned)k - 1;
    c->p = (struct figure){ true, chi_squared_tail(c->q.v, c->dof) };
}

bool run_compare_finish(struct run_compare *compare)
{
    test_equality(compare);
    return find_interval(compare);
}
