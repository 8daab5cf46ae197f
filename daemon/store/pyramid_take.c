/* pyramid_take.c: the thread of the reader. */
#include "store/pyramid_take.h"

#include "store/db.h"
#include "store/pyramid_body.h"

void pyramid_take_done(struct pyramid_take *take)
{
    records_done(&take->records);
    db_free(take->has);
    db_free(take->of_record);
    db_free(take->values);
    db_free(take->steps);
    db_free(take->texts);
}

/* ---- records ------------------------------------------------------------- */

static enum err_code added(
    struct pyramid_take *t, size_t m, bool ok, struct err *e)
{
    if (!ok) {
        return db_nomem(e, "series");
    }
    unsigned least = t->wanted[m].buckets.least;
    t->least = least > t->least ? least : t->least;
    return ERR_NONE;
}

static enum err_code add_values(struct pyramid_take *t, size_t m, struct err *e)
{
    const struct records *records = &t->records;
    metric_values(&t->wanted[m].metric, &t->trainer,
        (const uint64_t *const *)records->columns, records->present, t->texts,
        records->n, t->has, t->of_record);
    size_t n = 0;
    for (size_t i = 0; i < records->n; i++) {
        uint64_t step = records->columns[0][i];
        if (t->has[i] && step >= t->from_step && step <= t->to_step) {
            t->steps[n] = step;
            t->values[n++] = t->of_record[i];
        }
    }
    return added(t, m,
        buckets_add_many(&t->wanted[m].buckets, t->steps, t->values, n), e);
}

static enum err_code reserve(
    struct pyramid_take *t, void **v, size_t size, struct err *e)
{
    void *grown = db_realloc(*v, t->records.capacity * size);
    if (grown == NULL) {
        return db_nomem(e, "series");
    }
    *v = grown;
    return ERR_NONE;
}

static enum err_code reserve_values(struct pyramid_take *t, struct err *e)
{
    if (t->capacity >= t->records.n) {
        return ERR_NONE;
    }
    void *v[] = { t->has, t->of_record, t->values, t->steps, t->texts };
    static const size_t sizes[] = { sizeof *t->has, sizeof *t->of_record,
        sizeof *t->values, sizeof *t->steps, sizeof *t->texts };
    enum err_code code = ERR_NONE;
    t->capacity = 0;
    for (size_t i = 0; code == ERR_NONE && i < sizeof v / sizeof v[0]; i++) {
        code = reserve(t, &v[i], sizes[i], e);
    }
    t->has = v[0];
    t->of_record = v[1];
    t->values = v[2];
    t->steps = v[3];
    t->texts = v[4];
    t->capacity = code == ERR_NONE ? t->records.capacity : 0;
    return code;
}

/* The records that are there, of the metrics of the mask. */
enum err_code pyramid_take_records(
    struct pyramid_take *t, uint64_t mask, struct err *e)
{
    if (t->records.n == 0 || t->records.columns[0] == NULL) {
        return ERR_NONE;
    }
    enum err_code code = reserve_values(t, e);
    bool has_texts = t->kind == WIRE_METRIC;
    for (size_t i = 0; code == ERR_NONE && has_texts && i < t->records.n; i++) {
        t->texts[i] = records_text(&t->records, i);
    }
    for (size_t m = 0; code == ERR_NONE && m < t->n; m++) {
        if ((mask & METRIC_BIT(m)) != 0) {
            code = add_values(t, m, e);
        }
    }
    return code;
}

/* ---- nodes --------------------------------------------------------------- */

enum node_place { NODE_OUTSIDE, NODE_WITHIN, NODE_ACROSS };

static enum node_place place_of(
    const struct pyramid_take *t, const struct bucket *node)
{
    if (node->step_last < t->from_step || node->step_first > t->to_step) {
        return NODE_OUTSIDE;
    }
    return node->step_first >= t->from_step && node->step_last <= t->to_step
               ? NODE_WITHIN
               : NODE_ACROSS;
}

/* Whether the nodes give what the values would. */
static bool are_fit(const struct pyramid_take *t, size_t m,
    const struct bucket *nodes, size_t n)
{
    const struct pyramid_wanted *wanted = &t->wanted[m];
    unsigned widest = t->widest > t->least ? t->widest : t->least;
    widest = widest > wanted->buckets.shift ? widest : wanted->buckets.shift;
    for (size_t i = 0; i < n; i++) {
        enum node_place place = place_of(t, &nodes[i]);
        if (place == NODE_ACROSS ||
            (place == NODE_WITHIN && bucket_shift(&nodes[i]) > widest)) {
            return false;
        }
        /* The root of a negative square is none: only the records say how many
         * there are. */
        if (wanted->metric.is_root && nodes[i].min < 0) {
            return false;
        }
    }
    return true;
}

static enum err_code add_nodes(struct pyramid_take *t, size_t m,
    const struct bucket *nodes, size_t n, bool thinned, struct err *e)
{
    struct pyramid_wanted *wanted = &t->wanted[m];
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < n; i++) {
        if (place_of(t, &nodes[i]) == NODE_WITHIN) {
            code =
                added(t, m, buckets_add_merged(&wanted->buckets, &nodes[i]), e);
            wanted->thinned += thinned ? nodes[i].count : 0;
        }
    }
    return code;
}

/* A layer's name is only how its number was found. */
static struct pyramid_member member_of(const struct metric *metric)
{
    return (struct pyramid_member){
        .number = metric->kind == WIRE_GROUP ? metric->group : 0,
        .name = metric->kind == WIRE_METRIC ? metric->match : (struct str){ 0 },
    };
}

enum err_code pyramid_take_body(struct pyramid_take *t, struct str body,
    enum pyramid_use use, uint64_t mask, uint64_t *ret_left, struct err *e)
{
    struct pyramid_view view;
    *ret_left = mask;
    if (!pyramid_view_open(body, t->kind, &view)) {
        return ERR_NONE;
    }
    enum err_code code = ERR_NONE;
    for (size_t m = 0; code == ERR_NONE && m < t->n; m++) {
        const struct metric *metric = &t->wanted[m].metric;
        const struct pyramid_member member = member_of(metric);
        struct bucket nodes[PYRAMID_NODES_MAX];
        size_t n = 0;
        if ((mask & METRIC_BIT(m)) == 0) {
            continue;
        }
        enum pyramid_found found =
            pyramid_view_find(&view, metric->kept, &member, nodes, &n);
        bool usable = found == PYRAMID_NODES &&
                      (use == PYRAMID_ALONE || are_fit(t, m, nodes, n));
        if (usable) {
            code = add_nodes(t, m, nodes, n, use != PYRAMID_IF_FIT, e);
        }
        if (usable || found == PYRAMID_NONE) {
            *ret_left &= ~METRIC_BIT(m);
        }
    }
    return code;
}
