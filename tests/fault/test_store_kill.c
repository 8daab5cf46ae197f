/*
 * The writer is killed with SIGKILL at any moment of appending and sealing:
 * every record it had committed is there exactly once, and none by halves.
 */
#include "../lib/store_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define KILLS 25
#define UID 1u

/* In one transaction, most of it sealed at once. */
static void append_much(struct rig *rig, struct stream_state *s)
{
    static uint8_t frames[5][1 << 16];
    struct err e = { 0 };
    uint64_t ranges = 0;
    bool good = store_begin(rig->store, &e) == ERR_NONE;
    for (size_t i = 0; good && i < 5; i++) {
        struct rig_records records = { 0 };
        uint32_t taken = 0;
        for (uint64_t k = 0; k < 90; k++) {
            uint64_t step = s->committed_seq + k;
            struct rig_record r = rig_step(step + 1, step, (double)step / 3);
            rig_records_add(&records, &r);
        }
        size_t n = rig_encode(
            &records, 0, records.n, UID, 0, frames[i], sizeof frames[i]);
        rig_records_done(&records);
        good = rig_try_append(rig, s, frames[i], n, RIG_NOW_NS, &taken, &e) ==
               ERR_NONE;
    }
    good = good && store_settle(rig->store, &ranges, &e) == ERR_NONE &&
           ranges > 0 && store_commit(rig->store, &e) == ERR_NONE;
    if (!good) {
        _exit(2);
    }
}

/* Appends and seals until it is killed; after each commit it tells the seq. */
static void write_for_ever(const char *path, int told)
{
    struct rig rig = { 0 };
    (void)strcpy(rig.path, path);
    rig_reopen(&rig, 200);
    struct stream_state s =
        rig_hello(&rig, UID, "{\"run_id\":\"r\",\"attempt\":1}");
    for (;;) {
        rig_steps(&rig, &s, UID, s.committed_seq, 40);
        (void)rig_seal(&rig, &s, false);
        append_much(&rig, &s);
        if (write(told, &s.committed_seq, 8) != 8) {
            _exit(1);
        }
    }
}

static uint64_t read_told(int told)
{
    uint64_t seq = 0;
    ssize_t n = 0;
    do {
        n = read(told, &seq, 8);
    } while (n < 0 && errno == EINTR);
    return n == 8 ? seq : 0;
}

/* A writer that lives until `rounds` commits were told and a little more.
 * Returns the highest seq it told. */
static uint64_t run_and_kill(const char *path, uint64_t rounds, uint64_t *seed)
{
    int told[2];
    assert_int_equal(pipe(told), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(told[0]);
        write_for_ever(path, told[1]);
    }
    (void)close(told[1]);
    uint64_t seq = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t next = read_told(told[0]);
        assert_true(next > seq);
        seq = next;
    }
    for (uint64_t i = rig_random(seed) % 200000; i > 0; i--) {
        __asm__ volatile("" ::: "memory"); /* somewhere in the next commit */
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    for (uint64_t next = read_told(told[0]); next != 0;) {
        seq = next;
        next = read_told(told[0]);
    }
    (void)close(told[0]);
    return seq;
}

static void test_what_was_committed_is_there_once_after_every_kill(void **state)
{
    (void)state;
    struct rig rig;
    uint64_t seed = 99;
    rig_open(&rig, 200);
    store_close(rig.store);
    rig.store = NULL;
    for (int i = 0; i < KILLS; i++) {
        uint64_t told =
            run_and_kill(rig.path, 1 + rig_random(&seed) % 20, &seed);
        struct rig_records got = { 0 };
        struct scan_query query = rig_query((struct run_id){ 1 }, WIRE_STEP);
        rig_scan(&rig, &query, &got);
        assert_true(got.n >= told);
        for (size_t k = 0; k < got.n; k++) {
            assert_int_equal(got.v[k].seq, k + 1);
            assert_int_equal(got.v[k].values[STEP_step], k);
        }
        assert_int_equal(rig_number(&rig, "SELECT committed_seq "
                                          "FROM stream_progress"),
            (int64_t)got.n);
        assert_int_equal(
            rig_number(&rig, "SELECT p.log_records - "
                             "(SELECT ifnull(sum(last_seq - first_seq + 1), "
                             "0) FROM log) FROM stream_progress AS p"),
            0);
        rig_records_done(&got);
    }
    assert_true(rig_number(&rig, "SELECT count(*) FROM chunk") > 10);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_what_was_committed_is_there_once_after_every_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
