/* run_record: the public calls that record; each checks its arguments, waits
 * for room where it may, and counts what is dropped. The calling thread is the
 * appender of the live spool. */
#include <string.h>
#include <time.h>

#include "error.h"
#include "transport/platform.h"
#include "transport/record.h"
#include "transport/record_check.h"
#include "transport/run_draft.h"
#include "transport/run_impl.h"
#include "transport/text.h"

#define METRIC_NAME_MAX 200u
#define EVENT_TEXT_MAX 65535u

/* At the limit, under TRAJ_FULL_BLOCK: a little patience, then true to try
 * again. false: nobody will make room. The one place that sleeps: room comes
 * from the sender when an ACK has come, and a condition for that would put a
 * lock between it and every trainer, also those that never wait. */
static bool wait_for_room(traj_run *run, struct times *now, int64_t *pause_ns)
{
    bool refused = atomic_load_explicit(&run->stream.spool.state->refused,
                       memory_order_relaxed) != 0;
    if (run->options.full != TRAJ_FULL_BLOCK || refused ||
        run->options.mode != TRAJ_MODE_ONLINE) {
        return false;
    }
    struct timespec pause = { .tv_nsec = (long)*pause_ns };
    (void)nanosleep(&pause, NULL); /* cut short by a signal: tries sooner */
    *pause_ns = *pause_ns < 10000000 ? *pause_ns * 2 : *pause_ns;
    now->mono_ns = times_now().mono_ns;
    return true;
}

enum traj_status run_settle(traj_run *run, enum traj_status status)
{
    if (status == TRAJ_OK) {
        return TRAJ_OK;
    }
    (void)atomic_fetch_add_explicit(
        &run->stream.spool.state->dropped, 1, memory_order_relaxed);
    if (status == TRAJ_EFULL) {
        return error_set_static(
            status, "the spool has reached its limit; the record was dropped");
    }
    return status; /* with the text of the failed segment */
}

/* Behind a record that has taken the draft's place, or would have. */
static void draft_again(traj_run *run)
{
    if (run->draft.owner != NULL) {
        record_draft(&run->stream.spool, &run->draft.step, run->draft.at);
    }
}

static inline void tell_drops(traj_run *run, struct times now)
{
    if (record_untold_drops(&run->stream.spool) > 0) {
        (void)record_drops(&run->stream.spool, SPOOL_ORDINARY, now);
        draft_again(run); /* who records next may have to wait for room */
    }
}

/* ---- steps folded into one record --------------------------------------- */

/* Dropped, it counts as the one record that it is. */
static enum traj_status record_open_fold(traj_run *run)
{
    struct times now = times_now();
    int64_t pause_ns = 100000;
    enum traj_status status = TRAJ_OK;
    const struct fold_result *fold = fold_close(&run->fold, now.mono_ns);
    do {
        tell_drops(run, now);
        status = record_fold(&run->stream.spool, fold, SPOOL_ORDINARY, now);
    } while (status == TRAJ_EFULL && wait_for_room(run, &now, &pause_ns));
    return run_settle(run, status);
}

enum traj_status run_record_last(traj_run *run)
{
    struct spool *spool = &run->stream.spool;
    struct draft *draft = &run->draft;
    if (draft->owner != NULL) {
        draft->owner = NULL;
        return run_settle(run, record_step(spool, &draft->step, SPOOL_URGENT,
                                   times_now().mono_ns, draft->at));
    }
    if (!run->fold.is_open) {
        return TRAJ_OK;
    }
    struct times now = times_now();
    const struct fold_result *fold = fold_close(&run->fold, now.mono_ns);
    return run_settle(run, record_fold(spool, fold, SPOOL_URGENT, now));
}

/* Sums and extremes of ||g||^2 in two units would be of none. */
static enum traj_status fold_step(traj_run *run, const struct traj_step *step)
{
    enum traj_status before = TRAJ_OK;
    if (run->fold.is_open && !fold_takes(&run->fold, step)) {
        before = record_open_fold(run);
    }
    enum traj_status status =
        fold_add(&run->fold, step, platform_coarse_mono_ns())
            ? record_open_fold(run)
            : TRAJ_OK;
    return before != TRAJ_OK ? before : status;
}

/* ---- records ------------------------------------------------------------ */

/* Before each record. */
static inline void prologue(traj_run *run, struct times now)
{
    if (run->fold.is_open) {
        (void)record_open_fold(run); /* if dropped, that is counted and told */
    }
    tell_drops(run, now);
}

/* drafted: when it was drafted; NULL: it is of now. */
static enum traj_status step_in_full(
    traj_run *run, const struct traj_step *step, const struct times *drafted)
{
    enum traj_status status = record_check_step(step);
    if (status != TRAJ_OK) {
        return status;
    }
    if (run->options.fold_steps > 1) {
        return fold_step(run, step);
    }
    struct times now = times_now();
    int64_t pause_ns = 100000;
    do {
        prologue(run, now);
        status = record_step(&run->stream.spool, step, SPOOL_ORDINARY,
            now.mono_ns, drafted != NULL ? *drafted : now);
    } while (status == TRAJ_EFULL && wait_for_room(run, &now, &pause_ns));
    draft_again(run);
    return run_settle(run, status);
}

enum traj_status traj_step(traj_run *run, const struct traj_step *step)
{
    enum traj_status status = run_admit(run);
    if (status != TRAJ_OK || run_is_inert(run)) {
        return status;
    }
    if (step == NULL || step->size < sizeof step->size) {
        return error_set_static(
            TRAJ_EINVAL, "step is NULL or was not set up by traj_step_init");
    }
    if (step->size >= sizeof *step) {
        return step_in_full(run, step, NULL);
    }
    /* An older caller: what its struct does not have was not measured. */
    struct traj_step full;
    traj_step_init(&full);
    memcpy(&full, step, step->size);
    return step_in_full(run, &full, NULL);
}

/* ---- a step that is not complete yet ------------------------------------ */

enum traj_status run_draft_step(
    traj_run *run, const void *owner, const struct traj_step *step)
{
    enum traj_status status = run_admit(run);
    if (status != TRAJ_OK || run_is_inert(run)) {
        return status;
    }
    if (run->draft.owner != NULL && run->draft.owner != owner) {
        return error_set_static(TRAJ_EBUSY, "there is a draft of another");
    }
    status = record_check_step(step);
    if (status == TRAJ_OK && run->options.fold_steps <= 1) {
        run->draft = (struct draft){ owner, *step, times_now() };
        draft_again(run);
    }
    return status;
}

enum traj_status run_finish_step(
    traj_run *run, const void *owner, const struct traj_step *step)
{
    enum traj_status status = run_admit(run);
    if (status != TRAJ_OK || run_is_inert(run)) {
        return status;
    }
    const struct times *drafted = NULL;
    if (run->draft.owner == owner) {
        run->draft.owner = NULL;
        drafted = &run->draft.at;
    }
    return step_in_full(run, step, drafted);
}

/* ---- the records that are not made at every step ------------------------ */

typedef enum traj_status (*put_fn)(
    struct spool *spool, const void *record, struct times now);

static enum traj_status put(
    traj_run *run, put_fn put_record, const void *record)
{
    struct times now = times_now();
    int64_t pause_ns = 100000;
    enum traj_status status = TRAJ_OK;
    do {
        prologue(run, now);
        status = put_record(&run->stream.spool, record, now);
    } while (status == TRAJ_EFULL && wait_for_room(run, &now, &pause_ns));
    draft_again(run);
    return run_settle(run, status);
}

static enum traj_status put_probe(
    struct spool *spool, const void *record, struct times now)
{
    return record_probe(spool, record, now);
}

static enum traj_status put_group(
    struct spool *spool, const void *record, struct times now)
{
    return record_group(spool, record, now);
}

static enum traj_status put_sharpness(
    struct spool *spool, const void *record, struct times now)
{
    return record_sharpness(spool, record, now);
}

static enum traj_status put_event(
    struct spool *spool, const void *record, struct times now)
{
    return record_event(spool, record, now);
}

struct metric {
    const char *name;
    uint32_t name_bytes;
    uint64_t step;
    double value;
};

static enum traj_status put_metric(
    struct spool *spool, const void *record, struct times now)
{
    const struct metric *m = record;
    return record_metric(spool, m->name, m->name_bytes, m->step, m->value, now);
}

static enum traj_status probe_in_full(
    traj_run *run, const struct traj_probe *probe)
{
    enum traj_status status = record_check_probe(probe, run->options.groups.n);
    return status == TRAJ_OK ? put(run, put_probe, probe) : status;
}

enum traj_status traj_log_probe(traj_run *run, const struct traj_probe *probe)
{
    enum traj_status status = run_admit(run);
    if (status != TRAJ_OK || run_is_inert(run)) {
        return status;
    }
    if (probe == NULL || probe->size < sizeof probe->size) {
        return error_set_static(
            TRAJ_EINVAL, "probe is NULL or was not set up by traj_probe_init");
    }
    if (probe->size >= sizeof *probe) {
        return probe_in_full(run, probe);
    }
    struct traj_probe full;
    traj_probe_init(&full);
    memcpy(&full, probe, probe->size);
    return probe_in_full(run, &full);
}

static enum traj_status group_in_full(
    traj_run *run, const struct traj_group_step *group)
{
    enum traj_status status = record_check_group(group, run->options.groups.n);
    return status == TRAJ_OK ? put(run, put_group, group) : status;
}

enum traj_status traj_log_group(
    traj_run *run, const struct traj_group_step *group)
{
    enum traj_status status = run_admit(run);
    if (status != TRAJ_OK || run_is_inert(run)) {
        return status;
    }
    if (group == NULL || group->size < sizeof group->size) {
        return error_set_static(TRAJ_EINVAL,
            "group is NULL or was not set up by traj_group_step_init");
    }
    if (group->size >= sizeof *group) {
        return group_in_full(run, group);
    }
    struct traj_group_step full;
    traj_group_step_init(&full);
    memcpy(&full, group, group->size);
    return group_in_full(run, &full);
}

static enum traj_status sharpness_in_full(
    traj_run *run, const struct traj_sharpness *sharpness)
{
    enum traj_status status =
        record_check_sharpness(sharpness, run->options.groups.n);
    return status == TRAJ_OK ? put(run, put_sharpness, sharpness) : status;
}

enum traj_status traj_log_sharpness(
    traj_run *run, const struct traj_sharpness *sharpness)
{
    enum traj_status status = run_admit(run);
    if (status != TRAJ_OK || run_is_inert(run)) {
        return status;
    }
    if (sharpness == NULL || sharpness->size < sizeof sharpness->size) {
        return error_set_static(TRAJ_EINVAL,
            "sharpness is NULL or was not set up by traj_sharpness_init");
    }
    if (sharpness->size >= sizeof *sharpness) {
        return sharpness_in_full(run, sharpness);
    }
    struct traj_sharpness full;
    traj_sharpness_init(&full);
    memcpy(&full, sharpness, sharpness->size);
    return sharpness_in_full(run, &full);
}

enum traj_status traj_log(
    traj_run *run, const char *name, uint64_t step, double value)
{
    enum traj_status status = run_admit(run);
    if (status != TRAJ_OK || run_is_inert(run)) {
        return status;
    }
    size_t n = name != NULL ? strnlen(name, METRIC_NAME_MAX + 1) : 0;
    if (n < 1 || n > METRIC_NAME_MAX || !text_is_utf8(name, n)) {
        return error_set_static(
            TRAJ_EINVAL, "a metric's name is UTF-8 of 1 to 200 bytes");
    }
    const struct metric metric = { name, (uint32_t)n, step, value };
    return put(run, put_metric, &metric);
}

enum traj_status traj_event(
    traj_run *run, enum traj_severity severity, uint64_t step, const char *text)
{
    enum traj_status status = run_admit(run);
    if (status != TRAJ_OK || run_is_inert(run)) {
        return status;
    }
    size_t n = text != NULL ? strnlen(text, EVENT_TEXT_MAX + 1) : 0;
    if (text == NULL || n > EVENT_TEXT_MAX || !text_is_utf8(text, n)) {
        return error_set_static(
            TRAJ_EINVAL, "an event's text is UTF-8 of at most 65535 bytes");
    }
    if ((unsigned)severity > TRAJ_ERROR) {
        return error_set_static(TRAJ_EINVAL, "no such severity");
    }
    const struct event event = { .kind = TRAJ_EVENT_TEXT,
        .severity = severity,
        .step = step,
        .text = text,
        .text_bytes = (uint32_t)n };
    return put(run, put_event, &event);
}
