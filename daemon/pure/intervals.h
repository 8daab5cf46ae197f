/*
 * intervals: how far the law of a sample can be trusted, by blocks of pairs
 * that are longer than their memory. Of the line with the relative-error fit's
 * weights, whose slope may be negative. Pure but for its workspace; any thread.
 */
#ifndef TRAJD_INTERVALS_H
#define TRAJD_INTERVALS_H

#include <stdbool.h>
#include <stddef.h>

#include "math/fit_absent.h"
#include "math/fit_ci.h"
#include "math/fit_dependence.h"
#include "pure/figure.h"
#include "pure/fit_sample.h"

#define INTERVALS_LEVEL 0.95 /* of those that are shown */

struct intervals {
    enum fit_absent dependence_absent;
    struct fit_dependence dependence;
    enum fit_absent absent;
    struct fit_ci ci;
    struct figure slope_p; /* of H0: L1 <= 0 */
    size_t length;         /* pairs in a block; 0: no dependence is known */
};

/* false: out of memory. */
bool intervals_of(
    const struct fit_sample *sample, double level, struct intervals *ret);

#endif
