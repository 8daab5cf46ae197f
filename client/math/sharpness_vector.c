/* sharpness_vector.c: long vectors of doubles. Pure. */
#include "math/sharpness.h"
#include <math.h>

#include "held_env.h"
#include "math/isa.h"

double vector_dot(const double *a, const double *b, size_t n)
{
    struct traj_moments m;
    enum traj_status status = traj_moments(TRAJ_F64, n, NULL, a, NULL, b, &m);
    (void)status; /* of valid arguments, it cannot fail */
    return m.grad_prev;
}

ISA_CLONES HELD_ENV_NOINLINE static void add(
    double *restrict a, double factor, const double *restrict b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        a[i] += factor * b[i];
    }
}

void vector_add(double *a, double factor, const double *b, size_t n)
{
    add(a, factor, b, n);
}

ISA_CLONES HELD_ENV_NOINLINE static void divide(
    double *a, double length, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        a[i] /= length;
    }
}

void vector_divide(double *a, double length, size_t n)
{
    divide(a, length, n);
}

/* splitmix64 (Steele, Lea, Flood 2014), as a number in [-1, 1). */
static double draw(uint64_t *random)
{
    *random += 0x9e3779b97f4a7c15u;
    uint64_t z = *random;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(int64_t)z * 0x1p-63;
}

HELD_ENV_NOINLINE void vector_draw(double *a, size_t n, uint64_t *random)
{
    for (size_t i = 0; i < n; i++) {
        a[i] = draw(random);
    }
    divide(a, sqrt(vector_dot(a, a, n)), n);
}
