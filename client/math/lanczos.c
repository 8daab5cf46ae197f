/* lanczos.c: see lanczos.h. Pure; any thread. */
#include "math/lanczos.h"

#include "held_env.h"
#include "math/tridiagonal.h"

HELD_ENV_NOINLINE bool lanczos_solve(struct lanczos *s)
{
    double off[LANCZOS_MAX] = { 0 };
    for (size_t i = 0; i < s->m; i++) {
        s->values[i] = s->diagonal[i];
        off[i] = i + 1 < s->m ? s->off[i] : 0;
        for (size_t k = 0; k < s->m; k++) {
            s->vectors[i][k] = i == k;
        }
    }
    if (!tridiagonal_solve(
            s->values, off, s->m, &s->vectors[0][0], LANCZOS_MAX)) {
        return false;
    }
    s->smallest = s->largest = 0;
    for (size_t i = 1; i < s->m; i++) {
        s->smallest = s->values[i] < s->values[s->smallest] ? i : s->smallest;
        s->largest = s->values[i] > s->values[s->largest] ? i : s->largest;
    }
    return true;
}
