/*
 * api_verdict.c: the verdict of a run and the advice that follows from it: of
 * all of it or of a window, computed here over at most RUN_FIT_PAIRS_MAX pairs;
 * of more, the fits are from the states of all (store/fit_read.h).
 */
#include "http/routes.h"

#include <math.h>

#include "http/pair_query.h"
#include "http/reply.h"
#include "pure/verdict_json.h"
#include "store/fit_read_run.h"
#include "store/pair_scan.h"
#include "store/verdict_read.h"

struct asked {
    struct pair_choice choice;
    struct run_verdict_input input;
};

static struct figure positive(struct request *req, const char *name)
{
    const char *text = request_text(req, name, 40, NULL);
    double value = 0;
    if (text == NULL) {
        return (struct figure){ false, 0 };
    }
    if (!str_to_double(str_of(text), &value) || !isfinite(value) ||
        !(value > 0)) {
        request_bad(req, "%s: not a number above 0", name);
    }
    return (struct figure){ true, value };
}

static enum err_code parse(
    struct request *req, struct asked *ret, struct err *e)
{
    *ret = (struct asked){ 0 };
    pair_choice_parse(req, &ret->choice);
    ret->input.query = (struct run_fit_query){
        .regressor = pair_query_regressor(req, "regressor"),
        .estimator = pair_query_estimator(req),
        .from_step = ret->choice.query.scan.from_step,
        .to_step = ret->choice.query.scan.to_step,
    };
    ret->input.grad_norm = positive(req, "grad_norm");
    ret->input.target = positive(req, "target");
    return request_params(req, e);
}

/* Operator norms are of all parameters: beside a layer they say nothing. Of one
 * rank's pairs there are states, with windows of the default size. */
static enum err_code judge(struct reader *reader, struct asked *asked,
    const struct pairs *pairs, struct verdict_read *read,
    struct run_verdict *ret, struct err *e)
{
    static const struct operator_norms none = { 0 };
    struct fit_read_phase phase = { reader, &asked->choice.query, ERR_NONE, e };
    const bool has_states = !asked->choice.query.global &&
                            asked->choice.window == PAIR_WINDOW_DEFAULT;
    struct run_verdict_input *in = &asked->input;
    in->pairs = pairs;
    in->operators = asked->choice.query.group == 0 ? &read->operators : &none;
    in->of_layer = asked->choice.query.group != 0;
    in->known = read->known;
    in->n_known = read->n_known;
    in->optimizer = read->optimizer;
    in->lr = read->lr;
    in->momentum = read->momentum;
    in->fit_all = has_states ? fit_read_phase : NULL;
    in->fit_context = &phase;
    if (run_verdict_compute(in, ret)) {
        return ERR_NONE;
    }
    return phase.code != ERR_NONE ? phase.code : err_nomem(e);
}

static enum err_code compute(struct reader *reader, struct asked *asked,
    const struct run_row *run, struct run_verdict *ret, struct err *e)
{
    struct pairs pairs;
    struct verdict_read read = { 0 };
    pairs_init(&pairs, RUN_FIT_PAIRS_MAX);
    enum err_code code = pair_choice_of_run(&asked->choice, reader, run, e);
    if (code == ERR_NONE) {
        code = pair_scan_all(
            reader, &asked->choice.query, asked->choice.window, &pairs, e);
    }
    if (code == ERR_NONE) {
        code = verdict_read(reader, run, &read, e);
    }
    if (code == ERR_NONE) {
        code = judge(reader, asked, &pairs, &read, ret, e);
        verdict_read_done(&read);
    }
    pair_choice_done(&asked->choice);
    pairs_done(&pairs);
    return code;
}

typedef void (*json_fn)(struct buf *out, const struct run_verdict *verdict);

static enum err_code answer(struct request *req, struct asked *asked,
    const struct run_row *run, json_fn json, struct err *e)
{
    struct reader *reader = NULL;
    struct run_verdict verdict = { 0 };
    enum err_code code = request_reader(req, &reader, e);
    if (code == ERR_NONE) {
        code = reader_begin(reader, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = compute(reader, asked, run, &verdict, e);
    reader_end(reader);
    if (code != ERR_NONE) {
        return code;
    }
    struct buf out = { 0 };
    buf_text(&out, "{\"data\":");
    json(&out, &verdict);
    buf_char(&out, '}');
    run_verdict_done(&verdict);
    return reply_buf(req, MEDIA_JSON, &out, e);
}

static enum err_code of_run(struct request *req, json_fn json, struct err *e)
{
    struct asked asked;
    struct run_row run;
    enum err_code code = parse(req, &asked, e);
    if (code == ERR_NONE) {
        code = request_run(req, &run, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = request_is_fresh(req, &run, 0) ? reply_not_modified(req, e)
                                          : answer(req, &asked, &run, json, e);
    run_row_done(&run);
    return code;
}

enum err_code api_verdict(struct request *req, struct err *e)
{
    return of_run(req, verdict_json, e);
}

enum err_code api_advice(struct request *req, struct err *e)
{
    return of_run(req, verdict_advice_json, e);
}
