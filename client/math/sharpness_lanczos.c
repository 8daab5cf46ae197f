/*
 * sharpness_lanczos.c: the Lanczos method, each new vector made orthogonal to
 * all before it, twice ("twice is enough", Parlett 1980), so no value comes
 * double. After j products the ends of the small spectrum lie within that of H,
 * and |beta_j s_j|, s_j the last entry of an end's small vector, is its
 * residual.
 *
 * By differences the product is that of w, not of the basis vector v (see
 * sharpness_hvp.c): an error of ||H|| ||w - v||, about ||H|| u^(2/3), is in
 * neither residual.
 *
 * The next measurement starts from the sum of the vectors of both ends: from
 * one of them alone the method would not find the other.
 */
#include "math/sharpness.h"
#include <math.h>
#include <string.h>

#include "held_env.h"

/* beta below this times the norm of the small matrix is rounding. */
#define BREAKDOWN 1e-13

static double *basis(const traj_sharpness_meter *meter, size_t j)
{
    return meter->basis + j * meter->n;
}

/* a made orthogonal to the first m of the basis; returns what of it lay along
 * the last. */
static double orthogonalize(
    const traj_sharpness_meter *meter, double *a, size_t m)
{
    double along_last = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = m; i-- > 0;) {
            const double along = vector_dot(basis(meter, i), a, meter->n);
            vector_add(a, -along, basis(meter, i), meter->n);
            along_last += i + 1 == m ? along : 0;
        }
    }
    return along_last;
}

static double norm_of(const struct lanczos *s)
{
    double largest = 0;
    for (size_t i = 0; i < s->m; i++) {
        largest = fmax(largest, fabs(s->diagonal[i]) + fabs(s->off[i]));
    }
    return largest;
}

/* The next vector of the basis, from hv of length beta; a new one where the
 * basis has all that can be reached. */
static void extend(traj_sharpness_meter *meter, double beta)
{
    struct lanczos *s = &meter->lanczos;
    double *next = basis(meter, s->m);
    if (beta > BREAKDOWN * norm_of(s)) {
        memcpy(next, meter->hv, meter->n * sizeof *next);
        vector_divide(next, beta, meter->n);
        return;
    }
    s->off[s->m - 1] = 0;
    vector_draw(next, meter->n, &meter->random);
    (void)orthogonalize(meter, next, s->m);
    vector_divide(next, sqrt(vector_dot(next, next, meter->n)), meter->n);
}

/* The ends so far. False if there is no need for more. */
static bool judge(const traj_sharpness_meter *meter, double beta,
    struct traj_sharpness *result)
{
    const struct lanczos *s = &meter->lanczos;
    result->lambda_min = s->values[s->smallest];
    result->lambda_max = s->values[s->largest];
    result->residual_min = beta * fabs(s->vectors[s->smallest][s->m - 1]);
    result->residual_max = beta * fabs(s->vectors[s->largest][s->m - 1]);
    const bool top = fabs(result->lambda_max) >= fabs(result->lambda_min);
    result->value = top ? result->lambda_max : result->lambda_min;
    result->residual = top ? result->residual_max : result->residual_min;
    const double enough = meter->options.tolerance * fabs(result->value);
    result->converged = result->residual <= enough;
    const bool both =
        result->residual_min <= enough && result->residual_max <= enough;
    return !both || s->m < 2;
}

/* One row of the small matrix from the product in hv. *ret_goes_on: there is
 * another vector to multiply. */
HELD_ENV_NOINLINE static bool take_product(
    traj_sharpness_meter *meter, struct traj_sharpness *result)
{
    struct lanczos *s = &meter->lanczos;
    s->m++;
    s->diagonal[s->m - 1] = orthogonalize(meter, meter->hv, s->m);
    const double beta = sqrt(vector_dot(meter->hv, meter->hv, meter->n));
    s->off[s->m - 1] = beta;
    if (!lanczos_solve(s)) {
        result->flags |= TRAJ_PROBE_NONFINITE;
        return false;
    }
    if (!judge(meter, beta, result) || s->m >= meter->options.max_hvps ||
        s->m >= meter->n) {
        return false;
    }
    extend(meter, beta);
    memcpy(meter->v, basis(meter, s->m), meter->n * sizeof *meter->v);
    return true;
}

HELD_ENV_NOINLINE static void next_start(traj_sharpness_meter *meter)
{
    const struct lanczos *s = &meter->lanczos;
    memset(meter->v, 0, meter->n * sizeof *meter->v);
    for (size_t i = 0; i < s->m; i++) {
        vector_add(meter->v,
            s->vectors[s->smallest][i] + s->vectors[s->largest][i],
            basis(meter, i), meter->n);
    }
    vector_divide(
        meter->v, sqrt(vector_dot(meter->v, meter->v, meter->n)), meter->n);
}

static void clear(struct traj_sharpness *result)
{
    result->value = result->residual = traj_unset();
    result->lambda_min = result->lambda_max = traj_unset();
    result->residual_min = result->residual_max = traj_unset();
    result->converged = 0;
}

enum traj_status sharpness_lanczos(
    traj_sharpness_meter *meter, struct sharpness_found *found)
{
    struct traj_sharpness *result = &found->result;
    bool goes_on = true;
    bool all_zero = true;
    bool all_rounding = true;
    meter->lanczos.m = 0;
    memcpy(basis(meter, 0), meter->v, meter->n * sizeof *meter->v);
    while (goes_on) {
        enum sharpness_product product = PRODUCT_GOOD;
        enum traj_status status = sharpness_multiply(meter, found, &product);
        if (status != TRAJ_OK) {
            return status;
        }
        if (product == PRODUCT_UNKNOWN) {
            break;
        }
        all_zero = all_zero && product == PRODUCT_ZERO;
        all_rounding = all_rounding && found->rounding;
        struct held_env held;
        held_env_take(&held);
        goes_on = take_product(meter, result);
        held_env_give_back(&held);
    }
    const uint64_t unknown = TRAJ_PROBE_NONFINITE | TRAJ_PROBE_TINY_STEP;
    found->lost = all_zero || (result->flags & unknown) != 0;
    if ((result->flags & unknown) != 0) {
        clear(result);
        return TRAJ_OK;
    }
    result->flags |= all_rounding ? TRAJ_PROBE_ROUNDING : 0;
    if (!found->lost) {
        struct held_env held;
        held_env_take(&held);
        next_start(meter);
        held_env_give_back(&held);
    }
    return TRAJ_OK;
}
