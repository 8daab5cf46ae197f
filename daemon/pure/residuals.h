/*
 * residuals: what the relative-error fit leaves of consecutive pairs, weighted
 * as it weighs them, and for how long that remembers. Pure but for its memory;
 * any thread.
 */
#ifndef TRAJD_RESIDUALS_H
#define TRAJD_RESIDUALS_H

#include <stdbool.h>
#include <stddef.h>

#include "math/fit.h"
#include "math/fit_absent.h"
#include "math/fit_dependence.h"
#include "pure/fit_sample.h"

struct residuals {
    enum fit_absent absent; /* FIT_PRESENT, or why there is no more than w */
    struct fit_line line;   /* of all */
    double *w;              /* weights of the pairs; owned */
    struct fit_dependence dependence;
};

/*
 * Of the pairs [from, to) of the sample. pieces >= 1: what is left of so many
 * equal pieces, each with a weighted line of its own, so that a law that
 * changes does not look like one that remembers. false: out of memory. Else
 * *ret is for residuals_done.
 */
bool residuals_of(const struct fit_sample *sample, size_t from, size_t to,
    size_t pieces, struct residuals *ret);
void residuals_done(struct residuals *residuals);

#endif
