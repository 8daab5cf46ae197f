/*
 * Fits through the pyramid are those of the pairs one by one: random runs with
 * attempts that go back, classes, layers and all that is left out, over random
 * ranges, against a scan of their records; whatever is missing in the pyramid.
 */
#include "store/fit_read.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/close.h"
#include "../lib/store_rig.h"
#include "pure/fit_sample.h"
#include "store/pair_scan.h"
#include "store/pyramid_fits.h"
#include "traj.h"
#include "wire/fields.h"

#define CHUNK 64u

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig_open(rig, CHUNK);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

static struct stream_state hello(struct rig *rig, uint32_t attempt)
{
    char json[80];
    (void)snprintf(
        json, sizeof json, "{\"run_id\":\"r\",\"attempt\":%u}", attempt);
    return rig_hello(rig, attempt, json);
}

/* ---- probes ---------------------------------------------------------------
 */

static double unit(uint64_t *seed)
{
    return (double)(rig_random(seed) % 1000003) / 1000003;
}

/* y about 2 + 3 x, x over an octave. */
static struct rig_record probe(uint64_t seq, uint64_t step, uint64_t *seed)
{
    struct rig_record r = { .seq = seq, .kind = WIRE_PROBE };
    const double g = exp2(unit(seed));
    const double y = (2 + 3 * g) * (0.9 + 0.2 * unit(seed));
    rig_set_u64(&r, PROBE_step, step);
    rig_set_u64(&r, PROBE_estimator, TRAJ_ESTIMATOR_SAME_BATCH);
    rig_set(&r, PROBE_smoothness, y);
    rig_set(&r, PROBE_smoothness_gamma, 1);
    rig_set(&r, PROBE_grad_sq, g * g);
    rig_set(&r, PROBE_grad_mid_sq, g * g * 0.9);
    rig_set(&r, PROBE_grad_end_sq, g * g * 0.8);
    rig_set(&r, PROBE_delta_sq, 0.01);
    rig_set(&r, PROBE_dgrad_sq, y * y * 0.01);
    rig_set(&r, PROBE_lr, 0.1);
    rig_set(&r, PROBE_loss, g);
    rig_set(&r, PROBE_ceiling, 20 * g);
    return r;
}

static struct rig_record any_probe(uint64_t seq, uint64_t step, uint64_t *seed)
{
    static const uint64_t flags[] = { TRAJ_PROBE_TINY_STEP, TRAJ_PROBE_ROUNDING,
        TRAJ_PROBE_BURST, TRAJ_PROBE_NONFINITE, TRAJ_PROBE_NOT_IDEMPOTENT };
    struct rig_record r = probe(seq, step, seed);
    if (rig_random(seed) % 8 == 0) {
        rig_set_u64(&r, PROBE_flags, flags[rig_random(seed) % 5]);
    }
    if (rig_random(seed) % 4 == 0) {
        rig_set_u64(&r, PROBE_group, 1 + rig_random(seed) % 3);
        rig_set_u64(&r, PROBE_norm, rig_random(seed) % 2);
    }
    if (rig_random(seed) % 5 == 0) {
        rig_set_u64(&r, PROBE_estimator, TRAJ_ESTIMATOR_DIFFERENT);
        rig_set(&r, PROBE_noise_sq, 1e-3);
    }
    if (rig_random(seed) % 9 == 0) {
        r.present &= ~(UINT64_C(1) << PROBE_grad_mid_sq);
    }
    if (rig_random(seed) % 30 == 0) {
        rig_set(&r, PROBE_grad_sq, 0);
    }
    return r;
}

typedef struct rig_record (*make_fn)(
    uint64_t seq, uint64_t step, uint64_t *seed);

/* n probes from a step on, in messages, sealed as they come. */
static void add(struct rig *rig, struct stream_state *s, uint32_t uid,
    uint64_t step, size_t n, make_fn make, uint64_t *seed)
{
    while (n > 0) {
        struct rig_records records = { 0 };
        for (size_t i = 1; i <= 32 && n > 0; i++, n--) {
            struct rig_record r = make(s->committed_seq + i, step, seed);
            rig_records_add(&records, &r);
            step += 1 + rig_random(seed) % 3;
        }
        rig_append(rig, s, uid, &records, 0, records.n);
        (void)rig_seal(rig, s, false);
        rig_records_done(&records);
    }
}

/* Three attempts, the second and third of which go back; a log behind them. */
static struct run_id make_run(struct rig *rig, uint64_t seed)
{
    static const uint64_t from[] = { 10, 9000, 8000 };
    struct stream_state s = { 0 };
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        s = hello(rig, attempt);
        rig_steps(rig, &s, attempt, from[attempt - 1], 1);
        add(rig, &s, attempt, from[attempt - 1], 9000, any_probe, &seed);
    }
    return s.run;
}

/* ---- both ways ------------------------------------------------------------
 */

struct both {
    struct fit_read read;
    struct pair_census census;
    uint64_t counted;
    struct pairs pairs;
    struct fit_sample sample;
};

static struct both ask(
    struct reader *reader, const struct fit_read_query *query)
{
    struct both both = { .read = { 0 } };
    struct err e = { 0 };
    struct pair_query scan = { .scan = query->scan,
        .group = (uint32_t)query->group };
    const struct run_fit_query fit = { query->regressor, query->estimator,
        query->scan.from_step, query->scan.to_step };
    pairs_init(&both.pairs, 1u << 20);
    assert_int_equal(fit_read(reader, query, &both.read, &e), ERR_NONE);
    assert_int_equal(
        fit_read_census(reader, query, &both.census, &both.counted, &e),
        ERR_NONE);
    assert_int_equal(
        pair_scan_all(reader, &scan, PAIR_WINDOW_DEFAULT, &both.pairs, &e),
        ERR_NONE);
    assert_true(fit_sample_take(&both.pairs, &fit, &both.sample));
    return both;
}

static void done(struct both *both)
{
    fit_read_done(&both->read);
    fit_sample_done(&both->sample);
    pairs_done(&both->pairs);
}

static void assert_same_line(
    struct fit_line a, struct fit_line b, double relative)
{
    assert_close(a.L0, b.L0, relative);
    assert_close(a.L1, b.L1, relative);
}

static void assert_same_sums(const struct fit_sums *a, const struct fit_sums *b)
{
    assert_true(!(a->n < b->n) && !(a->n > b->n));
    assert_close(twofold_value(a->x), twofold_value(b->x), 1e-15);
    assert_close(twofold_value(a->xy), twofold_value(b->xy), 1e-15);
    assert_close(twofold_value(a->yy), twofold_value(b->yy), 1e-15);
}

static struct fit_sums sum_of(const struct fit_sums *rows, size_t n)
{
    struct fit_sums total = { 0 };
    for (size_t i = 0; i < n; i++) {
        assert_true(rows[i].n > 0);
        fit_sums_merge(&total, &rows[i], 1);
    }
    return total;
}

static void assert_same_lines(
    const struct fit_state *state, const struct fit_sample *sample)
{
    struct fit_line a = { 0 };
    struct fit_line b = { 0 };
    bool nomem = false;
    const bool determined = fit_sums_ols(&state->total.plain, &a);
    if (sample->n > 2) {
        assert_true(determined);
        assert_true(fit_ols(sample->x, sample->y, sample->n, &b));
        assert_same_line(a, b, 1e-11);
        double *room = calloc(2 * sample->n + 2, sizeof *room);
        assert_non_null(room);
        assert_true(fit_envelope(sample->x, sample->y, sample->n, room, &b));
        assert_true(fit_state_envelope(state, (double)NAN, &a, &nomem));
        assert_same_line(a, b, 1e-11);
        free(room);
    }
}

static void assert_same_census(const struct both *both)
{
    struct pair_census census = { 0 };
    for (size_t i = 0; i < both->pairs.n; i++) {
        pair_census_add(&census, &both->pairs.v[i]);
    }
    assert_memory_equal(&both->census, &census, sizeof census);
    assert_int_equal(both->counted, both->pairs.n);
}

static void assert_same(const struct both *both)
{
    assert_same_census(both);
    const struct fit_read *read = &both->read;
    const struct fit_facts *facts = &read->part.facts;
    const struct fit_sample *sample = &both->sample;
    assert_int_equal(read->estimator, sample->estimator);
    assert_int_equal(read->regressor, sample->regressor);
    assert_int_equal(read->in_sight, sample->in_sight);
    assert_int_equal(facts->uses[PAIR_USED], sample->n);
    for (unsigned use = PAIR_USED + 1; use < PAIR_USES; use++) {
        assert_int_equal(facts->uses[use], sample->excluded[use]);
    }
    assert_int_equal(facts->first_step, sample->first_step);
    assert_int_equal(facts->last_step, sample->last_step);
    assert_int_equal(facts->ceilings, sample->n_ratio);
    assert_int_equal(facts->flags, sample->flags);
    const struct fit_sums rows = sum_of(read->rows, read->n_rows);
    assert_same_sums(&rows, &read->part.state.total.plain);
    assert_same_lines(&read->part.state, sample);
}

static struct fit_read_query any_query(struct run_id run, uint64_t *seed)
{
    struct fit_read_query query = {
        .scan = { .run = run, .to_step = UINT64_MAX },
        .group = rig_random(seed) % 3 == 0 ? rig_random(seed) % 5 : 0,
        .estimator = PAIR_ESTIMATOR_AUTO,
        .regressor = PAIR_REGRESSOR_AUTO,
    };
    if (rig_random(seed) % 4 != 0) {
        query.scan.from_step = rig_random(seed) % 25000;
        query.scan.to_step = query.scan.from_step + rig_random(seed) % 25000;
    }
    if (rig_random(seed) % 3 == 0) {
        query.estimator = rig_random(seed) % 2 == 0 ? TRAJ_ESTIMATOR_SAME_BATCH
                                                    : TRAJ_ESTIMATOR_DIFFERENT;
        query.regressor = (int)(rig_random(seed) % 3);
    }
    if (rig_random(seed) % 4 == 0) {
        query.scan.attempts = SCAN_ALL;
    } else if (rig_random(seed) % 4 == 0) {
        query.scan.attempts = SCAN_ONE;
        query.scan.attempt = 1 + (uint32_t)(rig_random(seed) % 4);
    }
    return query;
}

/* Returns the states that the answers were made of. */
static uint64_t compare(const struct rig *rig, struct run_id run, uint64_t seed)
{
    struct err e = { 0 };
    struct reader *reader = NULL;
    uint64_t states = 0;
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    for (unsigned i = 0; i < 24; i++) {
        const struct fit_read_query query = any_query(run, &seed);
        struct both both = ask(reader, &query);
        assert_same(&both);
        states += both.read.states;
        done(&both);
    }
    reader_close(reader);
    return states;
}

static void test_fits_are_those_of_the_pairs_whatever_is_missing(void **state)
{
    static const char *const missing[] = {
        "SELECT 1",
        "UPDATE chunk SET summary = x'' WHERE id % 3 = 0",
        "UPDATE pyramid SET body = x'00' WHERE id % 5 = 2",
        "UPDATE pyramid SET body = CAST(substr(body, 1, 100) || zeroblob(9) "
        "|| substr(body, 110) AS BLOB) WHERE id % 7 = 3",
        "DELETE FROM pyramid WHERE level > 1",
        "DELETE FROM pyramid",
    };
    struct rig *rig = *state;
    const struct run_id run = make_run(rig, 5);
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
        rig_sql(rig, missing[i]);
        const uint64_t states = compare(rig, run, 77 + i);
        assert_true(states > 24 || i == 5);
    }
}

/* ---- the merge laws --------------------------------------------------------
 */

static struct fit_read read_all(
    const struct rig *rig, struct run_id run, int regressor)
{
    struct err e = { 0 };
    struct reader *reader = NULL;
    struct fit_read read;
    const struct fit_read_query query = {
        .scan = { .run = run, .to_step = UINT64_MAX },
        .estimator = PAIR_ESTIMATOR_AUTO,
        .regressor = regressor,
    };
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(fit_read(reader, &query, &read, &e), ERR_NONE);
    reader_close(reader);
    return read;
}

static void assert_same_fits(
    const struct fit_state *a, const struct fit_state *b)
{
    struct fit_line x = { 0 };
    struct fit_line y = { 0 };
    bool nomem = false;
    assert_true(fit_sums_ols(&a->total.plain, &x));
    assert_true(fit_sums_ols(&b->total.plain, &y));
    assert_same_line(x, y, 1e-12);
    assert_true(fit_state_relative(a, &x) && fit_state_relative(b, &y));
    assert_same_line(x, y, 1e-12);
    assert_true(
        fit_state_quantile(a, 0.9, &x) && fit_state_quantile(b, 0.9, &y));
    assert_same_line(x, y, 1e-12);
    assert_true(fit_state_envelope(a, 1.5, &x, &nomem) &&
                fit_state_envelope(b, 1.5, &y, &nomem));
    assert_same_line(x, y, 1e-12);
}

static void test_where_it_is_sealed_and_restarted_does_not_matter(void **state)
{
    (void)state;
    static const uint32_t seals[] = { 64, 100, 257, 2048 };
    struct fit_read first = { 0 };
    for (size_t i = 0; i < sizeof seals / sizeof seals[0]; i++) {
        struct rig rig;
        uint64_t seed = 3;
        rig_open(&rig, seals[i]);
        struct stream_state s = hello(&rig, 1);
        add(&rig, &s, 1, 10, 3000, any_probe, &seed);
        rig_reopen(&rig, seals[(i + 1) % 4]);
        add(&rig, &s, 1, 7000, 3000, any_probe, &seed);
        if (i % 2 == 1) {
            (void)rig_seal(&rig, &s, true);
        }
        struct fit_read read = read_all(&rig, s.run, PAIR_REGRESSOR_AUTO);
        if (i == 0) {
            first = read;
        } else {
            assert_memory_equal(
                &read.part.facts, &first.part.facts, sizeof read.part.facts);
            assert_same_fits(&read.part.state, &first.part.state);
            fit_read_done(&read);
        }
        rig_close(&rig);
    }
    fit_read_done(&first);
}

/* Probe k of MANY, the same whoever sends it, at a step of its own. */
#define MANY 4000u
static struct rig_record probe_number(uint64_t seq, uint64_t k)
{
    uint64_t seed = 1000 + k;
    return any_probe(seq, 10 + k, &seed);
}

/* Of sender i of n: every n-th probe, in an order of its own. */
static void send_share(struct rig *rig, uint32_t i, uint32_t n, uint64_t stride)
{
    struct stream_state s = hello(rig, i + 1);
    const uint64_t share = MANY / n;
    for (uint64_t from = 0; from < share; from += 25) {
        struct rig_records records = { 0 };
        for (uint64_t j = from; j < from + 25; j++) {
            const uint64_t k = j * stride % share * n + i;
            struct rig_record r =
                probe_number(s.committed_seq + 1 + j - from, k);
            rig_records_add(&records, &r);
        }
        rig_append(rig, &s, i + 1, &records, 0, records.n);
        (void)rig_seal(rig, &s, false);
        rig_records_done(&records);
    }
}

static struct fit_read read_senders(uint32_t n, uint64_t stride)
{
    struct err e = { 0 };
    struct rig rig;
    struct reader *reader = NULL;
    struct fit_read read;
    rig_open(&rig, CHUNK);
    for (uint32_t i = 0; i < n; i++) {
        send_share(&rig, i, n, stride);
    }
    struct run_row run = rig_run(&rig, "r");
    const struct fit_read_query query = {
        .scan = { .run = run.id, .to_step = UINT64_MAX, .attempts = SCAN_ALL },
        .estimator = PAIR_ESTIMATOR_AUTO,
        .regressor = PAIR_REGRESSOR_AUTO,
    };
    assert_int_equal(reader_open(rig.path, &reader, &e), ERR_NONE);
    assert_int_equal(fit_read(reader, &query, &read, &e), ERR_NONE);
    run_row_done(&run);
    reader_close(reader);
    rig_close(&rig);
    return read;
}

static void test_who_sends_and_in_which_order_does_not_matter(void **state)
{
    (void)state;
    static const uint32_t senders[] = { 1, 2, 8 };
    static const uint64_t strides[] = { 1, 77, 333 }; /* prime to the shares */
    struct fit_read first = read_senders(1, 1);
    assert_true(first.states > 0);
    for (size_t i = 0; i < 9; i++) {
        struct fit_read read = read_senders(senders[i % 3], strides[i / 3]);
        assert_memory_equal(
            &read.part.facts, &first.part.facts, sizeof read.part.facts);
        assert_same_fits(&read.part.state, &first.part.state);
        fit_read_done(&read);
    }
    fit_read_done(&first);
}

/* ---- rows ------------------------------------------------------------------
 */

static void test_there_are_twenty_rows_where_there_can_be(void **state)
{
    struct rig *rig = *state;
    uint64_t seed = 9;
    struct stream_state s = hello(rig, 1);
    add(rig, &s, 1, 0, 64 * 322, probe, &seed);
    struct fit_read read = read_all(rig, s.run, FIT_REGRESSOR_START);
    assert_int_equal(read.n_rows, 20); /* two chunks more are no row */
    fit_read_done(&read);
    add(rig, &s, 1, 100000, 64 * 8, probe, &seed);
    read = read_all(rig, s.run, FIT_REGRESSOR_START);
    /* 330 chunks are 20 rows of level 1, and ten chunks more. */
    assert_int_equal(read.n_rows, 21);
    for (size_t i = 0; i < 20; i++) {
        assert_true(!(read.rows[i].n < 1024) && !(read.rows[i].n > 1024));
    }
    assert_true(read.states < 30);
    struct fit_ci ci;
    assert_int_equal(
        fit_ci(read.rows, read.n_rows, 330 * 64, 1, 0.95, &ci), FIT_PRESENT);
    assert_true(ci.L1.low < 3 && ci.L1.high > 3);
    assert_true(ci.L0.low < 2 && ci.L0.high > 2);
    fit_read_done(&read);
}

static struct fit_read read_weighted(
    const struct rig *rig, struct run_id run, const struct fit_weight *weight)
{
    struct err e = { 0 };
    struct reader *reader = NULL;
    struct fit_read read;
    const struct fit_read_query query = {
        .scan = { .run = run, .from_step = 100, .to_step = UINT64_MAX },
        .estimator = TRAJ_ESTIMATOR_SAME_BATCH,
        .regressor = FIT_REGRESSOR_START,
        .rows = FIT_READ_WEIGHTED,
        .weight = weight,
    };
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(fit_read(reader, &query, &read, &e), ERR_NONE);
    reader_close(reader);
    return read;
}

static void test_weighted_rows_are_near_those_of_the_records(void **state)
{
    struct rig *rig = *state;
    uint64_t seed = 9;
    struct stream_state s = hello(rig, 1);
    add(rig, &s, 1, 0, 64 * 400, probe, &seed);
    struct fit_read a = read_weighted(rig, s.run, NULL);
    rig_sql(rig, "DELETE FROM pyramid; UPDATE chunk SET summary = x''");
    struct fit_read b = read_weighted(rig, s.run, NULL);
    struct fit_ci x;
    struct fit_ci y;
    assert_true(a.states > 0 && b.states == 0);
    assert_true(a.n_rows >= FIT_READ_ROWS && b.n_rows > 200);
    const double n = a.part.state.total.plain.n;
    assert_int_equal(fit_ci(a.rows, a.n_rows, n, 1, 0.95, &x), FIT_PRESENT);
    assert_int_equal(fit_ci(b.rows, b.n_rows, n, 1, 0.95, &y), FIT_PRESENT);
    assert_close(x.L1.estimate, y.L1.estimate, 2e-3);
    assert_close(x.L0.estimate + 1.5 * x.L1.estimate,
        y.L0.estimate + 1.5 * y.L1.estimate, 2e-4);
    assert_close(x.L1.se, y.L1.se, 0.5); /* of 24 blocks: 15 %, thrice */
    fit_read_done(&a);
    fit_read_done(&b);
}

/* The weight of every sample is 1/16. */
static void test_rows_have_the_weight_that_is_asked_for(void **state)
{
    struct rig *rig = *state;
    static const struct fit_weight weight = { { 4, 0 }, 1, 1 };
    uint64_t seed = 9;
    struct stream_state s = hello(rig, 1);
    add(rig, &s, 1, 0, 64 * 400 + 7, probe, &seed);
    struct fit_read read = read_weighted(rig, s.run, &weight);
    const struct fit_sums rows = sum_of(read.rows, read.n_rows);
    struct fit_sums sixteenth = { 0 };
    fit_sums_merge(&sixteenth, &read.part.state.total.plain, 0x1p-4);
    assert_true(read.states > 0 && read.records > 0);
    assert_same_sums(&rows, &sixteenth);
    fit_read_done(&read);
}

/* ---- microbatches ----------------------------------------------------------
 */

static struct rig_record micro(uint64_t seq, uint64_t step, uint64_t *seed)
{
    struct rig_record r = probe(seq, step, seed);
    rig_set_u64(&r, PROBE_estimator, TRAJ_ESTIMATOR_MICROBATCH);
    rig_set_u64(&r, PROBE_micro_batches, 4);
    rig_set(&r, PROBE_micro_grad_sq, 4.1);
    rig_set(&r, PROBE_micro_dgrad_sq, 0.1);
    return r;
}

static uint64_t count_all(const struct rig *rig, struct run_id run)
{
    struct err e = { 0 };
    struct reader *reader = NULL;
    struct pair_census census;
    uint64_t in_sight = 0;
    const struct fit_read_query query = {
        .scan = { .run = run, .to_step = UINT64_MAX },
    };
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_NONE);
    assert_int_equal(
        fit_read_census(reader, &query, &census, &in_sight, &e), ERR_NONE);
    reader_close(reader);
    return in_sight;
}

static void test_windows_of_microbatches_begin_with_the_chunk(void **state)
{
    struct rig *rig = *state;
    uint64_t seed = 9;
    struct stream_state s = hello(rig, 1);
    rig_reopen(rig, 100);
    add(rig, &s, 1, 0, 6400 + 5, micro, &seed);
    struct fit_read read = read_all(rig, s.run, PAIR_REGRESSOR_AUTO);
    const struct fit_facts *facts = &read.part.facts;
    const int64_t chunks = rig_number(rig, "SELECT count(*) FROM chunk");
    const int64_t of_chunk = rig_number(rig, "SELECT max(records) FROM chunk");
    const int64_t left = 6405 - chunks * of_chunk;
    assert_int_equal(
        rig_number(rig, "SELECT min(records) FROM chunk"), of_chunk);
    assert_int_equal(
        facts->uses[PAIR_WINDOW_OPEN], chunks * (of_chunk % 8) + left % 8);
    assert_int_equal(facts->uses[PAIR_USED] + facts->uses[PAIR_NOISE_LIMITED],
        chunks * (of_chunk / 8) + left / 8);
    assert_true(read.states > 2);
    fit_read_done(&read);
}

/* Every ninth measured nothing, so that windows end with their chunk. */
static struct rig_record ragged(uint64_t seq, uint64_t step, uint64_t *seed)
{
    struct rig_record r = micro(seq, step, seed);
    rig_set_u64(&r, PROBE_flags, seq % 9 == 0 ? TRAJ_PROBE_TINY_STEP : 0);
    return r;
}

static void test_the_census_counts_what_waits(void **state)
{
    struct rig *rig = *state;
    uint64_t seed = 9;
    struct stream_state s = hello(rig, 1);
    add(rig, &s, 1, 0, 6405, ragged, &seed);
    struct fit_read read = read_all(rig, s.run, PAIR_REGRESSOR_AUTO);
    assert_true(read.states > 2 && read.part.facts.uses[PAIR_WINDOW_OPEN] > 50);
    assert_int_equal(count_all(rig, s.run), read.in_sight);
    fit_read_done(&read);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_fits_are_those_of_the_pairs_whatever_is_missing),
        cmocka_unit_test(test_where_it_is_sealed_and_restarted_does_not_matter),
        cmocka_unit_test(test_who_sends_and_in_which_order_does_not_matter),
        TEST(test_there_are_twenty_rows_where_there_can_be),
        TEST(test_weighted_rows_are_near_those_of_the_records),
        TEST(test_rows_have_the_weight_that_is_asked_for),
        TEST(test_windows_of_microbatches_begin_with_the_chunk),
        TEST(test_the_census_counts_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
