/*
 * wal_check.c: owns the descriptor; the thread that checks. SQLite locks
 * nothing of this file, so closing a descriptor of it drops no lock.
 *
 * The format is SQLite's (sqlite.org/walformat.html): a header, then frames, a
 * page behind each frame's header. A checksum goes on from that before it. A
 * frame whose salts are not the header's was left by an earlier use of the
 * file.
 */
#include "care/wal_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "care/pages.h"
#include "care/replace.h"

#define HEADER_BYTES 32
#define FRAME_BYTES 24          /* of a frame's header */
#define MAGIC_LITTLE 0x377f0682 /* what is summed up is little-endian */
#define MAGIC_BIG 0x377f0683

struct wal {
    int fd;
    off_t at;
    uint32_t page_bytes;
    bool big;
    uint8_t header[HEADER_BYTES];
    uint32_t sum[2]; /* up to here */
    uint8_t *frame;
};

static uint32_t word(const struct wal *w, const uint8_t *p)
{
    return w->big ? pages_u32(p)
                  : (uint32_t)p[0] | (uint32_t)p[1] << 8 |
                        (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void add(struct wal *w, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i + 8 <= n; i += 8) {
        w->sum[0] += word(w, p + i) + w->sum[1];
        w->sum[1] += word(w, p + i + 4) + w->sum[0];
    }
}

static bool sum_is(const struct wal *w, const uint8_t *p)
{
    return pages_u32(p) == w->sum[0] && pages_u32(p + 4) == w->sum[1];
}

/* false: no log, or none that SQLite would begin to read. */
static bool read_header(struct wal *w)
{
    if (pread(w->fd, w->header, HEADER_BYTES, 0) != HEADER_BYTES) {
        return false;
    }
    uint32_t magic = pages_u32(w->header);
    w->big = magic == MAGIC_BIG;
    w->page_bytes = pages_u32(w->header + 8);
    w->at = HEADER_BYTES;
    add(w, w->header, 24);
    return (magic == MAGIC_LITTLE || w->big) && w->page_bytes >= 512 &&
           w->page_bytes <= PAGES_SIZE_MAX && sum_is(w, w->header + 24);
}

/* The next frame of this use of the file; false: there is none. */
static bool next_frame(struct wal *w)
{
    size_t n = FRAME_BYTES + w->page_bytes;
    if (pread(w->fd, w->frame, n, w->at) != (ssize_t)n ||
        memcmp(w->frame + 8, w->header + 16, 8) != 0) {
        return false;
    }
    w->at += (off_t)n;
    return true;
}

static bool is_whole(struct wal *w)
{
    add(w, w->frame, 8);
    add(w, w->frame + FRAME_BYTES, w->page_bytes);
    return sum_is(w, w->frame + 16);
}

/* The log began anew while it was read. */
static bool is_another(const struct wal *w)
{
    uint8_t now[HEADER_BYTES];
    return pread(w->fd, now, sizeof now, 0) != HEADER_BYTES ||
           memcmp(now, w->header, sizeof now) != 0;
}

static uint64_t commits_behind_damage(struct wal *w)
{
    bool whole = true;
    uint64_t commits = 0;
    while (next_frame(w)) {
        whole = whole && is_whole(w);
        commits += !whole && pages_u32(w->frame + 4) != 0;
    }
    return commits < 2 || is_another(w) ? 0 : commits;
}

enum err_code wal_check(const char *path, uint64_t *ret_commits, struct err *e)
{
    char name[REPLACE_NAME_MAX];
    replace_name(name, path, "-wal");
    struct wal w = { .fd = open(name, O_RDONLY | O_CLOEXEC) };
    if (w.fd < 0) {
        *ret_commits = 0;
        return errno == ENOENT
                   ? ERR_NONE
                   : err_set(e, ERR_IO, "%s: %s", name, strerror(errno));
    }
    w.frame = malloc(FRAME_BYTES + PAGES_SIZE_MAX);
    if (w.frame == NULL) {
        (void)close(w.fd); /* only read from */
        return err_nomem(e);
    }
    *ret_commits = read_header(&w) ? commits_behind_damage(&w) : 0;
    free(w.frame);
    (void)close(w.fd); /* only read from */
    return ERR_NONE;
}
