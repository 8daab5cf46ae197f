/*
 * api_compare.c: the laws of several runs beside each other. Runs are read one
 * after the other: of at most RUN_FIT_PAIRS_MAX pairs the two columns that are
 * fitted stay, of more the states (store/fit_read.h) go into one; those runs
 * are read again, for their rows, when the law of all is known.
 */
#include "http/routes.h"

#include <stdlib.h>
#include <string.h>

#include "http/pair_query.h"
#include "http/reply.h"
#include "pure/fit_json.h"
#include "pure/interval_json.h"
#include "pure/member_json.h"
#include "pure/run_compare.h"
#include "store/fit_read_run.h"
#include "store/pair_scan.h"

#define RUNS_TEXT_MAX (RUN_COMPARE_MAX * (RUN_UID_MAX + 1))

struct asked {
    struct pair_choice choice;
    struct run_fit_query query;
    char uids[RUN_COMPARE_MAX][RUN_UID_MAX + 1];
    size_t n;
};

static bool is_there(const struct asked *asked, struct str uid)
{
    for (size_t i = 0; i < asked->n; i++) {
        if (str_equal(str_of(asked->uids[i]), uid)) {
            return true;
        }
    }
    return false;
}

static void add_run(struct request *req, struct asked *asked, struct str uid)
{
    if (uid.n == 0 || uid.n > RUN_UID_MAX) {
        request_bad(req, "runs: ids of runs, with commas");
    } else if (asked->n == RUN_COMPARE_MAX) {
        request_bad(req, "runs: more than %u", RUN_COMPARE_MAX);
    } else if (is_there(asked, uid)) {
        request_bad(req, "runs: one run twice is no comparison");
    } else {
        memcpy(asked->uids[asked->n++], uid.p, uid.n);
    }
}

static void parse_runs(struct request *req, struct asked *asked)
{
    const char *p = request_text(req, "runs", RUNS_TEXT_MAX, NULL);
    if (p == NULL) {
        request_bad(req, "runs: ids of runs, with commas");
    }
    while (p != NULL && req->bad.code == ERR_NONE) {
        const size_t n = strcspn(p, ",");
        add_run(req, asked, (struct str){ p, n });
        p = p[n] == '\0' ? NULL : p + n + 1;
    }
}

static enum err_code parse(
    struct request *req, struct asked *ret, struct err *e)
{
    *ret = (struct asked){ 0 };
    parse_runs(req, ret);
    pair_choice_parse(req, &ret->choice);
    ret->query = (struct run_fit_query){
        .regressor = pair_query_regressor(req, "regressor"),
        .estimator = pair_query_estimator(req),
        .from_step = ret->choice.query.scan.from_step,
        .to_step = ret->choice.query.scan.to_step,
    };
    return request_params(req, e);
}

/* ---- reading ------------------------------------------------------------- */

/* One of the runs that are asked for, within the snapshot. */
struct chosen {
    struct reader *reader;
    struct run_compare *compare;
    size_t at;
    const struct run_row *run;
    struct pair_choice choice;
};

/* Of many pairs all, from their states. */
static enum err_code add_states(
    struct chosen *c, bool *ret_found, struct err *e)
{
    const struct fit_read_query query =
        fit_read_run_query(&c->choice.query, &c->compare->query);
    struct fit_read read;
    enum err_code code = fit_read(c->reader, &query, &read, e);
    if (code != ERR_NONE) {
        return code;
    }
    const struct run_fit_states states = fit_read_run_states(&read);
    *ret_found = read.in_sight > RUN_FIT_PAIRS_MAX;
    if (*ret_found && !run_compare_add_states(c->compare, &states)) {
        code = err_nomem(e);
    }
    fit_read_done(&read);
    return code;
}

static enum err_code add_pairs(struct chosen *c, struct err *e)
{
    struct pairs pairs;
    pairs_init(&pairs, RUN_FIT_PAIRS_MAX);
    enum err_code code =
        pair_scan_all(c->reader, &c->choice.query, c->choice.window, &pairs, e);
    if (code == ERR_NONE && !run_compare_add(c->compare, &pairs)) {
        code = err_nomem(e);
    }
    pairs_done(&pairs);
    return code;
}

static enum err_code add_chosen(struct chosen *c, struct err *e)
{
    bool found = false;
    enum err_code code = ERR_NONE;
    if (fit_read_run_is_long(&c->choice.query, c->choice.window, c->run)) {
        code = add_states(c, &found, e);
    }
    return code == ERR_NONE && !found ? add_pairs(c, e) : code;
}

/* The rows of a run that is from states, as the law of all weighs them. */
static enum err_code add_rows(struct chosen *c, struct err *e)
{
    const struct compared *run = &c->compare->runs[c->at];
    struct fit_read_query query =
        fit_read_run_query(&c->choice.query, &c->compare->query);
    struct fit_read read;
    if (!run->fit.from_states) {
        return ERR_NONE;
    }
    query.weight = &c->compare->weight;
    enum err_code code = fit_read(c->reader, &query, &read, e);
    if (code != ERR_NONE) {
        return code;
    }
    if (!run_compare_add_rows(c->compare, run, read.rows, read.n_rows)) {
        code = err_nomem(e);
    }
    fit_read_done(&read);
    return code;
}

typedef enum err_code (*chosen_fn)(struct chosen *c, struct err *e);

static enum err_code for_run(struct reader *reader, const struct asked *asked,
    size_t at, chosen_fn fn, struct run_compare *compare, struct err *e)
{
    struct run_row row;
    struct chosen c = { .reader = reader,
        .compare = compare,
        .at = at,
        .run = &row,
        .choice = asked->choice };
    enum err_code code = runs_get(reader, asked->uids[at], &row, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = pair_choice_of_run(&c.choice, reader, &row, e);
    if (code == ERR_NONE) {
        code = fn(&c, e);
    }
    pair_choice_done(&c.choice);
    run_row_done(&row);
    return code;
}

static enum err_code for_runs(struct reader *reader, const struct asked *asked,
    chosen_fn fn, struct run_compare *compare, struct err *e)
{
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < asked->n; i++) {
        code = for_run(reader, asked, i, fn, compare, e);
    }
    return code;
}

static enum err_code read_all(struct reader *reader, const struct asked *asked,
    struct run_compare *compare, struct err *e)
{
    enum err_code code = for_runs(reader, asked, add_chosen, compare, e);
    if (code == ERR_NONE && !run_compare_pool(compare)) {
        code = err_nomem(e);
    }
    if (code == ERR_NONE && compare->has_weight) {
        code = for_runs(reader, asked, add_rows, compare, e);
    }
    return code;
}

static enum err_code read_runs(struct reader *reader, const struct asked *asked,
    struct run_compare *compare, struct err *e)
{
    enum err_code code = reader_begin(reader, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = read_all(reader, asked, compare, e);
    reader_end(reader);
    if (code == ERR_NONE && !run_compare_finish(compare)) {
        code = err_nomem(e);
    }
    return code;
}

/* ---- writing ------------------------------------------------------------- */

static void put_runs(struct buf *out, const struct asked *asked,
    const struct run_compare *compare)
{
    buf_text(out, "\"runs\":[");
    for (size_t i = 0; i < compare->n; i++) {
        const struct compared *run = &compare->runs[i];
        buf_comma(out, i);
        buf_text(out, "{\"run\":");
        buf_json_text(out, str_of(asked->uids[i]));
        interval_json(out, run->intervals.absent, &run->intervals.ci);
        buf_text(out, ",\"fit\":");
        fit_json(out, &run->fit, NULL);
        buf_char(out, '}');
    }
    buf_char(out, ']');
}

static void put_pooled(struct buf *out, const struct run_compare *compare)
{
    buf_text(out, ",\"pooled\":{\"n\":");
    buf_json_u64(out, compare->n_pooled);
    buf_printf(
        out, ",\"from_states\":%s", compare->from_states ? "true" : "false");
    member_json_optional(out, "L0", compare->has_pooled, compare->pooled.L0);
    member_json_optional(out, "L1", compare->has_pooled, compare->pooled.L1);
    interval_json(out, compare->pooled_absent, &compare->pooled_ci);
    buf_char(out, '}');
}

static void put_equality(struct buf *out, const struct run_compare *compare)
{
    if (!compare->q.has) {
        buf_text(out, ",\"equal_L1\":null");
        return;
    }
    buf_text(out, ",\"equal_L1\":{\"q\":");
    buf_json_double(out, compare->q.v);
    buf_printf(out, ",\"dof\":%u,\"p\":", compare->dof);
    buf_json_double(out, compare->p.v);
    buf_char(out, '}');
}

static enum err_code answer(struct request *req, struct asked *asked,
    struct run_compare *compare, struct err *e)
{
    struct reader *reader = NULL;
    enum err_code code = request_reader(req, &reader, e);
    if (code == ERR_NONE) {
        code = read_runs(reader, asked, compare, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    struct buf out = { 0 };
    buf_text(&out, "{\"data\":{");
    put_runs(&out, asked, compare);
    put_pooled(&out, compare);
    put_equality(&out, compare);
    buf_text(&out, "}}");
    return reply_buf(req, MEDIA_JSON, &out, e);
}

enum err_code api_compare(struct request *req, struct err *e)
{
    struct asked asked;
    enum err_code code = parse(req, &asked, e);
    if (code != ERR_NONE) {
        return code;
    }
    struct run_compare *compare = malloc(sizeof *compare);
    if (compare == NULL) {
        return err_nomem(e);
    }
    run_compare_start(compare, &asked.query);
    code = answer(req, &asked, compare, e);
    run_compare_done(compare);
    free(compare);
    return code;
}
