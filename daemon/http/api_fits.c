/*
 * api_fits.c: the fits of a run, of all of it or of a window. Those of all of
 * it are usually remembered by the analysis thread; any other is computed
 * here: over its pairs, or, where these are more than RUN_FIT_PAIRS_MAX, from
 * the states of them (store/fit_read.h).
 */
#include "http/api_fits.h"

#include "http/pair_query.h"
#include "http/reply.h"
#include "http/routes.h"
#include "pure/fit_json.h"
#include "store/fit_read_run.h"
#include "threads/analysis.h"

struct fits {
    struct pair_choice choice;
    struct run_fit_query fit;
};

static enum err_code parse(struct request *req, struct fits *ret, struct err *e)
{
    *ret = (struct fits){ 0 };
    pair_choice_parse(req, &ret->choice);
    ret->fit.regressor = pair_query_regressor(req, "regressor");
    ret->fit.estimator = pair_query_estimator(req);
    ret->fit.from_step = ret->choice.query.scan.from_step;
    ret->fit.to_step = ret->choice.query.scan.to_step;
    return request_params(req, e);
}

static bool is_of_everything(const struct fits *fits)
{
    const struct pair_query *query = &fits->choice.query;
    return fits->fit.regressor == PAIR_REGRESSOR_AUTO &&
           fits->fit.estimator == PAIR_ESTIMATOR_AUTO &&
           fits->fit.from_step == 0 && fits->fit.to_step == UINT64_MAX &&
           fits->choice.rank == RECORD_RANK_AUTO &&
           fits->choice.window == PAIR_WINDOW_DEFAULT && query->group == 0 &&
           query->scan.attempts == SCAN_NEWEST;
}

static enum err_code compute_from_pairs(struct reader *reader,
    struct fits *fits, struct run_fit *ret_fit, struct err *e)
{
    struct pairs pairs;
    pairs_init(&pairs, RUN_FIT_PAIRS_MAX);
    enum err_code code = pair_scan_all(
        reader, &fits->choice.query, fits->choice.window, &pairs, e);
    if (code == ERR_NONE && !run_fit_compute(&pairs, &fits->fit, ret_fit)) {
        code = err_set(e, ERR_NOMEM, "no memory for the fits");
    }
    pairs_done(&pairs);
    return code;
}

static enum err_code compute_from(struct reader *reader, struct fits *fits,
    const struct run_row *run, struct run_fit *ret_fit, struct err *e)
{
    const struct pair_choice *choice = &fits->choice;
    bool found = false;
    enum err_code code = pair_choice_of_run(&fits->choice, reader, run, e);
    if (code == ERR_NONE &&
        fit_read_run_is_long(&choice->query, choice->window, run)) {
        code = fit_read_run(reader, &choice->query, &fits->fit,
            RUN_FIT_PAIRS_MAX, &found, ret_fit, e);
    }
    if (code == ERR_NONE && !found) {
        code = compute_from_pairs(reader, fits, ret_fit, e);
    }
    pair_choice_done(&fits->choice);
    return code;
}

static enum err_code compute(struct request *req, struct fits *fits,
    const struct run_row *run, struct run_fit *ret_fit, struct err *e)
{
    struct reader *reader = NULL;
    enum err_code code = request_reader(req, &reader, e);
    if (code == ERR_NONE) {
        code = reader_begin(reader, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = compute_from(reader, fits, run, ret_fit, e);
    reader_end(reader);
    return code;
}

static enum err_code get_fit(struct request *req, struct fits *fits,
    const struct run_row *run, struct run_fit *ret_fit, struct err *e)
{
    struct analysis *analysis = req->http->options.analysis;
    if (analysis != NULL && is_of_everything(fits) &&
        analysis_fit(analysis, run->uid, run->records[WIRE_PROBE], ret_fit)) {
        return ERR_NONE;
    }
    return compute(req, fits, run, ret_fit, e);
}

enum err_code api_fits_of_everything(struct request *req,
    const struct run_row *run, struct run_fit *ret_fit, struct err *e)
{
    struct fits fits = {
        .choice = { .query = { .scan = { .to_step = UINT64_MAX } },
            .rank = RECORD_RANK_AUTO,
            .window = PAIR_WINDOW_DEFAULT },
        .fit = { .regressor = PAIR_REGRESSOR_AUTO,
            .estimator = PAIR_ESTIMATOR_AUTO,
            .to_step = UINT64_MAX },
    };
    return get_fit(req, &fits, run, ret_fit, e);
}

static enum err_code answer(struct request *req, struct fits *fits,
    const struct run_row *run, struct err *e)
{
    if (request_is_fresh(req, run, 0)) {
        return reply_not_modified(req, e);
    }
    struct run_fit fit;
    enum err_code code = get_fit(req, fits, run, &fit, e);
    if (code != ERR_NONE) {
        return code;
    }
    struct buf out = { 0 };
    buf_text(&out, "{\"data\":");
    fit_json(&out, &fit, NULL);
    buf_char(&out, '}');
    return reply_buf(req, MEDIA_JSON, &out, e);
}

enum err_code api_fits(struct request *req, struct err *e)
{
    struct fits fits;
    struct run_row run;
    enum err_code code = parse(req, &fits, e);
    if (code == ERR_NONE) {
        code = request_run(req, &run, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = answer(req, &fits, &run, e);
    run_row_done(&run);
    return code;
}
