/*
 * columns: records from a scan as text: JSON columns, NDJSON rows, CSV rows.
 * Every value reads back exactly. Absent is null (JSON), left out (NDJSON),
 * empty (CSV). Integers beyond 2^53 - 1 and wall clocks are JSON texts; NaN
 * and the infinities are the words NaN, Infinity, -Infinity. A probe's gammas
 * are an array of [gamma, grad_sq, dgrad_sq, delta_sq], in CSV as JSON text.
 */
#ifndef TRAJD_COLUMNS_H
#define TRAJD_COLUMNS_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "store/scan.h"
#include "wire.h"

/* One value of a field, as JSON. text: of a text or blob field. */
void value_json(struct buf *out, enum wire_kind kind, unsigned field,
    uint64_t bits, struct str text);
/* The same as a CSV field, quoted where it must be (RFC 4180). */
void value_csv(struct buf *out, enum wire_kind kind, unsigned field,
    uint64_t bits, struct str text);

/* ---- rows: attempt, rank, seq, then the fields of the mask in order ---- */

void rows_csv_header(struct buf *out, enum wire_kind kind, uint64_t fields);
void rows_csv(struct buf *out, enum wire_kind kind, uint64_t fields,
    const struct scan_batch *batch, size_t i);
void rows_ndjson(struct buf *out, enum wire_kind kind, uint64_t fields,
    const struct scan_batch *batch, size_t i);

/* ---- columns: {"attempt":[..],"rank":[..],"seq":[..],"step":[..],..} ---- */

/* Zero-initialised is empty, too. */
struct columns {
    enum wire_kind kind;
    uint64_t fields;
    size_t rows;
    struct buf attempt;
    struct buf rank;
    struct buf seq;
    struct buf values[WIRE_FIELDS_MAX];
};

void columns_init(
    struct columns *columns, enum wire_kind kind, uint64_t fields);
void columns_done(struct columns *columns);
/* Adds row i of the batch. */
void columns_add(
    struct columns *columns, const struct scan_batch *batch, size_t i);
/* Bytes held: what the caller bounds. */
size_t columns_bytes(const struct columns *columns);
/* Writes the object; out->failed if any memory was short. */
void columns_write(const struct columns *columns, struct buf *out);

#endif
