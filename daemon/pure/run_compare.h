/*
 * run_compare: the laws of several runs beside each other, one law for all of
 * them, and whether their L1 may be the same. Pure but for its memory; any
 * thread.
 *
 * Each run keeps its own weights and blocks (residuals.h); the pooled law is
 * the relative-error fit of all pairs, its interval counts the blocks of all
 * runs. Equal L1: Q = sum w (L1 - mean)^2 with w = 1/se^2 and their weighted
 * mean is chi squared with k - 1 degrees of freedom (Cochran 1954) where the k
 * intervals are of independent runs.
 */
#ifndef TRAJD_RUN_COMPARE_H
#define TRAJD_RUN_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "math/fit_absent.h"
#include "math/fit_ci.h"
#include "pure/figure.h"
#include "pure/run_fit.h"

#define RUN_COMPARE_MAX 16u
#define RUN_COMPARE_LEVEL 0.95

struct compared {
    struct run_fit fit;
    enum fit_absent interval_absent;
    struct fit_ci interval;
};

struct run_compare {
    /* Of all runs: those of the first where nothing is asked for, so that
     * classes are not mixed. */
    struct run_fit_query query;
    struct compared runs[RUN_COMPARE_MAX];
    size_t n;

    size_t pooled_n; /* pairs */
    bool has_pooled;
    struct fit_line pooled;
    enum fit_absent pooled_absent;
    struct fit_ci pooled_interval;

    struct figure q, p; /* of equal L1; none for fewer than two intervals */
    unsigned dof;

    /* The pairs of all runs so far; owned. */
    double *x, *y;
    size_t capacity;
    size_t *block; /* of each run: pairs in a block; and where its pairs end */
    size_t ends[RUN_COMPARE_MAX];
    size_t lengths[RUN_COMPARE_MAX];
    double tau; /* the longest */
};

void run_compare_start(
    struct run_compare *compare, const struct run_fit_query *query);
void run_compare_done(struct run_compare *compare);

/* The next run. false: out of memory. At most RUN_COMPARE_MAX. */
bool run_compare_add(struct run_compare *compare, const struct pairs *pairs);

/* After the last. false: out of memory. */
bool run_compare_finish(struct run_compare *compare);

#endif
