/*
 * lstm: trains a character-level LSTM language model on a text by SGD with a
 * fixed step, with clipping, or with normalized steps, and measures gradient
 * norm and local smoothness on the way: the experiment of Zhang, He, Sra and
 * Jadbabaie (ICLR 2020), figure 2, at the size of a minute.
 *
 * What libtraj needs of a trainer is in three places: hook_open, train_step
 * (traj_before_update, traj_after_update) and hook_close. One thread; the
 * library's own thread does the sending.
 *
 * Invariant: what is printed to stdout, and every parameter, is the same with
 * probes, without them and with --no-traj. Measuring reads and never writes,
 * and gradient_again has no state to disturb.
 */
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "examples/lstm/model.h"
#include "examples/lstm/options.h"
#include "examples/lstm/text.h"
#include "traj.h"

struct trainer {
    struct options options;
    struct text text;
    struct text_reader reader;
    struct lstm_shape shape;
    struct lstm *model;
    size_t n; /* parameters */
    real *param;
    real *grad;
    real *state;      /* what the batch started from */
    real *next_state; /* what it ended in */
    uint8_t *inputs;
    uint8_t *targets;
    struct lstm_batch batch;
    traj_run *run;            /* NULL: nothing is recorded */
    traj_watch *watch;        /* NULL: nothing is measured */
    enum traj_status trouble; /* of the hook, first seen */
};

static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
    stop_signal = number;
}

/* The second Ctrl-C kills, as a user who waits expects. */
static void catch_signals(void)
{
    struct sigaction action = { .sa_flags = (int)SA_RESETHAND };
    action.sa_handler = on_signal;
    (void)sigemptyset(&action.sa_mask); /* cannot fail on a valid set */
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

/* ---- the hook ----------------------------------------------------------- */

/* What exactly went wrong, or else what that is in general. */
static const char *reason(enum traj_status status)
{
    const char *detail = traj_last_error();
    return detail[0] == '\0' ? traj_strerror(status) : detail;
}

/* Measuring must not stop training: say it once and go on. */
static void note(struct trainer *t, enum traj_status status, const char *what)
{
    if (status == TRAJ_OK || t->trouble != TRAJ_OK) {
        return;
    }
    t->trouble = status;
    (void)fprintf(
        stderr, "lstm: %s: %s; training goes on\n", what, reason(status));
}

/* The gradient of the step's own batch at the parameters as they are now.
 * It starts from the state that the batch started from and keeps no other. */
static int gradient_again(void *context, void *ret_grad, double *ret_loss)
{
    struct trainer *t = context;
    *ret_loss = lstm_gradient(t->model, t->param, &t->batch, ret_grad, NULL);
    return 0;
}

static enum traj_status open_run(struct trainer *t)
{
    const struct options *o = &t->options;
    char config[512];
    (void)snprintf(config, sizeof config,
        "{\"lr\":%.17g,\"clip\":%.17g,\"normalized_beta\":%.17g,"
        "\"hidden\":%zu,\"layers\":%zu,\"batch\":%zu,\"bptt\":%zu,"
        "\"seed\":\"%" PRIu64 "\",\"vocab\":%zu,\"text_bytes\":%zu,"
        "\"parameters\":%zu,\"probe_every\":%" PRIu32 "}",
        o->lr, o->clip, o->beta, o->hidden, o->layers, o->batch, o->bptt,
        o->seed, t->shape.vocab, t->text.length, t->n, o->probe_every);

    struct traj_options options = TRAJ_OPTIONS_INIT;
    options.project = o->project;
    options.name = o->name;
    options.run_id = o->run_id;
    options.config_json = config;
    options.optimizer = "sgd";
    return traj_open(&options, &t->run);
}

static void choose_probes(
    const struct options *o, struct traj_watch_options *ret)
{
    const bool by_budget = o->probe_budget > 0;
    if (by_budget || o->probe_every > 0) {
        ret->gradient = gradient_again;
    }
    ret->probe_every = by_budget ? 0 : o->probe_every;
    ret->probe_budget = by_budget ? o->probe_budget : 0;
    ret->sharpness_every =
        o->sharpness_every > 0 ? o->sharpness_every : UINT32_MAX;
    ret->different_every = UINT32_MAX; /* the same class throughout */
    ret->gammas = o->gammas;
    ret->n_gammas = o->n_gammas;
}

static void hook_open(struct trainer *t)
{
    if (!t->options.measure) {
        return;
    }
    enum traj_status status = open_run(t);
    note(t, status, "the run is not recorded");
    if (status != TRAJ_OK) {
        return;
    }

    struct traj_watch_options options = TRAJ_WATCH_INIT;
    options.dtype = TRAJ_F32;
    options.n = t->n;
    options.param = t->param;
    options.grad = t->grad;
    options.context = t;
    choose_probes(&t->options, &options);
    options.measure_every = t->options.measure_every;
    options.one_pass = 1; /* nothing but update() changes param */
    options.check_idempotence = 1;
    options.batch_samples = t->shape.batch;
    status = traj_watch_open(t->run, &options, &t->watch);
    note(t, status, "nothing is measured");
}

static void hook_close(struct trainer *t, int exit_code)
{
    if (t->run == NULL) {
        return;
    }
    traj_watch_close(t->watch);
    enum traj_status status = traj_finish(t->run, exit_code, 0);
    t->run = NULL;
    if (status == TRAJ_ETIMEDOUT) {
        const char *dir = getenv("TRAJ_DIR");
        (void)fprintf(stderr,
            "lstm: the daemon has not confirmed all of the run; the rest is "
            "kept, and sent by: traj sync %s\n",
            dir == NULL || dir[0] == '\0' ? "traj-runs" : dir);
    } else if (status != TRAJ_OK) {
        (void)fprintf(stderr, "lstm: the run's end is not confirmed: %s\n",
            reason(status));
    }
}

/* ---- training ----------------------------------------------------------- */

static double norm_of(const real *at, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)at[i] * (double)at[i];
    }
    return sqrt(sum);
}

/* The factor h of x -= h g. */
static double step_length(const struct options *o, double norm)
{
    switch (o->method) {
    case METHOD_CLIPPED:
        return norm > o->clip ? o->lr * (o->clip / norm) : o->lr;
    case METHOD_NORMALIZED:
        return o->lr / (norm + o->beta);
    case METHOD_FIXED:
    default:
        return o->lr;
    }
}

static void describe(const struct trainer *t, uint64_t k, double loss,
    double norm, double length, struct traj_step *ret_step)
{
    const struct options *o = &t->options;
    uint64_t sequences = (k + 1) * t->shape.batch;

    traj_step_init(ret_step);
    ret_step->step = k;
    ret_step->loss = loss;
    ret_step->lr = o->lr;
    ret_step->stage = TRAJ_STAGE_UNSCALED;
    ret_step->batch_samples = t->shape.batch;
    ret_step->samples = sequences;
    ret_step->tokens = sequences * t->shape.bptt;
    ret_step->epoch = (double)(k + 1) / (double)text_batches(&t->text,
                                            t->shape.batch, t->shape.bptt);
    ret_step->flags = 0;
    ret_step->clip_scale = 1; /* told, it need not be found out */
    if (o->method == METHOD_CLIPPED) {
        ret_step->clip_threshold = o->clip;
        ret_step->clip_scale = norm > o->clip ? length / o->lr : 1;
        ret_step->flags = norm > o->clip ? TRAJ_STEP_CLIPPED : 0;
    }
}

static void update(struct trainer *t, double length)
{
    real h = (real)length;
    for (size_t i = 0; i < t->n; i++) {
        t->param[i] -= h * t->grad[i];
    }
}

/* One update; returns the loss before it and the gradient's norm. */
static double train_step(struct trainer *t, uint64_t k, double *ret_norm)
{
    bool anew = text_next(&t->reader, t->inputs, t->targets);
    if (anew) {
        memset(t->state, 0, lstm_state_size(&t->shape) * sizeof *t->state);
    }
    t->batch = (struct lstm_batch){ t->inputs, t->targets, t->state };
    double loss =
        lstm_gradient(t->model, t->param, &t->batch, t->grad, t->next_state);
    double norm = norm_of(t->grad, t->n);
    double length = step_length(&t->options, norm);

    struct traj_step step;
    if (t->watch != NULL) {
        describe(t, k, loss, norm, length, &step);
        note(t, traj_before_update(t->watch, &step), "step not measured");
    }
    update(t, length);
    if (t->watch != NULL) {
        note(t, traj_after_update(t->watch, &step), "step not recorded");
    }

    real *past = t->state;
    t->state = t->next_state;
    t->next_state = past;
    *ret_norm = norm;
    return loss;
}

/* FNV-1a of the parameters' bits: two runs are the same run if it agrees. */
static uint64_t fingerprint(const real *param, size_t n)
{
    const unsigned char *bytes = (const unsigned char *)param;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n * sizeof *param; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static int train(struct trainer *t)
{
    const struct options *o = &t->options;

    for (uint64_t k = 0; k < o->steps && stop_signal == 0; k++) {
        double norm = 0;
        double loss = train_step(t, k, &norm);
        bool finite = isfinite(loss) != 0;
        if (k % o->print_every == 0 || k + 1 == o->steps || !finite) {
            (void)printf("step %" PRIu64 "/%" PRIu64
                         " loss %.9g grad_norm %.9g\n",
                k, o->steps, loss, norm);
        }
        if (!finite) {
            (void)fprintf(stderr,
                "lstm: the loss of step %" PRIu64 " is not finite: a smaller "
                "--lr or a --clip would help\n",
                k);
            return 1;
        }
    }
    (void)printf("parameters %016" PRIx64 "\n", fingerprint(t->param, t->n));
    return stop_signal == 0 ? 0 : 128 + stop_signal;
}

/* ---- setting up --------------------------------------------------------- */

static const char *default_text(void)
{
    static const char *const candidates[] = {
        "/usr/share/common-licenses/GPL-3",
        "README.md",
    };
    struct stat info;
    size_t n = sizeof candidates / sizeof *candidates;

    for (size_t i = 0; i < n; i++) {
        if (stat(candidates[i], &info) == 0) {
            return candidates[i];
        }
    }
    return candidates[n - 1]; /* the reader will say that it is not there */
}

static bool load_text(struct trainer *t)
{
    const struct options *o = &t->options;
    const char *path = o->text == NULL ? default_text() : o->text;

    const char *problem = text_read(path, &t->text);
    if (problem != NULL) {
        (void)fprintf(stderr, "lstm: %s: %s\n", path, problem);
        return false;
    }
    if (text_batches(&t->text, o->batch, o->bptt) == 0) {
        (void)fprintf(stderr,
            "lstm: %s: too short: %zu bytes, and %zu sequences of %zu tokens "
            "need %zu\n",
            path, t->text.length, o->batch, o->bptt, o->batch * (o->bptt + 1));
        return false;
    }
    return true;
}

/* From the start of a cache line: passes over it are a tenth faster. */
static real *array(size_t n)
{
    const size_t bytes = (n * sizeof(real) + 63) / 64 * 64;
    real *at = aligned_alloc(64, bytes);
    return at != NULL ? memset(at, 0, bytes) : NULL;
}

static bool set_up(struct trainer *t)
{
    const struct options *o = &t->options;
    size_t tokens = o->batch * o->bptt;
    struct rng rng = { o->seed };

    t->shape = (struct lstm_shape){ t->text.vocab, o->hidden, o->layers,
        o->batch, o->bptt };
    t->reader = (struct text_reader){ &t->text, o->batch, o->bptt, 0 };
    t->n = lstm_parameters(&t->shape);
    t->model = lstm_new(&t->shape);
    t->param = array(t->n);
    t->grad = array(t->n);
    t->state = array(lstm_state_size(&t->shape));
    t->next_state = array(lstm_state_size(&t->shape));
    t->inputs = calloc(tokens, 1);
    t->targets = calloc(tokens, 1);
    if (t->model == NULL || t->param == NULL || t->grad == NULL ||
        t->state == NULL || t->next_state == NULL || t->inputs == NULL ||
        t->targets == NULL) {
        (void)fputs("lstm: out of memory\n", stderr);
        return false;
    }
    lstm_init(&t->shape, &rng, t->param);
    return true;
}

static void tear_down(struct trainer *t)
{
    lstm_free(t->model);
    free(t->param);
    free(t->grad);
    free(t->state);
    free(t->next_state);
    free(t->inputs);
    free(t->targets);
    text_done(&t->text);
}

int main(int argc, char **argv)
{
    struct trainer t = { 0 };
    int exit_code = 1;

    enum options_result parsed = options_parse(argc, argv, &t.options);
    if (parsed != OPTIONS_RUN) {
        return parsed == OPTIONS_HELP ? 0 : 2;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* a pipe sees each line at once */
    bool ready = load_text(&t) && set_up(&t);
    if (ready) {
        catch_signals();
        hook_open(&t);
        exit_code = train(&t);
        hook_close(&t, exit_code);
    }
    tear_down(&t);
    return exit_code;
}
