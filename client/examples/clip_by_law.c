/*
 * clip_by_law: a trainer that clips by the law that trajd fits to it.
 *
 * It descends f(x) = (L0/L1^2) phi(L1 ||x - c||), phi(z) = e^z - z - 1, whose
 * smoothness is exactly L0 + L1 ||g||, with noise in the gradient; every 100
 * steps the task c changes and the gradient is large again. L0 and L1 are
 * hidden from the training loop. Until trajd has a law it takes a step that is
 * small enough for the steepest place it may come to; then min{1/(2 L0),
 * 1/(3 L1 ||g||)}, which is clipping: lr = 1/(2 L0), threshold 2 L0/(3 L1).
 *
 *   clip_by_law [STEPS]    at most STEPS steps (default 5000), of 1 ms each;
 *                          ends when 1000 of them were by the law
 *
 * Without a trajd it trains on with the fixed step, and says so.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <traj.h>

enum { N = 16, TASK_STEPS = 100, LAW_STEPS = 1000 };

static const double hidden_L0 = 2, hidden_L1 = 0.7, noise = 0.01;
static const double fixed_step = 0.002;

static double x[N], g[N];
static double centre[N],
    batch_noise[N]; /* the task, and the batch, of a step */

static double uniform(void)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(state >> 11) + 0.5) * 0x1p-53;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

static double norm(const double *v)
{
    double sum = 0;
    for (int i = 0; i < N; i++) {
        sum += v[i] * v[i];
    }
    return sqrt(sum);
}

/* At x as it is now, on the step's batch: the probe asks for it again. */
static int gradient(void *context, void *ret_grad, double *ret_loss)
{
    double *grad = ret_grad;
    double away[N];
    (void)context;
    for (int i = 0; i < N; i++) {
        away[i] = x[i] - centre[i];
    }
    double r = norm(away);
    double slope = hidden_L0 / hidden_L1 * expm1(hidden_L1 * r);
    *ret_loss = hidden_L0 / (hidden_L1 * hidden_L1) *
                (expm1(hidden_L1 * r) - hidden_L1 * r);
    for (int i = 0; i < N; i++) {
        grad[i] = (r > 0 ? slope * away[i] / r : 0) + batch_noise[i];
    }
    return 0;
}

/* A task whose minimum is 4 to 7 away from here. */
static void next_task(void)
{
    double direction[N];
    for (int i = 0; i < N; i++) {
        direction[i] = normal();
    }
    double distance = 4 + 3 * uniform(), length = norm(direction);
    for (int i = 0; i < N; i++) {
        centre[i] = x[i] + distance * direction[i] / length;
    }
}

/* Measuring is no reason to stop training: tell, and go on. */
static void check(enum traj_status status)
{
    if (status != TRAJ_OK) {
        (void)fprintf(stderr, "clip_by_law: %s. %s\n", traj_strerror(status),
            traj_last_error());
    }
}

/* The step to take at ||g||, noted in *step. Returns whether by a law, which
 * is then in *ret_advice. */
static int choose_step(const traj_run *run, double grad_norm,
    struct traj_step *step, struct traj_advice *ret_advice)
{
    struct traj_advice advice = { .size = sizeof advice };
    step->lr = fixed_step;
    step->clip_scale = 1;
    /* Not a failure but the usual thing at first: no law. */
    if (traj_advice(run, TRAJ_RULE_CLIPPED_L0L1, grad_norm, &advice) !=
        TRAJ_OK) {
        return 0;
    }
    step->lr = traj_rule_step(TRAJ_RULE_CLIPPED_L0L1, advice.L0, advice.L1, 0);
    step->clip_threshold = advice.clip_threshold;
    step->clip_scale = advice.step / step->lr;
    *ret_advice = advice;
    return 1;
}

/* One step; returns whether it was by a law. */
static int train(traj_run *run, traj_watch *watch, uint64_t k,
    struct traj_advice *ret_advice, double *ret_grad_norm)
{
    const struct timespec computing = { .tv_nsec = 1000000 };
    struct traj_step step;
    traj_step_init(&step);
    step.step = k;
    if (k % TASK_STEPS == 0) {
        next_task();
    }
    for (int i = 0; i < N; i++) {
        batch_noise[i] = noise * normal();
    }
    (void)gradient(NULL, g, &step.loss);
    *ret_grad_norm = norm(g);
    check(traj_before_update(watch, &step));
    int by_law = choose_step(run, *ret_grad_norm, &step, ret_advice);
    for (int i = 0; i < N; i++) {
        x[i] -= step.lr * step.clip_scale * g[i];
    }
    check(traj_after_update(watch, &step));
    (void)nanosleep(&computing, NULL); /* as a real model would */
    return by_law;
}

static void tell(uint64_t steps, uint64_t by_law, double grad_norm,
    const struct traj_advice *a)
{
    printf(
        "%" PRIu64 " steps, %" PRIu64 " of them by the law\n", steps, by_law);
    if (by_law == 0) {
        printf("no law came; all steps were of %g\n", fixed_step);
        return;
    }
    printf("the last law, of %" PRIu64 " samples: L0=%.17g L1=%.17g\n", a->n,
        a->L0, a->L1);
    printf("the last step by it: grad_norm=%.17g step=%.17g threshold=%.17g\n",
        grad_norm, a->step, a->clip_threshold);
}

static const char help[] =
    "usage: clip_by_law [STEPS]\n"
    "Descends a function of a known law, with noise, and clips by the law "
    "that\n"
    "trajd fits to it; until one comes the step is fixed. Ends after STEPS\n"
    "steps (5000), of 1 ms each, or when 1000 of them were by the law.\n"
    "\n"
    "TRAJ_URL, TRAJ_DIR, TRAJ_RUN_ID and TRAJ_MODE are read by libtraj.\n"
    "Exit status: 0 done, also without a trajd, which is told; 2 wrong\n"
    "options.\n";

/* A number of steps, the whole text. */
static int parse_steps(const char *text, uint64_t *ret_steps)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 15 || text[digits] != '\0') {
        return 0;
    }
    *ret_steps = strtoull(text, NULL, 10);
    return 1;
}

int main(int argc, char **argv)
{
    uint64_t most = 5000;
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        (void)fputs(help, stdout);
        return 0;
    }
    if (argc > 2 || (argc > 1 && !parse_steps(argv[1], &most))) {
        (void)fprintf(stderr, "clip_by_law: %s: see clip_by_law --help\n",
            argv[argc - 1]);
        return 2;
    }
    traj_run *run = NULL;
    traj_watch *watch = NULL;
    struct traj_options options = TRAJ_OPTIONS_INIT;
    struct traj_watch_options watched = TRAJ_WATCH_INIT;
    options.name = "clip_by_law";
    options.optimizer = "sgd";
    watched.dtype = TRAJ_F64;
    watched.n = N;
    watched.param = x;
    watched.grad = g;
    watched.gradient = gradient;
    watched.probe_every = 1;
    check(traj_open(&options, &run));
    check(traj_watch_open(run, &watched, &watch));

    uint64_t k = 0, by_law = 0;
    double grad_norm = 0, law_grad_norm = 0;
    struct traj_advice advice = { .size = sizeof advice };
    for (; k < most && by_law < LAW_STEPS; k++) {
        if (train(run, watch, k, &advice, &grad_norm)) {
            law_grad_norm = grad_norm;
            by_law++;
        }
    }
    tell(k, by_law, law_grad_norm, &advice);

    traj_watch_close(watch);
    if (traj_finish(run, 0, 0) == TRAJ_ETIMEDOUT) {
        printf("no trajd took it; `traj sync` sends it later\n");
    }
    return 0;
}
