/* probe_rig.c: see probe_rig.h. */
#include "probe_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "math/element.h"

static const double HALF_AND_ONE[] = { 0.5, 1 };

static void scatter(
    const struct probe_rig *r, const double *values, void *const *arrays)
{
    size_t first = 0;
    for (size_t i = 0; i < r->n_segments; i++) {
        element_narrow(r->segments[i].dtype, values + first, r->segments[i].n,
            arrays[i], 0);
        first += r->segments[i].n;
    }
}

static int callback(void *context, void *ret_grad, double *ret_loss)
{
    struct probe_rig *r = context;
    double x[PROBE_RIG_MAX];
    double g[PROBE_RIG_MAX];
    size_t first = 0;
    for (size_t i = 0; i < r->n_segments; i++) {
        element_widen(r->segments[i].dtype, r->segments[i].param, 0,
            r->segments[i].n, x + first);
        first += r->segments[i].n;
    }
    r->calls++;
    r->f.gradient(&r->f, x, g);
    g[0] += r->calls % 2 == 1 ? r->hidden : -r->hidden / 2;
    scatter(r, g, (void *const *)ret_grad);
    *ret_loss = 10 * r->calls;
    return r->calls == r->fail_at;
}

void probe_rig_place(struct probe_rig *r)
{
    void *arrays[3][PROBE_RIG_SEGMENTS];
    double g[PROBE_RIG_MAX];
    for (size_t i = 0; i < r->n_segments; i++) {
        for (size_t k = 0; k < 3; k++) {
            arrays[k][i] = r->memory[k][i];
        }
        r->segments[i].param = arrays[0][i];
        r->segments[i].param_start = arrays[1][i];
        r->segments[i].grad_start = arrays[2][i];
    }
    r->f.gradient(&r->f, r->start, g);
    scatter(r, r->start, arrays[1]);
    scatter(r, g, arrays[2]);
    scatter(r, r->end, arrays[0]);
}

void probe_rig_init(struct probe_rig *r, struct function f)
{
    memset(r, 0, sizeof *r);
    r->f = f;
    r->input = (struct traj_probe_input){
        .size = sizeof r->input,
        .loss_start = traj_unset(),
        .gammas = HALF_AND_ONE,
        .n_gammas = 2,
        .gradient = callback,
        .context = r,
    };
    traj_probe_init(&r->probe);
}

void probe_rig_segment(
    struct probe_rig *r, enum traj_dtype dtype, size_t n, uint32_t group)
{
    r->segments[r->n_segments++] =
        (struct traj_probe_segment){ .dtype = dtype, .n = n, .group = group };
    r->input.segments = r->segments;
    r->input.n_segments = r->n_segments;
}

void probe_rig_group(struct probe_rig *r, struct traj_group group)
{
    traj_probe_init(&r->group_probes[r->input.n_groups]);
    r->groups[r->input.n_groups++] = group;
    r->input.groups = r->groups;
    r->input.ret_groups = r->group_probes;
}

enum traj_status probe_rig_try(struct probe_rig *r)
{
    const size_t bytes = traj_probe_workspace(&r->input);
    r->input.workspace = aligned_alloc(64, bytes + 64);
    assert_non_null(r->input.workspace);
    /* What was in it before must not matter, nor may more be written. */
    memset(r->input.workspace, 0xa5, bytes + 64);
    enum traj_status status = traj_smoothness_probe(&r->input, &r->probe);
    const unsigned char *beyond = r->input.workspace;
    for (size_t i = bytes; i < bytes + 64; i++) {
        assert_int_equal(beyond[i], 0xa5);
    }
    free(r->input.workspace);
    r->input.workspace = NULL;
    return status;
}

void probe_rig_run(struct probe_rig *r)
{
    probe_rig_place(r);
    assert_int_equal(probe_rig_try(r), TRAJ_OK);
}

void probe_rig_radial(struct probe_rig *r, const size_t *sizes, size_t n)
{
    probe_rig_init(
        r, (struct function){ .gradient = radial, .n = 50, .L0 = 2, .L1 = .7 });
    for (size_t i = 0; i < 50; i++) {
        r->start[i] = (2 + sin((double)i)) / 7;
        r->end[i] = r->start[i] * 0.99 + 0.001 * cos((double)i);
    }
    for (size_t i = 0; i < n; i++) {
        probe_rig_segment(r, TRAJ_F64, sizes[i], 0);
    }
}

int probe_rig_flat_callback(void *context, void *ret_grad, double *ret_loss)
{
    return callback(context, &ret_grad, ret_loss);
}

void probe_rig_integers(struct probe_rig *r)
{
    probe_rig_init(r, (struct function){ .gradient = quadratic, .n = 8 });
    for (size_t i = 0; i < 8; i++) {
        r->start[i] = 4;
        r->end[i] = i % 2 == 0 ? 6 : 0;
    }
}

void probe_rig_groups(
    struct probe_rig *r, enum traj_norm first, enum traj_norm second)
{
    probe_rig_integers(r);
    probe_rig_segment(r, TRAJ_F64, 2, 2);
    probe_rig_segment(r, TRAJ_F32, 3, 1);
    probe_rig_segment(r, TRAJ_F64, 2, 2);
    probe_rig_segment(r, TRAJ_F64, 1, 0);
    probe_rig_group(r, (struct traj_group){ .name = "one", .norm = first });
    probe_rig_group(
        r, (struct traj_group){
               .name = "two", .norm = second, .combine = TRAJ_COMBINE_SHARD });
}
