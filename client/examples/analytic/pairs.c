/* pairs: the caller owns the state; one thread at a time for each. */
#include "examples/analytic/pairs.h"

#include <math.h>
#include <string.h>

/* N4: x - 5 is an AR(1) of variance 1, e one of standard deviation 0.3. */
#define X_MEMORY 0.98
#define E_MEMORY 0.95
#define E_SIZE 0.3

static const char *const names[][2] = {
    { "n3", "pairs: two trends, independent given the time" },
    { "n4", "pairs: slope 1/2 under an AR(.98) x and AR(.95) errors" },
};

const char *pairs_at(size_t i, const char **ret_formula)
{
    if (i >= sizeof names / sizeof *names) {
        return NULL;
    }
    *ret_formula = names[i][1];
    return names[i][0];
}

bool pairs_init(
    const char *name, uint64_t seed, uint64_t n, struct pairs *ret_pairs)
{
    bool remember = strcmp(name, names[1][0]) == 0;
    if (!remember && strcmp(name, names[0][0]) != 0) {
        return false;
    }
    *ret_pairs = (struct pairs){ .remember = remember, .n = n };
    ret_pairs->rng.state = seed;
    if (remember) { /* from the stationary law on */
        ret_pairs->x = rng_normal(&ret_pairs->rng);
        ret_pairs->e = E_SIZE * rng_normal(&ret_pairs->rng);
    }
    return true;
}

void pairs_next(struct pairs *pairs, double *ret_x, double *ret_y)
{
    double first = rng_normal(&pairs->rng);
    double second = rng_normal(&pairs->rng);
    double time = (double)pairs->drawn++ / (double)pairs->n;
    if (!pairs->remember) {
        *ret_x = exp(2 * time + 0.35 * first);
        *ret_y = exp(2 * time + 0.35 * second);
        return;
    }
    *ret_x = 5 + pairs->x;
    *ret_y = 1 + *ret_x / 2 + pairs->e;
    pairs->x = X_MEMORY * pairs->x + sqrt(1 - X_MEMORY * X_MEMORY) * first;
    pairs->e =
        E_MEMORY * pairs->e + E_SIZE * sqrt(1 - E_MEMORY * E_MEMORY) * second;
}
