/* rank_spans.c: the thread of its reader. */
#include "store/rank_spans.h"

#include <string.h>

#include "pure/trainer.h"
#include "store/db.h"
#include "store/runs.h"

static enum err_code take_stream(
    void *context, const struct stream_row *row, struct err *e)
{
    struct rank_spans *spans = context;
    const struct scan_query *query = &spans->query;
    bool wanted = query->attempts != SCAN_ONE || query->attempt == row->attempt;
    if (!wanted || (!row->has_first_step && row->records[query->kind] == 0)) {
        return ERR_NONE;
    }
    if (spans->n == spans->capacity) {
        size_t larger = spans->capacity == 0 ? 64 : spans->capacity * 2;
        void *grown = db_realloc(spans->v, larger * sizeof *spans->v);
        if (grown == NULL) {
            return db_nomem(e, "ranks");
        }
        spans->v = grown;
        spans->capacity = larger;
    }
    spans->v[spans->n++] = (struct rank_span){
        .id = row->id,
        .attempt = row->attempt,
        .rank = row->rank,
        .has_steps = row->has_first_step,
        .first_step = row->first_step,
        .last_step = row->last_step,
        .records = row->records[query->kind],
    };
    return ERR_NONE;
}

static enum err_code take_world(
    void *context, const char *hello_json, struct err *e)
{
    uint32_t *world = context;
    (void)e;
    *world = trainer_of_hello(hello_json).world;
    return ERR_NONE;
}

/* Of each attempt, as its lowest rank says: a HELLO may be long. */
static enum err_code read_worlds(struct rank_spans *spans,
    struct reader *reader, uint32_t *ret_largest, struct err *e)
{
    *ret_largest = 1;
    for (size_t i = 0; i < spans->n; i++) {
        struct rank_span *span = &spans->v[i];
        if (i > 0 && span->attempt == span[-1].attempt) {
            span->world = span[-1].world;
            continue;
        }
        enum err_code code =
            runs_hello(reader, span->id, take_world, &span->world, e);
        if (code != ERR_NONE) {
            return code;
        }
        *ret_largest = span->world > *ret_largest ? span->world : *ret_largest;
    }
    return ERR_NONE;
}

static enum err_code count_records(struct rank_spans *spans, struct err *e)
{
    for (size_t i = 0; i < spans->n; i++) {
        uint32_t rank = spans->v[i].rank;
        spans->n_ranks = rank >= spans->n_ranks ? rank + 1 : spans->n_ranks;
    }
    size_t bytes = ((size_t)spans->n_ranks + 1) * sizeof *spans->records;
    spans->records = db_malloc(bytes);
    spans->before = db_malloc((spans->n + 1) * sizeof(struct rank_span *));
    if (spans->records == NULL || spans->before == NULL) {
        return db_nomem(e, "ranks");
    }
    memset(spans->records, 0, bytes);
    for (size_t i = 0; i < spans->n; i++) {
        spans->records[spans->v[i].rank] += spans->v[i].records;
    }
    return ERR_NONE;
}

enum err_code rank_spans_read(struct rank_spans *spans, struct reader *reader,
    const struct scan_query *query, uint32_t *ret_world, struct err *e)
{
    *spans = (struct rank_spans){ .query = *query };
    enum err_code code =
        runs_streams(reader, query->run, take_stream, spans, e);
    if (code == ERR_NONE) {
        code = read_worlds(spans, reader, ret_world, e);
    }
    return code == ERR_NONE ? count_records(spans, e) : code;
}

void rank_spans_done(struct rank_spans *spans)
{
    db_free(spans->v);
    db_free(spans->records);
    db_free(spans->before);
    *spans = (struct rank_spans){ 0 };
}

uint64_t rank_spans_records(const struct rank_spans *spans, uint32_t rank)
{
    return rank < spans->n_ranks ? spans->records[rank] : 0;
}

const struct rank_span *rank_spans_find(
    struct rank_spans *spans, uint32_t attempt, uint32_t rank)
{
    spans->n_before = 0;
    for (size_t i = 0; i < spans->n; i++) {
        const struct rank_span *span = &spans->v[i];
        if (span->rank != rank) {
            continue;
        }
        if (span->attempt == attempt) {
            return span;
        }
        if (spans->query.attempts == SCAN_NEWEST && span->has_steps) {
            spans->before[spans->n_before++] = span;
        }
    }
    return NULL;
}

uint32_t rank_spans_again(const struct rank_spans *spans, uint64_t step)
{
    uint32_t again = 0;
    for (size_t i = 0; i < spans->n_before; i++) {
        again += step >= spans->before[i]->first_step &&
                 step <= spans->before[i]->last_step;
    }
    return again;
}
