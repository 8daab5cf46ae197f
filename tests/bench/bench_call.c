/*
 * What a training step pays for traj_step: 16 values, every 10 us and every
 * 1 ms (busy in between), with the daemon up, absent, and stopped by SIGSTOP.
 * Beside it, in the same run and in turns, a bare ring drained by a thread
 * that sleeps 2 ms, and zmq_send on a DEALER. Then what a step of 0.25 us pays
 * when 64 are folded into a record: too little for a clock around each call,
 * so whole rounds are timed with the calls and without.
 *
 *   bench_call [TRAJD]   default: build/trajd; else a little peer of our own
 */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "pure/decode.h"
#include "traj.h"
#include "wire/encode.h"

#define VALUES 16u
#define RING_SLOTS 8192u
#define ROUNDS 5u

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void pause_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    (void)nanosleep(&t, NULL);
}

/* ---- the other side: trajd, or a peer that acknowledges everything ------ */

struct server {
    pid_t pid;
    char endpoint[128];
    char dir[64];
};

static size_t acknowledge(const void *bytes, size_t n, uint8_t out[128])
{
    static struct message m;
    static uint64_t committed;
    if (decode_message(bytes, n, &m) != DECODE_OK) {
        return 0;
    }
    if (m.type == WIRE_DATA && m.count > 0) {
        committed = m.first_seq + m.count - 1;
    }
    struct wire_ack ack = {
        .committed_seq = committed, .attempt = 1, .window = 64
    };
    return wire_encode_ack(out, 128, m.stream.v,
        m.type == WIRE_BYE ? WIRE_ACK_BYE : WIRE_ACK_OK, &ack);
}

static void serve(int endpoint_fd)
{
    static uint8_t bytes[WIRE_MESSAGE_MAX];
    uint8_t who[256];
    uint8_t ack[128];
    char endpoint[128];
    size_t n = sizeof endpoint;
    void *socket = zmq_socket(zmq_ctx_new(), ZMQ_ROUTER);
    (void)zmq_bind(socket, "tcp://127.0.0.1:*");
    (void)zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &n);
    if (write(endpoint_fd, endpoint, strlen(endpoint)) < 0) {
        die("write");
    }
    (void)close(endpoint_fd);
    for (;;) {
        int who_n = zmq_recv(socket, who, sizeof who, 0);
        int got = zmq_recv(socket, bytes, sizeof bytes, 0);
        size_t ack_n =
            who_n > 0 && got > 0 ? acknowledge(bytes, (size_t)got, ack) : 0;
        if (ack_n > 0) {
            (void)zmq_send(socket, who, (size_t)who_n, ZMQ_SNDMORE);
            (void)zmq_send(socket, ack, ack_n, 0);
        }
    }
}

static void exec_trajd(const char *trajd, const char *dir, int out_fd)
{
    char db[96];
    (void)snprintf(db, sizeof db, "%s/bench.db", dir);
    (void)dup2(out_fd, 1);
    (void)execl(trajd, trajd, "--db", db, "--http", "127.0.0.1:0", "--ingest",
        "tcp://127.0.0.1:0", "--log-level", "error", (char *)NULL);
    die(trajd);
}

/* The first line that the child writes; trajd's names the endpoint. */
static void read_endpoint(struct server *s, int fd)
{
    char line[512] = "";
    size_t n = 0;
    ssize_t got = 0;
    while (n < sizeof line - 1 && strchr(line, '\n') == NULL &&
           (got = read(fd, line + n, sizeof line - 1 - n)) > 0) {
        n += (size_t)got;
    }
    const char *at = strstr(line, "ingest=");
    at = at != NULL ? at + 7 : line;
    if (sscanf(at, "%127s", s->endpoint) != 1) {
        fprintf(stderr, "bench_call: no server\n");
        exit(1);
    }
}

static void server_start(struct server *s, const char *trajd)
{
    int fds[2];
    (void)snprintf(s->dir, sizeof s->dir, "/tmp/traj-bench-XXXXXX");
    if (mkdtemp(s->dir) == NULL || pipe(fds) != 0) {
        die("server");
    }
    s->pid = fork();
    if (s->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)close(fds[0]);
        if (trajd != NULL) {
            exec_trajd(trajd, s->dir, fds[1]);
        }
        serve(fds[1]);
    }
    (void)close(fds[1]);
    read_endpoint(s, fds[0]);
}

static void remove_dir(const char *dir)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0) {
        die(dir);
    }
}

static void server_stop(struct server *s)
{
    (void)kill(s->pid, SIGKILL);
    (void)waitpid(s->pid, NULL, 0);
    remove_dir(s->dir);
}

/* ---- what is measured --------------------------------------------------- */

struct slot {
    double values[VALUES];
};

static struct {
    struct slot slots[RING_SLOTS];
    _Alignas(64) _Atomic uint64_t head; /* the trainer's */
    uint64_t tail_seen;
    _Alignas(64) _Atomic uint64_t tail; /* the poller's */
    _Atomic bool stopping;
    double sum; /* so that the poller reads what it drains */
} ring;

static void *drain_ring(void *unused)
{
    (void)unused;
    while (!atomic_load(&ring.stopping)) {
        uint64_t head = atomic_load_explicit(&ring.head, memory_order_acquire);
        uint64_t tail = atomic_load_explicit(&ring.tail, memory_order_relaxed);
        for (; tail != head; tail++) {
            ring.sum += ring.slots[tail % RING_SLOTS].values[0];
        }
        atomic_store_explicit(&ring.tail, tail, memory_order_release);
        pause_ms(2);
    }
    return NULL;
}

static void call_ring(void *unused, const struct traj_step *step)
{
    (void)unused;
    uint64_t head = atomic_load_explicit(&ring.head, memory_order_relaxed);
    if (head - ring.tail_seen >= RING_SLOTS) {
        ring.tail_seen = atomic_load_explicit(&ring.tail, memory_order_acquire);
    }
    if (head - ring.tail_seen < RING_SLOTS) {
        memcpy(
            &ring.slots[head % RING_SLOTS], &step->loss, sizeof(struct slot));
        atomic_store_explicit(&ring.head, head + 1, memory_order_release);
    }
}

static void call_traj(void *run, const struct traj_step *step)
{
    if (traj_step(run, step) != TRAJ_OK) {
        fprintf(stderr, "bench_call: %s\n", traj_last_error());
        exit(1);
    }
}

static void call_zmq(void *socket, const struct traj_step *step)
{
    (void)zmq_send(socket, &step->loss, sizeof(struct slot), ZMQ_DONTWAIT);
}

struct row {
    const char *name;
    void (*call)(void *context, const struct traj_step *step);
    void *context;
    int64_t *samples;
    size_t n;
};

/* Sixteen values, as a trainer that measures much would give. */
static void set_values(struct traj_step *s, uint64_t i)
{
    double x = (double)i;
    s->step = i;
    s->loss = 1 / (x + 1);
    s->lr = 0.1;
    s->grad_sq = x;
    s->param_sq = x * 2;
    s->delta_sq = x * 3;
    s->grad_delta = x * 4;
    s->dgrad_sq = x * 5;
    s->dgrad_delta = x * 6;
    s->grad_prev = x * 7;
    s->grad_max_abs = x * 8;
    s->clip_threshold = 1;
    s->clip_scale = 0.5;
    s->grad_clipped_sq = x * 9;
    s->loss_scale = 1;
    s->epoch = x / 1000;
}

static void measure(struct row *row, size_t calls, int64_t pace_ns)
{
    struct traj_step step;
    traj_step_init(&step);
    int64_t next = now_ns();
    for (size_t i = 0; i < calls; i++) {
        set_values(&step, i);
        while (now_ns() < next) { /* the trainer computes */
        }
        int64_t before = now_ns();
        row->call(row->context, &step);
        int64_t after = now_ns();
        row->samples[row->n++] = after - before;
        next = before + pace_ns;
    }
}

static int by_value(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void print_row(struct row *row, int64_t pace_ns, const char *server)
{
    double sum = 0;
    for (size_t i = 0; i < row->n; i++) {
        sum += (double)row->samples[i];
    }
    qsort(row->samples, row->n, sizeof *row->samples, by_value);
    double p50 = (double)row->samples[row->n / 2];
    double p99 = (double)row->samples[row->n * 99 / 100];
    double p999 = (double)row->samples[row->n * 999 / 1000];
    double mean = sum / (double)row->n;
    double pace_us = (double)pace_ns / 1e3;
    printf("%-20s %7.0f us %9.2f %9.2f %9.2f %9.2f\n", row->name, pace_us,
        p50 / 1e3, p99 / 1e3, p999 / 1e3, mean / 1e3);
    printf("{\"bench\":\"call\",\"row\":\"%s\",\"pace_us\":%.0f,\"server\":"
           "\"%s\",\"n\":%zu,\"p50_ns\":%.0f,\"p99_ns\":%.0f,\"p999_ns\":%.0f,"
           "\"mean_ns\":%.1f}\n",
        row->name, pace_us, server, row->n, p50, p99, p999, mean);
}

/* In turns, so that a noisy moment of the machine hits all alike. */
static void measure_all(struct row *rows, size_t n_rows, size_t calls,
    int64_t pace_ns, const char *server)
{
    for (size_t r = 0; r < n_rows; r++) {
        rows[r].samples = calloc(calls * ROUNDS, sizeof *rows[r].samples);
        rows[r].n = 0;
        if (rows[r].samples == NULL) {
            die("samples");
        }
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t r = 0; r < n_rows; r++) {
            measure(&rows[r], calls, pace_ns);
            pause_ms(300); /* its daemon catches up */
        }
    }
    for (size_t r = 0; r < n_rows; r++) {
        print_row(&rows[r], pace_ns, server);
        free(rows[r].samples);
    }
}

/* ---- steps of 0.25 us ---------------------------------------------------- */

#define TINY_STEPS 1000000u
#define TINY_STEP_NS 250.0

static void call_nothing(void *unused, const struct traj_step *step)
{
    (void)unused;
    (void)step;
}

/* A step that takes its time by a chain of multiplications. */
static double compute(double x, unsigned links)
{
    for (unsigned i = 0; i < links; i++) {
        x = x * 0.999 + 0.001;
    }
    return x;
}

/* Of this thread alone: whoever else wants the processor is not our price. */
static int64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Nanoseconds a step, call included. */
static double time_steps(
    void (*call)(void *context, const struct traj_step *step), void *context,
    unsigned links)
{
    struct traj_step step;
    double x = 0.5;
    traj_step_init(&step);
    set_values(&step, 1);
    int64_t before = cpu_ns();
    for (size_t i = 0; i < TINY_STEPS; i++) {
        x = compute(x, links);
        step.step = i;
        step.loss = x;
        call(context, &step);
    }
    return (double)(cpu_ns() - before) / TINY_STEPS;
}

static int by_double(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void measure_folded(traj_run *run, const char *server)
{
    double cost[ROUNDS * 2 + 1];
    const size_t n = sizeof cost / sizeof cost[0];
    unsigned links =
        (unsigned)(TINY_STEP_NS * 1000 / time_steps(call_nothing, NULL, 1000));
    for (size_t i = 0; i < n; i++) {
        double without = time_steps(call_nothing, NULL, links);
        cost[i] = time_steps(call_traj, run, links) - without;
    }
    qsort(cost, n, sizeof cost[0], by_double);
    printf("folded by 64 at 0.25 us steps: %.1f ns a call, median of %zu "
           "rounds (%.1f to %.1f)\n",
        cost[n / 2], n, cost[0], cost[n - 1]);
    printf("{\"bench\":\"call\",\"row\":\"folded by 64\",\"pace_us\":0.25,"
           "\"server\":\"%s\",\"n\":%zu,\"p50_ns\":%.1f,\"least_ns\":%.1f,"
           "\"most_ns\":%.1f}\n",
        server, n * TINY_STEPS, cost[n / 2], cost[0], cost[n - 1]);
}

static traj_run *open_run(
    const char *dir, const char *id, const char *endpoint, uint32_t fold_steps)
{
    struct traj_options options = TRAJ_OPTIONS_INIT;
    traj_run *run = NULL;
    options.fold_steps = fold_steps;
    options.dir = dir;
    options.run_id = id;
    options.endpoint = endpoint;
    if (traj_open(&options, &run) != TRAJ_OK) {
        fprintf(stderr, "bench_call: %s\n", traj_last_error());
        exit(1);
    }
    return run;
}

static void wait_for_ack(traj_run *run)
{
    struct traj_stats stats = { .size = sizeof stats };
    for (int i = 0; i < 500; i++) {
        if (traj_get_stats(run, &stats) == TRAJ_OK && stats.connected) {
            return;
        }
        pause_ms(10);
    }
    fprintf(stderr, "bench_call: the server does not answer\n");
    exit(1);
}

static void run_rows(const struct server *up, const struct server *stopped,
    const char *dir, const char *server)
{
    traj_run *runs[] = { open_run(dir, "up", up->endpoint, 0),
        open_run(dir, "absent", "tcp://127.0.0.1:9", 0),
        open_run(dir, "stopped", stopped->endpoint, 0),
        open_run(dir, "folded", up->endpoint, 64) };
    void *context = zmq_ctx_new();
    void *dealer = zmq_socket(context, ZMQ_DEALER);
    int linger = 0;
    (void)zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof linger);
    (void)zmq_connect(dealer, up->endpoint);
    wait_for_ack(runs[0]);
    wait_for_ack(runs[2]);
    (void)kill(stopped->pid, SIGSTOP);
    struct row rows[] = {
        { "traj_step up", call_traj, runs[0], NULL, 0 },
        { "traj_step absent", call_traj, runs[1], NULL, 0 },
        { "traj_step stopped", call_traj, runs[2], NULL, 0 },
        { "bare ring", call_ring, NULL, NULL, 0 },
        { "zmq_send", call_zmq, dealer, NULL, 0 },
    };
    size_t n = sizeof rows / sizeof rows[0];
    printf("%-20s %10s %9s %9s %9s %9s   (us; server: %s)\n", "call", "every",
        "p50", "p99", "p99.9", "mean", server);
    measure_all(rows, n, 20000, 10000, server);
    measure_all(rows, n, 400, 1000000, server);
    measure_folded(runs[3], server);
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        traj_close(runs[i]);
    }
    (void)zmq_close(dealer);
    (void)zmq_ctx_term(context);
}

int main(int argc, char **argv)
{
    const char *trajd = argc > 1 ? argv[1] : "build/trajd";
    if (access(trajd, X_OK) != 0) {
        if (argc > 1) {
            die(trajd);
        }
        trajd = NULL;
    }
    struct server up;
    struct server stopped;
    char dir[] = "/tmp/traj-bench-XXXXXX";
    server_start(&up, trajd);
    server_start(&stopped, trajd);
    if (mkdtemp(dir) == NULL) {
        die("mkdtemp");
    }
    pthread_t poller;
    if (pthread_create(&poller, NULL, drain_ring, NULL) != 0) {
        die("pthread_create");
    }
    run_rows(&up, &stopped, dir, trajd != NULL ? "trajd" : "peer");
    atomic_store(&ring.stopping, true);
    (void)pthread_join(poller, NULL);
    server_stop(&up);
    server_stop(&stopped);
    remove_dir(dir);
    return 0;
}
