/*
 * law: what the daemon said last of the run's law and of its probes, from the
 * sender to whoever asks, without a lock and without waiting.
 *
 * Two slots: the sender writes the one that is not shown and then shows it. A
 * reader whose slot was written meanwhile has read for longer than from one
 * ACK to the next but one, and reads again.
 */
#ifndef TRAJ_TRANSPORT_LAW_H
#define TRAJ_TRANSPORT_LAW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

struct law {
    uint64_t n;    /* samples behind it */
    double L0, L1; /* finite, not negative, not both 0 */
    int64_t said_mono_ns;
};

struct law_slot {
    _Atomic uint64_t n; /* 0: no law */
    _Atomic uint64_t L0_bits, L1_bits;
    _Atomic int64_t said_mono_ns;
};

/* Zero: nothing was said. */
struct law_board {
    _Atomic uint64_t turn; /* slot turn % 2 is shown */
    struct law_slot slots[2];
    _Atomic uint32_t probe_every; /* relaxed: a number by itself */
};

/* The sender, for each ACK of the live stream that answers it. An ACK without
 * a law takes the last one back, as one with a law that is none does. */
void law_say(
    struct law_board *board, const struct wire_ack *ack, int64_t now_mono_ns);

/* Any thread. False: there is no law. */
bool law_read(const struct law_board *board, struct law *ret_law);
uint32_t law_probe_every(const struct law_board *board);

#endif
