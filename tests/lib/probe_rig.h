/* probe_rig: a trainer of one function whose parameters are in several arrays,
 * and the probe of its last update. */
#ifndef TRAJD_TEST_PROBE_RIG_H
#define TRAJD_TEST_PROBE_RIG_H

#include <stddef.h>
#include <stdint.h>

#include "functions.h"
#include "traj.h"

#define PROBE_RIG_MAX 64
#define PROBE_RIG_SEGMENTS 8
#define PROBE_RIG_GROUPS 4

/* A trainer with the variables of f in consecutive segments. Arrays are as
 * wide as the widest dtype; end: where the update went, in doubles. */
struct probe_rig {
    struct function f;
    double start[PROBE_RIG_MAX], end[PROBE_RIG_MAX];
    size_t n_segments;
    struct traj_probe_segment segments[PROBE_RIG_SEGMENTS];
    double memory[3][PROBE_RIG_SEGMENTS][PROBE_RIG_MAX]; /* param, x, g(x) */
    int calls;
    int fail_at;
    double hidden; /* what calls add to element 0, by turns h and -h/2 */
    struct traj_group groups[PROBE_RIG_GROUPS];
    struct traj_probe group_probes[PROBE_RIG_GROUPS];
    struct traj_probe_input input;
    struct traj_probe probe;
};

/* Without segments yet; gammas 1/2 and 1. Set start and end, add segments. */
void probe_rig_init(struct probe_rig *r, struct function f);
void probe_rig_segment(
    struct probe_rig *r, enum traj_dtype dtype, size_t n, uint32_t group);
void probe_rig_group(struct probe_rig *r, struct traj_group group);

/* 50 variables of a radial law, in segments of these sizes. */
void probe_rig_radial(struct probe_rig *r, const size_t *sizes, size_t n);
/* 1/2 sum i x_i^2 at small integers: every dtype has all numbers exactly. No
 * segments. */
void probe_rig_integers(struct probe_rig *r);
/* The same in two groups with these norms: 1 has i = 3, 4, 5, 2 has i = 1, 2,
 * 6, 7, and 8 is of none. */
void probe_rig_groups(
    struct probe_rig *r, enum traj_norm first, enum traj_norm second);

/* The start, its gradient and the end, each rounded to its dtype. */
void probe_rig_place(struct probe_rig *r);
/* The probe, in a workspace whose bounds are watched. */
enum traj_status probe_rig_try(struct probe_rig *r);
/* Place and probe. */
void probe_rig_run(struct probe_rig *r);

/* The callback of the flat form, which fills one array. */
int probe_rig_flat_callback(void *context, void *ret_grad, double *ret_loss);

#endif
