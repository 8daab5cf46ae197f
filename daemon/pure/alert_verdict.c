/* alert_verdict.c: pure; one thread at a time. */
#include "pure/alert_verdict.h"

#include <inttypes.h>
#include <math.h>

static struct alert of_run(
    enum alert_rule rule, uint32_t attempt, uint64_t step)
{
    return (struct alert){ .rule = rule,
        .severity = ALERT_WARNING,
        .rank = ALERT_NO_RANK,
        .attempt = attempt,
        .step = step };
}

/* Without advice there is neither an alarm nor an all-clear. */
bool alert_verdict_lr(struct alert_gate *gate, double limit,
    const struct run_verdict *verdict, uint32_t attempt, uint64_t last_step,
    struct alert *ret)
{
    const struct advice *advice = &verdict->v[verdict->main].advice;
    if (advice->refusal != NULL || !advice->lr_over_limit.has) {
        return false;
    }
    const double ratio = advice->lr_over_limit.v;
    if (!(ratio > limit)) {
        if (ratio < ALERT_LR_CLEAR_PART * limit) {
            alert_gate_clear(gate, ALERT_LR_CLEAR);
        }
        return false;
    }
    if (!alert_gate_raise(gate)) {
        return false;
    }
    *ret = of_run(ALERT_LR_OVER_LIMIT, attempt, last_step);
    ret->value = ratio;
    ret->limit = limit;
    alert_say(ret,
        "the learning rate is %.3g times the largest that is stable with "
        "the smoothness measured along this trajectory (step %" PRIu64 ")",
        ratio, last_step);
    return true;
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

static void say_jump(const struct phase_verdict *before,
    const struct phase_verdict *after, struct alert *alert)
{
    alert_say(alert,
        "L1 went from %.3g to %.3g at step %" PRIu64
        ": how fast smoothness grows with the gradient norm has changed, and "
        "so have the clip threshold and step size that follow",
        before->intervals.ci.L1.estimate, after->intervals.ci.L1.estimate,
        alert->step);
}

bool alert_verdict_jump(const uint64_t *last_jump, double limit,
    const struct run_verdict *verdict, uint32_t attempt, struct alert *ret)
{
    for (size_t i = 1; i < verdict->n; i++) {
        const struct phase_verdict *before = &verdict->v[i - 1];
        const struct phase_verdict *after = &verdict->v[i];
        const double jump = jump_of(before, after);
        const uint64_t step = after->phase.from_step;
        if (!(jump > limit) ||
            (last_jump != NULL &&
                (step <= *last_jump || step - *last_jump <= ALERT_L1_APART))) {
            continue;
        }
        *ret = of_run(ALERT_L1_JUMP, attempt, step);
        ret->value = jump;
        ret->limit = limit;
        say_jump(before, after, ret);
        return true;
    }
    return false;
}
