/*
 * rank_scan.c: the thread of its reader. Owns, for one scan, the list of the
 * run's streams and the steps at which slices begin.
 */
#include "store/rank_scan.h"

#include "store/db.h"
#include "store/rank_slices.h"
#include "store/rank_spans.h"

/* Fields that ranks.h reads whatever the caller wants. */
#define NEEDED_OF_STEP                                                         \
    (ROW_BIT(STEP_step) | ROW_BIT(STEP_combine) | ROW_BIT(STEP_stage) |        \
        ROW_BIT(STEP_grad_sq) | ROW_BIT(STEP_micro_batches))
/* All that rank_probe.h makes something of. */
#define NEEDED_OF_PROBE                                                        \
    (ROW_BIT(PROBE_step) | ROW_BIT(PROBE_combine) | ROW_BIT(PROBE_estimator) | \
        ROW_BIT(PROBE_group) | ROW_BIT(PROBE_norm) | ROW_BIT(PROBE_dtype) |    \
        ROW_BIT(PROBE_smoothness_gamma) | ROW_BIT(PROBE_grad_sq) |             \
        ROW_BIT(PROBE_grad_end_sq) | ROW_BIT(PROBE_dgrad_sq) |                 \
        ROW_BIT(PROBE_delta_sq) | ROW_BIT(PROBE_noise_floor) |                 \
        ROW_BIT(PROBE_rounding_floor) | ROW_BIT(PROBE_micro_batches) |         \
        ROW_BIT(PROBE_micro_dgrad_sq) | ROW_BIT(PROBE_flags) |                 \
        ROW_BIT(PROBE_gammas))
#define NEEDED_OF_GROUP                                                        \
    (ROW_BIT(GROUP_step) | ROW_BIT(GROUP_combine) | ROW_BIT(GROUP_stage) |     \
        ROW_BIT(GROUP_group))

#define NO_ITEM UINT32_MAX

struct rank_scan {
    struct reader *reader;
    struct scan_query query;
    uint32_t layer;
    const struct layers *layers;
    struct ranks *ranks;
    ranks_visit_fn visit; /* the caller's, and what it wants */
    void *context;
    struct rank_spans spans;
    struct rank_slices slices;
    uint64_t n_read; /* records */
};

/* ---- what is asked for -----------------------------------------------------
 */

static bool holds(void *context, uint32_t world, uint32_t rank, uint32_t item)
{
    const struct rank_scan *rs = context;
    if (rs->query.kind == WIRE_GROUP) {
        return layers_holds(rs->layers, world, rank, item + 1);
    }
    return rs->layer == 0 || layers_holds(rs->layers, world, rank, rs->layer);
}

static bool visit_step(void *context, const struct rank_step *step)
{
    struct rank_scan *rs = context;
    return rs->visit(rs->context, step);
}

/* By the run's number; 0: all parameters, or a group that nobody named. */
static uint32_t layer_of(
    const struct rank_scan *rs, const struct scan_batch *batch, uint64_t own)
{
    return own == 0 || rs->layers == NULL
               ? 0
               : layers_number(rs->layers, batch->attempt, batch->rank, own);
}

/* Which of a step's records it is; NO_ITEM: none that is asked for. */
static uint32_t item_of(const struct rank_scan *rs,
    const struct scan_batch *batch, const struct row *row)
{
    if (rs->query.kind == WIRE_STEP) {
        return 0;
    }
    if (rs->query.kind == WIRE_GROUP) {
        const uint32_t layer = layer_of(rs, batch, row_u64(row, GROUP_group));
        return layer == 0 ? NO_ITEM : layer - 1;
    }
    const uint64_t own = row_u64(row, PROBE_group);
    const uint64_t estimator = row_u64(row, PROBE_estimator);
    bool ours =
        rs->layer == 0 ? own == 0 : layer_of(rs, batch, own) == rs->layer;
    return ours && estimator < RANK_SCAN_CLASSES ? (uint32_t)estimator
                                                 : NO_ITEM;
}

static bool counts(
    const void *context, const struct scan_batch *batch, size_t i)
{
    const struct row row = { batch->columns, batch->present[i], i };
    return item_of(context, batch, &row) != NO_ITEM;
}

static uint32_t items_of(const struct rank_scan *rs)
{
    switch (rs->query.kind) {
    case WIRE_PROBE:
        return RANK_SCAN_CLASSES;
    case WIRE_GROUP:
        return layers_count(rs->layers);
    default:
        return 1;
    }
}

/* ---- slices ---------------------------------------------------------------
 */

/* The rank with the most records, of those that have the layer. */
static uint32_t find_pilot(struct rank_scan *rs)
{
    uint32_t pilot = 0;
    uint64_t most = 0;
    for (size_t i = 0; i < rs->spans.n; i++) {
        const struct rank_span *span = &rs->spans.v[i];
        const uint64_t records = rank_spans_records(&rs->spans, span->rank);
        if (records > most && (rs->query.kind == WIRE_GROUP ||
                                  holds(rs, span->world, span->rank, 0))) {
            pilot = span->rank;
            most = records;
        }
    }
    return pilot;
}

static enum err_code find_slices(
    struct rank_scan *rs, size_t slice, struct err *e)
{
    static const uint64_t fields[] = {
        [WIRE_STEP] = ROW_BIT(STEP_step),
        [WIRE_PROBE] = ROW_BIT(PROBE_step) | ROW_BIT(PROBE_group) |
                       ROW_BIT(PROBE_estimator),
        [WIRE_GROUP] = ROW_BIT(GROUP_step) | ROW_BIT(GROUP_group),
    };
    struct scan_query query = rs->query;
    query.fields = fields[query.kind];
    query.attempts = query.attempts == SCAN_ALL ? SCAN_NEWEST : query.attempts;
    query.rank = find_pilot(rs);
    return rank_slices_find(
        &rs->slices, rs->reader, &query, slice, counts, rs, e);
}

/* ---- reading --------------------------------------------------------------
 */

static struct str points_of(
    const struct rank_scan *rs, const struct scan_batch *batch, size_t i)
{
    bool has = rs->query.kind == WIRE_PROBE && batch->texts != NULL &&
               (batch->present[i] & ROW_BIT(PROBE_gammas)) != 0;
    return has ? batch->texts[i] : (struct str){ 0 };
}

static bool feed(struct rank_scan *rs, const struct scan_batch *batch)
{
    const unsigned step = rank_rules_of(rs->query.kind)->step;
    const struct rank_span *span =
        rank_spans_find(&rs->spans, batch->attempt, batch->rank);
    rs->n_read += batch->n;
    if (span == NULL) {
        return true;
    }
    for (size_t i = 0; i < batch->n; i++) {
        const struct row row = { batch->columns, batch->present[i], i };
        const struct ranks_source source = {
            .rank = batch->rank,
            .world = span->world,
            .attempt = batch->attempt,
            .again = rank_spans_again(&rs->spans, row_u64(&row, step)),
        };
        const struct ranks_record record = {
            .row = &row,
            .item = item_of(rs, batch, &row),
            .points = points_of(rs, batch, i),
        };
        if (!ranks_add(rs->ranks, &source, &record)) {
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
        if (rank_spans_records(&rs->spans, rank) == 0 &&
            !ranks_gone(rs->ranks, rank)) {
            return false;
        }
    }
    return true;
}

static enum err_code read_all(struct rank_scan *rs, struct err *e)
{
    enum err_code code = ERR_NONE;
    const uint64_t *starts = rs->slices.starts;
    for (size_t i = 0; i < rs->slices.n && code == ERR_NONE; i++) {
        bool last = i + 1 == rs->slices.n;
        uint64_t to = last ? rs->query.to_step : starts[i + 1] - 1;
        code = read_slice(rs, starts[i], to, e);
    }
    return code;
}

static enum err_code start(struct rank_scan *rs, uint32_t world,
    enum rank_scan_for wanted, size_t window, struct err *e)
{
    rs->ranks = ranks_new(&(struct ranks_options){
        .kind = rs->query.kind,
        .world = world,
        .items = items_of(rs),
        .window = window,
        .keep_values = wanted == RANK_SCAN_DIAGNOSIS,
        .holds = rs->layers == NULL ? NULL : holds,
        .visit = visit_step,
        .context = rs,
    });
    return rs->ranks == NULL ? db_nomem(e, "ranks") : ERR_NONE;
}

/* Of a kind with many records a step, twice what one step may have. */
static size_t window_of(
    const struct rank_scan *rs, enum rank_scan_for wanted, uint32_t world)
{
    if (wanted == RANK_SCAN_DIAGNOSIS) {
        return ranks_window(world);
    }
    const size_t slice =
        items_of(rs) > RANK_SCAN_SLICE ? items_of(rs) : RANK_SCAN_SLICE;
    return 2 * slice;
}

static enum err_code run(
    struct rank_scan *rs, enum rank_scan_for wanted, struct err *e)
{
    uint32_t world = 1;
    enum err_code code =
        rank_spans_read(&rs->spans, rs->reader, &rs->query, &world, e);
    if (code != ERR_NONE || rs->spans.n == 0 || items_of(rs) == 0) {
        return code;
    }
    const size_t window = window_of(rs, wanted, world);
    code = start(rs, world, wanted, window, e);
    if (code == ERR_NONE) {
        code = find_slices(rs, window / 2, e);
    }
    if (code == ERR_NONE && !dismiss(rs, world)) {
        code = stopped(e);
    }
    return code == ERR_NONE ? read_all(rs, e) : code;
}

static uint64_t needed_of(enum wire_kind kind)
{
    return kind == WIRE_STEP    ? NEEDED_OF_STEP
           : kind == WIRE_PROBE ? NEEDED_OF_PROBE
                                : NEEDED_OF_GROUP;
}

enum err_code rank_scan(struct reader *reader, const struct rank_query *query,
    ranks_visit_fn visit, void *context, uint64_t *ret_records, struct err *e)
{
    struct rank_scan rs = {
        .reader = reader,
        .query = query->scan,
        .layer = query->layer,
        .layers = query->layers,
        .visit = visit,
        .context = context,
    };
    rs.query.fields |= needed_of(rs.query.kind);
    enum err_code code = reader_begin(reader, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = run(&rs, query->wanted, e);
    reader_end(reader);
    if (code == ERR_NONE && ret_records != NULL) {
        *ret_records = rs.n_read;
    }
    ranks_free(rs.ranks);
    rank_slices_done(&rs.slices);
    rank_spans_done(&rs.spans);
    return code;
}

enum err_code rank_scan_first(struct reader *reader, struct run_id run,
    struct rank_scan_first *ret_first, struct err *e)
{
    const struct scan_query query = {
        .run = run,
        .kind = WIRE_STEP,
        .fields = ROW_BIT(STEP_combine) | ROW_BIT(STEP_micro_grad_sq) |
                  ROW_BIT(STEP_stage),
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
        *ret_first = (struct rank_scan_first){
            .rule = rule > TRAJ_COMBINE_REPLICA ? TRAJ_COMBINE_NONE
                                                : (enum traj_combine)rule,
            .has_parts = row_has(&row, STEP_micro_grad_sq) &&
                         (row_u64(&row, STEP_stage) & TRAJ_STAGE_LOCAL) == 0,
        };
    }
    scan_close(scan);
    return code;
}
