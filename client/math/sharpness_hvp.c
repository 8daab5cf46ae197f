/*
 * sharpness_hvp.c: one product with the Hessian, exact from the trainer or by
 * central differences of its gradient. The trainer's parameters are borrowed;
 * traj_sharpness_measure has saved them and puts them back.
 *
 * x + e v and x - e v are rounded to the parameters' dtype, so what the two
 * gradients differ by is H times what was really moved: w = (x+ - x-)/(2 e),
 * not v. w takes the place of v. In float32 the two differ by u ||x|| / e,
 * about u^(2/3); a Rayleigh quotient of w and H w is one all the same, so its
 * bound by ||H|| holds, while <v, H w> obeys none. It needs no length 1.
 */
#include "math/sharpness.h"
#include <math.h>
#include <stdint.h>

#include "error.h"
#include "held_env.h"
#include "math/element.h"
#include "math/rounding.h"

/* ---- vectors and the trainer's arrays ----------------------------------- */

struct place {
    const struct sharpness_segment *segment;
    const void *x;  /* the parameters as they were */
    double *v;      /* this segment's */
    double epsilon; /* e */
    double block_x[ELEMENT_BLOCK], moved[ELEMENT_BLOCK];
    union {
        double f64[ELEMENT_BLOCK];
        float f32[ELEMENT_BLOCK];
        uint16_t bits16[ELEMENT_BLOCK];
    } raw; /* elements of any dtype */
};

/* moved = x + e v of a block as the dtype has it, by way of target. */
static void move(struct place *p, double epsilon, size_t first, size_t n,
    void *target, size_t target_first)
{
    const enum traj_dtype dtype = p->segment->given.dtype;
    element_widen(dtype, p->x, first, n, p->block_x);
    for (size_t i = 0; i < n; i++) {
        p->moved[i] = p->block_x[i] + epsilon * p->v[first + i];
    }
    element_narrow(dtype, p->moved, n, target, target_first);
    element_widen(dtype, target, target_first, n, p->moved);
}

static void place_up(struct place *p)
{
    for (size_t k = 0; k < p->segment->given.n; k += ELEMENT_BLOCK) {
        const size_t left = p->segment->given.n - k;
        move(p, p->epsilon, k, left < ELEMENT_BLOCK ? left : ELEMENT_BLOCK,
            p->segment->given.param, k);
    }
}

/* v becomes w on the way. */
static void place_down(struct place *p)
{
    double up[ELEMENT_BLOCK];
    for (size_t k = 0; k < p->segment->given.n; k += ELEMENT_BLOCK) {
        const size_t left = p->segment->given.n - k;
        const size_t n = left < ELEMENT_BLOCK ? left : ELEMENT_BLOCK;
        move(p, p->epsilon, k, n, &p->raw, 0);
        for (size_t i = 0; i < n; i++) {
            up[i] = p->moved[i];
        }
        move(p, -p->epsilon, k, n, p->segment->given.param, k);
        for (size_t i = 0; i < n; i++) {
            p->v[k + i] = (up[i] - p->moved[i]) / (2 * p->epsilon);
        }
    }
}

HELD_ENV_NOINLINE static void place_all(const traj_sharpness_meter *meter,
    double epsilon, void (*where)(struct place *p))
{
    for (size_t i = 0; i < meter->n_segments; i++) {
        struct place p;
        p.segment = &meter->segments[i];
        p.x = meter->saved[i];
        p.v = meter->v + p.segment->first;
        p.epsilon = epsilon;
        where(&p);
    }
}

static void place(const traj_sharpness_meter *meter, double epsilon,
    void (*where)(struct place *p))
{
    struct held_env held;
    held_env_take(&held);
    place_all(meter, epsilon, where);
    held_env_give_back(&held);
}

/* hv = what the callback has filled. */
HELD_ENV_NOINLINE static void read_grads(const traj_sharpness_meter *meter)
{
    for (size_t i = 0; i < meter->n_segments; i++) {
        const struct sharpness_segment *s = &meter->segments[i];
        for (size_t k = 0; k < s->given.n; k += ELEMENT_BLOCK) {
            const size_t left = s->given.n - k;
            element_widen(s->given.dtype, meter->grads[i], k,
                left < ELEMENT_BLOCK ? left : ELEMENT_BLOCK,
                meter->hv + s->first + k);
        }
    }
}

/* hv = (hv - what the callback has filled) / (2 e) */
HELD_ENV_NOINLINE static void difference(
    const traj_sharpness_meter *meter, double epsilon)
{
    double grad[ELEMENT_BLOCK];
    for (size_t i = 0; i < meter->n_segments; i++) {
        const struct sharpness_segment *s = &meter->segments[i];
        double *hv = meter->hv + s->first;
        for (size_t k = 0; k < s->given.n; k += ELEMENT_BLOCK) {
            const size_t left = s->given.n - k;
            const size_t n = left < ELEMENT_BLOCK ? left : ELEMENT_BLOCK;
            element_widen(s->given.dtype, meter->grads[i], k, n, grad);
            for (size_t j = 0; j < n; j++) {
                hv[k + j] = (hv[k + j] - grad[j]) / (2 * epsilon);
            }
        }
    }
}

/* With a gradient in hv: u^2 ||g||^2 summed over the segments. */
HELD_ENV_NOINLINE static double rounding_sq(const traj_sharpness_meter *meter)
{
    double sum = 0;
    for (size_t i = 0; i < meter->n_segments; i++) {
        const struct sharpness_segment *s = &meter->segments[i];
        const double u = element_roundoff(s->given.dtype);
        const double *g = meter->hv + s->first;
        sum += u * u * vector_dot(g, g, s->given.n);
    }
    return sum;
}

/* With the product in hv. By the probe's rule: ||g+ - g-|| < 10 u ||g||. */
HELD_ENV_NOINLINE static bool is_rounding(
    const traj_sharpness_meter *meter, double epsilon, double up_sq)
{
    const double hv_sq = vector_dot(meter->hv, meter->hv, meter->n);
    return 2 * epsilon * sqrt(hv_sq) < ROUNDING_FACTOR * sqrt(up_sq);
}

/* ---- the product -------------------------------------------------------- */

static enum traj_status answered(
    struct sharpness_found *found, int answer, uint64_t evaluations)
{
    if (answer != 0) {
        return error_set(
            TRAJ_ECALLBACK, "sharpness: the callback returned %d", answer);
    }
    found->result.grad_evals += evaluations;
    return TRAJ_OK;
}

/* An argument of the callback: one array, or the list of all. */
static void *argument(const traj_sharpness_meter *meter, void **arrays)
{
    return meter->options.n_segments > 0 ? (void *)arrays : arrays[0];
}

static enum traj_status call_gradient(
    const traj_sharpness_meter *meter, struct sharpness_found *found)
{
    double loss = traj_unset();
    int answer = meter->options.gradient(
        meter->options.context, argument(meter, meter->grads), &loss);
    return answered(found, answer, 1);
}

static enum traj_status multiply_by_differences(
    const traj_sharpness_meter *meter, struct sharpness_found *found)
{
    struct held_env held;
    place(meter, found->epsilon, place_up);
    enum traj_status status = call_gradient(meter, found);
    if (status != TRAJ_OK) {
        return status;
    }
    held_env_take(&held);
    read_grads(meter);
    const double up_sq = rounding_sq(meter);
    held_env_give_back(&held);
    place(meter, found->epsilon, place_down);
    status = call_gradient(meter, found);
    if (status != TRAJ_OK) {
        return status;
    }
    held_env_take(&held);
    difference(meter, found->epsilon);
    found->rounding = is_rounding(meter, found->epsilon, up_sq);
    held_env_give_back(&held);
    return TRAJ_OK;
}

/* v rounded to the dtype, into the arrays that hold the parameters otherwise:
 * these stay where they are. */
HELD_ENV_NOINLINE static void round_v(const traj_sharpness_meter *meter)
{
    for (size_t i = 0; i < meter->n_segments; i++) {
        const struct sharpness_segment *s = &meter->segments[i];
        double *v = meter->v + s->first;
        for (size_t k = 0; k < s->given.n; k += ELEMENT_BLOCK) {
            const size_t left = s->given.n - k;
            const size_t n = left < ELEMENT_BLOCK ? left : ELEMENT_BLOCK;
            element_narrow(s->given.dtype, v + k, n, meter->saved[i], k);
            element_widen(s->given.dtype, meter->saved[i], k, n, v + k);
        }
    }
}

static enum traj_status multiply_exactly(
    const traj_sharpness_meter *meter, struct sharpness_found *found)
{
    struct held_env held;
    held_env_take(&held);
    round_v(meter);
    held_env_give_back(&held);
    int answer = meter->options.hvp(meter->options.context,
        argument(meter, meter->saved), argument(meter, meter->grads));
    held_env_take(&held);
    read_grads(meter);
    held_env_give_back(&held);
    return answered(found, answer, 0);
}

/* A product whose square is no normal number is beyond measuring, but must not
 * pass for 0: that is what all elements are, exactly. */
HELD_ENV_NOINLINE static enum sharpness_product judge(
    const traj_sharpness_meter *meter, struct sharpness_found *found)
{
    struct traj_moments m;
    enum traj_status status =
        traj_moments(TRAJ_F64, meter->n, meter->hv, meter->hv, NULL, NULL, &m);
    (void)status; /* of valid arguments, it cannot fail */
    if (!(vector_dot(meter->v, meter->v, meter->n) > 0)) {
        found->result.flags |= TRAJ_PROBE_TINY_STEP;
        return PRODUCT_UNKNOWN;
    }
    if (m.grad_nan == 0 && !(m.grad_max_abs > 0)) {
        return PRODUCT_ZERO;
    }
    if (!isnormal(m.grad_sq)) {
        found->result.flags |= TRAJ_PROBE_NONFINITE;
        return PRODUCT_UNKNOWN;
    }
    return PRODUCT_GOOD;
}

enum traj_status sharpness_multiply(traj_sharpness_meter *meter,
    struct sharpness_found *found, enum sharpness_product *ret_product)
{
    enum traj_status status = meter->options.hvp != NULL
                                  ? multiply_exactly(meter, found)
                                  : multiply_by_differences(meter, found);
    if (status != TRAJ_OK) {
        return status;
    }
    found->result.hvps++;
    struct held_env held;
    held_env_take(&held);
    *ret_product = judge(meter, found);
    held_env_give_back(&held);
    return TRAJ_OK;
}
