/*
 * spool_recover: takes over the folder of a stream whose process is dead. What
 * is there is read, what is not is counted and told; no file of records is
 * changed, and none deleted that holds something nobody else has.
 */
#include "transport/spool_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "transport/record.h"

#define STREAM_SEGMENTS_MAX 65536u /* 1 GiB of the smallest is 4096 */

/* The numbers of segment files. */
struct numbers {
    uint64_t *at;
    size_t n;
};

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

/* One file: into the list, or away if no record ever was in it. What is no
 * segment any more is left where it is, and noted. */
static enum traj_status recover_segment(
    struct spool *spool, uint64_t number, struct numbers *damaged)
{
    char name[SEGMENT_NAME_BYTES];
    struct segment *segment = NULL;
    enum segment_state state = SEGMENT_NONE;
    enum traj_status status = segment_recover(
        spool->dir_fd, number, spool->stream_uid, &state, &segment);
    if (status != TRAJ_OK) {
        return status;
    }
    if (number >= spool->next_number) {
        spool->next_number = number + 1;
    }
    switch (state) {
    case SEGMENT_HAS_RECORDS:
        (void)atomic_fetch_add_explicit(
            &spool->quota->used, segment->bytes, memory_order_relaxed);
        insert(spool, segment);
        break;
    case SEGMENT_UNUSED:
        segment_name(name, number);
        (void)unlinkat(spool->dir_fd, name, 0); /* else the next recovery */
        break;
    case SEGMENT_NONE:
        damaged->at[damaged->n++] = number;
        break;
    }
    return TRAJ_OK;
}

static enum traj_status recover_segments(
    struct spool *spool, const struct numbers *files, struct numbers *damaged)
{
    enum traj_status status = TRAJ_OK;
    for (size_t i = 0; status == TRAJ_OK && i < files->n; i++) {
        status = recover_segment(spool, files->at[i], damaged);
    }
    return status;
}

static void end_before(struct segment *segment, uint64_t seq)
{
    size_t at = sizeof(struct segment_head);
    const struct record_head *r = segment_record(segment, at);
    while (r != NULL && r->seq < seq) {
        at += r->length;
        r = segment_record(segment, at);
    }
    atomic_store_explicit(&segment->head->committed, at, memory_order_relaxed);
}

/* A draft for whose successor its segment had no room: a record of the next
 * segment has its seq. */
static void drop_overtaken_drafts(struct spool *spool)
{
    struct segment *last = NULL; /* that has records */
    for (struct segment *s = spool->first; s != NULL;
         s = atomic_load_explicit(&s->next, memory_order_relaxed)) {
        if (segment_record(s, sizeof(struct segment_head)) == NULL) {
            continue;
        }
        if (last != NULL) {
            end_before(last, first_seq_of(s));
        }
        last = s;
    }
}

/* What is acknowledged was recorded before. A state that says otherwise is
 * damaged: then all that is there is sent again, which changes nothing. */
static void check_acked(struct spool *spool)
{
    uint64_t last_seq =
        atomic_load_explicit(&spool->state->last_seq, memory_order_relaxed);
    if (atomic_load_explicit(&spool->state->acked_seq, memory_order_relaxed) >
        last_seq) {
        atomic_store_explicit(&spool->state->acked_seq,
            spool->first != NULL ? first_seq_of(spool->first) - 1 : 0,
            memory_order_relaxed);
    }
}

static uint64_t acked_seq(const struct spool *spool)
{
    return atomic_load_explicit(&spool->state->acked_seq, memory_order_relaxed);
}

uint64_t spool_records_beyond(const struct spool *spool, uint64_t seq)
{
    uint64_t n = 0;
    for (const struct segment *s = spool->first; s != NULL;
         s = atomic_load_explicit(&s->next, memory_order_relaxed)) {
        size_t at = sizeof(struct segment_head);
        for (const struct record_head *r = segment_record(s, at); r != NULL;
             r = segment_record(s, at)) {
            n += r->seq > seq;
            at += r->length;
        }
    }
    return n;
}

/* The seq behind the last record that is left, or that was in a segment. */
static uint64_t find_next_seq(const struct spool *spool)
{
    uint64_t next = acked_seq(spool) + 1;
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

/* Records at the very end that are missing, which no later record shows: at
 * least as many as this. A power cut may leave the state behind the segment. */
static uint64_t lost_at_the_end(const struct spool *spool)
{
    uint64_t last_seq =
        atomic_load_explicit(&spool->state->last_seq, memory_order_relaxed);
    if (last_seq >= spool->next_seq) {
        return last_seq - spool->next_seq + 1;
    }
    return spool->tail != NULL && spool->tail->torn;
}

/* What the dead process could not tell: what is missing at the end, and what
 * it had dropped. Adds events that do, behind the hole if there is one. */
static enum traj_status tell_of_losses(struct spool *spool, uint64_t lost)
{
    if (lost == 0 && record_untold_drops(spool) == 0) {
        return TRAJ_OK;
    }
    enum traj_status status = spool_add_segment(spool);
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

/* What is left of a segment goes aside, or away if nothing is missing. */
static enum traj_status clear_away(
    const struct spool *spool, const struct numbers *damaged)
{
    enum traj_status status = TRAJ_OK;
    for (size_t i = 0; status == TRAJ_OK && i < damaged->n; i++) {
        char name[SEGMENT_NAME_BYTES];
        if (spool->unreadable > 0) {
            status = spool_put_file_aside(spool, damaged->at[i]);
        } else {
            segment_name(name, damaged->at[i]);
            (void)unlinkat(spool->dir_fd, name, 0); /* else the next recovery */
        }
    }
    return status;
}

/* Where the records end, and how many of them cannot be read. */
static enum traj_status take_stock(
    struct spool *spool, const struct numbers *damaged)
{
    drop_overtaken_drafts(spool);
    check_acked(spool);
    spool->next_seq = find_next_seq(spool);
    const uint64_t lost = lost_at_the_end(spool);
    spool->next_seq += lost;
    const uint64_t acked = acked_seq(spool);
    const uint64_t all = spool->next_seq - 1 - acked;
    const uint64_t there = spool_records_beyond(spool, acked);
    spool->unreadable = all > there ? all - there : 0;
    enum traj_status status = clear_away(spool, damaged);
    if (status == TRAJ_OK) {
        status = tell_of_losses(spool, lost);
    }
    atomic_store_explicit(
        &spool->state->last_seq, spool->next_seq - 1, memory_order_relaxed);
    spool->maintained = spool->first;
    return status;
}

static enum traj_status read_contents(
    struct spool *spool, struct numbers *files, struct numbers *damaged)
{
    enum traj_status status =
        list_segments(spool->dir_fd, files->at, STREAM_SEGMENTS_MAX, &files->n);
    if (status == TRAJ_OK) {
        status = recover_segments(spool, files, damaged);
    }
    if (status == TRAJ_OK) {
        status = take_stock(spool, damaged);
    }
    return status;
}

static enum traj_status recover_contents(struct spool *spool)
{
    const struct spool_state *state = spool->state;
    if (state->magic != STATE_MAGIC || state->version != STATE_VERSION) {
        return error_set_static(
            TRAJ_EIO, "state is not of a stream of this version");
    }
    memcpy(spool->stream_uid, state->stream_uid, 16);
    struct numbers files = { .at = calloc(
                                 STREAM_SEGMENTS_MAX, sizeof *files.at) };
    struct numbers damaged = { .at = calloc(
                                   STREAM_SEGMENTS_MAX, sizeof *damaged.at) };
    enum traj_status status = files.at == NULL || damaged.at == NULL
                                  ? error_set_static(TRAJ_ENOMEM,
                                        "out of memory for the spool's list")
                                  : read_contents(spool, &files, &damaged);
    free(files.at);
    free(damaged.at);
    return status;
}

enum traj_status spool_recover(
    struct spool *spool, int dir_fd, const char *name, struct quota *quota)
{
    spool_begin(spool, dir_fd, quota);
    spool->name = name;
    enum traj_status status = spool_lock_and_map(spool, false);
    if (status != TRAJ_OK) {
        return status;
    }
    status = recover_contents(spool);
    if (status != TRAJ_OK) {
        spool_close_segments(spool);
        spool_unmap_and_unlock(spool);
    }
    return status;
}
