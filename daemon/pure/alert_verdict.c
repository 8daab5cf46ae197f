/* alert_verdict.c: the rules of alert_rules.h that are over verdicts. Pure. */
#include "pure/alert_rules.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>

#include "pure/alert_raise.h"

/* Without advice there is neither an alarm nor an all-clear. */
static void rule_lr(struct alert_rules *rules, const struct phase_verdict *main,
    uint32_t attempt, uint64_t last_step, struct alert_list *out)
{
    const struct advice *advice = &main->advice;
    const double limit = rules->limits.lr_over_limit;
    if (advice->refusal != NULL || !advice->lr_over_limit.has) {
        return;
    }
    const double ratio = advice->lr_over_limit.v;
    if (!(ratio > limit)) {
        if (ratio < ALERT_LR_CLEAR_PART * limit) {
            alert_clear(rules, ALERT_LR_OVER_LIMIT, ALERT_LR_CLEAR);
        }
        return;
    }
    struct alert *alert =
        alert_raise(rules, ALERT_LR_OVER_LIMIT, attempt, last_step, out);
    if (alert != NULL) {
        alert->value = ratio;
        alert->limit = limit;
        alert_say(rules, alert,
            "the learning rate is %.3g times the largest that is stable with "
            "the smoothness measured along this trajectory (step %" PRIu64 ")",
            ratio, last_step);
    }
}

/* Figures that a verdict calls worthless are no figures. */
static bool has_slope(const struct phase_verdict *v)
{
    return v->intervals.absent == FIT_PRESENT &&
           v->verdict.kind >= VERDICT_INCONCLUSIVE;
}

/* The larger L1 over the smaller; 1 where the intervals overlap, Inf from or to
 * a slope that is none. */
static double jump_of(
    const struct phase_verdict *a, const struct phase_verdict *b)
{
    const struct fit_interval *x = &a->intervals.ci.L1;
    const struct fit_interval *y = &b->intervals.ci.L1;
    const bool disjoint = x->high < y->low || y->high < x->low;
    const double less = fmin(x->estimate, y->estimate);
    const double more = fmax(x->estimate, y->estimate);
    if (!has_slope(a) || !has_slope(b) || !disjoint || !(more > 0)) {
        return 1;
    }
    return less > 0 ? more / less : (double)INFINITY;
}

static void say_jump(const struct alert_rules *rules, struct alert *alert,
    const struct phase_verdict *before, const struct phase_verdict *after)
{
    alert_say(rules, alert,
        "L1 went from %.3g to %.3g at step %" PRIu64
        ": how fast smoothness grows with the gradient norm has changed, and "
        "so have the clip threshold and step size that follow",
        before->intervals.ci.L1.estimate, after->intervals.ci.L1.estimate,
        alert->step);
}

/* Phases are cut anew with each verdict, and a cut moves a little as records
 * come: one near the last is the same. */
static void rule_jump(struct alert_rules *rules,
    const struct run_verdict *verdict, uint32_t attempt, struct alert_list *out)
{
    struct alert_state *state = &rules->states[ALERT_L1_JUMP];
    for (size_t i = 1; i < verdict->n; i++) {
        const struct phase_verdict *before = &verdict->v[i - 1];
        const struct phase_verdict *after = &verdict->v[i];
        const double jump = jump_of(before, after);
        const uint64_t step = after->phase.from_step;
        if (!(jump > rules->limits.l1_jump) ||
            (state->past.n > 0 && step <= state->past.step + ALERT_L1_APART)) {
            continue;
        }
        state->raised = false;
        struct alert *alert =
            alert_raise(rules, ALERT_L1_JUMP, attempt, step, out);
        if (alert != NULL) {
            alert->value = jump;
            alert->limit = rules->limits.l1_jump;
            say_jump(rules, alert, before, after);
        }
        return;
    }
}

void alert_rules_verdict(struct alert_rules *rules,
    const struct run_verdict *verdict, uint32_t attempt, uint64_t last_step,
    struct alert_list *out)
{
    assert(out->n + ALERT_VERDICT_MAX <= ALERT_LIST_MAX);
    rule_lr(rules, &verdict->v[verdict->main], attempt, last_step, out);
    rule_jump(rules, verdict, attempt, out);
}
