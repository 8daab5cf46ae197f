/*
 * Series through the pyramid are those of the values one by one, bit for bit:
 * random runs of every kind of record, read in every way, against a scan of
 * their records; closed forms; and what is left where retention has been.
 */
#include "store/pyramid_read.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/store_rig.h"
#include "wire/fields.h"

#define CHUNK 64u

/* ---- asking both ways ------------------------------------------------------
 */

#define METRICS_MAX 6

struct answer {
    struct pyramid_wanted wanted[METRICS_MAX];
    size_t n;
};

static void init_answer(
    struct answer *a, const char *const *names, size_t n, size_t max_buckets)
{
    *a = (struct answer){ .n = n };
    for (size_t m = 0; m < n; m++) {
        assert_true(metric_find(str_of(names[m]), &a->wanted[m].metric));
        buckets_init(&a->wanted[m].buckets, max_buckets);
    }
}

static void answer_done(struct answer *a)
{
    for (size_t m = 0; m < a->n; m++) {
        buckets_done(&a->wanted[m].buckets);
    }
}

/* What the HELLO of an attempt says: see say_hello. */
static struct trainer trainer_of(uint32_t attempt)
{
    return (struct trainer){ .world = attempt + 1,
        .optimizer = attempt == 2 ? OPTIMIZER_NESTEROV : OPTIMIZER_SGD };
}

static uint64_t layer_of(uint32_t attempt, struct str name)
{
    bool is_x = str_equal(name, STR("x"));
    bool is_y = str_equal(name, STR("y:1"));
    uint64_t x = attempt == 2 ? 2 : 1;
    return is_x ? x : is_y ? 3 - x : 0;
}

static struct stream_state say_hello(
    struct rig *rig, uint32_t uid, uint32_t attempt, uint32_t rank)
{
    char json[300];
    (void)snprintf(json, sizeof json,
        "{\"run_id\":\"r\",\"attempt\":%u,\"rank\":%u,\"world\":%u,"
        "\"optimizer\":\"%s\",\"groups\":[{\"name\":\"%s\",\"size\":1},"
        "{\"name\":\"%s\",\"size\":1}]}",
        attempt, rank, attempt + 1, attempt == 2 ? "nesterov" : "sgd",
        attempt == 2 ? "y:1" : "x", attempt == 2 ? "x" : "y:1");
    return rig_hello(rig, uid, json);
}

/* A record at a time, as it is written in the text of buckets.h. */
static void add_batch(struct pyramid_wanted *w, const struct scan_batch *batch)
{
    const struct trainer trainer = trainer_of(batch->attempt);
    w->metric.group = layer_of(batch->attempt, w->metric.match);
    bool has_layer = w->metric.kind != WIRE_GROUP || w->metric.group != 0;
    for (size_t i = 0; has_layer && i < batch->n; i++) {
        const uint64_t *one[WIRE_FIELDS_MAX];
        bool has = false;
        double value = 0;
        for (size_t f = 0; f < WIRE_FIELDS_MAX; f++) {
            one[f] = batch->columns[f] == NULL ? NULL : batch->columns[f] + i;
        }
        metric_values(&w->metric, &trainer, one, &batch->present[i],
            batch->texts == NULL ? NULL : batch->texts + i, 1, &has, &value);
        assert_true(
            !has || buckets_add(&w->buckets, batch->columns[0][i], value));
    }
}

static void read_scan(
    struct reader *reader, const struct scan_query *query, struct answer *a)
{
    unsigned shift = 0;
    for (size_t m = 0; m < a->n; m++) {
        struct err e = { 0 };
        struct scan *scan = NULL;
        struct scan_batch batch = { .n = 1 };
        struct scan_query of_kind = *query;
        of_kind.kind = a->wanted[m].metric.kind;
        of_kind.fields = UINT64_MAX;
        assert_int_equal(scan_open(reader, &of_kind, &scan, &e), ERR_NONE);
        while (batch.n > 0) {
            assert_int_equal(scan_next(scan, &batch, &e), ERR_NONE);
            add_batch(&a->wanted[m], &batch);
        }
        scan_close(scan);
        unsigned of_this = a->wanted[m].buckets.shift;
        shift = of_this > shift ? of_this : shift;
    }
    for (size_t m = 0; m < a->n; m++) {
        buckets_coarsen(&a->wanted[m].buckets, shift);
    }
}

static void read_pyramid(
    struct reader *reader, const struct scan_query *query, struct answer *a)
{
    struct err e = { 0 };
    assert_int_equal(
        pyramid_read(reader, query, a->wanted, a->n, &e), ERR_NONE);
}

static void assert_same_buckets(
    const struct buckets *a, const struct buckets *b)
{
    assert_int_equal(a->shift, b->shift);
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->rows, b->rows);
    for (size_t i = 0; i < a->n; i++) {
        const struct bucket *x = &a->v[i];
        const struct bucket *y = &b->v[i];
        assert_int_equal(x->key, y->key);
        assert_int_equal(x->step_first, y->step_first);
        assert_int_equal(x->step_last, y->step_last);
        assert_memory_equal(&x->min, &y->min, 8);
        assert_memory_equal(&x->max, &y->max, 8);
        assert_int_equal(x->argmin, y->argmin);
        assert_int_equal(x->argmax, y->argmax);
        assert_memory_equal(&x->last, &y->last, 8);
        assert_int_equal(x->count, y->count);
        assert_int_equal(x->nonfinite, y->nonfinite);
    }
}

static void assert_same(struct reader *reader, const struct scan_query *query,
    const char *const *names, size_t n, size_t max_buckets)
{
    struct answer by_scan;
    struct answer by_pyramid;
    init_answer(&by_scan, names, n, max_buckets);
    init_answer(&by_pyramid, names, n, max_buckets);
    read_scan(reader, query, &by_scan);
    read_pyramid(reader, query, &by_pyramid);
    for (size_t m = 0; m < n; m++) {
        assert_same_buckets(
            &by_scan.wanted[m].buckets, &by_pyramid.wanted[m].buckets);
        assert_int_equal(by_pyramid.wanted[m].thinned, 0);
    }
    answer_done(&by_scan);
    answer_done(&by_pyramid);
}

static struct reader *open_reader(const struct rig *rig)
{
    struct reader *reader = NULL;
    struct err e = { 0 };
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    return reader;
}

/* ---- random runs ------------------------------------------------------------
 */

static uint64_t next_step(uint64_t *seed, uint64_t step)
{
    uint64_t random = rig_random(seed);
    switch (random % 32) {
    case 0:
        return step + random / 32 % 1000;
    case 1:
        return step - (step < 300 ? step : random / 32 % 300);
    case 2:
        return random % 4096 == 2 ? step + (random >> 40) : step;
    case 3:
        return step;
    default:
        return step + 1;
    }
}

static uint64_t any_value(uint64_t *seed)
{
    uint64_t random = rig_random(seed);
    double value = (double)(random >> 30) * 0x1p-20;
    uint64_t bits = 0;
    switch (random % 16) {
    case 0:
        return UINT64_C(0x7ff0000000000000) | random >> 12; /* NaN or Inf */
    case 1:
        return UINT64_C(1) << 63; /* -0 */
    case 2:
        value = (double)(random >> 61);
        break;
    case 3:
        value = random % 256 == 3 ? -value : value;
        break;
    default:
        break;
    }
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static const unsigned kinds[] = { WIRE_STEP, WIRE_STEP, WIRE_STEP, WIRE_STEP,
    WIRE_STEP, WIRE_STEP, WIRE_PROBE, WIRE_METRIC, WIRE_GROUP, WIRE_GROUP };
static const uint64_t usual_fields[] = {
    [WIRE_STEP] = UINT64_C(1) << STEP_step | UINT64_C(1) << STEP_loss |
                  UINT64_C(1) << STEP_lr | UINT64_C(1) << STEP_grad_sq |
                  UINT64_C(1) << STEP_param_sq | UINT64_C(1) << STEP_delta_sq |
                  UINT64_C(1) << STEP_momentum,
    [WIRE_PROBE] = UINT64_C(1) << PROBE_step | UINT64_C(1) << PROBE_smoothness |
                   UINT64_C(1) << PROBE_grad_sq |
                   UINT64_C(1) << PROBE_dgrad_sq |
                   UINT64_C(1) << PROBE_delta_sq,
    [WIRE_METRIC] = UINT64_C(1) << METRIC_step | UINT64_C(1) << METRIC_name |
                    UINT64_C(1) << METRIC_value,
    [WIRE_GROUP] = UINT64_C(1) << GROUP_step | UINT64_C(1) << GROUP_group |
                   UINT64_C(1) << GROUP_grad_sq | UINT64_C(1) << GROUP_grad_nan,
};

/* Now and then a field is not there, among them the step; stages, losses and
 * factors of the loss, tokens seldom are. */
static uint64_t any_fields(uint64_t *seed, unsigned kind)
{
    uint64_t random = rig_random(seed);
    uint64_t fields = usual_fields[kind];
    fields &= random % 8 == 0 ? rig_random(seed) | 2 : UINT64_MAX;
    fields |= kind == WIRE_STEP && random / 8 % 64 == 0
                  ? UINT64_C(1) << STEP_tokens | UINT64_C(1) << STEP_stage |
                        UINT64_C(1) << STEP_wall_ns
                  : 0;
    return fields | (fields == 0);
}

static struct rig_record any_record(uint64_t *seed, uint64_t seq, uint64_t step)
{
    struct rig_record r = { .seq = seq };
    r.kind = kinds[rig_random(seed) % (sizeof kinds / sizeof kinds[0])];
    r.present = any_fields(seed, r.kind);
    for (unsigned f = 1; f < WIRE_FIELDS_MAX; f++) {
        r.values[f] = (r.present >> f & 1) != 0 ? any_value(seed) : 0;
    }
    r.values[0] = (r.present & 1) != 0 ? step : 0;
    bool has_group = (r.present >> GROUP_group & 1) != 0;
    r.values[GROUP_group] = r.kind == WIRE_GROUP && has_group
                                ? 1 + rig_random(seed) % 3
                                : r.values[GROUP_group];
    if (r.kind == WIRE_METRIC && (r.present >> METRIC_name & 1) != 0) {
        r.text_bytes = 1;
        r.text = malloc(1);
        assert_non_null(r.text);
        r.text[0] = (char)('a' + rig_random(seed) % 3);
        r.values[METRIC_name] = 0;
    }
    return r;
}

/* n records, in frames of any size, sealed now and then, some of them soon. */
static void add_stream(struct rig *rig, uint64_t *seed,
    struct stream_state *state, uint32_t uid, uint64_t step, size_t n)
{
    struct rig_records records = { 0 };
    for (size_t i = 0; i < n; i++) {
        step = next_step(seed, step);
        struct rig_record r = any_record(seed, i + 1, step);
        rig_records_add(&records, &r);
    }
    for (size_t i = 0; i < n;) {
        size_t frame = 1 + rig_random(seed) % 80;
        size_t to = i + frame < n ? i + frame : n;
        rig_append(rig, state, uid, &records, i, to);
        (void)rig_seal(rig, state, rig_random(seed) % 40 == 0);
        i = to;
    }
    rig_records_done(&records);
}

/* Attempts that go back, ranks, and a long one for the upper levels. */
static void add_run(struct rig *rig, uint64_t *seed, struct run_id *ret_run)
{
    uint64_t base = rig_random(seed) % 3 == 0 ? UINT64_C(1) << 40 : 0;
    uint32_t uid = 1;
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        for (uint32_t rank = 0; rank < 2; rank++) {
            struct stream_state s = say_hello(rig, uid, attempt, rank);
            size_t n = attempt == 1 && rank == 0
                           ? 40000
                           : 200 + rig_random(seed) % 2000;
            add_stream(rig, seed, &s, uid, base + attempt * 1500, n);
            *ret_run = s.run;
            uid++;
        }
    }
}

static const char *const names[] = { "loss", "grad_norm", "param_norm",
    "delta_norm", "update_ratio", "effective_lr", "edge_of_stability", "lr",
    "tokens", "step", "wall_ns", "smoothness", "probe_grad_norm", "secant",
    "metric:a", "metric:b", "metric:none", "group:grad_norm:x",
    "group:grad_nan:y:1", "group:grad_sq:none" };

static struct scan_query any_query(uint64_t *seed, struct run_id run)
{
    struct scan_query query = { .run = run, .to_step = UINT64_MAX };
    uint64_t random = rig_random(seed);
    query.attempts = (enum scan_attempts)(random % 3);
    query.attempt = 1 + (uint32_t)(random / 3 % 3);
    query.rank = random / 9 % 2 == 0 ? 0 : SCAN_ALL_RANKS;
    if (random / 18 % 3 > 0) {
        uint64_t base = random / 54 % 2 == 0 ? 0 : UINT64_C(1) << 40;
        query.from_step = base + rig_random(seed) % 20000;
        query.to_step = query.from_step +
                        (rig_random(seed) >> (rig_random(seed) % 40 + 20));
    }
    return query;
}

static void ask_any(
    struct reader *reader, uint64_t *seed, struct run_id run, int times)
{
    for (; times > 0; times--) {
        const char *picked[METRICS_MAX];
        size_t n = 1 + rig_random(seed) % METRICS_MAX;
        size_t first = rig_random(seed);
        for (size_t m = 0; m < n; m++) {
            picked[m] =
                names[(first + m * 7) % (sizeof names / sizeof names[0])];
        }
        struct scan_query query = any_query(seed, run);
        size_t most =
            1 + rig_random(seed) % (rig_random(seed) % 2 == 0 ? 30 : 3000);
        assert_same(reader, &query, picked, n, most);
    }
}

static void test_series_are_those_of_the_values(void **state)
{
    (void)state;
    uint64_t seed = 20;
    for (int round = 0; round < 3; round++) {
        struct rig rig;
        struct run_id run = { 0 };
        rig_open(&rig, CHUNK);
        add_run(&rig, &seed, &run);
        assert_true(rig_number(&rig, "SELECT max(level) FROM pyramid") >= 2);
        assert_true(rig_number(&rig, "SELECT count(*) FROM log") > 0);
        struct reader *reader = open_reader(&rig);
        ask_any(reader, &seed, run, 150);
        reader_close(reader);
        rig_close(&rig);
    }
}

/* Chunks of older versions, rows of another, a level that is gone. */
static void test_series_are_the_same_where_nodes_are_missing(void **state)
{
    (void)state;
    static const char *const losses[] = {
        "UPDATE chunk SET summary = zeroblob(288) WHERE id % 3 = 0",
        "UPDATE pyramid SET body = x'' WHERE id % 4 = 0",
        "DELETE FROM pyramid WHERE level = 2",
        "UPDATE chunk SET summary = x''",
        "DELETE FROM pyramid",
    };
    uint64_t seed = 21;
    struct rig rig;
    struct run_id run = { 0 };
    rig_open(&rig, CHUNK);
    add_run(&rig, &seed, &run);
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        rig_sql(&rig, losses[i]);
        struct reader *reader = open_reader(&rig);
        ask_any(reader, &seed, run, 20);
        reader_close(reader);
    }
    rig_close(&rig);
}

/* ---- closed forms -------------------------------------------------------- */

static void test_one_step_of_many_is_seen(void **state)
{
    (void)state;
    enum { STEPS = 40000, SPIKE = 31337 };
    struct rig rig;
    struct rig_records records = { 0 };
    rig_open(&rig, CHUNK);
    struct stream_state s = say_hello(&rig, 1, 1, 0);
    for (uint64_t i = 0; i < STEPS; i++) {
        struct rig_record r = rig_step(i + 1, i, i == SPIKE ? 1e9 : -(double)i);
        rig_records_add(&records, &r);
    }
    for (size_t i = 0; i < STEPS; i += 1000) {
        rig_append(&rig, &s, 1, &records, i, i + 1000);
        (void)rig_seal(&rig, &s, false);
    }
    struct reader *reader = open_reader(&rig);
    static const char *const loss[] = { "loss" };
    struct answer a;
    struct scan_query query = { .run = s.run, .to_step = UINT64_MAX };
    init_answer(&a, loss, 1, 100);
    read_pyramid(reader, &query, &a);
    const struct buckets *b = &a.wanted[0].buckets;
    assert_int_equal(b->shift, 9); /* 40,000 / 512 = 78.1 */
    assert_int_equal(b->n, 79);
    assert_int_equal(b->rows, STEPS);
    for (uint64_t i = 0; i < b->n; i++) {
        uint64_t last = i == 78 ? STEPS - 1 : 512 * i + 511;
        bool spike = SPIKE / 512 == i;
        assert_int_equal(b->v[i].step_first, 512 * i);
        assert_int_equal(b->v[i].step_last, last);
        assert_true(b->v[i].min == -(double)last);
        assert_int_equal(b->v[i].argmax, spike ? SPIKE : 512 * i);
        assert_true(b->v[i].max == (spike ? 1e9 : -(double)(512 * i)));
        assert_true(b->v[i].last == -(double)last);
    }
    answer_done(&a);
    reader_close(reader);
    rig_records_done(&records);
    rig_close(&rig);
}

static void test_the_root_of_a_negative_square_is_not_finite(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_records records = { 0 };
    rig_open(&rig, CHUNK);
    struct stream_state s = say_hello(&rig, 1, 1, 0);
    for (uint64_t i = 0; i < 2 * CHUNK; i++) {
        double square = i == 70 ? -1 : (double)(i * i);
        struct rig_record r = rig_step(i + 1, i, 0);
        r.present |= UINT64_C(1) << STEP_param_sq;
        memcpy(&r.values[STEP_param_sq], &square, sizeof square);
        rig_records_add(&records, &r);
    }
    for (size_t i = 0; i < 2 * CHUNK; i += CHUNK) {
        rig_append(&rig, &s, 1, &records, i, i + CHUNK);
        assert_int_equal(rig_seal(&rig, &s, false), 1);
    }
    struct reader *reader = open_reader(&rig);
    static const char *const root[] = { "param_norm" };
    struct answer a;
    struct scan_query query = { .run = s.run, .to_step = UINT64_MAX };
    init_answer(&a, root, 1, 1);
    read_pyramid(reader, &query, &a);
    buckets_take_roots(&a.wanted[0].buckets);
    const struct bucket *b = a.wanted[0].buckets.v;
    assert_int_equal(a.wanted[0].buckets.n, 1);
    assert_int_equal(b->nonfinite, 1);
    assert_true(b->min == 0 && b->max == 2 * CHUNK - 1);
    assert_int_equal(b->argmax, 2 * CHUNK - 1);
    answer_done(&a);
    reader_close(reader);
    rig_records_done(&records);
    rig_close(&rig);
}

static void test_nothing_is_an_empty_series(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, CHUNK);
    struct stream_state s = say_hello(&rig, 1, 1, 0);
    struct reader *reader = open_reader(&rig);
    static const char *const two[] = { "loss", "group:grad_sq:x" };
    struct scan_query query = { .run = s.run, .to_step = UINT64_MAX };
    assert_same(reader, &query, two, 2, 10);
    reader_close(reader);
    rig_close(&rig);
}

/* More names than a row lists: those that it does not list are looked for
 * below it. */
static void test_a_name_that_a_row_has_no_room_for_is_found(void **state)
{
    (void)state;
    enum { NAMES = 16 * CHUNK, NAME = 150 };
    struct rig rig;
    struct answer a;
    struct rig_records records = { 0 };
    char wanted[NAME + 8] = "metric:";
    const char *const names_wanted[] = { wanted };
    rig_open(&rig, CHUNK);
    struct stream_state s = say_hello(&rig, 1, 1, 0);
    for (uint64_t i = 0; i < NAMES; i++) {
        struct rig_record r = { .seq = i + 1,
            .kind = WIRE_METRIC,
            .present = usual_fields[WIRE_METRIC],
            .text = malloc(NAME + 1),
            .text_bytes = NAME };
        assert_non_null(r.text);
        (void)snprintf(r.text, NAME + 1, "%0150u", (unsigned)i);
        memcpy(wanted + 7, r.text, NAME + 1);
        r.values[METRIC_step] = i;
        rig_records_add(&records, &r);
    }
    for (size_t i = 0; i < NAMES; i += CHUNK) {
        rig_append(&rig, &s, 1, &records, i, i + CHUNK);
        assert_int_equal(rig_seal(&rig, &s, false), 1);
    }
    assert_true(rig_number(&rig, "SELECT length(body) FROM pyramid") > 65000);
    struct reader *reader = open_reader(&rig);
    struct scan_query query = { .run = s.run, .to_step = UINT64_MAX };
    init_answer(&a, names_wanted, 1, 10);
    read_pyramid(reader, &query, &a);
    assert_int_equal(a.wanted[0].buckets.rows, 1);
    assert_int_equal(a.wanted[0].buckets.v[0].step_last, NAMES - 1);
    answer_done(&a);
    reader_close(reader);
    rig_records_done(&records);
    rig_close(&rig);
}

/* ---- retention ----------------------------------------------------------- */

/* 20 chunks of steps, the first 10 without their records. */
static void thin(struct rig *rig, struct stream_state *s)
{
    for (int i = 0; i < 20; i++) {
        rig_steps(rig, s, 1, s->committed_seq, CHUNK);
        assert_int_equal(rig_seal(rig, s, false), 1);
    }
    rig_sql(rig, "UPDATE chunk SET body = x'' WHERE id <= 10; "
                 "UPDATE stream_progress SET thinned_seq = 640");
}

static void test_what_retention_left_is_shown_as_wide_as_it_is(void **state)
{
    (void)state;
    struct rig rig;
    struct answer a;
    static const char *const loss[] = { "loss" };
    rig_open(&rig, CHUNK);
    struct stream_state s = say_hello(&rig, 1, 1, 0);
    thin(&rig, &s);
    struct reader *reader = open_reader(&rig);
    struct scan_query query = { .run = s.run, .to_step = UINT64_MAX };
    init_answer(&a, loss, 1, 5000); /* enough for every step */
    read_pyramid(reader, &query, &a);
    const struct buckets *b = &a.wanted[0].buckets;
    assert_int_equal(b->rows, 20 * CHUNK);
    assert_int_equal(a.wanted[0].thinned, 10 * CHUNK);
    assert_int_equal(b->shift, 5); /* two nodes of 64 steps */
    for (uint64_t i = 0; i < b->n; i++) {
        assert_int_equal(b->v[i].count, 32);
        assert_int_equal(b->v[i].step_first, 32 * i);
        assert_true(b->v[i].max == (double)(32 * i + 31) / 3);
    }
    answer_done(&a);
    reader_close(reader);
    rig_close(&rig);
}

static void test_of_a_cut_node_without_records_nothing_is_shown(void **state)
{
    (void)state;
    struct rig rig;
    struct answer a;
    static const char *const loss[] = { "loss" };
    rig_open(&rig, CHUNK);
    struct stream_state s = say_hello(&rig, 1, 1, 0);
    thin(&rig, &s);
    struct reader *reader = open_reader(&rig);
    struct scan_query query = { .run = s.run, .from_step = 40, .to_step = 700 };
    init_answer(&a, loss, 1, 5000);
    read_pyramid(reader, &query, &a);
    const struct buckets *b = &a.wanted[0].buckets;
    assert_int_equal(b->v[0].step_first, 64);        /* 32 to 63 is cut by 40 */
    assert_int_equal(b->v[b->n - 1].step_last, 700); /* there are records */
    assert_int_equal(a.wanted[0].thinned, 640 - 64);
    assert_int_equal(b->rows, 701 - 64);
    answer_done(&a);
    reader_close(reader);
    rig_close(&rig);
}

static void test_wide_buckets_are_the_same_with_and_without_records(
    void **state)
{
    (void)state;
    struct rig rig;
    struct answer before;
    struct answer after;
    static const char *const two[] = { "loss", "wall_ns" };
    rig_open(&rig, CHUNK);
    struct stream_state s = say_hello(&rig, 1, 1, 0);
    struct scan_query query = { .run = s.run, .to_step = UINT64_MAX };
    thin(&rig, &s);
    struct reader *reader = open_reader(&rig);
    init_answer(&after, two, 2, 20);
    read_pyramid(reader, &query, &after);
    assert_int_equal(after.wanted[1].thinned, 640);
    reader_close(reader);
    rig_close(&rig);

    rig_open(&rig, CHUNK);
    s = say_hello(&rig, 1, 1, 0);
    for (int i = 0; i < 20; i++) {
        rig_steps(&rig, &s, 1, s.committed_seq, CHUNK);
        (void)rig_seal(&rig, &s, false);
    }
    reader = open_reader(&rig);
    init_answer(&before, two, 2, 20);
    read_scan(reader, &query, &before);
    for (size_t m = 0; m < 2; m++) {
        assert_same_buckets(
            &before.wanted[m].buckets, &after.wanted[m].buckets);
    }
    answer_done(&before);
    answer_done(&after);
    reader_close(reader);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_series_are_those_of_the_values),
        cmocka_unit_test(test_series_are_the_same_where_nodes_are_missing),
        cmocka_unit_test(test_one_step_of_many_is_seen),
        cmocka_unit_test(test_the_root_of_a_negative_square_is_not_finite),
        cmocka_unit_test(test_nothing_is_an_empty_series),
        cmocka_unit_test(test_a_name_that_a_row_has_no_room_for_is_found),
        cmocka_unit_test(test_what_retention_left_is_shown_as_wide_as_it_is),
        cmocka_unit_test(test_of_a_cut_node_without_records_nothing_is_shown),
        cmocka_unit_test(
            test_wide_buckets_are_the_same_with_and_without_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
