/*
 * alert_cases: from what was found of the processes of a run, alerts of the
 * run: one, and not one for each of its ranks, where many have the same trouble
 * at the same time, and none that was raised before. Pure; memory only in
 * struct alert_cases; one thread at a time.
 *
 * The same trouble: of one rule and attempt, less than ALERT_TOGETHER steps
 * apart. A NaN of one rank is one of all the others a step later: the rank that
 * had it first is named, the others are counted. So what is found of a rank
 * waits ALERT_SETTLE_NS for the other ranks' records, or until all are in.
 *
 * Raised before: the same trouble, whoever had it; and what is found of a rank
 * at or before the step of the last alert of its own, or of the run, as when
 * records are looked at again after a restart. Of one rule no more than
 * ALERTS_PER_RULE_MAX are raised of a run, and ALERTS_PER_RANK_MAX of a rank,
 * that one which always has something does not drown the others.
 */
#ifndef TRAJD_ALERT_CASES_H
#define TRAJD_ALERT_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "pure/alert.h"

#define ALERTS_PER_RULE_MAX 32u /* of one run */
#define ALERTS_PER_RANK_MAX 8u  /* of them, of one rank that is named */
#define ALERT_TOGETHER 10u      /* steps */
#define ALERT_SETTLE_NS (2 * NS_PER_S)

/* What was raised. */
struct alert_past {
    struct alert_told {
        uint32_t rank; /* or ALERT_NO_RANK */
        uint32_t attempt;
        uint64_t step;
    } v[ALERT_RULES][ALERTS_PER_RULE_MAX];
    uint32_t n[ALERT_RULES];
};
/* One more than ALERTS_PER_RULE_MAX is left out. */
void alert_past_add(struct alert_past *past, enum alert_rule rule,
    const struct alert_told *told);

/* Found, and not raised yet. */
struct alert_case {
    struct alert alert; /* of the lowest rank at the first step */
    int64_t opened_mono_ns;
    uint32_t first; /* ranks that have it at that step; 0: it is the run's */
    uint32_t later; /* that have it at the steps after it */
};

struct alert_cases {
    struct alert_past past;
    uint32_t world; /* processes of the run */
    /* With what is in past there are at most ALERTS_PER_RULE_MAX of a rule. */
    struct alert_case open[ALERT_RULES * ALERTS_PER_RULE_MAX];
    size_t n;
};

/* The highest step of what is found by a rule, raised or not. false: nothing.
 */
bool alert_cases_last_step(
    const struct alert_cases *cases, enum alert_rule rule, uint64_t *ret_step);

/* Of the run; who it names, if anybody, is in found->rank. */
void alert_cases_add_of_run(
    struct alert_cases *cases, const struct alert *found, int64_t now_mono_ns);
/* Of one process among others. A rank that has told of a trouble does not tell
 * of it again before it was clear (alert_gate). */
void alert_cases_add_of_rank(
    struct alert_cases *cases, const struct alert *found, int64_t now_mono_ns);

/* The next alert to raise, that of the earliest step, with its rank and its
 * whole sentence; the same until alert_cases_told. false: there is none now. */
bool alert_cases_next(struct alert_cases *cases, int64_t now_mono_ns,
    int64_t now_wall_ns, struct alert *ret);
/* What alert_cases_next gave is stored. */
void alert_cases_told(struct alert_cases *cases, const struct alert *told);

#endif
