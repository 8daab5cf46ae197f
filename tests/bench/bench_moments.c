/*
 * bench_moments: traj_moments in GB/s beside a plain read of the same arrays,
 * from memory with one thread and with two, and from the caches, and beside the
 * way with BLAS: copy, axpy and
 * nrm2 per norm. Then a list of segments beside one flat array. What is
 * compared takes turns; printed are the best turn and the median of the turns,
 * the ratio of the best, and the median of the ratios of turns side by side,
 * which a busy machine leaves alone. Time is that of the processor: for two
 * threads GB/s are what both would read at once. One JSON line per row.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "math/half.h"
#include "math/isa.h"
#include "math/kernel.h"
#include "traj.h"

#define TURNS 15
#define TURNS_LONG 5 /* of what reads more bytes than LONG_BYTES */
#define LONG_BYTES ((size_t)1 << 28)
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
    traj_watch *watch;                     /* of x and g */
};

static volatile uint64_t sink;
static volatile double sink_double;

/* Of the processor, all threads together: whoever else wants it is not our
 * price. */
static double cpu_ns(void)
{
    struct timespec t = { 0 };
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
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

/* The same, shared out to two threads as the moments are. */
static void *read_first_half(void *argument)
{
    const struct job *job = argument;
    for (size_t k = 0; k < 4; k++) {
        if (job->array[k] != NULL) {
            sink = read_bytes(
                job->array[k], job->n / 2 * kernel_element_bytes(job->dtype));
        }
    }
    return NULL;
}

static void plain_read_by_two(const struct job *job)
{
    struct job first = *job;
    struct job second = *job;
    pthread_t thread;
    second.n = job->n - job->n / 2;
    for (size_t k = 0; k < 4; k++) {
        second.array[k] =
            job->array[k] == NULL
                ? NULL
                : (char *)job->array[k] +
                      job->n / 2 * kernel_element_bytes(job->dtype);
    }
    if (pthread_create(&thread, NULL, read_first_half, &first) != 0) {
        abort();
    }
    plain_read(&second);
    (void)pthread_join(thread, NULL);
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

/* ns of one call, summed over its threads. Twice as many calls from one look at
 * the clock to the next: a look costs as much as a thousand elements. */
static double turn(void (*work)(const struct job *), const struct job *job)
{
    double started = cpu_ns();
    size_t calls = 0;
    double elapsed = 0;
    for (size_t more = 1; elapsed < TURN_NS; more *= 2) {
        for (size_t i = 0; i < more; i++) {
            work(job);
        }
        calls += more;
        elapsed = cpu_ns() - started;
    }
    return elapsed / (double)calls;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, ascending);
    return values[n / 2];
}

struct timing {
    double base_ns, ns;           /* medians */
    double best_base_ns, best_ns; /* the quickest turns */
    double faster; /* the median of base_ns/ns of turns side by side */
};

static struct timing compare(const struct job *job,
    void (*base)(const struct job *), void (*work)(const struct job *))
{
    double bases[TURNS], works[TURNS], ratios[TURNS];
    const size_t turns = job->bytes > LONG_BYTES ? TURNS_LONG : TURNS;
    for (size_t i = 0; i < turns; i++) {
        bases[i] = turn(base, job);
        works[i] = turn(work, job);
        ratios[i] = bases[i] / works[i];
    }
    struct timing t = { .base_ns = median(bases, turns),
        .ns = median(works, turns),
        .faster = median(ratios, turns) };
    t.best_base_ns = bases[0]; /* now sorted */
    t.best_ns = works[0];
    return t;
}

static const char *type_name(enum traj_dtype dtype)
{
    static const char *const names[] = { [TRAJ_F32] = "f32",
        [TRAJ_F64] = "f64",
        [TRAJ_BF16] = "bf16",
        [TRAJ_F16] = "f16" };
    return names[dtype];
}

/* Beside reading, with one thread or two. */
static void measure_read(const struct job *job, int threads)
{
    const double bytes = (double)job->bytes * threads;
    const char *type = type_name(job->dtype);
    const struct timing t =
        compare(job, threads > 1 ? plain_read_by_two : plain_read,
            threads > 1 ? two_threads_pass : our_pass);
    const double best = t.best_base_ns / t.best_ns;
    printf("%-6s %-4s %9zu %3d %8.1f %8.1f %8.1f %8.1f %7.0f%% %7.0f%%\n",
        job->name, type, job->n, threads, bytes / t.best_base_ns,
        bytes / t.base_ns, bytes / t.best_ns, bytes / t.ns, 100 * best,
        100 * t.faster);
    printf("{\"bench\":\"moments\",\"arrays\":\"%s\",\"dtype\":\"%s\","
           "\"n\":%zu,\"threads\":%d,\"best_read_gbps\":%.2f,"
           "\"read_gbps\":%.2f,\"best_gbps\":%.2f,\"moments_gbps\":%.2f,"
           "\"best_of_read\":%.3f,\"of_read\":%.3f}\n",
        job->name, type, job->n, threads, bytes / t.best_base_ns,
        bytes / t.base_ns, bytes / t.best_ns, bytes / t.ns, best, t.faster);
    fflush(stdout);
}

/* Of two ways over the same arrays. */
static void measure_way(const struct job *job, const char *way,
    void (*base)(const struct job *), void (*work)(const struct job *))
{
    const double bytes = (double)job->bytes;
    const struct timing t = compare(job, base, work);
    printf("%-24s %-6s %-4s %9zu %8.1f %8.1f %7.2fx\n", way, job->name,
        type_name(job->dtype), job->n, bytes / t.base_ns, bytes / t.ns,
        t.faster);
    printf("{\"bench\":\"moments\",\"way\":\"%s\",\"arrays\":\"%s\","
           "\"dtype\":\"%s\",\"n\":%zu,\"base_gbps\":%.2f,\"gbps\":%.2f,"
           "\"faster\":%.3f}\n",
        way, job->name, type_name(job->dtype), job->n, bytes / t.base_ns,
        bytes / t.ns, t.faster);
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

#define RANDOM ((size_t)1 << 20) /* elements; then they come again */

static void *fill(enum traj_dtype dtype, size_t n)
{
    const size_t bytes = kernel_element_bytes(dtype);
    char *array = aligned_alloc(64, (n * bytes + 63) / 64 * 64);
    if (array == NULL) {
        fputs("bench_moments: out of memory\n", stderr);
        exit(1);
    }
    uint64_t state = 1;
    for (size_t i = 0; i < n && i < RANDOM; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        store(dtype, (double)(state >> 11) * 0x1p-53 - 0.5, i, array);
    }
    for (size_t i = RANDOM; i < n; i += RANDOM) {
        memcpy(array + i * bytes, array,
            (n - i < RANDOM ? n - i : RANDOM) * bytes);
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

/* Sets of arrays, bit k for array k. */
static const struct set {
    const char *name;
    unsigned arrays;
    size_t count;
} sets[] = { { "g", 2, 1 }, { "x,g", 3, 2 }, { "g,g0", 10, 2 },
    { "all", 15, 4 } };
#define SETS (sizeof sets / sizeof sets[0])

static void fill_all(enum traj_dtype dtype, size_t n, void *array[static 4])
{
    for (size_t k = 0; k < 4; k++) {
        array[k] = fill(dtype, n);
    }
}

static struct job job_of(const struct set *set, enum traj_dtype dtype, size_t n,
    void *const array[static 4])
{
    struct job job = { .name = set->name,
        .dtype = dtype,
        .n = n,
        .bytes = set->count * n * kernel_element_bytes(dtype) };
    for (size_t k = 0; k < 4; k++) {
        job.array[k] = set->arrays & (1u << k) ? array[k] : NULL;
    }
    return job;
}

static void free_all(void *array[static 4])
{
    for (size_t k = 0; k < 4; k++) {
        free(array[k]);
    }
}

static void measure_size(enum traj_dtype dtype, size_t n, int threads)
{
    void *array[4];
    fill_all(dtype, n, array);
    for (size_t s = 0; s < SETS; s++) {
        const struct job job = job_of(&sets[s], dtype, n, array);
        for (int t = 1; t <= threads; t++) {
            measure_read(&job, t);
        }
    }
    free_all(array);
}

static void measure_blas(size_t n, const struct blas *blas)
{
    void *array[4];
    fill_all(TRAJ_F32, n, array);
    float *scratch = fill(TRAJ_F32, n);
    for (size_t s = 0; s < SETS; s++) {
        struct job job = job_of(&sets[s], TRAJ_F32, n, array);
        job.blas = blas;
        job.scratch = scratch;
        measure_way(&job, "BLAS, moments", blas_way, our_pass);
    }
    free(scratch);
    free_all(array);
}

static void measure_segments(enum traj_dtype dtype, size_t n)
{
    void *array[4];
    fill_all(dtype, n, array);
    struct job job = job_of(&sets[SETS - 1], dtype, n, array);
    cut(&job);
    measure_way(&job, "flat, 200 segments", our_pass, segments_pass);
    free_all(array);
}

/* ---- a step under a watch ------------------------------------------------ */

static void two_passes(const struct job *job)
{
    our_pass(job);
    our_pass(job);
}

/* Two passes, and copies of the parameters and the gradient. */
static void watched_step(const struct job *job)
{
    struct traj_step step;
    traj_step_init(&step);
    if (traj_before_update(job->watch, &step) != TRAJ_OK ||
        traj_after_update(job->watch, &step) != TRAJ_OK) {
        abort();
    }
    sink_double = step.grad_sq;
}

static void measure_watch(size_t n)
{
    void *array[4];
    fill_all(TRAJ_F32, n, array);
    struct job job = job_of(&sets[SETS - 1], TRAJ_F32, n, array);
    struct traj_watch_options options = TRAJ_WATCH_INIT;
    options.dtype = TRAJ_F32;
    options.n = n;
    options.param = array[0];
    options.grad = array[1];
    if (traj_watch_open(NULL, &options, &job.watch) != TRAJ_OK) {
        abort();
    }
    const struct timing t = compare(&job, two_passes, watched_step);
    printf("%9zu %12.0f %12.0f %12.0f %12.0f %7.2f\n", n, t.best_base_ns,
        t.base_ns, t.best_ns, t.ns, 1 / t.faster);
    printf("{\"bench\":\"moments\",\"watch\":\"f32\",\"n\":%zu,"
           "\"best_passes_ns\":%.0f,\"passes_ns\":%.0f,\"best_step_ns\":%.0f,"
           "\"step_ns\":%.0f,\"of_passes\":%.3f}\n",
        n, t.best_base_ns, t.base_ns, t.best_ns, t.ns, 1 / t.faster);
    fflush(stdout);
    traj_watch_close(job.watch);
    free_all(array);
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

/* ---- how much is too much for the caches --------------------------------- */

#define MIB ((size_t)1 << 20)
#define LEAST (128 * MIB) /* where the system does not tell its caches */
#define SHARE 16          /* of the memory for one array; there are five */

static size_t of_system(int name)
{
    const long value = sysconf(name);
    return value > 0 ? (size_t)value : 0;
}

static size_t last_cache_bytes(void)
{
    static const int levels[] = { _SC_LEVEL4_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE,
        _SC_LEVEL2_CACHE_SIZE };
    size_t bytes = 0;
    for (size_t i = 0; i < 3 && bytes == 0; i++) {
        bytes = of_system(levels[i]);
    }
    return bytes;
}

/* Bytes of one array: more than twice the last cache, else a part of it stays
 * there from one turn to the next. Says so where the memory does not suffice.
 */
static size_t from_memory(void)
{
    const size_t cache = last_cache_bytes();
    const size_t memory =
        of_system(_SC_PHYS_PAGES) * of_system(_SC_PAGESIZE) / SHARE;
    const size_t wanted = 2 * cache + cache / 16;
    size_t bytes = wanted > LEAST ? wanted : LEAST;
    bytes = bytes > memory ? memory : bytes;
    bytes = (bytes + MIB - 1) / MIB * MIB;
    printf("last cache %zu MiB, memory %zu MiB; from memory: arrays of %zu "
           "MiB%s\n",
        cache / MIB, memory * SHARE / MIB, bytes / MIB,
        bytes > 2 * cache ? "" : ", which the cache holds a part of");
    return bytes;
}

int main(void)
{
    static const size_t sizes[] = { 1024, 16384, 1u << 20 };
    static const enum traj_dtype dtypes[] = { TRAJ_F32, TRAJ_F64, TRAJ_BF16,
        TRAJ_F16 };
    (void)setenv("OPENBLAS_NUM_THREADS", "1", 1);
    const struct blas blas = find_blas();
    printf("traj_moments beside a plain read of the same memory; GB/s, the "
           "best and the median of %d turns, %d from memory\n",
        TURNS, TURNS_LONG);
    const size_t bytes = from_memory();
    printf("\n");
    printf("%-6s %-4s %9s %3s %8s %8s %8s %8s %8s %8s\n", "arrays", "", "n",
        "thr", "read", "median", "moments", "median", "of best", "median");
    for (size_t k = 0; k < sizeof dtypes / sizeof dtypes[0]; k++) {
        measure_size(dtypes[k], bytes / kernel_element_bytes(dtypes[k]), 2);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t k = 0; k < sizeof dtypes / sizeof dtypes[0]; k++) {
            measure_size(dtypes[k], sizes[i], 1);
        }
    }
    printf("\none thread; norms by BLAS: %s\n%-24s %-6s %-4s %9s %8s %8s %8s\n",
        blas.name != NULL ? blas.name : "not installed, left out",
        "from and to", "arrays", "", "n", "GB/s", "GB/s", "faster");
    for (size_t i = 0; blas.name != NULL && i < 4; i++) {
        measure_blas(i < 3 ? sizes[i] : bytes / sizeof(float), &blas);
    }
    for (size_t k = 0; k < sizeof dtypes / sizeof dtypes[0]; k++) {
        measure_segments(dtypes[k], 1u << 24);
    }
    printf("\nfloat32 parameters; ns of two passes of moments, and of a step "
           "that a watch measures\n%9s %12s %12s %12s %12s %7s\n",
        "n", "passes", "median", "step", "median", "ratio");
    measure_watch(75852);
    measure_watch(10000000);
    return 0;
}
