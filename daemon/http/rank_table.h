/*
 * rank_table: the processes of a run, one row each, missing ones too: who they
 * are, where they are, how far behind the foremost. One thread at a time.
 */
#ifndef TRAJD_RANK_TABLE_H
#define TRAJD_RANK_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "pure/rank_sum.h"
#include "pure/run_state.h"
#include "store/reader.h"
#include "store/runs.h"

struct rank_row {
    uint32_t attempts; /* streams of this rank; 0 = never heard of */
    struct stream_row newest;
    enum run_state state; /* of it */
};

struct rank_table {
    uint32_t world; /* of the newest attempt: rows */
    struct rank_row *rows;
    bool has_last_step;
    uint64_t last_step; /* the highest of all newest attempts */
    uint64_t hash;      /* of the states: they follow the clock */
};

/* On success end with rank_table_done. Ranks of earlier, larger worlds are
 * not in it. */
CHECK_RESULT enum err_code rank_table_read(struct rank_table *table,
    struct reader *reader, struct run_id run, uint32_t world,
    int64_t now_wall_ns, struct err *e);
void rank_table_done(struct rank_table *table);

/* Will all the ranks that the step lacks come to it, as far as one can see? */
bool rank_table_awaits(
    const struct rank_table *table, const struct rank_step *step);

/* An array of RankRow of schema/openapi.yaml; reads the HELLO of each. */
CHECK_RESULT enum err_code rank_table_write(const struct rank_table *table,
    struct reader *reader, struct buf *out, struct err *e);

#endif
