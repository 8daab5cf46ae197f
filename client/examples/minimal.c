/*
 * minimal: the least that a trainer with one flat array needs to be watched.
 * It descends f(x) = sum of cosh(x_i), whose smoothness grows with its
 * gradient: ||H|| = max cosh(x_i), ||g||^2 = sum of sinh(x_i)^2.
 *
 *   cc minimal.c $(pkg-config --cflags --libs traj) -lm && ./a.out
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <traj.h>

enum { N = 8 };

static double x[N], g[N];

/* f and its gradient at x as it is now; says 0 for "done". */
static int gradient(void *context, void *ret_grad, double *ret_loss)
{
    (void)context;
    double *grad = ret_grad;
    *ret_loss = 0;
    for (int i = 0; i < N; i++) {
        *ret_loss += cosh(x[i]);
        grad[i] = sinh(x[i]);
    }
    return 0;
}

/* Measuring is no reason to stop training: tell, and go on. */
static void check(enum traj_status status)
{
    if (status != TRAJ_OK) {
        (void)fprintf(stderr, "minimal: %s. %s\n", traj_strerror(status),
            traj_last_error());
    }
}

static const char help[] =
    "usage: minimal\n"
    "Descends the sum of cosh(x_i) in 200 steps and has each of them watched:\n"
    "the three calls of libtraj that a trainer needs. It has no options;\n"
    "TRAJ_URL, TRAJ_DIR, TRAJ_RUN_ID and TRAJ_MODE are read by libtraj.\n"
    "Exit status: 0 done, also where nothing could be recorded, which is "
    "told;\n"
    "2 wrong options.\n";

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        (void)fputs(help, stdout);
        return 0;
    }
    if (argc > 1) {
        (void)fprintf(stderr, "minimal: %s: see minimal --help\n", argv[1]);
        return 2;
    }
    for (int i = 0; i < N; i++) {
        x[i] = 2 + 0.25 * i;
    }

    traj_run *run = NULL;
    traj_watch *watch = NULL;
    struct traj_watch_options options = TRAJ_WATCH_INIT;
    options.dtype = TRAJ_F64;
    options.n = N;
    options.param = x;
    options.grad = g;
    options.gradient = gradient;
    options.probe_every = 1; /* without this line: 2 % of the time */
    check(traj_open(NULL, &run));
    check(traj_watch_open(run, &options, &watch));

    for (uint64_t k = 0; k < 200; k++) {
        struct traj_step step;
        traj_step_init(&step);
        step.step = k;
        step.lr = 0.05;
        (void)gradient(NULL, g, &step.loss);
        check(traj_before_update(watch, &step));
        for (int i = 0; i < N; i++) {
            x[i] -= step.lr * g[i];
        }
        check(traj_after_update(watch, &step));
    }

    traj_watch_close(watch);
    check(traj_finish(run, 0, 0));
    return 0;
}
