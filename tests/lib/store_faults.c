/* store_faults.c: test support; the thread under test alone. */
#include "store_faults.h"

#include <sqlite3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long until_allocation = -1; /* -1: nothing is to fail */
static long until_io = -1;
static enum fault_kind io_kind;
static bool hit;

/* ---- memory -------------------------------------------------------------- */

static sqlite3_mem_methods memory;

static bool allocation_fails(void)
{
    if (until_allocation < 0 || until_allocation-- > 0) {
        return false;
    }
    hit = true;
    return true;
}

static void *fault_malloc(int n)
{
    return allocation_fails() ? NULL : memory.xMalloc(n);
}

static void *fault_realloc(void *p, int n)
{
    return allocation_fails() ? NULL : memory.xRealloc(p, n);
}

/* ---- files --------------------------------------------------------------- */

/* A file of ours: the real one lies behind it. */
struct fault_file {
    sqlite3_file base;
    sqlite3_file *real;
};

static sqlite3_vfs fault_vfs;
static sqlite3_vfs *real_vfs;
static sqlite3_io_methods methods;

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct fault_file *)(void *)file)->real;
}

static bool io_fails(enum fault_kind kind)
{
    if (until_io < 0 || kind != io_kind) {
        return false;
    }
    if (until_io > 0) {
        until_io--;
        return false;
    }
    /* A full disk stays full; the others fail once. */
    until_io = kind == FAULT_DISK_FULL ? 0 : -1;
    hit = true;
    return true;
}

static int fault_write(
    sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    if (io_fails(FAULT_WRITE)) {
        return SQLITE_IOERR_WRITE;
    }
    if (io_fails(FAULT_DISK_FULL)) {
        return SQLITE_FULL;
    }
    return real_of(file)->pMethods->xWrite(real_of(file), bytes, n, at);
}

/* Nobody cuts the power here: a sync that does not fail does nothing, and a
 * sweep of hundreds of databases takes seconds instead of a minute. */
static int fault_sync(sqlite3_file *file, int flags)
{
    (void)file;
    (void)flags;
    return io_fails(FAULT_SYNC) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

/* All others go straight through. */
#define REAL(call, ...)                                                        \
    real_of(file)->pMethods->call(real_of(file), __VA_ARGS__)

static int fault_close(sqlite3_file *file)
{
    int rc = real_of(file)->pMethods->xClose(real_of(file));
    free(real_of(file));
    return rc;
}
static int fault_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at)
{
    return io_fails(FAULT_READ) ? SQLITE_IOERR_READ : REAL(xRead, to, n, at);
}
static int fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return io_fails(FAULT_TRUNCATE) ? SQLITE_IOERR_TRUNCATE
                                    : REAL(xTruncate, size);
}
static int fault_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return REAL(xFileSize, size);
}
static int fault_lock(sqlite3_file *file, int level)
{
    return REAL(xLock, level);
}
static int fault_unlock(sqlite3_file *file, int level)
{
    return REAL(xUnlock, level);
}
static int fault_reserved(sqlite3_file *file, int *out)
{
    return REAL(xCheckReservedLock, out);
}
static int fault_control(sqlite3_file *file, int op, void *arg)
{
    return REAL(xFileControl, op, arg);
}
static int fault_sector(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}
static int fault_device(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}
static int fault_shm_map(
    sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    return REAL(xShmMap, page, size, extend, out);
}
static int fault_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return REAL(xShmLock, offset, n, flags);
}
static void fault_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}
static int fault_shm_unmap(sqlite3_file *file, int delete_it)
{
    return REAL(xShmUnmap, delete_it);
}

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
    int flags, int *out_flags)
{
    (void)vfs;
    struct fault_file *f = (struct fault_file *)(void *)file;
    *f = (struct fault_file){ .real = calloc(1, (size_t)real_vfs->szOsFile) };
    if (f->real == NULL) {
        return SQLITE_NOMEM;
    }
    int rc = real_vfs->xOpen(real_vfs, name, f->real, flags, out_flags);
    if (rc != SQLITE_OK) {
        free(f->real);
        return rc;
    }
    f->base.pMethods = &methods;
    return SQLITE_OK;
}

void faults_install(void)
{
    sqlite3_mem_methods wrapped;
    int rc = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory);
    wrapped = memory;
    wrapped.xMalloc = fault_malloc;
    wrapped.xRealloc = fault_realloc;
    rc |= sqlite3_config(SQLITE_CONFIG_MALLOC, &wrapped);
    /* Small allocations would come from pools and never reach us. */
    rc |= sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
    rc |= sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    rc |= sqlite3_initialize();
    methods = (sqlite3_io_methods){ 2, fault_close, fault_read, fault_write,
        fault_truncate, fault_sync, fault_size, fault_lock, fault_unlock,
        fault_reserved, fault_control, fault_sector, fault_device,
        fault_shm_map, fault_shm_lock, fault_shm_barrier, fault_shm_unmap, NULL,
        NULL };
    real_vfs = sqlite3_vfs_find(NULL);
    fault_vfs = *real_vfs;
    fault_vfs.szOsFile = (int)sizeof(struct fault_file);
    fault_vfs.zName = "fault";
    fault_vfs.xOpen = fault_open;
    rc |= sqlite3_vfs_register(&fault_vfs, 1);
    if (rc != SQLITE_OK) {
        (void)fprintf(stderr, "faults_install: %d\n", rc);
        abort();
    }
}

void faults_fail_allocation(long n)
{
    hit = false;
    until_allocation = n;
}

void faults_fail_io(enum fault_kind kind, long n)
{
    hit = false;
    io_kind = kind;
    until_io = n;
}

bool faults_off(void)
{
    until_allocation = -1;
    until_io = -1;
    return hit;
}
