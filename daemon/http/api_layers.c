/*
 * api_layers.c: the groups of all processes of a run by number (pure/layers.h),
 * and what the newest GROUP records say of each, of all ranks together. Looked
 * at are the last steps at which the lowest rank that has groups recorded them:
 * of thousands of layers on hundreds of ranks even one step is a lot to read.
 */
#include "http/routes.h"

#include <stdlib.h>
#include <string.h>

#include "http/reply.h"
#include "store/rank_scan.h"
#include "store/run_layers.h"

#define RANK_TEXT_MAX 20
#define STEPS_MOST 4 /* of the newest ones, till each layer has a record */

/* The newest steps are looked for in the last so many, from few to all. */
static const uint64_t windows[] = { 64, 1024, UINT64_MAX };
#define WINDOWS (sizeof windows / sizeof windows[0])

static const unsigned shown[] = { GROUP_grad_sq, GROUP_param_sq, GROUP_delta_sq,
    GROUP_grad_delta, GROUP_grad_max_abs };
static const char *const shown_names[] = { "grad_sq", "param_sq", "delta_sq",
    "grad_delta", "grad_max_abs" };
#define SHOWN (sizeof shown / sizeof shown[0])

/* What the newest whole record of a layer says. */
struct figures {
    bool known;
    bool disagree;
    uint32_t present; /* bit i: values[i] was measured */
    uint64_t step;
    double values[SHOWN];
};

struct newest {
    struct layers *layers;
    struct figures *figures;    /* by number - 1 */
    uint32_t left;              /* layers without */
    uint64_t steps[STEPS_MOST]; /* descending */
    size_t n_steps;
};

/* ---- the newest steps ------------------------------------------------------
 */

static uint32_t lowest_rank(const struct layers *layers)
{
    uint32_t lowest = UINT32_MAX;
    for (uint32_t i = 1; i <= layers_count(layers); i++) {
        struct layer layer;
        layers_get(layers, i, &layer);
        if (layer.ranks > 0 && layer.lowest < lowest) {
            lowest = layer.lowest;
        }
    }
    return lowest;
}

/* Into the descending list, if it is not there and not too old. */
static void keep_step(struct newest *newest, uint64_t step)
{
    size_t at = 0;
    while (at < newest->n_steps && newest->steps[at] > step) {
        at++;
    }
    if (at == STEPS_MOST ||
        (at < newest->n_steps && newest->steps[at] == step)) {
        return;
    }
    newest->n_steps += newest->n_steps < STEPS_MOST;
    memmove(&newest->steps[at + 1], &newest->steps[at],
        (newest->n_steps - at - 1) * sizeof newest->steps[0]);
    newest->steps[at] = step;
}

static enum err_code find_steps_in(struct newest *newest, struct reader *reader,
    const struct scan_query *query, struct err *e)
{
    struct scan *scan = NULL;
    struct scan_batch batch = { .n = 1 };
    enum err_code code = scan_open(reader, query, &scan, e);
    if (code != ERR_NONE) {
        return code;
    }
    while (code == ERR_NONE && batch.n > 0) {
        code = scan_next(scan, &batch, e);
        const uint64_t *steps = batch.columns[GROUP_step];
        for (size_t i = 0; code == ERR_NONE && steps != NULL && i < batch.n;
             i++) {
            keep_step(newest, steps[i]);
        }
    }
    scan_close(scan);
    return code;
}

static enum err_code find_steps(struct newest *newest, struct reader *reader,
    const struct run_row *run, struct err *e)
{
    struct scan_query query = {
        .run = run->id,
        .kind = WIRE_GROUP,
        .fields = ROW_BIT(GROUP_step),
        .rank = lowest_rank(newest->layers),
        .to_step = UINT64_MAX,
    };
    enum err_code code = ERR_NONE;
    for (size_t i = 0; i < WINDOWS && code == ERR_NONE && newest->n_steps == 0;
         i++) {
        query.from_step =
            run->last_step > windows[i] ? run->last_step - windows[i] : 0;
        code = find_steps_in(newest, reader, &query, e);
    }
    return code;
}

/* ---- what they say ---------------------------------------------------------
 */

static bool take(void *context, const struct rank_step *step)
{
    struct newest *newest = context;
    struct figures *f = &newest->figures[step->item];
    if (!rank_step_is_whole(step) || (f->known && f->step != step->step)) {
        return true;
    }
    newest->left -= !f->known;
    *f = (struct figures){ .known = true, .step = step->step };
    f->disagree = (step->flags & RANK_DISAGREE) != 0;
    for (size_t i = 0; i < SHOWN; i++) {
        if ((step->present & ROW_BIT(shown[i])) != 0) {
            f->present |= 1u << i;
            memcpy(&f->values[i], &step->values[shown[i]], sizeof(double));
        }
    }
    return true;
}

static enum err_code read_newest(struct newest *newest, struct reader *reader,
    const struct run_row *run, struct err *e)
{
    const uint32_t n = layers_count(newest->layers);
    newest->left = n;
    newest->figures = calloc((size_t)n + 1, sizeof *newest->figures);
    if (newest->figures == NULL) {
        return err_nomem(e);
    }
    enum err_code code = ERR_NONE;
    if (n > 0 && run->records[WIRE_GROUP] > 0) {
        code = find_steps(newest, reader, run, e);
    }
    struct rank_query query = {
        .scan = { .run = run->id, .kind = WIRE_GROUP },
        .layers = newest->layers,
    };
    for (size_t i = 0; i < SHOWN; i++) {
        query.scan.fields |= ROW_BIT(shown[i]);
    }
    for (size_t i = 0;
         i < newest->n_steps && newest->left > 0 && code == ERR_NONE; i++) {
        query.scan.from_step = query.scan.to_step = newest->steps[i];
        code = rank_scan(reader, &query, take, newest, NULL, e);
    }
    return code;
}

/* ---- writing --------------------------------------------------------------
 */

static void write_layers(struct buf *out, const struct layers *layers)
{
    for (uint32_t i = 1; i <= layers_count(layers); i++) {
        struct layer layer;
        layers_get(layers, i, &layer);
        const struct {
            const char *name;
            uint64_t value;
        } members[] = {
            { "size", layer.size },
            { "rows", layer.rows },
            { "cols", layer.cols },
            { "norm", layer.norm },
            { "combine", layer.combine },
            { "ranks", layer.ranks },
            { "size_sum", layer.size_sum },
        };
        buf_comma(out, i - 1);
        buf_printf(out, "{\"group\":%u,\"name\":", (unsigned)i);
        buf_append(out, layer.name.p, layer.name.n);
        for (size_t m = 0; m < sizeof members / sizeof members[0]; m++) {
            buf_printf(out, ",\"%s\":", members[m].name);
            buf_json_u64(out, members[m].value);
        }
        buf_char(out, '}');
    }
}

/* One column of those layers that have figures. */
static void write_column(struct buf *out, const struct newest *newest, size_t c)
{
    size_t n = 0;
    buf_printf(out, ",\"%s\":[", shown_names[c]);
    for (uint32_t i = 0; i < layers_count(newest->layers); i++) {
        const struct figures *f = &newest->figures[i];
        if (f->known) {
            buf_comma(out, n++);
            buf_json_optional(out, (f->present >> c & 1) != 0, f->values[c]);
        }
    }
    buf_char(out, ']');
}

static void write_whole_column(struct buf *out, const struct newest *newest,
    const char *name, uint64_t (*of)(const struct figures *f, uint32_t number))
{
    size_t n = 0;
    buf_printf(out, "\"%s\":[", name);
    for (uint32_t i = 0; i < layers_count(newest->layers); i++) {
        if (newest->figures[i].known) {
            buf_comma(out, n++);
            buf_json_u64(out, of(&newest->figures[i], i + 1));
        }
    }
    buf_char(out, ']');
}

static uint64_t number_of(const struct figures *f, uint32_t number)
{
    (void)f;
    return number;
}

static uint64_t step_of(const struct figures *f, uint32_t number)
{
    (void)number;
    return f->step;
}

static uint64_t disagreement_of(const struct figures *f, uint32_t number)
{
    (void)number;
    return f->disagree;
}

static void write_json(struct buf *out, const struct newest *newest)
{
    buf_text(out, "{\"data\":[");
    write_layers(out, newest->layers);
    buf_text(out, "],\"newest\":");
    if (newest->figures == NULL) {
        buf_text(out, "null}");
        return;
    }
    buf_char(out, '{');
    write_whole_column(out, newest, "group", number_of);
    buf_char(out, ',');
    write_whole_column(out, newest, "step", step_of);
    buf_char(out, ',');
    write_whole_column(out, newest, "disagree", disagreement_of);
    for (size_t c = 0; c < SHOWN; c++) {
        write_column(out, newest, c);
    }
    buf_text(out, "}}");
}

/* ---- the route ------------------------------------------------------------
 */

/* UINT64_MAX: of all. */
static enum err_code parse(
    struct request *req, uint64_t *ret_rank, struct err *e)
{
    const char *text = request_text(req, "rank", RANK_TEXT_MAX, "global");
    *ret_rank = UINT64_MAX;
    if (strcmp(text, "global") != 0 &&
        !str_to_u64(str_of(text), 65535, ret_rank)) {
        request_bad(req, "rank: neither global nor a number up to 65535");
    }
    return request_params(req, e);
}

static enum err_code read_layers(struct newest *newest, struct reader *reader,
    const struct run_row *run, uint64_t rank, struct err *e)
{
    if (rank != UINT64_MAX) {
        return run_layers_of_rank(
            reader, run->id, (uint32_t)rank, &newest->layers, e);
    }
    enum err_code code =
        run_layers_read(reader, run->id, run->hello_json, &newest->layers, e);
    return code == ERR_NONE ? read_newest(newest, reader, run, e) : code;
}

static enum err_code reply_layers(struct request *req,
    const struct run_row *run, uint64_t rank, struct err *e)
{
    struct newest newest = { 0 };
    struct reader *reader = NULL;
    enum err_code code = request_reader(req, &reader, e);
    if (code == ERR_NONE) {
        code = reader_begin(reader, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = read_layers(&newest, reader, run, rank, e);
    reader_end(reader);
    struct buf out = { 0 };
    if (code == ERR_NONE) {
        write_json(&out, &newest);
        code = reply_buf(req, MEDIA_JSON, &out, e);
    }
    free(newest.figures);
    layers_free(newest.layers);
    return code;
}

enum err_code api_layers(struct request *req, struct err *e)
{
    struct run_row run = { 0 };
    uint64_t rank = 0;
    if (parse(req, &rank, e) != ERR_NONE ||
        request_run(req, &run, e) != ERR_NONE) {
        return e->code;
    }
    enum err_code code = request_is_fresh(req, &run, 0)
                             ? reply_not_modified(req, e)
                             : reply_layers(req, &run, rank, e);
    run_row_done(&run);
    return code;
}
