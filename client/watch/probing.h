/*
 * probing: takes the probes of a watch and records them: the gradient callback
 * along the update, the operator norm, and the free one of consecutive steps.
 * Runs in the trainer's thread.
 */
#ifndef TRAJ_WATCH_PROBING_H
#define TRAJ_WATCH_PROBING_H

#include <stdbool.h>
#include <stdint.h>

#include "traj.h"
#include "watch/arrays.h"

struct probing {
    struct traj_watch_options options; /* as given, defaults filled in */
    double gammas[TRAJ_GAMMAS_MAX];
    struct traj_probe_segment *segment; /* owned; NULL for one flat array */
    struct traj_group *group;           /* owned; for the norms of groups */
    struct traj_probe *group_probe;     /* owned, n_groups */
    void *workspace;                    /* owned; NULL without a callback */
    traj_sharpness_meter *meter;        /* owned; NULL: no operator norm */
    uint32_t sharpness_every;           /* probes */
    uint32_t different_every;           /* steps; UINT32_MAX: never */
    enum traj_dtype dtype;              /* of all arrays; 0: they differ */
    double roundoff;                    /* the largest of theirs */
    uint64_t probes;
    struct traj_probe last; /* if probes > 0 */
};

/* options: checked, but for what traj_sharpness_open checks. On failure
 * nothing is to be freed. */
TRAJ_CHECK enum traj_status probing_init(struct probing *probing,
    const struct traj_watch_options *options, const struct arrays *arrays);
void probing_done(struct probing *probing);

/* Is there a callback to probe with? */
bool probing_has_callback(const struct probing *probing);

/* Of the update just made: the trainer's arrays hold x_{k+1}, the copies x_k
 * and g_k. Takes the operator norm too when it is its turn. What fails is not
 * recorded. run may be NULL. Calls back; see traj_gradient_fn. */
TRAJ_CHECK enum traj_status probing_take(struct probing *probing,
    const struct arrays *arrays, traj_run *run, const struct traj_step *step,
    bool burst);

/* What the step before left for the estimator of different batches. */
struct probing_previous {
    uint64_t step;
    double grad_sq, param_sq, delta_sq, grad_delta, loss, lr;
    double noise_sq; /* E||g - E g||^2, from its microbatches; or unset */
};
void probing_remember(
    const struct traj_step *step, struct probing_previous *ret_previous);

/*
 * The probe of steps k and k+1, whose gradients are of different data
 * (free, biased upwards, marked): back holds the sums that look back from
 * k+1. noise_sq comes from the microbatches of step k, if they were said.
 * false: not measured.
 */
bool probing_different(const struct probing *probing,
    const struct probing_previous *previous, const struct traj_moments *back,
    double loss_end, struct traj_probe *ret_probe);

#endif
