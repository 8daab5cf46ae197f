/* rundir: runs in whoever opens a run: the trainer in traj_open, traj sync. */
#include "transport/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "transport/platform.h"

#define ATTEMPT_MAX 2147483647u

static enum traj_status io_error(const char *what, const char *name)
{
    return error_set(TRAJ_EIO, "%s %s: %s", what, name, strerror(errno));
}

static void stream_name_write(struct stream_name *name)
{
    (void)snprintf(name->text, sizeof name->text, "a%04" PRIu32 "-r%05" PRIu32,
        name->attempt, name->rank);
}

bool rundir_parse_stream_name(const char *text, struct stream_name *ret)
{
    char *end = NULL;
    if (strlen(text) >= STREAM_NAME_BYTES || text[0] != 'a') {
        return false;
    }
    unsigned long attempt = strtoul(text + 1, &end, 10);
    if (end[0] != '-' || end[1] != 'r') {
        return false;
    }
    unsigned long rank = strtoul(end + 2, &end, 10);
    if (attempt < 1 || attempt > ATTEMPT_MAX || rank > 65535) {
        return false;
    }
    struct stream_name name = { .attempt = (uint32_t)attempt,
        .rank = (uint32_t)rank };
    stream_name_write(&name);
    if (strcmp(name.text, text) != 0) {
        return false; /* a name that we would not have made */
    }
    *ret = name;
    return true;
}

bool rundir_is_put_aside(const char *entry, const struct stream_name *name)
{
    const size_t n = strlen(name->text);
    if (strncmp(entry, name->text, n) != 0 || entry[n] != '-') {
        return false;
    }
    const char *number = entry + n + 1;
    const size_t digits = strspn(number, "0123456789");
    return digits > 0 && strcmp(number + digits, SPOOL_ASIDE) == 0;
}

static int open_dir_at(int at_fd, const char *path)
{
    return openat(at_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* mkdir -p, and open. */
static enum traj_status make_path(const char *path, int *ret_fd)
{
    char *copy = strdup(path);
    if (copy == NULL) {
        return error_set_static(TRAJ_ENOMEM, "out of memory for a path");
    }
    for (char *slash = strchr(copy + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(copy, 0777); /* what matters is whether open works */
        *slash = '/';
    }
    (void)mkdir(copy, 0777);
    free(copy);
    int fd = open_dir_at(AT_FDCWD, path);
    if (fd < 0) {
        return io_error("open", path);
    }
    *ret_fd = fd;
    return TRAJ_OK;
}

enum traj_status rundir_open(
    const struct options *options, int *ret_run_fd, struct lock *ret_lock)
{
    char name[STREAM_NAME_BYTES];
    (void)snprintf(name, sizeof name, "r%05u.lock", options->rank);
    size_t bytes = strlen(options->dir) + strlen(options->run_id) + 2;
    char *path = malloc(bytes);
    if (path == NULL) {
        return error_set_static(TRAJ_ENOMEM, "out of memory for a path");
    }
    (void)snprintf(path, bytes, "%s/%s", options->dir, options->run_id);
    int run_fd = -1;
    enum traj_status status = make_path(path, &run_fd);
    free(path);
    if (status != TRAJ_OK) {
        return status;
    }
    status = lock_take(ret_lock, run_fd, name, true);
    if (status != TRAJ_OK) {
        (void)close(run_fd);
        return status;
    }
    *ret_run_fd = run_fd;
    return TRAJ_OK;
}

static int by_attempt(const void *a, const void *b)
{
    const struct stream_name *x = a;
    const struct stream_name *y = b;
    if (x->attempt != y->attempt) {
        return x->attempt < y->attempt ? -1 : 1;
    }
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* ---- folders that go ---------------------------------------------------- */

/* What is acknowledged is moved to such a name before it is deleted: a folder
 * under a stream's name is whole, whenever a process dies. */
#define GONE "gone-"
#define GONE_BYTES (sizeof GONE + STREAM_NAME_BYTES)

static bool is_gone(const char *name)
{
    struct stream_name ignored;
    return strncmp(name, GONE, sizeof GONE - 1) == 0 &&
           rundir_parse_stream_name(name + sizeof GONE - 1, &ignored);
}

/* Remove the files of a folder that no living process has. */
static void remove_folder(int run_fd, const char *name)
{
    int fd = open_dir_at(run_fd, name);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    const struct dirent *entry = NULL;
    while ((entry = readdir(dir)) != NULL) {
        (void)unlinkat(fd, entry->d_name, 0); /* "." and ".." refuse */
    }
    (void)closedir(dir);
    (void)unlinkat(run_fd, name, AT_REMOVEDIR);
}

/* ---- the streams of a run ------------------------------------------------ */

/* The names among the entries of dir, or false: out of memory. Finishes what
 * others died over. */
static bool read_names(DIR *dir, struct stream_name **names, size_t *n)
{
    size_t capacity = 0;
    const struct dirent *entry = NULL;
    while ((entry = readdir(dir)) != NULL) {
        struct stream_name name;
        if (is_gone(entry->d_name)) {
            remove_folder(dirfd(dir), entry->d_name);
        }
        if (!rundir_parse_stream_name(entry->d_name, &name)) {
            continue;
        }
        if (*n == capacity) {
            capacity = capacity == 0 ? 16 : capacity * 2;
            struct stream_name *grown =
                realloc(*names, capacity * sizeof *grown);
            if (grown == NULL) {
                return false;
            }
            *names = grown;
        }
        (*names)[(*n)++] = name;
    }
    return true;
}

enum traj_status rundir_list(
    int run_fd, struct stream_name **ret_names, size_t *ret_n)
{
    int fd = open_dir_at(run_fd, ".");
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        enum traj_status status = io_error("list", "the run's folder");
        if (fd >= 0) {
            (void)close(fd);
        }
        return status;
    }
    struct stream_name *names = NULL;
    size_t n = 0;
    bool all = read_names(dir, &names, &n);
    (void)closedir(dir);
    if (!all) {
        free(names);
        return error_set_static(TRAJ_ENOMEM, "out of memory for the streams");
    }
    if (n > 0) {
        qsort(names, n, sizeof *names, by_attempt);
    }
    *ret_names = names;
    *ret_n = n;
    return TRAJ_OK;
}

/* ---- a new attempt ------------------------------------------------------ */

static uint32_t highest_attempt_in_folder(int run_fd, uint32_t rank)
{
    struct stream_name *names = NULL;
    size_t n = 0;
    uint32_t highest = 0;
    if (rundir_list(run_fd, &names, &n) != TRAJ_OK) {
        n = 0; /* the lock file's number will do */
    }
    for (size_t i = 0; i < n; i++) {
        if (names[i].rank == rank && names[i].attempt > highest) {
            highest = names[i].attempt;
        }
    }
    free(names);
    return highest;
}

/* The next number, noted in the lock file so that it does not come again
 * when its folder has been sent and removed. */
static enum traj_status draw_attempt(
    int run_fd, const struct lock *lock, uint32_t rank, uint32_t *ret_attempt)
{
    char text[16] = "";
    ssize_t n = pread(lock->fd, text, sizeof text - 1, 0);
    unsigned long last = n > 0 ? strtoul(text, NULL, 10) : 0;
    uint32_t highest = highest_attempt_in_folder(run_fd, rank);
    uint32_t attempt = last < ATTEMPT_MAX ? (uint32_t)last + 1 : 1;
    if (attempt <= highest) {
        attempt = highest + 1;
    }
    int bytes = snprintf(text, sizeof text, "%u\n", attempt);
    if (pwrite(lock->fd, text, (size_t)bytes, 0) != bytes) {
        return io_error("write", "the rank's lock file");
    }
    *ret_attempt = attempt;
    return TRAJ_OK;
}

/* A folder under a name that nobody looks for, empty. */
static enum traj_status make_folder(
    int run_fd, const char *name, int *ret_dir_fd)
{
    remove_folder(run_fd, name); /* of a process that died right here */
    if (mkdirat(run_fd, name, 0777) != 0) {
        return io_error("make", name);
    }
    int dir_fd = open_dir_at(run_fd, name);
    if (dir_fd < 0) {
        return io_error("open", name);
    }
    *ret_dir_fd = dir_fd;
    return TRAJ_OK;
}

static enum traj_status fill_folder(int dir_fd, const struct options *options,
    struct quota *quota, struct stream *stream)
{
    uint8_t uid[16];
    if (!platform_random(uid, sizeof uid)) {
        return error_set_static(TRAJ_EIO, "no random bytes for a stream's id");
    }
    enum traj_status status =
        hello_make(options, stream->name.attempt, &stream->hello);
    if (status == TRAJ_OK) {
        status = hello_write(dir_fd, &stream->hello);
    }
    if (status == TRAJ_OK) {
        status = spool_create(&stream->spool, dir_fd, uid, quota);
    }
    return status;
}

static enum traj_status make_stream(int run_fd, const char *made,
    const struct options *options, struct quota *quota, struct stream *stream)
{
    int dir_fd = -1;
    enum traj_status status = make_folder(run_fd, made, &dir_fd);
    if (status != TRAJ_OK) {
        return status;
    }
    status = fill_folder(dir_fd, options, quota, stream);
    if (status != TRAJ_OK) {
        (void)close(dir_fd);
        return status;
    }
    if (renameat(run_fd, made, run_fd, stream->name.text) != 0) {
        status = io_error("make", stream->name.text);
        spool_close_and_remove(&stream->spool);
        return status;
    }
    (void)fsync(run_fd); /* a power cut may cost the attempt: see above */
    return TRAJ_OK;
}

enum traj_status rundir_new_stream(int run_fd, const struct lock *lock,
    const struct options *options, struct quota *quota, struct stream *stream)
{
    *stream = (struct stream){ .name = { .rank = options->rank } };
    enum traj_status status =
        draw_attempt(run_fd, lock, options->rank, &stream->name.attempt);
    if (status != TRAJ_OK) {
        return status;
    }
    stream_name_write(&stream->name);
    char made[STREAM_NAME_BYTES];
    (void)snprintf(made, sizeof made, "new-r%05u", stream->name.rank);
    stream->run_fd = fcntl(run_fd, F_DUPFD_CLOEXEC, 0);
    if (stream->run_fd < 0) {
        return io_error("duplicate", "the run's folder");
    }
    status = make_stream(run_fd, made, options, quota, stream);
    if (status != TRAJ_OK) {
        remove_folder(run_fd, made);
        text_done(&stream->hello);
        (void)close(stream->run_fd);
    }
    return status;
}

/* ---- an old one --------------------------------------------------------- */

enum traj_status stream_recover(int run_fd, const struct stream_name *name,
    struct quota *quota, struct stream *stream)
{
    *stream = (struct stream){ .name = *name, .run_fd = -1 };
    int dir_fd = open_dir_at(run_fd, name->text);
    if (dir_fd < 0) {
        return io_error("open", name->text);
    }
    enum traj_status status =
        spool_recover(&stream->spool, dir_fd, stream->name.text, quota);
    if (status != TRAJ_OK) {
        (void)close(dir_fd);
        return status;
    }
    status = hello_read(dir_fd, &stream->hello);
    stream->run_fd = fcntl(run_fd, F_DUPFD_CLOEXEC, 0);
    if (status == TRAJ_OK && stream->run_fd < 0) {
        status = io_error("duplicate", "the run's folder");
    }
    if (status != TRAJ_OK) {
        stream_close(stream);
    }
    return status;
}

void stream_close(struct stream *stream)
{
    spool_close(&stream->spool);
    text_done(&stream->hello);
    if (stream->run_fd >= 0) {
        (void)close(stream->run_fd);
    }
}

void stream_remove(struct stream *stream)
{
    char gone[GONE_BYTES];
    const char *name = stream->name.text;
    if (!spool_put_aside(&stream->spool)) {
        stream_close(stream);
        return;
    }
    (void)snprintf(gone, sizeof gone, GONE "%s", name);
    if (renameat(stream->run_fd, name, stream->run_fd, gone) == 0) {
        name = gone;
    }
    spool_close_and_remove(&stream->spool);
    text_done(&stream->hello);
    (void)unlinkat(stream->run_fd, name, AT_REMOVEDIR);
    (void)close(stream->run_fd);
}
