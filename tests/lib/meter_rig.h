/* meter_rig: a trainer of one function whose sharpness is measured. */
#ifndef TRAJD_TEST_METER_RIG_H
#define TRAJD_TEST_METER_RIG_H

#include "functions.h"
#include "traj.h"

#define METER_RIG_MAX 64

struct meter_rig {
    struct function f;
    enum traj_dtype dtype;
    double param[METER_RIG_MAX]; /* elements of dtype */
    int calls;
    int fail_at;
    int nan_at;
    struct traj_probe_segment segments[4];
    struct traj_sharpness_options options;
    traj_sharpness_meter *meter;
    struct traj_sharpness found;
};

/* At x; options for the gradient of all of f, which may be changed. */
void meter_rig_init(struct meter_rig *r, struct function f,
    enum traj_dtype dtype, const double *x);
void meter_rig_open(struct meter_rig *r);
void meter_rig_measure(struct meter_rig *r);
/* Open, measure, close. */
void meter_rig_once(struct meter_rig *r);

/* What a callback that has filled in values returns, with r->fail_at and
 * r->nan_at. */
int meter_rig_answer(struct meter_rig *r, double *values);
/* Of a quadratic the gradient at v is H v. */
int meter_rig_product(void *context, const void *v, void *ret_hv);

#endif
