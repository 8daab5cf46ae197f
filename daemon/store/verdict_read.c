/* verdict_read.c: see the header. */
#include "store/verdict_read.h"

#include <assert.h>
#include <math.h>

#include "pure/trainer.h"
#include "store/pyramid_read.h"
#include "store/scan.h"

#define CLIP_BUCKETS 1024u
#define CLIP_CHANGE 1e-6 /* relative: rounding is no change */

#define OPERATOR_FIELDS                                                        \
    (ROW_BIT(SHARPNESS_step) | ROW_BIT(SHARPNESS_group) |                      \
        ROW_BIT(SHARPNESS_value) | ROW_BIT(SHARPNESS_residual) |               \
        ROW_BIT(SHARPNESS_converged) | ROW_BIT(SHARPNESS_grad_sq))
#define LAST_FIELDS                                                            \
    (ROW_BIT(STEP_step) | ROW_BIT(STEP_lr) | ROW_BIT(STEP_momentum))

/* A row of a scan; false: out of memory. */
typedef bool (*row_fn)(struct verdict_read *read, const struct row *row);

static enum err_code scan_rows(struct reader *reader,
    const struct scan_query *query, row_fn add, struct verdict_read *read,
    struct err *e)
{
    struct scan *scan = NULL;
    enum err_code code = scan_open(reader, query, &scan, e);
    if (code != ERR_NONE) {
        return code;
    }
    struct scan_batch batch = { .n = 1 };
    while (code == ERR_NONE && batch.n > 0) {
        code = scan_next(scan, &batch, e);
        for (size_t i = 0; code == ERR_NONE && i < batch.n; i++) {
            const struct row row = { batch.columns, batch.present[i], i };
            code = add(read, &row) ? ERR_NONE : err_nomem(e);
        }
    }
    scan_close(scan);
    return code;
}

/* ---- operator norms ------------------------------------------------------ */

static bool is_trusted(const struct row *row)
{
    const double value = fabs(row_f64(row, SHARPNESS_value));
    return row_u64(row, SHARPNESS_group) == 0 && row_has(row, SHARPNESS_step) &&
           isfinite(value) && row_f64(row, SHARPNESS_grad_sq) > 0 &&
           isfinite(row_f64(row, SHARPNESS_grad_sq)) &&
           (row_u64(row, SHARPNESS_converged) == 1 ||
               row_f64(row, SHARPNESS_residual) < 0.1 * value);
}

/* Every second of those that are there. */
static void thin(struct verdict_read *read)
{
    struct operator_norms *all = &read->operators;
    size_t n = 0;
    for (size_t i = 0; i < all->n; i += 2, n++) {
        all->step[n] = all->step[i];
        all->grad_norm[n] = all->grad_norm[i];
        all->value[n] = all->value[i];
    }
    all->n = n;
    read->operators_every *= 2;
}

static bool add_operator(struct verdict_read *read, const struct row *row)
{
    if (!is_trusted(row) ||
        read->operators_seen++ % read->operators_every != 0) {
        return true;
    }
    if (read->operators.n == VERDICT_OPERATORS_MAX) {
        thin(read);
    }
    return operator_norms_add(&read->operators, row_u64(row, SHARPNESS_step),
        sqrt(row_f64(row, SHARPNESS_grad_sq)),
        fabs(row_f64(row, SHARPNESS_value)));
}

/* ---- what is known to have happened -------------------------------------- */

static void know(
    struct verdict_read *read, uint64_t step, enum phase_cause cause)
{
    if (read->n_known < VERDICT_KNOWN_MAX) {
        read->known[read->n_known++] = (struct phase_cut){ step, cause };
    }
}

static enum err_code add_stream(
    void *context, const struct stream_row *row, struct err *e)
{
    (void)e;
    if (row->rank == 0 && row->attempt > 1 && row->has_began) {
        know(context, row->began, PHASE_ATTEMPT);
    }
    return ERR_NONE;
}

static bool differs(double a, double b)
{
    return fabs(a - b) > CLIP_CHANGE * fmax(fabs(a), fabs(b));
}

static void find_clip_changes(
    const struct buckets *buckets, struct verdict_read *read)
{
    for (size_t i = 0; i < buckets->n; i++) {
        const struct bucket *b = &buckets->v[i];
        const bool within = differs(b->min, b->max);
        if (within || (i > 0 && differs(b->min, buckets->v[i - 1].last))) {
            know(read, b->step_first, PHASE_CLIP);
        }
    }
}

static enum err_code read_clips(struct reader *reader,
    const struct scan_query *query, struct verdict_read *read, struct err *e)
{
    struct pyramid_wanted wanted = { 0 };
    const bool found = metric_find(STR("clip_threshold"), &wanted.metric);
    assert(found);
    (void)found;
    buckets_init(&wanted.buckets, CLIP_BUCKETS);
    enum err_code code = pyramid_read(reader, query, &wanted, 1, e);
    if (code == ERR_NONE) {
        find_clip_changes(&wanted.buckets, read);
    }
    buckets_done(&wanted.buckets);
    return code;
}

/* ---- the last step ------------------------------------------------------- */

/* A field that is NaN says no more than one that is not there. */
static struct figure finite(const struct row *row, unsigned field)
{
    const double value = row_f64(row, field);
    return isfinite(value) ? (struct figure){ true, value }
                           : (struct figure){ false, 0 };
}

static bool take_last(struct verdict_read *read, const struct row *row)
{
    read->lr = finite(row, STEP_lr);
    read->momentum = finite(row, STEP_momentum);
    return true;
}

static enum err_code read_last(struct reader *reader, const struct run_row *run,
    struct scan_query query, struct verdict_read *read, struct err *e)
{
    if (!run->has_last_step) {
        return ERR_NONE;
    }
    query.kind = WIRE_STEP;
    query.fields = LAST_FIELDS;
    query.from_step = run->last_step;
    return scan_rows(reader, &query, take_last, read, e);
}

/* ---- all of it ----------------------------------------------------------- */

enum err_code verdict_read(struct reader *reader, const struct run_row *run,
    struct verdict_read *ret, struct err *e)
{
    *ret = (struct verdict_read){
        .operators_every = 1,
        .optimizer = trainer_of_hello(run->hello_json).optimizer,
    };
    struct scan_query query = {
        .run = run->id,
        .kind = WIRE_SHARPNESS,
        .fields = OPERATOR_FIELDS,
        .to_step = UINT64_MAX,
    };
    enum err_code code = scan_rows(reader, &query, add_operator, ret, e);
    if (code == ERR_NONE) {
        code = runs_streams(reader, run->id, add_stream, ret, e);
    }
    if (code == ERR_NONE) {
        code = read_clips(reader, &query, ret, e);
    }
    if (code == ERR_NONE) {
        code = read_last(reader, run, query, ret, e);
    }
    if (code != ERR_NONE) {
        verdict_read_done(ret);
    }
    return code;
}

void verdict_read_done(struct verdict_read *read)
{
    operator_norms_done(&read->operators);
}
