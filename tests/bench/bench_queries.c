/*
 * bench_queries: whether questions hold up what comes in. One sender at a
 * steady pace (a frame of 64 steps every 4 ms), and the time until each frame
 * is acknowledged: first while nobody asks, then while one client exports
 * another run of 300,000 steps again and again and 50 dashboards follow this
 * one. The two take turns, so that what else the machine does is in both.
 *
 * The readers here take part of the same processors; the time that trajd's
 * busiest thread but one spends is theirs. Prints a table for people and one
 * line of JSON.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "../lib/bench_daemon.h"
#include "../lib/bench_readers.h"
#include "../lib/bench_stream.h"
#include "base/clock.h"

#define HISTORY_STEPS 300000u
#define ROUNDS 4u /* of each kind */
#define ROUND_FRAMES 1000u
#define PACE_NS (4 * NS_PER_MS)
#define DASHBOARDS 50u

enum kind { QUIET, ASKED, KINDS };

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_queries: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void wait_until(struct bench_stream *s, int64_t until_ns)
{
    int64_t left = until_ns - clock_mono_ns();
    do {
        zmq_pollitem_t item = { .socket = s->socket, .events = ZMQ_POLLIN };
        long ms = left > 0 ? (long)((left + NS_PER_MS - 1) / NS_PER_MS) : 0;
        (void)zmq_poll(&item, 1, ms);
        bench_stream_receive(s);
        left = until_ns - clock_mono_ns();
    } while (left > 0);
}

/* So many frames at the pace, and until they are acknowledged. */
static void send_paced(struct bench_stream *s, size_t frames)
{
    size_t until = s->sent + frames;
    int64_t next = clock_mono_ns();
    while (s->sent < until) {
        bench_stream_send(s, 1024, s->sent + 1);
        next += PACE_NS;
        wait_until(s, next);
    }
    int64_t deadline = clock_mono_ns() + 60 * NS_PER_S;
    while (s->acked < until) {
        wait_until(s, clock_mono_ns() + NS_PER_MS);
        if (clock_mono_ns() > deadline) {
            die("acknowledgements stopped");
        }
    }
}

static void send_history(void *zmq, const char *endpoint)
{
    size_t frames = HISTORY_STEPS / bench_steps.rows;
    struct bench_stream s =
        bench_stream_open(zmq, endpoint, &bench_steps, 1, frames);
    while (s.acked < frames) {
        bench_stream_send(&s, 64, SIZE_MAX);
        wait_until(&s, clock_mono_ns() + NS_PER_MS);
    }
    bench_stream_close(&s);
}

static int by_size(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

struct result {
    double p50_us;
    double p99_us;
    double max_us;
};

static struct result result_of(double *latencies_us, size_t n)
{
    qsort(latencies_us, n, sizeof latencies_us[0], by_size);
    return (struct result){ latencies_us[n / 2], latencies_us[n * 99 / 100],
        latencies_us[n - 1] };
}

static void measure(struct bench_stream *s, const struct bench_daemon *d,
    double *latencies_us[KINDS], struct bench_read *ret_read)
{
    for (unsigned round = 0; round < 2 * ROUNDS; round++) {
        enum kind kind = round % 2 == 0 ? QUIET : ASKED;
        struct bench_readers *readers = NULL;
        if (kind == ASKED) {
            readers =
                bench_readers_start(d->http, "bench-1", "bench-0", DASHBOARDS);
        }
        size_t from = s->sent;
        send_paced(s, ROUND_FRAMES);
        memcpy(latencies_us[kind] + round / 2 * ROUND_FRAMES,
            s->latencies_us + from, ROUND_FRAMES * sizeof(double));
        if (readers != NULL) {
            struct bench_read got = bench_readers_stop(readers);
            ret_read->exports += got.exports;
            ret_read->export_bytes += got.export_bytes;
            ret_read->charts += got.charts;
            ret_read->event_bytes += got.event_bytes;
        }
    }
}

static void print(const struct result r[KINDS], const struct bench_read *got)
{
    static const char *const names[] = { "quiet", "asked" };
    double seconds =
        (double)(ROUNDS * ROUND_FRAMES) * (double)PACE_NS / (double)NS_PER_S;
    printf("%-8s %10s %10s %10s\n", "", "ack p50 us", "p99 us", "max us");
    for (unsigned i = 0; i < KINDS; i++) {
        printf("%-8s %10.0f %10.0f %10.0f\n", names[i], r[i].p50_us,
            r[i].p99_us, r[i].max_us);
    }
    printf("%-8s %10.2f %10.2f %10.2f\n", "ratio",
        r[ASKED].p50_us / r[QUIET].p50_us, r[ASKED].p99_us / r[QUIET].p99_us,
        r[ASKED].max_us / r[QUIET].max_us);
    printf("asked: %.1f MB/s exported, %.0f charts/s, %.2f MB/s of events\n",
        (double)got->export_bytes / 1e6 / seconds,
        (double)got->charts / seconds,
        (double)got->event_bytes / 1e6 / seconds);
    printf("{\"bench\":\"queries\",\"quiet_p50_us\":%.1f,\"quiet_p99_us\":%.1f,"
           "\"asked_p50_us\":%.1f,\"asked_p99_us\":%.1f,\"p99_ratio\":%.3f,"
           "\"exported_mb_per_s\":%.2f}\n",
        r[QUIET].p50_us, r[QUIET].p99_us, r[ASKED].p50_us, r[ASKED].p99_us,
        r[ASKED].p99_us / r[QUIET].p99_us,
        (double)got->export_bytes / 1e6 / seconds);
}

int main(void)
{
    static double latencies[KINDS][ROUNDS * ROUND_FRAMES];
    double *pointers[KINDS] = { latencies[QUIET], latencies[ASKED] };
    struct bench_read got = { 0 };
    struct bench_daemon d = bench_daemon_start(NULL);
    void *zmq = zmq_ctx_new();
    send_history(zmq, d.ingest);
    struct bench_stream s = bench_stream_open(
        zmq, d.ingest, &bench_steps, 0, (size_t)2 * ROUNDS * ROUND_FRAMES);
    measure(&s, &d, pointers, &got);
    const struct result r[KINDS] = {
        result_of(latencies[QUIET], ROUNDS * ROUND_FRAMES),
        result_of(latencies[ASKED], ROUNDS * ROUND_FRAMES),
    };
    print(r, &got);
    bench_stream_close(&s);
    (void)zmq_ctx_term(zmq);
    bench_daemon_stop(&d);
    return EXIT_SUCCESS;
}
