/* fit_sample.c: pure but for the memory of the sample; any thread. */
#include "pure/fit_sample.h"

#include <math.h>
#include <stdlib.h>

#include "traj.h"

#define COLUMNS 14u /* x, y, time, lr, loss, ratio and the workspace's 8 */

static bool make_room(struct fit_sample *sample, size_t n)
{
    const size_t width = n == 0 ? 1 : n;
    double *block = calloc(width * COLUMNS, sizeof *block);
    uint64_t *step = calloc(width, sizeof *step);
    if (block == NULL || step == NULL) {
        free(block);
        free(step);
        return false;
    }
    sample->step = step;
    sample->x = block;
    sample->y = block + width;
    sample->time = block + 2 * width;
    sample->lr = block + 3 * width;
    sample->loss = block + 4 * width;
    sample->ratio = block + 5 * width;
    sample->workspace = block + 6 * width;
    return true;
}

void fit_sample_done(struct fit_sample *sample)
{
    free(sample->x);
    free(sample->step);
    *sample = (struct fit_sample){ .n = 0 };
}

static bool in_window(
    const struct pair *pair, const struct run_fit_query *query)
{
    return pair->step >= query->from_step && pair->step <= query->to_step;
}

static void choose(const struct pairs *pairs, const struct run_fit_query *query,
    struct fit_sample *sample)
{
    struct pair_census census = { 0 };
    for (size_t i = 0; i < pairs->n; i++) {
        if (in_window(&pairs->v[i], query)) {
            pair_census_add(&census, &pairs->v[i]);
            sample->in_sight++;
        }
    }
    sample->estimator = query->estimator >= 0 ? (unsigned)query->estimator
                                              : pair_census_estimator(&census);
    sample->regressor = query->regressor >= 0
                            ? (enum fit_regressor)query->regressor
                            : pair_census_regressor(&census, sample->estimator);
}

static void take(struct fit_sample *sample, const struct pair *pair)
{
    const size_t i = sample->n++;
    sample->x[i] = pair->x[sample->regressor];
    sample->y[i] = pair->y[sample->regressor];
    sample->step[i] = pair->step;
    sample->time[i] = fit_sample_time(sample->step[0], pair->step);
    sample->lr[i] = pair->lr;
    sample->loss[i] = pair_loss(pair, sample->regressor);
    const double ceiling = pair->ceiling[sample->regressor];
    if (ceiling > 0 && isfinite(ceiling)) {
        sample->ratio[sample->n_ratio++] = sample->y[i] / ceiling;
    }
    if (i == 0 || pair->step < sample->first_step) {
        sample->first_step = pair->step;
    }
    if (i == 0 || pair->step > sample->last_step) {
        sample->last_step = pair->step;
    }
    sample->flags |= pair->flags;
    sample->n_noise += isnan(pair->noise_floor) ? 0 : 1;
}

bool fit_sample_take(const struct pairs *pairs,
    const struct run_fit_query *query, struct fit_sample *ret)
{
    *ret = (struct fit_sample){ .n = 0 };
    choose(pairs, query, ret);
    if (!make_room(ret, (size_t)ret->in_sight)) {
        return false;
    }
    for (size_t i = 0; i < pairs->n; i++) {
        const struct pair *pair = &pairs->v[i];
        if (!in_window(pair, query)) {
            continue;
        }
        const enum pair_use use = pair->estimator == ret->estimator
                                      ? pair_use(pair, ret->regressor)
                                      : PAIR_OTHER_ESTIMATOR;
        ret->excluded[use]++;
        if (use == PAIR_USED) {
            take(ret, pair);
        }
    }
    ret->excluded[PAIR_USED] = 0;
    return true;
}
