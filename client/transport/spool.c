/*
 * spool: opens, closes and removes the folder of one stream.
 *
 * Invariants:
 * 1. the state file is locked from before it is mapped until after all
 *    segments are closed: who holds the lock owns the folder;
 * 2. segments are linked in the order of their first_seq;
 * 3. a segment's file counts in the quota from before it is made until after
 *    it is unlinked.
 */
#include "transport/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "transport/record.h"

#define STATE_MAGIC 0x534a5254u /* "TRJS" */
#define STATE_VERSION 1u
#define STATE_BYTES 4096u
#define STREAM_SEGMENTS_MAX 65536u /* 1 GiB of the smallest is 4096 */

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

static enum traj_status lock_and_map(struct spool *spool, bool create)
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

static void unmap_and_unlock(struct spool *spool)
{
    (void)munmap(spool->state, STATE_BYTES); /* EINVAL only */
    spool->state = NULL;
    lock_release(&spool->lock);
    (void)close(spool->dir_fd);
    spool->dir_fd = -1;
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

static void begin(struct spool *spool, int dir_fd, struct quota *quota)
{
    *spool = (struct spool){ .dir_fd = dir_fd,
        .quota = quota,
        .segment_bytes = choose_segment_bytes(quota->limit),
        .next_seq = 1,
        .lock = LOCK_NONE };
}

/* One more segment at the end, even if the quota is used up: to record that it
 * is. No other thread has the spool yet. */
static enum traj_status add_segment(struct spool *spool)
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
    begin(spool, dir_fd, quota);
    memcpy(spool->stream_uid, stream_uid, 16);
    enum traj_status status = lock_and_map(spool, true);
    if (status != TRAJ_OK) {
        return status;
    }
    spool->state->magic = STATE_MAGIC;
    spool->state->version = STATE_VERSION;
    memcpy(spool->state->stream_uid, stream_uid, 16);
    status = add_segment(spool);
    if (status != TRAJ_OK) {
        (void)munmap(spool->state, STATE_BYTES);
        lock_release(&spool->lock);
    }
    return status;
}

/* ---- what a dead process left ------------------------------------------- */

/* The numbers of the segment files, in any order. */
static enum traj_status list_segments(
    int dir_fd, uint64_t *numbers, size_t capacity, size_t *ret_n)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return error_set(TRAJ_EIO, "list the stream: %s", strerror(errno));
    }
    size_t n = 0;
    const struct dirent *entry = NULL;
    while (n < capacity && (entry = readdir(dir)) != NULL) {
        char *end = NULL;
        unsigned long long number = strtoull(entry->d_name, &end, 10);
        if (end != entry->d_name && strcmp(end, ".seg") == 0) {
            numbers[n++] = number;
        }
    }
    (void)closedir(dir);
    *ret_n = n;
    return TRAJ_OK;
}

static uint64_t first_seq_of(const struct segment *segment)
{
    return atomic_load_explicit(
        &segment->head->first_seq, memory_order_relaxed);
}

/* Into the list, by first_seq. */
static void insert(struct spool *spool, struct segment *segment)
{
    struct segment *before = NULL;
    struct segment *at = spool->first;
    while (at != NULL && first_seq_of(at) < first_seq_of(segment)) {
        before = at;
        at = atomic_load_explicit(&at->next, memory_order_relaxed);
    }
    atomic_store_explicit(&segment->next, at, memory_order_relaxed);
    if (before == NULL) {
        spool->first = segment;
    } else {
        atomic_store_explicit(&before->next, segment, memory_order_relaxed);
    }
    if (at == NULL) {
        spool->tail = segment;
    }
}

/* One file: into the list, or away if it was made ahead and never used. A
 * file that is no segment any more (a power cut) is left out: a hole. */
static void recover_segment(struct spool *spool, uint64_t number)
{
    struct segment *segment = NULL;
    bool torn = false; /* shows as a hole in the seqs, nothing else to do */
    enum traj_status status = segment_recover(
        spool->dir_fd, number, spool->stream_uid, &segment, &torn);
    if (number >= spool->next_number) {
        spool->next_number = number + 1;
    }
    if (status != TRAJ_OK) {
        return;
    }
    if (first_seq_of(segment) == 0) {
        char name[SEGMENT_NAME_BYTES];
        segment_name(name, number);
        (void)unlinkat(spool->dir_fd, name, 0); /* else the next recovery */
        segment_close(segment);
        return;
    }
    (void)atomic_fetch_add_explicit(
        &spool->quota->used, segment->bytes, memory_order_relaxed);
    insert(spool, segment);
}

static enum traj_status recover_segments(struct spool *spool)
{
    uint64_t *numbers = calloc(STREAM_SEGMENTS_MAX, sizeof *numbers);
    if (numbers == NULL) {
        return error_set_static(
            TRAJ_ENOMEM, "out of memory for the spool's list");
    }
    size_t n = 0;
    enum traj_status status =
        list_segments(spool->dir_fd, numbers, STREAM_SEGMENTS_MAX, &n);
    for (size_t i = 0; i < n; i++) {
        recover_segment(spool, numbers[i]);
    }
    free(numbers);
    return status;
}

/* The seq behind the last record that is left. */
static uint64_t find_next_seq(const struct spool *spool)
{
    uint64_t next =
        atomic_load_explicit(&spool->state->acked_seq, memory_order_relaxed) +
        1;
    for (const struct segment *s = spool->first; s != NULL;
         s = atomic_load_explicit(&s->next, memory_order_relaxed)) {
        size_t at = sizeof(struct segment_head);
        if (first_seq_of(s) > next) {
            next = first_seq_of(s);
        }
        for (const struct record_head *r = segment_record(s, at); r != NULL;
             r = segment_record(s, at)) {
            next = r->seq >= next ? r->seq + 1 : next;
            at += r->length;
        }
    }
    return next;
}

/* What the dead process could not tell: that records at the very end are
 * missing, which no later record would show, and what it had dropped. Adds
 * events that do, behind the hole if there is one. */
static enum traj_status tell_of_losses(struct spool *spool)
{
    uint64_t last_seq =
        atomic_load_explicit(&spool->state->last_seq, memory_order_relaxed);
    uint64_t lost =
        last_seq < spool->next_seq ? 0 : last_seq - spool->next_seq + 1;
    if (lost == 0 && record_untold_drops(spool) == 0) {
        return TRAJ_OK;
    }
    spool->next_seq += lost;
    enum traj_status status = add_segment(spool);
    if (status != TRAJ_OK) {
        return status;
    }
    if (lost > 0) {
        record_lost_tail(spool, lost);
    }
    return record_untold_drops(spool) == 0
               ? TRAJ_OK
               : record_drops(spool, SPOOL_URGENT, times_now());
}

static enum traj_status recover_contents(struct spool *spool)
{
    const struct spool_state *state = spool->state;
    if (state->magic != STATE_MAGIC || state->version != STATE_VERSION) {
        return error_set_static(
            TRAJ_EIO, "state is not of a stream of this version");
    }
    memcpy(spool->stream_uid, state->stream_uid, 16);
    enum traj_status status = recover_segments(spool);
    if (status != TRAJ_OK) {
        return status;
    }
    spool->next_seq = find_next_seq(spool);
    status = tell_of_losses(spool);
    atomic_store_explicit(
        &spool->state->last_seq, spool->next_seq - 1, memory_order_relaxed);
    spool->maintained = spool->first;
    return status;
}

/* ---- both ends of a life ------------------------------------------------ */

static void unlink_segment(struct spool *spool, const struct segment *segment)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(name, segment->number);
    /* If it stays, a later recovery sends it again, which changes nothing. */
    (void)unlinkat(spool->dir_fd, name, 0);
    quota_give(spool->quota, segment->bytes);
}

static void close_segments(struct spool *spool)
{
    struct segment *ready =
        atomic_exchange_explicit(&spool->ready, NULL, memory_order_acquire);
    if (ready != NULL) {
        unlink_segment(spool, ready);
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
    if (spool->tail == NULL) {
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

enum traj_status spool_recover(
    struct spool *spool, int dir_fd, struct quota *quota)
{
    begin(spool, dir_fd, quota);
    enum traj_status status = lock_and_map(spool, false);
    if (status != TRAJ_OK) {
        return status;
    }
    status = recover_contents(spool);
    if (status != TRAJ_OK) {
        close_segments(spool);
        (void)munmap(spool->state, STATE_BYTES);
        lock_release(&spool->lock);
    }
    return status;
}

void spool_close(struct spool *spool)
{
    trim(spool);
    close_segments(spool);
    unmap_and_unlock(spool);
}

void spool_close_and_remove(struct spool *spool)
{
    /* Segments first, state last: its lock is what keeps others away. */
    spool_release_before(spool, NULL);
    close_segments(spool);
    (void)unlinkat(spool->dir_fd, "hello.json", 0);
    (void)unlinkat(spool->dir_fd, "state", 0);
    unmap_and_unlock(spool);
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
        unlink_segment(spool, segment);
        segment_close(segment);
    }
    if (spool->first == NULL) {
        spool->tail = NULL;
    }
}
