/* pair_scan.c: owns nothing; the thread of its reader. */
#include "store/pair_scan.h"

static bool visit_batch(
    const struct scan_batch *batch, pair_visit_fn visit, void *context)
{
    for (size_t i = 0; i < batch->n; i++) {
        struct pair pair;
        if (pair_read(batch->columns, batch->present[i], i, &pair) &&
            !visit(context, &pair)) {
            return false;
        }
    }
    return true;
}

enum err_code pair_scan(struct reader *reader, struct scan_query *query,
    pair_visit_fn visit, void *context, struct err *e)
{
    query->kind = WIRE_PROBE;
    query->fields = PAIR_FIELDS;
    struct scan_query next = *query;
    struct scan *scan = NULL;
    enum err_code code = scan_open(reader, query, &scan, e);
    if (code != ERR_NONE) {
        return code;
    }
    for (;;) {
        struct scan_batch batch;
        code = scan_next(scan, &batch, e);
        if (code != ERR_NONE || batch.n == 0) {
            break;
        }
        if (!visit_batch(&batch, visit, context)) {
            code = err_set(e, ERR_NOMEM, "no memory for pairs");
            break;
        }
        next.after_attempt = batch.attempt;
        next.after_rank = batch.rank;
        next.after_seq = batch.seq[batch.n - 1];
    }
    scan_close(scan);
    if (code == ERR_NONE) {
        *query = next;
    }
    return code;
}

bool pair_scan_collect(void *pairs, const struct pair *pair)
{
    return pairs_add(pairs, pair);
}
