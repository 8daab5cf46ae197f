/*
 * rank_tests: whether the smoothness of a sample goes with its gradient norm,
 * by ranks, with time taken out (math/fit_tests.h). All draws are from one
 * seed: the same pairs give the same figures. Pure; any thread.
 */
#ifndef TRAJD_RANK_TESTS_H
#define TRAJD_RANK_TESTS_H

#include "math/fit_absent.h"
#include "math/fit_tests.h"
#include "pure/fit_sample.h"

#define RANK_TESTS_SHIFTS 999u /* of the permutation tests */

struct rank_tests {
    enum fit_absent partial_absent;
    struct fit_partial partial; /* given step and lr, or the step alone */
    enum fit_absent difference_absent;
    struct fit_partial difference; /* of first differences */
};

/* workspace: 8 n doubles. */
void rank_tests_of(
    const struct fit_sample *sample, double *workspace, struct rank_tests *ret);

#endif
