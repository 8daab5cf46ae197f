/*
 * finding: one thing that a check says of a database: what, where, and what it
 * means for its owner. Passed on as it is found, never kept.
 */
#ifndef TRAJD_FINDING_H
#define TRAJD_FINDING_H

#include <stdint.h>

#include "base/compiler.h"
#include "store/store.h"

/* X(id, name): the name is what --json calls it. */
#define FINDINGS(X)                                                            \
    X(STRUCTURE, "structure") /* SQLite cannot read a part of the file */      \
    X(REFERENCE, "reference") /* a row of something that is not there */       \
    X(RUN, "run")             /* a run, or what a stream says of it */         \
    X(CHUNK, "chunk")         /* sealed records that cannot be read */         \
    X(SUMMARY, "summary")     /* a chunk's summary is not of its records */    \
    X(PYRAMID, "pyramid")     /* a row is not of the chunks below it */        \
    X(LOG, "log")             /* a message that cannot be read */              \
    X(OVERLAP, "overlap")     /* records that are there twice */               \
    X(GAP, "gap")             /* records that are not there */                 \
    X(COUNT, "count")         /* a number kept beside the records is wrong */

#define FINDING_ENUM(id, name) FINDING_##id,
enum finding_kind { FINDINGS(FINDING_ENUM) FINDING_KINDS };

/* The stream a finding is about. An empty uid: the file as a whole. */
struct finding_stream {
    char run_uid[RUN_UID_MAX + 1];
    uint32_t attempt;
    uint32_t rank;
};

struct finding {
    enum finding_kind kind;
    struct finding_stream stream;
    uint64_t first_seq; /* 0: of no records in particular */
    uint64_t last_seq;
    char text[320]; /* one line */
};

/* finding: borrowed for the call. */
typedef void (*finding_fn)(void *context, const struct finding *finding);

const char *finding_name(enum finding_kind kind);

/* Whom the findings go to, and how many there were. */
struct findings {
    finding_fn found;
    void *context;
    uint64_t n;
};

/* stream: NULL is the file as a whole. */
void findings_add(struct findings *findings, enum finding_kind kind,
    const struct finding_stream *stream, uint64_t first_seq, uint64_t last_seq,
    const char *format, ...) PRINTF_LIKE(6, 7);

#endif
