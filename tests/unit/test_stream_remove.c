/*
 * A stream that has been sent is deleted; a process may die after any of the
 * calls that this takes. Whoever looks then finds a whole stream or none, and
 * nothing is left over.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/spool_rig.h"

#define DIED 9

/* In a child: dies instead of the call of this number. */
static int calls_left = -1;

static void count_call(void)
{
    if (calls_left == 0) {
        _exit(DIED);
    }
    calls_left -= calls_left > 0;
}

/* These two stand before libc's, whose header rename is in. */
int unlinkat(int fd, const char *path, int flags)
{
    count_call();
    return (int)syscall(SYS_unlinkat, fd, path, flags);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    count_call();
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
}

/* In a child, which says where: makes a stream and removes it. true: it came to
 * the end before it was to die. */
static bool remove_and_die(int calls, char dir[static 64])
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct spool_rig rig;
        spool_rig_open(&rig, 0);
        spool_rig_record(&rig, 0, 100);
        const bool told = write(ends[1], rig.dir, 64) == 64;
        calls_left = calls;
        stream_remove(&rig.stream);
        _exit(told ? 0 : 1);
    }
    assert_int_equal(read(ends[0], dir, 64), 64);
    (void)close(ends[0]);
    (void)close(ends[1]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED);
    return WEXITSTATUS(status) == 0;
}

static size_t folders_in(int run_fd)
{
    int fd = openat(run_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(fd);
    assert_non_null(dir);
    size_t n = 0;
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        n += e->d_type == DT_DIR && e->d_name[0] != '.';
    }
    (void)closedir(dir);
    return n;
}

static void look(int run_fd)
{
    struct stream_name *names = NULL;
    size_t n = 0;
    assert_int_equal(rundir_list(run_fd, &names, &n), TRAJ_OK);
    for (size_t i = 0; i < n; i++) {
        struct quota quota = { .limit = UINT64_MAX };
        struct stream stream;
        assert_int_equal(
            stream_recover(run_fd, &names[i], &quota, &stream), TRAJ_OK);
        stream_close(&stream);
    }
    assert_int_equal(folders_in(run_fd), n);
    free(names);
}

static void test_a_death_at_any_call_leaves_a_whole_stream_or_none(void **state)
{
    (void)state;
    bool done = false;
    int deaths = 0;
    for (int calls = 0; !done; calls++) {
        char dir[64];
        char run[80];
        done = remove_and_die(calls, dir);
        deaths += !done;
        (void)snprintf(run, sizeof run, "%s/r", dir);
        const int run_fd = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(run_fd >= 0);
        look(run_fd);
        assert_int_equal(close(run_fd), 0);
        test_dir_remove(dir);
    }
    assert_true(deaths >= 4); /* moved, a segment, hello, state, the folder */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_a_death_at_any_call_leaves_a_whole_stream_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
