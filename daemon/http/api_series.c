/*
 * api_series.c: metrics over steps, as buckets of a power of two. One pass
 * over the records of each kind that a metric comes from, with only the
 * columns that are needed; memory follows the buckets asked for.
 */
#include "http/routes.h"

#include <string.h>

#include "http/record_query.h"
#include "http/reply.h"
#include "pure/buckets.h"
#include "pure/derived.h"
#include "pure/rank_pairs.h"
#include "store/rank_scan.h"
#include "store/scan.h"

#define METRICS_MAX 16
#define METRICS_TEXT_MAX 4000
#define BUCKETS_DEFAULT 1000
#define BUCKETS_LEAST 10
#define BUCKETS_MOST 20000

struct series {
    struct scan_query scan;
    enum record_rank rank; /* of STEP metrics; of METRIC it is scan.rank's */
    bool global_probes;    /* of PROBE metrics */
    size_t n;
    struct metric metrics[METRICS_MAX];
    struct buckets buckets[METRICS_MAX];
    uint64_t max_buckets;
    struct trainer trainer;
};

/* ---- parsing ------------------------------------------------------------ */

static bool is_twice(const struct series *s, struct str name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (str_equal(s->metrics[i].name, name)) {
            return true;
        }
    }
    return false;
}

static void add_metric(struct request *req, struct series *s, struct str name)
{
    int shown = name.n > 40 ? 40 : (int)name.n;
    if (s->n == METRICS_MAX) {
        request_bad(req, "metric: more than %d", METRICS_MAX);
    } else if (is_twice(s, name)) {
        request_bad(req, "metric: %.*s is there twice", shown, name.p);
    } else if (!metric_find(name, &s->metrics[s->n])) {
        request_bad(req, "metric: %.*s is no metric", shown, name.p);
    } else {
        s->n++;
    }
}

static void parse_metrics(struct request *req, struct series *s)
{
    const char *p = request_text(req, "metric", METRICS_TEXT_MAX, NULL);
    if (p == NULL) {
        request_bad(req, "metric: which? for instance metric=loss,grad_norm");
        return;
    }
    for (;;) {
        size_t n = strcspn(p, ",");
        add_metric(req, s, (struct str){ p, n });
        if (p[n] == '\0' || req->bad.code != ERR_NONE) {
            return;
        }
        p += n + 1;
    }
}

static enum err_code parse(
    struct request *req, struct series *ret, struct err *e)
{
    *ret = (struct series){ 0 };
    ret->rank = record_query_ranks(req, WIRE_STEP, &ret->scan);
    parse_metrics(req, ret);
    ret->max_buckets = request_u64(
        req, "buckets", BUCKETS_LEAST, BUCKETS_MOST, BUCKETS_DEFAULT);
    return request_params(req, e);
}

/* ---- reading ------------------------------------------------------------ */

static uint64_t fields_of(const struct series *s, enum wire_kind kind)
{
    uint64_t fields = 0;
    for (size_t m = 0; m < s->n; m++) {
        const struct metric *metric = &s->metrics[m];
        fields |= metric->kind == kind ? metric->needs | metric->wants : 0;
    }
    return fields;
}

static unsigned step_field(enum wire_kind kind)
{
    switch (kind) {
    case WIRE_PROBE:
        return PROBE_step;
    case WIRE_METRIC:
        return METRIC_step;
    default:
        return STEP_step;
    }
}

static bool add_values(struct buckets *buckets, const struct metric *metric,
    const struct trainer *trainer, const struct scan_batch *batch)
{
    const uint64_t *steps = batch->columns[step_field(metric->kind)];
    for (size_t i = 0; i < batch->n; i++) {
        double value = 0;
        if (metric_read(metric, trainer, batch->columns, batch->present,
                batch->texts, i, &value) &&
            !buckets_add(buckets, steps[i], value)) {
            return false;
        }
    }
    return true;
}

static enum err_code add_batch(struct series *s, enum wire_kind kind,
    const struct scan_batch *batch, struct err *e)
{
    for (size_t m = 0; m < s->n; m++) {
        if (s->metrics[m].kind == kind &&
            !add_values(&s->buckets[m], &s->metrics[m], &s->trainer, batch)) {
            return err_set(e, ERR_NOMEM, "no memory for buckets");
        }
    }
    return ERR_NONE;
}

/* A step or a probe of all ranks. */
static bool add_step(void *context, const struct rank_step *step)
{
    struct series *s = context;
    const struct trainer trainer = { step->world, s->trainer.optimizer };
    struct scan_batch one = { .n = 1, .present = &step->present };
    (void)rank_step_row(step, one.columns);
    if (step->rules->kind == WIRE_PROBE && !rank_step_is_whole(step)) {
        return true;
    }
    for (size_t m = 0; m < s->n; m++) {
        if (s->metrics[m].kind == step->rules->kind &&
            !add_values(&s->buckets[m], &s->metrics[m], &trainer, &one)) {
            return false;
        }
    }
    return true;
}

/* In a sharded run a rank's norms are of its shard. */
static enum err_code choose_rank(
    struct reader *reader, struct series *s, struct err *e)
{
    struct rank_scan_first first = { 0 };
    enum err_code code = ERR_NONE;
    s->global_probes = s->rank == RECORD_RANK_GLOBAL ||
                       (s->rank == RECORD_RANK_AUTO && s->trainer.world > 1);
    if (s->rank == RECORD_RANK_AUTO && s->trainer.world > 1) {
        code = rank_scan_first(reader, s->scan.run, &first, e);
        s->rank = first.rule == TRAJ_COMBINE_SHARD ? RECORD_RANK_GLOBAL
                                                   : RECORD_RANK_GIVEN;
    }
    return code;
}

static enum err_code read_kind(
    struct reader *reader, struct series *s, enum wire_kind kind, struct err *e)
{
    struct scan *scan = NULL;
    s->scan.kind = kind;
    s->scan.fields = fields_of(s, kind);
    if (s->scan.fields == 0) {
        return ERR_NONE;
    }
    if ((kind == WIRE_STEP && s->rank == RECORD_RANK_GLOBAL) ||
        (kind == WIRE_PROBE && s->global_probes)) {
        const struct rank_query ranks = { .scan = s->scan };
        return rank_scan(reader, &ranks, add_step, s, NULL, e);
    }
    enum err_code code = scan_open(reader, &s->scan, &scan, e);
    if (code != ERR_NONE) {
        return code;
    }
    struct scan_batch batch = { .n = 1 };
    while (code == ERR_NONE && batch.n > 0) {
        code = scan_next(scan, &batch, e);
        if (code == ERR_NONE) {
            code = add_batch(s, kind, &batch, e);
        }
    }
    scan_close(scan);
    return code;
}

static enum err_code read_all(
    struct request *req, struct series *s, struct err *e)
{
    static const enum wire_kind kinds[] = { WIRE_STEP, WIRE_PROBE,
        WIRE_METRIC };
    struct reader *reader = NULL;
    enum err_code code = request_reader(req, &reader, e);
    if (code == ERR_NONE) {
        code = reader_begin(reader, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = choose_rank(reader, s, e);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        code = code == ERR_NONE ? read_kind(reader, s, kinds[i], e) : code;
    }
    reader_end(reader);
    return code;
}

/* All series on one grid: the coarsest that one of them needs. */
static unsigned share_grid(struct series *s)
{
    unsigned shift = 0;
    for (size_t m = 0; m < s->n; m++) {
        shift = s->buckets[m].shift > shift ? s->buckets[m].shift : shift;
    }
    for (size_t m = 0; m < s->n; m++) {
        buckets_coarsen(&s->buckets[m], shift);
    }
    return shift;
}

/* ---- writing ------------------------------------------------------------ */

/* A member of struct bucket, as a column of the answer. */
struct column {
    const char *name;
    size_t offset;
    bool is_double; /* else uint64_t */
    bool extreme;   /* null where a bucket has no finite value */
};

static const struct column columns[] = {
    { "step_first", offsetof(struct bucket, step_first), false, false },
    { "step_last", offsetof(struct bucket, step_last), false, false },
    { "min", offsetof(struct bucket, min), true, true },
    { "max", offsetof(struct bucket, max), true, true },
    { "argmin", offsetof(struct bucket, argmin), false, true },
    { "argmax", offsetof(struct bucket, argmax), false, true },
    { "last", offsetof(struct bucket, last), true, false },
    { "count", offsetof(struct bucket, count), false, false },
    { "nonfinite", offsetof(struct bucket, nonfinite), false, false },
};

static void write_member(
    struct buf *out, const struct column *column, const struct bucket *bucket)
{
    const char *member = (const char *)bucket + column->offset;
    if (column->extreme && bucket->count == bucket->nonfinite) {
        buf_text(out, "null");
    } else if (column->is_double) {
        double value = 0;
        memcpy(&value, member, sizeof value);
        buf_json_double(out, value);
    } else {
        uint64_t value = 0;
        memcpy(&value, member, sizeof value);
        buf_json_u64(out, value);
    }
}

static void write_metric(struct buf *out, const struct buckets *b)
{
    buf_char(out, '{');
    for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++) {
        buf_comma(out, c);
        buf_json_text(out, str_of(columns[c].name));
        buf_text(out, ":[");
        for (size_t i = 0; i < b->n; i++) {
            buf_comma(out, i);
            write_member(out, &columns[c], &b->v[i]);
        }
        buf_char(out, ']');
    }
    buf_char(out, '}');
}

static void write_rank(struct buf *out, const struct series *s)
{
    if (s->rank == RECORD_RANK_GLOBAL) {
        buf_text(out, "global");
    } else if (s->scan.rank == SCAN_ALL_RANKS) {
        buf_text(out, "all");
    } else {
        buf_u64(out, s->scan.rank);
    }
}

static void write_json(struct buf *out, const struct series *s, unsigned shift)
{
    uint64_t rows_in = 0;
    uint64_t rows_out = 0;
    buf_text(out, "{\"data\":{\"bucket_steps\":");
    buf_json_u64(out, UINT64_C(1) << shift);
    buf_text(out, ",\"rank\":\"");
    write_rank(out, s);
    buf_text(out, "\",\"metrics\":{");
    for (size_t m = 0; m < s->n; m++) {
        buf_comma(out, m);
        buf_json_text(out, s->metrics[m].name);
        buf_char(out, ':');
        write_metric(out, &s->buckets[m]);
        rows_in += s->buckets[m].rows;
        rows_out += s->buckets[m].n;
    }
    buf_printf(out, "}},\"sampling\":{\"method\":\"%s\",\"rows_in\":",
        rows_in == rows_out ? "none" : "minmax");
    buf_u64(out, rows_in);
    buf_text(out, ",\"rows_out\":");
    buf_u64(out, rows_out);
    buf_text(out, "}}");
}

static enum err_code answer(struct request *req, struct series *s,
    const struct run_row *run, struct err *e)
{
    if (request_is_fresh(req, run, 0)) {
        return reply_not_modified(req, e);
    }
    s->scan.run = run->id;
    s->trainer = trainer_of_hello(run->hello_json);
    for (size_t m = 0; m < s->n; m++) {
        buckets_init(&s->buckets[m], (size_t)s->max_buckets);
    }
    struct buf out = { 0 };
    enum err_code code = read_all(req, s, e);
    if (code == ERR_NONE) {
        write_json(&out, s, share_grid(s));
        code = reply_buf(req, MEDIA_JSON, &out, e);
    }
    for (size_t m = 0; m < s->n; m++) {
        buckets_done(&s->buckets[m]);
    }
    return code;
}

enum err_code api_series(struct request *req, struct err *e)
{
    struct series series;
    struct run_row run;
    enum err_code code = parse(req, &series, e);
    if (code == ERR_NONE) {
        code = request_run(req, &run, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = answer(req, &series, &run, e);
    run_row_done(&run);
    return code;
}
