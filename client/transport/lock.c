/*
 * lock: owns the table of files this process has locked.
 *
 * Invariants:
 * 1. a file is in the table from before it is locked until after it is closed;
 * 2. in a forked child the table is empty: the locks are the parent's.
 */
#include "transport/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

/* Guards the table and the opening of files that may be in it. A leaf: no
 * other lock is taken under it. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct lock *held;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void before_fork(void)
{
    (void)pthread_mutex_lock(&mutex);
}

static void after_fork_in_parent(void)
{
    (void)pthread_mutex_unlock(&mutex);
}

static void after_fork_in_child(void)
{
    held = NULL;
    (void)pthread_mutex_unlock(&mutex);
}

static void watch_forks(void)
{
    /* Out of memory: then a child may wait for a mutex nobody holds. */
    (void)pthread_atfork(
        before_fork, after_fork_in_parent, after_fork_in_child);
}

static bool is_held_here(dev_t dev, ino_t ino)
{
    const struct lock *l = held;
    while (l != NULL && (l->dev != dev || l->ino != ino)) {
        l = l->next;
    }
    return l != NULL;
}

static enum traj_status busy(const char *name, long pid)
{
    return error_set(TRAJ_EBUSY, "%s is locked by process %ld", name, pid);
}

/* The lock itself, on an open file. */
static enum traj_status set_lock(int fd, const char *name)
{
    struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(fd, F_SETLK, &range) == 0) {
        return TRAJ_OK;
    }
    if (errno != EACCES && errno != EAGAIN) {
        return error_set(TRAJ_EIO, "lock %s: %s", name, strerror(errno));
    }
    /* Gone by now, perhaps; then the pid is 0 and the answer still "busy". */
    range.l_pid = 0;
    (void)fcntl(fd, F_GETLK, &range);
    return busy(name, (long)range.l_pid);
}

static enum traj_status open_and_lock(
    struct lock *lock, int dir_fd, const char *name, bool create)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, 0) == 0 &&
        is_held_here(st.st_dev, st.st_ino)) {
        return busy(name, (long)getpid());
    }
    int flags = O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0);
    int fd = openat(dir_fd, name, flags, 0666);
    if (fd < 0) {
        return error_set(TRAJ_EIO, "open %s: %s", name, strerror(errno));
    }
    enum traj_status status = set_lock(fd, name);
    if (status == TRAJ_OK && fstat(fd, &st) != 0) {
        status = error_set(TRAJ_EIO, "stat %s: %s", name, strerror(errno));
    }
    if (status != TRAJ_OK) {
        (void)close(fd); /* nothing was written */
        return status;
    }
    *lock = (struct lock){ fd, st.st_dev, st.st_ino, held };
    held = lock;
    return TRAJ_OK;
}

enum traj_status lock_take(
    struct lock *lock, int dir_fd, const char *name, bool create)
{
    (void)pthread_once(&once, watch_forks);
    (void)pthread_mutex_lock(&mutex);
    enum traj_status status = open_and_lock(lock, dir_fd, name, create);
    (void)pthread_mutex_unlock(&mutex);
    return status;
}

void lock_release(struct lock *lock)
{
    if (lock->fd < 0) {
        return;
    }
    (void)pthread_mutex_lock(&mutex);
    struct lock **at = &held;
    while (*at != lock) {
        at = &(*at)->next;
    }
    *at = lock->next;
    (void)close(lock->fd); /* drops the lock; a small file, nothing to flush */
    (void)pthread_mutex_unlock(&mutex);
    *lock = LOCK_NONE;
}
