/*
 * pairs: what the scatter and the fits read of PROBE records: the gradient
 * norm in its three forms, the smoothness, the ceiling, and whether the pair
 * may be fitted. Pure; memory only in struct pairs.
 *
 * Probes of different estimator classes answer different questions (theory.md
 * 4.3) and are never mixed, nor are those of all parameters and of a layer. Of
 * all parameters only the L2 norm counts; a layer measured in another one has
 * its dual norm at the start and the smoothness, and no means over the step;
 * U is made of inner products, so pairs of microbatches are always of L2.
 *
 * In a run of several processes a pair is of all of them: see rank_pairs.h.
 */
#ifndef TRAJD_PAIRS_H
#define TRAJD_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "math/fit.h"
#include "pure/row.h"
#include "wire.h"

#define PAIR_REGRESSORS 3 /* enum fit_regressor */
#define PAIR_ESTIMATORS 8 /* enum traj_estimator; 0 = not said */
#define PAIR_REGRESSOR_AUTO -1
#define PAIR_ESTIMATOR_AUTO -1

/* The columns that pair_read needs. */
#define PAIR_FIELDS                                                            \
    (UINT64_C(1) << PROBE_step | UINT64_C(1) << PROBE_estimator |              \
        UINT64_C(1) << PROBE_group | UINT64_C(1) << PROBE_norm |               \
        UINT64_C(1) << PROBE_smoothness | UINT64_C(1) << PROBE_ceiling |       \
        UINT64_C(1) << PROBE_grad_sq | UINT64_C(1) << PROBE_dgrad_sq |         \
        UINT64_C(1) << PROBE_grad_mid_sq | UINT64_C(1) << PROBE_grad_end_sq |  \
        UINT64_C(1) << PROBE_delta_sq | UINT64_C(1) << PROBE_flags |           \
        UINT64_C(1) << PROBE_micro_batches |                                   \
        UINT64_C(1) << PROBE_micro_grad_sq |                                   \
        UINT64_C(1) << PROBE_micro_dgrad_sq | UINT64_C(1) << PROBE_noise_sq |  \
        UINT64_C(1) << PROBE_noise_floor |                                     \
        UINT64_C(1) << PROBE_rounding_floor |                                  \
        UINT64_C(1) << PROBE_smoothness_gamma | UINT64_C(1) << PROBE_lr |      \
        UINT64_C(1) << PROBE_grad_dual | UINT64_C(1) << PROBE_loss |           \
        UINT64_C(1) << PROBE_loss_end)

/* Why a pair is left out of a fit. */
enum pair_use {
    PAIR_USED = 0,
    PAIR_TINY_STEP,    /* nothing was measured */
    PAIR_ROUNDING,     /* rounding only */
    PAIR_NONFINITE,    /* NaN or Inf in a gradient or in the pair */
    PAIR_NOT_MEASURED, /* the probe lacks the smoothness or a norm */
    /* Taken because of a spike: probes chosen by what they measure would tilt
     * the law. They stay in the picture. */
    PAIR_BURST,
    PAIR_NOISE_LIMITED,   /* sampling noise alone gives half of it, or more */
    PAIR_NOT_POSITIVE,    /* a zero: not on logarithmic axes */
    PAIR_OTHER_ESTIMATOR, /* of another class than the fit's */
    PAIR_WINDOW_OPEN,     /* its window is not full yet: see pair_window.h */
    PAIR_INCOMPLETE,      /* a rank's part is missing: a part is no pair */
    PAIR_RANKS_DIFFER,    /* ranks give other rules or microbatches */
    PAIR_GAMMAS_DIFFER,   /* ranks measured at different points */
    PAIR_USES,
};
/* "used", "tiny_step", "rounding", ... */
const char *pair_use_name(enum pair_use use);
/* "start", "trapezoid", "simpson" */
const char *pair_regressor_name(enum fit_regressor regressor);
/* What y is for it: "smoothness" or "secant". */
const char *pair_smoothness_name(enum fit_regressor regressor);
/* "unspecified", "full", "subset", "same_batch", "microbatch", "different" */
const char *pair_estimator_name(unsigned estimator);

/*
 * Each regressor has the smoothness that belongs to it (theory.md 4.2). The
 * gradient norm at the start goes with the paper's estimator, the maximum over
 * gamma; the means over the whole step go with the secant over the whole step,
 * ||g(x + d) - g(x)|| / ||d||. Mixed, they do not give back the law of a
 * function that has one.
 *
 * Sampling noise raises every norm (theory.md 4.3). What is known of it is
 * taken off the squares, which may leave 0:
 * - MICROBATCH: U(v) = (K ||vbar||^2 - mean_k ||v_k||^2)/(K - 1) for ||v||^2,
 *   of the gradient and of the difference; U of the two other gradients with
 *   the noise of the first, which is that of the same samples one step before.
 *   y is the secant for every regressor. Without the sums of the microbatches
 *   nothing was measured. One U may be below 0 though what it estimates is
 *   not: what is drawn and fitted are means over windows (pair_window.h).
 * - DIFFERENT with noise_sq: G^2 - noise_sq and y^2 - 2 noise_sq/||d||^2.
 */
struct pair {
    uint64_t step;
    double x[PAIR_REGRESSORS]; /* NaN: not measured, or a NaN; so all three */
    double y[PAIR_REGRESSORS];
    /* (G + G_gamma) / ||x_gamma - x||, of the gamma of y: by the triangle
     * inequality no function at all exceeds it. */
    double ceiling[PAIR_REGRESSORS];
    /* What y is where there is no curvature at all; NaN: not known. Of
     * y[START]: see pair_noise_floor. */
    double noise_floor, rounding_floor;
    double floor_gamma;    /* the gamma that they are of */
    double lr;             /* NaN: not said */
    double loss, loss_end; /* at the start and the end of the step; likewise */
    uint16_t measured;     /* see pair_has_x, pair_has_y, pair_has_ceiling */
    uint16_t flags;        /* TRAJ_PROBE_* */
    uint8_t estimator;     /* below PAIR_ESTIMATORS */
    uint8_t left_out;      /* enum pair_use, where it is none of its values' */
};
#define PAIR_X_BIT(r) (1u << (r))
#define PAIR_Y_BIT(r) (8u << (r))
#define PAIR_CEILING_BIT(r) (64u << (r))
/* y as it was before the correction is below twice the noise floor, or what the
 * correction leaves of x^2 or y^2 is not positive. */
#define PAIR_NOISE_BIT(r) (512u << (r))
static inline bool pair_has_x(const struct pair *pair, enum fit_regressor r)
{
    return (pair->measured & PAIR_X_BIT(r)) != 0;
}
static inline bool pair_has_y(const struct pair *pair, enum fit_regressor r)
{
    return (pair->measured & PAIR_Y_BIT(r)) != 0;
}
static inline bool pair_has_ceiling(
    const struct pair *pair, enum fit_regressor r)
{
    return (pair->measured & PAIR_CEILING_BIT(r)) != 0;
}

/* A floor falls as the displacement grows: over the whole step it is gamma
 * times that at gamma. */
static inline double pair_floor_factor(
    const struct pair *pair, enum fit_regressor r)
{
    return r == FIT_REGRESSOR_START ? 1 : pair->floor_gamma;
}
static inline double pair_noise_floor(
    const struct pair *pair, enum fit_regressor r)
{
    return pair->noise_floor * pair_floor_factor(pair, r);
}
static inline double pair_rounding_floor(
    const struct pair *pair, enum fit_regressor r)
{
    return pair->rounding_floor * pair_floor_factor(pair, r);
}

/* The loss where x is: with a mean over the whole step that of its ends. */
static inline double pair_loss(const struct pair *pair, enum fit_regressor r)
{
    return r == FIT_REGRESSOR_START ? pair->loss
                                    : (pair->loss + pair->loss_end) / 2;
}

/* A row of PAIR_FIELDS. false: no step, or of an unknown class, or of another
 * norm than L2 while of all parameters. */
bool pair_read(const struct row *row, struct pair *ret_pair);

enum pair_use pair_use(const struct pair *pair, enum fit_regressor regressor);

/* Squares as measured and what sampling noise adds to them, of one probe: what
 * pairs are made of. NaN where it is absent. */
struct pair_squares {
    double start, middle, end; /* of the gradients */
    double delta;
    double dgrad;       /* over the whole step */
    double grad_noise;  /* in a square of a gradient */
    double dgrad_noise; /* in dgrad */
    double floor;       /* y^2 that noise alone gives; 0 where not known */
    bool unknown;       /* the noise ought to be known, and is not */
};
void pair_squares_read(const struct row *row, struct pair_squares *ret);

/* How many pairs there are of each class, and with which regressor. */
struct pair_census {
    uint64_t n[PAIR_ESTIMATORS];
    uint64_t usable[PAIR_ESTIMATORS][PAIR_REGRESSORS];
};
void pair_census_add(struct pair_census *census, const struct pair *pair);
/* The class with the most usable pairs; the lowest of equals. */
unsigned pair_census_estimator(const struct pair_census *census);
/* Of that class: the best regressor that at least half of the pairs usable
 * with any have: Simpson, then trapezoid, then start. */
enum fit_regressor pair_census_regressor(
    const struct pair_census *census, unsigned estimator);

/*
 * Pairs in memory, at most `max`. When they would be more, every second one
 * goes and from then on only every 2nd, 4th, ... is kept: `every` says which.
 */
struct pairs {
    struct pair *v; /* owned */
    size_t n;
    size_t capacity;
    size_t max;
    uint64_t every;   /* 1 = all are here */
    uint64_t seen;    /* given to pairs_add */
    uint32_t window;  /* of microbatch pairs, or 0: see pair_window.h */
    uint64_t waiting; /* probes in a window that is not full */
    struct pairs_mark {
        size_t n;
        uint64_t every, seen;
    } mark;
};
void pairs_init(struct pairs *pairs, size_t max);
void pairs_done(struct pairs *pairs);
/* false: out of memory; the pairs are as before. */
bool pairs_add(struct pairs *pairs, const struct pair *pair);
/* Those that are here now stay; false from pairs_rewind: they were thinned. */
void pairs_set_mark(struct pairs *pairs);
/* Drops what came after the mark. */
bool pairs_rewind(struct pairs *pairs);

#endif
