/*
 * spike: is a value far out of the recent range of its series? Robust z of it
 * against the median and the MAD of the values before it. Pure; memory only in
 * struct spike; one thread at a time.
 */
#ifndef TRAJ_SPIKE_H
#define TRAJ_SPIKE_H

#include <stdbool.h>
#include <stdint.h>

#define SPIKE_WINDOW 128u
#define SPIKE_WINDOW_MIN 32u /* values before anything is judged */
#define SPIKE_Z_ENTER 6.0
#define SPIKE_Z_LEAVE 3.0
/* The floor for logarithms: 2^-20 of what they are taken of. */
#define SPIKE_LOG_FLOOR 0x1p-20

struct spike {
    double ring[SPIKE_WINDOW];   /* in order of arrival */
    double sorted[SPIKE_WINDOW]; /* the same, ascending */
    uint32_t n;
    uint32_t next;
    double floor;
    bool active; /* z rose above SPIKE_Z_ENTER and has not yet come down to
                    SPIKE_Z_LEAVE or below: one spike, however long */
};

/*
 * floor: the smallest spread that means anything, in the unit of the values; 0
 * if none is known. 2^-20 of the median's magnitude is a floor in any case: a
 * series at rest must not call its own rounding a spike.
 */
void spike_init(struct spike *spike, double floor);

/*
 * z = (value - median)/s over the SPIKE_WINDOW values before this one, then
 * value is one of them. s = 1.4826 MAD, which is the standard deviation of a
 * normal law; where more than half of the values are equal, and the MAD is 0,
 * 1.2533 times the mean distance from the median, which is so too; at least the
 * floors. 0 while fewer than SPIKE_WINDOW_MIN values are there; +-Inf for a
 * value that differs where all s are 0. A value that is not finite is never one
 * of the window's: NaN and Inf give Inf, -Inf gives -Inf.
 * O(SPIKE_WINDOW); does not allocate. Independent of the caller's
 * floating-point environment.
 */
double spike_add(struct spike *spike, double value);

#endif
