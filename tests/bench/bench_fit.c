/*
 * bench_fit: the estimators of (L0, L1) on one processor, on pairs of a
 * smoothness (1 + 2 G) times lognormal noise with G over three decades: what
 * the daemon refits once a second (65,536) and what a file may hold (1e6).
 * With arguments N and FILE the pairs are written there as CSV instead, for
 * programs to compare with. Milliseconds of the processor, the best of five
 * turns. One JSON line per row.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "math/fit.h"

#define TURNS 5

struct pairs {
    double *x, *y, *workspace;
    size_t n;
};

static double cpu_ms(void)
{
    struct timespec t = { 0 };
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*state >> 11) + 0.5) * 0x1p-53;
}

static void draw(struct pairs *pairs)
{
    uint64_t state = 1;
    for (size_t i = 0; i < pairs->n; i++) {
        double normal = sqrt(-2 * log(uniform(&state))) *
                        cos(2 * 3.14159265358979323846 * uniform(&state));
        pairs->x[i] = pow(10, 3 * uniform(&state) - 2);
        pairs->y[i] = (1 + 2 * pairs->x[i]) * exp(0.3 * normal);
    }
}

/* ---- what is measured ---------------------------------------------------- */

static bool ols(const struct pairs *p)
{
    struct fit_line line;
    return fit_ols(p->x, p->y, p->n, &line);
}

static bool relative(const struct pairs *p)
{
    struct fit_line line;
    return fit_nnls_relative(p->x, p->y, p->n, p->workspace, &line);
}

static bool quantile(const struct pairs *p, double tau)
{
    struct fit_line line;
    return fit_quantile(p->x, p->y, p->n, tau, p->workspace, &line);
}

static bool median(const struct pairs *p)
{
    return quantile(p, 0.5);
}

static bool q90(const struct pairs *p)
{
    return quantile(p, 0.9);
}

static bool q95(const struct pairs *p)
{
    return quantile(p, 0.95);
}

static bool q99(const struct pairs *p)
{
    return quantile(p, 0.99);
}

static bool expectile(const struct pairs *p)
{
    struct fit_line line;
    return fit_expectile(
        p->x, p->y, p->n, FIT_LAMBDA_DEFAULT, p->workspace, &line);
}

static bool envelope(const struct pairs *p)
{
    struct fit_line line;
    return fit_envelope(p->x, p->y, p->n, p->workspace, &line);
}

static bool robust(const struct pairs *p)
{
    struct fit_line line = { 1, 2 };
    return fit_envelope_robust(p->x, p->y, p->n, line, p->workspace, &line);
}

static bool power(const struct pairs *p)
{
    struct fit_power answer;
    return fit_power(p->x, p->y, p->n, p->workspace, &answer);
}

static bool loglog(const struct pairs *p)
{
    struct fit_loglog answer;
    return fit_loglog(p->x, p->y, p->n, p->workspace, &answer);
}

static bool spearman(const struct pairs *p)
{
    double rho;
    return fit_spearman(p->x, p->y, p->n, p->workspace, &rho);
}

static bool report(const struct pairs *p)
{
    struct fit_report answer;
    return fit_report(p->x, p->y, p->n, FIT_N_MIN, &answer);
}

static const struct job {
    const char *name;
    bool (*run)(const struct pairs *pairs);
} jobs[] = {
    { "ols", ols },
    { "nnls_relative", relative },
    { "quantile 0.5", median },
    { "quantile 0.9", q90 },
    { "quantile 0.95", q95 },
    { "quantile 0.99", q99 },
    { "expectile", expectile },
    { "envelope", envelope },
    { "envelope_robust", robust },
    { "power", power },
    { "loglog, Theil-Sen", loglog },
    { "spearman", spearman },
    { "all (fit_report)", report },
};

static double best_of(const struct job *job, const struct pairs *pairs)
{
    double best = (double)INFINITY;
    for (int turn = 0; turn < TURNS; turn++) {
        double start = cpu_ms();
        if (!job->run(pairs)) {
            fprintf(stderr, "bench_fit: %s gave nothing\n", job->name);
            exit(1);
        }
        best = fmin(best, cpu_ms() - start);
    }
    return best;
}

static struct pairs pairs_of(size_t n)
{
    struct pairs pairs = { .n = n };
    pairs.x = malloc(n * sizeof *pairs.x);
    pairs.y = malloc(n * sizeof *pairs.y);
    pairs.workspace = malloc(fit_workspace(n) * sizeof *pairs.workspace);
    if (pairs.x == NULL || pairs.y == NULL || pairs.workspace == NULL) {
        fputs("bench_fit: out of memory\n", stderr);
        exit(1);
    }
    draw(&pairs);
    return pairs;
}

static int write_csv(const char *n, const char *name)
{
    const struct pairs pairs = pairs_of((size_t)strtoul(n, NULL, 10));
    FILE *out = fopen(name, "w");
    if (out == NULL) {
        perror(name);
        return 1;
    }
    fputs("x,y\n", out);
    for (size_t i = 0; i < pairs.n; i++) {
        fprintf(out, "%.17g,%.17g\n", pairs.x[i], pairs.y[i]);
    }
    return fclose(out) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = { 65536, 1000000 };
    if (argc == 3) {
        return write_csv(argv[1], argv[2]);
    }
    printf("%-20s %10s %12s\n", "estimator", "pairs", "ms of CPU");
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct pairs pairs = pairs_of(sizes[s]);
        for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
            double ms = best_of(&jobs[i], &pairs);
            printf("%-20s %10zu %12.2f\n", jobs[i].name, pairs.n, ms);
            printf("{\"bench\":\"fit\",\"estimator\":\"%s\",\"pairs\":%zu,"
                   "\"cpu_ms\":%.3f}\n",
                jobs[i].name, pairs.n, ms);
        }
        free(pairs.x);
        free(pairs.y);
        free(pairs.workspace);
    }
    return 0;
}
