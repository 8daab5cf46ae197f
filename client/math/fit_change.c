/* fit_change.c: pure; any thread. */
#include "math/fit_change.h"

#include <math.h>

/* Of the segment's own line; of one value of x its mean. */
static double cost(const struct fit_sums *sums)
{
    struct fit_line line;
    if (!(sums->n > 0)) {
        return 0;
    }
    return fit_sums_ols(sums, &line) ? fit_sums_sse(sums, line)
                                     : fit_sums_centred(sums).yy;
}

struct cut {
    size_t at;
    double gain;
};

/* The cut of rows [from, to) that gains most; gain 0 where there is none. */
static struct cut best_cut(const struct fit_sums *rows, size_t from, size_t to,
    struct fit_sums *suffix)
{
    struct cut best = { from, 0 };
    if (to - from < 2 * (size_t)FIT_CHANGE_BLOCKS_MIN) {
        return best;
    }
    struct fit_sums all = { 0 };
    for (size_t i = to; i > from; i--) {
        fit_sums_merge(&all, &rows[i - 1], 1);
        suffix[i - 1] = all;
    }
    const double whole = cost(&all);
    struct fit_sums left = { 0 };
    for (size_t i = from; i + FIT_CHANGE_BLOCKS_MIN <= to; i++) {
        const double gain = i - from < FIT_CHANGE_BLOCKS_MIN
                                ? 0
                                : whole - cost(&left) - cost(&suffix[i]);
        if (gain > best.gain) {
            best = (struct cut){ i, gain };
        }
        fit_sums_merge(&left, &rows[i], 1);
    }
    return best;
}

/* Puts a cut in its place among n. */
static void insert(size_t *cuts, size_t n, size_t at)
{
    size_t i = n;
    for (; i > 0 && cuts[i - 1] > at; i--) {
        cuts[i] = cuts[i - 1];
    }
    cuts[i] = at;
}

/* Before which rows. */
static size_t cut_rows(const struct fit_sums *rows, size_t m, double penalty,
    size_t most, struct fit_sums *workspace, size_t *ret_cuts)
{
    size_t n = 0;
    while (n < most) {
        struct cut best = { 0, 0 };
        for (size_t i = 0; i <= n; i++) {
            const size_t from = i == 0 ? 0 : ret_cuts[i - 1];
            const size_t to = i == n ? m : ret_cuts[i];
            const struct cut cut = best_cut(rows, from, to, workspace);
            best = cut.gain > best.gain ? cut : best;
        }
        if (!(best.gain > penalty)) {
            break;
        }
        insert(ret_cuts, n++, best.at);
    }
    return n;
}

static void add(
    struct fit_sums *sums, const struct fit_change_query *q, size_t i)
{
    if (q->w == NULL) {
        fit_sums_add(sums, q->x[i], q->y[i]);
    } else {
        fit_sums_add_weighted(sums, q->x[i], q->y[i], q->w[i]);
    }
}

static double cost_of(const struct fit_change_query *q, size_t from, size_t to)
{
    struct fit_sums sums = { 0 };
    for (size_t i = from; i < to; i++) {
        add(&sums, q, i);
    }
    return cost(&sums);
}

/* The best place from lo to hi, inclusive, to cut samples [from, to), both
 * inside. workspace: hi - lo + 1. */
static size_t best_place(const struct fit_change_query *q, size_t from,
    size_t to, size_t lo, size_t hi, struct fit_sums *workspace)
{
    struct fit_sums right = { 0 };
    for (size_t i = to; i > lo; i--) {
        add(&right, q, i - 1);
        if (i - 1 <= hi) {
            workspace[i - 1 - lo] = right;
        }
    }
    struct fit_sums left = { 0 };
    for (size_t i = from; i < lo; i++) {
        add(&left, q, i);
    }
    size_t best = lo;
    double least = (double)INFINITY;
    for (size_t i = lo; i <= hi; i++) {
        const double both = cost(&left) + cost(&workspace[i - lo]);
        if (both < least) {
            least = both;
            best = i;
        }
        add(&left, q, i);
    }
    return best;
}

/* Each within a block of where it is, its neighbours given. */
static void refine(const struct fit_change_query *q, size_t *cuts, size_t n,
    struct fit_sums *workspace)
{
    for (size_t i = 0; i < n; i++) {
        const size_t from = i == 0 ? 0 : cuts[i - 1];
        const size_t to = i + 1 == n ? q->n : cuts[i + 1];
        cuts[i] = best_place(
            q, from, to, cuts[i] - q->length, cuts[i] + q->length, workspace);
    }
}

static size_t drop(
    const struct fit_change_query *q, double penalty, size_t *cuts, size_t n)
{
    for (size_t i = 0; i < n;) {
        const size_t from = i == 0 ? 0 : cuts[i - 1];
        const size_t to = i + 1 == n ? q->n : cuts[i + 1];
        const double gain = cost_of(q, from, to) - cost_of(q, from, cuts[i]) -
                            cost_of(q, cuts[i], to);
        if (gain > penalty) {
            i++;
            continue;
        }
        n--;
        for (size_t k = i; k < n; k++) {
            cuts[k] = cuts[k + 1];
        }
    }
    return n;
}

/* What is left of the samples within each row's own line, per degree of
 * freedom: what changes between rows does not inflate it. */
static double variance_within(
    const struct fit_sums *rows, size_t m, size_t samples)
{
    double left = 0;
    for (size_t i = 0; i < m; i++) {
        left += cost(&rows[i]);
    }
    return left / ((double)samples - 2 * (double)m);
}

size_t fit_change_room(const struct fit_change_query *query)
{
    const size_t rows = query->n / query->length + 1;
    return 2 * rows + 2 * query->length + 1;
}

size_t fit_changes(const struct fit_change_query *query,
    struct fit_sums *workspace, size_t *ret_cuts)
{
    struct fit_sums *rows = workspace;
    const size_t m =
        fit_rows(query->x, query->y, query->w, query->n, query->length, rows);
    if (m < 2 * (size_t)FIT_CHANGE_BLOCKS_MIN) {
        return 0;
    }
    const double penalty = FIT_CHANGE_PENALTY * log((double)m) *
                           query->tau_int * variance_within(rows, m, query->n);
    struct fit_sums *rest = rows + query->n / query->length + 1;
    const size_t n = cut_rows(rows, m, penalty, query->most, rest, ret_cuts);
    for (size_t i = 0; i < n; i++) {
        ret_cuts[i] *= query->length;
    }
    refine(query, ret_cuts, n, rest);
    return drop(query, penalty, ret_cuts, n);
}
