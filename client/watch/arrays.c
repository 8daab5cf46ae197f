/* arrays.c: see arrays.h. Memory is taken when the watch is opened, never in a
 * step. */
#include "watch/arrays.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "math/element.h"
#include "math/moments.h"

#define ALIGNMENT 64u

static size_t bytes_of(const struct traj_watch_segment *segment)
{
    return segment->n * element_width(segment->dtype);
}

static size_t stride_of(const struct traj_watch_segment *segment)
{
    return (bytes_of(segment) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* 0: more than memory can hold. Each n is at most SIZE_MAX / 64, see
 * watch_options.c.
 */
static size_t bytes_of_all(
    const struct traj_watch_segment *segments, size_t n, unsigned kinds)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += stride_of(&segments[i]);
        if (sum > SIZE_MAX / 2 / KEPT_KINDS) {
            return 0;
        }
    }
    size_t copies = 0;
    for (unsigned k = 0; k < KEPT_KINDS; k++) {
        copies += kinds >> k & 1u;
    }
    return sum * copies;
}

static void lay_out(struct arrays *a, unsigned kinds)
{
    char *at = a->memory;
    void **row = a->table;
    for (unsigned k = 0; k < KEPT_KINDS; k++) {
        if ((kinds >> k & 1u) == 0) {
            continue;
        }
        a->copy[k] = row;
        row += a->n;
        for (size_t i = 0; i < a->n; i++) {
            a->copy[k][i] = at;
            at += stride_of(&a->segment[i]);
        }
    }
}

bool arrays_init(struct arrays *arrays,
    const struct traj_watch_segment *segments, size_t n, unsigned kinds)
{
    const size_t bytes = bytes_of_all(segments, n, kinds);
    struct arrays a = { .n = n };
    a.memory = bytes > 0 ? aligned_alloc(ALIGNMENT, bytes) : NULL;
    a.segment = calloc(n, sizeof *a.segment);
    a.view = calloc(n, sizeof *a.view);
    a.keep = calloc(n, sizeof *a.keep);
    a.table = calloc(n * KEPT_KINDS, sizeof *a.table);
    if (a.memory == NULL || a.segment == NULL || a.view == NULL ||
        a.keep == NULL || a.table == NULL) {
        arrays_done(&a);
        return false;
    }
    /* What an optimizer with momentum starts from. */
    memset(a.memory, 0, bytes);
    memcpy(a.segment, segments, n * sizeof *segments);
    lay_out(&a, kinds);
    *arrays = a;
    return true;
}

void arrays_done(struct arrays *arrays)
{
    free(arrays->memory);
    free(arrays->segment);
    free(arrays->view);
    free(arrays->keep);
    free(arrays->table);
}

void arrays_keep_param(const struct arrays *arrays, enum kept kind)
{
    for (size_t i = 0; i < arrays->n; i++) {
        memcpy(arrays->copy[kind][i], arrays->segment[i].param,
            bytes_of(&arrays->segment[i]));
    }
}

void arrays_put_param(const struct arrays *arrays, enum kept kind)
{
    for (size_t i = 0; i < arrays->n; i++) {
        memcpy(arrays->segment[i].param, arrays->copy[kind][i],
            bytes_of(&arrays->segment[i]));
    }
}

void arrays_swap(struct arrays *arrays, enum kept a, enum kept b)
{
    void **row = arrays->copy[a];
    arrays->copy[a] = arrays->copy[b];
    arrays->copy[b] = row;
}

static const void *operand_of(
    enum operand from, const void *trainers, void *const *kept, size_t i)
{
    switch (from) {
    case OPERAND_TRAINER:
        return trainers;
    case OPERAND_COPY:
    case OPERAND_OWN:
        return kept[i];
    case OPERAND_NONE:
        break;
    }
    return NULL;
}

static void set_view(const struct arrays *arrays, struct operands operands)
{
    void *const *params = arrays->copy[KEPT_PARAM];
    void *const *grads = arrays->copy[KEPT_GRAD];
    void *const *own = arrays->copy[KEPT_OWN_GRAD];
    for (size_t i = 0; i < arrays->n; i++) {
        const struct traj_watch_segment *s = &arrays->segment[i];
        arrays->view[i] = (struct traj_segment){
            .dtype = s->dtype,
            .n = s->n,
            .x = operand_of(operands.x, s->param, params, i),
            .g = operand_of(operands.g, s->grad,
                operands.g == OPERAND_OWN ? own : grads, i),
            .x0 = operand_of(operands.x0, s->param, params, i),
            .g0 = operand_of(operands.g0, s->grad,
                operands.g0 == OPERAND_OWN ? own : grads, i),
        };
    }
}

enum traj_status arrays_moments(const struct arrays *arrays,
    struct operands operands, uint32_t threads, struct traj_moments *ret_total,
    struct traj_moments *ret_each)
{
    set_view(arrays, operands);
    return traj_moments_of(
        arrays->view, arrays->n, threads, ret_total, ret_each);
}

enum traj_status arrays_moments_and_keep(const struct arrays *arrays,
    enum operand before, uint32_t threads, struct traj_moments *ret_total,
    struct traj_moments *ret_each)
{
    set_view(arrays,
        (struct operands){ OPERAND_TRAINER, OPERAND_TRAINER, before, before });
    for (size_t i = 0; i < arrays->n; i++) {
        arrays->keep[i] =
            (struct kernel_keep){ .x = arrays->copy[KEPT_PARAM][i],
                .g = arrays->copy[KEPT_GRAD][i] };
    }
    return moments_and_keep(
        arrays->view, arrays->n, arrays->keep, threads, ret_total, ret_each);
}
