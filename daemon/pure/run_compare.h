/*
 * run_compare: the laws of several runs beside each other, one law for all of
 * them, and whether their L1 may be the same. Pure but for its memory; any
 * thread.
 *
 * Each run keeps its own weights and blocks (intervals.h). The pooled law is
 * the relative-error fit of all pairs, and its interval counts the blocks of
 * all runs. If one of them comes as states (run_fit_states.h), the pooled law
 * is that of the merged states of all, and of that run the blocks are the rows
 * that the law weighs. Equal L1: Q = sum w (L1 - their mean)^2, with weights w
 * = 1/se^2, is chi squared with k - 1 degrees of freedom for k independent runs
 * (Cochran 1954).
 */
#ifndef TRAJD_RUN_COMPARE_H
#define TRAJD_RUN_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pure/figure.h"
#include "pure/intervals.h"
#include "pure/run_fit.h"
#include "pure/run_fit_states.h"

#define RUN_COMPARE_MAX 16u

struct compared {
    struct run_fit fit;
    struct intervals intervals;
    size_t end; /* of its pairs among all; from states it has none */
};

struct run_compare {
    /* What is asked; of what is not, the first run's class and regressor, for
     * classes are not mixed. */
    struct run_fit_query query;
    struct compared runs[RUN_COMPARE_MAX];
    size_t n;
    double *x, *y; /* the pairs of all, run after run; owned */
    size_t n_pairs, capacity;
    bool from_states;       /* a run of them is */
    struct fit_state state; /* then: of the pairs of all; owned */
    struct fit_sums *rows;  /* of runs from states; owned */
    size_t n_rows, rows_capacity;

    uint64_t n_pooled; /* pairs */
    bool has_pooled;
    struct fit_line pooled;
    bool has_weight;
    struct fit_weight weight; /* from states: the pooled law's */
    enum fit_absent pooled_absent;
    struct fit_ci pooled_ci;
    struct figure q, p; /* none for fewer than two intervals */
    unsigned dof;
};

void run_compare_start(
    struct run_compare *compare, const struct run_fit_query *query);
void run_compare_done(struct run_compare *compare);

/* The next run, of at most RUN_COMPARE_MAX. false: out of memory. */
bool run_compare_add(struct run_compare *compare, const struct pairs *pairs);
bool run_compare_add_states(
    struct run_compare *compare, const struct run_fit_states *states);

/* After the last one: the law of all. false: out of memory. */
bool run_compare_pool(struct run_compare *compare);

/* If that has a weight: the rows of each run that is from states, with that
 * weight. false: out of memory. */
bool run_compare_add_rows(struct run_compare *compare,
    const struct compared *run, const struct fit_sums *rows, size_t n);

/* Last: what needs them. false: out of memory. */
bool run_compare_finish(struct run_compare *compare);

#endif
