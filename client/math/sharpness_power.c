/*
 * sharpness_power.c: power iteration. v -> H v / ||H v|| turns to the
 * eigenvector whose eigenvalue is the largest in magnitude, whatever its sign;
 * the Rayleigh quotient keeps the sign. Where the largest are lambda and
 * -lambda, v stays a mixture of both, and the residual says so.
 */
#include "math/sharpness.h"
#include <math.h>

#include "held_env.h"

/* The quotient of w = v and H w, and v becomes the next vector. */
HELD_ENV_NOINLINE static void judge(
    traj_sharpness_meter *meter, struct traj_sharpness *result)
{
    double *v = meter->v;
    double *hv = meter->hv;
    const size_t n = meter->n;
    const double v_sq = vector_dot(v, v, n);
    const double value = vector_dot(v, hv, n) / v_sq;
    for (size_t i = 0; i < n; i++) {
        v[i] = hv[i] - value * v[i];
    }
    result->value = value;
    result->residual = sqrt(vector_dot(v, v, n) / v_sq);
    result->converged =
        result->residual <= meter->options.tolerance * fabs(value);
    const double length = sqrt(vector_dot(hv, hv, n));
    for (size_t i = 0; i < n; i++) {
        v[i] = hv[i] / length;
    }
}

/* v lies where H vanishes: another may not. Till then 0 is what was found. */
HELD_ENV_NOINLINE static void judge_zero(
    traj_sharpness_meter *meter, struct traj_sharpness *result)
{
    if (traj_is_unset(result->value)) {
        result->value = 0;
        result->residual = 0;
        result->converged = 1;
    }
    vector_draw(meter->v, meter->n, &meter->random);
}

enum traj_status sharpness_power(
    traj_sharpness_meter *meter, struct sharpness_found *found)
{
    struct traj_sharpness *result = &found->result;
    enum sharpness_product product = PRODUCT_GOOD;
    for (uint32_t i = 0; i < meter->options.max_hvps; i++) {
        enum traj_status status = sharpness_multiply(meter, found, &product);
        if (status != TRAJ_OK) {
            return status;
        }
        if (product == PRODUCT_UNKNOWN) {
            break;
        }
        struct held_env held;
        held_env_take(&held);
        if (product == PRODUCT_GOOD) {
            judge(meter, result);
        } else {
            judge_zero(meter, result);
        }
        held_env_give_back(&held);
        if (product == PRODUCT_GOOD && result->converged == 1) {
            break;
        }
    }
    found->lost = product != PRODUCT_GOOD;
    if (product == PRODUCT_UNKNOWN) {
        result->value = result->residual = traj_unset();
        result->converged = 0;
    } else if (found->rounding) {
        result->flags |= TRAJ_PROBE_ROUNDING;
    }
    return TRAJ_OK;
}
