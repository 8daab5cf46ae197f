/* decode: its bounds, at and beyond them. Golden and broken messages are in
 * test_vectors.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pure/decode.h"
#include "wire/crc32c.h"
#include "wire/encode.h"

static const uint8_t uid[16] = { 1, 2, 3 };
static uint8_t bytes[2 * WIRE_MESSAGE_MAX];
static struct message message;
static struct wire_record records[WIRE_RECORDS_MAX + 1];
static const uint64_t zeros[WIRE_FIELDS_MAX];

static enum decode_result decode(size_t n)
{
    assert_true(n > 0);
    return decode_message(bytes, n, &message);
}

/* Length and checksum of a message of n bytes as they must be. */
static size_t sealed(size_t n)
{
    struct wire_head *head = (struct wire_head *)(void *)bytes;
    head->length = (uint32_t)n;
    head->crc32c = crc32c(bytes + WIRE_CRC_FROM, n - WIRE_CRC_FROM);
    return n;
}

static size_t encode_steps(size_t n, uint64_t present)
{
    for (size_t i = 0; i < n; i++) {
        records[i] = (struct wire_record){
            .seq = 1 + i,
            .kind = WIRE_STEP,
            .present = present,
            .values = zeros,
        };
    }
    return wire_encode_data(bytes, sizeof bytes, uid, 0, 1, records, n);
}

static size_t encode_text(const char *text, uint32_t n)
{
    struct wire_record record = {
        .seq = 1,
        .kind = WIRE_EVENT,
        .present = 1u << EVENT_text,
        .values = zeros,
        .text = text,
        .text_bytes = n,
    };
    return wire_encode_data(bytes, sizeof bytes, uid, 0, 1, &record, 1);
}

static void test_as_many_records_as_fit_are_taken(void **state)
{
    (void)state;
    assert_int_equal(
        decode(encode_steps(WIRE_RECORDS_MAX, 1u << STEP_loss)), DECODE_OK);
    assert_int_equal(message.count, WIRE_RECORDS_MAX);
    assert_int_equal(
        section_seq_offset(&message.sections[0], WIRE_RECORDS_MAX - 1),
        WIRE_RECORDS_MAX - 1);
}

/* A DATA message of count STEP records of this mask, all of them zero, that is
 * right in everything but, perhaps, its size. */
static size_t make_zeros(uint32_t count, uint64_t mask)
{
    size_t columns = (size_t)__builtin_popcountll(mask);
    size_t offsets = (2 * (size_t)count + 7) / 8 * 8;
    struct wire_section section = {
        .kind = WIRE_STEP,
        .flags = WIRE_S_UNIFORM,
        .count = count,
        .length = (uint32_t)(sizeof section + offsets + 8 * columns * count),
        .mask = mask,
    };
    const struct wire_head head = {
        .magic = WIRE_MAGIC,
        .version = WIRE_VERSION,
        .type = WIRE_DATA,
    };
    const struct wire_data data = {
        .first_seq = 1,
        .count = count,
        .sections = 1,
    };
    uint8_t *p = bytes;
    memset(bytes, 0, sizeof bytes);
    memcpy(p, &head, sizeof head);
    p += sizeof head;
    memcpy(p, &data, sizeof data);
    p += sizeof data;
    memcpy(p, &section, sizeof section);
    p += sizeof section;
    for (size_t i = 0; i < count; i++) {
        uint16_t offset = (uint16_t)i;
        memcpy(p + 2 * i, &offset, sizeof offset);
    }
    return sealed(sizeof head + sizeof data + section.length);
}

static void test_one_record_too_many_is_malformed(void **state)
{
    (void)state;
    assert_int_equal(decode(make_zeros(WIRE_RECORDS_MAX, 1)), DECODE_OK);
    assert_int_equal(
        decode(make_zeros(WIRE_RECORDS_MAX + 1, 1)), DECODE_MALFORMED);
}

static void test_records_of_all_kinds_fill_all_sections(void **state)
{
    (void)state;
    static const unsigned kinds[] = { WIRE_EVENT, WIRE_STEP, WIRE_METRIC,
        WIRE_PROBE };
    for (size_t i = 0; i < 4; i++) {
        records[i] = (struct wire_record){
            .seq = 9 + i,
            .kind = kinds[i],
            .present = 1,
            .values = zeros,
        };
    }
    size_t n = wire_encode_data(bytes, sizeof bytes, uid, 0, 9, records, 4);
    assert_int_equal(decode(n), DECODE_OK);
    assert_int_equal(message.n_sections, 4);
    assert_int_equal(message.sections[0].kind, WIRE_STEP);
    assert_int_equal(section_seq_offset(&message.sections[0], 0), 1);
    assert_int_equal(message.sections[3].kind, WIRE_EVENT);
    assert_int_equal(section_seq_offset(&message.sections[3], 0), 0);
}

static void test_the_longest_text_is_taken_and_no_longer_one(void **state)
{
    (void)state;
    static char text[WIRE_TEXT_MAX];
    memset(text, 'x', sizeof text);
    size_t n = encode_text(text, WIRE_TEXT_MAX - 7);
    assert_int_equal(decode(n), DECODE_OK);

    /* Eight bytes more of heap, of section and of text. */
    uint8_t *section =
        bytes + sizeof(struct wire_head) + sizeof(struct wire_data);
    struct wire_section head;
    memcpy(&head, section, sizeof head);
    uint64_t value = WIRE_TEXT_MAX + 1;
    head.length += 8;
    head.heap_length += 8;
    memcpy(section, &head, sizeof head);
    memcpy(section + sizeof head + 8, &value, sizeof value);
    memset(bytes + n, 0, 8);
    memset(section + sizeof head + 16, 'x', WIRE_TEXT_MAX + 1);
    assert_int_equal(decode(sealed(n + 8)), DECODE_MALFORMED);
    value = WIRE_TEXT_MAX - 6;
    memcpy(section + sizeof head + 8, &value, sizeof value);
    memset(section + sizeof head + 16 + value, 0, 14);
    head.heap_length = (uint32_t)(value + 7) / 8 * 8;
    head.length = (uint32_t)(sizeof head + 16 + head.heap_length);
    memcpy(section, &head, sizeof head);
    n = sizeof(struct wire_head) + sizeof(struct wire_data) + head.length;
    assert_int_equal(decode(sealed(n)), DECODE_OK);
}

static void test_a_hello_is_bounded(void **state)
{
    (void)state;
    static char json[WIRE_HELLO_MAX + 1];
    memset(json, ' ', sizeof json);
    size_t n =
        wire_encode_hello(bytes, sizeof bytes, uid, 0, json, WIRE_HELLO_MAX);
    assert_int_equal(decode(n), DECODE_OK);
    assert_int_equal(message.json.n, WIRE_HELLO_MAX);
    bytes[n] = ' ';
    assert_int_equal(decode(sealed(n + 1)), DECODE_MALFORMED);
}

static void test_a_message_is_bounded_however_sound_it_is(void **state)
{
    (void)state;
    uint64_t fields = (UINT64_C(1) << 31) - 1;
    size_t n = make_zeros(WIRE_RECORDS_MAX, fields);
    assert_true(n < WIRE_MESSAGE_MAX);
    assert_int_equal(decode(n), DECODE_OK);
    n = make_zeros(WIRE_RECORDS_MAX, fields << 1 | 1);
    assert_true(n > WIRE_MESSAGE_MAX);
    assert_int_equal(decode(n), DECODE_MALFORMED);
    assert_int_equal(decode_message(bytes, 0, &message), DECODE_MALFORMED);
}

static void test_unsupported_says_whose_message_it_was(void **state)
{
    (void)state;
    size_t n = wire_encode_bye(bytes, sizeof bytes, uid, 0, 1);
    bytes[offsetof(struct wire_head, version)] = 9;
    message = (struct message){ 0 };
    assert_int_equal(decode(sealed(n)), DECODE_UNSUPPORTED);
    assert_memory_equal(message.stream.v, uid, sizeof uid);
}

static void test_what_is_absent_reads_as_nothing(void **state)
{
    (void)state;
    assert_int_equal(decode(encode_steps(3, 1u << STEP_loss)), DECODE_OK);
    const struct section *s = &message.sections[0];
    assert_null(s->columns[STEP_lr]);
    assert_int_equal(section_bits(s, STEP_lr, 2), 0);
    assert_true(section_f64(s, STEP_loss, 2) == 0);
    assert_int_equal(section_present(s, 1), 1u << STEP_loss);
    assert_int_equal(section_text(s, STEP_lr, 0).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_many_records_as_fit_are_taken),
        cmocka_unit_test(test_one_record_too_many_is_malformed),
        cmocka_unit_test(test_records_of_all_kinds_fill_all_sections),
        cmocka_unit_test(test_the_longest_text_is_taken_and_no_longer_one),
        cmocka_unit_test(test_a_hello_is_bounded),
        cmocka_unit_test(test_a_message_is_bounded_however_sound_it_is),
        cmocka_unit_test(test_unsupported_says_whose_message_it_was),
        cmocka_unit_test(test_what_is_absent_reads_as_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
