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
 * times KEPT_VELOCITY, which becomes v; right if that was v_{k-1}. lr is not 0.
 */
void delta_gradient(struct arrays *arrays, enum traj_optimizer optimizer,
    double lr, double momentum);

/*
 * What the rounding of the parameters to their dtype makes of the smoothness
 * between two such gradients. With e_k the error of x_k as stored, of RMS norm
 * u ||x||/(8 ln 2)^(1/2), and m the momentum (0 for SGD), their difference is
 * off by (e_{k+2} - (1 + m) e_{k+1} + m e_k)/lr; over ||d||.
 */
double delta_rounding_floor(
    double u, double param_sq, double delta_sq, double lr, double momentum);

#endif
