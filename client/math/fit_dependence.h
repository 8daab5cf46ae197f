/* fit_dependence: for how many samples a series remembers, and so how long a
 * block has to be. Pure; any thread. */
#ifndef TRAJ_FIT_DEPENDENCE_H
#define TRAJ_FIT_DEPENDENCE_H

#include <stddef.h>

#include "math/fit_absent.h"

#define FIT_WINDOW_MAX 4096u

struct fit_dependence {
    double tau_int; /* samples; 1 for independent ones, never less */
    double n_eff;   /* n / tau_int */
    size_t window;  /* lags summed */
    size_t block;   /* 2^k >= 2.5 tau_int, at least 32 */
};

/*
 * The integrated autocorrelation time of n finite residuals in their order,
 * tau(W) = 1 + 2 sum_{k=1..W} rho_k, rho_k with the divisor n, at the smallest
 * W with 5 tau(W) <= W (Sokal 1997, section 3; Madras and Sokal 1988). Its
 * relative standard error is (2 (2W+1)/n)^(1/2). Negative autocorrelation,
 * which would make intervals shorter, is not credited: tau_int >= 1.
 * O(n W); W is at most n/4 and FIT_WINDOW_MAX, beyond which it is
 * FIT_ABSENT_LONG_MEMORY. FIT_ABSENT_FEW_SAMPLES below FIT_N_MIN,
 * FIT_ABSENT_CONSTANT if all are equal. workspace: n doubles.
 */
enum fit_absent fit_dependence(const double *residuals, size_t n,
    double *workspace, struct fit_dependence *ret);

#endif
