/* run_law: what the daemon sends back, for trainers that ask. Any thread. */
#include <string.h>

#include "error.h"
#include "transport/law.h"
#include "transport/record.h"
#include "transport/run_impl.h"

/* By bits: a trainer's NaN is to raise nothing here. */
static bool is_nan(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7fffffffffffffffu) > 0x7ff0000000000000u;
}

static struct traj_advice advice_of(
    const struct law *law, enum traj_rule rule, double grad_norm)
{
    int64_t now = times_now().mono_ns;
    return (struct traj_advice){
        .n = law->n,
        .L0 = law->L0,
        .L1 = law->L1,
        .step = traj_rule_step(rule, law->L0, law->L1, grad_norm),
        .clip_threshold = traj_rule_threshold(rule, law->L0, law->L1),
        .age_ns =
            now > law->said_mono_ns ? (uint64_t)(now - law->said_mono_ns) : 0,
    };
}

enum traj_status traj_advice(const traj_run *run, enum traj_rule rule,
    double grad_norm, struct traj_advice *advice)
{
    enum traj_status status = run_admit(run);
    if (status != TRAJ_OK) {
        return status;
    }
    if (advice == NULL || advice->size < sizeof advice->size) {
        return error_set_static(TRAJ_EINVAL, "advice is NULL or has no size");
    }
    if (is_nan(traj_rule_step(rule, 1, 1, grad_norm))) {
        return error_set_static(
            TRAJ_EINVAL, "no such rule, or grad_norm is NaN or negative");
    }
    struct law law;
    if (!law_read(&run->sender.law, &law)) {
        return error_set_static(
            TRAJ_ENOLAW, "the daemon has no law for this run, or none yet");
    }
    struct traj_advice full = advice_of(&law, rule, grad_norm);
    full.size = advice->size;
    /* As much as the caller's struct has. */
    memcpy(
        advice, &full, advice->size < sizeof full ? advice->size : sizeof full);
    return TRAJ_OK;
}

uint32_t traj_wanted_probe_every(const traj_run *run)
{
    return run_admit(run) == TRAJ_OK ? law_probe_every(&run->sender.law) : 0;
}
