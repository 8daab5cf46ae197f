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
#include "store/pair_scan.h"
#include "store/verdict_run.h"

struct asked {
    struct pair_choice choice;
    struct verdict_query query;
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
    ret->query.fit = (struct run_fit_query){
        .regressor = pair_query_regressor(req, "regressor"),
        .estimator = pair_query_estimator(req),
        .from_step = ret->choice.query.scan.from_step,
        .to_step = ret->choice.query.scan.to_step,
    };
    ret->query.grad_norm = positive(req, "grad_norm");
    ret->query.target = positive(req, "target");
    return request_params(req, e);
}

static enum err_code compute(struct reader *reader, struct asked *asked,
    const struct run_row *run, struct run_verdict *ret, struct err *e)
{
    struct pairs pairs;
    pairs_init(&pairs, RUN_FIT_PAIRS_MAX);
    enum err_code code = pair_choice_of_run(&asked->choice, reader, run, e);
    if (code == ERR_NONE) {
        code = pair_scan_all(
            reader, &asked->choice.query, asked->choice.window, &pairs, e);
    }
    if (code == ERR_NONE) {
        asked->query.pairs = &asked->choice.query;
        asked->query.window = asked->choice.window;
        code = verdict_run(reader, run, &asked->query, &pairs, ret, e);
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
