/*
 * pair_window: pairs of microbatch probes, averaged before the root is taken.
 * Pure.
 *
 * U(v) of one probe is unbiased for ||E v||^2 (theory.md 4.3) and may be below
 * 0. Its root is not unbiased, and a fit that leaves out what has no root keeps
 * the probes that noise raised and drops those that it lowered: it finds too
 * much smoothness, the more so the noisier they are. So of `size` consecutive
 * usable probes the squares are averaged, and one pair comes of them:
 *   y^2 = sum U(D) / sum ||d||^2,  x from mean U(g), mean U(g'), ...
 * Each mean is unbiased for the mean of what it estimates; its deviation falls
 * as 1/sqrt(size), and with it the share of pairs that have no root. What stays
 * below 0 is NOISE_LIMITED, as is a y^2 below 4 times the noise floor of the
 * mean, floor^2/size. Losses are means, too.
 *
 * Windows follow one another and do not overlap, so that pairs stay
 * independent. A pair has the step of the last of its probes. Probes of other
 * classes, and unusable ones, pass through as they are and do not end a window;
 * a step back does: another attempt, another rank.
 */
#ifndef TRAJD_PAIR_WINDOW_H
#define TRAJD_PAIR_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "pure/pairs.h"

#define PAIR_WINDOW_DEFAULT 8
#define PAIR_WINDOW_MAX 1024

struct pair_window {
    uint32_t size;     /* 1: every probe is a pair */
    uint32_t n;        /* in the sums */
    uint64_t dropped;  /* probes of windows that a step back ended */
    struct pair first; /* its last step and or-ed flags; measured by all */
    struct pair_squares sum; /* of U where there is one */
    double ceiling;          /* sum of (||g|| + ||g'||)^2 */
    double loss, loss_end;   /* sums; NaN if one was not said */
};

void pair_window_init(struct pair_window *window, uint32_t size);

/* row: of PAIR_FIELDS, that pair_read made *pair of. true: *pair is the next
 * pair; false: it waits for others. */
bool pair_window_add(
    struct pair_window *window, const struct row *row, struct pair *pair);

/* Probes that are in no pair. */
uint64_t pair_window_waiting(const struct pair_window *window);

#endif
