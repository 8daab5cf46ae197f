/*
 * pyramid_nodes.c: of the records of a chunk; pyramid_merge.c: of bodies.
 *
 * Invariants, while a body is made:
 * 1. counts has n_members entries for each of the n_series series begun, and
 *    nodes are in the same order; n_nodes is their sum.
 * 2. series[i].counts and .nodes are set only when all are there: until then
 *    the arrays move.
 */
#include "store/pyramid_nodes.h"

#include <string.h>

#include "pure/derived.h"
#include "store/db.h"
#include "store/pyramid_keys.h"
#include "store/pyramid_nodes_impl.h"

void pyramid_nodes_done(struct pyramid_nodes *nodes)
{
    db_free(nodes->members);
    db_free(nodes->counts);
    db_free(nodes->nodes);
    db_free(nodes->scratch);
    if (nodes->keys != NULL) {
        pyramid_keys_done(nodes->keys);
        db_free(nodes->keys);
    }
    buckets_done(&nodes->work);
    buf_done(&nodes->body);
    *nodes = (struct pyramid_nodes){ 0 };
}

/* ---- what both makers use -------------------------------------------------
 */

/* At least n elements of size bytes. */
static enum err_code reserve(
    void **v, size_t *capacity, size_t n, size_t size, struct err *e)
{
    if (n <= *capacity) {
        return ERR_NONE;
    }
    size_t larger = *capacity * 2 < n ? n : *capacity * 2;
    void *grown = db_realloc(*v, larger * size);
    if (grown == NULL) {
        return db_nomem(e, "pyramid");
    }
    *v = grown;
    *capacity = larger;
    return ERR_NONE;
}

enum err_code pyramid_nodes_begin(struct pyramid_nodes *nodes,
    enum wire_kind kind, size_t n_members, struct err *e)
{
    void *members = nodes->members;
    enum err_code code = reserve(&members, &nodes->members_capacity, n_members,
        sizeof nodes->members[0], e);
    nodes->members = members;
    if (code != ERR_NONE) {
        return code;
    }
    nodes->kind = kind;
    nodes->is_partial = false;
    nodes->n_members = n_members;
    nodes->n_series = 0;
    nodes->n_nodes = 0;
    nodes->values = 0;
    nodes->work.max = PYRAMID_NODES_MAX;
    return ERR_NONE;
}

enum err_code pyramid_nodes_begin_series(
    struct pyramid_nodes *nodes, struct str metric, struct err *e)
{
    assert(nodes->n_series < PYRAMID_METRICS_MAX);

    void *counts = nodes->counts;
    enum err_code code = reserve(&counts, &nodes->counts_capacity,
        (nodes->n_series + 1) * nodes->n_members, sizeof nodes->counts[0], e);
    nodes->counts = counts;
    if (code != ERR_NONE) {
        return code;
    }
    nodes->series[nodes->n_series++] =
        (struct pyramid_series){ .metric = metric };
    return ERR_NONE;
}

/* How many nodes so many values may have. */
static size_t nodes_for(const struct pyramid_nodes *nodes, uint64_t values)
{
    uint64_t n = values / PYRAMID_VALUES_PER_NODE;
    uint64_t share = PYRAMID_METRIC_NODES / nodes->n_members;
    n = n < share ? n : share;
    return n < 2 ? 2 : n > PYRAMID_NODES_MAX ? PYRAMID_NODES_MAX : (size_t)n;
}

enum err_code pyramid_nodes_add(
    struct pyramid_nodes *nodes, size_t member, struct err *e)
{
    struct buckets *work = &nodes->work;
    size_t most = nodes_for(nodes, work->rows);
    while (work->n > most) {
        buckets_coarsen(work, work->shift + 1);
    }
    void *v = nodes->nodes;
    enum err_code code = reserve(&v, &nodes->nodes_capacity,
        nodes->n_nodes + work->n, sizeof nodes->nodes[0], e);
    nodes->nodes = v;
    if (code != ERR_NONE) {
        return code;
    }
    struct pyramid_series *series = &nodes->series[nodes->n_series - 1];
    if (work->n > 0) {
        memcpy(nodes->nodes + nodes->n_nodes, work->v,
            work->n * sizeof work->v[0]);
    }
    nodes->counts[(nodes->n_series - 1) * nodes->n_members + member] =
        (uint32_t)work->n;
    nodes->n_nodes += work->n;
    series->n += work->n;
    nodes->values += work->rows;
    buckets_clear(work);
    return ERR_NONE;
}

enum err_code pyramid_nodes_end(
    struct pyramid_nodes *nodes, struct str *ret_body, struct err *e)
{
    const struct bucket *v = nodes->nodes;
    for (size_t i = 0; i < nodes->n_series; i++) {
        nodes->series[i].counts = nodes->counts + i * nodes->n_members;
        nodes->series[i].nodes = v;
        if (nodes->series[i].n > 0) { /* v is NULL where all are empty */
            v += nodes->series[i].n;
        }
    }
    buf_clear(&nodes->body);
    pyramid_body_write(&nodes->body, nodes->kind, nodes->is_partial,
        nodes->members, nodes->n_members, nodes->series, nodes->n_series);
    if (nodes->body.failed) {
        return db_nomem(e, "pyramid");
    }
    *ret_body = (struct str){ nodes->body.p, nodes->body.n };
    return ERR_NONE;
}

/* ---- of records -----------------------------------------------------------
 */

static enum err_code find_keys(
    struct pyramid_nodes *nodes, const struct records *records, struct err *e)
{
    if (nodes->keys == NULL) {
        nodes->keys = db_malloc(sizeof *nodes->keys);
        if (nodes->keys == NULL) {
            return db_nomem(e, "pyramid");
        }
        memset(nodes->keys, 0, sizeof *nodes->keys);
    }
    enum err_code code = pyramid_keys_of(nodes->keys, records, e);
    if (code == ERR_NONE) {
        code = pyramid_nodes_begin(nodes, records->kind, nodes->keys->n, e);
    }
    for (size_t i = 0; code == ERR_NONE && i < nodes->n_members; i++) {
        nodes->members[i] = nodes->keys->keys[i].member;
    }
    nodes->is_partial = nodes->keys->is_partial;
    return code;
}

/* Memory for n records, cut out of one piece: of each record a value and
 * whether it has one; steps and values of one member. */
struct scratch {
    double *of_record;
    double *values;
    uint64_t *steps;
    bool *has;
};

static enum err_code reserve_scratch(
    struct pyramid_nodes *nodes, size_t n, struct scratch *ret, struct err *e)
{
    void *scratch = nodes->scratch;
    enum err_code code = reserve(&scratch, &nodes->scratch_capacity, n,
        3 * sizeof(double) + sizeof(bool), e);
    nodes->scratch = scratch;
    if (code == ERR_NONE) {
        char *at = scratch;
        void *parts[] = { at, at + n * 8, at + n * 16, at + n * 24 };
        *ret = (struct scratch){ .of_record = parts[0],
            .values = parts[1],
            .steps = parts[2],
            .has = parts[3] };
    }
    return code;
}

/* Whether there is one member, every record is its, and has a value. */
static bool has_all(
    const struct pyramid_keys *keys, const struct scratch *s, size_t n)
{
    return keys->n == 1 && keys->ends[0] == n && memchr(s->has, 0, n) == NULL;
}

/* The values of a member and their steps; returns how many. */
static size_t gather(const struct pyramid_keys *keys, size_t member,
    const uint64_t *steps, const struct scratch *s)
{
    size_t n = 0;
    for (size_t k = member == 0 ? 0 : keys->ends[member - 1];
         k < keys->ends[member]; k++) {
        uint32_t i = keys->order[k];
        if (s->has[i]) {
            s->steps[n] = steps[i];
            s->values[n] = s->of_record[i];
            n++;
        }
    }
    return n;
}

static enum err_code add_member(struct pyramid_nodes *nodes, size_t member,
    const struct records *records, const struct scratch *s, struct err *e)
{
    const uint64_t *steps = records->columns[0];
    const double *values = s->of_record;
    size_t n = records->n;
    if (!has_all(nodes->keys, s, n)) {
        n = gather(nodes->keys, member, steps, s);
        steps = s->steps;
        values = s->values;
    }
    if (!buckets_add_many(&nodes->work, steps, values, n)) {
        buckets_clear(&nodes->work);
        return db_nomem(e, "pyramid");
    }
    return pyramid_nodes_add(nodes, member, e);
}

static enum err_code add_metric(struct pyramid_nodes *nodes,
    const struct metric *metric, const struct records *records,
    const struct trainer *trainer, const struct scratch *s, struct err *e)
{
    enum err_code code = pyramid_nodes_begin_series(nodes, metric->kept, e);
    if (code != ERR_NONE) {
        return code;
    }
    metric_values(metric, trainer, (const uint64_t *const *)records->columns,
        records->present, NULL, records->n, s->has, s->of_record);
    for (size_t m = 0; code == ERR_NONE && m < nodes->n_members; m++) {
        code = add_member(nodes, m, records, s, e);
    }
    return code;
}

enum err_code pyramid_nodes_of_records(struct pyramid_nodes *nodes,
    const struct records *records, const struct trainer *trainer,
    struct str *ret_body, struct err *e)
{
    struct scratch scratch;
    enum err_code code = find_keys(nodes, records, e);
    if (code == ERR_NONE) {
        code = reserve_scratch(nodes, records->n, &scratch, e);
    }
    struct metric metric;
    for (size_t i = 0;
         code == ERR_NONE && metric_kept(records->kind, i, &metric); i++) {
        if ((metric.needs & ~records->mask) == 0) {
            code = add_metric(nodes, &metric, records, trainer, &scratch, e);
        }
    }
    return code == ERR_NONE ? pyramid_nodes_end(nodes, ret_body, e) : code;
}

bool pyramid_nodes_pay(const struct pyramid_nodes *nodes)
{
    return nodes->n_nodes * PYRAMID_PAYS <= nodes->values;
}
