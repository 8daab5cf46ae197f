/*
 * bench_ingest: acknowledged rows/s, end to end: DEALER sockets here, a real
 * trajd on a fresh database (synchronous=FULL), acknowledgements back. A STEP
 * is step, wall_ns and 8 doubles of 52 random bits, 64 to a frame; a GROUP has
 * its group's number too, and a frame is the 200 layers of one step. "window"
 * is how many frames of a stream are under way; latency is from the sending of
 * a frame to the acknowledgement that covers it.
 *
 * Everything is on one machine: the sender's work (sending ready-made frames)
 * takes part of the same processors.
 * Prints a table for people and one line of JSON per row.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "wire/encode.h"
#include "wire/fields.h"

#define ROWS 1000000u /* in all streams together */
#define FRAME_ROWS_MAX 200u
#define STREAMS_MAX 16u
#define GIVE_UP_NS (120 * NS_PER_S)

/* What a frame is full of. */
struct load {
    enum wire_kind kind;
    unsigned rows; /* of a frame */
    size_t frame_bytes;
    unsigned first_double; /* field of the first of 8 */
};
static const struct load steps = { WIRE_STEP, 64, 8192, STEP_loss };
static const struct load layers = { WIRE_GROUP, 200, 20480, GROUP_grad_sq };

struct stream {
    const struct load *load;
    void *socket;
    uint8_t uid[16];
    uint8_t *frames; /* n_frames of load->frame_bytes */
    uint32_t *lengths;
    int64_t *sent_mono_ns;
    size_t n_frames;
    size_t sent;  /* frames */
    size_t acked; /* frames */
};

struct result {
    const struct load *load;
    unsigned streams;
    unsigned window;
    double rows_per_s;
    double p50_us;
    double p99_us;
    double bytes_per_row; /* on the wire */
    long rss_kb;
};

struct daemon_process {
    pid_t pid;
    char ingest[256];
    char folder[64];
};

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_ingest: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

/* ---- trajd ------------------------------------------------------------------
 */

static void exec_trajd(const char *folder, int out)
{
    char db[128];
    const char *build = getenv("TRAJ_BUILD");
    char program[512];
    (void)snprintf(db, sizeof db, "%s/trajd.db", folder);
    (void)snprintf(
        program, sizeof program, "%s/trajd", build == NULL ? "build" : build);
    (void)dup2(out, STDOUT_FILENO);
    (void)execl(program, program, "--db", db, "--http", "127.0.0.1:0",
        "--ingest", "tcp://127.0.0.1:0", "--log-level", "error", (char *)NULL);
    die(program);
}

static struct daemon_process start_trajd(void)
{
    struct daemon_process d = { .folder = "build/bench-ingest.XXXXXX" };
    int out[2];
    char line[1024];
    if (mkdtemp(d.folder) == NULL || pipe(out) != 0) {
        die("folder");
    }
    d.pid = fork();
    if (d.pid == 0) {
        exec_trajd(d.folder, out[1]);
    }
    (void)close(out[1]);
    FILE *ready = fdopen(out[0], "r");
    if (d.pid < 0 || ready == NULL || fgets(line, sizeof line, ready) == NULL ||
        sscanf(line, "trajd ready http=%*s ingest=%255s", d.ingest) != 1) {
        die("trajd does not start");
    }
    (void)fclose(ready);
    return d;
}

static long peak_rss_kb(pid_t pid)
{
    char path[64];
    char line[256];
    long kb = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    FILE *status = fopen(path, "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        (void)sscanf(line, "VmHWM: %ld", &kb);
    }
    if (status != NULL) {
        (void)fclose(status);
    }
    return kb;
}

static void stop_trajd(const struct daemon_process *d)
{
    int status = 0;
    char path[128];
    static const char *const files[] = { "trajd.db", "trajd.db-wal",
        "trajd.db-shm", "trajd.db.lock" };
    (void)kill(d->pid, SIGTERM);
    if (waitpid(d->pid, &status, 0) != d->pid || status != 0) {
        die("trajd ended badly");
    }
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", d->folder, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(d->folder);
}

/* ---- frames -----------------------------------------------------------------
 */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Row i of a frame; returns what is present. */
static uint64_t fill_row(const struct load *load, uint64_t first_seq, size_t i,
    uint64_t *random, uint64_t *values)
{
    uint64_t first = load->first_double;
    uint64_t present = UINT64_C(0xff) << first | 3; /* step, wall_ns */
    uint64_t step = load->kind == WIRE_STEP ? first_seq + i : first_seq;
    static_assert(STEP_step == 0 && STEP_wall_ns == 1 && GROUP_step == 0 &&
                      GROUP_wall_ns == 1,
        "both begin alike");
    values[STEP_step] = step;
    values[STEP_wall_ns] = 1700000000000000000u + step * 1000000;
    if (load->kind == WIRE_GROUP) {
        values[GROUP_group] = i + 1;
        present |= UINT64_C(1) << GROUP_group;
    }
    for (uint64_t field = first; field < first + 8; field++) {
        double value = 1 + (double)(next_random(random) >> 11) * 0x1p-53;
        memcpy(&values[field], &value, sizeof value);
    }
    return present;
}

static uint32_t make_frame(
    const struct stream *s, uint64_t first_seq, uint64_t *random, uint8_t *out)
{
    static uint64_t values[FRAME_ROWS_MAX][WIRE_FIELDS_MAX];
    struct wire_record records[FRAME_ROWS_MAX];
    const struct load *load = s->load;
    for (size_t i = 0; i < load->rows; i++) {
        records[i] = (struct wire_record){
            .seq = first_seq + i,
            .kind = load->kind,
            .present = fill_row(load, first_seq, i, random, values[i]),
            .values = values[i],
        };
    }
    size_t n = wire_encode_data(
        out, load->frame_bytes, s->uid, 0, first_seq, records, load->rows);
    if (n == 0) {
        die("a frame does not fit");
    }
    return (uint32_t)n;
}

static struct stream open_stream(void *zmq, const char *endpoint,
    const struct load *load, unsigned id, size_t n_frames)
{
    struct stream s = { .load = load, .n_frames = n_frames };
    uint64_t random = id;
    int high = 0;
    memset(s.uid, (int)id + 1, sizeof s.uid);
    s.frames = malloc(n_frames * load->frame_bytes);
    s.lengths = malloc(n_frames * sizeof s.lengths[0]);
    s.sent_mono_ns = malloc(n_frames * sizeof s.sent_mono_ns[0]);
    s.socket = zmq_socket(zmq, ZMQ_DEALER);
    if (s.frames == NULL || s.lengths == NULL || s.sent_mono_ns == NULL ||
        s.socket == NULL) {
        die("memory");
    }
    for (size_t i = 0; i < n_frames; i++) {
        s.lengths[i] = make_frame(
            &s, i * load->rows + 1, &random, s.frames + i * load->frame_bytes);
    }
    (void)zmq_setsockopt(s.socket, ZMQ_SNDHWM, &high, sizeof high);
    if (zmq_connect(s.socket, endpoint) != 0) {
        die("connect");
    }
    return s;
}

static void close_stream(struct stream *s)
{
    int linger = 0;
    (void)zmq_setsockopt(s->socket, ZMQ_LINGER, &linger, sizeof linger);
    (void)zmq_close(s->socket);
    free(s->frames);
    free(s->lengths);
    free(s->sent_mono_ns);
}

/* ---- the measurement --------------------------------------------------------
 */

static bool receive_ack(
    struct stream *s, int flags, enum wire_ack_status *ret_status)
{
    uint8_t bytes[128];
    struct wire_head head;
    struct wire_ack ack;
    int n = zmq_recv(s->socket, bytes, sizeof bytes, flags);
    if (n < 0) {
        return false;
    }
    if (!wire_decode_ack(bytes, (size_t)n, &head, &ack)) {
        die("not an ACK");
    }
    *ret_status = (enum wire_ack_status)head.flags;
    s->acked = ack.committed_seq / s->load->rows;
    return true;
}

static void say_hello(struct stream *s, unsigned id)
{
    char json[128];
    uint8_t bytes[512];
    enum wire_ack_status status = WIRE_ACK_BUSY;
    int n = snprintf(
        json, sizeof json, "{\"run_id\":\"bench-%u\",\"attempt\":1}", id);
    size_t length =
        wire_encode_hello(bytes, sizeof bytes, s->uid, 0, json, (size_t)n);
    (void)zmq_send(s->socket, bytes, length, 0);
    if (!receive_ack(s, 0, &status) || status != WIRE_ACK_OK) {
        die("HELLO was refused");
    }
}

/* Latencies of the frames that the last acknowledgement covers. */
static void take_acks(struct stream *s, double *latencies_us, size_t *n)
{
    enum wire_ack_status status = WIRE_ACK_OK;
    size_t before = s->acked;
    while (receive_ack(s, ZMQ_DONTWAIT, &status)) {
        if (status != WIRE_ACK_OK) {
            die("a frame was not taken");
        }
    }
    int64_t now = clock_mono_ns();
    for (size_t i = before; i < s->acked; i++) {
        latencies_us[(*n)++] = (double)(now - s->sent_mono_ns[i]) / 1000;
    }
}

static void send_some(struct stream *s, unsigned window)
{
    while (s->sent < s->n_frames && s->sent - s->acked < window) {
        s->sent_mono_ns[s->sent] = clock_mono_ns();
        if (zmq_send(s->socket, s->frames + s->sent * s->load->frame_bytes,
                s->lengths[s->sent], ZMQ_DONTWAIT) < 0) {
            return;
        }
        s->sent++;
    }
}

static void transfer(struct stream *streams, unsigned n_streams,
    unsigned window, double *latencies_us, size_t *n)
{
    size_t total = n_streams * streams[0].n_frames;
    int64_t deadline = clock_mono_ns() + GIVE_UP_NS;
    zmq_pollitem_t items[STREAMS_MAX];
    for (unsigned i = 0; i < n_streams; i++) {
        items[i] = (zmq_pollitem_t){ .socket = streams[i].socket,
            .events = ZMQ_POLLIN };
    }
    while (*n < total) {
        for (unsigned i = 0; i < n_streams; i++) {
            send_some(&streams[i], window);
        }
        (void)zmq_poll(items, (int)n_streams, 1000);
        for (unsigned i = 0; i < n_streams; i++) {
            take_acks(&streams[i], latencies_us, n);
        }
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

static struct result measure(
    const struct load *load, unsigned n_streams, unsigned window)
{
    struct daemon_process d = start_trajd();
    struct stream streams[STREAMS_MAX];
    void *zmq = zmq_ctx_new();
    size_t n_frames = ROWS / load->rows / n_streams;
    size_t n = 0;
    double *latencies_us = malloc(n_frames * n_streams * sizeof(double));
    if (latencies_us == NULL) {
        die("memory");
    }
    for (unsigned i = 0; i < n_streams; i++) {
        streams[i] = open_stream(zmq, d.ingest, load, i, n_frames);
        say_hello(&streams[i], i);
    }

    int64_t start = clock_mono_ns();
    transfer(streams, n_streams, window, latencies_us, &n);
    double seconds = (double)(clock_mono_ns() - start) / NS_PER_S;

    qsort(latencies_us, n, sizeof latencies_us[0], by_size);
    struct result r = {
        .load = load,
        .streams = n_streams,
        .window = window,
        .rows_per_s = (double)(n * load->rows) / seconds,
        .p50_us = latencies_us[n / 2],
        .p99_us = latencies_us[n * 99 / 100],
        .bytes_per_row = (double)streams[0].lengths[0] / load->rows,
        .rss_kb = peak_rss_kb(d.pid),
    };
    for (unsigned i = 0; i < n_streams; i++) {
        close_stream(&streams[i]);
    }
    (void)zmq_ctx_term(zmq);
    stop_trajd(&d);
    free(latencies_us);
    return r;
}

static void print_result(const struct result *r)
{
    const char *kind = wire_kind_info(r->load->kind)->name;
    printf("%7s %7u %7u %14.0f %12.0f %12.0f %12.1f %9.1f\n", kind, r->streams,
        r->window, r->rows_per_s, r->p50_us, r->p99_us, r->bytes_per_row,
        (double)r->rss_kb / 1024);
    printf("{\"bench\":\"ingest\",\"kind\":\"%s\",\"streams\":%u,"
           "\"window\":%u,\"%ss_per_s\":%.0f,\"ack_p50_us\":%.1f,"
           "\"ack_p99_us\":%.1f,\"wire_bytes_per_%s\":%.2f,"
           "\"rss_kb\":%ld}\n",
        kind, r->streams, r->window, kind, r->rows_per_s, r->p50_us, r->p99_us,
        kind, r->bytes_per_row, r->rss_kb);
    (void)fflush(stdout);
}

int main(void)
{
    static const unsigned windows[] = { 1, 64, 1024 };
    static const unsigned n_streams[] = { 1, STREAMS_MAX };
    printf("%7s %7s %7s %14s %12s %12s %12s %9s\n", "kind", "streams", "window",
        "acked rows/s", "ack p50 us", "ack p99 us", "wire B/row", "RSS MiB");
    for (size_t i = 0; i < sizeof n_streams / sizeof n_streams[0]; i++) {
        for (size_t j = 0; j < sizeof windows / sizeof windows[0]; j++) {
            struct result r = measure(&steps, n_streams[i], windows[j]);
            print_result(&r);
        }
    }
    struct result r = measure(&layers, 1, 64);
    print_result(&r);
    return EXIT_SUCCESS;
}
