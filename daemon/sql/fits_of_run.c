/* fits_of_run.c: owns nothing; the thread of its reader. */
#include "sql/fits_of_run.h"

#include "pure/trainer.h"
#include "store/db.h"
#include "store/fit_read_run.h"
#include "store/pair_scan.h"
#include "store/runs.h"

static struct run_fit_query query_of(int class)
{
    struct run_fit_query query = run_fit_everything;
    query.estimator = class;
    return query;
}

/* ---- of pairs ------------------------------------------------------------ */

static bool fit_sample(const struct pairs *pairs,
    const struct run_fit_query *query, struct fit_sample *sample,
    enum fits_wanted wanted, struct fits_of_class *ret)
{
    *ret = (struct fits_of_class){ .has_ranks = wanted == FITS_WITH_RANKS };
    if (!intervals_of(sample, INTERVALS_LEVEL, &ret->intervals)) {
        return false;
    }
    if (ret->has_ranks) {
        rank_tests_of(sample, sample->workspace, &ret->ranks);
    }
    return run_fit_of_sample(pairs, query, sample, &ret->fit);
}

static bool fit_class(const struct pairs *pairs, int class,
    enum fits_wanted wanted, struct fits_of_class *ret)
{
    const struct run_fit_query query = query_of(class);
    struct fit_sample sample;
    const bool ok = fit_sample_take(pairs, &query, &sample) &&
                    fit_sample(pairs, &query, &sample, wanted, ret);
    fit_sample_done(&sample);
    return ok;
}

static enum err_code fit_classes(const struct pairs *pairs,
    enum fits_wanted wanted, struct fits_of_run *ret, struct err *e)
{
    struct pair_census census = { 0 };
    for (size_t i = 0; i < pairs->n; i++) {
        pair_census_add(&census, &pairs->v[i]);
    }
    ret->chosen = pair_census_estimator(&census);
    for (int class = 0; class < PAIR_ESTIMATORS; class ++) {
        if (census.n[class] == 0) {
            continue;
        }
        if (!fit_class(pairs, class, wanted, &ret->v[ret->n])) {
            return db_nomem(e, "fits");
        }
        ret->n++;
    }
    return ERR_NONE;
}

static enum err_code of_pairs(struct reader *reader, struct pair_query *query,
    enum fits_wanted wanted, struct fits_of_run *ret, struct err *e)
{
    struct pairs pairs;
    pairs_init(&pairs, RUN_FIT_PAIRS_MAX);
    enum err_code code =
        pair_scan_all(reader, query, PAIR_WINDOW_DEFAULT, &pairs, e);
    if (code == ERR_NONE) {
        code = fit_classes(&pairs, wanted, ret, e);
    }
    pairs_done(&pairs);
    return code;
}

/* ---- of states ----------------------------------------------------------- */

static enum err_code fit_states(struct reader *reader,
    const struct pair_query *pairs, int class, struct fits_of_class *ret,
    struct err *e)
{
    const struct run_fit_query query = query_of(class);
    bool more = false;
    *ret = (struct fits_of_class){ .has_ranks = false };
    const enum err_code code =
        fit_read_run(reader, pairs, &query, 0, &more, &ret->fit, e);
    ret->intervals = ret->fit.intervals;
    return code;
}

/* *ret_found: there are more pairs than a fit of pairs takes. */
static enum err_code of_states(struct reader *reader,
    const struct pair_query *pairs, bool *ret_found, struct fits_of_run *ret,
    struct err *e)
{
    const struct fit_read_query all =
        fit_read_run_query(pairs, &run_fit_everything);
    struct pair_census census;
    uint64_t in_sight = 0;
    enum err_code code = fit_read_census(reader, &all, &census, &in_sight, e);
    *ret_found = code == ERR_NONE && in_sight > RUN_FIT_PAIRS_MAX;
    if (!*ret_found) {
        return code;
    }
    ret->chosen = pair_census_estimator(&census);
    for (int class = 0; code == ERR_NONE && class < PAIR_ESTIMATORS; class ++) {
        if (census.n[class] > 0) {
            code = fit_states(reader, pairs, class, &ret->v[ret->n], e);
            ret->n++;
        }
    }
    return code;
}

/* ---- all of it ----------------------------------------------------------- */

static enum err_code of_row(struct reader *reader, const struct run_row *run,
    enum fits_wanted wanted, struct fits_of_run *ret, struct err *e)
{
    struct pair_query query = {
        .scan = { .run = run->id, .to_step = UINT64_MAX },
        .global = trainer_of_hello(run->hello_json).world > 1,
    };
    bool found = false;
    enum err_code code = ERR_NONE;
    if (fit_read_run_is_long(&query, PAIR_WINDOW_DEFAULT, run)) {
        code = of_states(reader, &query, &found, ret, e);
    }
    return code == ERR_NONE && !found ? of_pairs(reader, &query, wanted, ret, e)
                                      : code;
}

enum err_code fits_of_run(struct reader *reader, const char *uid,
    enum fits_wanted wanted, struct fits_of_run *ret, struct err *e)
{
    struct run_row run;
    ret->n = 0;
    enum err_code code = runs_get(reader, uid, &run, e);
    if (code == ERR_NONE) {
        code = of_row(reader, &run, wanted, ret, e);
        run_row_done(&run);
    }
    return code;
}
