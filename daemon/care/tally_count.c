/* tally_count.c: pure. What progress.c counts as messages come, counted of the
 * records that are there. */
#include "care/tally.h"

#include <string.h>

#include "traj.h"

void tally_add_gap(struct tally *tally, uint64_t from, uint64_t to)
{
    tally->missing += to - from + 1;
    struct tally_gap *last =
        tally->n_gaps == 0 ? NULL : &tally->gaps[tally->n_gaps - 1];
    if (last == NULL || (from - last->last_seq > TALLY_GAP_NEAR &&
                            tally->n_gaps < TALLY_GAPS_MAX)) {
        last = &tally->gaps[tally->n_gaps++];
        *last = (struct tally_gap){ .first_seq = from };
    }
    last->last_seq = to;
    last->missing += to - from + 1;
}

static bool has(const struct records *r, size_t i, unsigned field)
{
    return (r->present[i] >> field & 1) != 0;
}

static void take_steps(struct tally *t, const struct records *r)
{
    for (size_t i = 0; i < r->n; i++) {
        if (has(r, i, STEP_step)) {
            uint64_t step = r->columns[STEP_step][i];
            t->first_step =
                !t->has_step || step < t->first_step ? step : t->first_step;
            t->last_step = step;
            t->has_step = true;
        }
    }
}

static uint64_t bits(const struct records *r, size_t i, unsigned field)
{
    return has(r, i, field) ? r->columns[field][i] : 0;
}

#define DROPPED_MAX 9007199254740992.0 /* as progress.c */

static void take_events(struct tally *t, const struct records *r)
{
    for (size_t i = 0; i < r->n; i++) {
        uint64_t event = bits(r, i, EVENT_event);
        uint64_t value_bits = bits(r, i, EVENT_value);
        double value = 0;
        memcpy(&value, &value_bits, sizeof value);
        if (event == TRAJ_EVENT_FINISH) {
            t->finished = true;
            t->exit_code = (int64_t)bits(r, i, EVENT_exit_code);
        }
        if (event == TRAJ_EVENT_DROPPED && value > 0 && value <= DROPPED_MAX) {
            t->dropped_records += (uint64_t)value;
        }
    }
}

static void take_probes(struct tally *t, const struct records *r)
{
    for (size_t i = 0; i < r->n; i++) {
        t->group_probes += bits(r, i, PROBE_group) != 0;
    }
}

void tally_take(struct tally *t, const struct records *r)
{
    t->records[r->kind] += r->n;
    if (r->kind == WIRE_PROBE) {
        take_probes(t, r);
    }
    if (r->kind == WIRE_STEP) {
        take_steps(t, r);
    }
    if (r->kind == WIRE_EVENT) {
        take_events(t, r);
    }
}
