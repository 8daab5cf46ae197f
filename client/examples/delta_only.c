/*
 * delta_only: a trainer that gives no gradient to look at: its only function
 * learns from a sample, backward and update in one loop. For plain SGD and
 * for heavy-ball momentum the gradient follows from the update, and the watch
 * computes it, when it is told which of the two it is, the step size and the
 * momentum. Of other optimizers (Adam, RPROP) it cannot be had this way.
 *
 *   cc delta_only.c $(pkg-config --cflags --libs traj) -lm
 *   ./a.out [logistic] [heavy-ball] [float] [no-watch]
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <traj.h>

enum { N = 8, STEPS = 400 };

struct learner {
    bool logistic, single; /* the loss; weights are float, not double */
    double lr, momentum;
    double weight[N];
    float weight_single[N];
    double velocity[N];
};

/* ---- the trainer, as found ---------------------------------------------- */

/* Of one sample; returns its loss. The gradient is never anywhere as such. */
static double learn(struct learner *m, const double *x, double y)
{
    double z = 0;
    for (int i = 0; i < N; i++) {
        z += x[i] * (m->single ? (double)m->weight_single[i] : m->weight[i]);
    }
    double miss = (m->logistic ? 1 / (1 + exp(-z)) : z) - y;
    for (int i = 0; i < N; i++) {
        m->velocity[i] = m->momentum * m->velocity[i] + miss * x[i];
        double step = m->lr * m->velocity[i];
        m->weight[i] -= step;
        m->weight_single[i] = (float)((double)m->weight_single[i] - step);
    }
    return m->logistic ? log1p(exp(z)) - y * z : miss * miss / 2;
}

/* The k-th sample; what is to be learnt is w_i = i - 3. */
static double sample(const struct learner *m, uint64_t k, double *ret_x)
{
    double z = 0;
    for (int i = 0; i < N; i++) {
        ret_x[i] = sin(0.7 * (double)(k + 1) * (double)(i + 1));
        z += (i - 3) * ret_x[i];
    }
    return m->logistic ? (z > 0 ? 1 : 0) : z;
}

/* ---- the hook ----------------------------------------------------------- */

/* Measuring is no reason to stop training: tell, and go on. */
static void check(enum traj_status status)
{
    if (status != TRAJ_OK) {
        (void)fprintf(stderr, "delta_only: %s. %s\n", traj_strerror(status),
            traj_last_error());
    }
}

static void hook_open(
    struct learner *m, traj_run **ret_run, traj_watch **ret_watch)
{
    struct traj_watch_options options = TRAJ_WATCH_INIT;
    options.dtype = m->single ? TRAJ_F32 : TRAJ_F64;
    options.n = N;
    options.param = m->single ? (void *)m->weight_single : m->weight;
    options.delta_only = 1;
    options.optimizer =
        m->momentum > 0 ? TRAJ_OPTIMIZER_HEAVY_BALL : TRAJ_OPTIMIZER_SGD;
    check(traj_open(NULL, ret_run));
    check(traj_watch_open(*ret_run, &options, ret_watch));
}

static double train_step(struct learner *m, uint64_t k, traj_watch *watch)
{
    double x[N];
    double y = sample(m, k, x);
    if (watch == NULL) {
        return learn(m, x, y);
    }
    struct traj_step step;
    traj_step_init(&step);
    step.step = k;
    step.lr = m->lr; /* of this very step: g = -d / lr */
    step.momentum = m->momentum;
    check(traj_before_update(watch, &step));
    step.loss = learn(m, x, y);
    check(traj_after_update(watch, &step));
    return step.loss;
}

static const char help[] =
    "usage: delta_only [logistic] [heavy-ball] [float] [no-watch]\n"
    "Learns from 400 samples in a trainer that shows no gradient; the watch\n"
    "computes it from the updates.\n"
    "\n"
    "  logistic    the logistic loss instead of squares\n"
    "  heavy-ball  momentum 0.5 instead of plain SGD\n"
    "  float       weights in float instead of double\n"
    "  no-watch    make no call into libtraj; the losses are the same\n"
    "\n"
    "TRAJ_URL, TRAJ_DIR, TRAJ_RUN_ID and TRAJ_MODE are read by libtraj.\n"
    "Exit status: 0 done, also where nothing could be recorded, which is "
    "told;\n"
    "2 wrong options.\n";

/* false: not one of the words. */
static bool take_word(const char *word, struct learner *m, bool *quiet)
{
    bool logistic = strcmp(word, "logistic") == 0;
    bool single = strcmp(word, "float") == 0;
    bool heavy = strcmp(word, "heavy-ball") == 0;
    bool no_watch = strcmp(word, "no-watch") == 0;
    m->logistic = m->logistic || logistic;
    m->single = m->single || single;
    m->momentum = heavy ? 0.5 : m->momentum;
    *quiet = *quiet || no_watch;
    return logistic || single || heavy || no_watch;
}

int main(int argc, char **argv)
{
    struct learner m = { .lr = 0.05 };
    bool quiet = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            (void)fputs(help, stdout);
            return 0;
        }
        if (!take_word(argv[i], &m, &quiet)) {
            (void)fprintf(
                stderr, "delta_only: %s: see delta_only --help\n", argv[i]);
            return 2;
        }
    }
    traj_run *run = NULL;
    traj_watch *watch = NULL;
    if (!quiet) {
        hook_open(&m, &run, &watch);
    }
    for (uint64_t k = 0; k < STEPS; k++) {
        double loss = train_step(&m, k, watch);
        (void)printf("step %" PRIu64 " loss %.9g %a\n", k, loss, loss);
    }
    traj_watch_close(watch);
    if (run != NULL) {
        check(traj_finish(run, 0, 0));
    }
    return 0;
}
