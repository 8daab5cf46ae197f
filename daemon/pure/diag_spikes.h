/*
 * diag_spikes: spikes of the loss and of log ||g|| (math/spike.h), and which
 * of the two comes first. Pure.
 */
#ifndef TRAJD_DIAG_SPIKES_H
#define TRAJD_DIAG_SPIKES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "math/spike.h"
#include "pure/diag_step.h"

#define SPIKES_LEAD_MAX 32 /* steps within which two belong together */
#define SPIKES_RECENT 16

enum spike_of { SPIKE_LOSS, SPIKE_GRAD_NORM };

struct spike_event {
    enum spike_of of;
    uint64_t step; /* of its first value */
    double z;
};

/*
 * A spike of ||g|| belongs to the spike of the loss that begins at most
 * SPIKES_LEAD_MAX steps after it, or that is on or began that long before.
 * Each is counted in one of three: alone, leading by 1 or more steps, with
 * (the loss's came first or at the same step); one whose time is not over at
 * the last step is in none of them.
 */
struct diag_spikes {
    struct spike loss, grad;
    uint64_t n_loss_values, n_grad_values;
    uint64_t n_loss, n_grad; /* spikes */
    uint64_t alone, leading, with;
    double lead_sum; /* steps, of the leading */
    bool waiting;    /* a spike of ||g|| at waiting_step waits for the loss */
    uint64_t waiting_step;
    bool has_loss_spike;
    uint64_t loss_spike_step;                 /* the last on which one was on */
    struct spike_event recent[SPIKES_RECENT]; /* a ring */
    uint64_t n_events;                        /* ever */
};

void diag_spikes_init(struct diag_spikes *spikes);
void diag_spikes_add(struct diag_spikes *spikes, const struct diag_step *step);
/* The i-th newest; NULL at the end. */
const struct spike_event *diag_spikes_recent(
    const struct diag_spikes *spikes, size_t i);

#endif
