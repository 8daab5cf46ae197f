/*
 * moments.c: traj_moments, traj_moments_of and moments_and_keep. Pure; any
 * thread; no memory. What is asked is checked here; moments_crew.c has the work
 * done.
 */
#include "math/moments.h"
#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "held_env.h"
#include "math/kernel.h"
#include "math/moments_crew.h"

static unsigned arrays_of(const struct traj_segment *s)
{
    return (s->x != NULL ? (unsigned)KERNEL_X : 0u) |
           (s->g != NULL ? (unsigned)KERNEL_G : 0u) |
           (s->x0 != NULL ? (unsigned)KERNEL_X0 : 0u) |
           (s->g0 != NULL ? (unsigned)KERNEL_G0 : 0u);
}

/* The arrays that a segment has. One without elements needs none: it counts
 * only where no segment has elements. */
static unsigned arrays_of_all(
    const struct traj_segment *segments, size_t n_segments)
{
    unsigned empty = 0;
    unsigned filled = 0;
    for (size_t i = 0; i < n_segments; i++) {
        const unsigned arrays = arrays_of(&segments[i]);
        *(segments[i].n > 0 ? &filled : &empty) |= arrays;
    }
    return filled != 0 ? filled : empty;
}

static enum traj_status check_segment(const struct traj_segment *s, size_t i)
{
    const size_t bytes = kernel_element_bytes(s->dtype);
    const size_t grad_bytes =
        s->grad_dtype != 0 ? kernel_element_bytes(s->grad_dtype) : bytes;
    if (bytes == 0 || grad_bytes == 0) {
        return error_set(TRAJ_EINVAL, "moments: segment %zu: unknown %s %d", i,
            bytes > 0 ? "grad_dtype" : "dtype",
            bytes > 0 ? (int)s->grad_dtype : (int)s->dtype);
    }
    if (s->n > PTRDIFF_MAX / (bytes > grad_bytes ? bytes : grad_bytes)) {
        return error_set(TRAJ_EINVAL,
            "moments: segment %zu: no array has %zu elements", i, s->n);
    }
    return TRAJ_OK;
}

static enum traj_status check_segments(
    const struct traj_segment *segments, size_t n_segments)
{
    enum traj_status status = TRAJ_OK;
    for (size_t i = 0; i < n_segments && status == TRAJ_OK; i++) {
        status = check_segment(&segments[i], i);
    }
    return status;
}

static enum traj_status check_arrays(
    const struct traj_segment *segments, size_t n_segments, unsigned arrays)
{
    static const char *const names[KERNEL_ARRAYS] = { "x", "g", "x0", "g0" };
    for (size_t i = 0; i < n_segments; i++) {
        const unsigned missing = arrays & ~arrays_of(&segments[i]);
        for (unsigned k = 0; k < KERNEL_ARRAYS && segments[i].n > 0; k++) {
            if (missing & (1u << k)) {
                return error_set(TRAJ_ENOGRAD,
                    "moments: %s of segment %zu is NULL, and others have it "
                    "(is the array allocated yet?)",
                    names[k], i);
            }
        }
    }
    return TRAJ_OK;
}

HELD_ENV_NOINLINE static void run(const struct traj_segment *segments,
    size_t n_segments, unsigned shape, const struct kernel_keep *keep,
    uint32_t threads, struct traj_moments *ret_total,
    struct traj_moments *ret_each)
{
    moments_crew_run(
        segments, n_segments, shape, keep, threads, ret_total, ret_each);
}

enum traj_status moments_and_keep(const struct traj_segment *segments,
    size_t n_segments, const struct kernel_keep *keep, uint32_t threads,
    struct traj_moments *ret_total, struct traj_moments *ret_each)
{
    if (ret_total == NULL || (segments == NULL && n_segments > 0)) {
        return error_set(TRAJ_EINVAL, "moments: %s is NULL",
            ret_total == NULL ? "ret_total" : "segments");
    }
    enum traj_status status = check_segments(segments, n_segments);
    if (status != TRAJ_OK) {
        return status;
    }
    const unsigned arrays = arrays_of_all(segments, n_segments);
    status = check_arrays(segments, n_segments, arrays);
    if (status != TRAJ_OK) {
        return status;
    }
    struct held_env held;
    held_env_take(&held);
    run(segments, n_segments, kernel_shape(arrays), keep, threads, ret_total,
        ret_each);
    held_env_give_back(&held);
    return TRAJ_OK;
}

enum traj_status traj_moments_of(const struct traj_segment *segments,
    size_t n_segments, uint32_t threads, struct traj_moments *ret_total,
    struct traj_moments *ret_each)
{
    return moments_and_keep(
        segments, n_segments, NULL, threads, ret_total, ret_each);
}

enum traj_status traj_moments(enum traj_dtype dtype, size_t n, const void *x,
    const void *g, const void *x0, const void *g0,
    struct traj_moments *ret_moments)
{
    if (kernel_element_bytes(dtype) == 0) {
        return error_set(TRAJ_EINVAL, "moments: unknown dtype %d", (int)dtype);
    }
    if (ret_moments == NULL) {
        return error_set(TRAJ_EINVAL, "moments: ret_moments is NULL");
    }
    const struct traj_segment segment = {
        .dtype = dtype, .n = n, .x = x, .g = g, .x0 = x0, .g0 = g0
    };
    return traj_moments_of(&segment, 1, 1, ret_moments, NULL);
}
