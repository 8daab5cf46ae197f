/*
 * bounds: how many iterations theorems grant to reach ||g|| <= eps under
 * ||H|| <= L0 + L1 ||g||, from f(x0) - f* = gap. Deterministic worst cases:
 * read their ratios, not the counts. Pure; any thread. NaN where an argument is
 * negative or NaN, or eps is 0; Inf where nothing is granted.
 */
#ifndef TRAJ_BOUNDS_H
#define TRAJ_BOUNDS_H

#include "math/fit.h"

/* Clipped gradient descent: 20 L0 gap/eps^2 + 20 max{1, L1^2} gap/L0;
 * 1905.11881, Theorem 3. */
double bounds_clipped(struct fit_line law, double gap, double eps);
/* Clipping with the rule CLIPPED_L0L1: 4 L0 gap/eps^2 + 6 L1 gap/eps;
 * 2410.10800, a = 1/2. */
double bounds_clipped_l0l1(struct fit_line law, double gap, double eps);
/* One step size for all norms up to most: 4 (most L1 + L0) gap/eps^2;
 * 1905.11881, Theorem 6. */
double bounds_fixed(struct fit_line law, double most, double gap, double eps);
/* What some function of the class costs gradient descent with any fixed step:
 * L1 most (gap - 5 eps/8)/(8 eps^2 (ln most + 1)), for L0, L1 >= 1 and most >
 * 1; 1905.11881, Theorem 4. */
double bounds_fixed_least(
    struct fit_line law, double most, double gap, double eps);

/* bounds_fixed over bounds_clipped_l0l1, where the gap cancels:
 * (most L1 + L0)/(L0 + 3/2 L1 eps). */
double bounds_ratio(struct fit_line law, double most, double eps);

#endif
