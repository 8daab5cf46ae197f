/*
 * rank_scan.c: the thread of its reader. Owns, for one scan, the list of the
 * run's streams, which says of which world an attempt is and what a rank had
 * done before, and the steps at which slices begin.
 */
#include "store/rank_scan.h"

#include <string.h>

#include "pure/trainer.h"
#include "store/db.h"
#include "store/runs.h"

/* Fields that ranks.h reads whatever the caller wants. */
#define NEEDED                                                                 \
    (ROW_BIT(STEP_step) | ROW_BIT(STEP_combine) | ROW_BIT(STEP_stage) |        \
        ROW_BIT(STEP_grad_sq) | ROW_BIT(STEP_micro_batches))

/* One stream of the run that has steps. */
struct span {
    struct stream_id id;
    uint32_t attempt;
    uint32_t rank;
    uint32_t world; /* of the attempt */
    uint64_t first_step, last_step;
    uint64_t steps; /* records */
};

/* The steps of an earlier attempt. */
struct done {
    uint64_t first_step, last_step;
};

struct rank_scan {
    struct reader *reader;
    struct scan_query query;
    struct ranks *ranks;
    struct span *spans; /* by attempt, then rank */
    size_t n_spans;
    size_t spans_capacity;
    uint64_t *steps; /* records of all spans, by rank */
    uint32_t n_ranks;
    uint64_t *starts; /* of slices, ascending; the first is from_step */
    size_t n_starts;
    size_t starts_capacity;
    struct done *before; /* of the batch's rank: room for all spans */
};

/* ---- the streams ----------------------------------------------------------
 */

static bool grow(void **v, size_t *capacity, size_t n, size_t size)
{
    if (n < *capacity) {
        return true;
    }
    size_t larger = *capacity == 0 ? 64 : *capacity * 2;
    void *grown = db_realloc(*v, larger * size);
    if (grown == NULL) {
        return false;
    }
    *v = grown;
    *capacity = larger;
    return true;
}

static enum err_code take_stream(
    void *context, const struct stream_row *row, struct err *e)
{
    struct rank_scan *rs = context;
    const struct scan_query *query = &rs->query;
    bool wanted = query->attempts != SCAN_ONE || query->attempt == row->attempt;
    if (!wanted || !row->has_first_step) {
        return ERR_NONE;
    }
    void *v = rs->spans;
    if (!grow(&v, &rs->spans_capacity, rs->n_spans, sizeof *rs->spans)) {
        return db_nomem(e, "ranks");
    }
    rs->spans = v;
    rs->spans[rs->n_spans++] = (struct span){
        .id = row->id,
        .attempt = row->attempt,
        .rank = row->rank,
        .first_step = row->first_step,
        .last_step = row->last_step,
        .steps = row->records[WIRE_STEP],
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
static enum err_code read_worlds(
    struct rank_scan *rs, uint32_t *ret_largest, struct err *e)
{
    *ret_largest = 1;
    for (size_t i = 0; i < rs->n_spans; i++) {
        struct span *span = &rs->spans[i];
        if (i > 0 && span->attempt == span[-1].attempt) {
            span->world = span[-1].world;
            continue;
        }
        enum err_code code =
            runs_hello(rs->reader, span->id, take_world, &span->world, e);
        if (code != ERR_NONE) {
            return code;
        }
        *ret_largest = span->world > *ret_largest ? span->world : *ret_largest;
    }
    return ERR_NONE;
}

/* ---- slices ---------------------------------------------------------------
 */

static enum err_code count_steps(struct rank_scan *rs, struct err *e)
{
    for (size_t i = 0; i < rs->n_spans; i++) {
        uint32_t rank = rs->spans[i].rank;
        rs->n_ranks = rank >= rs->n_ranks ? rank + 1 : rs->n_ranks;
    }
    size_t bytes = ((size_t)rs->n_ranks + 1) * sizeof *rs->steps;
    rs->steps = db_malloc(bytes);
    if (rs->steps == NULL) {
        return db_nomem(e, "ranks");
    }
    memset(rs->steps, 0, bytes);
    for (size_t i = 0; i < rs->n_spans; i++) {
        rs->steps[rs->spans[i].rank] += rs->spans[i].steps;
    }
    return ERR_NONE;
}

/* The rank with the most steps. */
static uint32_t find_pilot(const struct rank_scan *rs)
{
    uint32_t pilot = 0;
    for (uint32_t rank = 1; rank < rs->n_ranks; rank++) {
        pilot = rs->steps[rank] > rs->steps[pilot] ? rank : pilot;
    }
    return pilot;
}

static enum err_code add_start(
    struct rank_scan *rs, uint64_t step, struct err *e)
{
    void *v = rs->starts;
    if (!grow(&v, &rs->starts_capacity, rs->n_starts, sizeof *rs->starts)) {
        return db_nomem(e, "ranks");
    }
    rs->starts = v;
    rs->starts[rs->n_starts++] = step;
    return ERR_NONE;
}

/* Where the pilot is on its way through the steps. Steps that it does again
 * do not count. */
struct pilot {
    bool any;
    uint64_t top;
    size_t n; /* since the last start */
    size_t slice;
};

static enum err_code follow(struct rank_scan *rs, struct pilot *pilot,
    const struct scan_batch *batch, struct err *e)
{
    enum err_code code = ERR_NONE;
    for (size_t i = 0; i < batch->n && code == ERR_NONE; i++) {
        uint64_t step = batch->columns[STEP_step] == NULL
                            ? 0
                            : batch->columns[STEP_step][i];
        if (pilot->any && step <= pilot->top) {
            continue;
        }
        pilot->any = true;
        pilot->top = step;
        if (pilot->n++ == pilot->slice) {
            pilot->n = 1;
            code = add_start(rs, step, e);
        }
    }
    return code;
}

static enum err_code find_slices(
    struct rank_scan *rs, size_t slice, struct err *e)
{
    struct scan_query query = rs->query;
    struct pilot pilot = { .slice = slice };
    struct scan *scan = NULL;
    query.fields = ROW_BIT(STEP_step);
    query.attempts = query.attempts == SCAN_ALL ? SCAN_NEWEST : query.attempts;
    query.rank = find_pilot(rs);
    enum err_code code = add_start(rs, query.from_step, e);
    if (code == ERR_NONE) {
        code = scan_open(rs->reader, &query, &scan, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    struct scan_batch batch = { .n = 1 };
    while (code == ERR_NONE && batch.n > 0) {
        code = scan_next(scan, &batch, e);
        if (code == ERR_NONE) {
            code = follow(rs, &pilot, &batch, e);
        }
    }
    scan_close(scan);
    return code;
}

/* ---- reading --------------------------------------------------------------
 */

/* The batch's span, and in rs->before those of earlier attempts of its rank:
 * only where the newest attempts are looked at together. */
static const struct span *place(
    struct rank_scan *rs, const struct scan_batch *batch, size_t *ret_n_before)
{
    *ret_n_before = 0;
    for (size_t i = 0; i < rs->n_spans; i++) {
        const struct span *span = &rs->spans[i];
        if (span->rank != batch->rank) {
            continue;
        }
        if (span->attempt == batch->attempt) {
            return span;
        }
        if (rs->query.attempts == SCAN_NEWEST) {
            rs->before[(*ret_n_before)++] =
                (struct done){ span->first_step, span->last_step };
        }
    }
    return NULL; /* it has no step */
}

static uint32_t count_again(
    const struct rank_scan *rs, size_t n_before, uint64_t step)
{
    uint32_t again = 0;
    for (size_t i = 0; i < n_before; i++) {
        again +=
            step >= rs->before[i].first_step && step <= rs->before[i].last_step;
    }
    return again;
}

static bool feed(struct rank_scan *rs, const struct scan_batch *batch)
{
    size_t n_before = 0;
    const struct span *span = place(rs, batch, &n_before);
    if (span == NULL) {
        return true;
    }
    for (size_t i = 0; i < batch->n; i++) {
        const struct row row = { batch->columns, batch->present[i], i };
        const struct ranks_source source = {
            .rank = batch->rank,
            .world = span->world,
            .attempt = batch->attempt,
            .again = count_again(rs, n_before, row_u64(&row, STEP_step)),
        };
        if (!ranks_add(rs->ranks, &source, &row)) {
            return false;
        }
    }
    return true;
}

static enum err_code stopped(struct err *e)
{
    return err_set(e, ERR_NOMEM, "no memory for the steps of ranks");
}

static enum err_code read_slice(
    struct rank_scan *rs, uint64_t from, uint64_t to, struct err *e)
{
    struct scan_query query = rs->query;
    struct scan *scan = NULL;
    query.rank = SCAN_ALL_RANKS;
    query.from_step = from;
    query.to_step = to;
    enum err_code code = scan_open(rs->reader, &query, &scan, e);
    if (code != ERR_NONE) {
        return code;
    }
    uint32_t attempt = 0;
    for (;;) {
        struct scan_batch batch;
        code = scan_next(scan, &batch, e);
        if (code != ERR_NONE || batch.n == 0) {
            break;
        }
        bool apart = query.attempts == SCAN_ALL && batch.attempt != attempt;
        attempt = batch.attempt;
        if ((apart && !ranks_flush(rs->ranks)) || !feed(rs, &batch)) {
            code = stopped(e);
            break;
        }
    }
    scan_close(scan);
    return code == ERR_NONE && !ranks_flush(rs->ranks) ? stopped(e) : code;
}

/* Ranks of which there is nothing are not waited for. */
static bool dismiss(struct rank_scan *rs, uint32_t world)
{
    for (uint32_t rank = 0; rank < world; rank++) {
        bool there = rank < rs->n_ranks && rs->steps[rank] > 0;
        if (!there && !ranks_gone(rs->ranks, rank)) {
            return false;
        }
    }
    return true;
}

static enum err_code read_all(struct rank_scan *rs, struct err *e)
{
    enum err_code code = ERR_NONE;
    for (size_t i = 0; i < rs->n_starts && code == ERR_NONE; i++) {
        bool last = i + 1 == rs->n_starts;
        uint64_t to = last ? rs->query.to_step : rs->starts[i + 1] - 1;
        code = read_slice(rs, rs->starts[i], to, e);
    }
    return code;
}

static enum err_code run(struct rank_scan *rs, enum rank_scan_for wanted,
    ranks_visit_fn visit, void *context, struct err *e)
{
    uint32_t world = 1;
    enum err_code code =
        runs_streams(rs->reader, rs->query.run, take_stream, rs, e);
    if (code == ERR_NONE) {
        code = read_worlds(rs, &world, e);
    }
    if (code != ERR_NONE || rs->n_spans == 0) {
        return code;
    }
    bool values = wanted == RANK_SCAN_DIAGNOSIS;
    size_t window = values ? ranks_window(world) : 2 * (size_t)RANK_SCAN_SLICE;
    rs->ranks = ranks_new(&(struct ranks_options){ .world = world,
        .window = window,
        .keep_values = values,
        .visit = visit,
        .context = context });
    rs->before = db_malloc(rs->n_spans * sizeof *rs->before);
    if (rs->ranks == NULL || rs->before == NULL) {
        return db_nomem(e, "ranks");
    }
    code = count_steps(rs, e);
    if (code == ERR_NONE) {
        code = find_slices(rs, window / 2, e);
    }
    if (code == ERR_NONE && !dismiss(rs, world)) {
        code = stopped(e);
    }
    return code == ERR_NONE ? read_all(rs, e) : code;
}

enum err_code rank_scan(struct reader *reader, const struct scan_query *query,
    enum rank_scan_for wanted, ranks_visit_fn visit, void *context,
    struct err *e)
{
    struct rank_scan rs = { .reader = reader, .query = *query };
    rs.query.kind = WIRE_STEP;
    rs.query.fields |= NEEDED;
    enum err_code code = reader_begin(reader, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = run(&rs, wanted, visit, context, e);
    reader_end(reader);
    ranks_free(rs.ranks);
    db_free(rs.spans);
    db_free(rs.steps);
    db_free(rs.starts);
    db_free(rs.before);
    return code;
}

enum err_code rank_scan_rule(struct reader *reader, struct run_id run,
    enum traj_combine *ret_rule, struct err *e)
{
    const struct scan_query query = {
        .run = run,
        .kind = WIRE_STEP,
        .fields = ROW_BIT(STEP_combine),
        .rank = SCAN_ALL_RANKS,
        .to_step = UINT64_MAX,
    };
    struct scan *scan = NULL;
    struct scan_batch batch;
    enum err_code code = scan_open(reader, &query, &scan, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = scan_next(scan, &batch, e);
    if (code == ERR_NONE) {
        const struct row row = { batch.columns,
            batch.n > 0 ? batch.present[0] : 0, 0 };
        uint64_t rule = row_u64(&row, STEP_combine);
        *ret_rule = rule > TRAJ_COMBINE_REPLICA ? TRAJ_COMBINE_NONE
                                                : (enum traj_combine)rule;
    }
    scan_close(scan);
    return code;
}
