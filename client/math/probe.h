/*
 * probe: what the files of traj_smoothness_probe share. All of it lives in the
 * stack of one call and in the caller's workspace; any thread.
 *
 * Parts: part 0 is all parameters, part i the i-th group. Each segment belongs
 * to part 0 and to that of its group. A pass sums over every segment once; the
 * sums of a part are those of its segments.
 */
#ifndef TRAJ_PROBE_H
#define TRAJ_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sum.h"
#include "traj.h"

/* The arrays of a segment. */
enum probe_array {
    PROBE_NONE,
    PROBE_PARAM,      /* the trainer's: where the callback looks */
    PROBE_START,      /* x */
    PROBE_SAVED,      /* the trainer's x + d */
    PROBE_GRAD_START, /* g(x) as the caller has it */
    PROBE_GRAD,       /* what the callback fills */
    PROBE_GRAD_END,   /* microbatches: at x_gamma, while GRAD is that at x */
    PROBE_MEAN,       /* microbatches: their mean at x; doubles */
    PROBE_MEAN_END,   /* and at x_gamma; doubles */
};

struct probe_segment {
    const struct traj_probe_segment *given;
    size_t bytes; /* of each of its arrays of dtype */
    double u;     /* the unit roundoff of its dtype */
    void *saved, *grad, *grad_end;
    double *mean, *mean_end; /* NULL without microbatches, as grad_end */
};

/* The sums of a part while a pass adds them up. */
struct probe_adding {
    struct sum grad_sq, param_sq, delta_sq, dgrad_sq;
    struct sum grad_delta, dgrad_delta, grad_prev;
    struct sum round_g_sq, round_x_sq;
};

struct probe_part {
    const struct traj_group *group; /* NULL: all parameters */
    enum traj_norm norm;
    uint64_t n;               /* elements */
    struct traj_probe result; /* the caller's when the probe succeeds */
    double best;              /* the largest finite smoothness yet, or -1 */
    bool goes_on;             /* x, d and g allow points */

    /* Of the last pass: its sums; u^2 ||g||^2 and u^2 ||x||^2, each segment
     * with its own u; for a norm that is not L2 ||x - x0|| and ||g - g0||_*. */
    struct probe_adding adding;
    struct traj_moments sums;
    double round_g_sq, round_x_sq;
    double norm_x, norm_g;

    double end_dual;       /* ||g_gamma||_* of a norm that is not L2 */
    double start_round_sq; /* round_g_sq of g(x) */
    double repeat;         /* ||g(x) again - g(x)||_*, or unset */

    /* Over the microbatches: ||g_k||^2, ||D_k||^2, and u^2 (||g_k||^2 +
     * ||g'_k||^2). */
    struct sum micro_grad_sq, micro_dgrad_sq, micro_round_sq;
};

/* A pass over the segments: the sums of traj_moments_of for these arrays. */
struct probe_pass {
    enum probe_array x, g, x0, g0;
};

struct probe_run {
    struct traj_probe_input input;   /* what an older caller lacks is 0 */
    struct traj_probe_segment whole; /* the flat form as one segment */
    size_t n_segments;
    size_t n_parts; /* 1 + n_groups */
    double loss;    /* what the callback said last, or unset */
    uint64_t grad_evals;

    /* In the workspace. */
    struct probe_segment *segments;
    struct probe_part *parts;
    struct traj_segment *pass; /* the arguments of a pass, */
    struct traj_moments *each; /* and what comes out, per segment */
    void **grads, **grads_end; /* for the callback */
};

/* ---- probe_check.c: is the input right, and where does what go */

/* Copies the input, of which an older caller may lack the end, and lays out
 * its workspace. */
enum traj_status probe_check(const struct traj_probe_input *input,
    const struct traj_probe *probe, struct probe_run *ret_run);

/* Ascending in (0,1]; in the default floating-point environment. */
enum traj_status probe_check_gammas(const double *gammas, uint32_t n);

/* The least size of the structs of a caller that is older than some fields. */
#define PROBE_INPUT_LEAST offsetof(struct traj_probe_input, segments)
#define PROBE_LEAST offsetof(struct traj_probe, group)

/* ---- probe_sums.c: the passes */

/* Into the sums of each part. */
enum traj_status probe_sum(const struct probe_run *run, struct probe_pass pass);

/* After probe_sum: norm_x, where the pass has x and x0, and norm_g of the parts
 * that are not measured in L2. */
enum traj_status probe_norms(
    const struct probe_run *run, struct probe_pass pass);

/* ---- probe_measure.c: from sums to the fields of the results */

/* ||g_gamma - g||_* by one class of estimator, and its errors. */
struct probe_estimate {
    double dgrad;
    double noise;    /* unset if unknown */
    double round_sq; /* u^2 times the squares of what was rounded */
};

/* At x; g is where g(x) is, or NONE if it is to come. *ret_goes_on: whether
 * there is something to probe. */
enum traj_status probe_measure_start(
    const struct probe_run *run, enum probe_array g, bool *ret_goes_on);
enum traj_status probe_measure_repetition(
    const struct probe_run *run, enum probe_array g, enum probe_array again);
/* With the parameters at x_gamma. */
enum traj_status probe_measure_point(const struct probe_run *run,
    enum probe_array g, enum probe_array g0, double gamma);
void probe_loss_if_unset(const struct probe_run *run, double loss);

/* ---- probe.c: parameters and callback */

void probe_place_start(const struct probe_run *run);
/* param = x + gamma d. At gamma = 1 the trainer's own bits, which x + (p - x)
 * need not give. */
void probe_place(const struct probe_run *run, double gamma);
/* The callback, of microbatch k where it is one of microbatches; arrays are
 * grads or grads_end. */
enum traj_status probe_call(
    struct probe_run *run, uint32_t k, void **arrays, double gamma);

/* ---- probe_micro.c: the microbatch estimator */

/* All of it, after probe_measure_start without g(x). */
enum traj_status probe_micro(struct probe_run *run);
/* Fills in the fields that only this class has, too. */
struct probe_estimate probe_micro_estimate(
    struct probe_part *part, uint32_t micro_batches);

#endif
