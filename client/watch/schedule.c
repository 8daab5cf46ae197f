/* schedule.c: see schedule.h. Runs in the trainer's thread. */
#include "watch/schedule.h"

void schedule_init(
    struct schedule *schedule, uint32_t every, double budget, uint32_t burst)
{
    *schedule = (struct schedule){
        .budget = budget > 0 ? budget : SCHEDULE_BUDGET_DEFAULT,
        .every = every,
        .burst = burst,
    };
    if (burst == 0) {
        /* Who asks for an interval gets that and no more. */
        schedule->burst = every == 0 ? SCHEDULE_BURST_DEFAULT : 0;
    } else if (burst == UINT32_MAX) {
        schedule->burst = 0;
    }
}

void schedule_start(struct schedule *schedule, int64_t now_ns)
{
    if (schedule->started_ns == 0) {
        schedule->started_ns = now_ns;
    }
}

/* Of what the budget allows up to now, when a further cost_ns is spent. */
static bool affordable(
    const struct schedule *s, int64_t now_ns, int64_t cost_ns)
{
    const double training =
        (double)(now_ns - s->started_ns) - (double)s->probing_ns;
    return (double)s->probing_ns + (double)cost_ns <= s->budget * training;
}

static bool is_due(struct schedule *s, int64_t now_ns, enum schedule_kind next)
{
    const uint32_t every = s->remote != 0 ? s->remote : s->every;
    if (every != 0) {
        s->owed = s->owed || (s->updates - 1) % every == 0;
        return s->owed;
    }
    return s->probes == 0 || affordable(s, now_ns, s->expected_ns[next] / 2);
}

enum schedule_reason schedule_update(
    struct schedule *schedule, int64_t now_ns, struct schedule_step step)
{
    struct schedule *s = schedule;
    s->updates++;
    if (s->every == UINT32_MAX) {
        return SCHEDULE_NOT;
    }
    const bool due = is_due(s, now_ns, step.next);
    /* Not on top of a debt: spikes that follow each other would run away. */
    if (step.spike && s->burst_left == 0 &&
        (s->every != 0 || affordable(s, now_ns, 0))) {
        s->burst_left = s->burst;
    }
    if (!step.measured) {
        return SCHEDULE_NOT;
    }
    s->owed = false;
    if (s->burst_left > 0) {
        s->burst_left--;
        return due ? SCHEDULE_REGULAR : SCHEDULE_BURST;
    }
    return due ? SCHEDULE_REGULAR : SCHEDULE_NOT;
}

void schedule_probed(
    struct schedule *schedule, enum schedule_kind kind, int64_t cost_ns)
{
    struct schedule *s = schedule;
    int64_t *expected_ns = &s->expected_ns[kind];
    *expected_ns = *expected_ns == 0 ? cost_ns : *expected_ns / 2 + cost_ns / 2;
    s->probing_ns += cost_ns;
    s->probes++;
}
