/* advice.c: pure but for its workspace; any thread. */
#include "pure/advice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/bounds.h"
#include "math/order.h"
#include "sum.h"

const char *advice_rule_name(enum traj_rule rule)
{
    static const char *const names[ADVICE_RULES + 1] = {
        [TRAJ_RULE_FIXED] = "fixed",
        [TRAJ_RULE_CLIPPED] = "clipped",
        [TRAJ_RULE_NORMALIZED] = "normalized",
        [TRAJ_RULE_L0L1] = "l0l1",
        [TRAJ_RULE_OPTIMAL] = "optimal",
        [TRAJ_RULE_CLIPPED_L0L1] = "clipped_l0l1",
    };
    return names[rule];
}

/* A law is of use where it was found, and where it is flat. */
static const char *refusal_of(const struct advice_input *in)
{
    const bool of_use = in->verdict == VERDICT_GROWS ||
                        in->verdict == VERDICT_GROWS_UNCONFIRMED ||
                        in->verdict == VERDICT_FLAT;
    if (!of_use) {
        return verdict_name(in->verdict);
    }
    if (in->n == 0 || !(in->law.L0 > 0 || in->law.L1 > 0)) {
        return "no_law";
    }
    if (in->of_layer) {
        return "layer";
    }
    /* Its steps are in a metric of its own. */
    if (in->optimizer == OPTIMIZER_OTHER || in->optimizer == OPTIMIZER_ADAM) {
        return "optimizer";
    }
    return NULL;
}

static double quantile(const double *v, size_t n, double q, double *workspace)
{
    memcpy(workspace, v, n * sizeof *v);
    const double rank = ceil(q * (double)n);
    return order_select(workspace, n, rank < 1 ? 0 : (size_t)rank - 1);
}

static double largest(const double *v, size_t n)
{
    double most = v[0];
    for (size_t i = 1; i < n; i++) {
        most = fmax(most, v[i]);
    }
    return most;
}

static double share_above(const struct advice_input *in, double knee)
{
    size_t above = 0;
    for (size_t i = 0; i < in->n; i++) {
        above += in->x[i] > knee;
    }
    return (double)above / (double)in->n;
}

static double adaptivity(const struct advice_input *in)
{
    const double most = largest(in->y, in->n);
    struct sum each = { 0 };
    struct sum same = { 0 };
    for (size_t i = 0; i < in->n; i++) {
        sum_add(&each, in->x[i] * in->x[i] / in->y[i]);
        sum_add(&same, in->x[i] * in->x[i] / most);
    }
    return sum_value(&each) / sum_value(&same);
}

/* clipped: 1905.11881, Theorem 3. clipped_l0l1: 2410.10800, eta_cl as a
 * threshold. clipped_convex: 2305.01588, any threshold, eta = 1/L0. */
static void put_recipes(struct fit_line law, double gain, struct advice *ret)
{
    const double knee = ret->knee;
    ret->recipes[0] = (struct advice_recipe){ "clipped",
        1 / (10 * law.L0) / gain, fmin(10 * law.L0, knee) };
    ret->recipes[1] = (struct advice_recipe){ "clipped_l0l1",
        1 / (2 * law.L0) / gain, 2 * knee / 3 };
    ret->recipes[2] =
        (struct advice_recipe){ "clipped_convex", 1 / law.L0 / gain, knee };
}

static void put_steps(
    const struct advice_input *in, double gain, struct advice *ret)
{
    for (unsigned rule = 1; rule <= ADVICE_RULES; rule++) {
        const bool fixed = rule == TRAJ_RULE_FIXED;
        ret->steps[rule].has = fixed || in->grad_norm.has;
        ret->steps[rule].v = traj_rule_step((enum traj_rule)rule, in->law.L0,
            in->law.L1, fixed ? ret->most : in->grad_norm.v);
        ret->steps[rule].v /= gain;
    }
}

static void put_limits(const struct advice_input *in, double gain,
    double y_high, struct advice *ret)
{
    double above = 0;
    double below = 0;
    const bool has = trainer_edge(in->optimizer, in->momentum, &above, &below);
    const double high =
        in->operator_high.has ? fmax(y_high, in->operator_high.v) : y_high;
    ret->lr_limit = (struct figure){ has, has ? above / below / high : 0 };
    if (!in->lr.has || !(in->lr.v > 0)) {
        return;
    }
    ret->lr_over_limit =
        (struct figure){ has, has ? in->lr.v / ret->lr_limit.v : 0 };
    if (in->law.L1 > 0) {
        ret->own_threshold =
            (struct figure){ true, 1 / (3 * in->law.L1 * in->lr.v * gain) };
    }
}

/* Of a layer no operator norm is known, so that its law is never confirmed. */
static void put_law(const struct advice_input *in, struct advice *ret)
{
    const struct fit_line law = in->law;
    ret->law = law;
    ret->unconfirmed = in->verdict == VERDICT_GROWS_UNCONFIRMED || in->of_layer;
    ret->knee = law.L1 > 0 ? law.L0 / law.L1 : (double)INFINITY;
    ret->share_above = share_above(in, ret->knee);
}

static void put_radius(const struct advice_input *in, struct advice *ret)
{
    const double x = in->grad_norm.v;
    if (in->grad_norm.has && x > 0) {
        ret->grad_norm = in->grad_norm;
        ret->radius =
            (struct figure){ true, x / (in->law.L0 + in->law.L1 * x) };
    }
}

bool advice_compute(const struct advice_input *input, struct advice *ret)
{
    *ret = (struct advice){ .refusal = refusal_of(input) };
    ret->of_layer = ret->refusal != NULL && strcmp(ret->refusal, "layer") == 0;
    if (ret->refusal != NULL && !ret->of_layer) {
        return true;
    }
    put_law(input, ret);
    if (ret->of_layer) {
        put_radius(input, ret);
        return true;
    }
    double *workspace = malloc(input->n * sizeof *workspace);
    if (workspace == NULL) {
        return false;
    }
    const struct fit_line law = input->law;
    const double gain = trainer_gain(input->optimizer, input->momentum);
    ret->most = largest(input->x, input->n);
    ret->target = input->target.has
                      ? input->target.v
                      : quantile(input->x, input->n, 0.05, workspace);
    ret->bound_ratio = bounds_ratio(law, ret->most, ret->target);
    ret->adaptivity = adaptivity(input);
    put_recipes(law, gain, ret);
    put_steps(input, gain, ret);
    put_limits(input, gain, quantile(input->y, input->n, 0.95, workspace), ret);
    free(workspace);
    return true;
}
