/*
 * record_columns: the columns of the table of one kind of record, from the
 * field tables of schema/wire.h and the metrics of pure/derived.h:
 *
 *   run, attempt, rank, seq    the key: whose record, and its place there
 *   the fields                 by name; NULL where the record has none
 *   group_name                 probes, sharpness, groups: of the HELLO
 *   nan                        a JSON array of the columns that are NaN in
 *                              this row, or NULL
 *   view (hidden)              'all' or 'newest', see scan.h
 *   derived metrics (hidden)   steps and probes: not part of SELECT *
 *
 * SQLite has no NaN, it stores NULL. A NaN is therefore NULL in its column,
 * which sum(), avg(), max() pass over, and named in `nan`: `loss IS NULL AND
 * nan IS NULL` was not measured, `nan LIKE '%"loss"%'` was NaN. Infinities are
 * themselves. An integer beyond 2^63 - 1, where SQLite has none, is the nearest
 * double (no text of its digits: SQLite makes doubles of those by itself, as
 * soon as a subquery is materialized). Points of probes (gammas) are JSON.
 */
#ifndef TRAJD_RECORD_COLUMNS_H
#define TRAJD_RECORD_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sqlite3.h>

#include "base/str.h"
#include "pure/derived.h"
#include "sql/speaker.h"
#include "store/scan.h"

enum record_role {
    RECORD_RUN,
    RECORD_ATTEMPT,
    RECORD_RANK,
    RECORD_SEQ,
    RECORD_FIELD,
    RECORD_GROUP_NAME,
    RECORD_NAN,
    RECORD_VIEW,
    RECORD_DERIVED,
};

struct record_column {
    const char *name;
    enum record_role role;
    unsigned field; /* of RECORD_FIELD */
    enum wire_field_type type;
    struct metric metric; /* of RECORD_DERIVED */
};

#define RECORD_COLUMNS_MAX 128
struct record_columns {
    enum wire_kind kind;
    int group_field; /* or -1 */
    size_t n;
    struct record_column v[RECORD_COLUMNS_MAX];
};

void record_columns_init(struct record_columns *columns, enum wire_kind kind);

/* The text of CREATE TABLE. */
void record_columns_sql(const struct record_columns *columns, struct buf *sql);

/* used: bits of the columns that a statement reads; the last is that of all
 * columns from the 64th on. What a scan must decode for them, and what they
 * need to know of the stream: enum speaker_needs. */
uint64_t record_columns_fields(
    const struct record_columns *columns, uint64_t used);
unsigned record_columns_speaker(
    const struct record_columns *columns, uint64_t used);

/* A value of record i: any column but run and view. */
void record_columns_result(const struct record_columns *columns, size_t column,
    const struct scan_batch *batch, size_t i, const struct speaker *speaker,
    sqlite3_context *context);

#endif
