/* pair_scan.c: owns nothing; the thread of its reader. */
#include "store/pair_scan.h"

#include "store/rank_scan.h"

static bool give(
    struct pair_visitor *visitor, const struct row *row, struct pair *pair)
{
    return !pair_window_add(visitor->window, row, pair) ||
           visitor->visit(visitor->context, pair);
}

/* ---- of one rank ----------------------------------------------------------
 */

static bool visit_batch(const struct scan_batch *batch, uint32_t group,
    struct pair_visitor *visitor)
{
    visitor->records += batch->n;
    for (size_t i = 0; i < batch->n; i++) {
        const struct row row = { batch->columns, batch->present[i], i };
        struct pair pair;
        if (row_u64(&row, PROBE_group) == group && pair_read(&row, &pair) &&
            !give(visitor, &row, &pair)) {
            return false;
        }
    }
    return true;
}

static enum err_code scan_one(struct reader *reader, struct pair_query *query,
    struct pair_visitor *visitor, struct err *e)
{
    struct scan_query next = query->scan;
    struct scan *scan = NULL;
    enum err_code code = scan_open(reader, &query->scan, &scan, e);
    if (code != ERR_NONE) {
        return code;
    }
    for (;;) {
        struct scan_batch batch;
        code = scan_next(scan, &batch, e);
        if (code != ERR_NONE || batch.n == 0) {
            break;
        }
        if (!visit_batch(&batch, query->group, visitor)) {
            code = err_set(e, ERR_NOMEM, "no memory for pairs");
            break;
        }
        next.after_attempt = batch.attempt;
        next.after_rank = batch.rank;
        next.after_seq = batch.seq[batch.n - 1];
    }
    scan_close(scan);
    if (code == ERR_NONE) {
        query->scan = next;
    }
    return code;
}

/* ---- of all ranks ---------------------------------------------------------
 */

static bool visit_probe(void *context, const struct rank_step *step)
{
    struct pair_visitor *visitor = context;
    const uint64_t *columns[WIRE_FIELDS_MAX];
    const struct row row = rank_step_row(step, columns);
    struct pair pair;
    if (visitor->tally != NULL) {
        rank_pairs_add(visitor->tally, step);
    }
    if (rank_pair_read(step, &row, &pair) && !give(visitor, &row, &pair)) {
        return false;
    }
    if (visitor->settled != NULL && rank_step_is_whole(step)) {
        visitor->settled(visitor->context, step->step);
    }
    return true;
}

static enum err_code scan_all_ranks(struct reader *reader,
    const struct pair_query *query, struct pair_visitor *visitor, struct err *e)
{
    const struct rank_query ranks = {
        .scan = query->scan,
        .wanted = RANK_SCAN_VALUES,
        .layer = query->group,
        .layers = query->layers,
    };
    return rank_scan(
        reader, &ranks, visit_probe, visitor, &visitor->records, e);
}

/* ---- public ----------------------------------------------------------------
 */

enum err_code pair_scan(struct reader *reader, struct pair_query *query,
    struct pair_visitor *visitor, struct err *e)
{
    query->scan.kind = WIRE_PROBE;
    query->scan.fields = PAIR_FIELDS;
    visitor->records = 0;
    if (!query->global) {
        return scan_one(reader, query, visitor, e);
    }
    if (visitor->tally != NULL) {
        query->scan.fields |=
            ROW_BIT(PROBE_cost_ns) | ROW_BIT(PROBE_grad_evals);
    }
    return scan_all_ranks(reader, query, visitor, e);
}

static bool collect(void *context, const struct pair *pair)
{
    return pairs_add(context, pair);
}

enum err_code pair_scan_all(struct reader *reader, struct pair_query *query,
    uint32_t window, struct pairs *pairs, struct err *e)
{
    struct pair_window windows;
    struct pair_visitor visitor = {
        .window = &windows, .visit = collect, .context = pairs
    };
    pair_window_init(&windows, window);
    enum err_code code = pair_scan(reader, query, &visitor, e);
    pairs->window = window;
    pairs->waiting = pair_window_waiting(&windows);
    return code;
}
