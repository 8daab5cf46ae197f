/*
 * bench_moments: traj_moments in GB/s beside a plain read of the same arrays,
 * and beside the way with BLAS: copy, axpy and nrm2 per norm. The three take
 * turns, medians of the turns are printed. One JSON line per row.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "math/isa.h"
#include "traj.h"

#define TURNS 11
#define TURN_NS 20000000.0 /* a turn repeats what is quicker than this */

/* The Fortran names: every libblas has them, whoever built it. */
struct blas {
    const char *name; /* NULL: there is none */
    void (*scopy)(
        const int *, const float *, const int *, float *, const int *);
    void (*saxpy)(const int *, const float *, const float *, const int *,
        float *, const int *);
    float (*snrm2)(const int *, const float *, const int *);
};

struct job {
    const char *name;
    enum traj_dtype dtype;
    size_t n;
    size_t bytes;   /* of all arrays that it reads */
    void *array[4]; /* x, g, x0, g0; NULL = not used */
    float *scratch; /* for BLAS */
    const struct blas *blas;
};

static volatile uint64_t sink;
static volatile double sink_double;

static double now_ns(void)
{
    struct timespec t = { 0 };
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

ISA_CLONES static uint64_t read_words(const uint64_t *words, size_t n)
{
    uint64_t sums[32] = { 0 };
    for (size_t i = 0; i + 32 <= n; i += 32) {
        for (size_t k = 0; k < 32; k++) {
            sums[k] += words[i + k];
        }
    }
    uint64_t sum = 0;
    for (size_t k = 0; k < 32; k++) {
        sum += sums[k];
    }
    return sum;
}

static size_t width(enum traj_dtype dtype)
{
    return dtype == TRAJ_F64 ? sizeof(double) : sizeof(float);
}

static void plain_read(const struct job *job)
{
    for (size_t k = 0; k < 4; k++) {
        if (job->array[k] != NULL) {
            sink = read_words(
                job->array[k], job->n * width(job->dtype) / sizeof(uint64_t));
        }
    }
}

static void our_pass(const struct job *job)
{
    struct traj_moments m;
    if (traj_moments(job->dtype, job->n, job->array[0], job->array[1],
            job->array[2], job->array[3], &m) != TRAJ_OK) {
        abort();
    }
    sink_double = m.grad_sq;
}

/* ||a - b||, or ||a|| without b. */
static double blas_norm(const struct job *job, const float *a, const float *b)
{
    const int n = (int)job->n;
    const int one = 1;
    const float minus = -1;
    if (b == NULL) {
        return (double)job->blas->snrm2(&n, a, &one);
    }
    job->blas->scopy(&n, a, &one, job->scratch, &one);
    job->blas->saxpy(&n, &minus, b, &one, job->scratch, &one);
    return (double)job->blas->snrm2(&n, job->scratch, &one);
}

/* As many norms as the arrays have; inner products and counts would come on
 * top. */
static void blas_way(const struct job *job)
{
    double sum = 0;
    for (size_t k = 0; k < 2; k++) {
        if (job->array[k] == NULL) {
            continue;
        }
        sum += blas_norm(job, job->array[k], NULL);
        if (job->array[k + 2] != NULL) {
            sum += blas_norm(job, job->array[k], job->array[k + 2]);
        }
    }
    sink_double = sum;
}

/* ns of one call. */
static double turn(void (*work)(const struct job *), const struct job *job)
{
    double started = now_ns();
    size_t calls = 0;
    double elapsed = 0;
    do {
        work(job);
        calls++;
        elapsed = now_ns() - started;
    } while (elapsed < TURN_NS);
    return elapsed / (double)calls;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, TURNS, sizeof *values, ascending);
    return values[TURNS / 2];
}

static void measure(const struct job *job)
{
    double reads[TURNS], ours[TURNS], blases[TURNS] = { 0 };
    const int with_blas = job->blas->name != NULL && job->dtype == TRAJ_F32;
    for (size_t i = 0; i < TURNS; i++) {
        reads[i] = turn(plain_read, job);
        ours[i] = turn(our_pass, job);
        if (with_blas) {
            blases[i] = turn(blas_way, job);
        }
    }
    const double bytes = (double)job->bytes;
    const double read_ns = median(reads);
    const double our_ns = median(ours);
    const double blas_ns = median(blases);
    const char *type = job->dtype == TRAJ_F64 ? "f64" : "f32";
    printf("%-8s %s %10zu %9.1f %9.1f %7.0f%%", job->name, type, job->n,
        bytes / read_ns, bytes / our_ns, 100 * read_ns / our_ns);
    if (with_blas) {
        printf(" %9.1f %8.1fx\n", bytes / blas_ns, blas_ns / our_ns);
    } else {
        printf(" %9s %9s\n", "-", "-");
    }
    printf("{\"bench\":\"moments\",\"arrays\":\"%s\",\"dtype\":\"%s\","
           "\"n\":%zu,\"read_gbps\":%.2f,\"moments_gbps\":%.2f,"
           "\"of_read\":%.3f",
        job->name, type, job->n, bytes / read_ns, bytes / our_ns,
        read_ns / our_ns);
    if (with_blas) {
        printf(",\"blas_gbps\":%.2f", bytes / blas_ns);
    }
    puts("}");
    fflush(stdout);
}

static void *fill(enum traj_dtype dtype, size_t n)
{
    void *array = aligned_alloc(64, (n * width(dtype) + 63) / 64 * 64);
    if (array == NULL) {
        fputs("bench_moments: out of memory\n", stderr);
        exit(1);
    }
    uint64_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        double value = (double)(state >> 11) * 0x1p-53 - 0.5;
        if (dtype == TRAJ_F64) {
            ((double *)array)[i] = value;
        } else {
            ((float *)array)[i] = (float)value;
        }
    }
    return array;
}

static void measure_size(
    enum traj_dtype dtype, size_t n, const struct blas *blas)
{
    static const struct {
        const char *name;
        unsigned arrays; /* bit k: array k */
        size_t count;
    } shapes[] = { { "g", 2, 1 }, { "x,g", 3, 2 }, { "g,g0", 10, 2 },
        { "all", 15, 4 } };
    void *array[4];
    for (size_t k = 0; k < 4; k++) {
        array[k] = fill(dtype, n);
    }
    float *scratch = fill(TRAJ_F32, n);
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        struct job job = { .name = shapes[s].name,
            .dtype = dtype,
            .n = n,
            .bytes = shapes[s].count * n * width(dtype),
            .scratch = scratch,
            .blas = blas };
        for (size_t k = 0; k < 4; k++) {
            job.array[k] = shapes[s].arrays & (1u << k) ? array[k] : NULL;
        }
        measure(&job);
    }
    free(scratch);
    for (size_t k = 0; k < 4; k++) {
        free(array[k]);
    }
}

/* A BLAS of the machine, if it has one: the product needs none. */
static struct blas find_blas(void)
{
    static const char *const names[] = { "libopenblas.so.0", "libblas.so.3" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (library == NULL) {
            continue;
        }
        struct blas blas = { .name = names[i] };
        /* POSIX's way from a data pointer to a function pointer. */
        *(void **)(&blas.scopy) = dlsym(library, "scopy_");
        *(void **)(&blas.saxpy) = dlsym(library, "saxpy_");
        *(void **)(&blas.snrm2) = dlsym(library, "snrm2_");
        if (blas.scopy != NULL && blas.saxpy != NULL && blas.snrm2 != NULL) {
            return blas;
        }
    }
    return (struct blas){ .name = NULL };
}

int main(void)
{
    static const size_t sizes[] = { 1024, 16384, 1u << 20, 1u << 24 };
    (void)setenv("OPENBLAS_NUM_THREADS", "1", 1);
    const struct blas blas = find_blas();
    printf("traj_moments beside a plain read of the same memory, and beside "
           "the norms by BLAS\n(%s, one thread, norms only); GB/s, medians of "
           "%d turns\n\n",
        blas.name != NULL ? blas.name : "not installed: left out", TURNS);
    printf("%-8s %s %10s %9s %9s %8s %9s %9s\n", "arrays", "   ", "n", "read",
        "moments", "of read", "BLAS", "faster");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        measure_size(TRAJ_F32, sizes[i], &blas);
        measure_size(TRAJ_F64, sizes[i], &blas);
    }
    return 0;
}
