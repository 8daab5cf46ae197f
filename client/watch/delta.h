/* delta: the gradient of a trainer that exposes none, from its updates. Runs in
 * the trainer's thread. */
#ifndef TRAJ_WATCH_DELTA_H
#define TRAJ_WATCH_DELTA_H

#include <stdbool.h>

#include "traj.h"
#include "watch/arrays.h"

/*
 * After an update: KEPT_OWN_GRAD = g, from x_{k+1} in the trainer's arrays and
 * x_k in KEPT_PARAM. SGD: g = -d/lr. HEAVY_BALL: v = -d/lr, g = v - momentum
 * times KEPT_VELOCITY, which becomes v; right from the trainer's first update
 * on, when its buffer is zero. lr is not 0.
 */
void delta_gradient(struct arrays *arrays, enum traj_optimizer optimizer,
    double lr, double momentum);

/* What the rounding of x_{k+1} to its dtype makes of the smoothness between
 * two such gradients: each is off by e/lr, where e has RMS
 * u ||x||/(8 ln 2)^(1/2) (traj.h, rounding_floor); of two, 2^(1/2) times that,
 * over ||d||. */
double delta_rounding_floor(
    double u, double param_sq, double delta_sq, double lr);

#endif
