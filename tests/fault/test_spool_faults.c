/* What is left of a spool after its writer was killed or its disk filled up:
 * found, checked, and never passed off as whole. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/spool_rig.h"
#include "transport/cursor.h"
#include "transport/drain.h"
#include "transport/record.h"
#include "wire/encode.h"

/* ---- SIGKILL ------------------------------------------------------------ */

/* Records for ever; *returned is how many calls have returned. */
static void record_until_killed(
    const struct traj_options *options, _Atomic uint64_t *returned)
{
    traj_run *run = NULL;
    if (traj_open(options, &run) != TRAJ_OK) {
        _exit(1);
    }
    for (uint64_t i = 0;; i++) {
        struct traj_step step = rig_traj_step(i);
        if (traj_step(run, &step) != TRAJ_OK) {
            _exit(2);
        }
        atomic_store_explicit(returned, i + 1, memory_order_release);
    }
}

static void kill_after(pid_t pid, uint64_t us)
{
    struct timespec pause = { .tv_nsec = (long)us * 1000 };
    (void)nanosleep(&pause, NULL);
    assert_int_equal(kill(pid, SIGKILL), 0);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static void assert_all_returned_are_there(
    const char *dir, const char *name, uint64_t returned)
{
    struct stream_name stream_name;
    struct stream stream;
    struct quota quota = { .limit = UINT64_MAX };
    char path[128];
    (void)snprintf(path, sizeof path, "%s/killed", dir);
    int run_fd = open(path, O_RDONLY | O_DIRECTORY);
    assert_true(run_fd >= 0);
    assert_true(rundir_parse_stream_name(name, &stream_name));
    assert_int_equal(
        stream_recover(run_fd, &stream_name, &quota, &stream), TRAJ_OK);
    struct spool_contents c = spool_rig_read(&stream.spool);
    assert_int_equal(c.holes, 0);
    assert_in_range(c.n, returned, returned + 1);
    stream_close(&stream);
    assert_int_equal(close(run_fd), 0);
}

static void test_every_call_that_returned_before_sigkill_is_recovered(
    void **state)
{
    (void)state;
    char dir[64];
    test_dir_make(dir);
    struct traj_options options = TRAJ_OPTIONS_INIT;
    options.dir = dir;
    options.run_id = "killed";
    options.mode = TRAJ_MODE_OFFLINE;
    _Atomic uint64_t *returned = mmap(
        NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(returned != MAP_FAILED);
    for (unsigned round = 1; round <= 20; round++) {
        char name[STREAM_NAME_BYTES];
        (void)snprintf(name, sizeof name, "a%04u-r00000", round);
        atomic_store(returned, 0);
        pid_t pid = fork();
        if (pid == 0) {
            record_until_killed(&options, returned);
        }
        while (atomic_load(returned) == 0) { /* it is under way */
        }
        kill_after(pid, round * 997 % 20 * 2500);
        assert_all_returned_are_there(dir, name, atomic_load(returned));
    }
    assert_int_equal(munmap(returned, 4096), 0);
    test_dir_remove(dir);
}

/* ---- a disk that is full ------------------------------------------------ */

static void limit_files_to(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The kernel would send SIGXFSZ at the limit: it must not come to that. */
static void test_a_segment_that_gets_no_room_is_an_error_and_drops_are_told(
    void **state)
{
    (void)state;
    struct spool_rig rig;
    struct traj_step step = rig_traj_step(0);
    spool_rig_open(&rig, 8u << 20); /* segments of 1 MiB */
    limit_files_to(100000);
    uint64_t n = 0;
    while (record_step(&rig.stream.spool, &step, SPOOL_ORDINARY,
               times_now().mono_ns, times_now()) == TRAJ_OK) {
        n++;
    }
    assert_int_equal(record_step(&rig.stream.spool, &step, SPOOL_ORDINARY,
                         times_now().mono_ns, times_now()),
        TRAJ_EIO);
    assert_non_null(strstr(traj_last_error(), "allocate 0000000"));
    limit_files_to(RLIM_INFINITY);
    struct times later = times_now();
    later.mono_ns += 1000000000;
    assert_int_equal(record_step(&rig.stream.spool, &step, SPOOL_ORDINARY,
                         later.mono_ns, later),
        TRAJ_OK);
    assert_int_equal(rig.stream.spool.next_seq, n + 2);
    spool_rig_close(&rig);
}

/* Fill run's segment, and drop what comes when the disk gives no other. */
static void drop_some(traj_run *run)
{
    struct traj_step step = rig_traj_step(0);
    int dropped = 0;
    while (dropped < 100) {
        enum traj_status status = traj_step(run, &step);
        assert_true(status == TRAJ_OK || status == TRAJ_EIO);
        dropped += status == TRAJ_EIO;
    }
}

/* Bits of what the records of a stream tell. */
enum { TELLS_DROPS = 1, TELLS_FINISH = 2 };

static int what_is_told(const struct spool *spool)
{
    int told = 0;
    struct cursor cursor = cursor_at_front(spool, 1);
    const struct record_head *record = NULL;
    while ((record = cursor_peek(&cursor)) != NULL) {
        uint64_t values[WIRE_FIELDS_MAX];
        struct wire_record r;
        cursor_unpack(record, values, &r);
        bool event = r.kind == WIRE_EVENT;
        if (event && r.values[EVENT_event] == TRAJ_EVENT_DROPPED) {
            double value = 0;
            memcpy(&value, &r.values[EVENT_value], sizeof value);
            assert_true(value >= 100);
            told |= TELLS_DROPS;
        } else if (event && r.values[EVENT_event] == TRAJ_EVENT_FINISH) {
            assert_true(told & TELLS_DROPS);
            told |= TELLS_FINISH;
        }
        cursor_advance(&cursor, record);
    }
    return told;
}

/* A run that looks finished and complete although records were dropped would
 * be a lie. Its last bytes of room vary with what was recorded first. */
static void test_a_run_that_ends_on_a_full_disk_tells_its_drops(void **state)
{
    (void)state;
    int told_all = 0;
    for (int before = 0; before < 12; before++) {
        struct spool_rig rig;
        spool_rig_open(&rig, 8u << 20);
        struct traj_options options = TRAJ_OPTIONS_INIT;
        options.dir = rig.dir;
        options.run_id = "r";
        options.rank = 1;
        options.world = 2;
        options.mode = TRAJ_MODE_OFFLINE;
        options.spool_bytes = 8u << 20;
        traj_run *run = NULL;
        assert_int_equal(traj_open(&options, &run), TRAJ_OK);
        limit_files_to(100000);
        for (int i = 0; i < before; i++) {
            assert_int_equal(traj_log(run, "a/b", 0, 0), TRAJ_OK);
        }
        drop_some(run);
        enum traj_status status = traj_finish(run, 0, 0);
        limit_files_to(RLIM_INFINITY);
        struct stream_name name;
        struct stream stream;
        assert_true(rundir_parse_stream_name("a0001-r00001", &name));
        assert_int_equal(
            stream_recover(rig.run_fd, &name, &rig.quota, &stream), TRAJ_OK);
        int told = what_is_told(&stream.spool);
        assert_int_equal(status == TRAJ_OK, (told & TELLS_FINISH) != 0);
        told_all += told == (TELLS_DROPS | TELLS_FINISH);
        stream_close(&stream);
        spool_rig_close(&rig);
    }
    assert_true(told_all > 0);
}

/* In a child: drop 100 records, and die before anybody can be told. */
static void drop_and_die(const char *dir)
{
    struct traj_options options = TRAJ_OPTIONS_INIT;
    options.dir = dir;
    options.run_id = "r";
    options.mode = TRAJ_MODE_OFFLINE;
    options.spool_bytes = 1u << 20;
    traj_run *run = NULL;
    struct traj_step step = rig_traj_step(0);
    int dropped = 0;
    if (traj_open(&options, &run) == TRAJ_OK) {
        while (dropped < 100) {
            dropped += traj_step(run, &step) == TRAJ_EFULL;
        }
    }
    (void)raise(SIGKILL);
}

static uint64_t records_in(const struct spool *spool)
{
    uint64_t n = 0;
    struct cursor cursor = cursor_at_front(spool, 1);
    const struct record_head *record = NULL;
    while ((record = cursor_peek(&cursor)) != NULL) {
        cursor_advance(&cursor, record);
        n++;
    }
    return n;
}

static void test_drops_of_a_killed_process_are_told_once(void **state)
{
    (void)state;
    char dir[64];
    char path[128];
    test_dir_make(dir);
    pid_t pid = fork();
    if (pid == 0) {
        drop_and_die(dir);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)snprintf(path, sizeof path, "%s/r", dir);
    int run_fd = open(path, O_RDONLY | O_DIRECTORY);
    assert_true(run_fd >= 0);
    struct quota quota = { .limit = UINT64_MAX };
    struct stream_name name;
    struct stream stream;
    uint64_t n[2];
    assert_true(rundir_parse_stream_name("a0001-r00000", &name));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            stream_recover(run_fd, &name, &quota, &stream), TRAJ_OK);
        assert_int_equal(what_is_told(&stream.spool), TELLS_DROPS);
        n[i] = records_in(&stream.spool);
        stream_close(&stream);
    }
    assert_true(n[0] == n[1]);
    assert_int_equal(close(run_fd), 0);
    test_dir_remove(dir);
}

static void test_open_without_room_fails_and_leaves_no_stream(void **state)
{
    (void)state;
    char dir[64];
    char path[128];
    test_dir_make(dir);
    struct traj_options options = TRAJ_OPTIONS_INIT;
    options.dir = dir;
    options.run_id = "r";
    traj_run *run = NULL;
    limit_files_to(100000);
    assert_int_equal(traj_open(&options, &run), TRAJ_EIO);
    limit_files_to(RLIM_INFINITY);
    assert_null(run);
    (void)snprintf(path, sizeof path, "%s/r/r00000.lock", dir);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof path, "%s/r", dir);
    assert_int_equal(rmdir(path), 0); /* nothing else was in it */
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_every_call_that_returned_before_sigkill_is_recovered),
        cmocka_unit_test(
            test_a_segment_that_gets_no_room_is_an_error_and_drops_are_told),
        cmocka_unit_test(test_a_run_that_ends_on_a_full_disk_tells_its_drops),
        cmocka_unit_test(test_drops_of_a_killed_process_are_told_once),
        cmocka_unit_test(test_open_without_room_fails_and_leaves_no_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
