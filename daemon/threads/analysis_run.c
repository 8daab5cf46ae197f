/* analysis_run.c: see the header; the analysis thread. */
#include "threads/analysis_run.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "pure/run_fit_states.h"
#include "pure/trainer.h"
#include "store/fit_read_run.h"
#include "store/verdict_run.h"
#include "threads/analysis.h"

struct analysis_run *analysis_run_new(const char *uid)
{
    struct analysis_run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        return NULL;
    }
    memcpy(run->uid, uid, strnlen(uid, RUN_UID_MAX));
    pairs_init(&run->follow.pairs, RUN_FIT_PAIRS_MAX);
    return run;
}

void analysis_run_free(struct analysis_run *run)
{
    if (run != NULL) {
        pairs_done(&run->follow.pairs);
        alert_watch_done(&run->watch);
        free(run);
    }
}

void analysis_run_rest(struct analysis_run *run, int64_t now_mono_ns)
{
    if (now_mono_ns - run->changed_mono_ns <= ANALYSIS_QUIET_NS) {
        return;
    }
    if (run->has_pairs && !run->wants_fit) {
        pairs_done(&run->follow.pairs);
        run->has_pairs = false;
    }
    const bool is_over = run->state != RUN_LIVE && run->state != RUN_STALLED;
    if (is_over && !run->wants_alerts) {
        alert_watch_rest(&run->watch);
    }
}

/* A number that changes when what is read could read otherwise now: a rank has
 * a new attempt, a late record in an old one, or an attempt's first step, which
 * says what the later attempt replaces. */
struct past {
    uint64_t hash;
    uint32_t n_ranks;    /* looked at: 1 where only rank 0 is read */
    uint64_t *committed; /* by rank, of its last stream so far, 1 more; 0 */
};

static void mix(struct past *past, uint64_t value)
{
    past->hash = hash_u64(past->hash, value);
}

static enum err_code add_stream(
    void *context, const struct stream_row *row, struct err *e)
{
    (void)e;
    struct past *past = context;
    if (row->rank >= past->n_ranks) {
        return ERR_NONE;
    }
    if (past->committed[row->rank] != 0) {
        mix(past, past->committed[row->rank]); /* an older attempt */
    }
    mix(past, row->attempt);
    mix(past, row->rank);
    mix(past, row->has_began ? row->began + 1 : 0);
    past->committed[row->rank] = row->committed_seq + 1;
    return ERR_NONE;
}

static enum err_code read_past(struct reader *reader, const struct run_row *row,
    bool global, uint64_t *ret_past, struct err *e)
{
    struct past past = {
        .hash = hash_u64(HASH_START, global),
        .n_ranks = global ? TRAINER_WORLD_MAX : 1,
    };
    past.committed = calloc(past.n_ranks, sizeof *past.committed);
    if (past.committed == NULL) {
        return err_nomem(e);
    }
    enum err_code code = runs_streams(reader, row->id, add_stream, &past, e);
    free(past.committed);
    if (code == ERR_NONE) {
        *ret_past = past.hash;
    }
    return code;
}

enum err_code analysis_run_read(struct analysis_run *run, struct reader *reader,
    const struct run_row *row, struct err *e)
{
    const bool global = trainer_of_hello(row->hello_json).world > 1;
    uint64_t past = 0;
    enum err_code code = read_past(reader, row, global, &past, e);
    if (code != ERR_NONE) {
        return code;
    }
    if (!run->has_pairs || past != run->past) {
        pair_follow_start(&run->follow, row->id, global);
        run->past = past;
        run->has_pairs = true;
    }
    code = pair_follow_read(&run->follow, reader, row->records[WIRE_PROBE], e);
    if (code != ERR_NONE) {
        run->has_pairs = false; /* else some would be in twice next time */
    }
    return code;
}

enum err_code analysis_run_fit(const struct analysis_run *run,
    struct reader *reader, const struct run_row *row, struct run_fit *ret,
    struct err *e)
{
    const struct pair_query query = { .scan = { .run = row->id } };
    const struct pairs *pairs = &run->follow.pairs;
    struct run_fit of_sample;
    bool more = false;
    if (!run_fit_compute(pairs, &run_fit_everything, &of_sample)) {
        return err_set(e, ERR_NOMEM, "no memory for a fit");
    }
    *ret = of_sample;
    if (pairs->every == 1 || run->follow.query.global) {
        return ERR_NONE;
    }
    const enum err_code code = fit_read_run(
        reader, &query, &run_fit_everything, pairs->max, &more, ret, e);
    if (code == ERR_NONE && more) {
        run_fit_add_sample(ret, &of_sample);
    }
    return code;
}

enum err_code analysis_run_judge(const struct analysis_run *run,
    struct reader *reader, const struct run_row *row, struct run_verdict *ret,
    struct err *e)
{
    const struct pair_query pairs = { .scan = { .run = row->id },
        .global = run->follow.query.global };
    const struct verdict_query query = { .pairs = &pairs,
        .window = PAIR_WINDOW_DEFAULT,
        .fit = run_fit_everything };
    return verdict_run(reader, row, &query, &run->follow.pairs, ret, e);
}

bool analysis_run_law(const struct run_verdict *verdict, struct run_law *ret)
{
    const struct phase_verdict *main = &verdict->v[verdict->main];
    if (main->advice.refusal != NULL) {
        return false;
    }
    *ret = (struct run_law){ .n = (uint32_t)main->fit.report.n,
        .line = main->advice.law };
    return true;
}
