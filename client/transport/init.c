/* init: fills the public record structs with "not measured". Pure. */
#include <string.h>

#include "traj.h"

/* Where the doubles and the counts of a struct lie: ranges of offsets, in
 * which every 8 bytes are one value. The rest of the struct becomes zero. */
struct layout {
    size_t doubles_from, doubles_to;
    size_t counts_from, counts_to;
};

static void fill(
    unsigned char *p, size_t size, size_t from, size_t to, const void *value)
{
    for (size_t at = from; at + 8 <= to && at + 8 <= size; at += 8) {
        memcpy(p + at, value, 8);
    }
}

/* The caller's struct may be older (shorter) or newer (longer) than ours; a
 * field we do not know we do not record, so zero will do for it. */
static void init(void *record, size_t size, const struct layout *layout)
{
    const double unset = traj_unset();
    const uint64_t unset_count = TRAJ_UNSET_COUNT;
    memset(record, 0, size);
    fill(record, size, layout->doubles_from, layout->doubles_to, &unset);
    fill(record, size, layout->counts_from, layout->counts_to, &unset_count);
}

/* Trainers or bits into flags: they start at none. */
static void clear_flags(void *record, size_t size, size_t at)
{
    fill(record, size, at, at + 8, &(uint64_t){ 0 });
}

void traj_step_init_sized(struct traj_step *step, size_t size)
{
    static const struct layout layout = {
        offsetof(struct traj_step, loss),
        offsetof(struct traj_step, grad_nan),
        offsetof(struct traj_step, grad_nan),
        offsetof(struct traj_step, stage),
    };
    init(step, size, &layout);
    memcpy(step, &size, sizeof size);
    fill((unsigned char *)step, size, offsetof(struct traj_step, step),
        offsetof(struct traj_step, loss), &(uint64_t){ TRAJ_UNSET_COUNT });
    clear_flags(step, size, offsetof(struct traj_step, flags));
}

void traj_probe_init_sized(struct traj_probe *probe, size_t size)
{
    static const struct layout layout = {
        offsetof(struct traj_probe, smoothness),
        offsetof(struct traj_probe, cost_ns),
        offsetof(struct traj_probe, cost_ns),
        offsetof(struct traj_probe, n_points),
    };
    init(probe, size, &layout);
    memcpy(probe, &size, sizeof size);
    fill((unsigned char *)probe, size, offsetof(struct traj_probe, step),
        offsetof(struct traj_probe, estimator),
        &(uint64_t){ TRAJ_UNSET_COUNT });
    clear_flags(probe, size, offsetof(struct traj_probe, flags));
}
