/* diag_spikes.c: pure; one thread at a time per struct. */
#include "pure/diag_spikes.h"

#include <math.h>

void diag_spikes_init(struct diag_spikes *spikes)
{
    *spikes = (struct diag_spikes){ 0 };
    spike_init(&spikes->loss, 0);
    spike_init(&spikes->grad, SPIKE_LOG_FLOOR);
}

/* Whether one begins here. */
static bool begins(struct diag_spikes *spikes, struct spike *spike,
    enum spike_of of, uint64_t step, double value)
{
    const bool before = spike->active;
    const double z = spike_add(spike, value);
    if (before || !spike->active) {
        return false;
    }
    spikes->recent[spikes->n_events++ % SPIKES_RECENT] =
        (struct spike_event){ of, step, z };
    return true;
}

static bool is_within(uint64_t earlier, uint64_t later)
{
    return later >= earlier && later - earlier <= SPIKES_LEAD_MAX;
}

static void expire(struct diag_spikes *spikes, uint64_t step)
{
    if (spikes->waiting && !is_within(spikes->waiting_step, step)) {
        spikes->waiting = false;
        spikes->alone++;
    }
}

static void grad_begins(struct diag_spikes *spikes, uint64_t step)
{
    spikes->n_grad++;
    if (spikes->has_loss_spike && is_within(spikes->loss_spike_step, step)) {
        spikes->with++;
        return;
    }
    if (spikes->waiting) {
        spikes->alone++; /* its loss spike would be the new one's */
    }
    spikes->waiting = true;
    spikes->waiting_step = step;
}

static void loss_begins(struct diag_spikes *spikes, uint64_t step)
{
    spikes->n_loss++;
    if (spikes->waiting) {
        spikes->waiting = false;
        spikes->leading++;
        spikes->lead_sum += (double)(step - spikes->waiting_step);
    }
}

void diag_spikes_add(struct diag_spikes *spikes, const struct diag_step *step)
{
    expire(spikes, step->step);
    if (step->loss.has) {
        spikes->n_loss_values++;
        if (begins(
                spikes, &spikes->loss, SPIKE_LOSS, step->step, step->loss.v)) {
            loss_begins(spikes, step->step);
        }
        if (spikes->loss.active) {
            spikes->has_loss_spike = true;
            spikes->loss_spike_step = step->step;
        }
    }
    if (step->norm.has) {
        spikes->n_grad_values++;
        if (begins(spikes, &spikes->grad, SPIKE_GRAD_NORM, step->step,
                log(step->norm.v))) {
            grad_begins(spikes, step->step);
        }
    }
}

const struct spike_event *diag_spikes_recent(
    const struct diag_spikes *spikes, size_t i)
{
    if (i >= SPIKES_RECENT || i >= spikes->n_events) {
        return NULL;
    }
    return &spikes->recent[(spikes->n_events - 1 - i) % SPIKES_RECENT];
}
