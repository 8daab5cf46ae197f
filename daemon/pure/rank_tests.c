/* rank_tests.c: pure; any thread. */
#include "pure/rank_tests.h"

#include <math.h>
#include <stdbool.h>

#define SEED 1

static bool has_rates(const struct fit_sample *sample)
{
    for (size_t i = 0; i < sample->n; i++) {
        if (!isfinite(sample->lr[i])) {
            return false;
        }
    }
    return true;
}

/* Given step and lr; given the step alone where lr is not known, or follows the
 * gradient norm itself, as that of an adaptive rule does. */
static enum fit_absent given_time(
    const struct fit_sample *s, double *workspace, struct fit_partial *ret)
{
    const double *covariates[] = { s->time, s->lr };
    enum fit_absent absent = FIT_ABSENT_NOT_SEPARABLE;
    if (has_rates(s)) {
        absent = fit_partial_spearman(s->x, s->y, s->n, covariates, 2,
            RANK_TESTS_SHIFTS, SEED, workspace, ret);
    }
    if (absent == FIT_ABSENT_NOT_SEPARABLE) {
        absent = fit_partial_spearman(s->x, s->y, s->n, covariates, 1,
            RANK_TESTS_SHIFTS, SEED, workspace, ret);
    }
    return absent;
}

void rank_tests_of(
    const struct fit_sample *sample, double *workspace, struct rank_tests *ret)
{
    *ret = (struct rank_tests){ 0 };
    ret->partial_absent = given_time(sample, workspace, &ret->partial);
    ret->difference_absent = fit_difference_spearman(sample->x, sample->y,
        sample->n, RANK_TESTS_SHIFTS, SEED, workspace, &ret->difference);
}
