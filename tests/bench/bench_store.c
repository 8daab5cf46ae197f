/*
 * bench_store: what the store takes and gives: durable steps/s (decode, append,
 * commit at synchronous=FULL, seal), bytes a step on disk, and the time to read
 * one metric back. A step is step, wall_ns and 8 doubles, 64 to a frame, 1024
 * to a transaction. Two of the 8 are constant. Of "full" data five have 52
 * random bits, and the loss is a float; of "float" data all six are floats, as
 * a float32 trainer gives them.
 *
 * Prints a table for people and one line of JSON per row.
 */
#include "../lib/store_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"

#define FRAME_STEPS 64u
#define COMMIT_FRAMES 16u
#define STEPS 1000000u

enum mantissa { MANTISSA_FULL, MANTISSA_FLOAT };

struct result {
    unsigned runs;
    enum mantissa mantissa;
    double steps_per_s;
    double bytes_per_step;
    double commit_p50_us;
    double commit_p99_us;
    double read_one_ms;
    double read_all_ms;
};

static void check(enum err_code code, const struct err *e)
{
    if (code != ERR_NONE) {
        fprintf(stderr, "bench_store: %s\n", e->text);
        exit(1);
    }
}

static double noise(uint64_t *seed, bool narrow)
{
    double value = 1 + (double)(rig_random(seed) >> 11) * 0x1p-53;
    return narrow ? (double)(float)value : value;
}

static void make_step(uint64_t *seed, enum mantissa mantissa, uint64_t step,
    uint64_t values[WIRE_FIELDS_MAX])
{
    static const unsigned fields[8] = { STEP_loss, STEP_lr, STEP_grad_sq,
        STEP_param_sq, STEP_delta_sq, STEP_grad_delta, STEP_grad_max_abs,
        STEP_clip_scale };
    values[STEP_step] = step;
    values[STEP_wall_ns] =
        (uint64_t)RIG_NOW_NS + step * 1000000 + (rig_random(seed) & 0x3fff);
    for (size_t i = 0; i < 8; i++) {
        bool narrow = fields[i] == STEP_loss || mantissa == MANTISSA_FLOAT;
        double value = noise(seed, narrow) * (double)(i + 1);
        if (fields[i] == STEP_lr || fields[i] == STEP_clip_scale) {
            value = 0.125; /* constant for long, as these two are */
        }
        memcpy(&values[fields[i]], &value, sizeof value);
    }
}

#define STEP_MASK                                                              \
    (1u << STEP_step | 1u << STEP_wall_ns | 1u << STEP_loss | 1u << STEP_lr |  \
        1u << STEP_grad_sq | 1u << STEP_param_sq | 1u << STEP_delta_sq |       \
        1u << STEP_grad_delta | 1u << STEP_grad_max_abs |                      \
        1u << STEP_clip_scale)

static size_t make_frame(uint64_t *seed, enum mantissa mantissa, uint32_t uid,
    uint64_t first, void *out, size_t capacity)
{
    static uint64_t values[FRAME_STEPS][WIRE_FIELDS_MAX];
    struct wire_record records[FRAME_STEPS] = { 0 };
    for (uint64_t i = 0; i < FRAME_STEPS; i++) {
        make_step(seed, mantissa, first + i, values[i]);
        records[i] = (struct wire_record){ .seq = first + i,
            .kind = WIRE_STEP,
            .present = STEP_MASK,
            .values = values[i] };
    }
    return wire_encode_data(
        out, capacity, rig_uid(uid).v, 0, first, records, FRAME_STEPS);
}

#define FRAME_BYTES_MAX 8192u

/* One transaction: the frames of one round over the runs, then what is due. */
static void commit_frames(struct rig *rig, struct stream_state *streams,
    unsigned runs, unsigned *next, uint8_t frames[][FRAME_BYTES_MAX],
    const size_t *lengths)
{
    struct err e = { 0 };
    check(store_begin(rig->store, &e), &e);
    for (unsigned i = 0; i < COMMIT_FRAMES; i++) {
        struct stream_state *s = &streams[(*next + i) % runs];
        uint32_t taken = 0;
        check(rig_try_append(
                  rig, s, frames[i], lengths[i], RIG_NOW_NS, &taken, &e),
            &e);
        uint64_t sealed = 0;
        check(store_seal(rig->store, s->stream, false, &sealed, &e), &e);
    }
    check(store_commit(rig->store, &e), &e);
    *next = (*next + COMMIT_FRAMES) % runs;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void write_all(
    struct rig *rig, struct stream_state *streams, struct result *result)
{
    static uint8_t frames[COMMIT_FRAMES][FRAME_BYTES_MAX];
    static uint64_t next_seq[64];
    size_t lengths[COMMIT_FRAMES];
    size_t commits = STEPS / (FRAME_STEPS * COMMIT_FRAMES);
    double *times = calloc(commits, sizeof *times);
    uint64_t seed = 1;
    unsigned next = 0;
    double total = 0;
    memset(next_seq, 0, sizeof next_seq);
    for (size_t c = 0; c < commits; c++) {
        for (unsigned i = 0; i < COMMIT_FRAMES; i++) {
            unsigned run = (next + i) % result->runs;
            lengths[i] = make_frame(&seed, result->mantissa, run,
                next_seq[run] * FRAME_STEPS + 1, frames[i], FRAME_BYTES_MAX);
            next_seq[run]++;
        }
        int64_t start = clock_mono_ns();
        commit_frames(rig, streams, result->runs, &next, frames, lengths);
        times[c] = (double)(clock_mono_ns() - start);
        total += times[c];
    }
    qsort(times, commits, sizeof *times, compare);
    result->steps_per_s =
        (double)(commits * COMMIT_FRAMES * FRAME_STEPS) / total * 1e9;
    result->commit_p50_us = times[commits / 2] / 1e3;
    result->commit_p99_us = times[commits * 99 / 100] / 1e3;
    free(times);
}

static double read_ms(const struct rig *rig, struct run_id run, uint64_t fields)
{
    struct err e = { 0 };
    struct reader *reader = NULL;
    struct scan *scan = NULL;
    struct scan_batch batch = { 0 };
    struct scan_query query = rig_query(run, WIRE_STEP);
    query.fields = fields;
    check(reader_open(rig->path, &reader, &e), &e);
    double best = 0;
    for (int round = 0; round < 5; round++) {
        int64_t start = clock_mono_ns();
        check(scan_open(reader, &query, &scan, &e), &e);
        do {
            check(scan_next(scan, &batch, &e), &e);
        } while (batch.n > 0);
        scan_close(scan);
        double ms = (double)(clock_mono_ns() - start) / 1e6;
        best = round == 0 || ms < best ? ms : best;
    }
    reader_close(reader);
    return best;
}

static double file_bytes(const char *path)
{
    struct stat st = { 0 };
    return stat(path, &st) == 0 ? (double)st.st_size : 0;
}

static struct result measure(unsigned runs, enum mantissa mantissa)
{
    static struct stream_state streams[64];
    struct result result = { .runs = runs, .mantissa = mantissa };
    struct rig rig;
    struct err e = { 0 };
    rig_open(&rig, 0);
    store_close(rig.store);
    struct store_options options = { .path = rig.path };
    check(store_open(&options, &rig.store, &e), &e);
    for (unsigned i = 0; i < runs; i++) {
        char hello[64];
        (void)snprintf(
            hello, sizeof hello, "{\"run_id\":\"r%u\",\"attempt\":1}", i);
        streams[i] = rig_hello(&rig, i, hello);
    }
    write_all(&rig, streams, &result);
    rig_sql(&rig, "PRAGMA wal_checkpoint(TRUNCATE);");
    result.bytes_per_step = file_bytes(rig.path) / STEPS;
    /* Over all runs, as if it were one of 1e6 steps. */
    for (unsigned i = 0; i < runs; i++) {
        result.read_one_ms +=
            read_ms(&rig, streams[i].run, UINT64_C(1) << STEP_loss);
        result.read_all_ms += read_ms(&rig, streams[i].run, UINT64_MAX);
    }
    rig_close(&rig);
    return result;
}

int main(void)
{
    static const struct {
        unsigned runs;
        enum mantissa mantissa;
    } cases[] = { { 1, MANTISSA_FULL }, { 1, MANTISSA_FLOAT },
        { 64, MANTISSA_FULL }, { 64, MANTISSA_FLOAT } };
    printf("%5s %6s %10s %7s %11s %11s %9s %9s\n", "runs", "data", "steps/s",
        "B/step", "commit p50", "commit p99", "1 metric", "all");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct result r = measure(cases[i].runs, cases[i].mantissa);
        const char *data = r.mantissa == MANTISSA_FULL ? "full" : "float";
        printf("%5u %6s %10.0f %7.1f %8.0f us %8.0f us %6.1f ms %6.1f ms\n",
            r.runs, data, r.steps_per_s, r.bytes_per_step, r.commit_p50_us,
            r.commit_p99_us, r.read_one_ms, r.read_all_ms);
        printf("{\"bench\":\"store\",\"runs\":%u,\"data\":\"%s\","
               "\"steps_per_s\":%.0f,\"bytes_per_step\":%.1f,"
               "\"commit_p50_us\":%.0f,\"commit_p99_us\":%.0f,"
               "\"read_one_ms\":%.2f,\"read_all_ms\":%.2f}\n",
            r.runs, data, r.steps_per_s, r.bytes_per_step, r.commit_p50_us,
            r.commit_p99_us, r.read_one_ms, r.read_all_ms);
        (void)fflush(stdout);
    }
    return 0;
}
