/*
 * pyramid_nodes: the nodes of a chunk from its records, and those of a row from
 * the bodies below it. Working memory of one thread at a time; apart from its
 * memory, pure: the same input gives the same bytes.
 *
 * A series (a metric of a member) has the nodes of the smallest 2^j that needs
 * few of them: at most one for PYRAMID_VALUES_PER_NODE values, but always two,
 * without which steps on both sides of a large power of two would need a node
 * as wide; at most PYRAMID_NODES_MAX; fewer where there are very many series.
 * So a chunk of 2,048 steps has some 8 nodes of 256 steps, one of a metric that
 * is measured every 100 steps as few as make up for their bytes, and a row of
 * 16 such chunks as many, 16 times as wide. Narrower nodes are not kept: of 16
 * steps they would take as much as the records, which are read fast enough.
 */
#ifndef TRAJD_PYRAMID_NODES_H
#define TRAJD_PYRAMID_NODES_H

#include "base/err.h"
#include "base/str.h"
#include "pure/buckets.h"
#include "pure/trainer.h"
#include "store/pyramid_body.h"
#include "store/records.h"

#define PYRAMID_VALUES_PER_NODE 128u
#define PYRAMID_METRICS_MAX 64u /* of metric_kept */
/* Of all members of one metric, so many nodes; but two of each. */
#define PYRAMID_METRIC_NODES 2048u
/* A chunk keeps none where there is a node for fewer values than this: it is
 * as small to read as they are. */
#define PYRAMID_PAYS 32u

struct pyramid_nodes {
    enum wire_kind kind;
    bool is_partial;
    struct pyramid_member *members; /* ascending */
    size_t n_members;
    size_t members_capacity;
    size_t n_series; /* metrics of metric_kept */
    struct pyramid_series series[PYRAMID_METRICS_MAX];
    uint32_t *counts; /* nodes by series, then member */
    size_t counts_capacity;
    struct bucket *nodes; /* so */
    size_t n_nodes;
    size_t nodes_capacity;
    uint64_t values; /* in all nodes */
    struct buckets work;
    struct pyramid_keys *keys; /* of records; made at the first use */
    void *scratch;             /* so many records' values */
    size_t scratch_capacity;
    struct buf body;
};
void pyramid_nodes_done(struct pyramid_nodes *nodes);

/* Of records with all fields kept. *ret_body is borrowed from nodes until its
 * next use. */
CHECK_RESULT enum err_code pyramid_nodes_of_records(struct pyramid_nodes *nodes,
    const struct records *records, const struct trainer *trainer,
    struct str *ret_body, struct err *e);

/* Whether a chunk is better off without the body made last. */
bool pyramid_nodes_pay(const struct pyramid_nodes *nodes);

/* Of n bodies of the kind that follow each other, at most PYRAMID_FAN; empty if
 * one of them is, or is damaged or of another version. */
#define PYRAMID_FAN 16u
CHECK_RESULT enum err_code pyramid_nodes_of_bodies(struct pyramid_nodes *nodes,
    enum wire_kind kind, const struct str bodies[static PYRAMID_FAN], size_t n,
    struct str *ret_body, struct err *e);

#endif
