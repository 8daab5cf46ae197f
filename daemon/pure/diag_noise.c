/* diag_noise.c: pure; any thread. */
#include "pure/diag_noise.h"

#include <math.h>
#include <stddef.h>

#include "math/noise.h"
#include "traj.h"
#include "wire.h"

/* Welford's update, of a pair. */
static void add(struct noise_window *window, double signal, double noise)
{
    window->n++;
    const double ds = signal - window->signal;
    const double dn = noise - window->noise;
    window->signal += ds / (double)window->n;
    window->noise += dn / (double)window->n;
    window->ss += ds * (signal - window->signal);
    window->sn += ds * (noise - window->noise);
    window->nn += dn * (noise - window->noise);
}

/* A microbatch's gradient is neither a sum over microbatches nor over ranks:
 * of the factors of g only the loss scale is its. */
static double micro_divisor(const struct diag_step *step)
{
    const bool scaled =
        (row_u64(step->row, STEP_stage) & TRAJ_STAGE_SCALED) != 0;
    return scaled ? row_f64(step->row, STEP_loss_scale) : 1;
}

static const struct {
    const char *name;
    const char *text;
} reasons[NOISE_ABSENT] = {
    [NOISE_OF_FOLD] = { "fold", "each record stands for several steps" },
    [NOISE_OF_SHARDS] = { "shards",
        "records are of shards, and whose microbatches theirs are is not "
        "said" },
    [NOISE_OF_MICRO] = { "micro",
        "the gradient norm is of one microbatch (stage MICRO)" },
    [NOISE_NO_PART_NORM] = { "no_part_norm",
        "no norm of a part of the data was recorded (micro_grad_sq: the mean "
        "over microbatches, or the rank's own before the reduction)" },
    [NOISE_NO_GRADIENT] = { "no_gradient",
        "no gradient norm of all the data was recorded (grad_sq after the "
        "reduction)" },
    [NOISE_ONE_PART] = { "one_part",
        "one gradient is behind each step: it takes two or more microbatches "
        "or ranks (micro_batches)" },
    [NOISE_NO_SAMPLES] = { "no_samples",
        "how many samples are behind the gradient was not recorded "
        "(batch_samples)" },
    [NOISE_NO_FACTOR] = { "no_factor",
        "what the gradient was multiplied by was not recorded" },
    [NOISE_NONFINITE] = { "nonfinite", "the norms are not finite" },
};

const char *noise_absent_name(enum noise_absent why)
{
    return reasons[why].name;
}

const char *noise_absent_text(enum noise_absent why)
{
    return reasons[why].text;
}

bool noise_absent_most(
    const struct diag_noise *noise, enum noise_absent *ret_why)
{
    uint64_t most = 0;
    for (unsigned why = 0; why < NOISE_ABSENT; why++) {
        if (noise->absent[why] > most) {
            most = noise->absent[why];
            *ret_why = (enum noise_absent)why;
        }
    }
    return most > 0;
}

/* Gradients behind g; 0: not known. */
static double parts(const struct diag_step *step, uint32_t world)
{
    const uint64_t stage = row_u64(step->row, STEP_stage);
    const double k = (double)row_u64(step->row, STEP_micro_batches);
    return (stage & TRAJ_STAGE_LOCAL) != 0 ? k : k * world;
}

/* false, with the reason: it says nothing. */
static bool can_say(
    const struct diag_step *step, uint32_t world, enum noise_absent *ret_why)
{
    const struct row *row = step->row;
    const bool local = (row_u64(row, STEP_stage) & TRAJ_STAGE_LOCAL) != 0;
    const bool has_part = row_has(row, STEP_micro_grad_sq);
    const struct {
        enum noise_absent why;
        bool holds;
    } checks[] = {
        { NOISE_OF_FOLD, step->steps > 1 },
        { NOISE_OF_SHARDS, row_u64(row, STEP_combine) == TRAJ_COMBINE_SHARD },
        { NOISE_OF_MICRO, (row_u64(row, STEP_stage) & TRAJ_STAGE_MICRO) != 0 },
        { NOISE_NO_GRADIENT, local && !has_part },
        { NOISE_NO_PART_NORM, !has_part },
        { NOISE_NO_GRADIENT, !row_has(row, STEP_grad_sq) },
        { NOISE_ONE_PART, !(parts(step, world) >= 2) },
        { NOISE_NO_SAMPLES, row_u64(row, STEP_batch_samples) == 0 },
        { NOISE_NO_FACTOR, !(step->divisor > 0) },
    };
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        if (checks[i].holds) {
            *ret_why = checks[i].why;
            return false;
        }
    }
    return true;
}

void diag_noise_add(struct diag_noise *noise, const struct diag_step *step,
    uint32_t world, uint64_t last_step)
{
    enum noise_absent why = NOISE_NONFINITE;
    if (!can_say(step, world, &why)) {
        noise->absent[why]++;
        return;
    }
    const double k = parts(step, world);
    const double samples = (double)row_u64(step->row, STEP_batch_samples);
    const double scale = micro_divisor(step);
    const double micro_sq =
        row_f64(step->row, STEP_micro_grad_sq) / scale / scale;
    const double norm = sqrt(row_f64(step->row, STEP_grad_sq)) / step->divisor;
    const double grad_sq = norm * norm;
    const double signal = noise_unbiased_sq(k, micro_sq, grad_sq);
    const double trace = noise_of_mean(k, micro_sq, grad_sq) * samples;
    if (!isfinite(signal) || !isfinite(trace)) {
        noise->absent[NOISE_NONFINITE]++;
        return;
    }
    for (unsigned w = 0; w < DIAG_WINDOWS; w++) {
        if (diag_in_window(w, step->step, last_step)) {
            add(&noise->windows[w], signal, trace);
        }
    }
}

bool noise_scale(const struct noise_window *window, double *ret)
{
    if (!(window->signal > 0)) {
        return false;
    }
    *ret = window->noise / window->signal;
    return true;
}

bool noise_scale_error(const struct noise_window *window, double *ret)
{
    double scale = 0;
    if (window->n < 2 || !noise_scale(window, &scale)) {
        return false;
    }
    const double n = (double)window->n;
    const double variance =
        window->nn - 2 * scale * window->sn + scale * scale * window->ss;
    *ret = sqrt(fmax(0, variance) / (n - 1) / n) / window->signal;
    return true;
}
