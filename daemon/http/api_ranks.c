/*
 * api_ranks.c: the processes of a run, which of its steps and probes are whole,
 * and what is wrong with their norms. Steps are looked at in a window, the last
 * ones by default: all of a long run of many ranks is a lot to read.
 */
#include "http/routes.h"

#include "base/clock.h"
#include "http/rank_pairs_json.h"
#include "http/rank_table.h"
#include "http/reply.h"
#include "pure/rank_diagnosis.h"
#include "pure/trainer.h"
#include "store/rank_scan.h"

#define STEPS_DEFAULT 1024
#define STEPS_MOST 1000000
#define NUMBER_TEXT_MAX 20
/* Beside those that rank_scan reads anyway. */
#define PROBE_COMPARED_FIELDS                                                  \
    (ROW_BIT(PROBE_loss) | ROW_BIT(PROBE_loss_end) | ROW_BIT(PROBE_lr) |       \
        ROW_BIT(PROBE_grad_mid_sq) | ROW_BIT(PROBE_param_sq) |                 \
        ROW_BIT(PROBE_micro_grad_sq) | ROW_BIT(PROBE_cost_ns) |                \
        ROW_BIT(PROBE_grad_evals))

struct query {
    bool has_from;
    uint64_t from;
    uint64_t to;
};

/* What the steps of the window come to. */
struct looked {
    struct rank_table table;
    struct rank_diagnosis *diagnosis;
    struct rank_pairs probes;
    uint64_t from, to;
    uint64_t complete, incomplete, open, disagree;
    uint64_t last_complete; /* if any is */
    bool any;
    uint64_t last; /* the newest step, and its rule */
    bool mixed;
    enum traj_combine rule;
};

static enum err_code parse(
    struct request *req, struct query *ret, struct err *e)
{
    ret->has_from = request_text(req, "from", NUMBER_TEXT_MAX, NULL) != NULL;
    ret->from = request_u64(req, "from", 0, UINT64_MAX, 0);
    ret->to = request_u64(req, "to", 0, UINT64_MAX, UINT64_MAX);
    if (ret->from > ret->to) {
        request_bad(req, "from: beyond to");
    }
    return request_params(req, e);
}

/* ---- reading --------------------------------------------------------------
 */

static bool look(void *context, const struct rank_step *step)
{
    struct looked *l = context;
    bool whole = (step->flags & RANK_INCOMPLETE) == 0;
    bool open = !whole && rank_table_awaits(&l->table, step);
    if (whole && (l->complete == 0 || step->step > l->last_complete)) {
        l->last_complete = step->step;
    }
    l->complete += whole;
    l->open += open;
    l->incomplete += !whole && !open;
    l->disagree += (step->flags & (RANK_DISAGREE | RANK_MIXED)) != 0;
    if (!l->any || step->step >= l->last) {
        l->any = true;
        l->last = step->step;
        l->mixed = (step->flags & RANK_MIXED) != 0;
        l->rule = step->rule;
    }
    rank_diagnosis_add(l->diagnosis, step);
    return true;
}

static bool look_at_probe(void *context, const struct rank_step *probe)
{
    struct looked *l = context;
    rank_pairs_add(&l->probes, probe);
    rank_diagnosis_add(l->diagnosis, probe);
    return true;
}

static void choose_window(struct looked *l, const struct query *query)
{
    uint64_t last = l->table.last_step;
    l->to = query->to < last ? query->to : last;
    l->from = query->from;
    if (!query->has_from) {
        l->from = l->to < STEPS_DEFAULT ? 0 : l->to - (STEPS_DEFAULT - 1);
    }
}

static enum err_code read_steps(struct reader *reader, struct looked *l,
    const struct run_row *run, const struct query *query, struct err *e)
{
    const struct trainer trainer = trainer_of_hello(run->hello_json);
    l->diagnosis = rank_diagnosis_new(&trainer);
    if (l->diagnosis == NULL || !rank_pairs_init(&l->probes, trainer.world)) {
        return err_nomem(e);
    }
    choose_window(l, query);
    if (!l->table.has_last_step || l->from > l->to) {
        return ERR_NONE;
    }
    if (l->to - l->from >= STEPS_MOST) {
        return err_set(e, ERR_INVALID,
            "from: more than %d steps before to, or before the run's last",
            STEPS_MOST - 1);
    }
    struct rank_query ranks = {
        .scan = { .run = run->id,
            .kind = WIRE_STEP,
            .fields = RANK_DIAGNOSIS_FIELDS,
            .from_step = l->from,
            .to_step = l->to },
        .wanted = RANK_SCAN_DIAGNOSIS,
    };
    enum err_code code = rank_scan(reader, &ranks, look, l, NULL, e);
    if (code == ERR_NONE) {
        ranks.scan.kind = WIRE_PROBE;
        ranks.scan.fields = PROBE_COMPARED_FIELDS;
        ranks.wanted = RANK_SCAN_VALUES;
        code = rank_scan(reader, &ranks, look_at_probe, l, NULL, e);
    }
    return code;
}

/* ---- writing --------------------------------------------------------------
 */

static void write_count(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, "\"%s\":", name);
    buf_json_u64(out, value);
    buf_char(out, ',');
}

static void write_steps(struct buf *out, const struct looked *l)
{
    static const char *const rules[] = { "none", "shard", "replica" };
    buf_text(out, "\"steps\":{");
    write_count(out, "from", l->from);
    write_count(out, "to", l->to);
    write_count(out, "complete", l->complete);
    write_count(out, "incomplete", l->incomplete);
    write_count(out, "open", l->open);
    write_count(out, "disagree", l->disagree);
    buf_text(out, "\"last_complete\":");
    if (l->complete > 0) {
        buf_json_u64(out, l->last_complete);
    } else {
        buf_text(out, "null");
    }
    if (l->any) {
        buf_printf(
            out, ",\"rule\":\"%s\"}", l->mixed ? "mixed" : rules[l->rule]);
    } else {
        buf_text(out, ",\"rule\":null}");
    }
}

static void write_finding(struct buf *out, const struct rank_finding *f)
{
    buf_printf(out, "{\"code\":\"%s\",\"kind\":\"%s\",\"field\":",
        rank_finding_name(f->code), f->kind == WIRE_PROBE ? "probe" : "step");
    buf_json_text(out, str_of(f->field));
    buf_text(out, ",\"factor\":");
    buf_json_optional(out, f->factor == f->factor, f->factor);
    buf_char(out, ',');
    write_count(out, "first_step", f->first_step);
    write_count(out, "steps", f->steps);
    buf_printf(out, "\"n_ranks\":%u,\"ranks\":[", (unsigned)f->n_ranks);
    for (uint32_t i = 0; i < f->n_ranks && i < RANK_FINDING_RANKS; i++) {
        buf_comma(out, i);
        buf_u64(out, f->ranks[i]);
    }
    buf_text(out, "],\"text\":");
    buf_json_text(out, str_of(f->text));
    buf_char(out, '}');
}

static enum err_code write_json(struct buf *out, struct reader *reader,
    const struct looked *l, struct err *e)
{
    struct rank_finding findings[RANK_FINDINGS_MAX];
    size_t n = rank_diagnosis_findings(l->diagnosis, findings);
    buf_printf(out, "{\"data\":{\"world\":%u,", (unsigned)l->table.world);
    write_steps(out, l);
    buf_text(out, ",\"probes\":");
    rank_pairs_json(out, &l->probes);
    buf_text(out, ",\"findings\":[");
    for (size_t i = 0; i < n; i++) {
        buf_comma(out, i);
        write_finding(out, &findings[i]);
    }
    buf_text(out, "],\"ranks\":");
    enum err_code code = rank_table_write(&l->table, reader, out, e);
    buf_text(out, "}}");
    return code;
}

static enum err_code answer(struct request *req, struct looked *l,
    const struct query *query, const struct run_row *run, struct err *e)
{
    if (request_is_fresh(req, run, l->table.hash)) {
        return reply_not_modified(req, e);
    }
    struct buf out = { 0 };
    enum err_code code = read_steps(req->reader, l, run, query, e);
    if (code == ERR_NONE) {
        code = write_json(&out, req->reader, l, e);
    }
    if (code != ERR_NONE) {
        buf_done(&out);
        return code;
    }
    return reply_buf(req, MEDIA_JSON, &out, e);
}

static enum err_code answer_in_one_snapshot(struct request *req,
    const struct query *query, const struct run_row *run, struct err *e)
{
    struct looked l = { 0 };
    struct reader *reader = NULL;
    enum err_code code = request_reader(req, &reader, e);
    if (code == ERR_NONE) {
        code = reader_begin(reader, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    uint32_t world = trainer_of_hello(run->hello_json).world;
    code =
        rank_table_read(&l.table, reader, run->id, world, clock_wall_ns(), e);
    if (code == ERR_NONE) {
        code = answer(req, &l, query, run, e);
    }
    reader_end(reader);
    rank_diagnosis_free(l.diagnosis);
    rank_pairs_done(&l.probes);
    rank_table_done(&l.table);
    return code;
}

enum err_code api_ranks(struct request *req, struct err *e)
{
    struct query query = { 0 };
    struct run_row run;
    enum err_code code = parse(req, &query, e);
    if (code == ERR_NONE) {
        code = request_run(req, &run, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = answer_in_one_snapshot(req, &query, &run, e);
    run_row_done(&run);
    return code;
}
