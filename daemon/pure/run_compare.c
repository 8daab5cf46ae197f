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
    compare->x = compare->y = NULL;
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

/* ---- one law for all ----------------------------------------------------- */

/* The blocks of each run, and the longest memory of any. A run whose memory is
 * not known is one block. */
static size_t cut_rows(const struct run_compare *c, const double *w,
    struct fit_sums *rows, double *ret_tau)
{
    size_t m = 0;
    size_t from = 0;
    for (size_t i = 0; i < c->n; i++) {
        const struct intervals *of = &c->runs[i].intervals;
        const size_t n = c->runs[i].end - from;
        const size_t length = of->length > 0 ? of->length : n + 1;
        m += fit_rows(c->x + from, c->y + from, w + from, n, length, rows + m);
        if (of->length > 0) {
            *ret_tau = fmax(*ret_tau, of->dependence.tau_int);
        }
        from = c->runs[i].end;
    }
    return m;
}

static size_t most_rows(const struct run_compare *c)
{
    size_t rows = 0;
    size_t from = 0;
    for (size_t i = 0; i < c->n; i++) {
        const size_t length = c->runs[i].intervals.length;
        const size_t n = c->runs[i].end - from;
        rows += (length > 0 ? n / length : 0) + 1;
        from = c->runs[i].end;
    }
    return rows;
}

static bool put_interval(struct run_compare *c, const double *w)
{
    struct fit_sums *rows = calloc(most_rows(c) + 1, sizeof *rows);
    if (rows == NULL) {
        return false;
    }
    double tau = 1;
    const size_t m = cut_rows(c, w, rows, &tau);
    c->pooled_absent = fit_ci(
        rows, m, (double)c->n_pairs, tau, INTERVALS_LEVEL, &c->pooled_ci);
    free(rows);
    return true;
}

static bool pool(struct run_compare *c)
{
    double *workspace =
        malloc((fit_workspace(c->n_pairs) + c->n_pairs + 1) * sizeof(double));
    if (workspace == NULL) {
        return false;
    }
    double *w = workspace + fit_workspace(c->n_pairs);
    c->pooled_absent = FIT_ABSENT_UNDETERMINED;
    c->has_pooled =
        c->n_pairs >= FIT_N_MIN &&
        fit_nnls_relative(c->x, c->y, c->n_pairs, workspace, &c->pooled);
    bool ok = true;
    if (c->has_pooled &&
        fit_relative_weights(c->pooled, c->x, c->n_pairs, workspace, w)) {
        ok = put_interval(c, w);
    }
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
    return pool(compare);
}
