/* Moments of many arrays and of every dtype: against sums in long double of
 * values decoded here, and bit for bit between dtypes, levels of processors,
 * numbers of threads and addresses. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <cmocka.h>

#include "math/kernel.h"
#include "math/moments.h"
#include "math/moments_crew.h"
#include "traj.h"

#define BOUND (300 * 0x1p-53L) /* as traj.h promises */
#define N_MAX 9000

static const enum traj_dtype dtypes[] = { TRAJ_F32, TRAJ_F64, TRAJ_BF16,
    TRAJ_F16 };
#define DTYPES 4u
static const size_t lengths[] = { 0, 1, 2, 15, 16, 17, 31, 511, 512, 513, 4095,
    4096, 4097, 8192, N_MAX };
#define LENGTHS (sizeof lengths / sizeof lengths[0])

/* ---- threads that are counted, refused and looked at --------------------- */

typedef void *(*thread_fn)(void *);
static int started;        /* threads since it was set to 0 */
static int allowed = 1000; /* how many may be started */
static int unblocked;      /* signals that some thread did not block */

struct start {
    thread_fn fn;
    void *argument;
    sem_t *runs;
};

static void *look_and_go_on(void *argument)
{
    const struct start start = *(struct start *)argument;
    sigset_t mask;
    free(argument);
    (void)sem_post(start.runs);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (int s = 1; s < 32; s++) {
        const bool blockable = s != SIGKILL && s != SIGSTOP;
        __atomic_add_fetch(
            &unblocked, blockable && !sigismember(&mask, s), __ATOMIC_RELAXED);
    }
    return start.fn(start.argument);
}

/* In place of the C library's, for this program. Comes back when the thread
 * runs, so that the jobs are done by several and out of order. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
    void *(*fn)(void *), void *argument)
{
    int (*real)(pthread_t *, const pthread_attr_t *, thread_fn, void *);
    *(void **)(&real) = dlsym(RTLD_NEXT, "pthread_create");
    struct start *start = malloc(sizeof *start);
    if (start == NULL || started >= allowed) {
        free(start);
        return EAGAIN;
    }
    sem_t runs;
    (void)sem_init(&runs, 0, 0);
    *start = (struct start){ fn, argument, &runs };
    started++;
    const int status = real(thread, attributes, look_and_go_on, start);
    assert_int_equal(status, 0);
    (void)sem_wait(&runs);
    (void)sem_destroy(&runs);
    return status;
}

/* What the next call finds where its variables will be. */
static void spoil_the_stack(void)
{
    volatile char garbage[65536];
    for (size_t i = 0; i < sizeof garbage; i++) {
        garbage[i] = (char)0xff;
    }
}

/* ---- data ---------------------------------------------------------------- */

static uint64_t random_state = 42;
static uint64_t random_bits(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state >> 11;
}

static size_t width(enum traj_dtype dtype)
{
    return dtype == TRAJ_F64 ? 8 : dtype == TRAJ_F32 ? 4 : 2;
}

/* sign, exponent and mantissa of the bits of an element, taken apart here. */
static long double decoded(enum traj_dtype dtype, const void *array, size_t i)
{
    static const int mantissas[] = {
        [TRAJ_F32] = 23, [TRAJ_F64] = 52, [TRAJ_BF16] = 7, [TRAJ_F16] = 10
    };
    uint64_t bits = 0;
    memcpy(&bits, (const char *)array + i * width(dtype), width(dtype));
    const int m = mantissas[dtype];
    const int e_bits = (int)width(dtype) * 8 - 1 - m;
    const int e = (int)(bits >> m & ((1u << e_bits) - 1));
    const uint64_t fraction = bits & (((uint64_t)1 << m) - 1);
    const int bias = (1 << (e_bits - 1)) - 1;
    const long double size =
        ldexpl((long double)(e > 0 ? fraction | (uint64_t)1 << m : fraction),
            (e > 0 ? e : 1) - bias - m);
    return bits >> (width(dtype) * 8 - 1) ? -size : size;
}

/* The finite values of a dtype, all of them alike; of float64 those whose
 * squares are finite and normal. */
static void *random_array(enum traj_dtype dtype, size_t n)
{
    static const uint64_t without_top_exponent[] = { [TRAJ_F32] = 0xfeffffffu,
        [TRAJ_F64] = 0xbfffffffffffffffu,
        [TRAJ_BF16] = 0xfeffu,
        [TRAJ_F16] = 0xfbffu };
    char *array = malloc(n * width(dtype) + 1);
    assert_non_null(array);
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = random_bits() << 32 ^ random_bits();
        bits &= without_top_exponent[dtype];
        bits |= dtype == TRAJ_F64 ? (uint64_t)0x3000000000000000u : 0;
        memcpy(array + i * width(dtype), &bits, width(dtype));
    }
    return array;
}

/* k/8 for a whole number |k| <= 127: every dtype has it. */
static void store(enum traj_dtype dtype, int k, size_t i, void *array)
{
    const float single = (float)k / 8;
    const double wide = (double)single;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    const uint16_t upper = (uint16_t)(bits >> 16);
    /* The same fraction, fewer bits of it; the exponent's bias is 15. */
    const uint32_t magnitude =
        k == 0 ? 0 : ((bits & 0x7fffffffu) >> 13) - (112u << 10);
    const uint16_t half = (uint16_t)(magnitude | (k < 0 ? 0x8000u : 0u));
    const void *const source[] = { [TRAJ_F32] = &single,
        [TRAJ_F64] = &wide,
        [TRAJ_BF16] = &upper,
        [TRAJ_F16] = &half };
    memcpy((char *)array + i * width(dtype), source[dtype], width(dtype));
}

/* All four arrays of a segment, of eighths, the same for every dtype. The
 * bytes before the first element may be any number. */
struct arrays {
    char *memory[4];
};

static struct arrays eighths(
    enum traj_dtype dtype, enum traj_dtype grad_dtype, size_t n, size_t offset)
{
    struct arrays a;
    random_state = 7;
    for (size_t k = 0; k < 4; k++) {
        const enum traj_dtype type = k % 2 == 0 ? dtype : grad_dtype;
        a.memory[k] = malloc(n * width(type) + offset + 1);
        assert_non_null(a.memory[k]);
        for (size_t i = 0; i < n; i++) {
            store(type, (int)(random_bits() % 255) - 127, i,
                a.memory[k] + offset);
        }
    }
    return a;
}

static void free_arrays(struct arrays *a)
{
    for (size_t k = 0; k < 4; k++) {
        free(a->memory[k]);
    }
}

static struct traj_segment segment_of(enum traj_dtype dtype,
    enum traj_dtype grad_dtype, unsigned set, size_t n, char *const memory[4],
    size_t offset)
{
    return (struct traj_segment){ .dtype = dtype,
        .grad_dtype = grad_dtype,
        .n = n,
        .x = set & KERNEL_X ? memory[0] + offset : NULL,
        .g = set & KERNEL_G ? memory[1] + offset : NULL,
        .x0 = set & KERNEL_X0 ? memory[2] + offset : NULL,
        .g0 = set & KERNEL_G0 ? memory[3] + offset : NULL };
}

static struct traj_moments moments_of(
    const struct traj_segment *segments, size_t n, uint32_t threads)
{
    struct traj_moments m;
    assert_int_equal(traj_moments_of(segments, n, threads, &m, NULL), TRAJ_OK);
    return m;
}

/* ---- right --------------------------------------------------------------- */

static long double value[4][N_MAX];

static void assert_inner(bool there, double sum, size_t n,
    const long double *const left[2], const long double *const right[2])
{
    static const long double zeros[N_MAX];
    const long double *const a0 = left[1] != NULL ? left[1] : zeros;
    const long double *const b0 = right[1] != NULL ? right[1] : zeros;
    long double expected = 0;
    long double magnitude = 0;
    for (size_t i = 0; i < n; i++) {
        const long double product =
            (left[0][i] - a0[i]) * (right[0][i] - b0[i]);
        expected += product;
        magnitude += fabsl(product);
    }
    assert_true(there ? fabsl((long double)sum - expected) <= BOUND * magnitude
                      : traj_is_unset(sum));
}

static void check_set(const struct traj_segment *s, unsigned set)
{
    const struct traj_moments m = moments_of(s, 1, 1);
    const bool x = set & KERNEL_X;
    const bool g = set & KERNEL_G;
    const bool g0 = set & KERNEL_G0;
    const bool d = x && set & KERNEL_X0;
    const long double *const X[] = { value[0], NULL };
    const long double *const G[] = { value[1], NULL };
    const long double *const G0[] = { value[3], NULL };
    const long double *const D[] = { value[0], value[2] };
    const long double *const E[] = { value[1], value[3] };
    assert_inner(g, m.grad_sq, s->n, G, G);
    assert_inner(x, m.param_sq, s->n, X, X);
    assert_inner(d, m.delta_sq, s->n, D, D);
    assert_inner(g && g0, m.dgrad_sq, s->n, E, E);
    assert_inner(g && g0, m.grad_prev, s->n, G, G0);
    assert_inner(d && g && g0, m.dgrad_delta, s->n, E, D);
    assert_inner(d && (g || g0), m.grad_delta, s->n, g0 ? G0 : G, D);
}

static void check_pair(enum traj_dtype dtype, enum traj_dtype grad_dtype)
{
    char *memory[4];
    for (size_t k = 0; k < 4; k++) {
        const enum traj_dtype type = k % 2 == 0 ? dtype : grad_dtype;
        memory[k] = random_array(type, N_MAX);
        for (size_t i = 0; i < N_MAX; i++) {
            value[k][i] = decoded(type, memory[k], i);
        }
    }
    for (unsigned set = 0; set < 16; set++) {
        for (size_t i = 0; i < LENGTHS; i++) {
            const struct traj_segment s =
                segment_of(dtype, grad_dtype, set, lengths[i], memory, 0);
            check_set(&s, set);
        }
    }
    for (size_t k = 0; k < 4; k++) {
        free(memory[k]);
    }
}

static void test_sums_are_right_for_every_pair_of_dtypes(void **state)
{
    (void)state;
    for (size_t i = 0; i < DTYPES; i++) {
        for (size_t k = 0; k < DTYPES; k++) {
            check_pair(dtypes[i], dtypes[k]);
        }
    }
}

static void test_every_dtype_gives_the_same_bits_for_the_same_values(
    void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTHS; i++) {
        const size_t n = lengths[i];
        struct arrays a = eighths(TRAJ_F64, TRAJ_F64, n, 0);
        for (size_t pair = 0; pair < DTYPES * DTYPES; pair++) {
            const enum traj_dtype x = dtypes[pair / DTYPES];
            const enum traj_dtype g = dtypes[pair % DTYPES];
            struct arrays b = eighths(x, g, n, 0);
            for (unsigned set = 1; set < 16; set++) {
                const struct traj_segment wide =
                    segment_of(TRAJ_F64, 0, set, n, a.memory, 0);
                const struct traj_segment own =
                    segment_of(x, g, set, n, b.memory, 0);
                const struct traj_moments m = moments_of(&wide, 1, 1);
                const struct traj_moments same = moments_of(&own, 1, 1);
                assert_memory_equal(&m, &same, sizeof m);
            }
            free_arrays(&b);
        }
        free_arrays(&a);
    }
}

/* ---- the same bits ------------------------------------------------------- */

static void check_levels(const struct traj_segment *s)
{
    assert_true(kernel_use_level(0));
    const struct traj_moments plain = moments_of(s, 1, 1);
    for (unsigned level = 1; level < KERNEL_LEVELS; level++) {
        (void)kernel_use_level(level); /* or again the one before */
        const struct traj_moments m = moments_of(s, 1, 1);
        assert_memory_equal(&plain, &m, sizeof m);
    }
}

static void test_every_level_of_processors_gives_the_same_bits(void **state)
{
    (void)state;
    for (size_t pair = 0; pair < DTYPES * DTYPES; pair++) {
        const enum traj_dtype x = dtypes[pair / DTYPES];
        const enum traj_dtype g = dtypes[pair % DTYPES];
        char *memory[4] = { random_array(x, N_MAX), random_array(g, N_MAX),
            random_array(x, N_MAX), random_array(g, N_MAX) };
        for (unsigned set = 1; set < 16; set++) {
            for (size_t i = 0; i < LENGTHS; i++) {
                const struct traj_segment s =
                    segment_of(x, g, set, lengths[i], memory, 0);
                check_levels(&s);
            }
        }
        for (size_t k = 0; k < 4; k++) {
            free(memory[k]);
        }
    }
}

static void test_an_unknown_level_is_refused(void **state)
{
    (void)state;
    assert_false(kernel_use_level(KERNEL_LEVELS));
}

static void test_arrays_need_no_alignment(void **state)
{
    (void)state;
    for (size_t pair = 0; pair < DTYPES * DTYPES; pair++) {
        const enum traj_dtype x = dtypes[pair / DTYPES];
        const enum traj_dtype g = dtypes[pair % DTYPES];
        struct arrays a = eighths(x, g, 5000, 0);
        const struct traj_segment s = segment_of(x, g, 15, 5000, a.memory, 0);
        const struct traj_moments m = moments_of(&s, 1, 1);
        for (size_t offset = 1; offset < 9; offset += 2) {
            struct arrays b = eighths(x, g, 5000, offset);
            const struct traj_segment odd =
                segment_of(x, g, 15, 5000, b.memory, offset);
            const struct traj_moments same = moments_of(&odd, 1, 1);
            assert_memory_equal(&m, &same, sizeof m);
            free_arrays(&b);
        }
        free_arrays(&a);
    }
}

/* ---- values that are no numbers ------------------------------------------ */

struct special {
    enum traj_dtype dtype;
    uint64_t infinity, nan, odd_nan, smallest, largest;
    double smallest_value, largest_value;
};
static const struct special specials[DTYPES] = {
    { TRAJ_F32, 0x7f800000, 0x7fc00000, 0xff800001, 1, 0x7f7fffff, 0x1p-149,
        0x1.fffffep127 },
    { TRAJ_F64, 0x7ff0000000000000, 0x7ff8000000000000, 0xfff0000000000001, 1,
        0x5fefffffffffffff, 0x1p-1074, 0x1.fffffffffffffp511 },
    { TRAJ_BF16, 0x7f80, 0x7fc0, 0xff81, 1, 0x7f7f, 0x1p-133, 0x1.fep127 },
    { TRAJ_F16, 0x7c00, 0x7e00, 0xfc01, 1, 0x7bff, 0x1p-24, 65504 },
};

static struct traj_moments measure_bits(
    const struct special *s, uint64_t bits, size_t n, size_t place)
{
    char *array = calloc(n, width(s->dtype));
    assert_non_null(array);
    memcpy(array + place * width(s->dtype), &bits, width(s->dtype));
    struct traj_moments m;
    assert_int_equal(
        traj_moments(s->dtype, n, array, array, NULL, NULL, &m), TRAJ_OK);
    free(array);
    return m;
}

static void test_each_kind_of_nan_and_inf_is_counted(void **state)
{
    (void)state;
    static const size_t places[] = { 0, 15, 16, 4095, 4096, 4111, 4112 };
    for (size_t i = 0; i < DTYPES; i++) {
        const struct special *s = &specials[i];
        const uint64_t sign = (uint64_t)1 << (width(s->dtype) * 8 - 1);
        const uint64_t nans[] = { s->nan, s->odd_nan, s->nan | sign,
            s->odd_nan | 2 };
        for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
            for (size_t k = 0; k < 4; k++) {
                const struct traj_moments m =
                    measure_bits(s, nans[k], 4113, places[p]);
                assert_int_equal(m.grad_nan, 1);
                assert_int_equal(m.param_nan, 1);
                assert_int_equal(m.grad_inf + m.param_inf, 0);
                assert_true(isnan(m.grad_sq) && !traj_is_unset(m.grad_sq));
                assert_true(m.grad_max_abs == 0);
            }
            const struct traj_moments m =
                measure_bits(s, s->infinity | sign, 4113, places[p]);
            assert_int_equal(m.grad_inf, 1);
            assert_int_equal(m.param_inf, 1);
            assert_int_equal(m.grad_nan + m.param_nan, 0);
            assert_true(isinf(m.grad_sq) && isinf(m.grad_max_abs));
        }
    }
}

static void test_the_ends_of_every_range_are_measured(void **state)
{
    (void)state;
    for (size_t i = 0; i < DTYPES; i++) {
        const struct special *s = &specials[i];
        const struct traj_moments small =
            measure_bits(s, s->smallest, 5000, 4321);
        assert_true(small.grad_max_abs == s->smallest_value);
        assert_true(small.grad_sq == s->smallest_value * s->smallest_value);
        const struct traj_moments large =
            measure_bits(s, s->largest, 5000, 4321);
        assert_true(large.grad_max_abs == s->largest_value);
        assert_true(large.grad_sq == s->largest_value * s->largest_value);
        assert_int_equal(large.grad_inf, 0);
    }
}

static void test_the_peak_passes_over_nan_in_every_dtype(void **state)
{
    (void)state;
    for (size_t i = 0; i < DTYPES; i++) {
        const struct special *s = &specials[i];
        for (size_t place = 0; place < 40; place++) {
            char array[40 * 8];
            for (size_t k = 0; k < 40; k++) {
                store(s->dtype, -(int)k, k, array);
            }
            memcpy(
                array + place * width(s->dtype), &s->odd_nan, width(s->dtype));
            struct traj_moments m;
            assert_int_equal(
                traj_moments(s->dtype, 40, NULL, array, NULL, NULL, &m),
                TRAJ_OK);
            assert_true(m.grad_max_abs == (place == 39 ? 38 : 39) / 8.0);
        }
    }
}

static void test_the_marker_among_the_data_is_a_nan_and_no_marker(void **state)
{
    (void)state;
    double x[20] = { 0 };
    x[3] = traj_unset();
    struct traj_moments m;
    assert_int_equal(traj_moments(TRAJ_F64, 20, x, x, x, x, &m), TRAJ_OK);
    const double sums[] = { m.grad_sq, m.param_sq, m.delta_sq, m.dgrad_sq,
        m.grad_delta, m.dgrad_delta, m.grad_prev };
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        assert_true(isnan(sums[i]) && !traj_is_unset(sums[i]));
    }
}

/* ---- segments ------------------------------------------------------------ */

/* One array after the other of all sizes that matter, cut from common ones. */
#define CUTS 12u
static const size_t cuts[CUTS] = { 1, 0, 15, 16, 17, 4095, 4096, 4097, 3,
    CREW_JOB, CREW_JOB + 1, 3 * CREW_JOB + 5 };

static size_t cut(enum traj_dtype dtype, enum traj_dtype grad_dtype,
    unsigned set, char *const memory[4], struct traj_segment ret[CUTS])
{
    size_t first = 0;
    for (size_t i = 0; i < CUTS; i++) {
        char *at[4];
        for (size_t k = 0; k < 4; k++) {
            at[k] = memory[k] + first * width(k % 2 == 0 ? dtype : grad_dtype);
        }
        ret[i] = segment_of(dtype, grad_dtype, set, cuts[i], at, 0);
        first += cuts[i];
    }
    return first;
}

static void test_each_segment_is_as_if_it_were_alone(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 0; i < CUTS; i++) {
        n += cuts[i];
    }
    struct arrays a = eighths(TRAJ_F32, TRAJ_BF16, n, 0);
    struct traj_segment segments[CUTS];
    assert_int_equal(cut(TRAJ_F32, TRAJ_BF16, 15, a.memory, segments), n);
    struct traj_moments total, each[CUTS];
    assert_int_equal(traj_moments_of(segments, CUTS, 3, &total, each), TRAJ_OK);
    double grad_sq = 0;
    for (size_t i = 0; i < CUTS; i++) {
        struct traj_moments own, own_total;
        assert_int_equal(
            traj_moments_of(&segments[i], 1, 1, &own_total, &own), TRAJ_OK);
        assert_memory_equal(&own, &each[i], sizeof own);
        assert_memory_equal(&own_total, &own, sizeof own);
        grad_sq += each[i].grad_sq; /* eighths: exact */
    }
    assert_true(total.grad_sq == grad_sq);
    const struct traj_segment whole =
        segment_of(TRAJ_F32, TRAJ_BF16, 15, n, a.memory, 0);
    const struct traj_moments flat = moments_of(&whole, 1, 1);
    assert_memory_equal(&flat, &total, sizeof flat);
    free_arrays(&a);
}

static void test_one_array_is_a_list_of_one_segment(void **state)
{
    (void)state;
    struct arrays a = eighths(TRAJ_F16, TRAJ_F16, 70000, 0);
    const struct traj_segment s =
        segment_of(TRAJ_F16, 0, 15, 70000, a.memory, 0);
    const struct traj_moments m = moments_of(&s, 1, 5);
    struct traj_moments flat;
    assert_int_equal(
        traj_moments(TRAJ_F16, 70000, s.x, s.g, s.x0, s.g0, &flat), TRAJ_OK);
    assert_memory_equal(&m, &flat, sizeof m);
    free_arrays(&a);
}

static void test_more_segments_than_a_job_takes_are_all_summed(void **state)
{
    (void)state;
    enum { N = 100000 };
    static const float one = 1;
    struct traj_segment *segments = calloc(N, sizeof *segments);
    struct traj_moments *each = calloc(N, sizeof *each);
    assert_non_null(segments);
    assert_non_null(each);
    for (size_t i = 0; i < N; i++) {
        segments[i] = (struct traj_segment){
            .dtype = TRAJ_F32, .n = i % 2, .g = i % 2 ? &one : NULL
        };
    }
    struct traj_moments total;
    assert_int_equal(traj_moments_of(segments, N, 1, &total, each), TRAJ_OK);
    assert_true(total.grad_sq == N / 2);
    assert_true(traj_is_unset(total.param_sq));
    for (size_t i = 0; i < N; i++) {
        assert_true(each[i].grad_sq == (double)(i % 2));
    }
    free(segments);
    free(each);
}

static void test_no_segments_give_nothing_measured(void **state)
{
    (void)state;
    const struct traj_moments m = moments_of(NULL, 0, 4);
    assert_true(traj_is_unset(m.grad_sq));
    assert_int_equal(m.grad_nan, TRAJ_UNSET_COUNT);
}

static void test_segments_without_elements_give_zeros(void **state)
{
    (void)state;
    const float unused = 0;
    const struct traj_segment s[2] = { { .dtype = TRAJ_F32, .g = &unused },
        { .dtype = TRAJ_F64 } };
    const struct traj_moments m = moments_of(s, 2, 1);
    assert_true(m.grad_sq == 0 && m.grad_max_abs == 0);
    assert_true(traj_is_unset(m.param_sq));
}

static void test_rounding_does_not_add_up_over_segments(void **state)
{
    (void)state;
    enum { N = 4096 };
    static float values[N];
    struct traj_segment segments[N];
    for (size_t i = 0; i < N; i++) {
        values[i] = i == 0 ? 64 : 0x1p-26f;
        segments[i] =
            (struct traj_segment){ .dtype = TRAJ_F32, .n = 1, .g = &values[i] };
    }
    const struct traj_moments m = moments_of(segments, N, 1);
    assert_true(m.grad_sq == 4096 + 4095 * 0x1p-52);
}

/* Quarters of the last place of a sum, one in each block: lost if a job's own
 * compensation is. */
static void test_rounding_does_not_add_up_over_jobs(void **state)
{
    (void)state;
    const size_t n = 3 * CREW_JOB;
    float *g = calloc(n, sizeof *g);
    assert_non_null(g);
    for (size_t i = 0; i < n; i += KERNEL_BLOCK) {
        g[i] = i == 0 ? 64 : 0x1p-21f;
    }
    const struct traj_segment s = { .dtype = TRAJ_F32, .n = n, .g = g };
    const struct traj_moments m = moments_of(&s, 1, 1);
    const double small = (double)(n / KERNEL_BLOCK - 1) * 0x1p-42;
    assert_true(m.grad_sq == 4096 + small);
    free(g);
}

static void test_a_segment_without_elements_asks_nothing_of_others(void **state)
{
    (void)state;
    const float three = 3;
    const struct traj_segment s[2] = { { .dtype = TRAJ_F32, .x = &three },
        { .dtype = TRAJ_F32, .n = 1, .g = &three } };
    const struct traj_moments m = moments_of(s, 2, 1);
    assert_true(m.grad_sq == 9);
    assert_true(traj_is_unset(m.param_sq));
}

static void test_an_array_that_others_have_is_asked_for_by_name(void **state)
{
    (void)state;
    static const char *const names[4] = { "x", "g", "x0", "g0" };
    struct arrays a = eighths(TRAJ_F32, TRAJ_F32, 20, 0);
    for (unsigned k = 0; k < 4; k++) {
        const struct traj_segment s[3] = {
            segment_of(TRAJ_F32, 0, 15, 20, a.memory, 0),
            segment_of(TRAJ_F32, 0, 0, 0, a.memory, 0),
            segment_of(TRAJ_F32, 0, 15u & ~(1u << k), 20, a.memory, 0),
        };
        struct traj_moments m = { .grad_nan = 77 };
        assert_int_equal(traj_moments_of(s, 3, 1, &m, NULL), TRAJ_ENOGRAD);
        assert_int_equal(m.grad_nan, 77);
        char expected[100];
        (void)snprintf(expected, sizeof expected,
            "moments: %s of segment 2 is NULL, and others have it (is the "
            "array allocated yet?)",
            names[k]);
        assert_string_equal(traj_last_error(), expected);
    }
    free_arrays(&a);
}

static void test_wrong_segments_are_refused_with_a_text(void **state)
{
    (void)state;
    struct traj_moments m;
    const struct traj_segment unknown[2] = { { .dtype = TRAJ_F32 },
        { .dtype = (enum traj_dtype)5 } };
    const struct traj_segment unknown_grad = { .dtype = TRAJ_F32,
        .grad_dtype = (enum traj_dtype)9 };
    assert_int_equal(traj_moments_of(unknown, 2, 1, &m, NULL), TRAJ_EINVAL);
    assert_string_equal(
        traj_last_error(), "moments: segment 1: unknown dtype 5");
    assert_int_equal(
        traj_moments_of(&unknown_grad, 1, 1, &m, NULL), TRAJ_EINVAL);
    assert_string_equal(
        traj_last_error(), "moments: segment 0: unknown grad_dtype 9");
    assert_int_equal(traj_moments_of(NULL, 1, 1, &m, NULL), TRAJ_EINVAL);
    assert_string_equal(traj_last_error(), "moments: segments is NULL");
    assert_int_equal(traj_moments_of(unknown, 1, 1, NULL, NULL), TRAJ_EINVAL);
    assert_string_equal(traj_last_error(), "moments: ret_total is NULL");
}

/* ---- threads ------------------------------------------------------------- */

/* Values whose sums round, so that another order of additions shows. The four
 * arrays are one, from four places on. */
#define LARGE (7 * CREW_SHARE + 4321)
#define APART 1001u
static char *large_memory;
struct large {
    char *memory[4];
    struct traj_segment segments[2];
};

static int make_large(void **state)
{
    (void)state;
    large_memory = random_array(TRAJ_BF16, LARGE + 3 * APART);
    return 0;
}

static int free_large(void **state)
{
    (void)state;
    free(large_memory);
    return 0;
}

static struct large large_arrays(void)
{
    struct large l;
    char *rest[4];
    for (size_t k = 0; k < 4; k++) {
        l.memory[k] = large_memory + 2 * k * APART;
        rest[k] = l.memory[k] + 2 * 1000;
    }
    l.segments[0] = segment_of(TRAJ_BF16, 0, 15, 1000, l.memory, 0);
    l.segments[1] = segment_of(TRAJ_BF16, 0, 15, LARGE - 1000, rest, 0);
    return l;
}

static void test_the_result_is_the_same_for_any_number_of_threads(void **state)
{
    (void)state;
    static const uint32_t threads[] = { 0, 2, 3, 7, UINT32_MAX };
    struct large l = large_arrays();
    struct traj_moments one, each_of_one[2];
    started = 0;
    assert_int_equal(
        traj_moments_of(l.segments, 2, 1, &one, each_of_one), TRAJ_OK);
    assert_int_equal(started, 0);
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        struct traj_moments m, each[2];
        spoil_the_stack();
        assert_int_equal(
            traj_moments_of(l.segments, 2, threads[i], &m, each), TRAJ_OK);
        assert_memory_equal(&one, &m, sizeof m);
        assert_memory_equal(each_of_one, each, sizeof each);
    }
    assert_int_equal(started, 0 + 1 + 2 + 6 + 6);
    assert_int_equal(unblocked, 0);
}

static void test_copies_are_kept_whole_by_any_number_of_threads(void **state)
{
    (void)state;
    struct large l = large_arrays();
    char *copy[2] = { malloc(2 * LARGE), malloc(2 * LARGE) };
    assert_true(copy[0] != NULL && copy[1] != NULL);
    const struct kernel_keep keep[2] = { { copy[0], copy[1] },
        { copy[0] + 2 * 1000, copy[1] + 2 * 1000 } };
    const struct traj_moments plain = moments_of(l.segments, 2, 1);
    for (uint32_t threads = 1; threads < 5; threads += 3) {
        struct traj_moments m;
        memset(copy[0], 0, 2 * LARGE);
        memset(copy[1], 0, 2 * LARGE);
        assert_int_equal(
            moments_and_keep(l.segments, 2, keep, threads, &m, NULL), TRAJ_OK);
        assert_memory_equal(&plain, &m, sizeof m);
        assert_int_equal(memcmp(copy[0], l.memory[0], 2 * LARGE), 0);
        assert_int_equal(memcmp(copy[1], l.memory[1], 2 * LARGE), 0);
    }
    free(copy[0]);
    free(copy[1]);
}

static void test_what_is_refused_is_not_kept(void **state)
{
    (void)state;
    const float x[2] = { 1, 2 };
    const struct traj_segment segments[2] = {
        { .dtype = TRAJ_F32, .n = 2, .x = x, .g = x },
        { .dtype = TRAJ_F32, .n = 2, .x = x },
    };
    float copy[4] = { 0 };
    const struct kernel_keep keep[2] = { { copy, copy + 2 },
        { copy, copy + 2 } };
    struct traj_moments m;
    assert_int_equal(
        moments_and_keep(segments, 2, keep, 1, &m, NULL), TRAJ_ENOGRAD);
    assert_true(copy[0] == 0 && copy[2] == 0);
}

static void test_short_arrays_start_no_thread(void **state)
{
    (void)state;
    struct large l = large_arrays();
    started = 0;
    l.segments[1].n = 2 * CREW_SHARE - 1 - 1000;
    (void)moments_of(l.segments, 2, 8);
    assert_int_equal(started, 0);
    l.segments[1].n = 2 * CREW_SHARE - 1000;
    (void)moments_of(l.segments, 2, 8);
    assert_int_equal(started, 1);
}

static void test_fewer_threads_do_where_none_can_be_started(void **state)
{
    (void)state;
    struct large l = large_arrays();
    const struct traj_moments expected = moments_of(l.segments, 2, 1);
    for (int may = 0; may < 3; may++) {
        started = 0;
        allowed = may;
        const struct traj_moments m = moments_of(l.segments, 2, 7);
        allowed = 1000;
        assert_int_equal(started, may);
        assert_memory_equal(&expected, &m, sizeof m);
    }
}

static void test_signals_of_the_caller_are_as_before(void **state)
{
    (void)state;
    struct large l = large_arrays();
    sigset_t before, after;
    (void)sigemptyset(&before);
    (void)sigaddset(&before, SIGUSR1);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)moments_of(l.segments, 2, 3);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_true(sigismember(&after, SIGUSR1));
    assert_false(sigismember(&after, SIGUSR2));
    (void)sigdelset(&after, SIGUSR1);
    (void)pthread_sigmask(SIG_SETMASK, &after, NULL);
}

#if defined(__x86_64__)
static void flush_subnormals(void)
{
    _mm_setcsr(_mm_getcsr() | 0x8040);
}
static void flush_no_subnormals(void)
{
    _mm_setcsr(_mm_getcsr() & ~0x8040u);
}
#else
static void flush_subnormals(void)
{
}
static void flush_no_subnormals(void)
{
}
#endif

static void test_threads_do_not_inherit_the_callers_arithmetic(void **state)
{
    (void)state;
    struct large l = large_arrays();
    const uint16_t nan = 0x7fc1;
    char *place = l.memory[0] + 2 * (LARGE / 2);
    uint16_t before;
    memcpy(&before, place, sizeof before);
    memcpy(place, &nan, sizeof nan);
    const struct traj_moments expected = moments_of(l.segments, 2, 1);
    (void)feclearexcept(FE_ALL_EXCEPT);
    (void)feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
    (void)fesetround(FE_UPWARD);
    flush_subnormals();
    const struct traj_moments m = moments_of(l.segments, 2, 4);
    flush_no_subnormals();
    (void)fesetround(FE_TONEAREST);
    (void)fedisableexcept(FE_ALL_EXCEPT);
    memcpy(place, &before, sizeof before);
    assert_int_equal(m.grad_nan, 1);
    assert_memory_equal(&expected, &m, sizeof m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_are_right_for_every_pair_of_dtypes),
        cmocka_unit_test(
            test_every_dtype_gives_the_same_bits_for_the_same_values),
        cmocka_unit_test(test_every_level_of_processors_gives_the_same_bits),
        cmocka_unit_test(test_an_unknown_level_is_refused),
        cmocka_unit_test(test_arrays_need_no_alignment),
        cmocka_unit_test(test_each_kind_of_nan_and_inf_is_counted),
        cmocka_unit_test(test_the_ends_of_every_range_are_measured),
        cmocka_unit_test(test_the_peak_passes_over_nan_in_every_dtype),
        cmocka_unit_test(test_the_marker_among_the_data_is_a_nan_and_no_marker),
        cmocka_unit_test(test_each_segment_is_as_if_it_were_alone),
        cmocka_unit_test(test_one_array_is_a_list_of_one_segment),
        cmocka_unit_test(test_more_segments_than_a_job_takes_are_all_summed),
        cmocka_unit_test(test_no_segments_give_nothing_measured),
        cmocka_unit_test(test_segments_without_elements_give_zeros),
        cmocka_unit_test(test_rounding_does_not_add_up_over_segments),
        cmocka_unit_test(test_rounding_does_not_add_up_over_jobs),
        cmocka_unit_test(
            test_a_segment_without_elements_asks_nothing_of_others),
        cmocka_unit_test(test_an_array_that_others_have_is_asked_for_by_name),
        cmocka_unit_test(test_wrong_segments_are_refused_with_a_text),
        cmocka_unit_test(test_the_result_is_the_same_for_any_number_of_threads),
        cmocka_unit_test(test_copies_are_kept_whole_by_any_number_of_threads),
        cmocka_unit_test(test_what_is_refused_is_not_kept),
        cmocka_unit_test(test_short_arrays_start_no_thread),
        cmocka_unit_test(test_fewer_threads_do_where_none_can_be_started),
        cmocka_unit_test(test_signals_of_the_caller_are_as_before),
        cmocka_unit_test(test_threads_do_not_inherit_the_callers_arithmetic),
    };
    return cmocka_run_group_tests(tests, make_large, free_large);
}
