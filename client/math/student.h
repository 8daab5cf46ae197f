/* student: the distribution of Student's t. Pure; any thread. */
#ifndef TRAJ_STUDENT_H
#define TRAJ_STUDENT_H

/* P(T > t) with dof degrees of freedom, to 1e-10 of itself while it is above
 * 1e-300 and dof <= 1e6. NaN for dof < 1 or Inf and for t = NaN. */
double student_tail(double t, double dof);

/* The t with P(T <= t) = p, to 1e-10 of itself for dof <= 1e6. NaN unless
 * 0 < p < 1 and dof >= 1, not Inf. */
double student_quantile(double p, double dof);

#endif
