/*
 * live_rows: the newest rows of one run, as a live event shows them: at most
 * LIVE_ROWS_MAX of a kind; more of them are only counted. Pure; no allocation
 * in live_rows_add, which the writer thread calls.
 */
#ifndef TRAJD_LIVE_ROWS_H
#define TRAJD_LIVE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "pure/decode.h"
#include "pure/pairs.h"

#define LIVE_ROWS_MAX 400 /* of a kind in one event */

/* The doubles of a step row, in the order of the columns of the event. */
enum live_column {
    LIVE_LOSS,
    LIVE_GRAD_NORM,
    LIVE_LR,
    LIVE_CLIP_THRESHOLD,
    LIVE_DELTA_NORM,
    LIVE_PARAM_NORM,
    LIVE_COLUMNS,
};

struct live_step {
    uint32_t attempt;
    uint32_t present; /* bit c: values[c] was measured */
    uint64_t seq;
    uint64_t step;
    double values[LIVE_COLUMNS];
};

struct live_probe {
    uint32_t attempt;
    struct pair pair;
};

struct live_rows {
    size_t n_steps;
    size_t n_probes;
    bool more;          /* rows are missing here: fetch them */
    uint64_t last_step; /* the highest seen, also of rows not kept */
    bool has_last_step;
    /* Where the run is; kept by live_rows_clear. */
    uint32_t attempt;
    uint64_t last_seq;
    struct live_step steps[LIVE_ROWS_MAX];
    struct live_probe probes[LIVE_ROWS_MAX];
};

/* Where a message comes from. */
struct live_source {
    uint32_t attempt;
    uint32_t rank;
    uint32_t world; /* processes of the run */
};

/* Empty, and the next message's records after `from`'s. */
void live_rows_clear(struct live_rows *rows, const struct live_rows *from);

/*
 * The STEP and PROBE records of a DATA message of rank 0 that come after what
 * was added before. Rows of an older attempt (a spool sent late) and the
 * change to a newer one (the trainer went back) change what is already drawn:
 * they set `more`. So do shards of a run of several processes, of any rank: a
 * shard's norms are not the run's, whose steps and probes are made of all
 * ranks; and so do probes of microbatches, many of which make one pair.
 */
void live_rows_add(struct live_rows *rows, const struct live_source *source,
    const struct message *message);

bool live_rows_any(const struct live_rows *rows);

/* The data of a `rows` event, or of `more` where rows->more: one line. */
void live_rows_json(
    struct buf *out, const struct live_rows *rows, const char *run_uid);

#endif
