/* delta.c: see delta.h. */
#include "watch/delta.h"

#include <math.h>

#include "held_env.h"
#include "math/element.h"
#include "math/rounding.h"

struct update {
    double lr, momentum;
    bool with_velocity;
};

/* Elements first .. first + n - 1 of array i. */
static void block_of_gradient(struct arrays *a, size_t i, size_t first,
    size_t n, const struct update *update)
{
    double now[ELEMENT_BLOCK];
    double before[ELEMENT_BLOCK];
    double velocity[ELEMENT_BLOCK] = { 0 };
    const struct traj_watch_segment *s = &a->segment[i];
    element_widen(s->dtype, s->param, first, n, now);
    element_widen(s->dtype, a->copy[KEPT_PARAM][i], first, n, before);
    if (update->with_velocity) {
        element_widen(s->dtype, a->copy[KEPT_VELOCITY][i], first, n, velocity);
    }
    for (size_t k = 0; k < n; k++) {
        const double v = -(now[k] - before[k]) / update->lr;
        now[k] = v - update->momentum * velocity[k];
        velocity[k] = v;
    }
    element_narrow(s->dtype, now, n, a->copy[KEPT_OWN_GRAD][i], first);
    if (update->with_velocity) {
        element_narrow(s->dtype, velocity, n, a->copy[KEPT_VELOCITY][i], first);
    }
}

HELD_ENV_NOINLINE static void all_gradients(
    struct arrays *a, const struct update *update)
{
    for (size_t i = 0; i < a->n; i++) {
        const size_t n = a->segment[i].n;
        for (size_t first = 0; first < n; first += ELEMENT_BLOCK) {
            const size_t left = n - first;
            block_of_gradient(a, i, first,
                left < ELEMENT_BLOCK ? left : ELEMENT_BLOCK, update);
        }
    }
}

void delta_gradient(struct arrays *arrays, enum traj_optimizer optimizer,
    double lr, double momentum)
{
    const bool with_velocity = optimizer == TRAJ_OPTIMIZER_HEAVY_BALL;
    const struct update update = { .lr = lr,
        .momentum = with_velocity ? momentum : 0,
        .with_velocity = with_velocity };
    struct held_env held;
    held_env_take(&held);
    all_gradients(arrays, &update);
    held_env_give_back(&held);
}

HELD_ENV_NOINLINE double delta_rounding_floor(
    double u, double param_sq, double delta_sq, double lr, double momentum)
{
    const double m = momentum;
    const double errors = 1 + (1 + m) * (1 + m) + m * m;
    return rounding_norm(errors * u * u * param_sq) /
           (fabs(lr) * sqrt(delta_sq));
}
