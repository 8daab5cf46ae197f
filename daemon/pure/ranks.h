/*
 * ranks: from the records of all ranks of a run, of one kind, one record per
 * step (rank_sum.h), or per step and item: a step may have a probe of each
 * class, and a record of each layer. Records come in any order between ranks
 * and in their own order within one: ascending steps, with gaps, and back where
 * the trainer went back and did steps again. Pure; memory is bounded by the
 * window and the world. What is said of a step below is said of its items.
 *
 * A step is given to visit when
 * - every rank that has a part of it and is still there has given its record;
 *   or
 * - a later step is whole, so that who is missing will not come any more; or
 * - the window of open steps is full: the one that was opened first goes; or
 * - ranks_flush.
 * All but the first make it RANK_INCOMPLETE, except for the rule NONE, which
 * needs rank 0 alone.
 *
 * Which records belong together. Ranks restart together or one of them alone,
 * and each counts its own attempts, so equal numbers are no sign. A record
 * joins the others of its step if its world is theirs and
 * - its attempt is theirs, or
 * - its rank had done the step as often before, in earlier attempts, as theirs
 *   had (ranks_source.again).
 * So a rank that is restarted alone and goes on where it was, goes on with the
 * others; and after a restart of all of them that went back, no step is a mix
 * of the new attempt of one rank and the old one of another, while they come
 * in one after the other: the newer execution waits for the ranks that it
 * lacks, records of the older one are left out. Attempts of different worlds
 * are never mixed. A rank that went back within its attempt is told by its
 * steps: the second pass of each rank goes with the second of the others.
 */
#ifndef TRAJD_RANKS_H
#define TRAJD_RANKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pure/rank_sum.h"
#include "pure/row.h"

#define RANKS_WINDOW 1024 /* open steps, as long as memory allows */
#define RANKS_WINDOW_LEAST 16
/* Doubles by rank and step that a window may hold: 32 MiB. */
#define RANKS_VALUES_MAX (1u << 22)

struct ranks;

/* Borrows *step till it returns. false: stop, which the caller is told. */
typedef bool (*ranks_visit_fn)(void *context, const struct rank_step *step);

struct ranks_options {
    enum wire_kind kind; /* STEP, PROBE or GROUP */
    uint32_t world;      /* the largest of all records; at least 1 */
    uint32_t items;      /* of a step; at least 1 */
    /* Open steps; RANKS_WINDOW, or fewer where values are kept of thousands of
     * ranks: ranks_window. At least 1. */
    size_t window;
    bool keep_values; /* rank_step.grad_sq and param_sq; of STEP */
    /* Has the rank a part of the item, in a run of that world? NULL: each has
     * one of all. */
    bool (*holds)(void *context, uint32_t world, uint32_t rank, uint32_t item);
    ranks_visit_fn visit;
    void *context;
};

/* The window that a world affords. */
size_t ranks_window(uint32_t world);

/* NULL: out of memory. */
struct ranks *ranks_new(const struct ranks_options *options);
void ranks_free(struct ranks *ranks); /* NULL is allowed */

/* Whose a record is. */
struct ranks_source {
    uint32_t rank; /* below world, else the record is left out */
    uint32_t world;
    uint32_t attempt;
    uint32_t again; /* earlier attempts of this rank that had this step */
};

/* A record; without a step it is left out. */
struct ranks_record {
    const struct row *row;
    uint32_t item;     /* below ranks_options.items */
    struct str points; /* a probe's gammas */
};

/* false: visit said stop. */
bool ranks_add(struct ranks *ranks, const struct ranks_source *source,
    const struct ranks_record *record);

/* Nothing more comes from this rank: nobody waits for it. Holds for ever. */
bool ranks_gone(struct ranks *ranks, uint32_t rank);

/* Gives out every open step, and forgets where ranks were. */
bool ranks_flush(struct ranks *ranks);

#endif
