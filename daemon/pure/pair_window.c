/* pair_window.c: pure; one thread at a time per struct pair_window. */
#include "pure/pair_window.h"

#include <assert.h>
#include <math.h>

#include "traj.h"

#define OF_ONE (TRAJ_PROBE_NEGATIVE | TRAJ_PROBE_NOISE_LIMITED)

void pair_window_init(struct pair_window *window, uint32_t size)
{
    assert(size > 0 && size <= PAIR_WINDOW_MAX);
    *window = (struct pair_window){ .size = size };
}

/* Measured, and nothing but noise speaks against it. */
static bool is_usable(const struct pair *pair)
{
    struct pair calm = *pair;
    calm.flags &= (uint16_t)~OF_ONE;
    calm.measured &= (uint16_t)~PAIR_NOISE_BIT(FIT_REGRESSOR_START);
    const enum pair_use use = pair_use(&calm, FIT_REGRESSOR_START);
    return use == PAIR_USED || use == PAIR_NOT_POSITIVE;
}

static void add(
    struct pair_window *window, const struct row *row, const struct pair *pair)
{
    struct pair_squares s;
    pair_squares_read(row, &s);
    struct pair_squares *sum = &window->sum;
    sum->start += s.start - s.grad_noise;
    sum->middle += s.middle - s.grad_noise;
    sum->end += s.end - s.grad_noise;
    sum->dgrad += s.dgrad - s.dgrad_noise;
    sum->delta += s.delta;
    sum->floor += s.floor * s.delta;
    const double both = sqrt(s.start) + sqrt(s.end);
    window->ceiling += both * both;
    window->loss += pair->loss;
    window->loss_end += pair->loss_end;
    const uint16_t measured =
        window->n == 0 ? UINT16_MAX : window->first.measured;
    const uint16_t flags = window->n == 0 ? 0 : window->first.flags;
    window->first = *pair;
    window->first.measured &= measured;
    window->first.flags |= flags;
    window->n++;
}

static double at_least_0(double square)
{
    return square < 0 ? 0 : square;
}

static struct pair mean_of(const struct pair_window *window)
{
    const double n = window->n;
    const struct pair_squares *sum = &window->sum;
    struct pair pair = window->first;
    const double y_sq = sum->dgrad / sum->delta;
    const bool noise = !(y_sq > 0) || y_sq < 4 * sum->floor / sum->delta / n;
    pair.flags &= (uint16_t)~OF_ONE;
    pair.loss = window->loss / n;
    pair.loss_end = window->loss_end / n;
    for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
        pair.x[k] =
            fit_regressor((enum fit_regressor)k, at_least_0(sum->start / n),
                at_least_0(sum->middle / n), at_least_0(sum->end / n));
        pair.y[k] = sqrt(at_least_0(y_sq));
        pair.ceiling[k] = sqrt(window->ceiling / sum->delta);
        pair.measured &= (uint16_t)~PAIR_NOISE_BIT(k);
        pair.measured |=
            (uint16_t)(noise || pair.x[k] <= 0 ? PAIR_NOISE_BIT(k) : 0);
    }
    return pair;
}

static void empty(struct pair_window *window)
{
    const uint64_t dropped = window->dropped;
    pair_window_init(window, window->size);
    window->dropped = dropped;
}

bool pair_window_add(
    struct pair_window *window, const struct row *row, struct pair *pair)
{
    if (window->size == 1 || pair->estimator != TRAJ_ESTIMATOR_MICROBATCH ||
        !is_usable(pair)) {
        return true;
    }
    if (window->n > 0 && pair->step < window->first.step) {
        window->dropped += window->n;
        empty(window);
    }
    add(window, row, pair);
    if (window->n < window->size) {
        return false;
    }
    *pair = mean_of(window);
    empty(window);
    return true;
}

uint64_t pair_window_waiting(const struct pair_window *window)
{
    return window->dropped + window->n;
}
