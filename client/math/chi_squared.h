/* chi_squared: the distribution of chi squared. Pure; any thread. */
#ifndef TRAJ_CHI_SQUARED_H
#define TRAJ_CHI_SQUARED_H

/* P(X > x) with dof >= 1 degrees of freedom: the finite sums of Abramowitz and
 * Stegun, 26.4.4 and 26.4.5. 1 for x <= 0; NaN for dof = 0 and x = NaN. */
double chi_squared_tail(double x, unsigned dof);

#endif
