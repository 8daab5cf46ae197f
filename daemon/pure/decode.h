/*
 * decode: messages from clients, checked to the last byte. Pure and total:
 * any n bytes, at any alignment, give a struct that borrows from them, or an
 * error. No allocation. After DECODE_OK every accessor below is safe without
 * checks.
 */
#ifndef TRAJD_DECODE_H
#define TRAJD_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "wire.h"

enum decode_result {
    DECODE_OK = 0,
    DECODE_MALFORMED,   /* bad magic, length, checksum, layout, bound */
    DECODE_UNSUPPORTED, /* sound, but of a version, type, kind, field or flag
                           that is not known here */
};

struct stream_uid {
    uint8_t v[16];
};

struct section {
    enum wire_kind kind;
    uint32_t count;
    uint64_t mask;              /* fields at least one record has */
    const uint8_t *seq_offsets; /* count x u16 */
    const uint8_t *presence;    /* count x u64; NULL: all have exactly mask */
    const uint8_t *columns[WIRE_FIELDS_MAX]; /* count x 8; NULL: not in mask */
    const uint8_t *heap;
    uint32_t heap_length;
};

struct message {
    enum wire_type type;
    unsigned flags;
    struct stream_uid stream;
    /* HELLO */
    struct str json;
    /* BYE */
    uint64_t last_seq;
    /* DATA */
    uint64_t first_seq;
    uint32_t count;
    uint32_t n_sections;
    struct section sections[WIRE_KINDS - 1]; /* a kind appears once */
};

/* DECODE_UNSUPPORTED: only ret_message->stream holds, for an answer.
 * DECODE_MALFORMED: nothing in *ret_message holds. */
enum decode_result decode_message(
    const void *bytes, size_t n, struct message *ret_message);

/* i < count; field present for record i, or the value is 0. */
uint32_t section_seq_offset(const struct section *s, uint32_t i);
uint64_t section_present(const struct section *s, uint32_t i);
uint64_t section_bits(const struct section *s, unsigned field, uint32_t i);
double section_f64(const struct section *s, unsigned field, uint32_t i);
struct str section_text(const struct section *s, unsigned field, uint32_t i);

#endif
