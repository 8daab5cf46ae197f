/*
 * What watching costs a training: the LSTM of client/examples without any call
 * into libtraj, watched without probes, with probes at intervals, and by
 * budget; trajd up. The losses are the same in all: a test sees to that.
 *
 * All is CPU time of the trainer's process, read from outside while it trains:
 *   a step     the slope over the WINDOW steps after the first WARM: what the
 *              process takes; and of that the threads of libtraj and libzmq
 *   once       what is left of a whole run, its start and end, over that slope
 * A run is compared with the run without libtraj before it, not further than
 * five runs away; medians over the turns. WINDOW holds a whole number of every
 * interval.
 *
 * A budget is a fraction of the time of training. What was spent of it is
 * added up from what the records say that their probes took.
 *
 * For comparison, Cockpit (Schneider et al. 2021) on CIFAR-10 3c3d, CUDA, of
 * the time of training: another model on another machine, the same question.
 */
#define _DEFAULT_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 3
#define PRINTED "64" /* steps between two lines of the trainer */
#define WARM 64
#define WINDOW 1024
#define STEPS "1089" /* the last line is of step WARM + WINDOW */
#define STEPS_N 1089
#define ARGS_MAX 6
#define RUNS_MAX (ROUNDS * 3)

struct cost {
    double step_ms, others_step_ms, once_ms;
};

struct configuration {
    const char *name;
    const char *args[ARGS_MAX];
    double budget;                        /* asked for, percent; 0 = none */
    double cockpit_economy, cockpit_full; /* factors; 0 = not published */
    size_t n;
    /* Of each run; percent of the steps of the run without libtraj. */
    double step_ms[RUNS_MAX], step[RUNS_MAX], others_step[RUNS_MAX];
    double once_ms[RUNS_MAX], spent[RUNS_MAX];
};

static struct configuration configurations[] = {
    { .name = "not watched", .args = { "--no-traj" } },
    { .name = "no probes", .args = { "--probe-every", "0" } },
    { .name = "probe every 1",
        .args = { "--probe-every", "1" },
        .cockpit_economy = 1.51,
        .cockpit_full = 21.1 },
    { .name = "probe every 4", .args = { "--probe-every", "4" } },
    { .name = "probe every 16",
        .args = { "--probe-every", "16" },
        .cockpit_economy = 1.06,
        .cockpit_full = 2.26 },
    { .name = "probe every 64",
        .args = { "--probe-every", "64" },
        .cockpit_economy = 1.02,
        .cockpit_full = 1.30 },
    { .name = "probe every 256",
        .args = { "--probe-every", "256" },
        .cockpit_economy = 1.00,
        .cockpit_full = 1.06 },
    { .name = "budget 5 %", .args = { "--probe-budget", "0.05" }, .budget = 5 },
    { .name = "budget 20 %, operator norm at each 8th probe",
        .args = { "--probe-budget", "0.2", "--sharpness-every", "8" },
        .budget = 20 },
};
#define N (sizeof configurations / sizeof configurations[0])

/* The two whose difference is smallest take the most turns. */
static const size_t turns[] = { 0, 1, 2, 3, 4, 0, 1, 5, 6, 0, 1, 7, 8 };

struct daemon {
    pid_t pid;
    char http[64], ingest[64];
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* trajd on free ports. */
static struct daemon start_trajd(const char *dir)
{
    struct daemon trajd = { .pid = -1 };
    int ends[2];
    char db[96], line[512] = "";
    (void)snprintf(db, sizeof db, "%s/bench.db", dir);
    if (pipe(ends) != 0) {
        die("pipe");
    }
    trajd.pid = fork();
    if (trajd.pid == 0) {
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
    if (sscanf(line, "trajd ready http=%63s ingest=%63s", trajd.http,
            trajd.ingest) != 2) {
        (void)fprintf(stderr, "trajd said: %s\n", line);
        exit(1);
    }
    return trajd;
}

/* ---- one training ------------------------------------------------------- */

static void train(const struct configuration *c, const char *run, int out)
{
    const char *argv[ARGS_MAX + 12] = { "lstm", "--steps", STEPS, "--layers",
        "2", "--lr", "2", "--print-every", PRINTED, "--run-id", run };
    size_t n = 11;
    for (size_t i = 0; i < ARGS_MAX && c->args[i] != NULL; i++) {
        argv[n++] = c->args[i];
    }
    (void)dup2(out, STDOUT_FILENO);
    /* execv changes none of the texts. */
    (void)execv("build/examples/lstm", (char *const *)(uintptr_t)argv);
    die("build/examples/lstm");
}

/* CPU time of a process. */
static double process_ms(pid_t pid)
{
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) != 0 ||
        clock_gettime(clock, &t) != 0) {
        die("the trainer's clock");
    }
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* CPU time of one thread; 0 when it has just ended. */
static double thread_ms(pid_t pid, const char *thread)
{
    char path[96];
    double ns = 0;
    (void)snprintf(
        path, sizeof path, "/proc/%d/task/%.20s/schedstat", (int)pid, thread);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    if (fscanf(file, "%lf", &ns) != 1) {
        ns = 0;
    }
    (void)fclose(file);
    return ns / 1e6;
}

/* CPU time of all threads but the first, which is the trainer's. They sleep
 * mostly, so that their figures are not of the last tick. */
static double others_ms(pid_t pid)
{
    char path[64];
    double sum = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        die(path);
    }
    const struct dirent *entry = NULL;
    while ((entry = readdir(dir)) != NULL) {
        const long id = strtol(entry->d_name, NULL, 10);
        if (id > 0 && id != (long)pid) {
            sum += thread_ms(pid, entry->d_name);
        }
    }
    (void)closedir(dir);
    return sum;
}

static double ms_of(const struct timeval *t)
{
    return (double)t->tv_sec * 1e3 + (double)t->tv_usec / 1e3;
}

struct reading {
    double process_ms, others_ms;
};

/* At the trainer's lines of step WARM and of the last. */
static void follow(pid_t pid, FILE *lines, struct reading ret[static 2])
{
    char line[256];
    while (fgets(line, sizeof line, lines) != NULL) {
        unsigned step = 0;
        if (sscanf(line, "step %u/", &step) == 1 &&
            (step == WARM || step == WARM + WINDOW)) {
            ret[step > WARM] =
                (struct reading){ process_ms(pid), others_ms(pid) };
        }
    }
}

static struct cost measure(const struct configuration *c, const char *run)
{
    struct reading at[2] = { { 0 } };
    struct rusage usage;
    int ends[2];
    int status = 0;
    if (pipe(ends) != 0) {
        die("pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        train(c, run, ends[1]);
    }
    (void)close(ends[1]);
    FILE *lines = fdopen(ends[0], "r");
    if (pid < 0 || lines == NULL) {
        die("fork");
    }
    follow(pid, lines, at);
    (void)fclose(lines);
    if (wait4(pid, &status, 0, &usage) != pid || status != 0) {
        (void)fprintf(stderr, "a training failed: %s\n", c->name);
        exit(1);
    }
    const double process = at[1].process_ms - at[0].process_ms;
    const double others = at[1].others_ms - at[0].others_ms;
    const double whole = ms_of(&usage.ru_utime) + ms_of(&usage.ru_stime);
    return (struct cost){ .step_ms = process / WINDOW,
        .others_step_ms = others / WINDOW,
        .once_ms = whole - process / WINDOW * STEPS_N };
}

/* ---- what the records say ------------------------------------------------ */

struct column {
    double first, last, sum;
};

/* Of a field of all records of a kind. */
static struct column export(const struct daemon *trajd, const char *run,
    const char *kind, const char *field)
{
    char command[256], key[64], line[8192];
    struct column column = { 0 };
    (void)snprintf(command, sizeof command,
        "build/traj export %s --url %s --kind %s --format ndjson", run,
        trajd->http, kind);
    (void)snprintf(key, sizeof key, "\"%s\":", field);
    FILE *records = popen(command, "r");
    if (records == NULL) {
        die(command);
    }
    for (size_t n = 0; fgets(line, sizeof line, records) != NULL; n++) {
        const char *at = strstr(line, key);
        if (at != NULL) {
            at += strlen(key);
            column.last = strtod(at + (*at == '"'), NULL);
            column.first = n == 0 ? column.last : column.first;
            column.sum += column.last;
        }
    }
    if (pclose(records) != 0) {
        (void)fprintf(stderr, "%s\n", command);
        exit(1);
    }
    return column;
}

/* Percent of the time of training, probes not counted. */
static double spent_of(const struct daemon *trajd, const char *run)
{
    const struct column wall = export(trajd, run, "step", "wall_ns");
    const double probes = export(trajd, run, "probe", "cost_ns").sum +
                          export(trajd, run, "sharpness", "cost_ns").sum;
    return 100 * probes / (wall.last - wall.first - probes);
}

/* ---- turns --------------------------------------------------------------- */

static void take_turns(const struct daemon *trajd, unsigned round)
{
    struct cost bare = { 0 };
    for (size_t k = 0; k < sizeof turns / sizeof turns[0]; k++) {
        struct configuration *c = &configurations[turns[k]];
        char run[32];
        (void)snprintf(run, sizeof run, "round%u-turn%zu", round, k);
        const struct cost cost = measure(c, run);
        bare = turns[k] == 0 ? cost : bare;
        const size_t i = c->n++;
        c->step_ms[i] = cost.step_ms;
        c->step[i] = 100 * (cost.step_ms / bare.step_ms - 1);
        c->others_step[i] = 100 * cost.others_step_ms / bare.step_ms;
        c->once_ms[i] = cost.once_ms - bare.once_ms;
        c->spent[i] = c->budget > 0 ? spent_of(trajd, run) : 0;
    }
}

static int ascending(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, ascending);
    return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

static void print_percent(bool known, double value, int width)
{
    if (!known) {
        (void)printf(" %*s", width, "-");
    } else {
        (void)printf(" %+*.2f%%", width - 1, value);
    }
}

static void report_one(struct configuration *c)
{
    const double ms = median(c->step_ms, c->n);
    const double step = median(c->step, c->n);
    const double others = median(c->others_step, c->n);
    const double once = median(c->once_ms, c->n);
    const double spent = median(c->spent, c->n);
    (void)printf("%-44s %8.3f", c->name, ms);
    print_percent(true, step, 9);
    print_percent(true, others, 9);
    (void)printf(" %8.1f", once);
    print_percent(c->budget > 0, spent, 9);
    print_percent(c->cockpit_full > 0, 100 * (c->cockpit_economy - 1), 9);
    print_percent(c->cockpit_full > 0, 100 * (c->cockpit_full - 1), 10);
    (void)printf("\n{\"bench\":\"overhead\",\"case\":\"%s\",\"ms_step\":%.4f,"
                 "\"overhead_percent\":%.3f,\"other_threads_percent\":%.3f,"
                 "\"once_ms\":%.2f,\"budget_percent\":%g,"
                 "\"spent_percent\":%.3f,\"runs\":%zu}\n",
        c->name, ms, step, others, once, c->budget, spent, c->n);
}

static void report(void)
{
    (void)printf("LSTM, 75,852 parameters, %d runs or more of %d steps each\n"
                 "%-44s %8s %9s %9s %8s %9s %20s\n"
                 "%-44s %8s %9s %9s %8s %9s %9s %10s\n",
        ROUNDS, STEPS_N, "", "ms CPU", "more than", "in other", "ms once",
        "spent by", "Cockpit, CUDA", "", "a step", "unwatched", "threads",
        "a run", "budget", "economy", "full");
    for (size_t i = 0; i < N; i++) {
        report_one(&configurations[i]);
    }
}

int main(void)
{
    char dir[] = "/tmp/traj-overhead-XXXXXX";
    char runs[64], command[64];
    if (mkdtemp(dir) == NULL) {
        die(dir);
    }
    (void)snprintf(runs, sizeof runs, "%s/runs", dir);
    const struct daemon trajd = start_trajd(dir);
    (void)setenv("TRAJ_URL", trajd.ingest, 1);
    (void)setenv("TRAJ_DIR", runs, 1);
    (void)setenv("TRAJ_MODE", "online", 1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        take_turns(&trajd, round);
    }
    report();
    (void)kill(trajd.pid, SIGTERM);
    (void)waitpid(trajd.pid, NULL, 0);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? 0 : 1;
}
