/* diag_descent.c: pure; one thread at a time per struct. */
#include "pure/diag_descent.h"

#include <assert.h>
#include <math.h>

#include "traj.h"
#include "wire.h"

#define ROUNDING 0x1p-22

/* (e^z - z - 1)/z^2, z >= 0: 1/2 at 0. Below 1/2 by its series, whose terms
 * fall below 2^-53 of the first before the 16th; above it e^z - 1 - z loses
 * less than 3 bits. */
static double phi_over_z2(double z)
{
    if (z >= 0.5) {
        return (expm1(z) - z) / z / z;
    }
    double term = 0.5;
    double sum = 0;
    for (int k = 3; k < 19; k++) {
        sum += term;
        term *= z / k;
    }
    return sum;
}

double descent_bound(
    struct fit_line law, double f, double grad_delta, double G, double r)
{
    return f + grad_delta +
           (law.L0 + law.L1 * G) * r * r * phi_over_z2(law.L1 * r);
}

void diag_descent_init(
    struct diag_descent *descent, const struct fit_line *laws, size_t n_laws)
{
    assert(n_laws <= FIT_METHODS);
    *descent = (struct diag_descent){ .n_laws = n_laws };
    for (size_t i = 0; i < n_laws; i++) {
        descent->laws[i] = laws[i];
    }
}

/* A step d from a point with loss f and gradient g to one with loss f_end. */
struct move {
    double f, f_end, grad_delta, norm, length;
};

static void add_move(struct diag_descent *descent, struct decrease *decrease,
    const struct move *m)
{
    if (!isfinite(m->f) || !isfinite(m->f_end) || !isfinite(m->grad_delta) ||
        !isfinite(m->norm) || !isfinite(m->length)) {
        return;
    }
    decrease->n++;
    decrease->predicted -= m->grad_delta;
    decrease->realised += m->f - m->f_end;
    const double slack = ROUNDING * (fabs(m->f) + fabs(m->f_end));
    for (size_t i = 0; i < descent->n_laws; i++) {
        const double bound = descent_bound(
            descent->laws[i], m->f, m->grad_delta, m->norm, m->length);
        decrease->violations[i] += m->f_end > bound + slack;
    }
}

static void compare_losses(
    struct diag_descent *descent, const struct diag_step *step)
{
    const struct diag_step *before = &descent->previous;
    if (step->loss.has && before->loss.has && before->grad_delta.has &&
        before->norm.has && before->delta_norm.has) {
        const struct move move = { before->loss.v, step->loss.v,
            before->grad_delta.v, before->norm.v, before->delta_norm.v };
        add_move(descent, &descent->steps, &move);
    }
}

static void adgd_ratio(struct adgd *adgd, const struct diag_step *step)
{
    if (!step->lr.has || !(step->lr.v > 0) || !isfinite(step->lr.v)) {
        return;
    }
    adgd->n_ratio++;
    adgd->ratio = step->lr.v / adgd->lambda;
    adgd->ratio_log += log(adgd->ratio);
    adgd->above += step->lr.v > adgd->lambda;
}

static void adgd_add(struct adgd *adgd, const struct diag_step *before,
    const struct diag_step *step)
{
    const double r = before->delta_norm.v;
    const double change = step->dgrad_norm.v;
    if (!before->delta_norm.has || !step->dgrad_norm.has || !isfinite(r) ||
        !isfinite(change) || !(r > 0)) {
        return;
    }
    if (adgd->lambda == 0) {
        if (!before->lr.has || !(before->lr.v > 0) || !isfinite(before->lr.v)) {
            return;
        }
        adgd->lambda = before->lr.v;
        adgd->theta = HUGE_VAL;
    }
    const double lambda =
        fmin(sqrt(1 + adgd->theta) * adgd->lambda, r / change / 2);
    if (!(lambda > 0) || !isfinite(lambda)) {
        return; /* a gradient that did not change, at the start */
    }
    adgd->theta = lambda / adgd->lambda;
    adgd->lambda = lambda;
    adgd->n++;
    adgd_ratio(adgd, step);
}

void diag_descent_step(
    struct diag_descent *descent, const struct diag_step *step)
{
    if (descent->has_previous && step->steps == 1 &&
        step->step == descent->previous.step + 1) {
        compare_losses(descent, step);
        adgd_add(&descent->adgd, &descent->previous, step);
    }
    descent->previous = *step;
    descent->previous.row = NULL;
    descent->has_previous = true;
}

void diag_descent_probe(struct diag_descent *descent, const struct row *row)
{
    if (row_u64(row, PROBE_group) != 0 ||
        row_u64(row, PROBE_estimator) == TRAJ_ESTIMATOR_DIFFERENT) {
        return;
    }
    /* What is absent is NaN, and no move. */
    const struct move move = {
        .f = row_f64(row, PROBE_loss),
        .f_end = row_f64(row, PROBE_loss_end),
        .grad_delta = row_f64(row, PROBE_grad_delta),
        .norm = sqrt(row_f64(row, PROBE_grad_sq)),
        .length = sqrt(row_f64(row, PROBE_delta_sq)),
    };
    add_move(descent, &descent->probes, &move);
}
