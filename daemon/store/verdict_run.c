/* verdict_run.c: owns nothing; the thread of its reader. */
#include "store/verdict_run.h"

#include "store/fit_read_run.h"
#include "store/verdict_read.h"

/* Operator norms are of all parameters: beside a layer they say nothing. */
static enum err_code judge(struct reader *reader,
    const struct verdict_query *query, const struct pairs *pairs,
    const struct verdict_read *read, struct run_verdict *ret, struct err *e)
{
    static const struct operator_norms none = { 0 };
    struct fit_read_phase phase = { reader, query->pairs, ERR_NONE, e };
    const bool of_layer = query->pairs->group != 0;
    const bool has_states = fit_read_run_can(query->pairs, query->window);
    const struct run_verdict_input input = {
        .pairs = pairs,
        .fit_all = has_states ? fit_read_phase : NULL,
        .fit_context = &phase,
        .query = query->fit,
        .operators = of_layer ? &none : &read->operators,
        .known = read->known,
        .n_known = read->n_known,
        .optimizer = read->optimizer,
        .of_layer = of_layer,
        .lr = read->lr,
        .momentum = read->momentum,
        .grad_norm = query->grad_norm,
        .target = query->target,
    };
    if (run_verdict_compute(&input, ret)) {
        return ERR_NONE;
    }
    return phase.code != ERR_NONE ? phase.code : err_nomem(e);
}

enum err_code verdict_run(struct reader *reader, const struct run_row *run,
    const struct verdict_query *query, const struct pairs *pairs,
    struct run_verdict *ret, struct err *e)
{
    struct verdict_read read;
    enum err_code code = verdict_read(reader, run, &read, e);
    if (code == ERR_NONE) {
        code = judge(reader, query, pairs, &read, ret, e);
        verdict_read_done(&read);
    }
    return code;
}
