/*
 * fold: many steps in one record, for trainers whose steps cost less than a
 * record does. Pure but for the caller's struct; runs in the appender.
 *
 * A step is added with whole-number work and copies alone. Its numbers wait in
 * a batch and are added up, with compensation and in the default
 * floating-point environment, when the batch is full or the fold is closed: so
 * trapped exceptions and flushed subnormals of the trainer do not matter, and
 * setting its environment aside costs next to nothing a step.
 */
#ifndef TRAJ_TRANSPORT_FOLD_H
#define TRAJ_TRANSPORT_FOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "sum.h"
#include "traj.h"

#define FOLD_BATCH 64u
#define FOLD_AGE_NS 1000000000 /* then it is recorded, full or not */

/* What waits to be added up, of a step that is finite. */
struct fold_sample {
    double loss, grad_sq, delta_sq;
    uint64_t step;
};

/* One quantity, of the finite steps that have it; markers where none has. */
struct fold_quantity {
    struct sum sum;
    uint64_t n;
    double total; /* set by fold_close; unset if any finite step is without */
    double min, max;
    uint64_t min_step, max_step; /* the first with it */
};

/* What becomes a record. */
struct fold_result {
    struct traj_step last; /* but flags are or-ed, counts added up */
    int64_t mono_ns;       /* of the last step */
    uint64_t count;
    uint64_t first_step;
    uint64_t clipped;
    uint64_t nonfinite; /* of the count: these are in no quantity */
    struct fold_quantity loss, grad_sq, delta_sq;
};

/* Zero, but for steps_max, is a fold that is not open. */
struct fold {
    uint32_t steps_max; /* of one record */
    int64_t opened_mono_ns;
    int64_t closed_mono_ns; /* the time that the last one was given */
    bool is_open;
    uint64_t overflow; /* of each of its steps, see fold_takes */
    struct fold_result so_far;
    uint32_t n_waiting;
    struct fold_sample waiting[FOLD_BATCH];
};

/* Can the step be told together with those in the fold, which must be open? Its
 * g has their unit (unit.h), and all of them or none were left unmeasured
 * (measure_every); and the loss scaler saw no overflow in any of
 * them, or saw one and left the update out in all, or saw one and did not in
 * all. What is not finite is no fault in the second of these, and flags are
 * or-ed: of a mixture nobody could say. */
bool fold_takes(const struct fold *fold, const struct traj_step *step);

/* An open fold takes the step.
 * now: of a clock that may be up to FOLD_TICK_NS behind. True: it is full, or
 * old, and to be closed. */
#define FOLD_TICK_NS 10000000
bool fold_add(
    struct fold *fold, const struct traj_step *step, int64_t now_mono_ns);

/* The fold must be open, and is then not. now is exact. What it returns is
 * borrowed until the next fold_add. */
const struct fold_result *fold_close(struct fold *fold, int64_t now_mono_ns);

#endif
