/* arrays: the trainer's arrays, borrowed and only read, and the copies of them
 * that a watch keeps. Runs in the trainer's thread. */
#ifndef TRAJ_WATCH_ARRAYS_H
#define TRAJ_WATCH_ARRAYS_H

#include <stdbool.h>
#include <stddef.h>

#include "math/kernel.h"
#include "traj.h"

/* What can be kept of each array; the first two always are. */
enum kept {
    KEPT_PARAM,    /* x of the step before its update */
    KEPT_GRAD,     /* g of that step */
    KEPT_OWN_GRAD, /* g as computed from an update */
    KEPT_VELOCITY, /* of an optimizer with momentum */
    KEPT_SAVED,    /* x after the update, while x is back in the trainer's */
    KEPT_KINDS,
};

struct arrays {
    struct traj_watch_segment *segment; /* n of them; owned, their arrays not */
    size_t n;
    void **copy[KEPT_KINDS];   /* [kind][segment]; NULL: not kept */
    void *memory;              /* owned: all copies */
    void **table;              /* owned: what copy points into */
    struct traj_segment *view; /* owned: for traj_moments_of */
    struct kernel_keep *keep;  /* owned: for moments_and_keep */
};

/* kinds: bits 1 << enum kept. false: out of memory, nothing to be freed. */
bool arrays_init(struct arrays *arrays,
    const struct traj_watch_segment *segments, size_t n, unsigned kinds);
void arrays_done(struct arrays *arrays);

/* The trainer's parameters into the copies of a kind. */
void arrays_keep_param(const struct arrays *arrays, enum kept kind);
/* The copies of a kind into the trainer's parameters. */
void arrays_put_param(const struct arrays *arrays, enum kept kind);
void arrays_swap(struct arrays *arrays, enum kept a, enum kept b);

/* Where an operand of the moments comes from. */
enum operand {
    OPERAND_NONE,
    OPERAND_TRAINER, /* x: its parameters; g: its gradients */
    OPERAND_COPY,    /* and from KEPT_PARAM, KEPT_GRAD */
    OPERAND_OWN,     /* g: KEPT_OWN_GRAD */
};
struct operands {
    enum operand x, g, x0, g0;
};

/* As traj_moments_of. */
TRAJ_CHECK enum traj_status arrays_moments(const struct arrays *arrays,
    struct operands operands, uint32_t threads, struct traj_moments *ret_total,
    struct traj_moments *ret_each);

/* Of the trainer's parameters and gradients, which are then KEPT_PARAM and
 * KEPT_GRAD, looking back at what those were (OPERAND_COPY) or not
 * (OPERAND_NONE). On failure they are as before. */
TRAJ_CHECK enum traj_status arrays_moments_and_keep(const struct arrays *arrays,
    enum operand before, uint32_t threads, struct traj_moments *ret_total,
    struct traj_moments *ret_each);

#endif
