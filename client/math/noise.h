/* noise: what K microbatches tell of the noise of their mean. Pure; any thread;
 * arithmetic, so within a held environment. */
#ifndef TRAJ_NOISE_H
#define TRAJ_NOISE_H

/* Of vectors v_k: mean_sq is mean_k ||v_k||^2, sq_of_mean is ||mean v||^2. */

/* U, unbiased for ||E v||^2: traj_unbiased_sq. */
static inline double noise_unbiased_sq(
    double k, double mean_sq, double sq_of_mean)
{
    return (k * sq_of_mean - mean_sq) / (k - 1);
}

/* E||mean v - E v||^2, which U takes off sq_of_mean. */
static inline double noise_of_mean(double k, double mean_sq, double sq_of_mean)
{
    return (mean_sq - sq_of_mean) / (k - 1);
}

#endif
