/*
 * decode.c: owns nothing; any thread.
 *
 * Every count, length and offset is compared with its bound before it enters
 * arithmetic. A message has one form only (zero padding, ascending kinds and
 * seqs, zero in the slots of absent values, texts back to back), so that what
 * is stored is what was meant, and a heap cannot be made to count twice.
 */
#include "pure/decode.h"

#include <assert.h>
#include <string.h>

#include "wire/crc32c.h"
#include "wire/fields.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
    "numbers are taken from messages as they are");

#define GAMMA_POINT_BYTES 32u /* four F64 */

static uint16_t load16(const uint8_t *p)
{
    uint16_t value = 0;
    memcpy(&value, p, sizeof value);
    return value;
}

static uint64_t load64(const uint8_t *p)
{
    uint64_t value = 0;
    memcpy(&value, p, sizeof value);
    return value;
}

static size_t padded(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

static bool is_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != 0) {
            return false;
        }
    }
    return true;
}

static uint64_t known_mask(size_t n_fields)
{
    return n_fields == 64 ? UINT64_MAX : (UINT64_C(1) << n_fields) - 1;
}

/* ---- one section --------------------------------------------------------- */

/* Bytes of a section with this header; all parts are bounded by now. */
static size_t section_bytes(const struct wire_section *head)
{
    size_t n_columns = (size_t)__builtin_popcountll(head->mask);
    size_t presence = head->flags & WIRE_S_UNIFORM ? 0 : 8;
    return sizeof *head + padded(2 * (size_t)head->count) +
           (presence + 8 * n_columns) * head->count + head->heap_length;
}

/* The header against what is left of the message and what is known here. */
static enum decode_result check_section_head(const struct wire_section *head,
    size_t left, uint32_t message_count, unsigned previous_kind)
{
    if (head->length > left || head->reserved != 0 || head->count == 0 ||
        head->count > message_count || head->heap_length > left ||
        head->kind <= previous_kind) {
        return DECODE_MALFORMED;
    }
    const struct wire_kind_info *info = wire_kind_info(head->kind);
    if (info == NULL || (head->flags & ~WIRE_S_UNIFORM) != 0 ||
        (head->mask & ~known_mask(info->n_fields)) != 0) {
        return DECODE_UNSUPPORTED;
    }
    return section_bytes(head) == head->length ? DECODE_OK : DECODE_MALFORMED;
}

/* p: behind the header. The whole section is known to be there. */
static void lay_out_section(
    const struct wire_section *head, const uint8_t *p, struct section *ret)
{
    ret->kind = (enum wire_kind)head->kind;
    ret->count = head->count;
    ret->mask = head->mask;
    ret->seq_offsets = p;
    p += padded(2 * (size_t)head->count);
    ret->presence = NULL;
    if ((head->flags & WIRE_S_UNIFORM) == 0) {
        ret->presence = p;
        p += 8 * (size_t)head->count;
    }
    for (unsigned field = 0; field < WIRE_FIELDS_MAX; field++) {
        ret->columns[field] = NULL;
        if ((head->mask >> field & 1) != 0) {
            ret->columns[field] = p;
            p += 8 * (size_t)head->count;
        }
    }
    ret->heap = p;
    ret->heap_length = head->heap_length;
}

/* Offsets ascend, stay below the message's count, and no record of the
 * message is claimed twice. seen: a bit for each record of the message. */
static bool claim_seqs(
    const struct section *s, uint32_t message_count, uint64_t *seen)
{
    int64_t previous = -1;
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t offset = section_seq_offset(s, i);
        uint64_t bit = UINT64_C(1) << (offset % 64);
        if (offset <= previous || offset >= message_count ||
            (seen[offset / 64] & bit) != 0) {
            return false;
        }
        seen[offset / 64] |= bit;
        previous = offset;
    }
    size_t used = 2 * (size_t)s->count;
    return is_zero(s->seq_offsets + used, padded(used) - used);
}

/* mask is the union of what is present, some record has less (or the section
 * would be UNIFORM), and the slots of what is absent are 0. */
static bool presence_is_sound(const struct section *s)
{
    if (s->presence == NULL) {
        return true;
    }
    uint64_t any = 0;
    uint64_t every = UINT64_MAX;
    for (uint32_t i = 0; i < s->count; i++) {
        any |= section_present(s, i);
        every &= section_present(s, i);
    }
    for (unsigned field = 0; field < WIRE_FIELDS_MAX; field++) {
        for (uint32_t i = 0; s->columns[field] != NULL && i < s->count; i++) {
            bool present = (section_present(s, i) >> field & 1) != 0;
            if (!present && section_bits(s, field, i) != 0) {
                return false;
            }
        }
    }
    return any == s->mask && every != s->mask;
}

/* The kind's text or blob field; -1 if it has none. */
static int heap_field(const struct wire_kind_info *info)
{
    for (size_t i = 0; i < info->n_fields; i++) {
        if (info->fields[i].type == WIRE_TEXT ||
            info->fields[i].type == WIRE_BLOB) {
            return (int)i;
        }
    }
    return -1;
}

static bool text_is_sound(enum wire_kind kind, struct str text)
{
    switch (kind) {
    case WIRE_PROBE:
        return text.n % GAMMA_POINT_BYTES == 0 &&
               text.n / GAMMA_POINT_BYTES <= WIRE_GAMMAS_MAX;
    case WIRE_METRIC:
        return text.n >= 1 && text.n <= WIRE_NAME_MAX && str_is_utf8(text);
    default:
        return str_is_utf8(text);
    }
}

/* Texts lie in the order of their records, back to back, and fill the heap. */
static bool heap_is_sound(const struct section *s)
{
    int field = heap_field(wire_kind_info(s->kind));
    size_t used = 0;
    for (uint32_t i = 0; field >= 0 && i < s->count; i++) {
        if ((section_present(s, i) >> field & 1) == 0) {
            continue;
        }
        uint64_t value = section_bits(s, (unsigned)field, i);
        uint64_t offset = value >> 32;
        uint64_t length = value & UINT32_MAX;
        if (offset != used || length > WIRE_TEXT_MAX ||
            length > s->heap_length - used) {
            return false;
        }
        if (!text_is_sound(s->kind, section_text(s, (unsigned)field, i))) {
            return false;
        }
        used += length;
    }
    return padded(used) == s->heap_length &&
           is_zero(s->heap + used, s->heap_length - used);
}

/* ---- the three types of message ------------------------------------------ */

static enum decode_result decode_sections(
    const uint8_t *p, size_t left, struct message *m)
{
    uint64_t seen[WIRE_RECORDS_MAX / 64] = { 0 };
    unsigned previous_kind = 0;
    uint32_t claimed = 0;

    for (uint32_t i = 0; i < m->n_sections; i++) {
        struct wire_section head;
        if (left < sizeof head) {
            return DECODE_MALFORMED;
        }
        memcpy(&head, p, sizeof head);
        enum decode_result result =
            check_section_head(&head, left, m->count, previous_kind);
        if (result != DECODE_OK) {
            return result;
        }
        /* Known kinds ascend, so there are no more sections than kinds. */
        assert(i < sizeof m->sections / sizeof m->sections[0]);
        struct section *s = &m->sections[i];
        lay_out_section(&head, p + sizeof head, s);
        if (!claim_seqs(s, m->count, seen) || !presence_is_sound(s) ||
            !heap_is_sound(s)) {
            return DECODE_MALFORMED;
        }
        claimed += head.count;
        previous_kind = head.kind;
        p += head.length;
        left -= head.length;
    }
    return left == 0 && claimed == m->count ? DECODE_OK : DECODE_MALFORMED;
}

static enum decode_result decode_data(
    const uint8_t *body, size_t n, struct message *m)
{
    struct wire_data data;
    if (n < sizeof data) {
        return DECODE_MALFORMED;
    }
    memcpy(&data, body, sizeof data);
    if (data.count > WIRE_RECORDS_MAX || data.sections > WIRE_SECTIONS_MAX ||
        data.first_seq == 0 || data.first_seq > UINT64_MAX - WIRE_RECORDS_MAX) {
        return DECODE_MALFORMED;
    }
    m->first_seq = data.first_seq;
    m->count = data.count;
    m->n_sections = data.sections;
    return decode_sections(body + sizeof data, n - sizeof data, m);
}

static enum decode_result decode_hello(
    const uint8_t *body, size_t n, struct message *m)
{
    m->json = (struct str){ (const char *)body, n };
    return n >= 1 && n <= WIRE_HELLO_MAX && str_is_utf8(m->json)
               ? DECODE_OK
               : DECODE_MALFORMED;
}

static enum decode_result decode_bye(
    const uint8_t *body, size_t n, struct message *m)
{
    if (n != sizeof(struct wire_bye)) {
        return DECODE_MALFORMED;
    }
    m->last_seq = load64(body);
    return DECODE_OK;
}

static enum decode_result decode_body(
    const struct wire_head *head, const uint8_t *body, struct message *m)
{
    size_t n = head->length - sizeof *head;
    if (head->type == WIRE_ACK) {
        return DECODE_MALFORMED; /* an answer to it could go round for ever */
    }
    if (head->version != WIRE_VERSION || (head->flags & ~WIRE_F_ALL) != 0) {
        return DECODE_UNSUPPORTED;
    }
    switch (head->type) {
    case WIRE_HELLO:
        return decode_hello(body, n, m);
    case WIRE_DATA:
        return decode_data(body, n, m);
    case WIRE_BYE:
        return decode_bye(body, n, m);
    default:
        return DECODE_UNSUPPORTED;
    }
}

enum decode_result decode_message(
    const void *bytes, size_t n, struct message *ret_message)
{
    const uint8_t *p = bytes;
    struct wire_head head;

    if (n < sizeof head || n > WIRE_MESSAGE_MAX) {
        return DECODE_MALFORMED;
    }
    memcpy(&head, p, sizeof head);
    if (head.magic != WIRE_MAGIC || head.length != n ||
        head.crc32c != crc32c(p + WIRE_CRC_FROM, n - WIRE_CRC_FROM)) {
        return DECODE_MALFORMED;
    }
    ret_message->type = (enum wire_type)head.type;
    ret_message->flags = head.flags;
    ret_message->json = (struct str){ 0 };
    ret_message->last_seq = 0;
    ret_message->first_seq = 0;
    ret_message->count = 0;
    ret_message->n_sections = 0;
    memcpy(ret_message->stream.v, head.stream_uid, sizeof head.stream_uid);
    return decode_body(&head, p + sizeof head, ret_message);
}

/* ---- what a sound section holds ------------------------------------------ */

uint32_t section_seq_offset(const struct section *s, uint32_t i)
{
    return load16(s->seq_offsets + 2 * (size_t)i);
}

uint64_t section_present(const struct section *s, uint32_t i)
{
    return s->presence == NULL ? s->mask : load64(s->presence + 8 * (size_t)i);
}

uint64_t section_bits(const struct section *s, unsigned field, uint32_t i)
{
    const uint8_t *column = s->columns[field];
    return column == NULL ? 0 : load64(column + 8 * (size_t)i);
}

double section_f64(const struct section *s, unsigned field, uint32_t i)
{
    uint64_t bits = section_bits(s, field, i);
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

struct str section_text(const struct section *s, unsigned field, uint32_t i)
{
    uint64_t value = section_bits(s, field, i);
    const uint8_t *text = s->heap + (value >> 32);
    return (struct str){ (const char *)text, (size_t)(value & UINT32_MAX) };
}
