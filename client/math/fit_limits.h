/* fit_limits: beyond which (L0, L1) cannot be told from something else
 * (theory.md 0, 4.6 and 5). Warnings of fits, verdicts and tests go by the
 * same. */
#ifndef TRAJ_FIT_LIMITS_H
#define TRAJ_FIT_LIMITS_H

/* |Spearman| of the gradient norm, or the smoothness, and time above it: what
 * looks like a law of the one may as well be one of the other. */
#define FIT_TIME_RANK_MAX 0.98
/* median(y / ceiling) above it: the smoothness is about what unrelated
 * gradients would give. */
#define FIT_CEILING_RATIO_MAX 0.6
/* q95(x) / q05(x) below it: L0 and L1 trade against each other. */
#define FIT_SPREAD_MIN 2.0

#endif
