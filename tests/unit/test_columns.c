/* columns: records as text, and the routes' table. */
#include "http/columns.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static uint64_t bits_of(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

#define BIT(field) (UINT64_C(1) << (field))

/* Two steps: all of `shown` measured; only the step. */
static const uint64_t seq[] = { 7, UINT64_MAX };
static const uint64_t steps[] = { 3, 4 };
static const uint64_t walls[] = { 1795354903178477730, 0 };
static uint64_t losses[2];
static const uint64_t tokens[] = { (UINT64_C(1) << 53) - 1, 0 };
static const uint64_t shown =
    BIT(STEP_step) | BIT(STEP_wall_ns) | BIT(STEP_loss) | BIT(STEP_tokens);
static const uint64_t present[] = { BIT(STEP_step) | BIT(STEP_wall_ns) |
                                        BIT(STEP_loss) | BIT(STEP_tokens),
    BIT(STEP_step) };

static struct scan_batch two_steps(double loss)
{
    struct scan_batch batch = {
        .attempt = 2, .rank = 1, .n = 2, .seq = seq, .present = present
    };
    losses[0] = bits_of(loss);
    batch.columns[STEP_step] = steps;
    batch.columns[STEP_wall_ns] = walls;
    batch.columns[STEP_loss] = losses;
    batch.columns[STEP_tokens] = tokens;
    return batch;
}

static void test_columns_have_null_for_what_was_not_measured(void **state)
{
    (void)state;
    struct scan_batch batch = two_steps(0.1);
    struct columns columns;
    struct buf out = { 0 };
    columns_init(&columns, WIRE_STEP, shown);
    columns_add(&columns, &batch, 0);
    columns_add(&columns, &batch, 1);
    columns_write(&columns, &out);
    assert_string_equal(out.p,
        "{\"attempt\":[2,2],\"rank\":[1,1],"
        "\"seq\":[7,\"18446744073709551615\"],\"step\":[3,4],"
        "\"wall_ns\":[\"1795354903178477730\",null],\"loss\":[0.1,null],"
        "\"tokens\":[9007199254740991,null]}");
    columns_done(&columns);
    buf_done(&out);
}

static void test_no_rows_are_empty_columns(void **state)
{
    (void)state;
    struct columns columns;
    struct buf out = { 0 };
    columns_init(&columns, WIRE_STEP, BIT(STEP_loss));
    columns_write(&columns, &out);
    assert_string_equal(
        out.p, "{\"attempt\":[],\"rank\":[],\"seq\":[],\"loss\":[]}");
    columns_done(&columns);
    buf_done(&out);
}

static void test_ndjson_leaves_out_what_was_not_measured(void **state)
{
    (void)state;
    struct scan_batch batch = two_steps((double)NAN);
    struct buf out = { 0 };
    rows_ndjson(&out, WIRE_STEP, shown, &batch, 0);
    rows_ndjson(&out, WIRE_STEP, shown, &batch, 1);
    assert_string_equal(out.p,
        "{\"attempt\":2,\"rank\":1,\"seq\":7,\"step\":3,"
        "\"wall_ns\":\"1795354903178477730\",\"loss\":\"NaN\","
        "\"tokens\":9007199254740991}\n"
        "{\"attempt\":2,\"rank\":1,\"seq\":\"18446744073709551615\","
        "\"step\":4}\n");
    buf_done(&out);
}

static void test_csv_has_every_column_in_every_row(void **state)
{
    (void)state;
    struct scan_batch batch = two_steps(-(double)INFINITY);
    struct buf out = { 0 };
    rows_csv_header(&out, WIRE_STEP, shown);
    rows_csv(&out, WIRE_STEP, shown, &batch, 0);
    rows_csv(&out, WIRE_STEP, shown, &batch, 1);
    assert_string_equal(out.p,
        "attempt,rank,seq,step,wall_ns,loss,tokens\n"
        "2,1,7,3,1795354903178477730,-Infinity,9007199254740991\n"
        "2,1,18446744073709551615,4,,,\n");
    buf_done(&out);
}

static void test_texts_are_quoted_and_escaped(void **state)
{
    (void)state;
    struct str text = STR("a \"b\",\n\xc3\xbc");
    struct buf out = { 0 };
    value_json(&out, WIRE_EVENT, EVENT_text, 0, text);
    buf_char(&out, '|');
    value_csv(&out, WIRE_EVENT, EVENT_text, 0, text);
    assert_string_equal(
        out.p, "\"a \\\"b\\\",\\u000a\xc3\xbc\"|\"a \"\"b\"\",\n\xc3\xbc\"");
    buf_done(&out);
}

static void test_gammas_are_points_of_four(void **state)
{
    (void)state;
    const double points[] = { 0.5, 1, 2, (double)NAN, 1, 0.25, 3, 4 };
    struct str blob = { (const char *)points, sizeof points };
    struct buf out = { 0 };
    value_json(&out, WIRE_PROBE, PROBE_gammas, 0, blob);
    buf_char(&out, '|');
    value_csv(&out, WIRE_PROBE, PROBE_gammas, 0, (struct str){ 0 });
    buf_char(&out, '|');
    value_csv(&out, WIRE_PROBE, PROBE_gammas, 0, blob);
    assert_string_equal(out.p, "[[0.5,1,2,\"NaN\"],[1,0.25,3,4]]|\"[]\"|"
                               "\"[[0.5,1,2,\"\"NaN\"\"],[1,0.25,3,4]]\"");
    buf_done(&out);
}

static void test_an_exit_code_is_a_number_and_may_be_negative(void **state)
{
    (void)state;
    struct buf out = { 0 };
    value_json(
        &out, WIRE_EVENT, EVENT_exit_code, (uint64_t)-9, (struct str){ 0 });
    buf_char(&out, '|');
    value_json(&out, WIRE_EVENT, EVENT_exit_code, (uint64_t)INT64_MIN,
        (struct str){ 0 });
    assert_string_equal(out.p, "-9|\"-9223372036854775808\"");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_have_null_for_what_was_not_measured),
        cmocka_unit_test(test_no_rows_are_empty_columns),
        cmocka_unit_test(test_ndjson_leaves_out_what_was_not_measured),
        cmocka_unit_test(test_csv_has_every_column_in_every_row),
        cmocka_unit_test(test_texts_are_quoted_and_escaped),
        cmocka_unit_test(test_gammas_are_points_of_four),
        cmocka_unit_test(test_an_exit_code_is_a_number_and_may_be_negative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
