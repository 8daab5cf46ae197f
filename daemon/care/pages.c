/* pages.c: owns the descriptor and the copy; the main thread of a command. */
#define _XOPEN_SOURCE 700 /* pread */
#include "care/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/db.h"

#define COPY_BYTES (1u << 20)
#define SECTOR_BYTES 4096u
#define PAGE_SIZE_USUAL 4096u /* what db.c asks for */

uint32_t pages_u16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

uint32_t pages_u32(const uint8_t *p)
{
    return pages_u16(p) << 16 | pages_u16(p + 2);
}

static enum err_code fail(struct err *e, const char *path)
{
    return err_set(e, errno == ENOSPC ? ERR_FULL : ERR_IO, "%s: %s", path,
        strerror(errno));
}

/* ---- the copy ------------------------------------------------------------ */

/* n bytes from offset; what the disk does not give is zeros. */
static void read_anyhow(int fd, uint8_t *to, size_t n, off_t offset)
{
    if (pread(fd, to, n, offset) == (ssize_t)n) {
        return;
    }
    for (size_t at = 0; at < n; at += SECTOR_BYTES) {
        size_t part = n - at < SECTOR_BYTES ? n - at : SECTOR_BYTES;
        if (pread(fd, to + at, part, offset + (off_t)at) != (ssize_t)part) {
            memset(to + at, 0, part);
        }
    }
}

static enum err_code copy_bytes(
    int from, int to, off_t size, const char *name, struct err *e)
{
    uint8_t *bytes = malloc(COPY_BYTES);
    if (bytes == NULL) {
        return err_nomem(e);
    }
    enum err_code code = ERR_NONE;
    for (off_t at = 0; code == ERR_NONE && at < size;) {
        size_t n = size - at < COPY_BYTES ? (size_t)(size - at) : COPY_BYTES;
        read_anyhow(from, bytes, n, at);
        ssize_t written = pwrite(to, bytes, n, at);
        if (written <= 0) {
            errno = written == 0 ? ENOSPC : errno;
            code = fail(e, name);
        }
        at += written;
    }
    free(bytes);
    return code;
}

/* A file that is not there is an empty one. */
static enum err_code copy_file(
    const char *from_name, const char *to_name, struct err *e)
{
    struct stat status;
    int from = open(from_name, O_RDONLY | O_CLOEXEC);
    if (from < 0) {
        return errno == ENOENT ? ERR_NONE : fail(e, from_name);
    }
    int to = open(to_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    enum err_code code = ERR_NONE;
    if (to < 0) {
        code = fail(e, to_name);
    } else if (fstat(from, &status) != 0) {
        code = fail(e, from_name);
    } else {
        code = copy_bytes(from, to, status.st_size, to_name, e);
    }
    (void)close(from); /* only read from */
    if (to >= 0 && close(to) != 0 && code == ERR_NONE) {
        code = fail(e, to_name);
    }
    return code;
}

/* SQLite moves what is whole of the log into the copy. When it cannot, the file
 * is taken without: nothing else knows what belongs together in a log. */
static void take_in_log(const char *copy)
{
    sqlite3 *db = NULL;
    struct err e = { 0 };
    if (db_open(copy, DB_WRITE, &db, &e) == ERR_NONE) {
        (void)sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema;", NULL,
            NULL, NULL); /* rolls a journal back */
        (void)sqlite3_wal_checkpoint_v2(
            db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    db_close(db);
}

static const char *const logs[] = { "-wal", "-journal" };

static bool has_log(const char *path)
{
    for (size_t i = 0; i < sizeof logs / sizeof logs[0]; i++) {
        if (replace_file_bytes(path, logs[i]) > 0) {
            return true;
        }
    }
    return false;
}

static enum err_code make_copy(
    struct pages *pages, const char *path, struct err *e)
{
    struct replace place;
    enum err_code code = replace_begin(&place, path, ".repair-copy", e);
    if (code != ERR_NONE || !has_log(path)) {
        return code;
    }
    replace_name(pages->copy, place.temp, "");
    code = copy_file(path, pages->copy, e);
    for (size_t i = 0; code == ERR_NONE && i < sizeof logs / sizeof logs[0];
         i++) {
        char from[REPLACE_NAME_MAX];
        char to[REPLACE_NAME_MAX];
        replace_name(from, path, logs[i]);
        replace_name(to, pages->copy, logs[i]);
        code = copy_file(from, to, e);
    }
    if (code == ERR_NONE) {
        take_in_log(pages->copy);
    }
    return code;
}

/* ---- pages --------------------------------------------------------------- */

/* What the file's first bytes say of it, or what is usual. */
static void read_header(struct pages *pages)
{
    uint8_t head[100] = { 0 };
    pages->size = PAGE_SIZE_USUAL;
    pages->usable = PAGE_SIZE_USUAL;
    if (pread(pages->fd, head, sizeof head, 0) != (ssize_t)sizeof head) {
        return;
    }
    uint32_t size = pages_u16(head + 16) == 1 ? 65536 : pages_u16(head + 16);
    bool sane = size >= 512 && (size & (size - 1)) == 0 &&
                memcmp(head, "SQLite format 3", 16) == 0 &&
                size - head[20] >= 480;
    if (sane) {
        pages->size = size;
        pages->usable = size - head[20];
        pages->user_version = pages_u32(head + 60);
        pages->application_id = pages_u32(head + 68);
    }
}

static enum err_code open_file(
    struct pages *pages, const char *path, struct err *e)
{
    struct stat status;
    pages->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (pages->fd < 0 || fstat(pages->fd, &status) != 0) {
        return fail(e, path);
    }
    read_header(pages);
    uint64_t n = (uint64_t)status.st_size / pages->size;
    pages->n = n > UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)n;
    return ERR_NONE;
}

enum err_code pages_open(
    const char *path, struct pages *ret_pages, struct err *e)
{
    struct pages pages = { .fd = -1 };
    enum err_code code = make_copy(&pages, path, e);
    if (code == ERR_NONE) {
        code = open_file(&pages, pages.copy[0] == '\0' ? path : pages.copy, e);
    }
    if (code != ERR_NONE) {
        pages_close(&pages);
        return code;
    }
    *ret_pages = pages;
    return ERR_NONE;
}

void pages_close(struct pages *pages)
{
    if (pages->fd >= 0) {
        (void)close(pages->fd); /* only read from */
        pages->fd = -1;
    }
    if (pages->copy[0] != '\0') {
        struct replace copy;
        replace_name(copy.temp, pages->copy, "");
        replace_abandon(&copy);
    }
}

bool pages_read(const struct pages *pages, uint32_t number, uint8_t *to)
{
    if (number < 1 || number > pages->n) {
        return false;
    }
    off_t offset = (off_t)(number - 1) * pages->size;
    return pread(pages->fd, to, pages->size, offset) == (ssize_t)pages->size;
}
