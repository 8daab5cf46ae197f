/*
 * Nodes of records, of bodies, and their bytes: by closed forms, against the
 * buckets of the values themselves, and with any damage.
 */
#include "store/pyramid_nodes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/store_rig.h"
#include "pure/derived.h"
#include "wire/crc32c.h"

static const struct trainer alone = { .world = 1 };
static const struct pyramid_member nobody = { 0 };

struct made {
    struct pyramid_nodes nodes;
    struct records records;
    char heap[1 << 20];
    size_t heap_n;
};

static struct made *new_made(enum wire_kind kind)
{
    struct made *made = calloc(1, sizeof *made);
    assert_non_null(made);
    records_init(&made->records, kind, UINT64_MAX);
    return made;
}

static void free_made(struct made *made)
{
    pyramid_nodes_done(&made->nodes);
    made->records.heap = NULL; /* the test's own */
    records_done(&made->records);
    free(made);
}

static size_t add(struct made *made, uint64_t step, uint64_t fields)
{
    struct err e = { 0 };
    struct records *r = &made->records;
    assert_int_equal(records_reserve(r, 1, fields | 1, &e), ERR_NONE);
    r->heap = made->heap;
    r->present[r->n] = fields | 1;
    r->seq[r->n] = r->n + 1;
    r->columns[0][r->n] = step;
    r->mask |= fields | 1;
    return r->n++;
}

static void set(struct made *made, size_t i, unsigned field, double value)
{
    memcpy(&made->records.columns[field][i], &value, sizeof value);
}

static void add_loss(struct made *made, uint64_t step, double loss)
{
    set(made, add(made, step, ROW_BIT(STEP_loss)), STEP_loss, loss);
}

static void add_named(
    struct made *made, uint64_t step, struct str name, double value)
{
    size_t i = add(made, step, ROW_BIT(METRIC_name) | ROW_BIT(METRIC_value));
    assert_true(made->heap_n + name.n <= sizeof made->heap);
    memcpy(made->heap + made->heap_n, name.p, name.n);
    made->records.columns[METRIC_name][i] = made->heap_n << 32 | name.n;
    made->heap_n += name.n;
    set(made, i, METRIC_value, value);
}

static void add_group(
    struct made *made, uint64_t step, uint64_t group, double grad_sq)
{
    size_t i = add(made, step, ROW_BIT(GROUP_group) | ROW_BIT(GROUP_grad_sq));
    made->records.columns[GROUP_group][i] = group;
    set(made, i, GROUP_grad_sq, grad_sq);
}

static struct str body_of(struct made *made)
{
    struct err e = { 0 };
    struct str body = { 0 };
    assert_int_equal(pyramid_nodes_of_records(
                         &made->nodes, &made->records, &alone, &body, &e),
        ERR_NONE);
    return body;
}

/* A copy, of exactly its bytes, so that a step beyond it is seen. */
static struct str copy_of(struct str body)
{
    char *p = malloc(body.n + (body.n == 0));
    assert_non_null(p);
    memcpy(p, body.p, body.n);
    return (struct str){ p, body.n };
}

static void free_copy(struct str copy)
{
    free((void *)(uintptr_t)copy.p);
}

static enum pyramid_found find(struct str body, enum wire_kind kind,
    const char *metric, struct pyramid_member member,
    struct bucket v[static PYRAMID_NODES_MAX], size_t *ret_n)
{
    struct pyramid_view view;
    (void)pyramid_view_open(body, kind, &view);
    return pyramid_view_find(&view, str_of(metric), &member, v, ret_n);
}

/* ---- closed forms ---------------------------------------------------------
 */

static void test_a_chunk_of_2048_steps_has_nodes_of_256(void **state)
{
    (void)state;
    struct made *made = new_made(WIRE_STEP);
    struct bucket v[PYRAMID_NODES_MAX];
    size_t n = 0;
    for (uint64_t step = 100; step < 2148; step++) {
        add_loss(made, step, -(double)step);
    }
    assert_int_equal(
        find(body_of(made), WIRE_STEP, "loss", nobody, v, &n), PYRAMID_NODES);
    assert_int_equal(n, 9);
    for (size_t i = 0; i < n; i++) {
        uint64_t first = i == 0 ? 100 : 256 * i;
        uint64_t last = i == 8 ? 2147 : 256 * i + 255;
        assert_int_equal(v[i].step_first, first);
        assert_int_equal(v[i].step_last, last);
        assert_int_equal(v[i].count, last - first + 1);
        assert_int_equal(v[i].nonfinite, 0);
        assert_true(v[i].min == -(double)last && v[i].argmin == last);
        assert_true(v[i].max == -(double)first && v[i].argmax == first);
        assert_true(v[i].last == -(double)last);
    }
    free_made(made);
}

static void test_sixteen_rows_make_one_with_nodes_16_times_as_wide(void **state)
{
    (void)state;
    struct made *made = new_made(WIRE_STEP);
    struct err e = { 0 };
    struct str bodies[PYRAMID_FAN];
    struct str merged = { 0 };
    struct bucket v[PYRAMID_NODES_MAX];
    size_t n = 0;
    for (size_t row = 0; row < PYRAMID_FAN; row++) {
        records_clear(&made->records);
        for (uint64_t i = 0; i < 2048; i++) {
            add_loss(made, row * 2048 + i, (double)i);
        }
        bodies[row] = copy_of(body_of(made));
    }
    assert_int_equal(pyramid_nodes_of_bodies(&made->nodes, WIRE_STEP, bodies,
                         PYRAMID_FAN, &merged, &e),
        ERR_NONE);
    assert_int_equal(
        find(merged, WIRE_STEP, "loss", nobody, v, &n), PYRAMID_NODES);
    assert_int_equal(n, 8);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(v[i].step_first, 4096 * i);
        assert_int_equal(v[i].step_last, 4096 * i + 4095);
        assert_int_equal(v[i].count, 4096);
        assert_true(v[i].max == 2047 && v[i].argmax == 4096 * i + 2047);
        assert_true(v[i].min == 0 && v[i].argmin == 4096 * i);
    }
    for (size_t row = 0; row < PYRAMID_FAN; row++) {
        free_copy(bodies[row]);
    }
    free_made(made);
}

static void test_steps_on_both_sides_of_a_power_of_two_keep_their_width(
    void **state)
{
    (void)state;
    struct made *made = new_made(WIRE_STEP);
    struct bucket v[PYRAMID_NODES_MAX];
    size_t n = 0;
    for (uint64_t step = 65500; step < 65600; step++) {
        add_loss(made, step, 1);
    }
    assert_int_equal(
        find(body_of(made), WIRE_STEP, "loss", nobody, v, &n), PYRAMID_NODES);
    assert_int_equal(n, 2);
    assert_int_equal(v[0].step_last, 65535);
    assert_int_equal(v[1].step_first, 65536);
    free_made(made);
}

static void test_values_that_are_not_finite_and_both_ends_of_the_steps(
    void **state)
{
    (void)state;
    struct made *made = new_made(WIRE_STEP);
    struct bucket v[PYRAMID_NODES_MAX];
    size_t n = 0;
    add_loss(made, UINT64_MAX, (double)NAN);
    add_loss(made, 0, -(double)INFINITY);
    add_loss(made, 0, 5);
    add_loss(made, 0, 7);
    add_loss(made, UINT64_MAX, (double)INFINITY);
    assert_int_equal(
        find(body_of(made), WIRE_STEP, "loss", nobody, v, &n), PYRAMID_NODES);
    assert_int_equal(n, 2);
    assert_int_equal(v[0].count, 3);
    assert_int_equal(v[0].nonfinite, 1);
    assert_true(v[0].min == 5 && v[0].max == 7 && v[0].last == 7);
    assert_int_equal(v[1].step_first, UINT64_MAX);
    assert_int_equal(v[1].count, 2);
    assert_int_equal(v[1].nonfinite, 2);
    assert_true(isnan(v[1].min) && isnan(v[1].max) && isinf(v[1].last));
    free_made(made);
}

static void test_what_no_record_has_is_not_there_and_a_root_is_its_field(
    void **state)
{
    (void)state;
    struct made *made = new_made(WIRE_STEP);
    struct bucket v[PYRAMID_NODES_MAX];
    size_t n = 0;
    size_t i = add(made, 3, ROW_BIT(STEP_param_sq));
    set(made, i, STEP_param_sq, 9);
    struct str body = body_of(made);
    struct metric metric;
    assert_true(metric_find(STR("param_norm"), &metric));
    assert_true(str_equal(metric.kept, STR("param_sq")));
    assert_int_equal(
        find(body, WIRE_STEP, "param_sq", nobody, v, &n), PYRAMID_NODES);
    assert_true(n == 1 && v[0].min == 9 && v[0].argmax == 3);
    assert_int_equal(
        find(body, WIRE_STEP, "loss", nobody, v, &n), PYRAMID_NONE);
    assert_int_equal(
        find(body, WIRE_STEP, "update_ratio", nobody, v, &n), PYRAMID_NONE);
    free_made(made);
}

static struct bucket sum_up(const struct bucket *v, size_t n)
{
    struct bucket all = v[0];
    for (size_t i = 1; i < n; i++) {
        all.min = fmin(all.min, v[i].min);
        all.count += v[i].count;
    }
    return all;
}

static void test_records_without_the_value_are_left_out(void **state)
{
    (void)state;
    struct made *made = new_made(WIRE_STEP);
    struct bucket v[PYRAMID_NODES_MAX];
    size_t n = 0;
    for (uint64_t step = 0; step < 100; step++) {
        add_loss(made, 2 * step, 5);
        (void)add(made, 2 * step + 1, ROW_BIT(STEP_lr));
    }
    assert_int_equal(
        find(body_of(made), WIRE_STEP, "loss", nobody, v, &n), PYRAMID_NODES);
    assert_int_equal(sum_up(v, n).count, 100);
    assert_true(sum_up(v, n).min == 5);
    free_made(made);
}

static void test_records_of_no_layer_are_not_of_the_only_one(void **state)
{
    (void)state;
    struct made *made = new_made(WIRE_GROUP);
    struct bucket v[PYRAMID_NODES_MAX];
    size_t n = 0;
    for (uint64_t step = 0; step < 100; step++) {
        add_group(made, step, 3, 5);
        add_group(made, step, 0, 1);
    }
    const struct pyramid_member third = { .number = 3 };
    assert_int_equal(find(body_of(made), WIRE_GROUP, "grad_sq", third, v, &n),
        PYRAMID_NODES);
    assert_int_equal(sum_up(v, n).count, 100);
    assert_true(sum_up(v, n).min == 5);
    free_made(made);
}

static void test_names_and_layers_have_their_own_nodes(void **state)
{
    (void)state;
    struct made *named = new_made(WIRE_METRIC);
    struct made *layers = new_made(WIRE_GROUP);
    struct bucket v[PYRAMID_NODES_MAX];
    size_t n = 0;
    for (uint64_t step = 0; step < 300; step++) {
        add_named(named, step, STR("b"), (double)step);
        add_named(named, step, STR("a"), -(double)step);
        add_group(layers, step, 7, (double)step * 2);
        add_group(layers, step, 3, (double)step * 3);
    }
    struct str body = body_of(named);
    assert_int_equal(find(body, WIRE_METRIC, "value",
                         (struct pyramid_member){ .name = STR("a") }, v, &n),
        PYRAMID_NODES);
    assert_true(n == 2 && v[0].count + v[1].count == 300 && v[1].min == -299);
    assert_int_equal(find(body, WIRE_METRIC, "value",
                         (struct pyramid_member){ .name = STR("ab") }, v, &n),
        PYRAMID_NONE);
    body = body_of(layers);
    assert_int_equal(find(body, WIRE_GROUP, "grad_sq",
                         (struct pyramid_member){ .number = 7 }, v, &n),
        PYRAMID_NODES);
    assert_true(v[n - 1].max == 598);
    assert_int_equal(find(body, WIRE_GROUP, "grad_sq",
                         (struct pyramid_member){ .number = 4 }, v, &n),
        PYRAMID_NONE);
    free_made(named);
    free_made(layers);
}

/* ---- limits ---------------------------------------------------------------
 */

static void test_members_beyond_the_limit_are_not_known(void **state)
{
    (void)state;
    struct made *made = new_made(WIRE_GROUP);
    struct bucket v[PYRAMID_NODES_MAX];
    size_t n = 0;
    for (uint64_t group = 1; group <= PYRAMID_MEMBERS_MAX; group++) {
        add_group(made, 5, group, 1);
    }
    assert_int_equal(find(body_of(made), WIRE_GROUP, "grad_sq",
                         (struct pyramid_member){ .number = 9999 }, v, &n),
        PYRAMID_NONE);
    add_group(made, 5, 9999, 1);
    assert_int_equal(find(body_of(made), WIRE_GROUP, "grad_sq",
                         (struct pyramid_member){ .number = 9999 }, v, &n),
        PYRAMID_UNKNOWN);
    assert_int_equal(find(body_of(made), WIRE_GROUP, "grad_sq",
                         (struct pyramid_member){ .number = 4096 }, v, &n),
        PYRAMID_NODES);
    free_made(made);
}

static void test_names_beyond_their_bytes_are_not_known(void **state)
{
    (void)state;
    struct made *made = new_made(WIRE_METRIC);
    struct bucket v[PYRAMID_NODES_MAX];
    size_t n = 0;
    char name[200];
    memset(name, 'x', sizeof name);
    for (unsigned i = 0; i <= PYRAMID_NAMES_MAX / sizeof name; i++) {
        (void)snprintf(name, 10, "%09u", i);
        name[9] = 'x';
        add_named(made, 1, (struct str){ name, sizeof name }, 1);
    }
    struct str body = body_of(made);
    struct pyramid_member last = { .name = { name, sizeof name } };
    assert_int_equal(
        find(body, WIRE_METRIC, "value", last, v, &n), PYRAMID_UNKNOWN);
    (void)snprintf(name, 10, "%09u", 0);
    name[9] = 'x';
    assert_int_equal(
        find(body, WIRE_METRIC, "value", last, v, &n), PYRAMID_NODES);
    free_made(made);
}

static void test_of_a_partial_row_the_row_above_keeps_what_all_know(
    void **state)
{
    (void)state;
    struct made *made = new_made(WIRE_GROUP);
    struct err e = { 0 };
    struct bucket v[PYRAMID_NODES_MAX];
    size_t n = 0;
    struct str bodies[PYRAMID_FAN] = { 0 };
    struct str merged = { 0 };
    for (uint64_t group = 2; group <= PYRAMID_MEMBERS_MAX + 1; group++) {
        add_group(made, 5, group, 1);
    }
    add_group(made, 5, 1, 1);
    bodies[0] = copy_of(body_of(made)); /* without 1 */
    records_clear(&made->records);
    add_group(made, 6, 1, 2);
    add_group(made, 6, 17, 2);
    bodies[1] = copy_of(body_of(made));
    assert_int_equal(pyramid_nodes_of_bodies(
                         &made->nodes, WIRE_GROUP, bodies, 2, &merged, &e),
        ERR_NONE);
    assert_int_equal(find(merged, WIRE_GROUP, "grad_sq",
                         (struct pyramid_member){ .number = 1 }, v, &n),
        PYRAMID_UNKNOWN);
    assert_int_equal(find(merged, WIRE_GROUP, "grad_sq",
                         (struct pyramid_member){ .number = 17 }, v, &n),
        PYRAMID_NODES);
    assert_true(v[n - 1].max == 2 && v[n - 1].step_last == 6);
    free_copy(bodies[0]);
    free_copy(bodies[1]);
    free_made(made);
}

static void test_few_values_do_not_pay_and_many_do(void **state)
{
    (void)state;
    struct made *made = new_made(WIRE_STEP);
    for (uint64_t step = 0; step < 31; step++) {
        add_loss(made, step, 1);
    }
    (void)body_of(made);
    assert_false(pyramid_nodes_pay(&made->nodes));
    for (uint64_t step = 31; step < 64; step++) {
        add_loss(made, step, 1);
    }
    (void)body_of(made);
    assert_true(pyramid_nodes_pay(&made->nodes));
    free_made(made);
}

/* ---- against the values ----------------------------------------------------
 */

/* Steps that go on, repeat, jump and go back; values of all sorts. */
static uint64_t next_step(uint64_t *seed, uint64_t step)
{
    uint64_t random = rig_random(seed);
    switch (random % 16) {
    case 0:
        return step;
    case 1:
        return step + random / 16 % 1000;
    case 2:
        return step - (step < 100 ? step : random / 16 % 100);
    case 3:
        return random % 512 == 3 ? step + (random >> 30) : step + 1;
    default:
        return step + 1;
    }
}

static double any_value(uint64_t *seed)
{
    uint64_t random = rig_random(seed);
    switch (random % 8) {
    case 0:
        return (double)(random % 16 < 8 ? NAN : INFINITY);
    case 1:
        return random % 16 < 8 ? -0.0 : 0.0;
    case 2:
        return (double)(random >> 60);
    default:
        return (double)(int64_t)random * 0x1p-40;
    }
}

static void assert_same_bucket(const struct bucket *a, const struct bucket *b)
{
    assert_int_equal(a->step_first, b->step_first);
    assert_int_equal(a->step_last, b->step_last);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->nonfinite, b->nonfinite);
    assert_int_equal(a->argmin, b->argmin);
    assert_int_equal(a->argmax, b->argmax);
    assert_memory_equal(&a->min, &b->min, 8);
    assert_memory_equal(&a->max, &b->max, 8);
    assert_memory_equal(&a->last, &b->last, 8);
}

static void assert_same_buckets(
    const struct buckets *a, const struct buckets *b)
{
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->rows, b->rows);
    for (size_t i = 0; i < a->n; i++) {
        assert_int_equal(a->v[i].key, b->v[i].key);
        assert_same_bucket(&a->v[i], &b->v[i]);
    }
}

/* The nodes of a body, merged, are the buckets of the values. */
static void assert_holds(struct str body, const struct buckets *of_values)
{
    struct bucket v[PYRAMID_NODES_MAX];
    struct buckets merged;
    size_t n = 0;
    assert_int_equal(
        find(body, WIRE_STEP, "loss", nobody, v, &n), PYRAMID_NODES);
    buckets_init(&merged, of_values->max);
    for (size_t i = 0; i < n; i++) {
        assert_true(buckets_add_merged(&merged, &v[i]));
    }
    struct buckets same = *of_values;
    same.v = calloc(of_values->n, sizeof *same.v);
    assert_non_null(same.v);
    memcpy(same.v, of_values->v, of_values->n * sizeof *same.v);
    buckets_coarsen(&same, merged.shift);
    buckets_coarsen(&merged, same.shift);
    assert_same_buckets(&merged, &same);
    free(same.v);
    buckets_done(&merged);
}

static void test_nodes_of_nodes_are_the_buckets_of_all_values(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int round = 0; round < 60; round++) {
        struct made *made = new_made(WIRE_STEP);
        struct err e = { 0 };
        struct str bodies[PYRAMID_FAN] = { 0 };
        struct str merged = { 0 };
        struct buckets all;
        uint64_t step = rig_random(&seed) % 3 == 0 ? 0 : rig_random(&seed) >> 8;
        size_t n = 1 + rig_random(&seed) % PYRAMID_FAN;
        buckets_init(&all, 5000);
        for (size_t row = 0; row < n; row++) {
            struct buckets one;
            buckets_init(&one, 5000);
            records_clear(&made->records);
            for (size_t i = rig_random(&seed) % 900 + 1; i > 0; i--) {
                double value = any_value(&seed);
                step = next_step(&seed, step);
                add_loss(made, step, value);
                assert_true(buckets_add(&one, step, value));
                assert_true(buckets_add(&all, step, value));
            }
            bodies[row] = copy_of(body_of(made));
            assert_holds(bodies[row], &one);
            buckets_done(&one);
        }
        assert_int_equal(pyramid_nodes_of_bodies(
                             &made->nodes, WIRE_STEP, bodies, n, &merged, &e),
            ERR_NONE);
        assert_holds(merged, &all);
        for (size_t row = 0; row < n; row++) {
            free_copy(bodies[row]);
        }
        buckets_done(&all);
        free_made(made);
    }
}

/* Every name and layer has what its own values have, whoever is between. */
static void test_members_merge_apart_from_each_other(void **state)
{
    (void)state;
    enum { NAMES = 40 };
    uint64_t seed = 9;
    struct made *made = new_made(WIRE_METRIC);
    struct err e = { 0 };
    struct str bodies[PYRAMID_FAN];
    struct str merged = { 0 };
    struct buckets all[NAMES];
    for (size_t k = 0; k < NAMES; k++) {
        buckets_init(&all[k], 5000);
    }
    for (size_t row = 0; row < PYRAMID_FAN; row++) {
        records_clear(&made->records);
        made->heap_n = 0;
        for (uint64_t i = 0; i < 500; i++) {
            char name[8];
            size_t k = rig_random(&seed) % NAMES;
            double value = any_value(&seed);
            (void)snprintf(name, sizeof name, "m%zu", k);
            add_named(made, row * 500 + i, str_of(name), value);
            assert_true(buckets_add(&all[k], row * 500 + i, value));
        }
        bodies[row] = copy_of(body_of(made));
    }
    assert_int_equal(pyramid_nodes_of_bodies(&made->nodes, WIRE_METRIC, bodies,
                         PYRAMID_FAN, &merged, &e),
        ERR_NONE);
    for (size_t k = 0; k < NAMES; k++) {
        char name[8];
        struct bucket v[PYRAMID_NODES_MAX];
        struct buckets found;
        size_t n = 0;
        (void)snprintf(name, sizeof name, "m%zu", k);
        struct pyramid_member member = { .name = str_of(name) };
        assert_int_equal(
            find(merged, WIRE_METRIC, "value", member, v, &n), PYRAMID_NODES);
        buckets_init(&found, 5000);
        for (size_t i = 0; i < n; i++) {
            assert_true(buckets_add_merged(&found, &v[i]));
        }
        buckets_coarsen(&all[k], found.shift);
        assert_same_buckets(&found, &all[k]);
        buckets_done(&found);
        buckets_done(&all[k]);
    }
    for (size_t row = 0; row < PYRAMID_FAN; row++) {
        free_copy(bodies[row]);
    }
    free_made(made);
}

/* ---- bytes -----------------------------------------------------------------
 */

static void test_the_bytes_of_a_body_are_these(void **state)
{
    (void)state;
    static const uint8_t expected[] = { 0x50, 0x59, 0x52, 0x31, 0x78, 0x72,
        0x4f, 0x39,             /* magic, checksum */
        0x01, 0x00, 0x03, 0x01, /* version, METRIC, one section */
        0x01, 0x00, 0x00, 0x00, 0x4b, 0x00, 0x00, 0x00, /* series */
        0x00, 0x01, 0x01, 0x00, /* complete, a metric, a shape */
        0x02, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, /* two members */
        0x03, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, /* of three nodes */
        0x00, 0x05, 0x00, 0x00, 0x12, 0x00, 0x00, 0x00, /* the metric */
        'v', 'a', 'l', 'u', 'e', 0x11, 0x01, 'a', 'b',  /* names */
        0x01, 0x01, 0x02, /* one node of a, two of b */
        0x0a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* from step 10 on */
        0x02, 0x22, 0x01, 0x00, 0x00, 0x00, 0x00,       /* gaps 290, 0, 0 */
        0x00, 0x00,       /* each of one step, and none missing */
        0x00, 0x00, 0x00, /* all finite, extremes at the first step */
        0x01, 0x00, 0x00, 0x40, 0x40, 0x00, 0x00, 0x00, 0x3f, 0x00, 0x00, 0x80,
        0x3e,         /* min: 3, 0.5, 0.25 as floats */
        0x03, 0x03 }; /* max and last as min */
    struct made *made = new_made(WIRE_METRIC);
    add_named(made, 10, STR("b"), 0.5);
    add_named(made, 11, STR("b"), 0.25);
    add_named(made, 300, STR("a"), 3);
    struct str body = body_of(made);
    assert_int_equal(body.n, sizeof expected);
    assert_memory_equal(body.p, expected, sizeof expected);
    free_made(made);
}

/* Records of all numbers that the kind has. */
static uint32_t crc_of_all_fields(
    enum wire_kind kind, unsigned fields, uint64_t numbers, unsigned zero)
{
    struct made *made = new_made(kind);
    struct trainer trainer = { .world = 2, .optimizer = OPTIMIZER_NESTEROV };
    struct err e = { 0 };
    struct str body = { 0 };
    for (uint64_t step = 1; step <= 3; step++) {
        size_t i = add(made, step, (UINT64_C(1) << fields) - 1);
        for (unsigned f = 1; f < fields; f++) {
            set(made, i, f, 1 / (double)(step + f));
        }
        made->records.columns[zero][i] = 0;
        made->records.present[i] = numbers;
    }
    assert_int_equal(pyramid_nodes_of_records(
                         &made->nodes, &made->records, &trainer, &body, &e),
        ERR_NONE);
    uint32_t crc = crc32c(body.p + PYRAMID_CRC_FROM, body.n - PYRAMID_CRC_FROM);
    free_made(made);
    return crc;
}

/* What derived.c makes of a record lies in files. If this fails for a formula
 * is another: PYRAMID_VERSION + 1, and the checksums that it says. */
static void test_what_is_kept_of_a_record_is_of_this_version(void **state)
{
    (void)state;
    assert_int_equal(PYRAMID_VERSION, 1);
    assert_int_equal(crc_of_all_fields(WIRE_STEP, STEP_FIELDS,
                         (UINT64_C(1) << STEP_FIELDS) - 1, STEP_stage),
        0xbc3adad6);
    assert_int_equal(
        crc_of_all_fields(WIRE_PROBE, PROBE_FIELDS,
            ((UINT64_C(1) << PROBE_FIELDS) - 1) & ~ROW_BIT(PROBE_gammas),
            PROBE_group),
        0x9eb02173);
}

static void mend(struct str body)
{
    uint8_t *p = (uint8_t *)(uintptr_t)body.p;
    uint32_t crc = crc32c(p + PYRAMID_CRC_FROM, body.n - PYRAMID_CRC_FROM);
    memcpy(p + offsetof(struct pyramid_head, crc32c), &crc, sizeof crc);
}

static void assert_unknown(struct str body)
{
    struct bucket v[PYRAMID_NODES_MAX];
    size_t n = 0;
    struct pyramid_view view;
    assert_false(pyramid_view_open(body, WIRE_METRIC, &view));
    assert_int_equal(pyramid_view_find(&view, STR("value"),
                         &(struct pyramid_member){ .name = STR("a") }, v, &n),
        PYRAMID_UNKNOWN);
}

static void test_a_damaged_body_is_an_empty_one(void **state)
{
    (void)state;
    struct made *made = new_made(WIRE_METRIC);
    add_named(made, 10, STR("a"), 0.5);
    struct str body = body_of(made);
    for (size_t n = 0; n < body.n; n++) {
        struct str cut = copy_of((struct str){ body.p, n });
        assert_unknown(cut);
        free_copy(cut);
    }
    for (size_t bit = 0; bit < body.n * 8; bit++) {
        struct str copy = copy_of(body);
        uint8_t *p = (uint8_t *)(uintptr_t)copy.p;
        p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_unknown(copy);
        free_copy(copy);
    }
    free_made(made);
}

static void test_another_version_or_kind_is_an_empty_body(void **state)
{
    (void)state;
    struct made *made = new_made(WIRE_METRIC);
    struct pyramid_view view;
    add_named(made, 10, STR("a"), 0.5);
    struct str copy = copy_of(body_of(made));
    assert_true(pyramid_view_open(copy, WIRE_METRIC, &view));
    assert_false(pyramid_view_open(copy, WIRE_STEP, &view));
    uint8_t *p = (uint8_t *)(uintptr_t)copy.p;
    p[offsetof(struct pyramid_head, version)]++;
    mend(copy);
    assert_unknown(copy);
    free_copy(copy);
    free_made(made);
}

static void test_a_section_that_is_not_known_is_passed_over(void **state)
{
    (void)state;
    static const struct pyramid_section other = { .type = 9, .length = 3 };
    struct made *made = new_made(WIRE_METRIC);
    struct bucket v[PYRAMID_NODES_MAX];
    size_t n = 0;
    add_named(made, 10, STR("a"), 0.5);
    struct str body = body_of(made);
    size_t head = sizeof(struct pyramid_head);
    size_t series = head + sizeof other;
    char longer[400];
    assert_true(body.n + sizeof other + 3 <= sizeof longer);
    memcpy(longer, body.p, head);
    longer[offsetof(struct pyramid_head, sections)] = 2;
    memcpy(longer + head, &other, sizeof other);
    memcpy(longer + series, body.p + head, sizeof other);
    memcpy(longer + series + sizeof other, "xyz", 3);
    memcpy(
        longer + series + sizeof other + 3, body.p + series, body.n - series);
    struct str copy =
        copy_of((struct str){ longer, body.n + sizeof other + 3 });
    mend(copy);
    assert_int_equal(find(copy, WIRE_METRIC, "value",
                         (struct pyramid_member){ .name = STR("a") }, v, &n),
        PYRAMID_NODES);
    assert_true(n == 1 && v[0].last == 0.5);
    free_copy(copy);
    free_made(made);
}

/* With its checksum put right any damage is harmless: what is read at all is
 * whole nodes, in order. */
static void test_any_bytes_give_whole_nodes_or_none(void **state)
{
    (void)state;
    struct made *made = new_made(WIRE_METRIC);
    uint64_t seed = 3;
    for (uint64_t i = 0; i < 600; i++) {
        add_named(
            made, i * 3, i % 3 == 0 ? STR("a") : STR("bc"), any_value(&seed));
    }
    struct str body = body_of(made);
    for (int round = 0; round < 20000; round++) {
        struct str copy = copy_of(body);
        struct bucket v[PYRAMID_NODES_MAX];
        size_t n = 0;
        uint8_t *p = (uint8_t *)(uintptr_t)copy.p;
        for (uint64_t k = rig_random(&seed) % 4 + 1; k > 0; k--) {
            p[rig_random(&seed) % copy.n] = (uint8_t)rig_random(&seed);
        }
        mend(copy);
        enum pyramid_found found = find(copy, WIRE_METRIC, "value",
            (struct pyramid_member){ .name = STR("bc") }, v, &n);
        n = found == PYRAMID_NODES ? n : 0;
        assert_true(n <= PYRAMID_NODES_MAX);
        for (size_t i = 0; i < n; i++) {
            assert_true(v[i].step_first <= v[i].step_last);
            assert_true(i == 0 || v[i - 1].step_last < v[i].step_first);
            assert_true(v[i].nonfinite <= v[i].count && v[i].count > 0);
        }
        free_copy(copy);
    }
    free_made(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chunk_of_2048_steps_has_nodes_of_256),
        cmocka_unit_test(
            test_sixteen_rows_make_one_with_nodes_16_times_as_wide),
        cmocka_unit_test(
            test_steps_on_both_sides_of_a_power_of_two_keep_their_width),
        cmocka_unit_test(
            test_values_that_are_not_finite_and_both_ends_of_the_steps),
        cmocka_unit_test(
            test_what_no_record_has_is_not_there_and_a_root_is_its_field),
        cmocka_unit_test(test_records_without_the_value_are_left_out),
        cmocka_unit_test(test_records_of_no_layer_are_not_of_the_only_one),
        cmocka_unit_test(test_names_and_layers_have_their_own_nodes),
        cmocka_unit_test(test_members_beyond_the_limit_are_not_known),
        cmocka_unit_test(test_names_beyond_their_bytes_are_not_known),
        cmocka_unit_test(
            test_of_a_partial_row_the_row_above_keeps_what_all_know),
        cmocka_unit_test(test_few_values_do_not_pay_and_many_do),
        cmocka_unit_test(test_nodes_of_nodes_are_the_buckets_of_all_values),
        cmocka_unit_test(test_members_merge_apart_from_each_other),
        cmocka_unit_test(test_the_bytes_of_a_body_are_these),
        cmocka_unit_test(test_what_is_kept_of_a_record_is_of_this_version),
        cmocka_unit_test(test_a_damaged_body_is_an_empty_one),
        cmocka_unit_test(test_another_version_or_kind_is_an_empty_body),
        cmocka_unit_test(test_a_section_that_is_not_known_is_passed_over),
        cmocka_unit_test(test_any_bytes_give_whole_nodes_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
