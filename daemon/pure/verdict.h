/*
 * verdict: what may be said of a phase of a run in one sentence, from figures
 * that others have computed. One of a closed list, with its reasons as data.
 * Pure; any thread.
 *
 * The order is that of what makes a figure worthless first (theory.md 0): too
 * little data, noise, rounding, the ceiling that any function has, a gradient
 * norm that hardly varies or only with time; then the law, and last whether the
 * operator norm agrees, for the smoothness along the update follows the
 * gradient norm even on a quadratic. Wording: "along this trajectory", never of
 * the network.
 */
#ifndef TRAJD_VERDICT_H
#define TRAJD_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "pure/figure.h"

enum verdict_kind {
    VERDICT_NO_DATA,
    VERDICT_TOO_FEW,
    VERDICT_NOISE_LIMITED,
    VERDICT_ROUNDING_LIMITED,
    VERDICT_NEAR_CEILING,
    VERDICT_NOT_IDENTIFIABLE,
    VERDICT_NOT_SEPARABLE, /* from time */
    VERDICT_INCONCLUSIVE,
    VERDICT_FLAT,
    VERDICT_FALLS,
    VERDICT_DIRECTION_ARTEFACT,
    VERDICT_GROWS_UNCONFIRMED, /* along the update; no operator norm to tell */
    VERDICT_GROWS,             /* the operator norm too: L1 > 0 */
    VERDICT_KINDS,
};
/* "no_data", "too_few", ... */
const char *verdict_name(enum verdict_kind kind);

/* What a verdict is made of. Zero: nothing is known. */
struct verdict_facts {
    uint64_t probes;      /* that were looked at */
    uint64_t n;           /* pairs fitted */
    uint64_t noise;       /* pairs left out as noise-limited */
    uint64_t rounding;    /* pairs left out as rounding only, or too short */
    uint64_t still;       /* of these: the update was too short to measure */
    const char *left_out; /* why most of the others were, constant; or NULL */
    bool noise_unknown;   /* gradients of different data, their noise unknown */
    bool constant;        /* all y are the same */
    struct figure n_eff;  /* independent pairs among n */
    struct figure ceiling_ratio; /* median of y / ceiling */
    struct figure x_spread;      /* q95(x) / q05(x) */
    struct figure proportional;  /* mean y / mean x: L1 of a law without L0 */
    struct figure step_rank;     /* Spearman of x and step */
    struct figure partial_rank;  /* Spearman of y and x, given step (and lr) */
    struct figure partial_p;     /* that it is above 0 by chance */
    struct figure partial_p_any; /* that it differs from 0 by chance */
    struct figure slope, slope_low, slope_high; /* L1, unconstrained */
    struct figure slope_p; /* that it is above 0 by chance */
    double level;          /* of the interval: 0.95 */
    unsigned phases;       /* that are judged beside each other; 0 is 1 */
    struct figure growth;  /* of y: d ln y / d ln x by least squares */
    /* The operator norm beside the gradient norm at the same points. */
    uint64_t operator_n;
    struct figure operator_spread; /* q95/q05 of the operator norm */
    struct figure operator_rank;   /* Spearman of the two */
    struct figure operator_p; /* that it is above 0 by chance, given step */
    struct figure operator_growth, operator_growth_se; /* as growth */
    struct figure operator_share; /* median y / median operator norm */
    struct figure operator_high;  /* q95, of any number of them */
};

/* Beside those of math/fit_limits.h. */
#define VERDICT_PAIRS_MIN 30u
#define VERDICT_N_EFF_MIN 30.0
/* Of pairs that noise has taken out: those that stay are the higher ones. */
#define VERDICT_NOISE_SHARE_MAX 0.1
/* Of all phases of a run together (Bonferroni): of many, one looks like growth
 * by chance. */
#define VERDICT_P_MAX 0.05
#define VERDICT_OPERATOR_MIN 30u
/* The operator norm grows with it if at least a quarter as fast, and does not
 * if certainly less than half as fast; between the two it does not tell. */
#define VERDICT_OPERATOR_GROWTH_MIN 0.25
#define VERDICT_OPERATOR_GROWTH_LOW 0.5
/* The smoothness along a direction is no larger than the operator norm; over a
 * whole step it may be a little. */
#define VERDICT_OPERATOR_SHARE_MAX 1.5

/* A figure and what it was held against. */
struct verdict_reason {
    const char *name; /* constant: "pairs", "ceiling_ratio", ... */
    double value;
    double limit;    /* NaN: none */
    bool speaks_for; /* for the kind that was found, or against a law */
};
#define VERDICT_REASONS_MAX 16u

struct verdict {
    enum verdict_kind kind;
    struct verdict_reason reasons[VERDICT_REASONS_MAX];
    size_t n_reasons;
};

void verdict_decide(const struct verdict_facts *facts, struct verdict *ret);

/* One sentence for people, without a full stop's need of anything else.
 * Appends; look at out->failed. */
void verdict_sentence(const struct verdict *verdict,
    const struct verdict_facts *facts, struct buf *out);

#endif
