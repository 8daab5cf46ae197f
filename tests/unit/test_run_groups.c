/* The groups of a run, from traj_open to the HELLO, and the records that name
 * one; against a scripted daemon behind a real socket. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/peer.h"
#include "../lib/spool_rig.h"
#include "store/hello.h"
#include "traj.h"
#include "transport/hello.h"
#include "transport/options.h"

struct world {
    char dir[64];
    struct peer peer;
    struct traj_options options;
    traj_run *run;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    test_dir_make(w->dir);
    peer_start(&w->peer);
    w->options = (struct traj_options)TRAJ_OPTIONS_INIT;
    w->options.endpoint = w->peer.endpoint;
    w->options.dir = w->dir;
    w->options.run_id = "run";
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    peer_stop(&w->peer);
    peer_done(&w->peer);
    test_dir_remove(w->dir);
    free(w);
    return 0;
}

static void open_run(
    struct world *w, const struct traj_group *groups, uint32_t n)
{
    w->options.groups = groups;
    w->options.n_groups = n;
    assert_int_equal(traj_open(&w->options, &w->run), TRAJ_OK);
}

static const struct traj_group two[] = {
    { .name = "embed", .size = 12, .rows = 3, .cols = 4 },
    { .name = "head", .size = 5 },
};

static bool has(const struct fake_record *r, unsigned field)
{
    return (r->present >> field & 1) != 0;
}

static void test_the_hello_has_the_groups_in_their_order(void **state)
{
    struct world *w = *state;
    char name[] = "größe/0.weight";
    struct traj_group groups[] = {
        { .name = name,
            .size = 12,
            .rows = 3,
            .cols = 4,
            .norm = TRAJ_NORM_SPECTRAL,
            .combine = TRAJ_COMBINE_SHARD },
        { .name = "b", .size = UINT64_C(1) << 53 },
    };
    open_run(w, groups, 2);
    memset(name, 'x', sizeof name - 1); /* the run has its own by now */
    groups[1].size = 1;
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    assert_non_null(strstr(d->streams[0].json,
        "\"groups\":[{\"name\":\"größe/0.weight\",\"size\":12,\"rows\":3,"
        "\"cols\":4,\"norm\":3,\"combine\":1},{\"name\":\"b\","
        "\"size\":9007199254740992,\"rows\":0,\"cols\":0,\"norm\":0,"
        "\"combine\":0}]"));
    peer_unlock(&w->peer);
}

static void test_a_run_without_groups_says_nothing_of_them(void **state)
{
    struct world *w = *state;
    open_run(w, NULL, 0);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    assert_null(strstr(d->streams[0].json, "\"groups\""));
    peer_unlock(&w->peer);
}

static void test_wrong_groups_are_named(void **state)
{
    struct world *w = *state;
    char longest[66];
    memset(longest, 'n', sizeof longest);
    longest[65] = '\0';
    const struct {
        struct traj_group group;
        const char *text;
    } wrong[] = {
        { { .size = 1 }, "group 2: its name" },
        { { .name = "", .size = 1 }, "group 2: its name" },
        { { .name = longest, .size = 1 }, "1 to 64 bytes" },
        { { .name = "\xff", .size = 1 }, "UTF-8" },
        { { .name = "a\tb", .size = 1 }, "control" },
        { { .name = "a\x7f", .size = 1 }, "control" },
        { { .name = "a\xc2\x85", .size = 1 }, "control" },
        { { .name = "a\"b", .size = 1 }, "group 2" },
        { { .name = "a\\b", .size = 1 }, "group 2" },
        { { .name = "g" }, "\"g\": its size" },
        { { .name = "g", .size = (UINT64_C(1) << 53) + 1 }, "size" },
        { { .name = "g", .size = 1, .norm = (enum traj_norm)4 }, "norm" },
        { { .name = "g", .size = 1, .combine = (enum traj_combine)3 },
            "combine" },
        { { .name = "g", .size = 6, .norm = TRAJ_NORM_SPECTRAL }, "rows" },
        { { .name = "g",
              .size = 6,
              .rows = 2,
              .cols = 4,
              .norm = TRAJ_NORM_SPECTRAL },
            "rows" },
        { { .name = "embed", .size = 1 }, "two groups are named \"embed\"" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct traj_group groups[] = { two[0], wrong[i].group };
        w->options.groups = groups;
        w->options.n_groups = 2;
        assert_int_equal(traj_open(&w->options, &w->run), TRAJ_EINVAL);
        assert_non_null(strstr(traj_last_error(), wrong[i].text));
        assert_null(w->run);
    }
    w->options.groups = NULL;
    assert_int_equal(traj_open(&w->options, &w->run), TRAJ_EINVAL);
    assert_non_null(strstr(traj_last_error(), "groups is NULL"));
    w->options.groups = two;
    w->options.n_groups = TRAJ_GROUPS_MAX + 1;
    assert_int_equal(traj_open(&w->options, &w->run), TRAJ_EINVAL);
    assert_non_null(strstr(traj_last_error(), "4097, more than 4096"));
}

/* A text of n times the byte c. */
static char *repeated(char c, size_t n)
{
    char *text = malloc(n + 1);
    assert_non_null(text);
    memset(text, c, n);
    text[n] = '\0';
    return text;
}

/* Control characters take six bytes each in JSON; commas part the tags. */
static char *longest_tags(void)
{
    char *tags = repeated('\x01', 64 * 101 - 1);
    for (size_t i = 1; i < 64; i++) {
        tags[i * 101 - 1] = ',';
    }
    return tags;
}

static void test_the_longest_hello_fits_and_the_daemon_takes_it(void **state)
{
    (void)state;
    static struct traj_group groups[TRAJ_GROUPS_MAX];
    static char names[TRAJ_GROUPS_MAX][65];
    char *text = repeated('\x01', 200);
    char *config = repeated(' ', 128u << 10);
    char *tags = longest_tags();
    memcpy(config, "{}", 2);
    for (size_t i = 0; i < TRAJ_GROUPS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "%064zu", i);
        groups[i] = (struct traj_group){ .name = names[i],
            .size = UINT64_C(1) << 53,
            .rows = UINT32_MAX,
            .cols = UINT32_MAX,
            .norm = TRAJ_NORM_LINF,
            .combine = TRAJ_COMBINE_REPLICA };
    }
    struct traj_options given = TRAJ_OPTIONS_INIT;
    given.project = text + 100;
    given.name = text;
    given.optimizer = text;
    given.tags = tags;
    given.config_json = config;
    given.groups = groups;
    given.n_groups = TRAJ_GROUPS_MAX;
    given.rank = 65535;
    given.world = 65536;
    struct options options;
    struct text json;
    struct hello hello;
    struct err e = { 0 };
    assert_int_equal(options_init(&options, &given), TRAJ_OK);
    assert_int_equal(hello_make(&options, INT32_MAX, &json), TRAJ_OK);
    assert_in_range(json.n, 800000, WIRE_HELLO_MAX - 2 * 6 * 200);
    assert_int_equal(
        hello_parse((struct str){ json.p, json.n }, &hello, &e), ERR_NONE);
    hello_done(&hello);
    text_done(&json);
    options_done(&options);
    free(text);
    free(config);
    free(tags);
}

static void test_what_is_all_or_nothing_is_left_out(void **state)
{
    struct world *w = *state;
    struct traj_probe probe;
    struct traj_group_step group;
    struct traj_sharpness sharpness;
    traj_probe_init(&probe);
    traj_group_step_init(&group);
    traj_sharpness_init(&sharpness);
    group.group = 2;
    open_run(w, two, 2);
    assert_int_equal(traj_log_probe(w->run, &probe), TRAJ_OK);
    assert_int_equal(traj_log_group(w->run, &group), TRAJ_OK);
    assert_int_equal(traj_log_sharpness(w->run, &sharpness), TRAJ_OK);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    const struct fake_record *r = d->streams[0].records;
    assert_int_equal(r[0].present & ~(UINT64_C(1) << PROBE_flags), 2);
    assert_int_equal(r[1].kind, WIRE_GROUP);
    assert_int_equal(r[1].present, 2 | 1u << GROUP_group);
    assert_int_equal(r[1].values[GROUP_group], 2);
    assert_int_equal(r[2].kind, WIRE_SHARPNESS);
    assert_int_equal(r[2].present & ~(UINT64_C(1) << SHARPNESS_flags), 2);
    peer_unlock(&w->peer);
}

static void test_a_group_that_the_run_has_not_is_refused(void **state)
{
    struct world *w = *state;
    struct traj_probe probe;
    struct traj_group_step group;
    struct traj_sharpness sharpness;
    traj_probe_init(&probe);
    traj_group_step_init(&group);
    traj_sharpness_init(&sharpness);
    open_run(w, two, 2);
    assert_int_equal(traj_log_group(w->run, &group), TRAJ_EINVAL);
    assert_non_null(strstr(traj_last_error(), "group 0 is all"));
    group.group = probe.group = sharpness.group = 3;
    assert_int_equal(traj_log_group(w->run, &group), TRAJ_EINVAL);
    assert_string_equal(
        traj_last_error(), "group: group 3 of a run with 2 groups");
    assert_int_equal(traj_log_probe(w->run, &probe), TRAJ_EINVAL);
    assert_non_null(strstr(traj_last_error(), "probe: group 3"));
    assert_int_equal(traj_log_sharpness(w->run, &sharpness), TRAJ_EINVAL);
    assert_non_null(strstr(traj_last_error(), "sharpness: group 3"));
    assert_int_equal(traj_log_group(w->run, NULL), TRAJ_EINVAL);
    assert_int_equal(traj_log_sharpness(w->run, NULL), TRAJ_EINVAL);
    group.size = sharpness.size = 0;
    assert_int_equal(traj_log_group(w->run, &group), TRAJ_EINVAL);
    assert_int_equal(traj_log_sharpness(w->run, &sharpness), TRAJ_EINVAL);
    assert_int_equal(traj_log_group(NULL, &group), TRAJ_EINVAL);
    assert_int_equal(traj_log_sharpness(NULL, &sharpness), TRAJ_EINVAL);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    assert_int_equal(d->streams[0].n, 1); /* the FINISH; nothing dropped */
    peer_unlock(&w->peer);
}

/* The first value beyond each enum, and -1. */
static void test_what_no_enum_has_is_refused(void **state)
{
    struct world *w = *state;
    open_run(w, two, 2);
    for (size_t i = 0; i < 2; i++) {
        const unsigned beyond = (unsigned)i * UINT_MAX;
        struct traj_probe probes[4];
        struct traj_group_step groups[3];
        struct traj_sharpness sharpness[3];
        struct traj_step steps[2];
        for (size_t k = 0; k < 2; k++) {
            traj_step_init(&steps[k]);
        }
        for (size_t k = 0; k < 4; k++) {
            traj_probe_init(&probes[k]);
        }
        for (size_t k = 0; k < 3; k++) {
            traj_group_step_init(&groups[k]);
            traj_sharpness_init(&sharpness[k]);
            groups[k].group = 1;
        }
        probes[0].estimator = (enum traj_estimator)(6 | beyond);
        probes[1].norm = (enum traj_norm)(4 | beyond);
        probes[2].dtype = (enum traj_dtype)(5 | beyond);
        probes[3].combine = (enum traj_combine)(3 | beyond);
        groups[0].norm = (enum traj_norm)(4 | beyond);
        groups[1].combine = (enum traj_combine)(3 | beyond);
        groups[2].stage = 64 | beyond;
        steps[0].combine = (enum traj_combine)(3 | beyond);
        steps[1].stage = 64 | beyond;
        sharpness[0].method = (enum traj_sharpness_method)(3 | beyond);
        sharpness[1].estimator = (enum traj_estimator)(6 | beyond);
        sharpness[2].dtype = (enum traj_dtype)(5 | beyond);
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(traj_step(w->run, &steps[k]), TRAJ_EINVAL);
        }
        for (size_t k = 0; k < 4; k++) {
            assert_int_equal(traj_log_probe(w->run, &probes[k]), TRAJ_EINVAL);
        }
        for (size_t k = 0; k < 3; k++) {
            assert_int_equal(traj_log_group(w->run, &groups[k]), TRAJ_EINVAL);
            assert_int_equal(
                traj_log_sharpness(w->run, &sharpness[k]), TRAJ_EINVAL);
        }
    }
    struct traj_sharpness odd;
    traj_sharpness_init(&odd);
    odd.method = (enum traj_sharpness_method)3;
    assert_int_equal(traj_log_sharpness(w->run, &odd), TRAJ_EINVAL);
    assert_string_equal(traj_last_error(), "sharpness: no such method: 3");
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
}

static void test_the_last_of_each_enum_is_taken(void **state)
{
    struct world *w = *state;
    struct traj_probe probe;
    struct traj_group_step group;
    struct traj_sharpness sharpness;
    struct traj_step step;
    traj_step_init(&step);
    traj_probe_init(&probe);
    traj_group_step_init(&group);
    traj_sharpness_init(&sharpness);
    probe.estimator = sharpness.estimator = TRAJ_ESTIMATOR_DIFFERENT;
    probe.norm = group.norm = TRAJ_NORM_SPECTRAL;
    probe.dtype = sharpness.dtype = TRAJ_F16;
    probe.combine = group.combine = TRAJ_COMBINE_REPLICA;
    step.combine = TRAJ_COMBINE_REPLICA;
    group.stage = step.stage = 63;
    group.group = 2;
    sharpness.method = TRAJ_SHARPNESS_LANCZOS;
    open_run(w, two, 2);
    assert_int_equal(traj_step(w->run, &step), TRAJ_OK);
    assert_int_equal(traj_log_probe(w->run, &probe), TRAJ_OK);
    assert_int_equal(traj_log_group(w->run, &group), TRAJ_OK);
    assert_int_equal(traj_log_sharpness(w->run, &sharpness), TRAJ_OK);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
}

static void test_an_older_callers_records_are_understood(void **state)
{
    struct world *w = *state;
    struct traj_group_step group;
    struct traj_sharpness sharpness;
    traj_group_step_init(&group);
    traj_sharpness_init(&sharpness);
    group.group = 1;
    group.moments.grad_sq = 2.5;
    group.grad_dual = group.delta_norm = 7;
    group.size = offsetof(struct traj_group_step, grad_dual);
    sharpness.value = -1.5;
    sharpness.residual = 7;
    sharpness.size = offsetof(struct traj_sharpness, residual);
    open_run(w, two, 2);
    assert_int_equal(traj_log_group(w->run, &group), TRAJ_OK);
    assert_int_equal(traj_log_sharpness(w->run, &sharpness), TRAJ_OK);
    assert_int_equal(traj_finish(w->run, 0, 10000), TRAJ_OK);
    struct fake_daemon *d = peer_lock(&w->peer);
    const struct fake_record *r = d->streams[0].records;
    assert_true(has(&r[0], GROUP_grad_sq) && !has(&r[0], GROUP_grad_dual) &&
                !has(&r[0], GROUP_delta_norm));
    assert_true(has(&r[1], SHARPNESS_value) && !has(&r[1], SHARPNESS_residual));
    peer_unlock(&w->peer);
}

static void test_a_disabled_run_takes_any_group(void **state)
{
    struct world *w = *state;
    struct traj_group_step group;
    traj_group_step_init(&group);
    w->options.mode = TRAJ_MODE_DISABLED;
    open_run(w, two, 2);
    assert_int_equal(traj_log_group(w->run, &group), TRAJ_OK);
    assert_int_equal(traj_log_sharpness(w->run, NULL), TRAJ_OK);
    assert_int_equal(traj_finish(w->run, 0, 0), TRAJ_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_hello_has_the_groups_in_their_order),
        TEST(test_a_run_without_groups_says_nothing_of_them),
        TEST(test_wrong_groups_are_named),
        cmocka_unit_test(test_the_longest_hello_fits_and_the_daemon_takes_it),
        TEST(test_what_is_all_or_nothing_is_left_out),
        TEST(test_a_group_that_the_run_has_not_is_refused),
        TEST(test_what_no_enum_has_is_refused),
        TEST(test_the_last_of_each_enum_is_taken),
        TEST(test_an_older_callers_records_are_understood),
        TEST(test_a_disabled_run_takes_any_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
