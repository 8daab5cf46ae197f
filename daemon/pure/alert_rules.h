/*
 * alert_rules: when a run needs somebody to look at it. Seven rules over what
 * the analysis thread sees of one run: its STEP records in order, its state,
 * its verdict. Pure; memory only in struct alert_rules; one thread at a time.
 *
 * Each rule has hysteresis: what is raised once is raised again only after it
 * was clear for a while (ALERT_*_CLEAR), and no rule raises more than
 * ALERTS_PER_RULE_MAX alerts of one run. An alert is of an attempt and a step;
 * none is raised at or before that of the rule's last one, so that records
 * that are looked at again, after a restart say, raise nothing new.
 */
#ifndef TRAJD_ALERT_RULES_H
#define TRAJD_ALERT_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "math/spike.h"
#include "pure/grad_norm.h"
#include "pure/row.h"
#include "pure/run_state.h"
#include "pure/run_verdict.h"
#include "wire.h"

enum alert_rule {
    ALERT_NON_FINITE,    /* a loss, gradient or parameter is NaN or Inf */
    ALERT_SPIKE,         /* loss or gradient norm far out of its recent range */
    ALERT_STALL,         /* the run makes no step, or is not heard */
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

#define ALERTS_PER_RULE_MAX 32u /* of one run */
#define ALERT_SENTENCE_MAX 240u /* bytes, the terminator included */

struct alert {
    enum alert_rule rule;
    enum alert_severity severity;
    uint32_t attempt;
    uint64_t step;
    int64_t wall_ns; /* when it was raised: whoever asks the rules sets it */
    double value;    /* may be NaN or Inf: that is what was measured */
    double limit;    /* that the value is beyond; NaN: there is none */
    char sentence[ALERT_SENTENCE_MAX]; /* for people */
};

/* What a value must be above. */
struct alert_limits {
    double spike_z;          /* robust standard deviations; spike.h */
    double clip_fraction;    /* of the last ALERT_CLIP_WINDOW steps */
    double skipped_fraction; /* of the last ALERT_SKIPPED_WINDOW steps */
    double lr_over_limit;    /* lr over the largest stable one */
    double l1_jump;          /* the larger L1 over the smaller one */
};
#define ALERT_LIMITS_DEFAULT                                                   \
    ((struct alert_limits){ .spike_z = SPIKE_Z_ENTER,                          \
        .clip_fraction = 0.9,                                                  \
        .skipped_fraction = 0.5,                                               \
        .lr_over_limit = 1,                                                    \
        .l1_jump = 2 })

#define ALERT_CLIP_WINDOW 1000u
#define ALERT_SKIPPED_WINDOW 100u

/* What it takes for a rule to be clear again. */
#define ALERT_NON_FINITE_CLEAR 100u /* finite steps in a row */
#define ALERT_SPIKE_CLEAR 32u       /* steps in a row without a spike */
#define ALERT_STALL_CLEAR 10u       /* steps since; or another attempt */
#define ALERT_SHARE_CLEAR 0.8       /* share below this part of the limit */
#define ALERT_LR_CLEAR 3u           /* verdicts in a row ... */
#define ALERT_LR_CLEAR_PART 0.9     /* ... below this part of the limit */
#define ALERT_L1_APART 500u         /* steps from the last jump to the next */

/* What is known of a rule from before: the number of its alerts and the last of
 * them, by attempt and step. */
struct alert_past {
    uint32_t n;
    uint32_t attempt;
    uint64_t step;
};

struct alert_state {
    struct alert_past past;
    bool raised;    /* and not clear since */
    uint32_t clear; /* in a row */
};

/* A window of yes and no. */
struct alert_share {
    uint64_t bits[(ALERT_CLIP_WINDOW + 63) / 64];
    uint32_t length; /* of the window */
    uint32_t n;      /* in it, at most length */
    uint32_t next;
    uint32_t set;
};

struct alert_rules {
    struct alert_limits limits;
    struct alert_state states[ALERT_RULES];
    struct spike loss;
    struct spike grad;
    struct alert_share clipped;
    struct alert_share skipped;
    bool seen_alive; /* the run was live or stalled */
};

/* What was raised and nobody has taken yet. */
#define ALERT_LIST_MAX 8u
struct alert_list {
    struct alert v[ALERT_LIST_MAX];
    size_t n;
};

void alert_rules_init(struct alert_rules *rules,
    const struct alert_limits *limits,
    const struct alert_past past[static ALERT_RULES]);

/* Columns that alert_rules_step looks at. */
#define ALERT_STEP_FIELDS                                                      \
    (ROW_BIT(STEP_step) | ROW_BIT(STEP_loss) | ROW_BIT(STEP_lr) |              \
        ROW_BIT(STEP_grad_sq) | ROW_BIT(STEP_param_sq) |                       \
        ROW_BIT(STEP_delta_sq) | ROW_BIT(STEP_grad_nan) |                      \
        ROW_BIT(STEP_grad_inf) | ROW_BIT(STEP_param_nan) |                     \
        ROW_BIT(STEP_param_inf) | ROW_BIT(STEP_clip_scale) |                   \
        ROW_BIT(STEP_clip_threshold) | ROW_BIT(STEP_flags) |                   \
        ROW_BIT(STEP_fold_count) | ROW_BIT(STEP_fold_loss_max) |               \
        ROW_BIT(STEP_fold_grad_sq_max) | ROW_BIT(STEP_fold_nonfinite) |        \
        ROW_BIT(STEP_fold_clipped) | GRAD_DIVISOR_FIELDS)

#define ALERT_STEP_MAX 4u    /* alerts of one step */
#define ALERT_VERDICT_MAX 2u /* of one verdict */

/* The next STEP record of an attempt. world: processes of the run. out has room
 * for ALERT_STEP_MAX. */
void alert_rules_step(struct alert_rules *rules, uint32_t attempt,
    const struct row *row, uint32_t world, struct alert_list *out);

/* Where the run is now; out has room for one. */
struct alert_situation {
    const struct run_facts *facts;
    int64_t now_wall_ns;
    uint32_t attempt;
    uint64_t last_step; /* 0: none yet */
};
void alert_rules_state(struct alert_rules *rules,
    const struct alert_situation *now, struct alert_list *out);

/* A new verdict, when last_step was the run's last; out has room for
 * ALERT_VERDICT_MAX. */
void alert_rules_verdict(struct alert_rules *rules,
    const struct run_verdict *verdict, uint32_t attempt, uint64_t last_step,
    struct alert_list *out);

#endif
