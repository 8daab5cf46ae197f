/* noise.c: gradient noise from norms alone. Pure; any thread. */
#include "math/noise.h"
#include <math.h>
#include <stdbool.h>

#include "held_env.h"
#include "traj.h"

HELD_ENV_NOINLINE static double unbiased_sq(
    double k, double mean_sq, double sq_of_mean)
{
    return noise_unbiased_sq(k, mean_sq, sq_of_mean);
}

double traj_unbiased_sq(
    uint64_t micro_batches, double mean_sq, double sq_of_mean)
{
    if (micro_batches < 2) {
        return (double)NAN;
    }
    struct held_env held;
    held_env_take(&held);
    const double value =
        unbiased_sq((double)micro_batches, mean_sq, sq_of_mean);
    held_env_give_back(&held);
    return value;
}

/* 1/(1/small - 1/big) is small big/(big - small): fewer roundings. */
HELD_ENV_NOINLINE static void noise_of(double small, double sq_small,
    double big, double sq_big, double *ret_signal_sq, double *ret_noise)
{
    const double gap = big - small;
    const bool valid = small > 0 && small < big;
    *ret_signal_sq =
        valid ? (big * sq_big - small * sq_small) / gap : (double)NAN;
    *ret_noise =
        valid ? (sq_small - sq_big) * (small * (big / gap)) : (double)NAN;
}

void traj_gradient_noise(double small, double sq_small, double big,
    double sq_big, double *ret_signal_sq, double *ret_noise)
{
    struct held_env held;
    held_env_take(&held);
    noise_of(small, sq_small, big, sq_big, ret_signal_sq, ret_noise);
    held_env_give_back(&held);
}
