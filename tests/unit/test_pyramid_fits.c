/*
 * The section of fit states: what is listed and what is not, limits, merging,
 * damage behind a right checksum, and what check, repair and retention make of
 * it.
 */
#include "store/pyramid_fits.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/store_rig.h"
#include "pure/row.h"
#include "store/db.h"
#include "store/pyramid.h"
#include "traj.h"
#include "wire/crc32c.h"

/* ---- records --------------------------------------------------------------
 */

static void put(struct records *r, size_t i, unsigned field, double value)
{
    memcpy(&r->columns[field][i], &value, sizeof value);
}

#define FIELDS                                                                 \
    (ROW_BIT(PROBE_step) | ROW_BIT(PROBE_group) | ROW_BIT(PROBE_estimator) |   \
        ROW_BIT(PROBE_smoothness) | ROW_BIT(PROBE_grad_sq) |                   \
        ROW_BIT(PROBE_ceiling) | ROW_BIT(PROBE_loss))

/* A pair (x, 2 + 3 x) with a ceiling of 4 + 6 x. */
static void add(struct records *r, uint64_t group, double x)
{
    struct err e = { 0 };
    const size_t i = r->n;
    assert_int_equal(records_reserve(r, 1, FIELDS, &e), ERR_NONE);
    r->seq[i] = i + 1;
    r->present[i] = FIELDS;
    r->mask |= FIELDS;
    r->columns[PROBE_step][i] = 100 + i;
    r->columns[PROBE_group][i] = group;
    r->columns[PROBE_estimator][i] = TRAJ_ESTIMATOR_FULL;
    put(r, i, PROBE_smoothness, 2 + 3 * x);
    put(r, i, PROBE_grad_sq, x * x);
    put(r, i, PROBE_ceiling, 4 + 6 * x);
    r->n++;
}

static struct str copy_of(struct str body)
{
    char *p = malloc(body.n + (body.n == 0));
    assert_non_null(p);
    if (body.n > 0) {
        memcpy(p, body.p, body.n);
    }
    return (struct str){ p, body.n };
}

static void free_copy(struct str copy)
{
    free((void *)(uintptr_t)copy.p);
}

/* A body without series. */
static struct str bare_body(struct buf *out)
{
    buf_clear(out);
    pyramid_body_write(out, WIRE_PROBE, false, NULL, 0, NULL, 0);
    return (struct str){ out->p, out->n };
}

/* With the section of the records; a copy. */
static struct str body_of(struct pyramid_fits *fits, const struct records *r,
    enum pyramid_fits_wanted wanted)
{
    struct err e = { 0 };
    struct buf bare = { 0 };
    struct str body = { 0 };
    assert_int_equal(
        pyramid_fits_of_records(fits, r, wanted, bare_body(&bare), &body, &e),
        ERR_NONE);
    body = copy_of(body);
    buf_done(&bare);
    return body;
}

static struct str merged(
    struct pyramid_fits *fits, const struct str *bodies, size_t n)
{
    struct err e = { 0 };
    struct buf bare = { 0 };
    struct str body = { 0 };
    assert_int_equal(
        pyramid_fits_of_bodies(fits, bodies, n, bare_body(&bare), &body, &e),
        ERR_NONE);
    body = copy_of(body);
    buf_done(&bare);
    return body;
}

static struct pyramid_fits_view view_of(struct str body)
{
    struct pyramid_view view;
    struct pyramid_fits_view fits = { 0 };
    assert_true(pyramid_view_open(body, WIRE_PROBE, &view));
    (void)pyramid_fits_open(view.fits, &fits);
    return fits;
}

/* The entry of the group with the regressor START. */
static struct pyramid_fit_entry entry_of(
    const struct pyramid_fits_view *view, uint64_t group, struct str *ret_state)
{
    struct pyramid_fits_position pos = { 0 };
    struct pyramid_fit_entry entry;
    struct pyramid_fit_entry found = { .length = 0 };
    struct str state;
    while (pyramid_fits_next(view, &pos, &entry, &state)) {
        if (entry.group == group && entry.regressor == FIT_REGRESSOR_START) {
            found = entry;
            *ret_state = state;
        }
    }
    return found;
}

/* ---- what is in it --------------------------------------------------------
 */

static void test_an_entry_has_the_state_and_what_is_left_out(void **state)
{
    (void)state;
    struct pyramid_fits fits = { 0 };
    struct records r;
    struct str bytes = { 0 };
    struct fit_state back = { 0 };
    struct fit_line line;
    records_init(&r, WIRE_PROBE, UINT64_MAX);
    for (size_t i = 0; i < 200; i++) {
        add(&r, 0, i % 10 == 0 ? 0 : 1 + (double)i / 200);
    }
    const struct str body = body_of(&fits, &r, PYRAMID_FITS_OF_CHUNK);
    const struct pyramid_fits_view view = view_of(body);
    assert_true(view.is_there && view.is_complete);
    assert_int_equal(view.n, 3);
    const struct pyramid_fit_entry entry = entry_of(&view, 0, &bytes);
    assert_int_equal(entry.uses[PAIR_USED], 180);
    assert_int_equal(entry.uses[PAIR_NOT_POSITIVE], 20);
    assert_int_equal(entry.ceilings, 180);
    assert_int_equal(entry.near_ceiling, 0); /* a half, not 0.6 */
    assert_int_equal(entry.first_step, 101);
    assert_int_equal(entry.last_step, 299);
    assert_int_equal(entry.values, 200 * 7 * 8);
    assert_int_equal(fit_state_decode((const uint8_t *)bytes.p, bytes.n, &back),
        FIT_DECODE_OK);
    assert_true(fit_sums_ols(&back.total.plain, &line));
    assert_true(fabs(line.L0 - 2) < 1e-12 && fabs(line.L1 - 3) < 1e-12);
    fit_state_done(&back);
    free_copy(body);
    records_done(&r);
    pyramid_fits_done(&fits);
}

static void test_a_group_too_small_to_pay_is_not_listed(void **state)
{
    (void)state;
    struct pyramid_fits fits = { 0 };
    struct records r;
    records_init(&r, WIRE_PROBE, UINT64_MAX);
    for (size_t i = 0; i < 1000; i++) {
        add(&r, 0, 1 + (double)i / 1000);
    }
    add(&r, 7, 1);
    struct str body = body_of(&fits, &r, PYRAMID_FITS_OF_CHUNK);
    struct pyramid_fits_view view = view_of(body);
    assert_false(view.is_complete);
    assert_true(pyramid_fits_know(&view, 0));
    assert_false(pyramid_fits_know(&view, 7));
    assert_false(pyramid_fits_know(&view, 8));
    free_copy(body);
    body = body_of(&fits, &r, PYRAMID_FITS_ALL);
    view = view_of(body);
    assert_true(view.is_complete && pyramid_fits_know(&view, 7));
    assert_true(pyramid_fits_know(&view, 8)); /* there is nothing of it */
    free_copy(body);
    records_done(&r);
    pyramid_fits_done(&fits);
}

static void test_where_nothing_pays_there_is_no_section(void **state)
{
    (void)state;
    struct pyramid_fits fits = { 0 };
    struct records r;
    records_init(&r, WIRE_PROBE, UINT64_MAX);
    add(&r, 0, 1);
    const struct str body = body_of(&fits, &r, PYRAMID_FITS_OF_CHUNK);
    const struct pyramid_fits_view view = view_of(body);
    assert_false(view.is_there);
    assert_false(pyramid_fits_know(&view, 0));
    free_copy(body);
    records_done(&r);
    pyramid_fits_done(&fits);
}

static void test_groups_beyond_the_limit_are_not_listed(void **state)
{
    (void)state;
    struct pyramid_fits fits = { 0 };
    struct records r;
    records_init(&r, WIRE_PROBE, UINT64_MAX);
    for (uint64_t group = 0; group < PYRAMID_FITS_KEYS_MAX; group++) {
        add(&r, group, 1);
    }
    struct str body = body_of(&fits, &r, PYRAMID_FITS_ALL);
    struct pyramid_fits_view view = view_of(body);
    assert_true(view.is_complete);
    free_copy(body);
    add(&r, PYRAMID_FITS_KEYS_MAX, 1);
    add(&r, 3, 1); /* of another class: group 3 is not whole any more */
    r.columns[PROBE_estimator][r.n - 1] = TRAJ_ESTIMATOR_SUBSET;
    body = body_of(&fits, &r, PYRAMID_FITS_ALL);
    view = view_of(body);
    assert_false(view.is_complete);
    assert_int_equal(view.n, (PYRAMID_FITS_KEYS_MAX - 1) * PAIR_REGRESSORS);
    assert_false(pyramid_fits_know(&view, PYRAMID_FITS_KEYS_MAX));
    assert_false(pyramid_fits_know(&view, 3));
    assert_true(pyramid_fits_know(&view, 4));
    free_copy(body);
    records_done(&r);
    pyramid_fits_done(&fits);
}

static void test_groups_beyond_the_bytes_are_not_listed(void **state)
{
    (void)state;
    struct pyramid_fits fits = { 0 };
    struct records r;
    records_init(&r, WIRE_PROBE, UINT64_MAX);
    for (size_t i = 0; i < 256u * 100u; i++) { /* each in a bin of its own */
        add(&r, i % 256, exp2((double)(i / 256) / 8));
    }
    const struct str body = body_of(&fits, &r, PYRAMID_FITS_ALL);
    const struct pyramid_fits_view view = view_of(body);
    assert_false(view.is_complete);
    assert_true(body.n < PYRAMID_FITS_BYTES_MAX + 1000);
    assert_true(body.n > PYRAMID_FITS_BYTES_MAX / 2);
    assert_true(pyramid_fits_know(&view, 0));
    assert_false(pyramid_fits_know(&view, 255));
    free_copy(body);
    records_done(&r);
    pyramid_fits_done(&fits);
}

/* ---- merging --------------------------------------------------------------
 */

static struct str many(struct pyramid_fits *fits, uint64_t group, size_t n,
    enum pyramid_fits_wanted wanted)
{
    struct records r;
    records_init(&r, WIRE_PROBE, UINT64_MAX);
    for (size_t i = 0; i < n; i++) {
        add(&r, group, 1 + (double)i / (double)n);
        add(&r, 5, 1);
    }
    const struct str body = body_of(fits, &r, wanted);
    records_done(&r);
    return body;
}

static void test_a_merge_adds_what_all_know(void **state)
{
    (void)state;
    struct pyramid_fits fits = { 0 };
    struct str bytes = { 0 };
    const struct str bodies[] = { many(&fits, 1, 400, PYRAMID_FITS_ALL),
        many(&fits, 1, 300, PYRAMID_FITS_ALL),
        many(&fits, 2, 400, PYRAMID_FITS_ALL) };
    const struct str body = merged(&fits, bodies, 3);
    const struct pyramid_fits_view view = view_of(body);
    assert_true(view.is_there && view.is_complete);
    assert_int_equal(entry_of(&view, 1, &bytes).uses[PAIR_USED], 700);
    assert_int_equal(entry_of(&view, 2, &bytes).uses[PAIR_USED], 400);
    assert_int_equal(entry_of(&view, 5, &bytes).uses[PAIR_USED], 1100);
    free_copy(body);
    for (size_t i = 0; i < 3; i++) {
        free_copy(bodies[i]);
    }
    pyramid_fits_done(&fits);
}

static void test_a_merge_leaves_out_what_one_may_not_list(void **state)
{
    (void)state;
    struct pyramid_fits fits = { 0 };
    struct records r;
    records_init(&r, WIRE_PROBE, UINT64_MAX);
    for (size_t i = 0; i < 400; i++) {
        add(&r, 5, 1 + (double)i / 400);
    }
    add(&r, 1, 1); /* too small to be listed */
    const struct str bodies[] = { many(&fits, 1, 400, PYRAMID_FITS_ALL),
        body_of(&fits, &r, PYRAMID_FITS_OF_CHUNK) };
    const struct str body = merged(&fits, bodies, 2);
    const struct pyramid_fits_view view = view_of(body);
    assert_true(view.is_there && !view.is_complete);
    assert_false(pyramid_fits_know(&view, 1));
    assert_true(pyramid_fits_know(&view, 5));
    free_copy(body);
    free_copy(bodies[0]);
    free_copy(bodies[1]);
    records_done(&r);
    pyramid_fits_done(&fits);
}

static void test_above_a_body_without_the_section_there_is_none(void **state)
{
    (void)state;
    struct pyramid_fits fits = { 0 };
    struct buf bare = { 0 };
    const struct str bodies[] = { many(&fits, 1, 400, PYRAMID_FITS_ALL),
        bare_body(&bare) };
    const struct str body = merged(&fits, bodies, 2);
    assert_false(view_of(body).is_there);
    free_copy(body);
    free_copy(bodies[0]);
    buf_done(&bare);
    pyramid_fits_done(&fits);
}

/* ---- damage ----------------------------------------------------------------
 */

/* Every bit flipped, one at a time, and the checksum put right. */
static void test_any_damage_is_read_as_a_section_or_as_none(void **state)
{
    (void)state;
    struct pyramid_fits fits = { 0 };
    const struct str body = many(&fits, 1, 40, PYRAMID_FITS_ALL);
    size_t none = 0;
    for (size_t at = sizeof(struct pyramid_head); at < body.n; at++) {
        struct str broken = copy_of(body);
        char *p = (char *)(uintptr_t)broken.p;
        struct pyramid_view view;
        struct pyramid_fits_view section = { 0 };
        p[at] = (char)(p[at] ^ 1 << at % 8);
        const uint32_t crc =
            crc32c(p + PYRAMID_CRC_FROM, body.n - PYRAMID_CRC_FROM);
        memcpy(p + offsetof(struct pyramid_head, crc32c), &crc, sizeof crc);
        if (pyramid_view_open(broken, WIRE_PROBE, &view)) {
            (void)pyramid_fits_open(view.fits, &section);
        }
        none += !section.is_there;
        const struct str two[] = { body, broken };
        free_copy(merged(&fits, two, 2));
        free_copy(broken);
    }
    assert_true(none > 20);
    for (size_t n = 0; n < body.n; n += 7) { /* cut off */
        struct pyramid_view view;
        assert_false(
            pyramid_view_open((struct str){ body.p, n }, WIRE_PROBE, &view));
    }
    free_copy(body);
    pyramid_fits_done(&fits);
}

static void test_states_fill_the_section(void **state)
{
    (void)state;
    struct pyramid_fits fits = { 0 };
    const struct str body = many(&fits, 1, 40, PYRAMID_FITS_ALL);
    struct pyramid_view view;
    struct pyramid_fits_view section;
    char bytes[8192] = { 0 };
    assert_true(pyramid_view_open(body, WIRE_PROBE, &view));
    assert_true(view.fits.n < sizeof bytes);
    memcpy(bytes, view.fits.p, view.fits.n);
    for (size_t n = 0; n <= view.fits.n + 1; n++) {
        assert_int_equal(pyramid_fits_open((struct str){ bytes, n }, &section),
            n == view.fits.n);
    }
    free_copy(body);
    pyramid_fits_done(&fits);
}

/* ---- in the store ----------------------------------------------------------
 */

static void add_probes(struct rig *rig, struct stream_state *s, size_t n)
{
    uint64_t seed = 7;
    while (n > 0) {
        struct rig_records records = { 0 };
        for (size_t i = 1; i <= 32 && n > 0; i++, n--) {
            struct rig_record p = { .seq = s->committed_seq + i,
                .kind = WIRE_PROBE,
                .present = FIELDS };
            const double x = 1 + (double)(rig_random(&seed) % 1000) / 1000;
            const double values[] = { 2 + 3 * x, x * x, 4 + 6 * x };
            p.values[PROBE_step] = p.seq;
            p.values[PROBE_estimator] = TRAJ_ESTIMATOR_FULL;
            memcpy(&p.values[PROBE_smoothness], &values[0], 8);
            memcpy(&p.values[PROBE_grad_sq], &values[1], 8);
            memcpy(&p.values[PROBE_ceiling], &values[2], 8);
            rig_records_add(&records, &p);
        }
        rig_append(rig, s, 1, &records, 0, records.n);
        (void)rig_seal(rig, s, false);
        rig_records_done(&records);
    }
}

static void count_finding(void *context, const struct pyramid_finding *finding)
{
    size_t *n = context;
    assert_non_null(finding->what);
    ++*n;
}

struct bed {
    struct rig rig;
    struct stream_state stream;
    sqlite3 *db;
    struct pyramid *pyramid;
};

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof *bed);
    struct err e = { 0 };
    assert_non_null(bed);
    rig_open(&bed->rig, 256);
    bed->stream = rig_hello(&bed->rig, 1, "{\"run_id\":\"r\",\"attempt\":1}");
    add_probes(&bed->rig, &bed->stream, 256 * 17);
    assert_int_equal(db_open(bed->rig.path, DB_WRITE, &bed->db, &e), ERR_NONE);
    assert_int_equal(pyramid_open(bed->db, &bed->pyramid, &e), ERR_NONE);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;
    pyramid_close(bed->pyramid);
    db_close(bed->db);
    rig_close(&bed->rig);
    free(bed);
    return 0;
}

static size_t findings(struct bed *bed)
{
    struct err e = { 0 };
    size_t n = 0;
    assert_int_equal(pyramid_check_rows(bed->pyramid, bed->stream.stream,
                         count_finding, &n, &e),
        ERR_NONE);
    return n;
}

static int64_t size_of(struct bed *bed, const char *what)
{
    char sql[100];
    (void)snprintf(sql, sizeof sql, "SELECT sum(length(%s)) FROM %s", what,
        strcmp(what, "body") == 0 ? "pyramid" : "chunk");
    return rig_number(&bed->rig, sql);
}

/* The first row's body with its section of fits cut off, as older versions
 * wrote it. */
static void make_old(struct bed *bed, const char *select, const char *update)
{
    sqlite3_stmt *stmt = NULL;
    struct err e = { 0 };
    struct pyramid_view view;
    bool row = false;
    assert_int_equal(db_prepare(bed->db, select, &stmt, &e), ERR_NONE);
    assert_int_equal(db_step(stmt, &row, "test", &e), ERR_NONE);
    assert_true(row);
    const struct str whole = copy_of(db_blob(stmt, 0));
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    assert_true(pyramid_view_open(whole, WIRE_PROBE, &view));
    assert_true(view.fits.n > 0);
    struct buf old = { 0 };
    struct pyramid_head head;
    const struct pyramid_section section = { PYRAMID_SERIES, 0,
        (uint32_t)view.series.n };
    memcpy(&head, whole.p, sizeof head);
    head.sections = 1;
    buf_append(&old, &head, sizeof head);
    buf_append(&old, &section, sizeof section);
    buf_append(&old, view.series.p, view.series.n);
    const uint32_t crc =
        crc32c(old.p + PYRAMID_CRC_FROM, old.n - PYRAMID_CRC_FROM);
    memcpy(old.p + offsetof(struct pyramid_head, crc32c), &crc, sizeof crc);
    assert_int_equal(db_prepare(bed->db, update, &stmt, &e), ERR_NONE);
    assert_int_equal(
        sqlite3_bind_blob64(stmt, 1, old.p, old.n, SQLITE_STATIC), SQLITE_OK);
    assert_int_equal(db_run(stmt, "test", &e), ERR_NONE);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    buf_done(&old);
    free_copy(whole);
}

static void test_bodies_of_older_versions_are_not_wrong_and_are_renewed(
    void **state)
{
    struct bed *bed = *state;
    struct err e = { 0 };
    const int64_t summaries = size_of(bed, "summary");
    const int64_t bodies = size_of(bed, "body");
    make_old(bed, "SELECT summary FROM chunk WHERE id = 3",
        "UPDATE chunk SET summary = ?1 WHERE id = 3");
    make_old(bed, "SELECT body FROM pyramid", "UPDATE pyramid SET body = ?1");
    assert_true(size_of(bed, "summary") < summaries);
    assert_true(size_of(bed, "body") < bodies);
    assert_int_equal(findings(bed), 0);
    assert_int_equal(
        pyramid_rebuild(bed->pyramid, bed->stream.stream, &e), ERR_NONE);
    assert_int_equal(size_of(bed, "summary"), summaries);
    assert_int_equal(size_of(bed, "body"), bodies);
    assert_int_equal(findings(bed), 0);
}

/* A state that reads well and is not that of the records. */
static void test_a_state_of_other_records_is_found_wrong(void **state)
{
    struct bed *bed = *state;
    struct err e = { 0 };
    rig_sql(&bed->rig, "UPDATE chunk SET summary = (SELECT summary FROM chunk "
                       "WHERE id = 2) WHERE id = 1");
    assert_int_equal(findings(bed), 1);
    assert_int_equal(
        pyramid_rebuild(bed->pyramid, bed->stream.stream, &e), ERR_NONE);
    assert_int_equal(findings(bed), 0);
}

static void test_a_chunk_has_all_states_before_it_is_emptied(void **state)
{
    struct bed *bed = *state;
    struct err e = { 0 };
    struct pyramid_view view;
    struct pyramid_fits_view fits;
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    make_old(bed, "SELECT summary FROM chunk WHERE id = 3",
        "UPDATE chunk SET summary = ?1 WHERE id = 3");
    assert_int_equal(pyramid_keep(bed->pyramid, 3, &e), ERR_NONE);
    assert_int_equal(db_prepare(bed->db,
                         "SELECT summary FROM chunk WHERE id = 3", &stmt, &e),
        ERR_NONE);
    assert_int_equal(db_step(stmt, &row, "test", &e), ERR_NONE);
    assert_true(pyramid_view_open(db_blob(stmt, 0), WIRE_PROBE, &view));
    assert_true(pyramid_fits_open(view.fits, &fits) && fits.is_complete);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    rig_sql(&bed->rig, "UPDATE chunk SET body = x'' WHERE id = 3");
    assert_int_equal(findings(bed), 0);
}

#define STORE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_entry_has_the_state_and_what_is_left_out),
        cmocka_unit_test(test_a_group_too_small_to_pay_is_not_listed),
        cmocka_unit_test(test_where_nothing_pays_there_is_no_section),
        cmocka_unit_test(test_groups_beyond_the_limit_are_not_listed),
        cmocka_unit_test(test_groups_beyond_the_bytes_are_not_listed),
        cmocka_unit_test(test_a_merge_adds_what_all_know),
        cmocka_unit_test(test_a_merge_leaves_out_what_one_may_not_list),
        cmocka_unit_test(test_above_a_body_without_the_section_there_is_none),
        cmocka_unit_test(test_any_damage_is_read_as_a_section_or_as_none),
        cmocka_unit_test(test_states_fill_the_section),
        STORE(test_bodies_of_older_versions_are_not_wrong_and_are_renewed),
        STORE(test_a_state_of_other_records_is_found_wrong),
        STORE(test_a_chunk_has_all_states_before_it_is_emptied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
