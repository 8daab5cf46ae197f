/* diagnostics.c: reads a record once, for all parts. */
#include "pure/diagnostics.h"

#include <math.h>

#include "pure/unmeasured.h"
#include "traj.h"

void diagnostics_init(
    struct diagnostics *diagnostics, const struct diagnostics_options *options)
{
    *diagnostics = (struct diagnostics){
        .last_step = options->last_step,
        .world = options->world,
    };
    diag_clip_init(
        &diagnostics->clip, options->thresholds, options->n_thresholds);
    diag_spikes_init(&diagnostics->spikes);
    diag_descent_init(&diagnostics->descent, options->laws, options->n_laws);
}

void diagnostics_done(struct diagnostics *diagnostics)
{
    diag_clip_done(&diagnostics->clip);
}

static struct figure value_of(const struct row *row, unsigned field)
{
    return (struct figure){ row_has(row, field), row_f64(row, field) };
}

static struct figure root_of(const struct row *row, unsigned field)
{
    return (struct figure){ row_has(row, field), sqrt(row_f64(row, field)) };
}

/* Of g once, without what g was multiplied by. */
static struct figure undone(struct figure value, double divisor)
{
    return (struct figure){ value.has && divisor > 0, value.v / divisor };
}

static struct diag_step read_step(const struct row *row, uint32_t world)
{
    const uint64_t folded = row_u64(row, STEP_fold_count);
    struct diag_step step = {
        .row = row,
        .step = row_u64(row, STEP_step),
        .steps = folded > 1 ? folded : 1,
        .flags = row_u64(row, STEP_flags),
        .loss = value_of(row, STEP_loss),
        .lr = value_of(row, STEP_lr),
        .delta_norm = root_of(row, STEP_delta_sq),
    };
    (void)grad_divisor(row, world, &step.divisor); /* else 0 */
    step.norm.has = grad_norm(row, STEP_grad_sq, world, &step.norm.v);
    if (grad_is_of_step(row)) {
        step.grad_delta = undone(value_of(row, STEP_grad_delta), step.divisor);
        step.dgrad_norm = undone(root_of(row, STEP_dgrad_sq), step.divisor);
    }
    return step;
}

static const unsigned checked_values[] = { STEP_loss, STEP_grad_sq,
    STEP_param_sq };
#define CHECKED (sizeof checked_values / sizeof checked_values[0])

static bool is_nonfinite(const struct row *row)
{
    static const unsigned counts[] = { STEP_grad_nan, STEP_grad_inf,
        STEP_param_nan, STEP_param_inf };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (row_u64(row, counts[i]) > 0) {
            return true;
        }
    }
    for (size_t i = 0; i < CHECKED; i++) {
        const unsigned field = checked_values[i];
        if (row_has(row, field) && !isfinite(row_f64(row, field))) {
            return true;
        }
    }
    return false;
}

static bool has_value(const struct row *row)
{
    bool any = false;
    for (size_t i = 0; i < CHECKED; i++) {
        any = any || row_has(row, checked_values[i]);
    }
    return any;
}

static uint64_t first_step(const struct diag_step *step)
{
    return step->steps > 1 && row_has(step->row, STEP_fold_first_step)
               ? row_u64(step->row, STEP_fold_first_step)
               : step->step;
}

static void add_faults(struct faults *faults, const struct diag_step *step)
{
    const bool still = step->delta_norm.has && step->delta_norm.v == 0;
    const double grad_sq = row_f64(step->row, STEP_grad_sq);
    const bool told =
        row_has(step->row, STEP_flags) && !row_is_unmeasured(step->row);
    const uint64_t flags = told ? step->flags : 0;
    const bool skipped = (flags & TRAJ_STEP_SKIPPED) != 0;
    faults->n_flags += told;
    faults->n_values += has_value(step->row);
    faults->skipped += skipped || (still && (grad_sq < 0 || grad_sq > 0));
    faults->found_inf += (flags & TRAJ_STEP_FOUND_INF) != 0;
    faults->n_updates += step->delta_norm.has;
    faults->still += still;

    const uint64_t of_fold = row_u64(step->row, STEP_fold_nonfinite);
    const uint64_t nonfinite = of_fold > 0               ? of_fold
                               : is_nonfinite(step->row) ? 1
                                                         : 0;
    faults->nonfinite += nonfinite;
    if (nonfinite > 0 && !faults->has_nonfinite) {
        faults->has_nonfinite = true;
        faults->first_nonfinite = first_step(step);
    }
}

bool diagnostics_step(struct diagnostics *diagnostics, const struct row *row)
{
    if (!row_has(row, STEP_step)) {
        return true;
    }
    const struct diag_step step = read_step(row, diagnostics->world);
    diagnostics->records++;
    diagnostics->steps += step.steps;
    add_faults(&diagnostics->faults, &step);
    diag_noise_add(
        &diagnostics->noise, &step, diagnostics->world, diagnostics->last_step);
    diag_spikes_add(&diagnostics->spikes, &step);
    diag_descent_step(&diagnostics->descent, &step);
    return diag_clip_add(&diagnostics->clip, &step, diagnostics->last_step);
}

void diagnostics_probe(struct diagnostics *diagnostics, const struct row *row)
{
    diagnostics->probes += row_u64(row, PROBE_group) == 0;
    diag_descent_probe(&diagnostics->descent, row);
}
