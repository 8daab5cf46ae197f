/* fit_read_run.c: owns nothing; the thread of its reader. */
#include "store/fit_read_run.h"

#include <assert.h>

bool fit_read_run_can(const struct pair_query *pairs, uint32_t window)
{
    return !pairs->global && window == PAIR_WINDOW_DEFAULT;
}

bool fit_read_run_is_long(
    const struct pair_query *pairs, uint32_t window, const struct run_row *run)
{
    return fit_read_run_can(pairs, window) &&
           run->records[WIRE_PROBE] > RUN_FIT_PAIRS_MAX;
}

struct fit_read_query fit_read_run_query(
    const struct pair_query *pairs, const struct run_fit_query *fit)
{
    struct fit_read_query query = {
        .scan = pairs->scan,
        .group = pairs->group,
        .estimator = fit->estimator,
        .regressor = fit->regressor,
        .rows = FIT_READ_WEIGHTED,
    };
    assert(!pairs->global);
    query.scan.from_step = fit->from_step;
    query.scan.to_step = fit->to_step;
    return query;
}

struct run_fit_states fit_read_run_states(const struct fit_read *read)
{
    return (struct run_fit_states){
        .regressor = read->regressor,
        .estimator = read->estimator,
        .in_sight = read->in_sight,
        .part = &read->part,
        .rows = read->rows,
        .n_rows = read->n_rows,
    };
}

enum err_code fit_read_run(struct reader *reader,
    const struct pair_query *pairs, const struct run_fit_query *fit,
    uint64_t most, bool *ret_more, struct run_fit *ret_fit, struct err *e)
{
    const struct fit_read_query query = fit_read_run_query(pairs, fit);
    struct fit_read read;
    enum err_code code = fit_read(reader, &query, &read, e);
    if (code != ERR_NONE) {
        return code;
    }
    const struct run_fit_states states = fit_read_run_states(&read);
    *ret_more = read.in_sight > most;
    if (*ret_more && !run_fit_of_states(&states, fit, ret_fit)) {
        code = err_nomem(e);
    }
    fit_read_done(&read);
    return code;
}

bool fit_read_phase(void *phase, const struct run_fit_query *query,
    bool *ret_more, struct run_fit *ret)
{
    struct fit_read_phase *p = phase;
    p->code = fit_read_run(p->reader, p->pairs, query, 0, ret_more, ret, p->e);
    return p->code == ERR_NONE;
}
