/*
 * spool_run: what happens to an open spool: the appender's reserve and commit,
 * and the drainer's upkeep ahead of it.
 */
#include <string.h>

#include "transport/platform.h"
#include "transport/spool.h"
#include "wire/crc32c.h"

#define PAGE_BYTES 4096u
#define WINDOW_BYTES_MIN (256u << 10)
#define RETRY_NS 100000000 /* after a disk error: not at every step */
#define REFRESH_NS 1000000000

bool quota_take(struct quota *quota, size_t bytes, enum spool_urgency urgency)
{
    uint64_t used =
        atomic_fetch_add_explicit(&quota->used, bytes, memory_order_relaxed);
    uint64_t limit = quota->limit + (urgency == SPOOL_URGENT ? bytes : 0);
    if (used + bytes > limit) {
        quota_give(quota, bytes);
        return false;
    }
    return true;
}

void quota_give(struct quota *quota, size_t bytes)
{
    (void)atomic_fetch_sub_explicit(&quota->used, bytes, memory_order_relaxed);
}

/* A new segment within the quota; either side. */
static enum traj_status make(struct spool *spool, enum spool_urgency urgency,
    struct segment **ret_segment)
{
    if (!quota_take(spool->quota, spool->segment_bytes, urgency)) {
        return TRAJ_EFULL;
    }
    uint64_t number =
        atomic_fetch_add_explicit(&spool->next_number, 1, memory_order_relaxed);
    enum traj_status status = segment_create(spool->dir_fd, number,
        spool->stream_uid, spool->segment_bytes, ret_segment);
    if (status != TRAJ_OK) {
        quota_give(spool->quota, spool->segment_bytes);
    }
    return status;
}

/* ---- appender ----------------------------------------------------------- */

/* The next segment: the one made ahead, or else one made here and now. */
static enum traj_status take_segment(struct spool *spool,
    enum spool_urgency urgency, int64_t now_mono_ns,
    struct segment **ret_segment)
{
    struct segment *ready =
        atomic_exchange_explicit(&spool->ready, NULL, memory_order_acquire);
    if (ready != NULL) {
        *ret_segment = ready;
        return TRAJ_OK;
    }
    if (now_mono_ns < spool->retry_mono_ns) {
        return TRAJ_EIO; /* with the error text of last time */
    }
    enum traj_status status = make(spool, urgency, ret_segment);
    if (status == TRAJ_OK) {
        (void)atomic_fetch_add_explicit(
            &spool->segment_waits, 1, memory_order_relaxed);
    } else if (status != TRAJ_EFULL) {
        spool->retry_mono_ns = now_mono_ns + RETRY_NS;
    }
    return status;
}

static enum traj_status change_segment(
    struct spool *spool, enum spool_urgency urgency, int64_t now_mono_ns)
{
    struct segment *segment = NULL;
    enum traj_status status =
        take_segment(spool, urgency, now_mono_ns, &segment);
    if (status != TRAJ_OK) {
        return status;
    }
    atomic_store_explicit(
        &segment->head->first_seq, spool->next_seq, memory_order_relaxed);
    struct segment *old = spool->tail;
    spool->tail = segment;
    spool->offset = sizeof(struct segment_head);
    /* Release, and the last time that the appender touches old. */
    atomic_store_explicit(&old->next, segment, memory_order_release);
    return TRAJ_OK;
}

/*
 * Behind a record of ordinary size lies memory that nobody has touched for
 * long. It is fetched before the record is filled: so finding its page, which
 * is what takes long once in a page, goes on beside that work. Fetched after
 * the record, it was waited for at the next look at the clock (bench_call,
 * p99 at 10 us: 0.40 us; like this 0.25).
 */
static inline void prefetch_behind(const uint8_t *record)
{
    for (size_t line = 3; line < 9; line++) {
        __builtin_prefetch(record + line * 64, 1);
    }
}

uint64_t *spool_reserve(struct spool *spool, size_t max_bytes,
    enum spool_urgency urgency, int64_t now_mono_ns,
    enum traj_status *ret_status)
{
    size_t needed = sizeof(struct record_head) + max_bytes + 8;
    if (spool->tail->bytes - spool->offset < needed) {
        enum traj_status status = change_segment(spool, urgency, now_mono_ns);
        if (status != TRAJ_OK) {
            *ret_status = status;
            return NULL;
        }
    }
    uint8_t *at = (uint8_t *)spool->tail->head + spool->offset;
    prefetch_behind(at);
    return (uint64_t *)(void *)(at + sizeof(struct record_head));
}

/* The record whose values were just written, complete but for being published.
 * Returns its length. */
static uint32_t seal(struct spool *spool, unsigned kind, uint64_t present,
    size_t n_values, const void *text, uint32_t text_bytes)
{
    uint8_t *at = (uint8_t *)spool->tail->head + spool->offset;
    uint8_t *end = at + sizeof(struct record_head) + n_values * 8;
    if (text_bytes > 0) {
        memset(end + (text_bytes & ~7u), 0, text_bytes % 8 != 0 ? 8 : 0);
        memcpy(end, text, text_bytes);
        end += (text_bytes + 7u) & ~7u;
    }
    struct record_head *head = (struct record_head *)(void *)at;
    *head = (struct record_head){ .length = (uint32_t)(end - at),
        .seq = spool->next_seq,
        .kind = kind,
        .text_bytes = text_bytes,
        .present = present };
    head->crc32c =
        crc32c(at + RECORD_CRC_FROM, (size_t)(end - at) - RECORD_CRC_FROM);
    return head->length;
}

void spool_draft(
    struct spool *spool, unsigned kind, uint64_t present, size_t n_values)
{
    (void)seal(spool, kind, present, n_values, NULL, 0);
}

void spool_commit(struct spool *spool, unsigned kind, uint64_t present,
    size_t n_values, const void *text, uint32_t text_bytes)
{
    spool->offset += seal(spool, kind, present, n_values, text, text_bytes);
    /* Release: who sees the new end sees the record. */
    atomic_store_explicit(
        &spool->tail->head->committed, spool->offset, memory_order_release);
    atomic_store_explicit(
        &spool->state->last_seq, spool->next_seq, memory_order_relaxed);
    spool->next_seq++;
}

/* ---- drainer ------------------------------------------------------------ */

static size_t page_floor(size_t n)
{
    return n & ~(size_t)(PAGE_BYTES - 1);
}

/* Make pages up to window_bytes behind `from` present, if a quarter of them are
 * not: each time is a system call. */
static void populate(struct segment *segment, size_t from, size_t window_bytes)
{
    size_t to = page_floor(from + window_bytes);
    if (to > segment->bytes) {
        to = segment->bytes;
    }
    if (segment->populated > from + window_bytes / 4 * 3) {
        return;
    }
    size_t begin = page_floor(from);
    if (begin < segment->populated) {
        begin = segment->populated;
    }
    if (begin >= to) {
        return;
    }
    /* Where it fails the appender takes the page faults itself. */
    (void)platform_populate((uint8_t *)segment->head + begin, to - begin);
    segment->populated = to;
}

/* The pages ahead of the appender. The kernel makes pages read-only again
 * when it has written them out, hence the refresh. */
static void populate_tail(struct spool *spool, int64_t now_mono_ns)
{
    struct segment *segment = spool->maintained;
    size_t committed =
        atomic_load_explicit(&segment->head->committed, memory_order_relaxed);
    size_t window = (committed - spool->seen_committed) * 4;
    spool->window_bytes = window > WINDOW_BYTES_MIN ? window : WINDOW_BYTES_MIN;
    spool->seen_committed = committed;
    if (now_mono_ns - spool->refreshed_mono_ns > REFRESH_NS) {
        spool->refreshed_mono_ns = now_mono_ns;
        segment->populated = 0;
    }
    populate(segment, committed, spool->window_bytes);
}

static void prepare_next(struct spool *spool, int64_t now_mono_ns)
{
    /* Relaxed: only this side makes it anything but NULL. */
    if (atomic_load_explicit(&spool->ready, memory_order_relaxed) != NULL ||
        now_mono_ns < spool->prepare_after_mono_ns) {
        return;
    }
    struct segment *segment = NULL;
    enum traj_status status = make(spool, SPOOL_ORDINARY, &segment);
    if (status == TRAJ_OK) {
        populate(segment, 0, spool->window_bytes);
        atomic_store_explicit(&spool->ready, segment, memory_order_release);
    } else if (status != TRAJ_EFULL) {
        spool->prepare_after_mono_ns = now_mono_ns + RETRY_NS;
    }
}

bool spool_maintain(struct spool *spool, int64_t now_mono_ns)
{
    struct segment *next = NULL;
    /* Acquire: the appender has set first_seq and left the one before. */
    while ((next = atomic_load_explicit(
                &spool->maintained->next, memory_order_acquire)) != NULL) {
        spool->maintained = next;
        spool->seen_committed = sizeof(struct segment_head);
    }
    populate_tail(spool, now_mono_ns);
    prepare_next(spool, now_mono_ns);
    return spool->window_bytes > WINDOW_BYTES_MIN;
}
