/*
 * fuzz_decode: any bytes as a message. The checksum and length are put right,
 * or no input would get past them; every accessor must then be safe, and what
 * was read, encoded again, must be the same bytes: a message has one form.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pure/decode.h"
#include "wire/crc32c.h"
#include "wire/encode.h"
#include "wire/fields.h"

static struct message message;
static struct wire_record records[WIRE_RECORDS_MAX];
static uint64_t values[WIRE_RECORDS_MAX][WIRE_FIELDS_MAX];
static uint8_t again[WIRE_MESSAGE_MAX];

static void check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void read_record(const struct section *s, uint32_t i)
{
    const struct wire_kind_info *info = wire_kind_info(s->kind);
    uint32_t offset = section_seq_offset(s, i);
    struct wire_record *r = &records[offset];
    *r = (struct wire_record){
        .seq = message.first_seq + offset,
        .kind = s->kind,
        .present = section_present(s, i),
        .values = values[offset],
    };
    for (unsigned field = 0; field < info->n_fields; field++) {
        values[offset][field] = section_bits(s, field, i);
        enum wire_field_type type = info->fields[field].type;
        bool present = (r->present >> field & 1) != 0;
        if (present && (type == WIRE_TEXT || type == WIRE_BLOB)) {
            struct str text = section_text(s, field, i);
            check(text.n <= WIRE_TEXT_MAX);
            r->text = text.p;
            r->text_bytes = (uint32_t)text.n;
        }
    }
}

static void check_data(const uint8_t *bytes, size_t n)
{
    uint32_t total = 0;
    for (uint32_t k = 0; k < message.n_sections; k++) {
        for (uint32_t i = 0; i < message.sections[k].count; i++) {
            read_record(&message.sections[k], i);
            total++;
        }
    }
    check(total == message.count);
    size_t length = wire_encode_data(again, sizeof again, message.stream.v,
        message.flags, message.first_seq, records, message.count);
    check(length == n && memcmp(again, bytes, n) == 0);
}

static void put_right(uint8_t *bytes, size_t n)
{
    uint32_t magic = WIRE_MAGIC;
    uint32_t length = (uint32_t)n;
    memcpy(bytes, &magic, sizeof magic);
    memcpy(bytes + offsetof(struct wire_head, length), &length, sizeof length);
    uint32_t crc = crc32c(bytes + WIRE_CRC_FROM, n - WIRE_CRC_FROM);
    memcpy(bytes + offsetof(struct wire_head, crc32c), &crc, sizeof crc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t *bytes = malloc(n + 1); /* of its size, so that ASan sees its end */
    check(bytes != NULL);
    if (n > 0) {
        memcpy(bytes, data, n);
    }
    (void)decode_message(bytes, n, &message);
    if (n >= sizeof(struct wire_head)) {
        put_right(bytes, n);
        if (decode_message(bytes, n, &message) == DECODE_OK &&
            message.type == WIRE_DATA) {
            check_data(bytes, n);
        }
    }
    free(bytes);
    return 0;
}
