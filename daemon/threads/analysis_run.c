/* analysis_run.c: see the header; the analysis thread. */
#include "threads/analysis_run.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "store/pair_scan.h"
#include "threads/analysis.h"

struct analysis_run *analysis_run_new(const char *uid)
{
    struct analysis_run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        return NULL;
    }
    memcpy(run->uid, uid, strnlen(uid, RUN_UID_MAX));
    pairs_init(&run->pairs, RUN_FIT_PAIRS_MAX);
    return run;
}

void analysis_run_free(struct analysis_run *run)
{
    if (run != NULL) {
        pairs_done(&run->pairs);
        free(run);
    }
}

void analysis_run_rest(struct analysis_run *run)
{
    pairs_done(&run->pairs);
    run->has_pairs = false;
}

/* A number that changes when what is read could read otherwise now: rank 0
 * has a new attempt, a late record in an old one, or an attempt's first step,
 * which says what the later attempt replaces. */
struct past {
    uint64_t hash;
    struct stream_row last;
    bool any;
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
    if (row->rank != 0) {
        return ERR_NONE;
    }
    if (past->any) {
        mix(past, past->last.committed_seq); /* an older attempt */
    }
    mix(past, row->attempt);
    mix(past, row->has_first_step ? row->first_step + 1 : 0);
    past->last = *row;
    past->any = true;
    return ERR_NONE;
}

static enum err_code read_past(struct reader *reader, const struct run_row *row,
    uint64_t *ret_past, struct err *e)
{
    struct past past = { .hash = HASH_START };
    enum err_code code = runs_streams(reader, row->id, add_stream, &past, e);
    if (code == ERR_NONE) {
        *ret_past = past.hash;
    }
    return code;
}

static void start_over(
    struct analysis_run *run, const struct run_row *row, uint64_t past)
{
    pairs_done(&run->pairs);
    run->query = (struct scan_query){
        .run = row->id,
        .attempts = SCAN_NEWEST,
        .rank = 0,
        .to_step = UINT64_MAX,
    };
    run->past = past;
    run->has_pairs = true;
}

enum err_code analysis_run_read(struct analysis_run *run, struct reader *reader,
    const struct run_row *row, struct err *e)
{
    uint64_t past = 0;
    enum err_code code = read_past(reader, row, &past, e);
    if (code != ERR_NONE) {
        return code;
    }
    if (!run->has_pairs || past != run->past) {
        start_over(run, row, past);
    }
    code = pair_scan(reader, &run->query, pair_scan_collect, &run->pairs, e);
    if (code != ERR_NONE) {
        run->has_pairs = false; /* else some would be in twice next time */
    }
    return code;
}
