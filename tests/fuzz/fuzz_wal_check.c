/*
 * Any bytes as a write-ahead log: none or at least two commits behind damage,
 * and no more than there is room for.
 */
#define _DEFAULT_SOURCE /* mkstemps */
#include "care/wal_check.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define SUFFIX "-wal"
#define LEAST_FRAME (24 + 512)

static char name[] = "/tmp/trajd-fuzz-XXXXXX" SUFFIX;

static void remove_log(void)
{
    (void)unlink(name); /* what was made may be gone */
}

static int make_log(void)
{
    int fd = mkstemps(name, (int)strlen(SUFFIX));
    if (fd < 0 || atexit(remove_log) != 0) {
        abort();
    }
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static int fd = -1;
    char path[sizeof name];
    struct err e = { 0 };
    uint64_t commits = 0;
    fd = fd < 0 ? make_log() : fd;
    if (ftruncate(fd, 0) != 0 || pwrite(fd, data, n, 0) != (ssize_t)n) {
        abort();
    }
    (void)snprintf(
        path, sizeof path, "%.*s", (int)(strlen(name) - strlen(SUFFIX)), name);
    bool ok = wal_check(path, &commits, &e) == ERR_NONE;
    if (!ok || commits == 1 || commits > n / LEAST_FRAME) {
        abort();
    }
    return 0;
}
