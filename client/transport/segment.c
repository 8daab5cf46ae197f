/* segment: maps and checks one file; who may call what stands in segment.h. */
#include "transport/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "wire.h"
#include "wire/crc32c.h"
#include "wire/fields.h"

void segment_name(char out[static SEGMENT_NAME_BYTES], uint64_t number)
{
    (void)snprintf(out, SEGMENT_NAME_BYTES, "%08" PRIu64 ".seg", number);
}

static enum traj_status io_error(const char *what, const char *name, int error)
{
    return error_set(TRAJ_EIO, "%s %s: %s", what, name, strerror(error));
}

/* Room on disk for all of the file, or an errno. */
static int allocate(int fd, size_t bytes)
{
    struct rlimit limit;
    /* Beyond RLIMIT_FSIZE the kernel would send the trainer SIGXFSZ. */
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes) {
        return EFBIG;
    }
    int error = 0;
    do {
        error = posix_fallocate(fd, 0, (off_t)bytes);
    } while (error == EINTR);
    return error;
}

/* Map fd into a new struct segment. The descriptor stays the caller's.
 * flags: MAP_SHARED, or MAP_PRIVATE for a file that stays as it is. */
static enum traj_status map(int fd, const char *name, size_t bytes, int flags,
    struct segment **ret_segment)
{
    struct segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL) {
        return error_set(TRAJ_ENOMEM, "out of memory for %s", name);
    }
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (p == MAP_FAILED) {
        free(segment);
        return io_error("map", name, errno);
    }
    segment->head = p;
    segment->bytes = bytes;
    *ret_segment = segment;
    return TRAJ_OK;
}

enum traj_status segment_create(int dir_fd, uint64_t number,
    const uint8_t stream_uid[static 16], size_t bytes,
    struct segment **ret_segment)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(name, number);
    int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        return io_error("create", name, errno);
    }
    struct segment *segment = NULL;
    int error = allocate(fd, bytes);
    enum traj_status status = error != 0
                                  ? io_error("allocate", name, error)
                                  : map(fd, name, bytes, MAP_SHARED, &segment);
    (void)close(fd); /* the mapping holds the file */
    if (segment == NULL) {
        (void)unlinkat(dir_fd, name, 0); /* else recovery throws it away */
        return status;
    }
    segment->number = number;
    segment->head->magic = SEGMENT_MAGIC;
    segment->head->version = SEGMENT_VERSION;
    segment->head->number = number;
    memcpy(segment->head->stream_uid, stream_uid, 16);
    /* Relaxed: handed to another thread by a release store elsewhere. */
    atomic_store_explicit(&segment->head->committed,
        sizeof(struct segment_head), memory_order_relaxed);
    *ret_segment = segment;
    return TRAJ_OK;
}

/* Whether the lengths that the head names add up to its length. */
static bool lengths_agree(const struct record_head *head)
{
    const struct wire_kind_info *info = wire_kind_info(head->kind);
    if (info == NULL || head->text_bytes > WIRE_TEXT_MAX ||
        (info->n_fields < 64 && head->present >> info->n_fields != 0)) {
        return false;
    }
    size_t values = 0;
    for (size_t i = 0; i < info->n_fields; i++) {
        bool is_text = info->fields[i].type == WIRE_TEXT ||
                       info->fields[i].type == WIRE_BLOB;
        values += !is_text && (head->present >> i & 1u) != 0;
    }
    size_t text = (head->text_bytes + 7u) & ~(size_t)7u;
    return head->length == sizeof *head + values * 8 + text;
}

bool segment_record_is_good(const void *p, size_t n)
{
    struct record_head head;
    if (n < sizeof head) {
        return false;
    }
    memcpy(&head, p, sizeof head);
    if (head.length < sizeof head || head.length > n || head.length % 8 != 0 ||
        head.seq == 0 || !lengths_agree(&head)) {
        return false;
    }
    const uint8_t *bytes = p;
    return crc32c(bytes + RECORD_CRC_FROM, head.length - RECORD_CRC_FROM) ==
           head.crc32c;
}

static bool head_is_good(const struct segment *segment, uint64_t number,
    const uint8_t stream_uid[static 16])
{
    const struct segment_head *head = segment->head;
    return head->magic == SEGMENT_MAGIC && head->version == SEGMENT_VERSION &&
           head->number == number &&
           memcmp(head->stream_uid, stream_uid, 16) == 0;
}

static uint64_t seq_at(const uint8_t *p)
{
    struct record_head head;
    memcpy(&head, p, sizeof head);
    return head.seq;
}

/* From offset `at` on: where the next good record is whose seq is not below
 * least_seq, or the end. Records lie 8-aligned. */
static size_t find_record(
    const struct segment *segment, size_t at, uint64_t least_seq)
{
    const uint8_t *base = (const uint8_t *)segment->head;
    while (at < segment->bytes &&
           !(segment_record_is_good(base + at, segment->bytes - at) &&
               seq_at(base + at) >= least_seq)) {
        at += 8;
    }
    return at < segment->bytes ? at : segment->bytes;
}

/* The good records, moved together. What lay between them is gone from memory;
 * `committed` says where they end. How many there are. */
static size_t move_together(struct segment *segment)
{
    uint8_t *base = (uint8_t *)segment->head;
    const size_t start = sizeof(struct segment_head);
    size_t n = 0;
    size_t to = start;
    size_t behind = start; /* the last good one, where it lay */
    uint64_t seq = 1;
    for (size_t at = find_record(segment, start, seq); at < segment->bytes;
         at = find_record(segment, behind, seq)) {
        const struct record_head *record = (const void *)(base + at);
        const size_t length = record->length;
        segment->damaged = segment->damaged || at != behind;
        if (n++ == 0) {
            atomic_store_explicit(
                &segment->head->first_seq, record->seq, memory_order_relaxed);
        }
        seq = record->seq + 1;
        if (at != to) {
            memmove(base + to, base + at, length);
        }
        to += length;
        behind = at + length;
    }
    /* Relaxed: no other thread has this segment yet. */
    segment->torn = behind < atomic_load_explicit(&segment->head->committed,
                                 memory_order_relaxed);
    segment->damaged = segment->damaged || segment->torn;
    atomic_store_explicit(&segment->head->committed, to, memory_order_relaxed);
    return n;
}

/* A process that is killed while it makes a file leaves it empty, or without a
 * head, or with a part of one; what comes last of it is first_seq. */
static enum segment_state classify(struct segment *segment, uint64_t number,
    const uint8_t stream_uid[static 16])
{
    const bool good = head_is_good(segment, number, stream_uid);
    const bool begun = atomic_load_explicit(&segment->head->first_seq,
                           memory_order_relaxed) != 0;
    const size_t n = move_together(segment);
    if (n == 0 && !begun) {
        return SEGMENT_UNUSED;
    }
    return good ? SEGMENT_HAS_RECORDS : SEGMENT_NONE;
}

static enum traj_status recover_file(int fd, const char *name, uint64_t number,
    const uint8_t stream_uid[static 16], enum segment_state *ret_state,
    struct segment **ret_segment)
{
    struct stat st;
    struct segment *segment = NULL;
    if (fstat(fd, &st) != 0) {
        return io_error("stat", name, errno);
    }
    if (st.st_size < (off_t)sizeof(struct segment_head)) {
        *ret_state = st.st_size == 0 ? SEGMENT_UNUSED : SEGMENT_NONE;
        return TRAJ_OK;
    }
    enum traj_status status =
        map(fd, name, (size_t)st.st_size, MAP_PRIVATE, &segment);
    if (segment == NULL) {
        return status;
    }
    segment->number = number;
    *ret_state = classify(segment, number, stream_uid);
    if (*ret_state == SEGMENT_HAS_RECORDS) {
        *ret_segment = segment;
    } else {
        segment_close(segment);
    }
    return TRAJ_OK;
}

enum traj_status segment_recover(int dir_fd, uint64_t number,
    const uint8_t stream_uid[static 16], enum segment_state *ret_state,
    struct segment **ret_segment)
{
    char name[SEGMENT_NAME_BYTES];
    segment_name(name, number);
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return io_error("open", name, errno);
    }
    enum traj_status status =
        recover_file(fd, name, number, stream_uid, ret_state, ret_segment);
    (void)close(fd); /* the mapping holds the file */
    return status;
}

void segment_close(struct segment *segment)
{
    if (segment == NULL) {
        return;
    }
    (void)munmap(segment->head, segment->bytes); /* EINVAL only */
    free(segment);
}

const struct record_head *segment_record(
    const struct segment *segment, size_t offset)
{
    /* Acquire pairs with the appender's release: the record is whole. */
    uint64_t committed =
        atomic_load_explicit(&segment->head->committed, memory_order_acquire);
    if (offset >= committed) {
        return NULL;
    }
    const void *at = (const uint8_t *)segment->head + offset;
    return at;
}
