/*
 * schedule: when a watch probes. Pure: times are given, nothing is read.
 *
 * By budget: a probe is taken when half of what it is expected to cost fits
 * into budget times the time of training so far, probes not counted: so that
 * at any time as much is as likely spent too early as too late, and over a
 * run what is spent is the budget. The first step is probed on credit, and a
 * burst after a spike too; both are paid back by the probes that do not come
 * then. Beyond that credit the time of probes never exceeds the budget by more
 * than one probe. Where few updates are measured, fewer probes are taken: no
 * two after one of them.
 */
#ifndef TRAJ_WATCH_SCHEDULE_H
#define TRAJ_WATCH_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_BUDGET_DEFAULT 0.02
#define SCHEDULE_BURST_DEFAULT 4u

enum schedule_reason {
    SCHEDULE_NOT = 0,
    SCHEDULE_REGULAR,
    SCHEDULE_BURST,
};

/* Probes of two prices; one average of both would be wrong of either. */
enum schedule_kind {
    SCHEDULE_PLAIN = 0,
    SCHEDULE_WITH_NORM, /* the operator norm too */
    SCHEDULE_KINDS,
};

struct schedule {
    double budget;   /* fraction of the time of training */
    uint32_t every;  /* steps; 0 = by budget; UINT32_MAX = never */
    uint32_t remote; /* steps, asked for by the daemon; 0 = nothing */
    uint32_t burst;  /* probes after a spike */
    uint32_t burst_left;
    bool owed;        /* by interval, since a step that could not be probed */
    uint64_t updates; /* steps seen */
    uint64_t probes;
    int64_t started_ns;
    int64_t probing_ns; /* spent on probes */
    /* Of the next of its kind: half the last, half before; 0 = none yet. */
    int64_t expected_ns[SCHEDULE_KINDS];
};

void schedule_init(
    struct schedule *schedule, uint32_t every, double budget, uint32_t burst);

/* The first call to the watch: the time of training starts. */
void schedule_start(struct schedule *schedule, int64_t now_ns);

/* One more update was made; spike: it or its gradient stands out. next: what
 * a probe would be now. After one that was not measured there is none to take:
 * what is due then comes after the next that was. */
struct schedule_step {
    bool measured, spike;
    enum schedule_kind next;
};
enum schedule_reason schedule_update(
    struct schedule *schedule, int64_t now_ns, struct schedule_step step);

/* A probe took cost_ns. */
void schedule_probed(
    struct schedule *schedule, enum schedule_kind kind, int64_t cost_ns);

#endif
