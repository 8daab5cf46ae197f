/* traj sync: what a dead trainer left, to a daemon of every mood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/peer.h"
#include "../lib/spool_rig.h"
#include "transport/sync.h"

#define SECOND INT64_C(1000000000)

struct world {
    struct spool_rig rig;
    struct peer peer;
    struct link link;
    struct drain_buffer *buffer;
    struct sync_counts counts;
};

/* A stream of 1000 steps whose writer is gone. */
static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->buffer = malloc(sizeof *w->buffer);
    assert_non_null(w->buffer);
    spool_rig_open(&w->rig, 0);
    spool_rig_record(&w->rig, 0, 1000);
    stream_close(&w->rig.stream);
    peer_start(&w->peer);
    assert_true(link_open(&w->link, w->peer.endpoint));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    link_close(&w->link);
    peer_stop(&w->peer);
    peer_done(&w->peer);
    spool_rig_close_removed(&w->rig);
    free(w->buffer);
    free(w);
    return 0;
}

static enum sync_result sync_it(struct world *w, int64_t timeout_ns)
{
    return sync_stream(&w->link, w->rig.run_fd, &w->rig.stream.name, timeout_ns,
        w->buffer, &w->counts);
}

static bool is_there(const struct world *w)
{
    return faccessat(w->rig.run_fd, w->rig.stream.name.text, F_OK, 0) == 0;
}

static void test_sync_sends_all_and_removes_the_stream(void **state)
{
    struct world *w = *state;
    assert_int_equal(sync_it(w, 10 * SECOND), SYNC_DONE);
    assert_int_equal(w->counts.records, 1000);
    assert_int_equal(w->counts.left, 0);
    assert_false(is_there(w));
    struct fake_daemon *d = peer_lock(&w->peer);
    assert_fake_stream_has_steps(&d->streams[0], 0, 1000);
    assert_int_equal(d->streams[0].bye_flags, WIRE_F_SYNC | WIRE_F_WRITER_GONE);
    peer_unlock(&w->peer);
}

static void test_sync_leaves_a_live_stream_alone(void **state)
{
    struct world *w = *state;
    struct stream_name name = w->rig.stream.name;
    struct stream alive;
    assert_int_equal(
        stream_recover(w->rig.run_fd, &name, &w->rig.quota, &alive), TRAJ_OK);
    assert_int_equal(sync_it(w, 10 * SECOND), SYNC_LIVE);
    stream_close(&alive);
    assert_int_equal(sync_it(w, 10 * SECOND), SYNC_DONE);
}

static void test_sync_gives_up_without_an_answer_and_keeps_all(void **state)
{
    struct world *w = *state;
    struct fake_daemon *d = peer_lock(&w->peer);
    d->silent = true;
    peer_unlock(&w->peer);
    assert_int_equal(sync_it(w, SECOND / 20), SYNC_TIMEOUT);
    assert_int_equal(w->counts.left, 1000);
    d = peer_lock(&w->peer);
    d->silent = false;
    peer_unlock(&w->peer);
    assert_int_equal(sync_it(w, 10 * SECOND), SYNC_DONE);
    d = peer_lock(&w->peer);
    assert_fake_stream_has_steps(&d->streams[0], 0, 1000);
    peer_unlock(&w->peer);
}

static void test_sync_keeps_what_the_daemon_refuses(void **state)
{
    struct world *w = *state;
    struct fake_daemon *d = peer_lock(&w->peer);
    d->forced = WIRE_ACK_REFUSED;
    d->forced_n = 1;
    peer_unlock(&w->peer);
    assert_int_equal(sync_it(w, 10 * SECOND), SYNC_REFUSED);
    assert_int_equal(w->counts.left, 1000);
    assert_true(is_there(w));
}

static void test_sync_says_what_it_cannot_read(void **state)
{
    struct world *w = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/r/%s/state", w->rig.dir,
        w->rig.stream.name.text);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(sync_it(w, 10 * SECOND), SYNC_DAMAGED);
    assert_non_null(strstr(traj_last_error(), "state"));
    assert_true(is_there(w));
}

static void test_sync_sends_what_is_whole_and_counts_the_rest(void **state)
{
    struct world *w = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/r/%s/00000000.seg", w->rig.dir,
        w->rig.stream.name.text);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "\xff\xff", 2, 50000), 2);
    assert_int_equal(close(fd), 0);
    assert_int_equal(sync_it(w, 10 * SECOND), SYNC_DONE);
    assert_int_equal(w->counts.unreadable, 1);
    assert_int_equal(w->counts.records, 999);
    assert_int_equal(w->counts.left, 0);
    assert_false(is_there(w));
    struct fake_daemon *d = peer_lock(&w->peer);
    assert_int_equal(d->streams[0].n, 999);
    assert_int_equal(d->streams[0].lost, 1);
    peer_unlock(&w->peer);
}

static void test_a_stream_whose_bye_was_lost_only_says_bye_again(void **state)
{
    struct world *w = *state;
    struct stream_name name = w->rig.stream.name;
    struct stream stream;
    assert_int_equal(
        stream_recover(w->rig.run_fd, &name, &w->rig.quota, &stream), TRAJ_OK);
    atomic_store(&stream.spool.state->acked_seq, 1000);
    stream_close(&stream);
    assert_int_equal(sync_it(w, 10 * SECOND), SYNC_DONE);
    assert_int_equal(w->counts.records, 0);
    struct fake_daemon *d = peer_lock(&w->peer);
    assert_int_equal(d->streams[0].n, 0);
    assert_true(d->streams[0].closed);
    peer_unlock(&w->peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sync_sends_all_and_removes_the_stream),
        TEST(test_sync_leaves_a_live_stream_alone),
        TEST(test_sync_gives_up_without_an_answer_and_keeps_all),
        TEST(test_sync_keeps_what_the_daemon_refuses),
        TEST(test_sync_says_what_it_cannot_read),
        TEST(test_sync_sends_what_is_whole_and_counts_the_rest),
        TEST(test_a_stream_whose_bye_was_lost_only_says_bye_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
