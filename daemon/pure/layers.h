/*
 * layers: the groups of all processes of a run as one list. Each process
 * numbers the groups of its own HELLO; groups of one name are one layer, which
 * with shards has a part on each rank, and with pipeline or expert parallelism
 * is absent on many. Pure but for its memory; one thread at a time.
 *
 * The layers of one process come first, in its order: its numbers are the
 * run's (layers_lead).
 */
#ifndef TRAJD_LAYERS_H
#define TRAJD_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define LAYERS_MAX 32768u /* of a run */
/* Groups of all different lists together: ranks of one list share it. */
#define LAYERS_GROUPS_MAX (1u << 20)

struct layers;

/* After any but OK the layers are good for layers_free only. */
enum layers_status {
    LAYERS_OK = 0,
    LAYERS_NOMEM,
    LAYERS_FULL,    /* beyond a bound above */
    LAYERS_DAMAGED, /* a text that is no HELLO */
};

/* NULL: out of memory. */
struct layers *layers_new(void);
void layers_free(struct layers *layers); /* NULL is allowed */

/* Before all others: whose numbers are the run's. hello_json: a HELLO, or
 * NULL, which names nothing. */
enum layers_status layers_lead(struct layers *layers, const char *hello_json);
/* A process of the run, attempts in ascending order. */
enum layers_status layers_add(struct layers *layers, uint32_t attempt,
    uint32_t rank, const char *hello_json);
/* After the last of them, before what is below. */
enum layers_status layers_ready(struct layers *layers);

/* Layers are numbered from 1 to this; 0 = there are none. */
uint32_t layers_count(const struct layers *layers);

/* As the lowest rank that has it says; of the newest attempts. */
struct layer {
    struct str name; /* JSON, in quotes; borrowed from layers */
    uint64_t size;   /* elements */
    uint64_t rows, cols, norm, combine;
    uint32_t lowest;   /* the lowest rank that has a part of it */
    uint32_t ranks;    /* that have a part */
    uint64_t size_sum; /* of all their sizes */
};
/* number: 1 .. layers_count. ranks is 0 for one of older attempts only. */
void layers_get(
    const struct layers *layers, uint32_t number, struct layer *ret_layer);

/* The layer that a process calls its group `own`; 0: it has no such group. */
uint32_t layers_number(
    const struct layers *layers, uint32_t attempt, uint32_t rank, uint64_t own);

/* Has the rank a part, in its newest attempt of that world? */
bool layers_holds(const struct layers *layers, uint32_t world, uint32_t rank,
    uint32_t number);

#endif
