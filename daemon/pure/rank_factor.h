/*
 * rank_factor: by what ||d|| and ||g|| of plain SGD are off one another, and
 * which mistake makes that: (b) of rank_diagnosis.h. Pure.
 */
#ifndef TRAJD_RANK_FACTOR_H
#define TRAJD_RANK_FACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pure/rank_sum.h"
#include "pure/trainer.h"

/* The ways in which k = world, microbatches or loss scale can come in. */
enum rank_factor_power {
    RANK_TIMES_K,
    RANK_TIMES_ROOT,
    RANK_BY_K,
    RANK_BY_ROOT,
    RANK_POWERS
};
enum rank_factor_of {
    RANK_OF_LOSS_SCALE,
    RANK_OF_MICRO_BATCHES,
    RANK_OF_WORLD,
    RANK_OFS
};

/* Zero-initialised is empty. */
struct rank_factor {
    uint64_t judged; /* steps where ||d||/(lr c ||g||) is known */
    struct {
        uint64_t steps;
        uint64_t first_step;
        double factor; /* of the last of them */
    } seen[RANK_OFS][RANK_POWERS];
};

/* A step of a trainer whose optimizer is OPTIMIZER_SGD. */
void rank_factor_add(struct rank_factor *factor, const struct rank_step *step);

struct rank_factor_verdict {
    double factor; /* of ||d||/(lr c ||g||): what ||g|| lacks */
    uint64_t first_step;
    uint64_t steps;
};

/* false: nothing is wrong, or nothing steady. The sentence is cut at size. */
bool rank_factor_verdict(const struct rank_factor *factor,
    struct rank_factor_verdict *ret_verdict, char *ret_text, size_t size);

#endif
