/*
 * What watching without probes costs a training step, within one training: the
 * LSTM of client/examples, trajd up, for BLOCK steps watched and for BLOCK
 * steps not, in turns. So both have the same arrays at the same places, which
 * between two processes makes differences of percents where steps are long.
 *
 *   in the thread  CPU time of the trainer's thread, watched less unwatched,
 *                  the median over pairs of blocks
 *   in others      CPU time of libtraj's and libzmq's threads while all steps
 *                  are watched, a step; the mean over as many steps in a row
 *
 * The arrays begin at cache lines, as the example's do and those of frameworks;
 * elsewhere a pass takes a tenth more. Watched as the example does, in one pass
 * a step (one_pass), with nobody who looks at the run; and of the
 * smallest minibatch also in two; with somebody who looks at the run on a page,
 * for whom libtraj sends more often; and with two of every four updates
 * measured (measure_every).
 *
 * Three minibatches: what watching costs depends on the parameters, what a step
 * costs on its tokens too. The demo's is small; 20 sequences of 70 tokens is
 * that of AWD-LSTM (Merity, Keskar and Socher, ICLR 2018), and 256 of 70 the
 * default of the code that Zhang et al. released, which is made of it.
 */
#define _DEFAULT_SOURCE
#include <arpa/inet.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../lib/bench_daemon.h"
#include "examples/lstm/model.h"
#include "examples/lstm/text.h"
#include "traj.h"

#define TEXT_BYTES 65536u
#define VOCABULARY 72u /* of the demo's text, about */
#define WIDTH 64u
#define LAYERS 2u
#define LR 0.5f
#define PAIRS_MAX 101u

struct minibatch {
    size_t batch, bptt;
    unsigned block; /* steps watched, or not, in a row */
    unsigned pairs; /* of blocks; at most PAIRS_MAX, odd */
    const char *how;
    bool two_passes;
    bool looked_at; /* by somebody who has the run's page open */
    unsigned measure_every;
};
static const struct minibatch minibatches[] = {
    { 8, 32, 16, 101, "", false, false, 1 },
    { 8, 32, 16, 101, "looked at", false, true, 1 },
    { 8, 32, 16, 101, "two passes", true, false, 1 },
    { 8, 32, 16, 101, "2 of 4", false, false, 4 },
    { 20, 70, 4, 101, "", false, false, 1 },
    { 256, 70, 1, 21, "", false, false, 1 },
};

struct trainer {
    const struct minibatch *how;
    struct lstm_shape shape;
    struct text text;
    struct text_reader reader;
    struct lstm *model;
    size_t n;
    real *param, *grad, *state;
    uint8_t *inputs, *targets;
    uint64_t step;
    traj_run *run;
    traj_watch *watch;
};

static void must(bool good, const char *what)
{
    if (!good) {
        (void)fprintf(stderr, "bench_watch: %s: %s\n", what, traj_last_error());
        exit(1);
    }
}

/* As the example's. */
static void *array(size_t n, size_t bytes)
{
    const size_t all = (n * bytes + 63) / 64 * 64;
    void *a = aligned_alloc(64, all);
    must(a != NULL, "memory");
    return memset(a, 0, all);
}

/* ---- the trainer --------------------------------------------------------- */

static void start_run(struct trainer *t, const struct bench_daemon *daemon)
{
    char dir[80];
    (void)snprintf(dir, sizeof dir, "%s/runs", daemon->folder);
    struct traj_options options = TRAJ_OPTIONS_INIT;
    options.endpoint = daemon->ingest;
    options.dir = dir;
    options.mode = TRAJ_MODE_ONLINE;
    must(traj_open(&options, &t->run) == TRAJ_OK, "traj_open");
    struct traj_watch_options watch = TRAJ_WATCH_INIT;
    watch.dtype = TRAJ_F32;
    watch.n = t->n;
    watch.param = t->param;
    watch.grad = t->grad;
    watch.measure_every = t->how->measure_every;
    watch.one_pass = !t->how->two_passes;
    must(traj_watch_open(t->run, &watch, &t->watch) == TRAJ_OK, "a watch");
}

/* The answer to a request for the run's event stream. */
static int ask_for_events(const struct trainer *t,
    const struct bench_daemon *daemon, const struct sockaddr_in *to)
{
    char text[256];
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    must(connect(fd, (const struct sockaddr *)to, sizeof *to) == 0, "connect");
    const int n = snprintf(text, sizeof text,
        "GET /api/v1/runs/%s/events HTTP/1.1\r\nHost: %s\r\n\r\n",
        traj_run_id(t->run), daemon->http);
    must(write(fd, text, (size_t)n) == n, "ask for events");
    const ssize_t got = read(fd, text, sizeof text);
    if (got > 12 && strncmp(text + 9, "200", 3) == 0) {
        return fd;
    }
    (void)close(fd);
    return -1;
}

/* As the run's page does, when trajd knows the run; what comes stays unread. */
static int look_at(const struct trainer *t, const struct bench_daemon *daemon)
{
    char host[64];
    unsigned short port = 0;
    must(sscanf(daemon->http, "%63[^:]:%hu", host, &port) == 2, "address");
    const struct sockaddr_in to = { .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = inet_addr(host) };
    int fd = -1;
    for (int i = 0; i < 100 && fd < 0; i++) {
        const struct timespec pause = { .tv_nsec = 100000000 };
        (void)nanosleep(&pause, NULL);
        fd = ask_for_events(t, daemon, &to);
    }
    must(fd >= 0, "no events");
    return fd;
}

/* A text without sense: of what it is does not matter here. */
static void set_up(struct trainer *t, const struct minibatch *m)
{
    struct rng rng = { 1 };
    t->how = m;
    t->text = (struct text){ array(TEXT_BYTES, 1), TEXT_BYTES, VOCABULARY };
    for (size_t i = 0; i < TEXT_BYTES; i++) {
        t->text.tokens[i] = (uint8_t)(i * i / 7 % VOCABULARY);
    }
    t->reader = (struct text_reader){ &t->text, m->batch, m->bptt, 0 };
    t->shape =
        (struct lstm_shape){ VOCABULARY, WIDTH, LAYERS, m->batch, m->bptt };
    t->n = lstm_parameters(&t->shape);
    t->model = lstm_new(&t->shape);
    must(t->model != NULL, "memory");
    t->param = array(t->n, sizeof(real));
    t->grad = array(t->n, sizeof(real));
    t->state = array(lstm_state_size(&t->shape), sizeof(real));
    t->inputs = array(m->batch * m->bptt, 1);
    t->targets = array(m->batch * m->bptt, 1);
    lstm_init(&t->shape, &rng, t->param);
}

static void tear_down(struct trainer *t)
{
    traj_watch_close(t->watch);
    must(traj_finish(t->run, 0, 10000) == TRAJ_OK, "traj_finish");
    lstm_free(t->model);
    free(t->text.tokens);
    free(t->param);
    free(t->grad);
    free(t->state);
    free(t->inputs);
    free(t->targets);
}

static void update(struct trainer *t)
{
    for (size_t i = 0; i < t->n; i++) {
        t->param[i] -= LR * t->grad[i];
    }
}

static void update_watched(struct trainer *t, double loss)
{
    struct traj_step step;
    traj_step_init(&step);
    step.step = t->step;
    step.loss = loss;
    step.lr = (double)LR;
    step.stage = TRAJ_STAGE_UNSCALED;
    step.flags = 0;
    step.clip_scale = 1; /* told, as the demo does */
    must(traj_before_update(t->watch, &step) == TRAJ_OK, "before_update");
    update(t);
    must(traj_after_update(t->watch, &step) == TRAJ_OK, "after_update");
    const bool waits = !t->how->two_passes && t->how->measure_every == 1;
    must(!waits || traj_is_unset(step.delta_sq), "it makes two passes");
    must(isfinite(loss), "training diverges");
}

static void train(struct trainer *t, unsigned steps, bool watched)
{
    for (unsigned i = 0; i < steps; i++, t->step++) {
        (void)text_next(&t->reader, t->inputs, t->targets);
        const struct lstm_batch batch = { t->inputs, t->targets, t->state };
        double loss =
            lstm_gradient(t->model, t->param, &batch, t->grad, t->state);
        if (watched) {
            update_watched(t, loss);
        } else {
            update(t);
        }
    }
}

/* ---- measuring ----------------------------------------------------------- */

static double cpu_us(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Until those that send go at the pace that trajd asks for. */
static void warm_up(struct trainer *t, const struct minibatch *m)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    const time_t until = now.tv_sec + 4;
    while (now.tv_sec < until) {
        train(t, m->block, true);
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    }
}

/* CPU time of the trainer's thread, a step. */
static double time_block(struct trainer *t, unsigned steps, bool watched)
{
    const double from = cpu_us(CLOCK_THREAD_CPUTIME_ID);
    train(t, steps, watched);
    return (cpu_us(CLOCK_THREAD_CPUTIME_ID) - from) / steps;
}

/* CPU time of all threads but the trainer's, a step. */
static double others_us(struct trainer *t, unsigned steps)
{
    const double all = cpu_us(CLOCK_PROCESS_CPUTIME_ID);
    const double own = time_block(t, steps, true) * steps;
    return (cpu_us(CLOCK_PROCESS_CPUTIME_ID) - all - own) / steps;
}

static int ascending(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static void report(const struct minibatch *m, double bare[static PAIRS_MAX],
    double more[static PAIRS_MAX], double others)
{
    const size_t n = m->pairs;
    qsort(bare, n, sizeof *bare, ascending);
    qsort(more, n, sizeof *more, ascending);
    const double step = bare[n / 2];
    const double own = 100 * more[n / 2] / step;
    const double low = 100 * more[n / 4] / step;
    const double high = 100 * more[3 * n / 4] / step;
    const double other = 100 * others / step;
    (void)printf("%3zu x %-3zu %-11s %8.0f %+8.2f %% (%+.2f to %+.2f) %+8.2f "
                 "%% %+8.2f %%\n",
        m->batch, m->bptt, m->how, step, own, low, high, other, own + other);
    (void)printf("{\"bench\":\"watch\",\"batch\":%zu,\"bptt\":%zu,"
                 "\"how\":\"%s\",\"step_us\":%.1f,\"thread_percent\":%.3f,"
                 "\"quartiles\":[%.3f,%.3f],\"others_percent\":%.3f,"
                 "\"percent\":%.3f}\n",
        m->batch, m->bptt, m->how, step, own, low, high, other, own + other);
}

static void measure(
    const struct minibatch *m, const struct bench_daemon *daemon)
{
    static double bare[PAIRS_MAX], more[PAIRS_MAX];
    struct trainer t = { .n = 0 };
    set_up(&t, m);
    start_run(&t, daemon);
    train(&t, 2 * m->block, true); /* trajd knows the run then */
    const int looker = m->looked_at ? look_at(&t, daemon) : -1;
    warm_up(&t, m);
    for (size_t i = 0; i < m->pairs; i++) {
        bare[i] = time_block(&t, m->block, false);
        more[i] = time_block(&t, m->block, true) - bare[i];
    }
    report(m, bare, more, others_us(&t, m->pairs * m->block));
    if (looker >= 0) {
        (void)close(looker);
    }
    tear_down(&t);
}

int main(void)
{
    const struct bench_daemon daemon = bench_daemon_start(NULL);
    (void)printf(
        "LSTM, %u layers of %u, no probes; medians of pairs of blocks\n"
        "%-9s %-11s %8s %9s %18s %12s %10s\n",
        LAYERS, WIDTH, "minibatch", "watched", "us a step", "in its",
        "thread (quartiles)", "in others", "together");
    for (size_t i = 0; i < sizeof minibatches / sizeof *minibatches; i++) {
        measure(&minibatches[i], &daemon);
    }
    bench_daemon_stop(&daemon);
    return 0;
}
