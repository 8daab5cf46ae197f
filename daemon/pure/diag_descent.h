/*
 * diag_descent: did the loss fall as the gradient and the fitted laws said it
 * would, and how does lr compare with the step of AdGD. Pure.
 */
#ifndef TRAJD_DIAG_DESCENT_H
#define TRAJD_DIAG_DESCENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "math/fit.h"
#include "pure/diag_step.h"

/*
 * The most that f(x + d) can be under ||H|| <= L0 + L1 ||g|| (theory.md 4.1;
 * the descent lemma for L1 = 0):
 *   f + <g,d> + (L0 + L1 G) phi(L1 r)/L1^2,  phi(z) = e^z - z - 1,
 * with G = ||g||, r = ||d||.
 */
double descent_bound(
    struct fit_line law, double f, double grad_delta, double G, double r);

struct decrease {
    uint64_t n;
    double predicted;                 /* sum of -<g,d> */
    double realised;                  /* sum of f - f' */
    uint64_t violations[FIT_METHODS]; /* of each law's bound */
};

/*
 * AdGD (Malitsky and Mishchenko, 1910.09529): lambda_k =
 * min{sqrt(1 + theta_{k-1}) lambda_{k-1}, ||d_{k-1}||/(2 ||g_k - g_{k-1}||)},
 * theta_k = lambda_k/lambda_{k-1}; lambda_0 is the first lr, theta_0 = Inf.
 */
struct adgd {
    uint64_t n;
    double lambda, theta; /* lambda 0: not started */
    uint64_t n_ratio;
    double ratio;     /* lr/lambda_k, the last */
    double ratio_log; /* sum of its logarithms */
    uint64_t above;   /* steps with lr > lambda_k */
};

struct diag_descent {
    struct fit_line laws[FIT_METHODS];
    size_t n_laws;
    struct decrease steps;  /* f' is the next step's loss, on its own data */
    struct decrease probes; /* f and f' on the same data */
    struct adgd adgd;
    struct diag_step previous; /* its row is gone */
    bool has_previous;
};

/* At most FIT_METHODS laws with L0, L1 >= 0. */
void diag_descent_init(
    struct diag_descent *descent, const struct fit_line *laws, size_t n_laws);
/* In order; only a step and the next one by number are compared. */
void diag_descent_step(
    struct diag_descent *descent, const struct diag_step *step);
/* A PROBE of all parameters with both losses; others are left out. A bound is
 * violated if f' is above it by more than 2^-22 (|f| + |f'|), the rounding of
 * losses that were computed in float32. */
void diag_descent_probe(struct diag_descent *descent, const struct row *row);

#endif
