/*
 * wal_file.c: owns the VFS; a file of it belongs to its connection's thread.
 *
 * 1. What is gathered is bytes [at, at + n) of the file, and not in it yet.
 * 2. Between two commits of the connection nothing is gathered.
 */
#include "store/wal_file.h"

#include <assert.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sqlite3.h>

/* SQLite's unix VFS takes writes of less than 128 KiB: of the length it uses
 * the low 17 bits. */
#define GATHERED_BYTES 122880
#define FRAME_HEADER_BYTES 24 /* of a page in the log: SQLite's file format */
#define FRAME_COMMIT_AT 4     /* the u32 there is not 0: a commit ends here */

struct wal_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct, in SQLite's memory */
    unsigned char *bytes;
    size_t n;
    sqlite3_int64 at;
    bool ends_commit; /* the page that comes next does */
};

static struct wal_file *ours(sqlite3_file *file)
{
    return (struct wal_file *)(void *)file;
}

static int flush(struct wal_file *f)
{
    if (f->n == 0) {
        return SQLITE_OK;
    }
    size_t n = f->n;
    f->n = 0; /* well or not: after a failure the transaction is over */
    return f->real->pMethods->xWrite(f->real, f->bytes, (int)n, f->at);
}

static int gather(
    struct wal_file *f, const void *bytes, size_t n, sqlite3_int64 at)
{
    bool follows = f->n > 0 && at == f->at + (sqlite3_int64)f->n;
    if (!follows || n > GATHERED_BYTES - f->n) {
        int rc = flush(f);
        if (rc != SQLITE_OK) {
            return rc;
        }
        f->at = at;
    }
    if (n > GATHERED_BYTES) {
        return f->real->pMethods->xWrite(f->real, bytes, (int)n, at);
    }
    memcpy(f->bytes + f->n, bytes, n);
    f->n += n;
    return SQLITE_OK;
}

static int wal_write(
    sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    struct wal_file *f = ours(file);
    bool ended = f->ends_commit;
    int rc = gather(f, bytes, (size_t)n, at);
    f->ends_commit = false;
    if (n == FRAME_HEADER_BYTES) {
        static const unsigned char no[4];
        f->ends_commit = memcmp(
            (const unsigned char *)bytes + FRAME_COMMIT_AT, no, sizeof no);
    } else if (ended && rc == SQLITE_OK) {
        rc = flush(f);
    }
    return rc;
}

static int wal_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at)
{
    struct wal_file *f = ours(file);
    int rc = flush(f);
    return rc == SQLITE_OK ? f->real->pMethods->xRead(f->real, to, n, at) : rc;
}

static int wal_sync(sqlite3_file *file, int flags)
{
    struct wal_file *f = ours(file);
    int rc = flush(f);
    return rc == SQLITE_OK ? f->real->pMethods->xSync(f->real, flags) : rc;
}

static int wal_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct wal_file *f = ours(file);
    int rc = flush(f);
    return rc == SQLITE_OK ? f->real->pMethods->xTruncate(f->real, size) : rc;
}

static int wal_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    struct wal_file *f = ours(file);
    int rc = flush(f);
    return rc == SQLITE_OK ? f->real->pMethods->xFileSize(f->real, ret_size)
                           : rc;
}

/* What is gathered now belongs to no commit. */
static int wal_close(sqlite3_file *file)
{
    struct wal_file *f = ours(file);
    sqlite3_free(f->bytes);
    return f->real->pMethods->xClose(f->real);
}

/* The log is never locked; the database is. */
static int wal_lock(sqlite3_file *file, int level)
{
    return ours(file)->real->pMethods->xLock(ours(file)->real, level);
}

static int wal_unlock(sqlite3_file *file, int level)
{
    return ours(file)->real->pMethods->xUnlock(ours(file)->real, level);
}

static int wal_reserved(sqlite3_file *file, int *ret)
{
    return ours(file)->real->pMethods->xCheckReservedLock(
        ours(file)->real, ret);
}

static int wal_control(sqlite3_file *file, int op, void *argument)
{
    return ours(file)->real->pMethods->xFileControl(
        ours(file)->real, op, argument);
}

static int wal_sector(sqlite3_file *file)
{
    return ours(file)->real->pMethods->xSectorSize(ours(file)->real);
}

static int wal_device(sqlite3_file *file)
{
    return ours(file)->real->pMethods->xDeviceCharacteristics(ours(file)->real);
}

static const sqlite3_io_methods methods = {
    .iVersion = 1, /* no shared memory, no mapping: not asked of a log */
    .xClose = wal_close,
    .xRead = wal_read,
    .xWrite = wal_write,
    .xTruncate = wal_truncate,
    .xSync = wal_sync,
    .xFileSize = wal_size,
    .xLock = wal_lock,
    .xUnlock = wal_unlock,
    .xCheckReservedLock = wal_reserved,
    .xFileControl = wal_control,
    .xSectorSize = wal_sector,
    .xDeviceCharacteristics = wal_device,
};

/* ---- the VFS ------------------------------------------------------------- */

static sqlite3_vfs vfs;
static sqlite3_vfs *real_vfs;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool registered;

/* The real file's own struct lies behind ours, aligned as any. */
static_assert(sizeof(struct wal_file) % alignof(max_align_t) == 0 ||
                  sizeof(struct wal_file) % sizeof(void *) == 0,
    "what follows is aligned for pointers");

static int open_wal(
    const char *name, struct wal_file *f, int flags, int *ret_flags)
{
    *f = (struct wal_file){ .real = (sqlite3_file *)(void *)(f + 1) };
    f->bytes = sqlite3_malloc(GATHERED_BYTES);
    if (f->bytes == NULL) {
        return SQLITE_NOMEM;
    }
    int rc = real_vfs->xOpen(real_vfs, name, f->real, flags, ret_flags);
    if (rc != SQLITE_OK) {
        sqlite3_free(f->bytes);
        return rc;
    }
    f->base.pMethods = &methods;
    return SQLITE_OK;
}

static int vfs_open(sqlite3_vfs *self, const char *name, sqlite3_file *file,
    int flags, int *ret_flags)
{
    (void)self;
    if ((flags & SQLITE_OPEN_WAL) == 0) {
        return real_vfs->xOpen(real_vfs, name, file, flags, ret_flags);
    }
    return open_wal(name, ours(file), flags, ret_flags);
}

static void register_vfs(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    vfs = *real_vfs;
    vfs.szOsFile = (int)sizeof(struct wal_file) + real_vfs->szOsFile;
    vfs.zName = "trajd";
    vfs.pNext = NULL;
    vfs.xOpen = vfs_open;
    registered = sqlite3_vfs_register(&vfs, 0) == SQLITE_OK;
}

const char *wal_file_vfs(void)
{
    (void)pthread_once(&once, register_vfs); /* cannot fail */
    return registered ? vfs.zName : NULL;
}
