/* run_state.c: owns the daemon's limits, set before any thread starts; any
 * thread.
 */
#include "pure/run_state.h"

#include <assert.h>

static struct run_limits limits_in_use = RUN_LIMITS_DEFAULT;

void run_limits_set(const struct run_limits *limits)
{
    limits_in_use = *limits;
}

const struct run_limits *run_limits(void)
{
    return &limits_in_use;
}

/* Longer than limit_ns ago. A time after now (a clock set back) is recent. */
static bool older_than(int64_t then_ns, int64_t now_ns, int64_t limit_ns)
{
    int64_t age = 0;
    bool overflow = __builtin_sub_overflow(now_ns, then_ns, &age);
    return overflow ? then_ns < now_ns : age > limit_ns;
}

int64_t run_state_stall_ns(
    const struct run_facts *facts, const struct run_limits *limits)
{
    int64_t scaled = 0;
    if (__builtin_mul_overflow(
            facts->step_interval_ns, limits->stall_factor, &scaled)) {
        return INT64_MAX;
    }
    return scaled > limits->stall_least_ns ? scaled : limits->stall_least_ns;
}

enum run_state run_state_at(const struct run_facts *facts, int64_t now_wall_ns,
    const struct run_limits *limits)
{
    if (facts->finished) {
        return facts->exit_code == 0 ? RUN_FINISHED : RUN_FAILED;
    }
    if (facts->writer_gone ||
        older_than(facts->heard_wall_ns, now_wall_ns, limits->lost_after_ns)) {
        return RUN_LOST;
    }
    bool stepped = facts->last_step_wall_ns != 0;
    if (stepped && older_than(facts->last_step_wall_ns, now_wall_ns,
                       run_state_stall_ns(facts, limits))) {
        return RUN_STALLED;
    }
    return RUN_LIVE;
}

const char *run_state_name(enum run_state state)
{
    static const char *const names[] = {
        [RUN_LIVE] = "live",
        [RUN_STALLED] = "stalled",
        [RUN_LOST] = "lost",
        [RUN_FINISHED] = "finished",
        [RUN_FAILED] = "failed",
    };
    return names[state];
}

const char *run_gap_name(unsigned i)
{
    static const char *const names[RUN_GAPS] = { "lost_records",
        "dropped_records", "stream_open", "rank_missing" };
    static_assert(RUN_GAP_RANK == 1 << (RUN_GAPS - 1), "a name for each bit");
    assert(i < RUN_GAPS);
    return names[i];
}
