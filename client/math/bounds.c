/* bounds.c: pure; any thread. A theorem's letters are traj.h's. */
#include "math/bounds.h"

#include <math.h>
#include <stdbool.h>

static bool are_valid(struct fit_line law, double gap, double eps)
{
    return law.L0 >= 0 && law.L1 >= 0 && gap >= 0 && eps > 0;
}

double bounds_clipped(struct fit_line law, double gap, double eps)
{
    if (!are_valid(law, gap, eps)) {
        return (double)NAN;
    }
    return 20 * law.L0 * gap / (eps * eps) +
           20 * fmax(1, law.L1 * law.L1) * gap / law.L0;
}

double bounds_clipped_l0l1(struct fit_line law, double gap, double eps)
{
    if (!are_valid(law, gap, eps)) {
        return (double)NAN;
    }
    return 4 * law.L0 * gap / (eps * eps) + 6 * law.L1 * gap / eps;
}

double bounds_fixed(struct fit_line law, double most, double gap, double eps)
{
    if (!are_valid(law, gap, eps) || !(most >= 0)) {
        return (double)NAN;
    }
    return 4 * (most * law.L1 + law.L0) * gap / (eps * eps);
}

double bounds_fixed_least(
    struct fit_line law, double most, double gap, double eps)
{
    if (!are_valid(law, gap, eps) || !(law.L0 >= 1 && law.L1 >= 1) ||
        !(most > 1) || !(gap >= 5 * eps / 8)) {
        return (double)NAN;
    }
    return law.L1 * most * (gap - 5 * eps / 8) /
           (8 * eps * eps * (log(most) + 1));
}

double bounds_ratio(struct fit_line law, double most, double eps)
{
    if (!are_valid(law, 0, eps) || !(most >= 0)) {
        return (double)NAN;
    }
    return (most * law.L1 + law.L0) / (law.L0 + 1.5 * law.L1 * eps);
}
