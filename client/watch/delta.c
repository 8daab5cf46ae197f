/* delta.c: see delta.h. */
#include "watch/delta.h"

#include <math.h>

#include "held_env.h"

/* One body per element type: v and g of one array. velocity may be NULL. */
#define DEFINE(type)                                                           \
    static void gradient_##type(const type *now, const type *before, type *g,  \
        type *velocity, size_t n, double lr, double momentum)                  \
    {                                                                          \
        for (size_t i = 0; i < n; i++) {                                       \
            const double v = -((double)now[i] - (double)before[i]) / lr;       \
            if (velocity == NULL) {                                            \
                g[i] = (type)v;                                                \
            } else {                                                           \
                g[i] = (type)(v - momentum * (double)velocity[i]);             \
                velocity[i] = (type)v;                                         \
            }                                                                  \
        }                                                                      \
    }
DEFINE(float)
DEFINE(double)

HELD_ENV_NOINLINE static void all_gradients(
    struct arrays *a, bool with_velocity, double lr, double momentum)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct traj_watch_segment *s = &a->segment[i];
        void *velocity = with_velocity ? a->copy[KEPT_VELOCITY][i] : NULL;
        if (s->dtype == TRAJ_F64) {
            gradient_double(s->param, a->copy[KEPT_PARAM][i],
                a->copy[KEPT_OWN_GRAD][i], velocity, s->n, lr, momentum);
        } else {
            gradient_float(s->param, a->copy[KEPT_PARAM][i],
                a->copy[KEPT_OWN_GRAD][i], velocity, s->n, lr, momentum);
        }
    }
}

void delta_gradient(struct arrays *arrays, enum traj_optimizer optimizer,
    double lr, double momentum)
{
    struct held_env held;
    held_env_take(&held);
    all_gradients(arrays, optimizer == TRAJ_OPTIMIZER_HEAVY_BALL, lr, momentum);
    held_env_give_back(&held);
}

HELD_ENV_NOINLINE double delta_rounding_floor(
    double u, double param_sq, double delta_sq, double lr)
{
    return u * sqrt(2 * param_sq / (8 * log(2) * delta_sq)) / fabs(lr);
}
