/*
 * bench_ingest: acknowledged rows/s, end to end: DEALER sockets here, a real
 * trajd on a fresh database (an acknowledged row is on disk), acknowledgements
 * back. Frames: bench_stream.h. "window" is how many frames of a stream are
 * under way; latency is from the sending of a frame to the acknowledgement that
 * covers it.
 *
 * Everything is on one machine: the sender's work (sending ready-made frames)
 * takes part of the same processors. Processor time is given too, for a machine
 * that has other things to do: of the sender and of trajd, and of trajd's
 * busiest thread, which is the writer.
 * Prints a table for people and one line of JSON per row. With arguments, only
 * the cases of these names.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <zmq.h>

#include "../lib/bench_daemon.h"
#include "../lib/bench_stream.h"
#include "base/clock.h"

#define STREAMS_MAX 320u
#define GIVE_UP_NS (240 * NS_PER_S)

/* Both loads at once, where there are both. */
struct ingest_case {
    const char *name;
    unsigned step_streams;
    unsigned layer_streams;
    unsigned window;
    unsigned rows;          /* STEP rows, in all streams together */
    unsigned layer_rows;    /* GROUP rows */
    const char *durability; /* NULL: the default */
};

static const struct ingest_case cases[] = {
    { "steps-1-lone", 1, 0, 1, 200000, 0, NULL },
    { "steps-1", 1, 0, 64, 2000000, 0, NULL },
    { "steps-1-wide", 1, 0, 1024, 2000000, 0, NULL },
    { "steps-16", 16, 0, 64, 2000000, 0, NULL },
    { "steps-64", 64, 0, 64, 2000000, 0, NULL },
    { "steps-256", 256, 0, 64, 2000000, 0, NULL },
    { "layers-1", 0, 1, 64, 0, 1000000, NULL },
    { "both", 1, 1, 64, 2000000, 400000, NULL },
    { "both-64", 64, 1, 64, 2000000, 400000, NULL },
    { "group-1", 1, 0, 64, 1000000, 0, "group" },
    { "relaxed-1", 1, 0, 64, 2000000, 0, "relaxed" },
};

struct result {
    double step_rows_per_s;
    double layer_rows_per_s;
    double p50_us;
    double p99_us;
    double sender_us_per_row; /* of a processor; these four */
    double daemon_us_per_row;
    double writer_us_per_row;
    double written_per_row; /* bytes */
    double rss_mib;
};

struct streams {
    struct bench_stream v[STREAMS_MAX];
    unsigned n;
    unsigned n_steps;      /* of them, first */
    int64_t steps_done_ns; /* when all of a kind were acknowledged */
    int64_t layers_done_ns;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_ingest: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void open_all(struct streams *s, void *zmq, const char *endpoint,
    const struct ingest_case *c)
{
    s->n_steps = c->step_streams;
    s->n = c->step_streams + c->layer_streams;
    for (unsigned i = 0; i < s->n; i++) {
        bool step = i < s->n_steps;
        const struct bench_load *load = step ? &bench_steps : &bench_layers;
        unsigned rows =
            step ? c->rows / c->step_streams : c->layer_rows / c->layer_streams;
        s->v[i] = bench_stream_open(zmq, endpoint, load, i, rows / load->rows);
    }
}

static bool all_acked(const struct streams *s, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        if (s->v[i].acked < s->v[i].n_frames) {
            return false;
        }
    }
    return true;
}

/* When it became true that all of these are acknowledged. */
static void note_done(
    const struct streams *s, unsigned from, unsigned to, int64_t *done_ns)
{
    if (*done_ns == 0 && all_acked(s, from, to)) {
        *done_ns = clock_mono_ns();
    }
}

static void transfer(struct streams *s, unsigned window)
{
    int64_t deadline = clock_mono_ns() + GIVE_UP_NS;
    zmq_pollitem_t items[STREAMS_MAX];
    for (unsigned i = 0; i < s->n; i++) {
        items[i] =
            (zmq_pollitem_t){ .socket = s->v[i].socket, .events = ZMQ_POLLIN };
    }
    while (s->steps_done_ns == 0 || s->layers_done_ns == 0) {
        for (unsigned i = 0; i < s->n; i++) {
            bench_stream_send(&s->v[i], window, SIZE_MAX);
        }
        (void)zmq_poll(items, (int)s->n, 1000);
        for (unsigned i = 0; i < s->n; i++) {
            if ((items[i].revents & ZMQ_POLLIN) != 0) {
                bench_stream_receive(&s->v[i]);
            }
        }
        note_done(s, 0, s->n_steps, &s->steps_done_ns);
        note_done(s, s->n_steps, s->n, &s->layers_done_ns);
        if (clock_mono_ns() > deadline) {
            die("acknowledgements stopped");
        }
    }
}

static int by_size(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static void take_latencies(const struct streams *s, struct result *r)
{
    size_t n = 0;
    for (unsigned i = 0; i < s->n; i++) {
        n += s->v[i].n_frames;
    }
    double *all = malloc(n * sizeof all[0]);
    if (all == NULL) {
        die("memory");
    }
    n = 0;
    for (unsigned i = 0; i < s->n; i++) {
        size_t frames = s->v[i].n_frames;
        memcpy(all + n, s->v[i].latencies_us, frames * sizeof all[0]);
        n += frames;
    }
    qsort(all, n, sizeof all[0], by_size);
    r->p50_us = all[n / 2];
    r->p99_us = all[n * 99 / 100];
    free(all);
}

static double own_cpu_s(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double rate(unsigned rows, int64_t start_ns, int64_t done_ns)
{
    return (double)rows / ((double)(done_ns - start_ns) / NS_PER_S);
}

static struct result measure(const struct ingest_case *c)
{
    struct bench_daemon d = bench_daemon_start(c->durability);
    static struct streams s;
    struct result r = { 0 };
    void *zmq = zmq_ctx_new();
    s = (struct streams){ 0 };
    open_all(&s, zmq, d.ingest, c);

    struct bench_usage before = bench_usage_of(d.pid);
    double own = own_cpu_s();
    int64_t start = clock_mono_ns();
    transfer(&s, c->window);
    own = own_cpu_s() - own;
    struct bench_usage after = bench_usage_of(d.pid);

    double rows = c->rows + c->layer_rows;
    take_latencies(&s, &r);
    r.step_rows_per_s = rate(c->rows, start, s.steps_done_ns);
    r.layer_rows_per_s = rate(c->layer_rows, start, s.layers_done_ns);
    r.sender_us_per_row = own / rows * 1e6;
    r.daemon_us_per_row = (after.cpu_s - before.cpu_s) / rows * 1e6;
    r.writer_us_per_row = (after.busiest_s - before.busiest_s) / rows * 1e6;
    r.written_per_row = (after.written_bytes - before.written_bytes) / rows;
    r.rss_mib = (double)after.peak_rss_kb / 1024;
    for (unsigned i = 0; i < s.n; i++) {
        bench_stream_close(&s.v[i]);
    }
    (void)zmq_ctx_term(zmq);
    bench_daemon_stop(&d);
    return r;
}

static void print_result(const struct ingest_case *c, const struct result *r)
{
    printf("%-13s %7u %10.0f %10.0f %9.0f %9.0f %7.3f %7.3f %7.3f %8.0f "
           "%7.1f\n",
        c->name, c->window, r->step_rows_per_s, r->layer_rows_per_s, r->p50_us,
        r->p99_us, r->sender_us_per_row, r->daemon_us_per_row,
        r->writer_us_per_row, r->written_per_row, r->rss_mib);
    printf("{\"bench\":\"ingest\",\"case\":\"%s\",\"window\":%u,"
           "\"steps_per_s\":%.0f,\"layer_rows_per_s\":%.0f,"
           "\"ack_p50_us\":%.1f,\"ack_p99_us\":%.1f,"
           "\"sender_cpu_us_per_row\":%.4f,\"trajd_cpu_us_per_row\":%.4f,"
           "\"writer_cpu_us_per_row\":%.4f,\"written_bytes_per_row\":%.1f,"
           "\"rss_mib\":%.1f}\n",
        c->name, c->window, r->step_rows_per_s, r->layer_rows_per_s, r->p50_us,
        r->p99_us, r->sender_us_per_row, r->daemon_us_per_row,
        r->writer_us_per_row, r->written_per_row, r->rss_mib);
    (void)fflush(stdout);
}

static bool is_wanted(const char *name, int argc, char **argv)
{
    bool wanted = argc == 1;
    for (int i = 1; i < argc; i++) {
        wanted = wanted || strcmp(argv[i], name) == 0;
    }
    return wanted;
}

int main(int argc, char **argv)
{
    printf("%-13s %7s %10s %10s %9s %9s %23s %8s %7s\n", "", "", "acked/s", "",
        "ack us", "", "processor us/row", "written", "RSS");
    printf("%-13s %7s %10s %10s %9s %9s %7s %7s %7s %8s %7s\n", "case",
        "window", "steps", "layers", "p50", "p99", "sender", "trajd", "writer",
        "B/row", "MiB");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (is_wanted(cases[i].name, argc, argv)) {
            struct result r = measure(&cases[i]);
            print_result(&cases[i], &r);
        }
    }
    return EXIT_SUCCESS;
}
