/*
 * What watching costs a training: the LSTM of client/examples without any call
 * into libtraj, watched without probes, with probes at intervals, and by
 * budget. CPU time of the trainer's process (its sending thread included) over
 * the same number of steps, trajd up; the configurations take turns, medians
 * of ROUNDS. The losses are the same in all of them: a test sees to that.
 *
 * For comparison, Cockpit (Schneider et al. 2021) on CIFAR-10 3c3d, CUDA,
 * tracking every step / 16 / 64 / 256, as factors of the time of training:
 * economy 1.51 / 1.06 / 1.02 / 1.00, full 21.1 / 2.26 / 1.30 / 1.06.
 */
#define _DEFAULT_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 5
#define STEPS "400"
#define STEPS_N 400
#define ARGS_MAX 8

struct configuration {
    const char *name;
    const char *args[ARGS_MAX];
    double budget; /* asked for; 0 = none */
    double ms[ROUNDS];
};

static struct configuration configurations[] = {
    { .name = "not watched", .args = { "--no-traj" } },
    { .name = "watched, no probes", .args = { "--probe-every", "0" } },
    { .name = "probe every 1", .args = { "--probe-every", "1" } },
    { .name = "probe every 4", .args = { "--probe-every", "4" } },
    { .name = "probe every 16", .args = { "--probe-every", "16" } },
    { .name = "probe every 64", .args = { "--probe-every", "64" } },
    { .name = "probe every 256", .args = { "--probe-every", "256" } },
    { .name = "budget 5 %", .args = { "--probe-budget", "0.05" }, .budget = 5 },
    { .name = "budget 20 %, operator norm at each 8th probe",
        .args = { "--probe-budget", "0.2", "--sharpness-every", "8" },
        .budget = 20 },
};
#define N (sizeof configurations / sizeof configurations[0])

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* trajd on free ports; its endpoint for trainers into ret. */
static pid_t start_trajd(const char *dir, char ret[static 64])
{
    int ends[2];
    char db[96], line[512] = "";
    (void)snprintf(db, sizeof db, "%s/bench.db", dir);
    if (pipe(ends) != 0) {
        die("pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(ends[0]);
        (void)execl("build/trajd", "trajd", "--db", db, "--http", "127.0.0.1:0",
            "--ingest", "tcp://127.0.0.1:0", "--log-level", "error",
            (char *)NULL);
        die("build/trajd");
    }
    (void)close(ends[1]);
    size_t n = 0;
    while (n + 1 < sizeof line && read(ends[0], line + n, 1) == 1 &&
           line[n] != '\n') {
        n++;
    }
    (void)close(ends[0]);
    if (sscanf(line, "trajd ready http=%*s ingest=%63s", ret) != 1) {
        (void)fprintf(stderr, "trajd said: %s\n", line);
        exit(1);
    }
    return pid;
}

static void train(const struct configuration *c)
{
    const char *argv[ARGS_MAX + 12] = { "lstm", "--steps", STEPS, "--layers",
        "2", "--lr", "2", "--print-every", STEPS };
    size_t n = 9;
    for (size_t i = 0; i < ARGS_MAX && c->args[i] != NULL; i++) {
        argv[n++] = c->args[i];
    }
    if (freopen("/dev/null", "w", stdout) == NULL) {
        die("/dev/null");
    }
    /* execv changes none of the texts. */
    (void)execv("build/examples/lstm", (char *const *)(uintptr_t)argv);
    die("build/examples/lstm");
}

static double ms_of(const struct timeval *t)
{
    return (double)t->tv_sec * 1e3 + (double)t->tv_usec / 1e3;
}

/* CPU time of one training, per step. */
static double measure(const struct configuration *c)
{
    struct rusage usage;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        train(c);
    }
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || status != 0) {
        (void)fprintf(stderr, "a training failed: %s\n", c->name);
        exit(1);
    }
    return (ms_of(&usage.ru_utime) + ms_of(&usage.ru_stime)) / STEPS_N;
}

static int ascending(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static double median(double values[static ROUNDS])
{
    qsort(values, ROUNDS, sizeof *values, ascending);
    return values[ROUNDS / 2];
}

/* Of the turns: what both took in the same round is compared. */
static double median_overhead(const struct configuration *c)
{
    double ratios[ROUNDS];
    for (size_t r = 0; r < ROUNDS; r++) {
        ratios[r] = 100 * (c->ms[r] / configurations[0].ms[r] - 1);
    }
    return median(ratios);
}

static void report(void)
{
    double overheads[N];
    for (size_t i = 0; i < N; i++) {
        overheads[i] = median_overhead(&configurations[i]);
    }
    (void)printf(
        "%-46s %10s %10s\n", "LSTM, 75,852 parameters", "ms/step", "overhead");
    for (size_t i = 0; i < N; i++) {
        struct configuration *c = &configurations[i];
        const double ms = median(c->ms);
        (void)printf("%-46s %10.3f %9.2f%%\n", c->name, ms, overheads[i]);
        (void)printf("{\"bench\":\"overhead\",\"case\":\"%s\",\"ms_step\":%.4f,"
                     "\"overhead_percent\":%.3f,\"budget_percent\":%g}\n",
            c->name, ms, overheads[i], c->budget);
    }
}

int main(void)
{
    char dir[] = "/tmp/traj-overhead-XXXXXX";
    char runs[64], endpoint[64] = "";
    if (mkdtemp(dir) == NULL) {
        die(dir);
    }
    (void)snprintf(runs, sizeof runs, "%s/runs", dir);
    pid_t trajd = start_trajd(dir, endpoint);
    (void)setenv("TRAJ_URL", endpoint, 1);
    (void)setenv("TRAJ_DIR", runs, 1);
    (void)setenv("TRAJ_MODE", "online", 1);
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < N; i++) {
            configurations[i].ms[round] = measure(&configurations[i]);
        }
    }
    report();
    (void)kill(trajd, SIGTERM);
    (void)waitpid(trajd, NULL, 0);
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? 0 : 1;
}
