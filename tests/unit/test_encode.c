/* What the golden vectors (test_vectors.c) do not say of the encoder: that it
 * refuses what does not fit, and that the decoder gives back what went in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/store_rig.h"
#include "pure/decode.h"
#include "wire/crc32c.h"
#include "wire/encode.h"
#include "wire/fields.h"

static const uint8_t uid[16] = "0123456789abcde";
static uint8_t out[WIRE_MESSAGE_MAX + 64];

static struct wire_record as_wire(const struct rig_record *r)
{
    return (struct wire_record){ .seq = r->seq,
        .kind = r->kind,
        .present = r->present,
        .values = r->values,
        .text = r->text,
        .text_bytes = r->text_bytes };
}

static struct wire_record step_of(uint64_t seq, const uint64_t *values)
{
    return (struct wire_record){
        .seq = seq, .kind = WIRE_STEP, .present = 1, .values = values
    };
}

static void assert_values_equal(
    const struct section *section, uint32_t i, const struct rig_record *r)
{
    const struct wire_kind_info *info = wire_kind_info(r->kind);
    for (uint64_t left = r->present; left != 0; left &= left - 1) {
        unsigned field = (unsigned)__builtin_ctzll(left);
        enum wire_field_type type = info->fields[field].type;
        if (type == WIRE_TEXT || type == WIRE_BLOB) {
            struct str text = section_text(section, field, i);
            assert_int_equal(text.n, r->text_bytes);
            assert_true(text.n == 0 || memcmp(text.p, r->text, text.n) == 0);
        } else {
            assert_int_equal(section_bits(section, field, i), r->values[field]);
        }
    }
}

static void test_records_of_all_kinds_come_back_from_the_decoder(void **state)
{
    (void)state;
    enum { N = 300 };
    static struct rig_record records[N];
    static struct wire_record wire[N];
    static struct message m;
    uint64_t seed = 7;
    for (size_t i = 0; i < N; i++) {
        records[i] = rig_any_record(&seed, 1000 + i);
        wire[i] = as_wire(&records[i]);
    }
    size_t n = wire_encode_data(out, sizeof out, uid, WIRE_F_SYNC, 0, wire, N);
    assert_true(n > 0);
    assert_int_equal(decode_message(out, n, &m), DECODE_OK);
    assert_int_equal(m.first_seq, 1000);
    assert_int_equal(m.count, N);
    assert_int_equal(m.flags, WIRE_F_SYNC);
    size_t seen = 0;
    for (uint32_t s = 0; s < m.n_sections; s++) {
        const struct section *section = &m.sections[s];
        for (uint32_t i = 0; i < section->count; i++, seen++) {
            const struct rig_record *r =
                &records[section_seq_offset(section, i)];
            assert_int_equal(r->kind, section->kind);
            assert_int_equal(section_present(section, i), r->present);
            assert_values_equal(section, i, r);
        }
    }
    assert_int_equal(seen, N);
    for (size_t i = 0; i < N; i++) {
        free(records[i].text);
    }
}

static void test_every_capacity_that_is_too_small_is_refused(void **state)
{
    (void)state;
    const uint64_t value = 42;
    struct wire_record records[3] = { step_of(1, &value), step_of(2, &value),
        step_of(3, &value) };
    size_t n = wire_encode_data(out, sizeof out, uid, 0, 0, records, 3);
    assert_true(n > 0);
    for (size_t capacity = 0; capacity < n; capacity++) {
        out[capacity] = 0xa5;
        assert_int_equal(
            wire_encode_data(out, capacity, uid, 0, 0, records, 3), 0);
        assert_int_equal(out[capacity], 0xa5);
    }
    assert_int_equal(wire_encode_data(out, n, uid, 0, 0, records, 3), n);
}

static void test_records_beyond_a_bound_are_refused(void **state)
{
    (void)state;
    static struct wire_record many[WIRE_RECORDS_MAX + 1];
    static char text[WIRE_TEXT_MAX + 1];
    const uint64_t value = 0;
    for (size_t i = 0; i < WIRE_RECORDS_MAX + 1; i++) {
        many[i] = step_of(i + 1, &value);
    }
    struct wire_record unknown_kind = many[0];
    unknown_kind.kind = WIRE_KINDS;
    struct wire_record unknown_field = many[0];
    unknown_field.present = UINT64_C(1) << STEP_FIELDS;
    struct wire_record event = { .seq = 1,
        .kind = WIRE_EVENT,
        .present = UINT64_C(1) << EVENT_text,
        .values = &value,
        .text = text,
        .text_bytes = WIRE_TEXT_MAX };
    size_t max = WIRE_RECORDS_MAX;
    assert_true(wire_encode_data(out, sizeof out, uid, 0, 0, many, max) > 0);
    assert_int_equal(
        wire_encode_data(out, sizeof out, uid, 0, 0, many, max + 1), 0);
    assert_int_equal(
        wire_encode_data(out, sizeof out, uid, 0, 0, &unknown_kind, 1), 0);
    assert_int_equal(
        wire_encode_data(out, sizeof out, uid, 0, 0, &unknown_field, 1), 0);
    assert_true(wire_encode_data(out, sizeof out, uid, 0, 0, &event, 1) > 0);
    event.text_bytes = WIRE_TEXT_MAX + 1;
    assert_int_equal(
        wire_encode_data(out, sizeof out, uid, 0, 0, &event, 1), 0);
}

static void test_a_message_beyond_the_largest_is_refused(void **state)
{
    (void)state;
    static char text[WIRE_TEXT_MAX];
    const uint64_t values[EVENT_FIELDS] = { 0 };
    struct wire_record events[17];
    for (size_t i = 0; i < 17; i++) {
        events[i] = (struct wire_record){ .seq = i + 1,
            .kind = WIRE_EVENT,
            .present = UINT64_C(1) << EVENT_text,
            .values = values,
            .text = text,
            .text_bytes = WIRE_TEXT_MAX };
    }
    assert_true(wire_encode_data(out, sizeof out, uid, 0, 0, events, 15) > 0);
    assert_int_equal(
        wire_encode_data(out, sizeof out, uid, 0, 0, events, 16), 0);
}

static void test_a_hello_has_1_to_851968_bytes(void **state)
{
    (void)state;
    static char json[WIRE_HELLO_MAX + 1];
    assert_int_equal(wire_encode_hello(out, sizeof out, uid, 0, json, 0), 0);
    assert_true(
        wire_encode_hello(out, sizeof out, uid, 0, json, WIRE_HELLO_MAX) > 0);
    assert_int_equal(
        wire_encode_hello(out, sizeof out, uid, 0, json, WIRE_HELLO_MAX + 1),
        0);
}

static void test_an_ack_is_read_only_if_every_bit_of_it_is_right(void **state)
{
    (void)state;
    struct wire_ack ack = { .committed_seq = 9, .attempt = 2, .window = 3 };
    struct wire_head head;
    struct wire_ack back;
    size_t n = wire_encode_ack(out, sizeof out, uid, WIRE_ACK_BUSY, &ack);
    assert_true(wire_decode_ack(out, n, &head, &back));
    assert_memory_equal(&back, &ack, sizeof ack);
    assert_int_equal(head.flags, WIRE_ACK_BUSY);
    /* flags stand before what the checksum covers */
    for (size_t bit = 0; bit < n * 8; bit++) {
        if (bit / 8 == 6 || bit / 8 == 7) {
            continue;
        }
        out[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(wire_decode_ack(out, n, &head, &back));
        out[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t shorter = 0; shorter < n; shorter++) {
        assert_false(wire_decode_ack(out, shorter, &head, &back));
    }
}

/* As a daemon sends it whose ACK has `bytes` bytes. */
static size_t ack_of_bytes(size_t bytes)
{
    const struct wire_ack ack = {
        .committed_seq = 9, .attempt = 2, .advice_L1 = 0.5, .wait_ms = 1000
    };
    (void)wire_encode_ack(out, sizeof out, uid, WIRE_ACK_OK, &ack);
    struct wire_head head;
    memcpy(&head, out, sizeof head);
    head.length = (uint32_t)bytes;
    memcpy(out, &head, sizeof head);
    head.crc32c = crc32c(out + WIRE_CRC_FROM, bytes - WIRE_CRC_FROM);
    memcpy(out, &head, sizeof head);
    return bytes;
}

static void test_an_ack_of_an_earlier_or_a_later_daemon_is_read(void **state)
{
    (void)state;
    static const struct {
        size_t bytes;
        uint32_t wait_ms;
    } cases[] = { { 72, 0 }, { 75, 0 }, { 79, 0 }, { 80, 1000 },
        { 200, 1000 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wire_head head;
        struct wire_ack ack;
        const size_t n = ack_of_bytes(cases[i].bytes);
        memset(&ack, 0xff, sizeof ack);
        assert_true(wire_decode_ack(out, n, &head, &ack));
        assert_int_equal(ack.committed_seq, 9);
        assert_true(ack.advice_L1 == 0.5);
        assert_int_equal(ack.wait_ms, cases[i].wait_ms);
    }
    struct wire_head head;
    struct wire_ack ack;
    assert_false(wire_decode_ack(out, ack_of_bytes(71), &head, &ack));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_ack_of_an_earlier_or_a_later_daemon_is_read),
        cmocka_unit_test(test_records_of_all_kinds_come_back_from_the_decoder),
        cmocka_unit_test(test_every_capacity_that_is_too_small_is_refused),
        cmocka_unit_test(test_records_beyond_a_bound_are_refused),
        cmocka_unit_test(test_a_message_beyond_the_largest_is_refused),
        cmocka_unit_test(test_a_hello_has_1_to_851968_bytes),
        cmocka_unit_test(test_an_ack_is_read_only_if_every_bit_of_it_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
