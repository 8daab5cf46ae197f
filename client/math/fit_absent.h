/* fit_absent: why an interval or a test is not there: never a silent number.
 * Values as in enum traj_absent. */
#ifndef TRAJ_FIT_ABSENT_H
#define TRAJ_FIT_ABSENT_H

enum fit_absent {
    FIT_PRESENT = 0,
    FIT_ABSENT_ARGUMENT = 1,      /* a level, count or method out of range */
    FIT_ABSENT_FEW_SAMPLES = 2,   /* too few to say anything */
    FIT_ABSENT_UNDETERMINED = 3,  /* all x equal */
    FIT_ABSENT_CONSTANT = 4,      /* y, or what is left of it, is constant */
    FIT_ABSENT_FEW_BLOCKS = 5,    /* fewer than FIT_BLOCKS_MIN */
    FIT_ABSENT_SHORT_BLOCKS = 6,  /* blocks not longer than 2 tau_int */
    FIT_ABSENT_LONG_MEMORY = 7,   /* autocorrelation outlasts the series */
    FIT_ABSENT_NOT_SEPARABLE = 8, /* x or y is monotone in a covariate */
};

#endif
