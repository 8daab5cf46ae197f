/* alert_silence.c: see the header. */
#include "pure/alert_silence.h"

#include <inttypes.h>
#include <math.h>

#include "base/clock.h"

static double seconds(int64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

static void say_stalled(const struct alert_situation *now, struct alert *alert)
{
    alert->limit = seconds(run_state_stall_ns(now->facts, run_limits()));
    alert_say(alert,
        "no step for %.3g s after step %" PRIu64
        ", though the trainer is heard: it hangs, or a step takes long",
        alert->value, now->last_step);
}

static void say_lost(const struct alert_situation *now, struct alert *alert)
{
    alert->severity = ALERT_ERROR;
    if (now->facts->writer_gone) {
        alert_say(alert,
            "the trainer has ended after step %" PRIu64
            " without saying that it has finished",
            now->last_step);
        return;
    }
    alert->limit = seconds(run_limits()->lost_after_ns);
    alert_say(alert,
        "nothing was heard of the trainer for %.3g s after step %" PRIu64
        ": it was killed, or its machine or network is down",
        alert->value, now->last_step);
}

static void say(const struct alert_situation *now, enum run_state state,
    uint32_t rank, struct alert *ret)
{
    const bool stalled = state == RUN_STALLED;
    const int64_t then =
        stalled ? now->facts->last_step_wall_ns : now->facts->heard_wall_ns;
    *ret = (struct alert){ .rule = ALERT_STALL,
        .severity = ALERT_WARNING,
        .rank = rank,
        .attempt = now->attempt,
        .step = now->last_step,
        .value = seconds(now->now_wall_ns - then),
        .limit = (double)NAN };
    if (stalled) {
        say_stalled(now, ret);
    } else {
        say_lost(now, ret);
    }
}

/* true: silent for so many looks now, and no more. */
static bool is_news(
    struct alert_silence *silence, bool is_silent, uint8_t wanted)
{
    const uint8_t before = silence->looks;
    silence->looks = !is_silent        ? 0
                     : before < wanted ? (uint8_t)(before + 1)
                                       : before;
    return before < wanted && silence->looks == wanted;
}

static void say_behind(const struct alert_behind *behind, struct alert *alert)
{
    if (behind->n == 0 || 2 * (uint64_t)behind->n >= behind->world) {
        return;
    }
    alert->rank = behind->rank;
    if (behind->n == 1) {
        alert_say(alert, "; rank %" PRIu32 " is behind, at step %" PRIu64,
            behind->rank, behind->step);
        return;
    }
    alert_say(alert,
        "; %" PRIu32 " of %" PRIu32 " ranks are behind, the lowest %" PRIu32
        " at step %" PRIu64,
        behind->n, behind->world, behind->rank, behind->step);
}

bool alert_silence_of_run(struct alert_silence *silence,
    const struct alert_situation *now, const struct alert_behind *behind,
    struct alert *ret)
{
    const enum run_state state =
        run_state_at(now->facts, now->now_wall_ns, run_limits());
    const bool is_silent =
        state == RUN_STALLED || (state == RUN_LOST && silence->seen_alive);
    silence->seen_alive =
        silence->seen_alive || state == RUN_LIVE || state == RUN_STALLED;
    if (!is_news(silence, is_silent, 1)) {
        return false;
    }
    say(now, state, ALERT_NO_RANK, ret);
    say_behind(behind, ret);
    return true;
}

bool alert_silence_of_rank(struct alert_silence *silence,
    const struct alert_situation *now, uint32_t rank, struct alert *ret)
{
    const enum run_state state =
        run_state_at(now->facts, now->now_wall_ns, run_limits());
    const bool is_silent =
        silence->seen_alive && (state == RUN_STALLED || state == RUN_LOST);
    silence->seen_alive = silence->seen_alive || state == RUN_LIVE;
    if (!is_news(silence, is_silent, ALERT_SILENCE_LOOKS)) {
        return false;
    }
    say(now, state, rank, ret);
    return true;
}
