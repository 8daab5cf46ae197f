/*
 * pyramid_keys.c: members are found by a hash and numbered as they appear, the
 * numbers are sorted, and a count of each puts the records in order: to sort
 * thousands of records by their names would cost more than to seal them.
 */
#include "store/pyramid_keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "store/db.h"

#define NO_KEY UINT32_MAX

void pyramid_keys_done(struct pyramid_keys *keys)
{
    db_free(keys->order);
    db_free(keys->ids);
    keys->order = NULL;
    keys->ids = NULL;
    keys->capacity = 0;
}

static enum err_code reserve(struct pyramid_keys *keys, size_t n, struct err *e)
{
    if (n <= keys->capacity) {
        return ERR_NONE;
    }
    uint32_t *order = db_realloc(keys->order, n * sizeof *order);
    if (order == NULL) {
        return db_nomem(e, "pyramid");
    }
    keys->order = order;
    uint32_t *ids = db_realloc(keys->ids, n * sizeof *ids);
    if (ids == NULL) {
        return db_nomem(e, "pyramid");
    }
    keys->ids = ids;
    keys->capacity = n;
    return ERR_NONE;
}

static uint64_t hash_of(const struct pyramid_member *member)
{
    uint64_t hash = hash_u64(HASH_START, member->number);
    for (size_t i = 0; i < member->name.n; i++) {
        hash = hash_byte(hash, (uint8_t)member->name.p[i]);
    }
    return hash ^ hash >> 32;
}

/* The member's id, which is new if it has none; NO_KEY: there are too many. */
static uint32_t id_of(
    struct pyramid_keys *keys, const struct pyramid_member *member)
{
    size_t slots = sizeof keys->table / sizeof keys->table[0];
    size_t slot = hash_of(member) % slots;
    for (; keys->table[slot] != 0; slot = (slot + 1) % slots) {
        uint32_t id = keys->table[slot] - 1;
        if (pyramid_member_compare(&keys->keys[id].member, member) == 0) {
            return id;
        }
    }
    if (keys->n == PYRAMID_MEMBERS_MAX ||
        member->name.n > PYRAMID_NAMES_MAX - keys->names_length) {
        return NO_KEY;
    }
    uint32_t id = (uint32_t)keys->n++;
    keys->keys[id] = (struct pyramid_key){ .member = *member, .id = id };
    keys->table[slot] = id + 1;
    keys->names_length += member->name.n;
    return id;
}

/* false: the record is of nobody. */
static bool member_of(
    const struct records *r, size_t i, struct pyramid_member *ret)
{
    *ret = (struct pyramid_member){ 0 };
    if (r->kind == WIRE_GROUP) {
        ret->number = (r->present[i] >> GROUP_group & 1) != 0
                          ? r->columns[GROUP_group][i]
                          : 0;
        return ret->number != 0;
    }
    if (r->kind == WIRE_METRIC) {
        bool has = (r->present[i] >> METRIC_name & 1) != 0;
        ret->name = has ? records_text(r, i) : (struct str){ 0 };
        return ret->name.n > 0;
    }
    return true;
}

static int compare(const void *a, const void *b)
{
    return pyramid_member_compare(&((const struct pyramid_key *)a)->member,
        &((const struct pyramid_key *)b)->member);
}

/* ends: of each key first how many records it has, then where they begin,
 * and at last where they end. */
static void put_in_order(struct pyramid_keys *keys, size_t n)
{
    uint32_t rank_of[PYRAMID_MEMBERS_MAX];
    for (size_t k = 0; k < keys->n; k++) {
        rank_of[keys->keys[k].id] = (uint32_t)k;
        keys->ends[k] = 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (keys->ids[i] != NO_KEY) {
            keys->ends[rank_of[keys->ids[i]]]++;
        }
    }
    uint32_t begin = 0;
    for (size_t k = 0; k < keys->n; k++) {
        uint32_t count = keys->ends[k];
        keys->ends[k] = begin;
        begin += count;
    }
    for (size_t i = 0; i < n; i++) {
        if (keys->ids[i] != NO_KEY) {
            keys->order[keys->ends[rank_of[keys->ids[i]]]++] = (uint32_t)i;
        }
    }
}

enum err_code pyramid_keys_of(
    struct pyramid_keys *keys, const struct records *records, struct err *e)
{
    enum err_code code = reserve(keys, records->n, e);
    if (code != ERR_NONE) {
        return code;
    }
    keys->n = 0;
    keys->names_length = 0;
    keys->is_partial = false;
    memset(keys->table, 0, sizeof keys->table);
    struct pyramid_member before = { 0 };
    for (size_t i = 0; i < records->n; i++) {
        struct pyramid_member member;
        bool has = member_of(records, i, &member);
        if (i > 0 && has && keys->ids[i - 1] != NO_KEY &&
            pyramid_member_compare(&member, &before) == 0) {
            keys->ids[i] = keys->ids[i - 1];
            continue;
        }
        keys->ids[i] = has ? id_of(keys, &member) : NO_KEY;
        keys->is_partial |= has && keys->ids[i] == NO_KEY;
        before = member;
    }
    qsort(keys->keys, keys->n, sizeof keys->keys[0], compare);
    put_in_order(keys, records->n);
    return ERR_NONE;
}
