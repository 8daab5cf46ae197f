/*
 * encode: pure; any thread. A DATA message is planned first (what each kind
 * needs, in bytes) and then written without further checks, so that a message
 * that does not fit is found before a byte of it is written.
 */
#include "wire/encode.h"

#include <string.h>

#include "wire/crc32c.h"
#include "wire/fields.h"

#if defined(__BYTE_ORDER__)
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
    "frames are laid out by memcpy: little-endian machines only");
#endif

/* What one section will hold. */
struct plan {
    uint32_t count;
    uint64_t any;      /* fields that at least one record has */
    uint64_t all;      /* fields that every record has */
    size_t text_bytes; /* of all texts, without the padding of the heap */
    int text_field;    /* of the kind; -1 = none */
};

static size_t pad8(size_t n)
{
    return (n + 7u) & ~(size_t)7u;
}

/* The field of a kind that is a text or blob, or -1: a kind has at most one. */
static int find_text_field(const struct wire_kind_info *info)
{
    for (size_t i = 0; i < info->n_fields; i++) {
        enum wire_field_type type = info->fields[i].type;
        if (type == WIRE_TEXT || type == WIRE_BLOB) {
            return (int)i;
        }
    }
    return -1;
}

static bool has(uint64_t mask, int field)
{
    return field >= 0 && (mask >> field & 1u) != 0;
}

static bool plan_kind(struct plan *plan, unsigned kind,
    const struct wire_record *records, size_t n)
{
    const struct wire_kind_info *info = wire_kind_info(kind);
    *plan =
        (struct plan){ .all = UINT64_MAX, .text_field = find_text_field(info) };
    for (size_t i = 0; i < n; i++) {
        const struct wire_record *r = &records[i];
        if (r->kind != kind) {
            continue;
        }
        if (info->n_fields < 64 && r->present >> info->n_fields != 0) {
            return false;
        }
        plan->count++;
        plan->any |= r->present;
        plan->all &= r->present;
        if (has(r->present, plan->text_field)) {
            if (r->text_bytes > WIRE_TEXT_MAX) {
                return false;
            }
            plan->text_bytes += r->text_bytes;
        }
    }
    return true;
}

static size_t section_bytes(const struct plan *plan)
{
    size_t columns = (size_t)__builtin_popcountll(plan->any);
    size_t presence = plan->any == plan->all ? 0 : 1;
    return sizeof(struct wire_section) + pad8((size_t)plan->count * 2) +
           (columns + presence) * plan->count * 8 + pad8(plan->text_bytes);
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t n)
{
    memcpy(at, bytes, n);
    return at + n;
}

static uint8_t *put_zeros_to_8(uint8_t *at, size_t written)
{
    size_t n = pad8(written) - written;
    memset(at, 0, n);
    return at + n;
}

static uint8_t *put_seq_offsets(
    uint8_t *at, unsigned kind, const struct wire_record *records, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (records[i].kind == kind) {
            uint16_t offset = (uint16_t)i;
            at = put(at, &offset, sizeof offset);
            count++;
        }
    }
    return put_zeros_to_8(at, count * 2);
}

static uint8_t *put_presence(
    uint8_t *at, unsigned kind, const struct wire_record *records, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (records[i].kind == kind) {
            at = put(at, &records[i].present, sizeof records[i].present);
        }
    }
    return at;
}

static uint8_t *put_column(uint8_t *at, unsigned kind, int field,
    const struct plan *plan, const struct wire_record *records, size_t n)
{
    uint64_t text_offset = 0;
    for (size_t i = 0; i < n; i++) {
        const struct wire_record *r = &records[i];
        if (r->kind != kind) {
            continue;
        }
        uint64_t bits = 0;
        if (has(r->present, field) && field == plan->text_field) {
            bits = text_offset << 32 | r->text_bytes;
            text_offset += r->text_bytes;
        } else if (has(r->present, field)) {
            bits = r->values[field];
        }
        at = put(at, &bits, sizeof bits);
    }
    return at;
}

static uint8_t *put_heap(uint8_t *at, unsigned kind, const struct plan *plan,
    const struct wire_record *records, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct wire_record *r = &records[i];
        if (r->kind == kind && has(r->present, plan->text_field) &&
            r->text_bytes > 0) {
            at = put(at, r->text, r->text_bytes);
        }
    }
    return put_zeros_to_8(at, plan->text_bytes);
}

static uint8_t *put_section(uint8_t *at, unsigned kind, const struct plan *plan,
    const struct wire_record *records, size_t n)
{
    bool uniform = plan->any == plan->all;
    struct wire_section section = {
        .kind = (uint8_t)kind,
        .flags = uniform ? WIRE_S_UNIFORM : 0,
        .count = plan->count,
        .length = (uint32_t)section_bytes(plan),
        .heap_length = (uint32_t)pad8(plan->text_bytes),
        .mask = plan->any,
    };
    at = put(at, &section, sizeof section);
    at = put_seq_offsets(at, kind, records, n);
    if (!uniform) {
        at = put_presence(at, kind, records, n);
    }
    for (int field = 0; field < 64; field++) {
        if (has(plan->any, field)) {
            at = put_column(at, kind, field, plan, records, n);
        }
    }
    return put_heap(at, kind, plan, records, n);
}

/* The head, last: its checksum covers what follows it. */
static void put_head(uint8_t *out, enum wire_type type, unsigned flags,
    const uint8_t stream_uid[static 16], size_t length)
{
    struct wire_head head = {
        .magic = WIRE_MAGIC,
        .version = WIRE_VERSION,
        .type = (uint8_t)type,
        .flags = (uint16_t)flags,
        .length = (uint32_t)length,
    };
    memcpy(head.stream_uid, stream_uid, sizeof head.stream_uid);
    memcpy(out, &head, sizeof head);
    head.crc32c = crc32c(out + WIRE_CRC_FROM, length - WIRE_CRC_FROM);
    memcpy(out, &head, sizeof head);
}

/* A message of a head and n bytes, n > 0. */
static size_t encode_small(void *out, size_t capacity, enum wire_type type,
    unsigned flags, const uint8_t stream_uid[static 16], const void *bytes,
    size_t n)
{
    size_t length = sizeof(struct wire_head) + n;
    if (length > capacity) {
        return 0;
    }
    memcpy((uint8_t *)out + sizeof(struct wire_head), bytes, n);
    put_head(out, type, flags, stream_uid, length);
    return length;
}

size_t wire_encode_data(void *out, size_t capacity,
    const uint8_t stream_uid[static 16], unsigned flags, uint64_t next_seq,
    const struct wire_record *records, size_t n)
{
    if (n > WIRE_RECORDS_MAX) {
        return 0;
    }
    struct plan plans[WIRE_KINDS];
    struct wire_data data = {
        .first_seq = n > 0 ? records[0].seq : next_seq,
        .count = (uint32_t)n,
    };
    size_t length = sizeof(struct wire_head) + sizeof data;
    size_t planned = 0;
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        if (!plan_kind(&plans[kind], kind, records, n)) {
            return 0;
        }
        if (plans[kind].count > 0) {
            data.sections++;
            planned += plans[kind].count;
            length += section_bytes(&plans[kind]);
        }
    }
    /* planned < n: a record of no kind that is in use. */
    if (planned != n || length > capacity || length > WIRE_MESSAGE_MAX) {
        return 0;
    }
    uint8_t *at = (uint8_t *)out + sizeof(struct wire_head);
    at = put(at, &data, sizeof data);
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        if (plans[kind].count > 0) {
            at = put_section(at, kind, &plans[kind], records, n);
        }
    }
    assert((size_t)(at - (uint8_t *)out) == length);
    put_head(out, WIRE_DATA, flags, stream_uid, length);
    return length;
}

size_t wire_encode_hello(void *out, size_t capacity,
    const uint8_t stream_uid[static 16], unsigned flags, const char *json,
    size_t json_bytes)
{
    if (json_bytes == 0 || json_bytes > WIRE_HELLO_MAX) {
        return 0;
    }
    return encode_small(
        out, capacity, WIRE_HELLO, flags, stream_uid, json, json_bytes);
}

size_t wire_encode_bye(void *out, size_t capacity,
    const uint8_t stream_uid[static 16], unsigned flags, uint64_t last_seq)
{
    struct wire_bye bye = { .last_seq = last_seq };
    return encode_small(
        out, capacity, WIRE_BYE, flags, stream_uid, &bye, sizeof bye);
}

size_t wire_encode_ack(void *out, size_t capacity,
    const uint8_t stream_uid[static 16], enum wire_ack_status status,
    const struct wire_ack *ack)
{
    return encode_small(
        out, capacity, WIRE_ACK, status, stream_uid, ack, sizeof *ack);
}

bool wire_decode_ack(const void *bytes, size_t n, struct wire_head *ret_head,
    struct wire_ack *ret_ack)
{
    struct wire_head head;
    /* Longer is well: a later daemon may have more to say. */
    if (n < sizeof head + WIRE_ACK_BYTES_MIN || n > WIRE_MESSAGE_MAX) {
        return false;
    }
    memcpy(&head, bytes, sizeof head);
    if (head.magic != WIRE_MAGIC || head.version != WIRE_VERSION ||
        head.type != WIRE_ACK || head.length != n) {
        return false;
    }
    const uint8_t *p = bytes;
    if (crc32c(p + WIRE_CRC_FROM, n - WIRE_CRC_FROM) != head.crc32c) {
        return false;
    }
    const bool whole = n >= sizeof head + sizeof *ret_ack;
    *ret_head = head;
    *ret_ack = (struct wire_ack){ 0 };
    memcpy(
        ret_ack, p + sizeof head, whole ? sizeof *ret_ack : WIRE_ACK_BYTES_MIN);
    return true;
}
