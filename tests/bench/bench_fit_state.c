/*
 * bench_fit_state: what a sample costs in a state (bins, sketch, 106-bit sums,
 * two logarithms) and in a block of sums, what merging a block's state costs,
 * and what stays in memory. Time is that of the processor; the best and the
 * median of the turns. One JSON line per row.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "math/fit_dependence.h"
#include "math/fit_state.h"
#include "math/random.h"

enum { SAMPLES = 1 << 17, BLOCK = 256, TURNS = 15 };

static double x[SAMPLES], y[SAMPLES], workspace[SAMPLES];
static volatile double sink;

static double cpu_ns(void)
{
    struct timespec t = { 0 };
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double unit(uint64_t seed, uint64_t i)
{
    return (double)(random_bits(seed, i) >> 11) * 0x1p-53;
}

/* Norms that wander over two decades, smoothness that follows with noise. */
static void fill(void)
{
    double wander = 0;
    for (uint64_t i = 0; i < SAMPLES; i++) {
        wander = 0.999 * wander + 0.1 * (unit(1, i) - 0.5);
        x[i] = exp(2 * wander + unit(2, i));
        y[i] = (2 + 0.7 * x[i]) * exp(unit(3, i) + unit(4, i) - 1);
    }
}

static void must(bool ok)
{
    if (!ok) {
        (void)fputs("bench_fit_state: out of memory\n", stderr);
        exit(1);
    }
}

static struct fit_state state_of(size_t first, size_t n)
{
    struct fit_state state = { 0 };
    for (size_t i = first; i < first + n; i++) {
        must(fit_state_add(&state, i, x[i], y[i]));
    }
    return state;
}

static void add_to_state(void)
{
    struct fit_state state = state_of(0, SAMPLES);
    sink = state.total.plain.n;
    fit_state_done(&state);
}

static void add_to_blocks(void)
{
    static struct fit_block blocks[SAMPLES / BLOCK];
    for (size_t j = 0; j < SAMPLES / BLOCK; j++) {
        blocks[j] = (struct fit_block){ 0 };
    }
    for (size_t i = 0; i < SAMPLES; i++) {
        fit_block_add(&blocks[i / BLOCK], i, x[i], y[i]);
    }
    sink = blocks[7].plain.n;
}

static struct fit_state parts[SAMPLES / BLOCK];

static void merge_states(void)
{
    struct fit_state state = { 0 };
    for (size_t j = 0; j < SAMPLES / BLOCK; j++) {
        must(fit_state_merge(&state, &parts[j]));
    }
    sink = state.total.plain.n;
    fit_state_done(&state);
}

static void fit_lines(void)
{
    static struct fit_state state;
    struct fit_line line = { 0 };
    if (state.n_bins == 0) {
        state = state_of(0, SAMPLES);
    }
    must(fit_state_relative(&state, &line));
    sink = line.L1;
    must(fit_state_quantile(&state, 0.95, &line));
    sink = line.L1;
}

static void measure_memory(void)
{
    struct fit_dependence found;
    (void)fit_dependence(y, SAMPLES, workspace, &found);
    sink = (double)found.window;
}

static int ascending(const void *a, const void *b)
{
    const double one = *(const double *)a;
    const double other = *(const double *)b;
    return (one > other) - (one < other);
}

static void measure(const char *what, void (*work)(void), size_t times)
{
    double ns[TURNS];
    for (size_t i = 0; i < TURNS; i++) {
        const double started = cpu_ns();
        work();
        ns[i] = (cpu_ns() - started) / (double)times;
    }
    qsort(ns, TURNS, sizeof *ns, ascending);
    printf("%-36s %10.1f %10.1f\n", what, ns[0], ns[TURNS / 2]);
    printf("{\"bench\":\"fit_state\",\"what\":\"%s\",\"best_ns\":%.1f,"
           "\"ns\":%.1f}\n",
        what, ns[0], ns[TURNS / 2]);
}

int main(void)
{
    fill();
    for (size_t j = 0; j < SAMPLES / BLOCK; j++) {
        parts[j] = state_of(j * BLOCK, BLOCK);
    }
    printf("%-36s %10s %10s\n", "ns", "best", "median");
    measure("a sample into a state", add_to_state, SAMPLES);
    measure("a sample into a block of sums", add_to_blocks, SAMPLES);
    measure(
        "a state of 256 samples into another", merge_states, SAMPLES / BLOCK);
    measure("relative and quantile line", fit_lines, 1);
    measure("autocorrelation time, per sample", measure_memory, SAMPLES);
    struct fit_state state = state_of(0, SAMPLES);
    const size_t bytes = fit_state_encode(&state, NULL, 0);
    printf("bytes of %d samples %zu, of %d %zu\n", SAMPLES, bytes, BLOCK,
        fit_state_encode(&parts[9], NULL, 0));
    fit_state_done(&state);
    for (size_t j = 0; j < SAMPLES / BLOCK; j++) {
        fit_state_done(&parts[j]);
    }
    return 0;
}
