/*
 * api_diagnostics.c: the cheap diagnostics of the last steps of a run, in one
 * pass over its steps and one over its probes. Steps of shards, and probes, are
 * those of all ranks together: the norms of one rank are of its shard. Memory:
 * one batch of a scan, or what rank_scan.h takes, and eight bytes a step.
 */
#include "http/routes.h"

#include <math.h>
#include <string.h>

#include "http/api_fits.h"
#include "http/diagnostics_json.h"
#include "http/reply.h"
#include "pure/rank_pairs.h"
#include "pure/trainer.h"
#include "store/rank_scan.h"
#include "store/scan.h"

#define STEPS_DEFAULT 100000
#define STEPS_MOST 1000000
#define THRESHOLDS_TEXT_MAX 400

struct query {
    uint64_t steps;
    double thresholds[CLIP_THRESHOLDS_MAX];
    size_t n_thresholds;
};

static void add_threshold(
    struct request *req, struct query *query, struct str text)
{
    double value = 0;
    if (query->n_thresholds == CLIP_THRESHOLDS_MAX) {
        request_bad(req, "threshold: more than %d", CLIP_THRESHOLDS_MAX);
    } else if (!str_to_double(text, &value) || !isfinite(value) ||
               !(value > 0)) {
        request_bad(req, "threshold: not numbers above 0, with commas");
    } else {
        query->thresholds[query->n_thresholds++] = value;
    }
}

static void parse_thresholds(struct request *req, struct query *query)
{
    const char *p = request_text(req, "threshold", THRESHOLDS_TEXT_MAX, NULL);
    while (p != NULL && req->bad.code == ERR_NONE) {
        const size_t n = strcspn(p, ",");
        add_threshold(req, query, (struct str){ p, n });
        p = p[n] == '\0' ? NULL : p + n + 1;
    }
}

static enum err_code parse(
    struct request *req, struct query *ret, struct err *e)
{
    *ret = (struct query){ 0 };
    ret->steps = request_u64(req, "steps", 1, STEPS_MOST, STEPS_DEFAULT);
    parse_thresholds(req, ret);
    return request_params(req, e);
}

/* The laws whose bounds make sense: L0, L1 >= 0. */
static size_t choose_laws(struct diagnostics_laws *laws,
    struct fit_line ret_lines[static FIT_METHODS])
{
    size_t n = 0;
    for (size_t i = 0; i < FIT_METHODS; i++) {
        const struct fit_line line = laws->fit->report.fits[i].line;
        if (laws->fit->report.fits[i].valid && line.L0 >= 0 && line.L1 >= 0) {
            laws->index[n] = i;
            ret_lines[n++] = line;
        }
    }
    return n;
}

/* A shard's norm, or one of ranks that are not all in, is not the run's. */
static bool add_step(void *context, const struct rank_step *step)
{
    struct diagnostics *diagnostics = context;
    const uint64_t *columns[WIRE_FIELDS_MAX];
    const struct row row = rank_step_row(step, columns);
    if (!rank_step_is_whole(step)) {
        return true;
    }
    if (step->rules->kind == WIRE_PROBE) {
        diagnostics_probe(diagnostics, &row);
        return true;
    }
    diagnostics->world = step->world;
    return diagnostics_step(diagnostics, &row);
}

static bool is_shard(const struct row *row, uint32_t world)
{
    return world > 1 && row_u64(row, STEP_combine) == TRAJ_COMBINE_SHARD;
}

/* Of the batches of a scan; false: out of memory. */
typedef bool (*batch_fn)(
    void *context, enum wire_kind kind, const struct scan_batch *batch);

static bool add_batch(
    void *context, enum wire_kind kind, const struct scan_batch *batch)
{
    struct diagnostics *diagnostics = context;
    for (size_t i = 0; i < batch->n; i++) {
        const struct row row = { batch->columns, batch->present[i], i };
        if (kind == WIRE_PROBE) {
            diagnostics_probe(diagnostics, &row);
        } else if (!is_shard(&row, diagnostics->world) &&
                   !diagnostics_step(diagnostics, &row)) {
            return false;
        }
    }
    return true;
}

static bool raise_last_step(
    void *context, enum wire_kind kind, const struct scan_batch *batch)
{
    (void)kind;
    uint64_t *last = context;
    const uint64_t *steps = batch->columns[PROBE_step];
    for (size_t i = 0; steps != NULL && i < batch->n; i++) {
        *last = steps[i] > *last ? steps[i] : *last;
    }
    return true;
}

static enum err_code read_kind(struct reader *reader,
    const struct scan_query *query, batch_fn add, void *context, struct err *e)
{
    struct scan *scan = NULL;
    enum err_code code = scan_open(reader, query, &scan, e);
    if (code != ERR_NONE) {
        return code;
    }
    struct scan_batch batch = { .n = 1 };
    while (code == ERR_NONE && batch.n > 0) {
        code = scan_next(scan, &batch, e);
        if (code == ERR_NONE && !add(context, query->kind, &batch)) {
            code = err_set(e, ERR_NOMEM, "no memory for diagnostics");
        }
    }
    scan_close(scan);
    return code;
}

/* The step that the windows end with: the last STEP's, and of a run that has
 * none the last probe's. */
static enum err_code find_last_step(struct reader *reader,
    const struct run_row *run, uint64_t *ret_last, struct err *e)
{
    const struct scan_query query = {
        .run = run->id,
        .kind = WIRE_PROBE,
        .fields = ROW_BIT(PROBE_step),
        .to_step = UINT64_MAX,
    };
    *ret_last = run->last_step;
    return run->has_last_step
               ? ERR_NONE
               : read_kind(reader, &query, raise_last_step, ret_last, e);
}

/* Steps of replicas are rank 0's: the others have the same, but for the norms
 * of their own data, which the noise scale is made of. */
static enum err_code read_steps(struct reader *reader,
    const struct scan_query *query, struct diagnostics *diagnostics,
    struct err *e)
{
    struct rank_scan_first first = { 0 };
    const struct rank_query ranks = { .scan = *query };
    enum err_code code = ERR_NONE;
    if (diagnostics->world > 1) {
        code = rank_scan_first(reader, query->run, &first, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    bool together = first.rule == TRAJ_COMBINE_SHARD ||
                    (first.rule == TRAJ_COMBINE_REPLICA && first.has_parts);
    return together ? rank_scan(reader, &ranks, add_step, diagnostics, NULL, e)
                    : read_kind(reader, query, add_batch, diagnostics, e);
}

static enum err_code read_probes(struct reader *reader,
    const struct scan_query *query, struct diagnostics *diagnostics,
    struct err *e)
{
    const struct rank_query ranks = { .scan = *query };
    return diagnostics->world > 1
               ? rank_scan(reader, &ranks, add_step, diagnostics, NULL, e)
               : read_kind(reader, query, add_batch, diagnostics, e);
}

static enum err_code read_window(struct reader *reader,
    const struct run_row *run, uint64_t steps, struct diagnostics *diagnostics,
    struct err *e)
{
    const uint64_t last = diagnostics->last_step;
    struct scan_query query = {
        .run = run->id,
        .kind = WIRE_STEP,
        .fields = DIAGNOSTICS_STEP_FIELDS,
        .from_step = last >= steps ? last - steps + 1 : 0,
        .to_step = last,
    };
    enum err_code code = read_steps(reader, &query, diagnostics, e);
    if (code == ERR_NONE) {
        query.kind = WIRE_PROBE;
        query.fields = DIAGNOSTICS_PROBE_FIELDS;
        code = read_probes(reader, &query, diagnostics, e);
    }
    return code;
}

static enum err_code reply_with(struct request *req,
    struct diagnostics *diagnostics, const struct diagnostics_laws *laws,
    struct err *e)
{
    cJSON *body = diagnostics_json(diagnostics, laws);
    if (body == NULL) {
        return err_nomem(e);
    }
    enum err_code code = reply_json(req, body, e);
    cJSON_Delete(body);
    return code;
}

static enum err_code answer(struct request *req, const struct query *query,
    const struct run_row *run, struct err *e)
{
    struct reader *reader = NULL;
    enum err_code code = request_reader(req, &reader, e);
    struct run_fit fit = { 0 };
    uint64_t last_step = 0;
    if (code == ERR_NONE) {
        code = api_fits_of_everything(req, run, &fit, e);
    }
    if (code == ERR_NONE) {
        code = find_last_step(reader, run, &last_step, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    struct diagnostics_laws laws = { .fit = &fit };
    struct fit_line lines[FIT_METHODS];
    struct diagnostics diagnostics;
    diagnostics_init(
        &diagnostics, &(struct diagnostics_options){
                          .last_step = last_step,
                          .world = trainer_of_hello(run->hello_json).world,
                          .thresholds = query->thresholds,
                          .n_thresholds = query->n_thresholds,
                          .laws = lines,
                          .n_laws = choose_laws(&laws, lines),
                      });
    code = read_window(reader, run, query->steps, &diagnostics, e);
    if (code == ERR_NONE) {
        code = reply_with(req, &diagnostics, &laws, e);
    }
    diagnostics_done(&diagnostics);
    return code;
}

enum err_code api_diagnostics(struct request *req, struct err *e)
{
    struct query query;
    struct run_row run;
    enum err_code code = parse(req, &query, e);
    if (code == ERR_NONE) {
        code = request_run(req, &run, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = request_is_fresh(req, &run, 0) ? reply_not_modified(req, e)
                                          : answer(req, &query, &run, e);
    run_row_done(&run);
    return code;
}
