/*
 * spool: opens, closes and removes the folder of one stream. What a dead
 * process left in it is read in spool_recover.c.
 *
 * Invariants:
 * 1. the state file is locked from before it is mapped until after all
 *    segments are closed: who holds the lock owns the folder;
 * 2. segments are linked in the order of their first_seq;
 * 3. a segment's file counts in the quota from before it is made until after
 *    it is unlinked or put aside.
 */
#include "transport/spool_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

#define STATE_BYTES 4096u

/* ---- the state file ----------------------------------------------------- */

static enum traj_status map_state(struct spool *spool)
{
    int error = posix_fallocate(spool->lock.fd, 0, STATE_BYTES);
    if (error != 0) {
        return error_set(TRAJ_EIO, "allocate state: %s", strerror(error));
    }
    void *p = mmap(NULL, STATE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
        spool->lock.fd, 0);
    if (p == MAP_FAILED) {
        return error_set(TRAJ_EIO, "map state: %s", strerror(errno));
    }
    spool->state = p;
    return TRAJ_OK;
}

enum traj_status spool_lock_and_map(struct spool *spool, bool create)
{
    spool->lock = LOCK_NONE;
    enum traj_status status =
        lock_take(&spool->lock, spool->dir_fd, "state", create);
    if (status != TRAJ_OK) {
        return status;
    }
    status = map_state(spool);
    if (status != TRAJ_OK) {
        lock_release(&spool->lock);
    }
    return status;
}

void spool_unmap_and_unlock(struct spool *spool)
{
    (void)munmap(spool->state, STATE_BYTES); /* EINVAL only */
    spool->state = NULL;
    lock_release(&spool->lock);
}

/* ---- a new stream ------------------------------------------------------- */

static size_t choose_segment_bytes(uint64_t limit)
{
    uint64_t bytes = limit / 8;
    if (bytes > SPOOL_SEGMENT_BYTES) {
        bytes = SPOOL_SEGMENT_BYTES;
    }
    if (bytes < SPOOL_SEGMENT_BYTES_MIN) {
        bytes = SPOOL_SEGMENT_BYTES_MIN;
    }
    return (size_t)(bytes & ~(uint64_t)0xffffu);
}

void spool_begin(struct spool *spool, int dir_fd, struct quota *quota)
{
    *spool = (struct spool){ .dir_fd = dir_fd,
        .quota = quota,
        .segment_bytes = choose_segment_bytes(quota->limit),
        .next_seq = 1,
        .lock = LOCK_NONE };
}

enum traj_status spool_add_segment(struct spool *spool)
{
    struct segment *segment = NULL;
    enum traj_status status = segment_create(spool->dir_fd, spool->next_number,
        spool->stream_uid, spool->segment_bytes, &segment);
    if (status != TRAJ_OK) {
        return status;
    }
    (void)atomic_fetch_add_explicit(
        &spool->quota->used, spool->segment_bytes, memory_order_relaxed);
    spool->next_number++;
    atomic_store_explicit(
        &segment->head->first_seq, spool->next_seq, memory_order_relaxed);
    if (spool->tail != NULL) {
        atomic_store_explicit(
            &spool->tail->next, segment, memory_order_relaxed);
    }
    spool->tail = segment;
    spool->offset = sizeof(struct segment_head);
    if (spool->first == NULL) {
        spool->first = segment;
        spool->maintained = segment;
    }
    return TRAJ_OK;
}

enum traj_status spool_create(struct spool *spool, int dir_fd,
    const uint8_t stream_uid[static 16], struct quota *quota)
{
    spool_begin(spool, dir_fd, quota);
    memcpy(spool->stream_uid, stream_uid, 16);
    enum traj_status status = spool_lock_and_map(spool, true);
    if (status != TRAJ_OK) {
        return status;
    }
    spool->state->magic = STATE_MAGIC;
    spool->state->version = STATE_VERSION;
    memcpy(spool->state->stream_uid, stream_uid, 16);
    status = spool_add_segment(spool);
    if (status != TRAJ_OK) {
        spool_unmap_and_unlock(spool);
    }
    return status;
}

/* ---- both ends of a life ------------------------------------------------ */

enum traj_status spool_put_file_aside(
    const struct spool *spool, uint64_t number)
{
    char from[SEGMENT_NAME_BYTES];
    char to[96];
    segment_name(from, number);
    (void)snprintf(
        to, sizeof to, "../%s-%08" PRIu64 SPOOL_ASIDE, spool->name, number);
    if (renameat(spool->dir_fd, from, spool->dir_fd, to) != 0) {
        return error_set(TRAJ_EIO, "put %s aside: %s", from, strerror(errno));
    }
    return TRAJ_OK;
}

/* Its file is no part of the stream any more. */
static void dispose_of(struct spool *spool, struct segment *segment)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(name, segment->number);
    if (segment->damaged && spool->unreadable > 0) {
        /* If it stays, so does the folder, see spool_put_aside. */
        spool->stuck =
            spool_put_file_aside(spool, segment->number) != TRAJ_OK ||
            spool->stuck;
    } else {
        /* If it stays, a later recovery sends it again, which changes
         * nothing. */
        (void)unlinkat(spool->dir_fd, name, 0);
    }
    quota_give(spool->quota, segment->bytes);
}

void spool_close_segments(struct spool *spool)
{
    struct segment *ready =
        atomic_exchange_explicit(&spool->ready, NULL, memory_order_acquire);
    if (ready != NULL) {
        dispose_of(spool, ready);
        segment_close(ready);
    }
    for (struct segment *s = spool->first; s != NULL;) {
        struct segment *next =
            atomic_load_explicit(&s->next, memory_order_acquire);
        segment_close(s);
        s = next;
    }
    spool->first = NULL;
    spool->tail = NULL;
}

/* Give the unused end of the last segment back to the disk. */
static void trim(const struct spool *spool)
{
    if (spool->tail == NULL || spool->tail->damaged) {
        return;
    }
    char name[SEGMENT_NAME_BYTES];
    segment_name(name, spool->tail->number);
    size_t end = atomic_load_explicit(
        &spool->tail->head->committed, memory_order_acquire);
    int fd = openat(spool->dir_fd, name, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        /* If it fails, the disk has less room and nothing else happens. */
        int ignored = ftruncate(fd, (off_t)end);
        (void)ignored;
        (void)close(fd);
    }
}

static void close_folder(struct spool *spool)
{
    (void)close(spool->dir_fd);
    spool->dir_fd = -1;
}

void spool_close(struct spool *spool)
{
    trim(spool);
    spool_close_segments(spool);
    spool_unmap_and_unlock(spool);
    close_folder(spool);
}

bool spool_put_aside(struct spool *spool)
{
    for (struct segment *s = spool->first; s != NULL;
         s = atomic_load_explicit(&s->next, memory_order_relaxed)) {
        if (s->damaged && spool->unreadable > 0 &&
            spool_put_file_aside(spool, s->number) != TRAJ_OK) {
            return false;
        }
        s->damaged = false;
    }
    return !spool->stuck;
}

void spool_close_and_remove(struct spool *spool)
{
    /* Segments first, state last: its lock is what keeps others away. */
    spool_release_before(spool, NULL);
    spool_close_segments(spool);
    (void)unlinkat(spool->dir_fd, "hello.json", 0);
    (void)unlinkat(spool->dir_fd, "state", 0);
    spool_unmap_and_unlock(spool);
    close_folder(spool);
}

void spool_release_before(struct spool *spool, const struct segment *keep)
{
    while (spool->first != NULL && spool->first != keep) {
        struct segment *segment = spool->first;
        /* Acquire: the appender's last access to it lies before. */
        struct segment *next =
            atomic_load_explicit(&segment->next, memory_order_acquire);
        spool->first = next;
        if (spool->maintained == segment) {
            spool->maintained = next;
            spool->seen_committed = sizeof(struct segment_head);
        }
        dispose_of(spool, segment);
        segment_close(segment);
    }
    if (spool->first == NULL) {
        spool->tail = NULL;
    }
}
