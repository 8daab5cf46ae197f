/*
 * records: records of one kind of one stream in memory, in columns, in seq
 * order. What the log and the chunks have in common: both are read into this,
 * and chunks are built from it.
 */
#ifndef TRAJD_RECORDS_H
#define TRAJD_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "pure/decode.h"
#include "wire.h"

struct records {
    enum wire_kind kind;
    uint64_t fields; /* mask of the columns that are kept */
    size_t n;
    size_t capacity;
    uint64_t *seq;
    uint64_t *present;
    /* Bits; 0 where absent; NULL until a record has had the field. Whoever
     * appends fills a slot of every column that is there. The column of a
     * text or blob holds `offset << 32 | length` into heap. */
    uint64_t *columns[WIRE_FIELDS_MAX];
    uint64_t mask; /* fields that a record has, kept or not */
    char *heap;
    size_t heap_n;
    size_t heap_capacity;
};

void records_init(
    struct records *records, enum wire_kind kind, uint64_t fields);
void records_done(struct records *records);
void records_clear(struct records *records); /* keeps its memory */

/* The kind's text or blob field, or -1. */
int records_text_field(enum wire_kind kind);

/* Appends the records of s from seq from_seq on. All or nothing. */
CHECK_RESULT enum err_code records_append(struct records *records,
    const struct section *s, uint64_t first_seq, uint64_t from_seq,
    struct err *e);

/* Room for n more records, and for their columns of mask; a column that was
 * not there is zero for the records that were. */
CHECK_RESULT enum err_code records_reserve(
    struct records *records, size_t n, uint64_t mask, struct err *e);
CHECK_RESULT enum err_code records_reserve_heap(
    struct records *records, size_t bytes, struct err *e);

/* Keeps the n records at the ascending indices, in place. */
void records_keep(struct records *records, const uint32_t *indices, size_t n);

/* The text or blob of record i; needs its field among those kept. */
struct str records_text(const struct records *records, size_t i);

#endif
