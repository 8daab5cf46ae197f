/* The golden vectors of tests/vectors, made by an encoder that shares no code
 * with ours: what decode says of them, and what encode makes of the same
 * records. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "pure/decode.h"
#include "wire/encode.h"
#include "wire/fields.h"

#define VECTORS "tests/vectors/"

static uint8_t *read_file(const char *path, size_t *ret_n)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    uint8_t *bytes = malloc(WIRE_MESSAGE_MAX + 1);
    assert_non_null(bytes);
    *ret_n = fread(bytes, 1, WIRE_MESSAGE_MAX, file);
    bytes[*ret_n] = 0;
    assert_int_equal(fclose(file), 0);
    return bytes;
}

struct vector {
    uint8_t *bytes;
    size_t n;
    cJSON *said;
};

static struct vector read_vector(const char *name)
{
    char path[512];
    struct vector v = { 0 };
    (void)snprintf(path, sizeof path, VECTORS "%s.bin", name);
    v.bytes = read_file(path, &v.n);

    size_t n = 0;
    (void)snprintf(path, sizeof path, VECTORS "%s.json", name);
    uint8_t *text = read_file(path, &n);
    v.said = cJSON_ParseWithLength((const char *)text, n);
    assert_non_null(v.said);
    free(text);
    return v;
}

static void vector_done(struct vector *v)
{
    free(v->bytes);
    cJSON_Delete(v->said);
}

static double number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

static const char *text(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    assert_true(cJSON_IsString(item));
    return item->valuestring;
}

static uint64_t bits_of(const char *hex)
{
    char *end = NULL;
    uint64_t bits = strtoull(hex, &end, 16);
    assert_true(end != hex && *end == '\0');
    return bits;
}

static size_t from_hex(const char *hex, uint8_t *ret)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        const char pair[3] = { hex[2 * i], hex[2 * i + 1], '\0' };
        ret[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return n;
}

/* Calls check(name) for every vector of the folder. */
static size_t for_each_good(void (*check)(const char *name))
{
    DIR *folder = opendir(VECTORS);
    assert_non_null(folder);
    size_t n = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL;
         entry = readdir(folder)) {
        char *dot = strrchr(entry->d_name, '.');
        if (dot != NULL && strcmp(dot, ".bin") == 0) {
            *dot = '\0';
            check(entry->d_name);
            n++;
        }
    }
    assert_int_equal(closedir(folder), 0);
    return n;
}

/* ---- decode -------------------------------------------------------------- */

struct place {
    const struct section *section;
    uint32_t i;
};

/* Where in the message the record of that seq stands. */
static struct place find_record(const struct message *m, uint64_t seq)
{
    for (uint32_t k = 0; k < m->n_sections; k++) {
        const struct section *s = &m->sections[k];
        for (uint32_t i = 0; i < s->count; i++) {
            if (m->first_seq + section_seq_offset(s, i) == seq) {
                return (struct place){ s, i };
            }
        }
    }
    fail_msg("no record with this seq");
    return (struct place){ 0 };
}

static void check_text(struct place at, unsigned field,
    enum wire_field_type type, const char *said)
{
    static uint8_t bytes[WIRE_TEXT_MAX];
    struct str got = section_text(at.section, field, at.i);
    size_t n = strlen(said);
    if (type == WIRE_BLOB) {
        n = from_hex(said, bytes);
        said = (const char *)bytes;
    }
    assert_int_equal(got.n, n);
    assert_memory_equal(got.p, said, n);
}

static void check_record(const struct message *m, const cJSON *said)
{
    struct place at = find_record(m, bits_of(text(said, "seq")));
    unsigned kind = (unsigned)number(said, "kind");
    assert_int_equal(at.section->kind, kind);

    uint64_t present = 0;
    const cJSON *value = NULL;
    cJSON_ArrayForEach(value, cJSON_GetObjectItem(said, "fields"))
    {
        int field = wire_field_find(kind, value->string, strlen(value->string));
        assert_true(field >= 0);
        present |= UINT64_C(1) << field;
        enum wire_field_type type = wire_kind_info(kind)->fields[field].type;
        if (type == WIRE_TEXT || type == WIRE_BLOB) {
            check_text(at, (unsigned)field, type, value->valuestring);
        } else {
            assert_int_equal(section_bits(at.section, (unsigned)field, at.i),
                bits_of(value->valuestring));
        }
    }
    assert_int_equal(section_present(at.section, at.i), present);
}

static void check_decoded(const char *name)
{
    struct vector v = read_vector(name);
    struct message m;
    unsigned type = (unsigned)number(v.said, "type");
    enum decode_result expected =
        type == WIRE_ACK ? DECODE_MALFORMED : DECODE_OK;
    assert_int_equal(decode_message(v.bytes, v.n, &m), expected);
    if (expected == DECODE_OK) {
        uint8_t uid[16];
        (void)from_hex(text(v.said, "stream_uid"), uid);
        assert_memory_equal(m.stream.v, uid, sizeof uid);
        assert_int_equal(m.type, type);
        assert_int_equal(m.flags, (unsigned)number(v.said, "flags"));
    }
    if (type == WIRE_HELLO) {
        assert_int_equal(m.json.n, strlen(text(v.said, "json")));
        assert_memory_equal(m.json.p, text(v.said, "json"), m.json.n);
    }
    if (type == WIRE_BYE) {
        assert_int_equal(m.last_seq, bits_of(text(v.said, "last_seq")));
    }
    if (type == WIRE_DATA) {
        const cJSON *records = cJSON_GetObjectItem(v.said, "records");
        const cJSON *record = NULL;
        assert_int_equal(m.first_seq, bits_of(text(v.said, "first_seq")));
        assert_int_equal(m.count, cJSON_GetArraySize(records));
        cJSON_ArrayForEach(record, records)
        {
            check_record(&m, record);
        }
    }
    vector_done(&v);
}

static void test_decode_reads_what_each_vector_says(void **state)
{
    (void)state;
    assert_true(for_each_good(check_decoded) >= 18);
}

/* In memory of exactly n bytes at an odd address, so that a sanitizer sees a
 * read past the end and an access that needs alignment. */
static enum decode_result decode_copy(const uint8_t *bytes, size_t n)
{
    static struct message m;
    uint8_t *copy = malloc(n + 1);
    assert_non_null(copy);
    memcpy(copy + 1, bytes, n);
    enum decode_result result = decode_message(copy + 1, n, &m);
    free(copy);
    return result;
}

static void check_truncated(const char *name)
{
    struct vector v = read_vector(name);
    for (size_t n = 0; n < v.n; n++) {
        assert_int_equal(decode_copy(v.bytes, n), DECODE_MALFORMED);
    }
    assert_int_equal(decode_copy(v.bytes, v.n + 1), DECODE_MALFORMED);
    vector_done(&v);
}

static void test_vectors_cut_at_any_byte_or_one_longer_are_malformed(
    void **state)
{
    (void)state;
    assert_true(for_each_good(check_truncated) >= 18);
}

static void test_a_message_with_any_bit_flipped_is_malformed(void **state)
{
    (void)state;
    struct vector v = read_vector("mixed_kinds");
    assert_int_equal(decode_copy(v.bytes, v.n), DECODE_OK);
    for (size_t bit = 0; bit < 8 * v.n; bit++) {
        v.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(decode_copy(v.bytes, v.n), DECODE_MALFORMED);
        v.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    vector_done(&v);
}

static void test_refused_vectors_are_refused_as_they_say(void **state)
{
    (void)state;
    size_t n = 0;
    uint8_t *json = read_file(VECTORS "bad.json", &n);
    uint8_t *bytes = malloc(WIRE_MESSAGE_MAX);
    assert_non_null(bytes);
    cJSON *cases = cJSON_ParseWithLength((const char *)json, n);
    assert_true(cJSON_GetArraySize(cases) >= 60);

    const cJSON *one = NULL;
    cJSON_ArrayForEach(one, cases)
    {
        bool unsupported = strcmp(text(one, "result"), "unsupported") == 0;
        size_t length = from_hex(text(one, "hex"), bytes);
        enum decode_result result = decode_copy(bytes, length);
        if (result != (unsupported ? DECODE_UNSUPPORTED : DECODE_MALFORMED)) {
            fail_msg("%s: result %d", one->string, (int)result);
        }
    }
    cJSON_Delete(cases);
    free(bytes);
    free(json);
}

/* ---- encode -------------------------------------------------------------- */

#define RECORDS 256
struct records {
    struct wire_record list[RECORDS];
    uint64_t values[RECORDS][WIRE_FIELDS_MAX];
    uint8_t blobs[RECORDS][WIRE_GAMMAS_MAX * 32];
    size_t n;
};

static void add_record(struct records *all, const cJSON *said)
{
    assert_true(all->n < RECORDS);
    struct wire_record *r = &all->list[all->n];
    *r = (struct wire_record){
        .seq = bits_of(text(said, "seq")),
        .kind = (unsigned)number(said, "kind"),
        .values = all->values[all->n],
    };
    const cJSON *value = NULL;
    cJSON_ArrayForEach(value, cJSON_GetObjectItem(said, "fields"))
    {
        int field =
            wire_field_find(r->kind, value->string, strlen(value->string));
        enum wire_field_type type = wire_kind_info(r->kind)->fields[field].type;
        r->present |= UINT64_C(1) << field;
        if (type == WIRE_TEXT) {
            r->text = value->valuestring;
            r->text_bytes = (uint32_t)strlen(value->valuestring);
        } else if (type == WIRE_BLOB) {
            r->text = all->blobs[all->n];
            r->text_bytes =
                (uint32_t)from_hex(value->valuestring, all->blobs[all->n]);
        } else {
            all->values[all->n][field] = bits_of(value->valuestring);
        }
    }
    all->n++;
}

static size_t encode_data(const cJSON *said, const uint8_t uid[static 16],
    unsigned flags, void *out, size_t capacity)
{
    struct records *all = calloc(1, sizeof *all);
    assert_non_null(all);
    const cJSON *record = NULL;
    cJSON_ArrayForEach(record, cJSON_GetObjectItem(said, "records"))
    {
        add_record(all, record);
    }
    size_t n = wire_encode_data(out, capacity, uid, flags,
        bits_of(text(said, "first_seq")), all->list, all->n);
    free(all);
    return n;
}

static size_t encode_ack(const cJSON *said, const uint8_t uid[static 16],
    unsigned status, void *out, size_t capacity)
{
    const cJSON *v = cJSON_GetObjectItem(said, "ack");
    struct wire_ack ack = {
        .committed_seq = bits_of(text(v, "committed_seq")),
        .attempt = (uint32_t)bits_of(text(v, "attempt")),
        .window = (uint32_t)bits_of(text(v, "window")),
        .probe_every = (uint32_t)bits_of(text(v, "probe_every")),
        .advice_n = (uint32_t)bits_of(text(v, "advice_n")),
        .wait_ms = (uint32_t)bits_of(text(v, "wait_ms")),
    };
    uint64_t L0 = bits_of(text(v, "advice_L0"));
    uint64_t L1 = bits_of(text(v, "advice_L1"));
    memcpy(&ack.advice_L0, &L0, sizeof L0);
    memcpy(&ack.advice_L1, &L1, sizeof L1);
    return wire_encode_ack(
        out, capacity, uid, (enum wire_ack_status)status, &ack);
}

static size_t encode_said(const cJSON *said, void *out, size_t capacity)
{
    uint8_t uid[16];
    unsigned flags = (unsigned)number(said, "flags");
    (void)from_hex(text(said, "stream_uid"), uid);
    switch ((unsigned)number(said, "type")) {
    case WIRE_HELLO:
        return wire_encode_hello(out, capacity, uid, flags, text(said, "json"),
            strlen(text(said, "json")));
    case WIRE_DATA:
        return encode_data(said, uid, flags, out, capacity);
    case WIRE_BYE:
        return wire_encode_bye(
            out, capacity, uid, flags, bits_of(text(said, "last_seq")));
    default:
        return encode_ack(said, uid, flags, out, capacity);
    }
}

static void check_encoded(const char *name)
{
    struct vector v = read_vector(name);
    uint8_t *out = malloc(WIRE_MESSAGE_MAX);
    assert_non_null(out);
    size_t n = encode_said(v.said, out, WIRE_MESSAGE_MAX);
    if (n != v.n || memcmp(out, v.bytes, n) != 0) {
        fail_msg("%s: encode makes other bytes", name);
    }
    free(out);
    vector_done(&v);
}

static void test_encode_makes_the_bytes_of_each_vector(void **state)
{
    (void)state;
    assert_true(for_each_good(check_encoded) >= 18);
}

static void test_an_ack_comes_back_bit_for_bit(void **state)
{
    (void)state;
    struct vector v = read_vector("ack");
    struct wire_head head;
    struct wire_ack ack;
    assert_true(wire_decode_ack(v.bytes, v.n, &head, &ack));
    assert_int_equal(head.flags, WIRE_ACK_OK);
    assert_memory_equal(&ack, v.bytes + sizeof head, sizeof ack);
    vector_done(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_reads_what_each_vector_says),
        cmocka_unit_test(
            test_vectors_cut_at_any_byte_or_one_longer_are_malformed),
        cmocka_unit_test(test_a_message_with_any_bit_flipped_is_malformed),
        cmocka_unit_test(test_refused_vectors_are_refused_as_they_say),
        cmocka_unit_test(test_encode_makes_the_bytes_of_each_vector),
        cmocka_unit_test(test_an_ack_comes_back_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
