/*
 * record: the public structs as records of the spool. A field is present if
 * its bits are not the marker's: no floating-point arithmetic is done on a
 * caller's value, so that -Ofast callers, trapped exceptions and signalling
 * NaNs all come through bit for bit. Runs in the appender.
 */
#ifndef TRAJ_TRANSPORT_RECORD_H
#define TRAJ_TRANSPORT_RECORD_H

#include <stdint.h>

#include "traj.h"
#include "transport/fold.h"
#include "transport/spool.h"

struct times {
    int64_t wall_ns;
    int64_t mono_ns;
};
struct times times_now(void);

/* All of them: TRAJ_OK, or TRAJ_EFULL or TRAJ_EIO and nothing is recorded.
 * Arguments have been checked by the caller. */
TRAJ_CHECK enum traj_status record_step(struct spool *spool,
    const struct traj_step *step, enum spool_urgency urgency,
    int64_t now_mono_ns, struct times at);
/* See spool_draft. Where there is no room for it there is none. */
void record_draft(
    struct spool *spool, const struct traj_step *step, struct times at);
/* A closed fold: a STEP as well. */
TRAJ_CHECK enum traj_status record_fold(struct spool *spool,
    const struct fold_result *fold, enum spool_urgency urgency,
    struct times now);
TRAJ_CHECK enum traj_status record_probe(
    struct spool *spool, const struct traj_probe *probe, struct times now);
TRAJ_CHECK enum traj_status record_group(
    struct spool *spool, const struct traj_group_step *group, struct times now);
TRAJ_CHECK enum traj_status record_sharpness(struct spool *spool,
    const struct traj_sharpness *sharpness, struct times now);
TRAJ_CHECK enum traj_status record_metric(struct spool *spool, const char *name,
    uint32_t name_bytes, uint64_t step, double value, struct times now);

struct event {
    enum traj_event_kind kind;
    enum traj_severity severity;
    enum spool_urgency urgency;
    uint64_t step;    /* TRAJ_UNSET_COUNT: of no step */
    const char *text; /* NULL: none */
    uint32_t text_bytes;
    uint64_t dropped;  /* of TRAJ_EVENT_DROPPED */
    int64_t exit_code; /* of TRAJ_EVENT_FINISH */
};
enum traj_status record_event(
    struct spool *spool, const struct event *event, struct times now);

/* Drops that no event in the spool tells of yet. */
uint64_t record_untold_drops(const struct spool *spool);

/* An event that tells of them, if there is room for it. */
enum traj_status record_drops(
    struct spool *spool, enum spool_urgency urgency, struct times now);

/* Recovery found that the last `lost` records are gone. */
void record_lost_tail(struct spool *spool, uint64_t lost);

#endif
