/*
 * diag_clip: what clipping did, what other thresholds would have done, and the
 * thresholds that two published rules would choose. Pure but for the memory of
 * its history; one thread at a time.
 */
#ifndef TRAJD_DIAG_CLIP_H
#define TRAJD_DIAG_CLIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pure/diag_step.h"

#define CLIP_THRESHOLDS_MAX 8
#define CLIP_RECENT 1000 /* norms behind AutoClip's later form */
#define ZCLIP_WARM_UP 25

struct clip_window {
    uint64_t n;       /* steps of which it is known whether they were clipped */
    uint64_t clipped; /* of them */
    uint64_t n_scale; /* of them, by how much too */
    double shrink;    /* sum of 1 - c/G over those */
};

/* A threshold that was not used. */
struct clip_would {
    double threshold;
    uint64_t n, clipped;
    double scale; /* sum of c/G over the clipped */
};

/*
 * ZClip: z = (G - mean)/(deviation + 1e-6) > 2.5 is clipped to
 * mean + 2.5 deviation/(z/2.5); mean and variance are exponential averages,
 * factor 0.97, of the norms as clipped, the variance about the mean that the
 * norm has already moved; started from the first 25 norms.
 */
struct zclip {
    uint64_t n, clipped; /* after the start */
    uint64_t warm;
    double warm_norms[ZCLIP_WARM_UP];
    double mean, variance;
};

struct diag_clip {
    struct clip_window windows[DIAG_WINDOWS];
    struct clip_would would[CLIP_THRESHOLDS_MAX];
    size_t n_would;
    struct zclip zclip;
    double *norms; /* owned: the finite ||g||, in order */
    size_t n_norms, capacity;
};

void diag_clip_init(struct diag_clip *clip, const double *thresholds, size_t n);
void diag_clip_done(struct diag_clip *clip);
/* false: out of memory. */
bool diag_clip_add(
    struct diag_clip *clip, const struct diag_step *step, uint64_t last_step);

/* The norm beyond which ZClip clips now; false before its start. */
bool zclip_threshold(const struct zclip *zclip, double *ret);

/*
 * AutoClip (Seetharaman et al. 2020): the 10th percentile of all norms so far,
 * by linear interpolation; and of its later package: the 0.9 quantile of the
 * last 1,000. false: there is no norm. May reorder the history: at the end.
 */
bool autoclip_all(struct diag_clip *clip, double *ret);
bool autoclip_recent(struct diag_clip *clip, double *ret);

#endif
