/*
 * emitter: a trainer that measures nothing. Records of all kinds, of random
 * bits, go through libtraj, and after each call that returned TRAJ_OK it writes
 * what it recorded to a file, so that a test can compare the two, whatever was
 * killed in between.
 *
 *   emitter DIR ENDPOINT RUN STEPS FIRST_STEP PAUSE_US END GROUPS OUT
 *   END: finish, fail, close, or wait (record all, then wait to be killed)
 *   GROUPS: how many the run has; group k is named and sized as in emitter.py
 *
 * A line of OUT: the kind, then name=bits in hex of each number, name:bytes in
 * hex of a text or blob. The library's own fields (times) are not there.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "traj.h"

static void die(const char *what)
{
    (void)fprintf(stderr, "emitter: %s: %s\n", what, traj_last_error());
    exit(EXIT_FAILURE);
}

/* ---- random bits: splitmix64, the same in every run -----------------------
 */

static uint64_t state;

static uint64_t next(void)
{
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static double of_bits(uint64_t bits)
{
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t bits_of(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Absent, something special, any bits at all, or an ordinary number. */
static double any_double(void)
{
    static const uint64_t special[] = {
        UINT64_C(0x7ff8000000000000), /* NaN */
        UINT64_C(0x7ff0000000000000), /* Inf */
        UINT64_C(0xfff0000000000000), /* -Inf */
        UINT64_C(0x8000000000000000), /* -0 */
        UINT64_C(0x0000000000000000),
        UINT64_C(0x0000000000000001), /* least denormal */
        UINT64_C(0x800fffffffffffff), /* -greatest denormal */
        UINT64_C(0x7fefffffffffffff), /* greatest */
    };
    uint64_t r = next();
    switch (r % 8) {
    case 0:
        return traj_unset();
    case 1:
        return of_bits(special[r / 8 % (sizeof special / sizeof special[0])]);
    case 2:
        return of_bits(next());
    default:
        return (double)(r >> 11) * 0x1p-53;
    }
}

static uint64_t any_count(void)
{
    uint64_t r = next();
    return r % 4 == 0 ? TRAJ_UNSET_COUNT : r % 4 == 1 ? next() >> 1 : r % 100;
}

/* ---- what was recorded, as a line ------------------------------------------
 */

static char line[16384];
static size_t line_n;
static int out_fd = -1;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line + line_n, sizeof line - line_n, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof line - line_n) {
        die("line too long");
    }
    line_n += (size_t)n;
}

static void say_bytes(const char *name, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    say(" %s:", name);
    for (size_t i = 0; i < n; i++) {
        say("%02x", p[i]);
    }
}

/* In one write, so that a kill leaves whole lines. */
static void write_line(enum traj_status status)
{
    if (status != TRAJ_OK) {
        die("recording");
    }
    say("\n");
    if (write(out_fd, line, line_n) != (ssize_t)line_n) {
        die("OUT");
    }
    line_n = 0;
}

/* ---- records ----------------------------------------------------------------
 */

struct field {
    const char *name;
    size_t offset;
    bool is_count;
};

#define DOUBLE(type, name)                                                     \
    {                                                                          \
#name, offsetof(struct type, name), false                              \
    }
#define COUNT(type, name)                                                      \
    {                                                                          \
#name, offsetof(struct type, name), true                               \
    }

static const struct field step_fields[] = {
    DOUBLE(traj_step, loss),
    DOUBLE(traj_step, lr),
    DOUBLE(traj_step, grad_sq),
    DOUBLE(traj_step, param_sq),
    DOUBLE(traj_step, delta_sq),
    DOUBLE(traj_step, grad_delta),
    DOUBLE(traj_step, dgrad_sq),
    DOUBLE(traj_step, dgrad_delta),
    DOUBLE(traj_step, grad_prev),
    DOUBLE(traj_step, grad_max_abs),
    DOUBLE(traj_step, clip_threshold),
    DOUBLE(traj_step, clip_scale),
    DOUBLE(traj_step, grad_clipped_sq),
    DOUBLE(traj_step, loss_scale),
    DOUBLE(traj_step, momentum),
    DOUBLE(traj_step, epoch),
    DOUBLE(traj_step, micro_grad_sq),
    COUNT(traj_step, grad_nan),
    COUNT(traj_step, grad_inf),
    COUNT(traj_step, param_nan),
    COUNT(traj_step, param_inf),
    COUNT(traj_step, micro_batches),
    COUNT(traj_step, tokens),
    COUNT(traj_step, samples),
    COUNT(traj_step, batch_samples),
    COUNT(traj_step, flags),
};

static const struct field probe_fields[] = {
    DOUBLE(traj_probe, smoothness),
    DOUBLE(traj_probe, smoothness_gamma),
    DOUBLE(traj_probe, grad_sq),
    DOUBLE(traj_probe, grad_mid_sq),
    DOUBLE(traj_probe, grad_end_sq),
    DOUBLE(traj_probe, delta_sq),
    DOUBLE(traj_probe, dgrad_sq),
    DOUBLE(traj_probe, grad_delta),
    DOUBLE(traj_probe, dgrad_delta),
    DOUBLE(traj_probe, grad_grad_end),
    DOUBLE(traj_probe, param_sq),
    DOUBLE(traj_probe, loss),
    DOUBLE(traj_probe, loss_end),
    DOUBLE(traj_probe, lr),
    DOUBLE(traj_probe, noise_floor),
    DOUBLE(traj_probe, rounding_floor),
    DOUBLE(traj_probe, idempotence),
    DOUBLE(traj_probe, micro_grad_sq),
    DOUBLE(traj_probe, micro_dgrad_sq),
    DOUBLE(traj_probe, subset_fraction),
    DOUBLE(traj_probe, ceiling),
    DOUBLE(traj_probe, noise_sq),
    DOUBLE(traj_probe, grad_dual),
    DOUBLE(traj_probe, dgrad_dual),
    DOUBLE(traj_probe, delta_norm),
    COUNT(traj_probe, cost_ns),
    COUNT(traj_probe, grad_evals),
    COUNT(traj_probe, micro_batches),
    COUNT(traj_probe, batch_samples),
    COUNT(traj_probe, flags),
};

static const struct field moments_fields[] = {
    DOUBLE(traj_moments, grad_sq),
    DOUBLE(traj_moments, param_sq),
    DOUBLE(traj_moments, delta_sq),
    DOUBLE(traj_moments, dgrad_sq),
    DOUBLE(traj_moments, grad_delta),
    DOUBLE(traj_moments, dgrad_delta),
    DOUBLE(traj_moments, grad_prev),
    DOUBLE(traj_moments, grad_max_abs),
    COUNT(traj_moments, grad_nan),
    COUNT(traj_moments, grad_inf),
    COUNT(traj_moments, param_nan),
    COUNT(traj_moments, param_inf),
};

static const struct field group_fields[] = {
    DOUBLE(traj_group_step, grad_dual),
    DOUBLE(traj_group_step, delta_norm),
};

static const struct field sharpness_fields[] = {
    DOUBLE(traj_sharpness, value),
    DOUBLE(traj_sharpness, residual),
    DOUBLE(traj_sharpness, lambda_min),
    DOUBLE(traj_sharpness, lambda_max),
    DOUBLE(traj_sharpness, residual_min),
    DOUBLE(traj_sharpness, residual_max),
    DOUBLE(traj_sharpness, epsilon),
    DOUBLE(traj_sharpness, grad_sq),
    DOUBLE(traj_sharpness, loss),
    DOUBLE(traj_sharpness, lr),
    DOUBLE(traj_sharpness, subset_fraction),
    COUNT(traj_sharpness, hvps),
    COUNT(traj_sharpness, grad_evals),
    COUNT(traj_sharpness, cost_ns),
    COUNT(traj_sharpness, batch_samples),
    COUNT(traj_sharpness, converged),
    COUNT(traj_sharpness, flags),
};

/* Random values into the fields of a record, and into the line. */
static void fill(void *record, const struct field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char *at = (unsigned char *)record + fields[i].offset;
        if (fields[i].is_count) {
            uint64_t value = any_count();
            memcpy(at, &value, sizeof value);
            if (value != TRAJ_UNSET_COUNT) {
                say(" %s=%" PRIx64, fields[i].name, value);
            }
        } else {
            double value = any_double();
            memcpy(at, &value, sizeof value);
            if (!traj_is_unset(value)) {
                say(" %s=%" PRIx64, fields[i].name, bits_of(value));
            }
        }
    }
}

/* One of n values of an enum or number whose 0 says nothing. */
static unsigned any_enum(const char *name, unsigned n)
{
    unsigned value = (unsigned)(next() % n);
    if (value != 0) {
        say(" %s=%x", name, value);
    }
    return value;
}

static void record_step(traj_run *run, uint64_t number)
{
    struct traj_step step;
    traj_step_init(&step);
    step.step = number;
    say("1 step=%" PRIx64, number);
    fill(&step, step_fields, sizeof step_fields / sizeof step_fields[0]);
    step.stage = (enum traj_stage)any_enum("stage", TRAJ_STAGE_LOCAL + 1);
    step.combine =
        (enum traj_combine)any_enum("combine", TRAJ_COMBINE_REPLICA + 1);
    write_line(traj_step(run, &step));
}

static void record_probe(traj_run *run, uint64_t number, uint32_t n_groups)
{
    struct traj_probe probe;
    traj_probe_init(&probe);
    probe.step = number;
    say("2 step=%" PRIx64, number);
    probe.estimator = (enum traj_estimator)any_enum(
        "estimator", TRAJ_ESTIMATOR_DIFFERENT + 1);
    probe.dtype = (enum traj_dtype)any_enum("dtype", TRAJ_F16 + 1);
    probe.group = any_enum("group", n_groups + 1);
    probe.norm = (enum traj_norm)any_enum("norm", TRAJ_NORM_SPECTRAL + 1);
    probe.combine =
        (enum traj_combine)any_enum("combine", TRAJ_COMBINE_REPLICA + 1);
    fill(&probe, probe_fields, sizeof probe_fields / sizeof probe_fields[0]);
    probe.n_points = (uint32_t)(next() % (TRAJ_GAMMAS_MAX + 1));
    for (uint32_t i = 0; i < probe.n_points; i++) {
        probe.points[i] = (struct traj_probe_point){ of_bits(next()),
            any_double(), any_double(), any_double() };
    }
    if (probe.n_points > 0) {
        say_bytes(
            "gammas", probe.points, probe.n_points * sizeof probe.points[0]);
    }
    write_line(traj_log_probe(run, &probe));
}

static void record_group(traj_run *run, uint64_t number, uint32_t group)
{
    struct traj_group_step group_step;
    traj_group_step_init(&group_step);
    group_step.step = number;
    group_step.group = group;
    say("6 step=%" PRIx64 " group=%" PRIx32, number, group);
    group_step.norm = (enum traj_norm)any_enum("norm", TRAJ_NORM_SPECTRAL + 1);
    group_step.combine =
        (enum traj_combine)any_enum("combine", TRAJ_COMBINE_REPLICA + 1);
    group_step.stage = any_enum("stage", 2 * TRAJ_STAGE_LOCAL);
    fill(&group_step.moments, moments_fields,
        sizeof moments_fields / sizeof moments_fields[0]);
    fill(&group_step, group_fields,
        sizeof group_fields / sizeof group_fields[0]);
    write_line(traj_log_group(run, &group_step));
}

static void record_sharpness(traj_run *run, uint64_t number, uint32_t n_groups)
{
    struct traj_sharpness sharpness;
    traj_sharpness_init(&sharpness);
    sharpness.step = number;
    say("5 step=%" PRIx64, number);
    sharpness.group = any_enum("group", n_groups + 1);
    sharpness.method = (enum traj_sharpness_method)any_enum(
        "method", TRAJ_SHARPNESS_LANCZOS + 1);
    sharpness.estimator = (enum traj_estimator)any_enum(
        "estimator", TRAJ_ESTIMATOR_DIFFERENT + 1);
    sharpness.dtype = (enum traj_dtype)any_enum("dtype", TRAJ_F16 + 1);
    fill(&sharpness, sharpness_fields,
        sizeof sharpness_fields / sizeof sharpness_fields[0]);
    write_line(traj_log_sharpness(run, &sharpness));
}

static void record_metric(traj_run *run, uint64_t number)
{
    static const char *const names[] = { "eval/loss", "a", "größe/é😀" };
    const char *name = names[next() % 3];
    double value = of_bits(next());
    say("3 step=%" PRIx64 " value=%" PRIx64, number, bits_of(value));
    say_bytes("name", name, strlen(name));
    write_line(traj_log(run, name, number, value));
}

static void record_event(traj_run *run, uint64_t number)
{
    static const char *const texts[] = { "", "a \"quoted\", text\nof two lines",
        "é€😀" };
    const char *text = texts[next() % 3];
    enum traj_severity severity = (enum traj_severity)(next() % 3);
    say("4 step=%" PRIx64 " event=0 severity=%x", number, (unsigned)severity);
    say_bytes("text", text, strlen(text));
    write_line(traj_event(run, severity, number, text));
}

static void pause_us(uint64_t us)
{
    struct timespec t = { .tv_sec = (time_t)(us / 1000000),
        .tv_nsec = (long)(us % 1000000) * 1000 };
    (void)nanosleep(&t, NULL);
}

static uint64_t number(const char *text)
{
    char *end = NULL;
    uint64_t value = strtoull(text, &end, 10);
    if (end == text || *end != '\0') {
        die("a number is wrong");
    }
    return value;
}

static void record_all_of(traj_run *run, uint64_t i, uint32_t n_groups)
{
    record_step(run, i);
    if (i % 10 == 0) {
        record_probe(run, i, n_groups);
    }
    for (uint32_t group = 1; i % 16 == 0 && group <= n_groups; group++) {
        record_group(run, i, group);
    }
    if (i % 40 == 0) {
        record_sharpness(run, i, n_groups);
    }
    if (i % 7 == 0) {
        record_metric(run, i);
    }
    if (i % 97 == 0) {
        record_event(run, i);
    }
}

/* Of all norms; a matrix each. */
static struct traj_group *make_groups(uint32_t n)
{
    struct traj_group *groups = calloc(n + 1, sizeof *groups);
    char(*names)[65] = calloc(n + 1, sizeof *names);
    if (groups == NULL || names == NULL) {
        die("memory");
    }
    for (uint32_t i = 0; i < n; i++) {
        (void)snprintf(
            names[i], sizeof names[i], "größe.%" PRIu32 "/weight", i + 1);
        groups[i] = (struct traj_group){ .name = names[i],
            .size = (i + 1) * UINT64_C(3),
            .rows = i + 1,
            .cols = 3,
            .norm = (enum traj_norm)(i % 4),
            .combine = (enum traj_combine)(i % 3) };
    }
    return groups;
}

static int end_run(traj_run *run, const char *how)
{
    enum traj_status status = TRAJ_OK;
    if (strcmp(how, "wait") == 0) {
        (void)puts("recorded");
        (void)fflush(stdout);
        (void)pause();
    }
    if (strcmp(how, "close") == 0) {
        traj_close(run);
        return EXIT_SUCCESS;
    }
    status = traj_finish(run, strcmp(how, "fail") == 0 ? 3 : 0, 20000);
    if (status != TRAJ_OK && status != TRAJ_ETIMEDOUT) {
        die("finish");
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc != 10) {
        (void)fputs("emitter: see emitter.c\n", stderr);
        return 2;
    }
    struct traj_options options = TRAJ_OPTIONS_INIT;
    options.dir = argv[1];
    options.endpoint = argv[2];
    options.run_id = argv[3];
    uint64_t steps = number(argv[4]);
    uint64_t first = number(argv[5]);
    uint64_t pause_each_us = number(argv[6]);
    options.n_groups = (uint32_t)number(argv[8]);
    options.groups = make_groups(options.n_groups);
    state = first;

    out_fd = open(argv[9], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    traj_run *run = NULL;
    if (out_fd < 0 || traj_open(&options, &run) != TRAJ_OK) {
        die("open");
    }
    for (uint64_t i = first; i < first + steps; i++) {
        record_all_of(run, i, options.n_groups);
        if (pause_each_us > 0) {
            pause_us(pause_each_us);
        }
    }
    return end_run(run, argv[7]);
}
