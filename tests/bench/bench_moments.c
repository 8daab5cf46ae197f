/*
 * bench_moments: traj_moments in GB/s beside a plain read of the same arrays,
 * and beside the way with BLAS: copy, axpy and nrm2 per norm. Then a list of
 * segments beside one flat array, and two threads beside one. What is compared
 * takes turns; printed are medians of the turns, and the median of the ratios
 * of turns side by side, which a busy machine leaves alone. One JSON line per
 * row.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "math/half.h"
#include "math/isa.h"
#include "math/kernel.h"
#include "traj.h"

#define TURNS 15
#define TURN_NS 10000000.0 /* a turn repeats what is quicker than this */
#define SEGMENTS 200

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
    struct traj_segment segment[SEGMENTS]; /* the same arrays, cut */
};

static volatile uint64_t sink;
static volatile double sink_double;

static double now_ns(void)
{
    struct timespec t = { 0 };
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Eight sums of vectors as wide as the processor has them: nothing but the
 * loads can be what it waits for. */
#define READ(name, target, bytes)                                              \
    typedef uint64_t name##_vector __attribute__((vector_size(bytes)));        \
    target static uint64_t name(const char *p, size_t n)                       \
    {                                                                          \
        name##_vector s0 = { 0 }, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, \
                      s6 = s0, s7 = s0, v[8];                                  \
        for (; n >= sizeof v; p += sizeof v, n -= sizeof v) {                  \
            memcpy(v, p, sizeof v);                                            \
            s0 += v[0];                                                        \
            s1 += v[1];                                                        \
            s2 += v[2];                                                        \
            s3 += v[3];                                                        \
            s4 += v[4];                                                        \
            s5 += v[5];                                                        \
            s6 += v[6];                                                        \
            s7 += v[7];                                                        \
        }                                                                      \
        s0 += s1 + s2 + s3 + s4 + s5 + s6 + s7;                                \
        return s0[0] + s0[1];                                                  \
    }
READ(read_16, , 16)
#if ISA_X86
READ(read_32, __attribute__((target("avx2"))), 32)
READ(read_64, __attribute__((target("avx512f"))), 64)
#endif

static uint64_t read_bytes(const char *p, size_t n)
{
#if ISA_X86
    if (__builtin_cpu_supports("avx512f")) {
        return read_64(p, n);
    }
    if (__builtin_cpu_supports("avx2")) {
        return read_32(p, n);
    }
#endif
    return read_16(p, n);
}

static void plain_read(const struct job *job)
{
    for (size_t k = 0; k < 4; k++) {
        if (job->array[k] != NULL) {
            sink = read_bytes(
                job->array[k], job->n * kernel_element_bytes(job->dtype));
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
    sink_double = m.param_sq;
}

static void pass_with(
    const struct job *job, size_t n_segments, uint32_t threads)
{
    static struct traj_moments each[SEGMENTS];
    const struct traj_segment whole = { .dtype = job->dtype,
        .n = job->n,
        .x = job->array[0],
        .g = job->array[1],
        .x0 = job->array[2],
        .g0 = job->array[3] };
    struct traj_moments m;
    if (traj_moments_of(n_segments > 1 ? job->segment : &whole, n_segments,
            threads, &m, each) != TRAJ_OK) {
        abort();
    }
    sink_double = m.param_sq;
}

static void segments_pass(const struct job *job)
{
    pass_with(job, SEGMENTS, 1);
}

static void two_threads_pass(const struct job *job)
{
    pass_with(job, 1, 2);
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

struct timing {
    double base_ns, ns; /* medians */
    double faster;      /* the median of base_ns/ns of turns side by side */
};

static struct timing compare(const struct job *job,
    void (*base)(const struct job *), void (*work)(const struct job *))
{
    double bases[TURNS], works[TURNS], ratios[TURNS];
    for (size_t i = 0; i < TURNS; i++) {
        bases[i] = turn(base, job);
        works[i] = turn(work, job);
        ratios[i] = bases[i] / works[i];
    }
    return (struct timing){
        .base_ns = median(bases), .ns = median(works), .faster = median(ratios)
    };
}

static const char *type_name(enum traj_dtype dtype)
{
    static const char *const names[] = { [TRAJ_F32] = "f32",
        [TRAJ_F64] = "f64",
        [TRAJ_BF16] = "bf16",
        [TRAJ_F16] = "f16" };
    return names[dtype];
}

static void measure(const struct job *job)
{
    const int with_blas = job->blas->name != NULL && job->dtype == TRAJ_F32;
    const double bytes = (double)job->bytes;
    const char *type = type_name(job->dtype);
    const struct timing t = compare(job, plain_read, our_pass);
    const struct timing b = with_blas ? compare(job, blas_way, our_pass)
                                      : (struct timing){ .faster = 0 };
    printf("%-8s %-4s %9zu %9.1f %9.1f %7.0f%%", job->name, type, job->n,
        bytes / t.base_ns, bytes / t.ns, 100 * t.faster);
    if (with_blas) {
        printf(" %9.1f %8.1fx\n", bytes / b.base_ns, b.faster);
    } else {
        printf(" %9s %9s\n", "-", "-");
    }
    printf("{\"bench\":\"moments\",\"arrays\":\"%s\",\"dtype\":\"%s\","
           "\"n\":%zu,\"read_gbps\":%.2f,\"moments_gbps\":%.2f,"
           "\"of_read\":%.3f",
        job->name, type, job->n, bytes / t.base_ns, bytes / t.ns, t.faster);
    if (with_blas) {
        printf(",\"blas_gbps\":%.2f,\"of_blas\":%.2f", bytes / b.base_ns,
            b.faster);
    }
    puts("}");
    fflush(stdout);
}

/* work beside the plain pass over the same arrays. */
static void measure_way(
    const struct job *job, const char *way, void (*work)(const struct job *))
{
    const double bytes = (double)job->bytes;
    const struct timing t = compare(job, our_pass, work);
    printf("%-13s %-4s %9zu %9.1f %9.1f %7.2fx\n", way, type_name(job->dtype),
        job->n, bytes / t.base_ns, bytes / t.ns, t.faster);
    printf("{\"bench\":\"moments\",\"way\":\"%s\",\"dtype\":\"%s\","
           "\"n\":%zu,\"flat_gbps\":%.2f,\"gbps\":%.2f,\"faster\":%.3f}\n",
        way, type_name(job->dtype), job->n, bytes / t.base_ns, bytes / t.ns,
        t.faster);
    fflush(stdout);
}

static void store(enum traj_dtype dtype, double value, size_t i, void *array)
{
    const float single = (float)value;
    if (dtype == TRAJ_F64) {
        ((double *)array)[i] = value;
    } else if (dtype == TRAJ_F32) {
        ((float *)array)[i] = single;
    } else if (dtype == TRAJ_BF16) {
        ((uint16_t *)array)[i] = half_to_bf16(single);
    } else { /* -0.5 to 0.5 cut to ten bits: some binary16 of that size */
        ((uint16_t *)array)[i] =
            (uint16_t)(0x3800u | (half_bits_of(single) >> 13 & 0x83ffu));
    }
}

static void *fill(enum traj_dtype dtype, size_t n)
{
    void *array =
        aligned_alloc(64, (n * kernel_element_bytes(dtype) + 63) / 64 * 64);
    if (array == NULL) {
        fputs("bench_moments: out of memory\n", stderr);
        exit(1);
    }
    uint64_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        store(dtype, (double)(state >> 11) * 0x1p-53 - 0.5, i, array);
    }
    return array;
}

/* Sizes from 64 elements to a million, spread like those of layers: biases and
 * matrices; the last takes the rest. */
static void cut(struct job *job)
{
    const size_t bytes = kernel_element_bytes(job->dtype);
    size_t first = 0;
    for (size_t i = 0; i < SEGMENTS; i++) {
        const size_t left = job->n - first;
        size_t n = (size_t)64 << (i * 7 % 15);
        n = i + 1 == SEGMENTS || n > left ? left : n;
        struct traj_segment *s = &job->segment[i];
        *s = (struct traj_segment){ .dtype = job->dtype, .n = n };
        s->x = (char *)job->array[0] + first * bytes;
        s->g = (char *)job->array[1] + first * bytes;
        s->x0 = (char *)job->array[2] + first * bytes;
        s->g0 = (char *)job->array[3] + first * bytes;
        first += n;
    }
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
            .bytes = shapes[s].count * n * kernel_element_bytes(dtype),
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

static void measure_ways(enum traj_dtype dtype, size_t n)
{
    struct job job = { .name = "all", .dtype = dtype, .n = n };
    job.bytes = 4 * n * kernel_element_bytes(dtype);
    for (size_t k = 0; k < 4; k++) {
        job.array[k] = fill(dtype, n);
    }
    cut(&job);
    measure_way(&job, "200 segments", segments_pass);
    measure_way(&job, "two threads", two_threads_pass);
    for (size_t k = 0; k < 4; k++) {
        free(job.array[k]);
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
    static const enum traj_dtype dtypes[] = { TRAJ_F32, TRAJ_F64, TRAJ_BF16,
        TRAJ_F16 };
    (void)setenv("OPENBLAS_NUM_THREADS", "1", 1);
    const struct blas blas = find_blas();
    printf("traj_moments beside a plain read of the same memory, and beside "
           "the norms by BLAS\n(%s, one thread, norms only); GB/s, medians of "
           "%d turns\n\n",
        blas.name != NULL ? blas.name : "not installed: left out", TURNS);
    printf("%-8s %-4s %9s %9s %9s %8s %9s %9s\n", "arrays", "", "n", "read",
        "moments", "of read", "BLAS", "faster");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t k = 0; k < sizeof dtypes / sizeof dtypes[0]; k++) {
            /* The largest by bytes: all types from memory, not from a cache. */
            const size_t bytes = kernel_element_bytes(dtypes[k]);
            const size_t n =
                sizes[i] >> 24 != 0 ? sizes[i] * 8 / bytes : sizes[i];
            measure_size(dtypes[k], n, &blas);
        }
    }
    printf("\n%-13s %-4s %9s %9s %9s %8s\n", "four arrays", "", "n", "flat, 1",
        "so", "faster");
    for (size_t k = 0; k < sizeof dtypes / sizeof dtypes[0]; k++) {
        measure_ways(dtypes[k], 1u << 24);
    }
    return 0;
}
