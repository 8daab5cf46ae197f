/* alert: what a run was found to need somebody for, at one step of one attempt.
 * Pure. */
#ifndef TRAJD_ALERT_H
#define TRAJD_ALERT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

enum alert_rule {
    ALERT_NON_FINITE,    /* a loss, gradient or parameter is NaN or Inf */
    ALERT_SPIKE,         /* loss or gradient norm far out of its recent range */
    ALERT_STALL,         /* no step is made, or nothing is heard */
    ALERT_CLIP_FRACTION, /* nearly every step is clipped */
    ALERT_SKIPPED,       /* updates are skipped */
    ALERT_LR_OVER_LIMIT, /* lr beyond what the fitted law is stable with */
    ALERT_L1_JUMP,       /* L1 of two consecutive phases differs */
    ALERT_RULES,
};
/* "non_finite", "spike", ... */
const char *alert_rule_name(enum alert_rule rule);
/* false: no rule has this name. */
bool alert_rule_find(struct str name, enum alert_rule *ret);

enum alert_severity { ALERT_WARNING, ALERT_ERROR };
const char *alert_severity_name(enum alert_severity severity);

#define ALERT_SENTENCE_MAX 320u  /* bytes, the terminator included */
#define ALERT_NO_RANK UINT32_MAX /* it is of the run */

struct alert {
    enum alert_rule rule;
    enum alert_severity severity;
    uint32_t rank; /* the process that has it; or ALERT_NO_RANK */
    uint32_t attempt;
    uint64_t step;
    int64_t wall_ns; /* when it was raised */
    double value;    /* may be NaN or Inf: that is what was measured */
    double limit;    /* that the value is beyond; NaN: there is none */
    char sentence[ALERT_SENTENCE_MAX]; /* for people */
};

/* Appends to its sentence; what finds no room is left out. */
void alert_say(struct alert *alert, const char *format, ...) PRINTF_LIKE(2, 3);

/* What a value must be above. */
struct alert_limits {
    double spike_z;          /* robust standard deviations; spike.h */
    double clip_fraction;    /* of the last ALERT_CLIP_WINDOW steps */
    double skipped_fraction; /* of the last ALERT_SKIPPED_WINDOW steps */
    double lr_over_limit;    /* lr over the largest stable one */
    double l1_jump;          /* the larger L1 over the smaller one */
};
#define ALERT_LIMITS_DEFAULT                                                   \
    ((struct alert_limits){ .spike_z = 6,                                      \
        .clip_fraction = 0.9,                                                  \
        .skipped_fraction = 0.5,                                               \
        .lr_over_limit = 1,                                                    \
        .l1_jump = 2 })

#endif
