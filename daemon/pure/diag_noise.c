/* diag_noise.c: pure; any thread. */
#include "pure/diag_noise.h"

#include <math.h>

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

/* Gradients behind g; 0: not known. */
static double microbatches(const struct diag_step *step, uint32_t world)
{
    const uint64_t stage = row_u64(step->row, STEP_stage);
    const uint64_t combine = row_u64(step->row, STEP_combine);
    if ((stage & TRAJ_STAGE_MICRO) != 0 || combine == TRAJ_COMBINE_SHARD) {
        return 0;
    }
    const double k = (double)row_u64(step->row, STEP_micro_batches);
    return (stage & TRAJ_STAGE_LOCAL) != 0 ? k : k * world;
}

void diag_noise_add(struct diag_noise *noise, const struct diag_step *step,
    uint32_t world, uint64_t last_step)
{
    const double k = microbatches(step, world);
    const double samples = (double)row_u64(step->row, STEP_batch_samples);
    if (!(k >= 2) || !(samples > 0) || !(step->divisor > 0) ||
        step->steps > 1) {
        return;
    }
    const double scale = micro_divisor(step);
    const double micro_sq =
        row_f64(step->row, STEP_micro_grad_sq) / scale / scale;
    const double norm = sqrt(row_f64(step->row, STEP_grad_sq)) / step->divisor;
    const double grad_sq = norm * norm;
    const double signal = noise_unbiased_sq(k, micro_sq, grad_sq);
    const double trace = noise_of_mean(k, micro_sq, grad_sq) * samples;
    if (!isfinite(signal) || !isfinite(trace)) {
        return; /* absent, or an event and no sample */
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
