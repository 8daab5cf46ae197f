/* watch_options: what traj_watch_open was asked for, checked, with what an
 * older caller does not know left at its default. Pure. */
#ifndef TRAJ_WATCH_WATCH_OPTIONS_H
#define TRAJ_WATCH_WATCH_OPTIONS_H

#include <stdbool.h>

#include "traj.h"

/*
 * Defaults are filled in: estimator, gammas, sharpness_every, different_every.
 * segments always lists the arrays: one flat array is made the segment *flat,
 * which must live as long as *ret_options. Groups are checked in groups.c.
 */
TRAJ_CHECK enum traj_status watch_options_read(
    const struct traj_watch_options *given, struct traj_watch_segment *flat,
    struct traj_watch_options *ret_options);

/* Whether the operator norm is measured, of options that were read. */
static inline bool watch_options_sharpness(const struct traj_watch_options *o)
{
    return o->sharpness_every != UINT32_MAX;
}

#endif
