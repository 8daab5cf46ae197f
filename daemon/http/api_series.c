/*
 * api_series.c: metrics over steps, as buckets of a power of two, through the
 * pyramid. Steps of all ranks put together are no sum of what it keeps: these
 * are read record by record. Memory follows the buckets asked for.
 */
#include "http/routes.h"

#include <string.h>

#include "http/record_query.h"
#include "http/reply.h"
#include "pure/buckets.h"
#include "pure/derived.h"
#include "pure/rank_pairs.h"
#include "store/lineage.h"
#include "store/pyramid_read.h"
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
    struct pyramid_wanted wanted[METRICS_MAX];
    uint64_t max_buckets;
    bool with_history;      /* of the runs it was forked from */
    struct trainer trainer; /* of the run: for rank=global */
};

/* ---- parsing ------------------------------------------------------------ */

static bool is_twice(const struct series *s, struct str name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (str_equal(s->wanted[i].metric.name, name)) {
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
    } else if (!metric_find(name, &s->wanted[s->n].metric)) {
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
    static const char *const histories[] = { "all", "own", NULL };
    *ret = (struct series){ 0 };
    ret->rank = record_query_ranks(req, WIRE_STEP, &ret->scan);
    parse_metrics(req, ret);
    ret->max_buckets = request_u64(
        req, "buckets", BUCKETS_LEAST, BUCKETS_MOST, BUCKETS_DEFAULT);
    ret->with_history = request_choice(req, "history", histories, 0) == 0;
    return request_params(req, e);
}

/* ---- reading ------------------------------------------------------------ */

/* Whether the metric is of all ranks together. */
static bool is_global(const struct series *s, size_t m)
{
    switch (s->wanted[m].metric.kind) {
    case WIRE_STEP:
        return s->rank == RECORD_RANK_GLOBAL;
    case WIRE_PROBE:
        return s->global_probes;
    default:
        return false;
    }
}

/* A step or a probe of all ranks. */
static bool add_step(void *context, const struct rank_step *step)
{
    struct series *s = context;
    const struct trainer trainer = { step->world, s->trainer.optimizer };
    const uint64_t *columns[WIRE_FIELDS_MAX] = { NULL };
    const enum wire_kind kind = step->rules->kind;
    (void)rank_step_row(step, columns);
    if (kind == WIRE_PROBE && !rank_step_is_whole(step)) {
        return true;
    }
    static_assert(STEP_step == 0 && PROBE_step == 0, "where the step is");
    for (size_t m = 0; m < s->n; m++) {
        bool has = false;
        double value = 0;
        if (is_global(s, m) && s->wanted[m].metric.kind == kind) {
            metric_values(&s->wanted[m].metric, &trainer, columns,
                &step->present, NULL, 1, &has, &value);
        }
        if (has && !buckets_add(&s->wanted[m].buckets, *columns[0], value)) {
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

static uint64_t global_fields(const struct series *s, enum wire_kind kind)
{
    uint64_t fields = 0;
    for (size_t m = 0; m < s->n; m++) {
        const struct metric *metric = &s->wanted[m].metric;
        fields |= is_global(s, m) && metric->kind == kind
                      ? metric->needs | metric->wants
                      : 0;
    }
    return fields;
}

static enum err_code read_global(
    struct reader *reader, struct series *s, enum wire_kind kind, struct err *e)
{
    s->scan.kind = kind;
    s->scan.fields = global_fields(s, kind);
    if (s->scan.fields == 0) {
        return ERR_NONE;
    }
    uint64_t thinned = 0;
    const struct rank_query ranks = { .scan = s->scan };
    enum err_code code = rank_scan(reader, &ranks, add_step, s, NULL, e);
    if (code == ERR_NONE) {
        code = pyramid_thinned(reader, &s->scan, &thinned, e);
    }
    for (size_t m = 0; m < s->n; m++) {
        if (is_global(s, m) && s->wanted[m].metric.kind == kind) {
            s->wanted[m].thinned = thinned;
        }
    }
    return code;
}

/* All but those that read_global reads. */
static enum err_code read_pyramid(
    struct reader *reader, struct series *s, struct err *e)
{
    struct pyramid_wanted some[METRICS_MAX];
    size_t n = 0;
    for (size_t m = 0; m < s->n; m++) {
        if (!is_global(s, m)) {
            some[n++] = s->wanted[m];
        }
    }
    enum err_code code = pyramid_read(reader, &s->scan, some, n, e);
    n = 0;
    for (size_t m = 0; m < s->n; m++) {
        if (!is_global(s, m)) {
            s->wanted[m] = some[n++]; /* with the memory that it owns */
        }
    }
    return code;
}

static enum err_code read_run(
    struct reader *reader, struct series *s, struct err *e)
{
    enum err_code code = choose_rank(reader, s, e);
    code = code == ERR_NONE ? read_global(reader, s, WIRE_STEP, e) : code;
    code = code == ERR_NONE ? read_global(reader, s, WIRE_PROBE, e) : code;
    return code == ERR_NONE ? read_pyramid(reader, s, e) : code;
}

/* What has been read of a run goes to the others', and its buckets are empty
 * again. */
static enum err_code move_to(
    struct pyramid_wanted *all, struct series *s, struct err *e)
{
    for (size_t m = 0; m < s->n; m++) {
        struct buckets *from = &s->wanted[m].buckets;
        for (size_t i = 0; i < from->n; i++) {
            if (!buckets_add_merged(&all[m].buckets, &from->v[i])) {
                return err_set(e, ERR_NOMEM, "no memory for buckets");
            }
        }
        all[m].thinned += s->wanted[m].thinned;
        s->wanted[m].thinned = 0;
        buckets_clear(from);
    }
    return ERR_NONE;
}

static enum err_code read_ancestor(struct reader *reader, struct series *s,
    const struct ancestor *ancestor, struct err *e)
{
    const struct scan_query scan = s->scan;
    const struct trainer trainer = s->trainer;
    const enum record_rank rank = s->rank;
    enum err_code code = ERR_NONE;
    s->scan.run = ancestor->run;
    s->trainer = ancestor->trainer;
    if (ancestor->to_step < s->scan.to_step) {
        s->scan.to_step = ancestor->to_step;
    }
    if (s->scan.from_step <= s->scan.to_step) {
        code = read_run(reader, s, e);
    }
    s->scan = scan;
    s->trainer = trainer;
    s->rank = rank;
    return code;
}

/* The runs that this one was forked from, the oldest first, then itself. */
static enum err_code read_line(struct reader *reader, struct series *s,
    const struct ancestor *line, size_t n, struct err *e)
{
    struct pyramid_wanted all[METRICS_MAX] = { 0 };
    enum err_code code = ERR_NONE;
    for (size_t m = 0; m < s->n; m++) {
        buckets_init(&all[m].buckets, (size_t)s->max_buckets);
    }
    for (size_t i = n; code == ERR_NONE && i-- > 0;) {
        code = read_ancestor(reader, s, &line[i], e);
        code = code == ERR_NONE ? move_to(all, s, e) : code;
    }
    code = code == ERR_NONE ? read_run(reader, s, e) : code;
    code = code == ERR_NONE ? move_to(all, s, e) : code;
    for (size_t m = 0; m < s->n; m++) {
        buckets_done(&s->wanted[m].buckets);
        s->wanted[m].buckets = all[m].buckets;
        s->wanted[m].thinned = all[m].thinned;
    }
    return code;
}

static enum err_code read_history(struct reader *reader, struct series *s,
    const struct run_row *run, struct err *e)
{
    struct ancestor line[LINEAGE_MAX];
    size_t n = 0;
    enum err_code code = ERR_NONE;
    if (s->with_history && s->scan.attempts == SCAN_NEWEST) {
        code = lineage_of(reader, run, line, &n, e);
    }
    if (code == ERR_NONE) {
        code =
            n > 0 ? read_line(reader, s, line, n, e) : read_run(reader, s, e);
    }
    return code;
}

static enum err_code read_all(struct request *req, struct series *s,
    const struct run_row *run, struct err *e)
{
    struct reader *reader = NULL;
    enum err_code code = request_reader(req, &reader, e);
    if (code == ERR_NONE) {
        code = reader_begin(reader, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = read_history(reader, s, run, e);
    reader_end(reader);
    return code;
}

/* All series on one grid: the coarsest that one of them needs. Roots are taken
 * last: until then buckets are of their squares. */
static unsigned share_grid(struct series *s)
{
    unsigned shift = 0;
    for (size_t m = 0; m < s->n; m++) {
        unsigned of_this = s->wanted[m].buckets.shift;
        shift = of_this > shift ? of_this : shift;
    }
    for (size_t m = 0; m < s->n; m++) {
        buckets_coarsen(&s->wanted[m].buckets, shift);
        if (s->wanted[m].metric.is_root) {
            buckets_take_roots(&s->wanted[m].buckets);
        }
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
    uint64_t thinned = 0;
    buf_text(out, "{\"data\":{\"bucket_steps\":");
    /* A node from the first step to the last needs 2^64. */
    buf_json_u64(out, UINT64_C(1) << (shift < 63 ? shift : 63));
    buf_text(out, ",\"rank\":\"");
    write_rank(out, s);
    buf_text(out, "\",\"metrics\":{");
    for (size_t m = 0; m < s->n; m++) {
        buf_comma(out, m);
        buf_json_text(out, s->wanted[m].metric.name);
        buf_char(out, ':');
        write_metric(out, &s->wanted[m].buckets);
        rows_in += s->wanted[m].buckets.rows;
        rows_out += s->wanted[m].buckets.n;
        thinned += s->wanted[m].thinned;
    }
    buf_printf(out, "}},\"sampling\":{\"method\":\"%s\",\"rows_in\":",
        rows_in == rows_out ? "none" : "minmax");
    buf_u64(out, rows_in);
    buf_text(out, ",\"rows_out\":");
    buf_u64(out, rows_out);
    buf_text(out, ",\"thinned\":");
    buf_u64(out, thinned);
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
        buckets_init(&s->wanted[m].buckets, (size_t)s->max_buckets);
    }
    struct buf out = { 0 };
    enum err_code code = read_all(req, s, run, e);
    if (code == ERR_NONE) {
        write_json(&out, s, share_grid(s));
        code = reply_buf(req, MEDIA_JSON, &out, e);
    }
    for (size_t m = 0; m < s->n; m++) {
        buckets_done(&s->wanted[m].buckets);
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
