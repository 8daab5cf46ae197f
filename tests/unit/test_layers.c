/* Tests of daemon/pure/layers.c: groups of one name are one layer. */
#include "pure/layers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct layers *layers_of(const char *lead)
{
    struct layers *layers = layers_new();
    assert_non_null(layers);
    assert_int_equal(layers_lead(layers, lead), LAYERS_OK);
    return layers;
}

static void add(
    struct layers *layers, uint32_t attempt, uint32_t rank, const char *hello)
{
    assert_int_equal(layers_add(layers, attempt, rank, hello), LAYERS_OK);
}

static struct layer get(const struct layers *layers, uint32_t number)
{
    struct layer layer;
    layers_get(layers, number, &layer);
    return layer;
}

static void assert_name(
    const struct layers *layers, uint32_t number, const char *quoted)
{
    assert_true(str_equal(get(layers, number).name, str_of(quoted)));
}

#define STAGE_0                                                                \
    "{\"world\":3,\"groups\":[{\"name\":\"embed\",\"size\":8},"                \
    "{\"name\":\"norm\",\"size\":3,\"rows\":1,\"cols\":3,\"norm\":2}]}"
#define STAGE_1                                                                \
    "{\"world\":3,\"groups\":[{\"name\":\"head\",\"size\":5},"                 \
    "{\"name\":\"norm\",\"size\":4,\"combine\":1}]}"

static void test_stages_of_a_pipeline_make_one_list(void **state)
{
    (void)state;
    struct layers *layers = layers_of(STAGE_0);
    add(layers, 1, 0, STAGE_0);
    add(layers, 1, 1, STAGE_1);
    add(layers, 1, 2, STAGE_1);
    assert_int_equal(layers_ready(layers), LAYERS_OK);
    assert_int_equal(layers_count(layers), 3);
    assert_name(layers, 1, "\"embed\"");
    assert_name(layers, 2, "\"norm\"");
    assert_name(layers, 3, "\"head\"");
    const struct layer norm = get(layers, 2);
    assert_int_equal(norm.ranks, 3);
    assert_int_equal(norm.lowest, 0);
    assert_int_equal(norm.size, 3);
    assert_int_equal(norm.size_sum, 3 + 4 + 4);
    assert_int_equal(norm.cols, 3);
    assert_int_equal(norm.norm, 2);
    assert_int_equal(get(layers, 3).lowest, 1);
    assert_int_equal(get(layers, 3).ranks, 2);
    /* Each by its own numbers. */
    assert_int_equal(layers_number(layers, 1, 0, 2), 2);
    assert_int_equal(layers_number(layers, 1, 1, 1), 3);
    assert_int_equal(layers_number(layers, 1, 1, 2), 2);
    assert_int_equal(layers_number(layers, 1, 1, 3), 0);
    assert_int_equal(layers_number(layers, 1, 1, 0), 0);
    assert_int_equal(layers_number(layers, 2, 1, 1), 0);
    assert_int_equal(layers_number(layers, 1, 3, 1), 0);
    assert_true(layers_holds(layers, 3, 0, 1));
    assert_false(layers_holds(layers, 3, 1, 1));
    assert_false(layers_holds(layers, 3, 0, 3));
    assert_true(layers_holds(layers, 3, 2, 3));
    assert_false(layers_holds(layers, 4, 2, 3));
    layers_free(layers);
}

static void test_the_newest_attempt_of_a_rank_decides(void **state)
{
    (void)state;
    struct layers *layers = layers_of(STAGE_1);
    add(layers, 1, 0, STAGE_0);
    add(layers, 1, 1, STAGE_0);
    add(layers, 2, 0, STAGE_1);
    assert_int_equal(layers_ready(layers), LAYERS_OK);
    assert_name(layers, 1, "\"head\"");
    assert_int_equal(layers_number(layers, 1, 0, 1), 3); /* embed */
    assert_int_equal(layers_number(layers, 2, 0, 1), 1);
    assert_false(layers_holds(layers, 3, 0, 3));
    assert_true(layers_holds(layers, 3, 1, 3));
    assert_int_equal(get(layers, 3).ranks, 1);
    assert_int_equal(get(layers, 3).lowest, 1);
    layers_free(layers);
}

static void test_what_names_nothing_has_no_part(void **state)
{
    (void)state;
    struct layers *layers = layers_of(NULL);
    add(layers, 1, 0, NULL);
    add(layers, 1, 1, "{\"groups\":[]}");
    add(layers, 1, 2, "{\"groups\": 7}");
    add(layers, 1, 3, " { \"groups\" : [ { \"size\" : -1 } ] } ");
    assert_int_equal(layers_ready(layers), LAYERS_OK);
    assert_int_equal(layers_count(layers), 1);
    assert_name(layers, 1, "\"\"");
    assert_int_equal(get(layers, 1).size, 0);
    assert_int_equal(layers_number(layers, 1, 0, 1), 0);
    assert_int_equal(layers_number(layers, 1, 3, 1), 1);
    layers_free(layers);
}

static void test_a_text_that_is_no_json_is_damaged(void **state)
{
    (void)state;
    struct layers *layers = layers_of(NULL);
    assert_int_equal(layers_add(layers, 1, 0, "{"), LAYERS_DAMAGED);
    assert_int_equal(layers_lead(layers, "nothing"), LAYERS_DAMAGED);
    layers_free(layers);
}

/* A HELLO with groups named by the numbers from `from` on. */
static void hello_of(struct buf *out, uint32_t from, uint32_t n)
{
    buf_clear(out);
    buf_text(out, "{\"groups\":[");
    for (uint32_t i = 0; i < n; i++) {
        buf_comma(out, i);
        buf_printf(out, "{\"name\":\"%u\"}", (unsigned)(from + i));
    }
    buf_text(out, "]}");
    buf_append(out, "", 1);
    assert_false(out->failed);
}

static void test_a_run_has_so_many_layers_and_no_more(void **state)
{
    (void)state;
    struct buf hello = { 0 };
    struct layers *layers = layers_of(NULL);
    const uint32_t half = LAYERS_MAX / 2;
    hello_of(&hello, 0, half);
    add(layers, 1, 0, hello.p);
    hello_of(&hello, half, half);
    add(layers, 1, 1, hello.p);
    add(layers, 1, 2, hello.p); /* the same once more takes no room */
    assert_int_equal(layers_ready(layers), LAYERS_OK);
    assert_int_equal(layers_count(layers), LAYERS_MAX);
    assert_int_equal(layers_number(layers, 1, 1, half), LAYERS_MAX);
    assert_true(layers_holds(layers, 1, 2, LAYERS_MAX));
    assert_false(layers_holds(layers, 1, 0, LAYERS_MAX));
    hello_of(&hello, LAYERS_MAX, 1);
    assert_int_equal(layers_add(layers, 1, 3, hello.p), LAYERS_FULL);
    layers_free(layers);
    buf_done(&hello);
}

static void test_lists_of_groups_have_a_bound_together(void **state)
{
    (void)state;
    struct buf hello = { 0 };
    struct layers *layers = layers_of(NULL);
    enum layers_status status = LAYERS_OK;
    uint32_t n = 0;
    for (; n < 1000 && status == LAYERS_OK; n++) {
        hello_of(&hello, n, 4096); /* each another list */
        status = layers_add(layers, 1, n, hello.p);
    }
    assert_int_equal(status, LAYERS_FULL);
    assert_int_equal(n, LAYERS_GROUPS_MAX / 4096 + 1);
    layers_free(layers);
    buf_done(&hello);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stages_of_a_pipeline_make_one_list),
        cmocka_unit_test(test_the_newest_attempt_of_a_rank_decides),
        cmocka_unit_test(test_what_names_nothing_has_no_part),
        cmocka_unit_test(test_a_text_that_is_no_json_is_damaged),
        cmocka_unit_test(test_a_run_has_so_many_layers_and_no_more),
        cmocka_unit_test(test_lists_of_groups_have_a_bound_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
