/*
 * speaker: what the HELLO of the stream that is being read says of it: the
 * trainer, on which derived metrics depend, and the names of its groups.
 */
#ifndef TRAJD_SPEAKER_H
#define TRAJD_SPEAKER_H

#include <stddef.h>
#include <stdint.h>
#include <sqlite3.h>

#include "base/err.h"
#include "base/str.h"
#include "pure/trainer.h"
#include "store/store.h"

enum speaker_needs { SPEAKER_TRAINER = 1, SPEAKER_GROUPS = 2 };

struct speaker {
    unsigned needs; /* enum speaker_needs, or-ed; what is not is not read */
    struct run_id run;
    uint32_t attempt; /* 0: nothing has been read */
    uint32_t rank;
    struct trainer trainer;
    struct buf names; /* of the groups, each ended by a NUL */
    size_t *starts;   /* of each in names */
    size_t n;
    size_t capacity;
};

void speaker_done(struct speaker *speaker);

/* Of this stream, unless it has been read last. */
CHECK_RESULT enum err_code speaker_read(struct speaker *speaker, sqlite3 *db,
    struct run_id run, uint32_t attempt, uint32_t rank, struct err *e);

/* Of group 1, 2, ...; NULL: the HELLO has none of that number. */
const char *speaker_group(const struct speaker *speaker, uint64_t group);

#endif
