/* meter_rig.c: see meter_rig.h. */
#include "meter_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "math/element.h"

int meter_rig_answer(struct meter_rig *r, double *values)
{
    r->calls++;
    values[0] = r->calls == r->nan_at ? (double)NAN : values[0];
    return r->calls == r->fail_at ? 9 : 0;
}

static int gradient(void *context, void *ret_grad, double *ret_loss)
{
    struct meter_rig *r = context;
    double x[METER_RIG_MAX];
    double g[METER_RIG_MAX];
    (void)ret_loss;
    element_widen(r->dtype, r->param, 0, r->f.n, x);
    r->f.gradient(&r->f, x, g);
    int code = meter_rig_answer(r, g);
    element_narrow(r->dtype, g, r->f.n, ret_grad, 0);
    return code;
}

int meter_rig_product(void *context, const void *v, void *ret_hv)
{
    struct meter_rig *r = context;
    double x[METER_RIG_MAX];
    double hv[METER_RIG_MAX];
    element_widen(r->dtype, v, 0, r->f.n, x);
    r->f.gradient(&r->f, x, hv);
    int code = meter_rig_answer(r, hv);
    element_narrow(r->dtype, hv, r->f.n, ret_hv, 0);
    return code;
}

void meter_rig_init(struct meter_rig *r, struct function f,
    enum traj_dtype dtype, const double *x)
{
    memset(r, 0, sizeof *r);
    r->f = f;
    r->dtype = dtype;
    element_narrow(dtype, x, f.n, r->param, 0);
    r->options = (struct traj_sharpness_options){
        .size = sizeof r->options,
        .dtype = dtype,
        .n = f.n,
        .param = r->param,
        .gradient = gradient,
        .context = r,
    };
    traj_sharpness_init(&r->found);
}

void meter_rig_open(struct meter_rig *r)
{
    assert_int_equal(traj_sharpness_open(&r->options, &r->meter), TRAJ_OK);
}

void meter_rig_measure(struct meter_rig *r)
{
    assert_int_equal(traj_sharpness_measure(r->meter, &r->found), TRAJ_OK);
}

void meter_rig_once(struct meter_rig *r)
{
    meter_rig_open(r);
    meter_rig_measure(r);
    traj_sharpness_close(r->meter);
}
