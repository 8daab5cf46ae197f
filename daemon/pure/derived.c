/* derived.c: constant tables and the formulas in them; any thread. Names are
 * looked up in derived_find.c. */
#include "pure/derived.h"

#include <math.h>
#include <string.h>

#include "math/fit.h"
#include "pure/derived_impl.h"
#include "pure/grad_norm.h"
#include "traj.h"
#include "wire/fields.h"

/* ---- one field ---------------------------------------------------------- */

static bool put(double value, double *ret)
{
    *ret = value;
    return true;
}

static bool of_f64(const struct metric *metric, const struct row *row,
    const struct trainer *trainer, double *ret)
{
    (void)trainer;
    return put(row_f64(row, metric->field), ret);
}

static bool of_u64(const struct metric *metric, const struct row *row,
    const struct trainer *trainer, double *ret)
{
    (void)trainer;
    return put((double)row_u64(row, metric->field), ret);
}

static bool of_i64(const struct metric *metric, const struct row *row,
    const struct trainer *trainer, double *ret)
{
    (void)trainer;
    return put((double)(int64_t)row_u64(row, metric->field), ret);
}

/* Of a sum of squares. */
static bool of_root(const struct metric *metric, const struct row *row,
    const struct trainer *trainer, double *ret)
{
    (void)trainer;
    return put(sqrt(row_f64(row, metric->field)), ret);
}

/* ---- formulas; theory.md 3 ----------------------------------------------- */

static double root(const struct row *row, unsigned field)
{
    return sqrt(row_f64(row, field));
}

/* Nothing was measured where the divisor is 0: no step, no gradient. */
static bool ratio(double of, double by, double *ret)
{
    return by != 0 && put(of / by, ret);
}

/* Rounding may carry a cosine beyond 1. A NaN stays one. */
static bool cosine(double inner, double length, double other, double *ret)
{
    if (!ratio(inner / length, other, ret) || length == 0) {
        return false;
    }
    *ret = *ret > 1 ? 1 : *ret < -1 ? -1 : *ret;
    return true;
}

#define FORMULA(name)                                                          \
    static bool of_##name(const struct metric *metric, const struct row *row,  \
        const struct trainer *trainer, double *ret)
#define UNUSED_TWO (void)metric, (void)trainer

/* As the optimizer takes it: see grad_norm.h. */
FORMULA(grad_norm)
{
    return grad_norm(row, metric->field, trainer->world, ret);
}

/* ||d|| / ||x|| */
FORMULA(update_ratio)
{
    UNUSED_TWO;
    return ratio(root(row, STEP_delta_sq), root(row, STEP_param_sq), ret);
}

/* cos(-d, g): no factor of g's matters. */
FORMULA(cos_update)
{
    UNUSED_TWO;
    return cosine(-row_f64(row, STEP_grad_delta), root(row, STEP_grad_sq),
        root(row, STEP_delta_sq), ret);
}

/* cos(g_k, g_{k-1}), ||g_{k-1}||^2 from ||g_k - g_{k-1}||^2. */
FORMULA(step_gradient_turn)
{
    UNUSED_TWO;
    double inner = row_f64(row, STEP_grad_prev);
    double previous_sq =
        row_f64(row, STEP_dgrad_sq) - row_f64(row, STEP_grad_sq) + 2 * inner;
    return !(previous_sq < 0) &&
           cosine(inner, root(row, STEP_grad_sq), sqrt(previous_sq), ret);
}

/* ||d|| / ||g|| */
FORMULA(effective_lr)
{
    (void)metric;
    double norm = 0;
    return grad_norm(row, STEP_grad_sq, trainer->world, &norm) &&
           ratio(root(row, STEP_delta_sq), norm, ret);
}

/* -<g,d>: what the loss falls by to first order. */
FORMULA(step_predicted_decrease)
{
    (void)metric;
    double divisor = 0;
    return grad_is_of_step(row) &&
           grad_divisor(row, trainer->world, &divisor) &&
           put(-row_f64(row, STEP_grad_delta) / divisor, ret);
}

/* The sharpness at which the optimizer ceases to be stable. */
FORMULA(edge_of_stability)
{
    (void)metric;
    const struct figure momentum = { row_has(row, STEP_momentum),
        row_f64(row, STEP_momentum) };
    double above = 0;
    double below = 0;
    return trainer_edge(trainer->optimizer, momentum, &above, &below) &&
           ratio(above, row_f64(row, STEP_lr) * below, ret);
}

static double segment_norm(enum fit_regressor regressor, const struct row *row)
{
    return fit_regressor(regressor, row_f64(row, PROBE_grad_sq),
        row_f64(row, PROBE_grad_mid_sq), row_f64(row, PROBE_grad_end_sq));
}

FORMULA(trapezoid)
{
    UNUSED_TWO;
    return put(segment_norm(FIT_REGRESSOR_TRAPEZOID, row), ret);
}

FORMULA(simpson)
{
    UNUSED_TWO;
    return put(segment_norm(FIT_REGRESSOR_SIMPSON, row), ret);
}

/* 2 / smoothness: beyond it gradient descent climbs. */
FORMULA(step_limit)
{
    UNUSED_TWO;
    return ratio(2, row_f64(row, PROBE_smoothness), ret);
}

/* y = ||dg|| / ||d|| over the whole step; times 2 the point-wise directional
 * smoothness of 2403.04081; its inverse the geometric mean of bb1 and bb2. */
FORMULA(secant)
{
    UNUSED_TWO;
    return ratio(root(row, PROBE_dgrad_sq), root(row, PROBE_delta_sq), ret);
}

FORMULA(pointwise_smoothness)
{
    UNUSED_TWO;
    return ratio(2 * root(row, PROBE_dgrad_sq), root(row, PROBE_delta_sq), ret);
}

FORMULA(bb)
{
    UNUSED_TWO;
    return ratio(root(row, PROBE_delta_sq), root(row, PROBE_dgrad_sq), ret);
}

/* (G + G') / ||d|| */
FORMULA(secant_ceiling)
{
    UNUSED_TWO;
    return ratio(root(row, PROBE_grad_sq) + root(row, PROBE_grad_end_sq),
        root(row, PROBE_delta_sq), ret);
}

/* <dg,d> / ||d||^2, signed: negative where f is concave along the step. */
FORMULA(directional_curvature)
{
    UNUSED_TWO;
    return ratio(
        row_f64(row, PROBE_dgrad_delta), row_f64(row, PROBE_delta_sq), ret);
}

FORMULA(cos_dgrad_delta)
{
    UNUSED_TWO;
    return cosine(row_f64(row, PROBE_dgrad_delta), root(row, PROBE_dgrad_sq),
        root(row, PROBE_delta_sq), ret);
}

/* cos(g(x), g(x + d)) */
FORMULA(gradient_turn)
{
    UNUSED_TWO;
    return cosine(row_f64(row, PROBE_grad_grad_end), root(row, PROBE_grad_sq),
        root(row, PROBE_grad_end_sq), ret);
}

/* ||dg|| / ||g|| */
FORMULA(relative_change)
{
    UNUSED_TWO;
    return ratio(root(row, PROBE_dgrad_sq), root(row, PROBE_grad_sq), ret);
}

/* The two step sizes of Barzilai and Borwein, signed. */
FORMULA(bb1)
{
    UNUSED_TWO;
    return ratio(
        row_f64(row, PROBE_delta_sq), row_f64(row, PROBE_dgrad_delta), ret);
}

FORMULA(bb2)
{
    UNUSED_TWO;
    return ratio(
        row_f64(row, PROBE_dgrad_delta), row_f64(row, PROBE_dgrad_sq), ret);
}

/* Are f and f' losses of the same data? Else their difference is that of the
 * data too. */
static bool has_one_batch(const struct row *row)
{
    return row_u64(row, PROBE_estimator) != TRAJ_ESTIMATOR_DIFFERENT;
}

/* 2 |f' - f - <g,d>| / ||d||^2; 2403.04081 */
FORMULA(directional_smoothness)
{
    UNUSED_TWO;
    double beyond = row_f64(row, PROBE_loss_end) - row_f64(row, PROBE_loss) -
                    row_f64(row, PROBE_grad_delta);
    return has_one_batch(row) &&
           ratio(2 * fabs(beyond), row_f64(row, PROBE_delta_sq), ret);
}

FORMULA(predicted_decrease)
{
    UNUSED_TWO;
    return put(-row_f64(row, PROBE_grad_delta), ret);
}

/* f - f' */
FORMULA(realised_decrease)
{
    UNUSED_TWO;
    return has_one_batch(row) &&
           put(row_f64(row, PROBE_loss) - row_f64(row, PROBE_loss_end), ret);
}

FORMULA(decrease_ratio)
{
    UNUSED_TWO;
    return has_one_batch(row) &&
           ratio(row_f64(row, PROBE_loss) - row_f64(row, PROBE_loss_end),
               -row_f64(row, PROBE_grad_delta), ret);
}

/* ---- the table ---------------------------------------------------------- */

#define S(field) ROW_BIT(STEP_##field)
#define P(field) ROW_BIT(PROBE_##field)

const struct derived derived_metrics[] = {
    { "grad_norm", WIRE_STEP, of_grad_norm, STEP_grad_sq, S(grad_sq),
        GRAD_DIVISOR_FIELDS, true },
    { "grad_norm_raw", WIRE_STEP, of_root, STEP_grad_sq, S(grad_sq), 0, false },
    { "grad_clipped_norm", WIRE_STEP, of_grad_norm, STEP_grad_clipped_sq,
        S(grad_clipped_sq), GRAD_DIVISOR_FIELDS, true },
    { "grad_clipped_norm_raw", WIRE_STEP, of_root, STEP_grad_clipped_sq,
        S(grad_clipped_sq), 0, false },
    { "param_norm", WIRE_STEP, of_root, STEP_param_sq, S(param_sq), 0, false },
    { "delta_norm", WIRE_STEP, of_root, STEP_delta_sq, S(delta_sq), 0, false },
    { "update_ratio", WIRE_STEP, of_update_ratio, 0, S(delta_sq) | S(param_sq),
        0, false },
    { "cos_update", WIRE_STEP, of_cos_update, 0,
        S(grad_delta) | S(grad_sq) | S(delta_sq), 0, false },
    { "step_gradient_turn", WIRE_STEP, of_step_gradient_turn, 0,
        S(grad_prev) | S(grad_sq) | S(dgrad_sq), 0, false },
    { "effective_lr", WIRE_STEP, of_effective_lr, 0, S(delta_sq) | S(grad_sq),
        GRAD_DIVISOR_FIELDS, true },
    { "step_predicted_decrease", WIRE_STEP, of_step_predicted_decrease, 0,
        S(grad_delta), GRAD_DIVISOR_FIELDS, true },
    { "edge_of_stability", WIRE_STEP, of_edge_of_stability, 0, S(lr),
        S(momentum), true },
    { "smoothness", WIRE_PROBE, of_f64, PROBE_smoothness, P(smoothness), 0,
        false },
    { "probe_grad_norm", WIRE_PROBE, of_root, PROBE_grad_sq, P(grad_sq), 0,
        false },
    { "trapezoid", WIRE_PROBE, of_trapezoid, 0, P(grad_sq) | P(grad_end_sq), 0,
        false },
    { "simpson", WIRE_PROBE, of_simpson, 0,
        P(grad_sq) | P(grad_mid_sq) | P(grad_end_sq), 0, false },
    { "step_limit", WIRE_PROBE, of_step_limit, 0, P(smoothness), 0, false },
    { "secant", WIRE_PROBE, of_secant, 0, P(dgrad_sq) | P(delta_sq), 0, false },
    { "ceiling", WIRE_PROBE, of_f64, PROBE_ceiling, P(ceiling), 0, false },
    { "secant_ceiling", WIRE_PROBE, of_secant_ceiling, 0,
        P(grad_sq) | P(grad_end_sq) | P(delta_sq), 0, false },
    { "directional_curvature", WIRE_PROBE, of_directional_curvature, 0,
        P(dgrad_delta) | P(delta_sq), 0, false },
    { "cos_dgrad_delta", WIRE_PROBE, of_cos_dgrad_delta, 0,
        P(dgrad_delta) | P(dgrad_sq) | P(delta_sq), 0, false },
    { "gradient_turn", WIRE_PROBE, of_gradient_turn, 0,
        P(grad_grad_end) | P(grad_sq) | P(grad_end_sq), 0, false },
    { "relative_change", WIRE_PROBE, of_relative_change, 0,
        P(dgrad_sq) | P(grad_sq), 0, false },
    { "bb1", WIRE_PROBE, of_bb1, 0, P(delta_sq) | P(dgrad_delta), 0, false },
    { "bb2", WIRE_PROBE, of_bb2, 0, P(dgrad_delta) | P(dgrad_sq), 0, false },
    { "bb", WIRE_PROBE, of_bb, 0, P(delta_sq) | P(dgrad_sq), 0, false },
    { "directional_smoothness", WIRE_PROBE, of_directional_smoothness, 0,
        P(loss) | P(loss_end) | P(grad_delta) | P(delta_sq), P(estimator),
        false },
    { "pointwise_smoothness", WIRE_PROBE, of_pointwise_smoothness, 0,
        P(dgrad_sq) | P(delta_sq), 0, false },
    { "predicted_decrease", WIRE_PROBE, of_predicted_decrease, 0, P(grad_delta),
        0, false },
    { "realised_decrease", WIRE_PROBE, of_realised_decrease, 0,
        P(loss) | P(loss_end), P(estimator), false },
    { "decrease_ratio", WIRE_PROBE, of_decrease_ratio, 0,
        P(loss) | P(loss_end) | P(grad_delta), P(estimator), false },
};

const size_t derived_count = sizeof derived_metrics / sizeof derived_metrics[0];

const metric_fn derived_root = of_root;

metric_fn derived_of_type(enum wire_field_type type)
{
    return type == WIRE_F64 ? of_f64 : type == WIRE_U64 ? of_u64 : of_i64;
}

const char *metric_derived_name(size_t i)
{
    return i < derived_count ? derived_metrics[i].name : NULL;
}

/* ---- reading ------------------------------------------------------------ */

/* A probe of a group of parameters is not one of the run. */
static bool is_of_group(const struct metric *metric, const struct row *row)
{
    return metric->kind == WIRE_PROBE && row_u64(row, PROBE_group) != 0;
}

/* Of METRIC and GROUP records: is it the one that is asked for? */
static bool is_other(
    const struct metric *metric, const struct row *row, const struct str *texts)
{
    if (metric->kind == WIRE_GROUP) {
        return metric->group != 0 && row_u64(row, GROUP_group) != metric->group;
    }
    return metric->kind == WIRE_METRIC && metric->match.n > 0 &&
           !str_equal(texts[row->i], metric->match);
}

static bool read(const struct metric *metric, metric_fn of,
    const struct row *row, const struct trainer *trainer,
    const struct str *texts, double *ret_value)
{
    return (row->present & metric->needs) == metric->needs &&
           !is_other(metric, row, texts) && !is_of_group(metric, row) &&
           of(metric, row, trainer, ret_value);
}

bool metric_read(const struct metric *metric, const struct trainer *trainer,
    const uint64_t *const columns[static WIRE_FIELDS_MAX],
    const uint64_t *present, const struct str *texts, size_t i,
    double *ret_value)
{
    const struct row row = { columns, present[i], i };
    return read(metric, metric->of, &row, trainer, texts, ret_value);
}

/* Plain fields of STEP are most of what is asked for: no call for each. */
static void values_of_step_field(const struct metric *metric,
    const uint64_t *column, const uint64_t *present, size_t n, bool *ret_has,
    double *ret_values)
{
    for (size_t i = 0; i < n; i++) {
        ret_has[i] = (present[i] & metric->needs) == metric->needs;
        memcpy(&ret_values[i], &column[i], sizeof ret_values[i]);
    }
}

void metric_values(const struct metric *metric, const struct trainer *trainer,
    const uint64_t *const columns[static WIRE_FIELDS_MAX],
    const uint64_t *present, const struct str *texts, size_t n, bool *ret_has,
    double *ret_values)
{
    metric_fn of = metric->is_root ? of_f64 : metric->of;
    if (metric->kind == WIRE_STEP && of == of_f64 &&
        columns[metric->field] != NULL) {
        values_of_step_field(
            metric, columns[metric->field], present, n, ret_has, ret_values);
    } else {
        for (size_t i = 0; i < n; i++) {
            const struct row row = { columns, present[i], i };
            ret_values[i] = 0;
            ret_has[i] = read(metric, of, &row, trainer, texts, &ret_values[i]);
        }
    }
    for (size_t i = 0; metric->is_root && i < n; i++) {
        ret_values[i] = ret_values[i] < 0 ? (double)NAN : ret_values[i];
    }
}
