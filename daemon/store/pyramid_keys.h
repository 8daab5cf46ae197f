/*
 * pyramid_keys: which members (names, layers) the records of a chunk are of,
 * and which records are of each. Working memory of one thread at a time.
 */
#ifndef TRAJD_PYRAMID_KEYS_H
#define TRAJD_PYRAMID_KEYS_H

#include "base/err.h"
#include "store/pyramid_body.h"
#include "store/records.h"

struct pyramid_key {
    struct pyramid_member member;
    uint32_t id; /* in the order in which they appear */
};

/* Of no more members than a body has; which the others are is not known. */
struct pyramid_keys {
    bool is_partial;
    size_t n;
    struct pyramid_key keys[PYRAMID_MEMBERS_MAX]; /* ascending */
    /* Records of key i: order[ends[i - 1]] to order[ends[i] - 1], by seq. */
    uint32_t ends[PYRAMID_MEMBERS_MAX];
    uint32_t *order;
    size_t capacity; /* of order, and of ids */
    uint32_t *ids;   /* of each record */
    size_t names_length;
    uint32_t table[4 * PYRAMID_MEMBERS_MAX]; /* by hash: id + 1, or 0 */
};
void pyramid_keys_done(struct pyramid_keys *keys);

/* keys: zero at first. Names are borrowed from the records. */
CHECK_RESULT enum err_code pyramid_keys_of(
    struct pyramid_keys *keys, const struct records *records, struct err *e);

#endif
