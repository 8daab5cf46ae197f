/*
 * spike.c: median and MAD of a trailing window, kept sorted. Pure.
 *
 * Invariant: sorted[0 .. n) holds ring[0 .. n), ascending; all are finite.
 */
#include "math/spike.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "held_env.h"

/* 1/quantile(3/4) and sqrt(pi/2) of the normal law: what makes the MAD and the
 * mean distance from the median its standard deviation. */
#define SIGMA_OF_MAD 1.482602218505602
#define SIGMA_OF_MEAN 1.2533141373155003
#define RELATIVE_FLOOR 0x1p-20

void spike_init(struct spike *spike, double floor)
{
    assert(floor >= 0);
    *spike = (struct spike){ .floor = floor };
}

/* Halves first: no sum of two finite values overflows. */
static double middle(double a, double b)
{
    return a / 2 + b / 2;
}

static double median(const struct spike *spike)
{
    const double *v = spike->sorted;
    return middle(v[(spike->n - 1) / 2], v[spike->n / 2]);
}

/* The median of the distances from center: outwards from it on both sides, the
 * nearer one next. */
static double mad(const struct spike *spike, double center)
{
    const double *v = spike->sorted;
    const uint32_t n = spike->n;
    uint32_t above = 0;
    while (above < n && v[above] <= center) {
        above++;
    }
    uint32_t below = above; /* v[below - 1] is the next one down */
    double previous = 0;
    double distance = 0;
    for (uint32_t taken = 0; taken <= n / 2; taken++) {
        previous = distance;
        bool up = above < n &&
                  (below == 0 || v[above] - center < center - v[below - 1]);
        distance = up ? v[above++] - center : center - v[--below];
    }
    return n % 2 == 1 ? distance : middle(previous, distance);
}

static double mean_distance(const struct spike *spike, double center)
{
    double mean = 0;
    for (uint32_t i = 0; i < spike->n; i++) {
        mean += fabs(spike->sorted[i] - center) / spike->n;
    }
    return mean;
}

static double robust_z(const struct spike *spike, double value)
{
    if (spike->n < SPIKE_WINDOW_MIN) {
        return 0;
    }
    const double center = median(spike);
    double spread = SIGMA_OF_MAD * mad(spike, center);
    if (!(spread > 0)) {
        spread = SIGMA_OF_MEAN * mean_distance(spike, center);
    }
    spread = fmax(spread, fmax(spike->floor, RELATIVE_FLOOR * fabs(center)));
    const double distance = value - center;
    if (!(spread > 0)) {
        return distance > 0 ? HUGE_VAL : distance < 0 ? -HUGE_VAL : 0;
    }
    /* Of values near the largest double both may be Inf. */
    return isfinite(distance) ? distance / spread : distance;
}

/* The first place whose value is not below. */
static uint32_t place(const struct spike *spike, double value)
{
    uint32_t low = 0;
    uint32_t high = spike->n;
    while (low < high) {
        uint32_t half = (low + high) / 2;
        if (spike->sorted[half] < value) {
            low = half + 1;
        } else {
            high = half;
        }
    }
    return low;
}

static void forget_oldest(struct spike *spike)
{
    uint32_t at = place(spike, spike->ring[spike->next]);
    spike->n--;
    memmove(&spike->sorted[at], &spike->sorted[at + 1],
        (spike->n - at) * sizeof spike->sorted[0]);
}

static void keep(struct spike *spike, double value)
{
    if (spike->n == SPIKE_WINDOW) {
        forget_oldest(spike);
    }
    uint32_t at = place(spike, value);
    memmove(&spike->sorted[at + 1], &spike->sorted[at],
        (spike->n - at) * sizeof spike->sorted[0]);
    spike->sorted[at] = value;
    spike->n++;
    spike->ring[spike->next] = value;
    spike->next = (spike->next + 1) % SPIKE_WINDOW;
}

HELD_ENV_NOINLINE static double judge(struct spike *spike, double value)
{
    double z = 0;
    if (isfinite(value)) {
        z = robust_z(spike, value);
        keep(spike, value);
    } else {
        z = value < 0 ? -HUGE_VAL : HUGE_VAL;
    }
    spike->active = z > (spike->active ? SPIKE_Z_LEAVE : SPIKE_Z_ENTER);
    return z;
}

double spike_add(struct spike *spike, double value)
{
    struct held_env held;
    held_env_take(&held);
    double z = judge(spike, value);
    held_env_give_back(&held);
    return z;
}
