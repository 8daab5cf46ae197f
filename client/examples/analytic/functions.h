/*
 * functions: objectives whose value, gradient and Hessian are known in closed
 * form, so that what is measured of a descent on them can be compared with
 * the truth. The law of each is ||H(x)|| <= L0 + L1 ||g(x)||.
 *
 * A problem is a function with its parameters, seen through three changes
 * that a measurement must follow exactly: the loss times a factor, the
 * parameters in other units, and minibatch noise.
 */
#ifndef ANALYTIC_FUNCTIONS_H
#define ANALYTIC_FUNCTIONS_H

#include <stddef.h>
#include <stdint.h>

struct problem;

/* f, f' and f'' of a function of one variable. */
struct jet {
    double f, g, h;
};

enum rule {
    RULE_FIXED,      /* x -= lr g */
    RULE_CLIPPED,    /* x -= lr min(1, clip / ||g||) g */
    RULE_NORMALIZED, /* x -= lr / (||g|| + beta) g */
    RULE_L0L1,       /* x -= g / (L0 + 3/2 L1 ||g||); 2410.10800 */
};

struct function {
    const char *name, *formula;
    size_t n;             /* dimension by default */
    double L0, L1, power; /* by default */
    /* Of a function of one variable; then the next three are NULL. */
    struct jet (*jet)(const struct problem *p, double x);
    /* Returns f(x); writes the gradient. */
    double (*gradient)(const struct problem *p, const double *x, double *ret_g);
    void (*hessian_vector)(const struct problem *p, const double *x,
        const double *v, double *ret_hv);
    double (*operator_norm)(const struct problem *p, const double *x);
    /* Trained so by default. */
    double start, tilt; /* x_i = start (1 + tilt i) / sqrt(n) */
    enum rule rule;
    double lr, noise, swing;
};

struct problem {
    const struct function *function;
    size_t n;
    double L0, L1, power;
    double times; /* the loss is this times f */
    double units; /* x = units u, where u is what is trained */
    /* Gradients of microbatches: plus noise_k z, z standard normal and
     * noise_k = noise exp(swing sin(2 pi step / 100)). */
    double noise, swing;
    uint64_t seed;
    double *x; /* workspace of n: u in the function's own units */
};

/* NULL if there is none of that name. */
const struct function *function_find(const char *name);
/* The i-th, or NULL after the last one. */
const struct function *function_at(size_t i);

/* The loss of one microbatch of one step at u, and its gradient. */
double problem_gradient(const struct problem *p, const double *u, uint64_t step,
    uint64_t micro, double *ret_grad);
void problem_hessian_vector(
    const struct problem *p, const double *u, const double *v, double *ret_hv);
double problem_operator_norm(const struct problem *p, const double *u);
void problem_start(const struct problem *p, double start, double *ret_u);

/* The law after the change of loss and units: (units^2 times L0, units L1). */
double problem_L0(const struct problem *p);
double problem_L1(const struct problem *p);

#endif
