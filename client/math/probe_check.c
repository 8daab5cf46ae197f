/* probe_check.c: whether the input of a probe is right, and what of its
 * workspace is where. Pure; any thread. */
#include "math/probe.h"
#include <stdint.h>
#include <string.h>

#include "error.h"
#include "math/element.h"
#include "math/spectral.h"

#define ALIGNMENT 64u

/* ---- the workspace ------------------------------------------------------ */

/* Arrays one after another; the workspace may be NULL, to count its bytes. */
struct layout {
    char *workspace;
    size_t bytes; /* so far; SIZE_MAX: too many */
};

static void *take(struct layout *layout, size_t n, size_t width)
{
    /* A quarter of the address space is more than anyone has, and no sum of
     * two such numbers overflows. */
    const size_t most = SIZE_MAX / 4 - ALIGNMENT;
    if (layout->bytes > most || n > (most - layout->bytes) / width) {
        layout->bytes = SIZE_MAX;
        return NULL;
    }
    void *array =
        layout->workspace == NULL ? NULL : layout->workspace + layout->bytes;
    layout->bytes += (n * width + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return array;
}

/* False if its dtype is unknown. */
static bool lay_out_segment(struct layout *layout, bool micro,
    const struct traj_probe_segment *segment, struct probe_segment *ret)
{
    const size_t width = element_width(segment->dtype);
    if (width == 0) {
        return false;
    }
    *ret = (struct probe_segment){
        .given = segment,
        .u = element_roundoff(segment->dtype),
        .saved = take(layout, segment->n, width),
        .grad = take(layout, segment->n, width),
    };
    if (micro) {
        ret->grad_end = take(layout, segment->n, width);
        ret->mean = take(layout, segment->n, sizeof(double));
        ret->mean_end = take(layout, segment->n, sizeof(double));
    }
    ret->bytes = segment->n * width;
    return true;
}

static void copy_input(
    const struct traj_probe_input *input, struct probe_run *run)
{
    *run = (struct probe_run){ .loss = traj_unset() };
    memcpy(&run->input, input,
        input->size < sizeof run->input ? input->size : sizeof run->input);
    const struct traj_probe_input *own = &run->input;
    run->whole = (struct traj_probe_segment){
        .dtype = own->dtype,
        .n = own->n,
        .param = own->param,
        .param_start = own->param_start,
        .grad_start = own->grad_start,
    };
    run->n_segments = own->n_segments > 0 ? own->n_segments : 1;
    run->n_parts = 1 + (size_t)own->n_groups;
}

static const struct traj_probe_segment *given(const struct probe_run *run)
{
    return run->input.n_segments > 0 ? run->input.segments : &run->whole;
}

/* Bytes of the workspace, 0 if they are too many or a dtype is unknown. Writes
 * to the workspace unless it is NULL. */
static size_t lay_out(struct probe_run *run, void *workspace)
{
    struct layout layout = { .workspace = workspace };
    const size_t n = run->n_segments;
    const bool micro = run->input.micro_gradient != NULL;
    run->segments = take(&layout, n, sizeof *run->segments);
    run->parts = take(&layout, run->n_parts, sizeof *run->parts);
    run->pass = take(&layout, n, sizeof *run->pass);
    run->each = take(&layout, n, sizeof *run->each);
    run->grads = take(&layout, n, sizeof *run->grads);
    run->grads_end = take(&layout, n, sizeof *run->grads_end);
    for (size_t i = 0; i < n && layout.bytes != SIZE_MAX; i++) {
        struct probe_segment segment;
        if (!lay_out_segment(&layout, micro, &given(run)[i], &segment)) {
            return 0;
        }
        if (workspace != NULL) {
            run->segments[i] = segment;
            run->grads[i] = segment.grad;
            run->grads_end[i] = segment.grad_end;
        }
    }
    return layout.bytes == SIZE_MAX ? 0 : layout.bytes;
}

size_t traj_probe_workspace(const struct traj_probe_input *input)
{
    if (input == NULL || input->size < PROBE_INPUT_LEAST ||
        (input->size >= sizeof *input && input->n_segments > 0 &&
            input->segments == NULL)) {
        return 0;
    }
    struct probe_run run;
    copy_input(input, &run);
    return lay_out(&run, NULL);
}

/* ---- checks ------------------------------------------------------------- */

static enum traj_status missing(const char *name)
{
    return error_set(
        TRAJ_ENOGRAD, "probe: %s is NULL (is the array allocated yet?)", name);
}

/* micro: g(x) is computed, not given. */
static enum traj_status check_arrays(
    const struct traj_probe_segment *segment, bool micro)
{
    if (segment->n == 0) {
        return TRAJ_OK;
    }
    if (segment->param == NULL) {
        return missing("param");
    }
    if (segment->param_start == NULL) {
        return missing("param_start");
    }
    if (segment->grad_start == NULL && !micro) {
        return missing("grad_start");
    }
    if (segment->param == segment->param_start) {
        return error_set(TRAJ_EINVAL,
            "probe: param_start is param itself: it must be a copy of the "
            "parameters before the update");
    }
    return TRAJ_OK;
}

enum traj_status probe_check_gammas(const double *gammas, uint32_t n)
{
    if (gammas == NULL || n < 1 || n > TRAJ_GAMMAS_MAX) {
        return error_set(TRAJ_EINVAL, "probe: 1 to %d gammas, not %u",
            TRAJ_GAMMAS_MAX, gammas == NULL ? 0 : (unsigned)n);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!(gammas[i] > 0 && gammas[i] <= 1)) {
            return error_set(TRAJ_EINVAL,
                "probe: gammas[%u] is %g, not in (0, 1]", (unsigned)i,
                gammas[i]);
        }
        if (i > 0 && !(gammas[i] > gammas[i - 1])) {
            return error_set(TRAJ_EINVAL,
                "probe: gammas[%u] is %g, not above the one before, %g",
                (unsigned)i, gammas[i], gammas[i - 1]);
        }
    }
    return TRAJ_OK;
}

static enum traj_status check_callbacks(const struct traj_probe_input *input)
{
    if (input->micro_gradient == NULL) {
        return input->gradient != NULL
                   ? TRAJ_OK
                   : error_set(
                         TRAJ_EINVAL, "probe: there is no gradient callback");
    }
    if (input->gradient != NULL) {
        return error_set(
            TRAJ_EINVAL, "probe: gradient and micro_gradient are both set");
    }
    if (input->micro_batches < 2) {
        return error_set(TRAJ_EINVAL, "probe: micro_batches is %u, below 2",
            (unsigned)input->micro_batches);
    }
    if (input->n_gammas != 1) {
        return error_set(TRAJ_EINVAL,
            "probe: microbatches are probed at one gamma, not %u",
            (unsigned)input->n_gammas);
    }
    return TRAJ_OK;
}

/* The two forms exclude each other: a flat array beside segments would be
 * moved by nobody. */
static enum traj_status check_forms(const struct traj_probe_input *input)
{
    if (input->n_segments == 0) {
        return input->segments == NULL
                   ? TRAJ_OK
                   : error_set(TRAJ_EINVAL, "probe: n_segments is 0");
    }
    if (input->segments == NULL) {
        return error_set(TRAJ_EINVAL, "probe: segments is NULL");
    }
    if (input->dtype != 0 || input->n != 0 || input->param != NULL ||
        input->param_start != NULL || input->grad_start != NULL) {
        return error_set(TRAJ_EINVAL,
            "probe: dtype, n, param, param_start and grad_start are those of "
            "the segments: leave them 0");
    }
    return TRAJ_OK;
}

static enum traj_status check_segments(const struct probe_run *run)
{
    for (size_t i = 0; i < run->n_segments; i++) {
        const struct traj_probe_segment *segment = &given(run)[i];
        if (element_width(segment->dtype) == 0) {
            return error_set(
                TRAJ_EINVAL, "probe: unknown dtype %d", (int)segment->dtype);
        }
        if (segment->group > run->input.n_groups) {
            return error_set(TRAJ_EINVAL,
                "probe: segments[%zu].group is %u of %u groups", i,
                (unsigned)segment->group, (unsigned)run->input.n_groups);
        }
        enum traj_status status =
            check_arrays(segment, run->input.micro_gradient != NULL);
        if (status != TRAJ_OK) {
            return status;
        }
    }
    return TRAJ_OK;
}

/* A spectral norm is that of one matrix. */
static enum traj_status check_matrix(const struct probe_run *run, uint32_t i)
{
    const struct traj_group *group = &run->input.groups[i];
    size_t n = 0;
    size_t matrices = 0;
    for (size_t k = 0; k < run->n_segments; k++) {
        if (given(run)[k].group == i + 1) {
            n = given(run)[k].n;
            matrices++;
        }
    }
    if (matrices != 1 || (uint64_t)group->rows * group->cols != n) {
        return error_set(TRAJ_EINVAL,
            "probe: groups[%u] is spectral: it needs one segment of rows * "
            "cols = %u * %u elements",
            (unsigned)i, (unsigned)group->rows, (unsigned)group->cols);
    }
    if (group->rows > SPECTRAL_MAX && group->cols > SPECTRAL_MAX) {
        return error_set(TRAJ_EINVAL,
            "probe: groups[%u] is too large for the spectral norm: one side is "
            "at most %u",
            (unsigned)i, SPECTRAL_MAX);
    }
    return TRAJ_OK;
}

static enum traj_status check_groups(const struct probe_run *run)
{
    const struct traj_probe_input *input = &run->input;
    if (input->n_groups > 0 &&
        (input->groups == NULL || input->ret_groups == NULL)) {
        return error_set(
            TRAJ_EINVAL, "probe: groups or ret_groups is NULL for n_groups");
    }
    for (uint32_t i = 0; i < input->n_groups; i++) {
        const enum traj_norm norm = input->groups[i].norm;
        if (norm < TRAJ_NORM_L2 || norm > TRAJ_NORM_SPECTRAL) {
            return error_set(TRAJ_EINVAL, "probe: groups[%u].norm is %d",
                (unsigned)i, (int)norm);
        }
        enum traj_status status = TRAJ_OK;
        if (norm == TRAJ_NORM_SPECTRAL) {
            status = check_matrix(run, i);
        }
        if (status != TRAJ_OK) {
            return status;
        }
    }
    return TRAJ_OK;
}

/* The elements of ret_groups are as far apart as the caller's struct is
 * large. */
static enum traj_status check_results(const struct traj_probe_input *input)
{
    const char *element = (const char *)input->ret_groups;
    for (uint32_t i = 0; i < input->n_groups; i++) {
        struct traj_probe probe;
        memcpy(&probe.size, element, sizeof probe.size);
        if (probe.size < PROBE_LEAST || probe.size != input->ret_groups->size) {
            return error_set(TRAJ_EINVAL,
                "probe: ret_groups[%u] has not been through traj_probe_init",
                (unsigned)i);
        }
        element += probe.size;
    }
    return TRAJ_OK;
}

static enum traj_status check_workspace(struct probe_run *run)
{
    if (lay_out(run, NULL) == 0) {
        return error_set(TRAJ_EINVAL, "probe: n is too large");
    }
    const struct traj_probe_input *input = &run->input;
    if (input->workspace == NULL) {
        return missing("workspace");
    }
    if ((uintptr_t)input->workspace % ALIGNMENT != 0) {
        return error_set(
            TRAJ_EINVAL, "probe: workspace is not aligned to %u", ALIGNMENT);
    }
    (void)lay_out(run, input->workspace); /* counted above */
    return TRAJ_OK;
}

static enum traj_status check_copy(struct probe_run *run)
{
    const struct traj_probe_input *input = &run->input;
    enum traj_status status = check_callbacks(input);
    if (status == TRAJ_OK) {
        status = probe_check_gammas(input->gammas, input->n_gammas);
    }
    if (status == TRAJ_OK) {
        status = check_forms(input);
    }
    if (status != TRAJ_OK) {
        return status;
    }
    if (input->n_groups > TRAJ_GROUPS_MAX) {
        return error_set(TRAJ_EINVAL, "probe: %u groups, above %d",
            (unsigned)input->n_groups, TRAJ_GROUPS_MAX);
    }
    status = check_segments(run);
    if (status == TRAJ_OK) {
        status = check_groups(run);
    }
    if (status == TRAJ_OK) {
        status = check_results(input);
    }
    return status == TRAJ_OK ? check_workspace(run) : status;
}

enum traj_status probe_check(const struct traj_probe_input *input,
    const struct traj_probe *probe, struct probe_run *ret_run)
{
    if (input == NULL || input->size < PROBE_INPUT_LEAST) {
        return error_set(TRAJ_EINVAL, "probe: input->size is not set");
    }
    if (probe == NULL || probe->size < PROBE_LEAST) {
        return error_set(TRAJ_EINVAL,
            "probe: ret_probe has not been through traj_probe_init");
    }
    copy_input(input, ret_run);
    return check_copy(ret_run);
}
