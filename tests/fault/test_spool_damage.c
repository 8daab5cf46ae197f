/*
 * A spool whose files a disk, a power cut or a hand has damaged: every record
 * that can be read is read, every other is counted, and no file that holds one
 * of those is deleted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/spool_rig.h"
#include "transport/drain.h"

#define STEPS 200

/* A stream of STEPS steps in one segment, closed, and where they lie. */
struct damaged {
    struct spool_rig rig;
    size_t at[STEPS + 2]; /* of the record of a seq; the last is the end */
};

static void segment_path(
    const struct spool_rig *rig, unsigned number, char path[static 128])
{
    (void)snprintf(
        path, 128, "%s/r/%s/%08u.seg", rig->dir, rig->stream.name.text, number);
}

static void aside_path(
    const struct spool_rig *rig, unsigned number, char path[static 128])
{
    (void)snprintf(path, 128, "%s/r/%s-%08u.damaged", rig->dir,
        rig->stream.name.text, number);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Exchange n bytes of a file: `bytes` is then what was there. */
static void exchange(const char *path, size_t at, void *bytes, size_t n)
{
    uint8_t before[512];
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0 && n <= sizeof before);
    assert_int_equal(pread(fd, before, n, (off_t)at), n);
    assert_int_equal(pwrite(fd, bytes, n, (off_t)at), n);
    assert_int_equal(close(fd), 0);
    memcpy(bytes, before, n);
}

static void flip_bit(const char *path, size_t at, unsigned bit)
{
    uint8_t byte = 0;
    exchange(path, at, &byte, 1);
    byte ^= (uint8_t)(1u << bit);
    exchange(path, at, &byte, 1);
}

static void zero(const char *path, size_t at, size_t n)
{
    uint8_t zeros[512] = { 0 };
    exchange(path, at, zeros, n);
}

/* All bytes of a file; free() them. */
static uint8_t *bytes_of(const char *path, size_t *ret_n)
{
    struct stat st;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    *ret_n = (size_t)st.st_size;
    uint8_t *bytes = malloc(*ret_n + 1);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, *ret_n), *ret_n);
    assert_int_equal(close(fd), 0);
    return bytes;
}

static enum traj_status try_recover(struct spool_rig *rig)
{
    atomic_store(&rig->quota.used, 0);
    struct stream_name name = rig->stream.name;
    return stream_recover(rig->run_fd, &name, &rig->quota, &rig->stream);
}

/* The closed stream is taken over, as after a death. */
static struct spool_contents recover(struct spool_rig *rig)
{
    assert_int_equal(try_recover(rig), TRAJ_OK);
    return spool_rig_read(&rig->stream.spool);
}

static int setup(void **state)
{
    struct damaged *d = calloc(1, sizeof *d);
    assert_non_null(d);
    spool_rig_open(&d->rig, 0);
    spool_rig_record(&d->rig, 0, STEPS);
    size_t at = sizeof(struct segment_head);
    for (size_t seq = 1; seq <= STEPS + 1; seq++) {
        const struct record_head *record =
            segment_record(d->rig.stream.spool.first, at);
        d->at[seq] = at;
        at += record != NULL ? record->length : 0;
    }
    stream_close(&d->rig.stream);
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct damaged *d = *state;
    if (d->rig.stream.spool.state != NULL) { /* an assertion failed */
        stream_close(&d->rig.stream);
    }
    spool_rig_close_removed(&d->rig);
    free(d);
    return 0;
}

/* ---- one record --------------------------------------------------------- */

static void test_every_flipped_bit_of_a_record_is_found(void **state)
{
    struct damaged *d = *state;
    (void)recover(&d->rig);
    const struct record_head *record =
        segment_record(d->rig.stream.spool.first, sizeof(struct segment_head));
    size_t n = record->length;
    uint8_t copy[1024];
    memcpy(copy, record, n);
    assert_true(segment_record_is_good(copy, n));
    for (size_t bit = 0; bit < n * 8; bit++) {
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(segment_record_is_good(copy, n));
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t shorter = 0; shorter < n; shorter++) {
        assert_false(segment_record_is_good(copy, shorter));
    }
    stream_close(&d->rig.stream);
}

/* Whichever byte it is, of its lengths too: those behind it are found. */
static void test_a_damaged_record_costs_itself_alone(void **state)
{
    struct damaged *d = *state;
    char path[128];
    segment_path(&d->rig, 0, path);
    for (size_t at = d->at[50]; at < d->at[51]; at++) {
        flip_bit(path, at, (unsigned)at % 8);
        struct spool_contents c = recover(&d->rig);
        assert_int_equal(c.n, STEPS - 1);
        assert_int_equal(c.holes, 1);
        assert_int_equal(c.last_seq, STEPS);
        assert_int_equal(d->rig.stream.spool.unreadable, 1);
        stream_close(&d->rig.stream);
        flip_bit(path, at, (unsigned)at % 8);
    }
    assert_int_equal(recover(&d->rig).n, STEPS);
    assert_int_equal(d->rig.stream.spool.unreadable, 0);
    stream_close(&d->rig.stream);
}

static void test_the_first_record_and_several_are_counted(void **state)
{
    struct damaged *d = *state;
    char path[128];
    segment_path(&d->rig, 0, path);
    flip_bit(path, d->at[1] + 20, 3);
    flip_bit(path, d->at[2] + 4, 3);
    zero(path, d->at[100] + 8, d->at[103] - d->at[100]); /* and into 103 */
    struct spool_contents c = recover(&d->rig);
    assert_int_equal(c.first_seq, 3);
    assert_int_equal(c.n, STEPS - 6);
    assert_int_equal(c.holes, 6);
    assert_int_equal(d->rig.stream.spool.unreadable, 6);
    stream_close(&d->rig.stream);
}

static void test_a_file_is_not_changed_by_being_read(void **state)
{
    struct damaged *d = *state;
    char path[128];
    size_t n[2] = { 0 };
    segment_path(&d->rig, 0, path);
    flip_bit(path, d->at[50] + 40, 0);
    uint8_t *before = bytes_of(path, &n[0]);
    (void)recover(&d->rig);
    stream_close(&d->rig.stream);
    uint8_t *after = bytes_of(path, &n[1]);
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(before, after, n[0]);
    free(before);
    free(after);
}

/* The daemon has them: nobody misses anything. */
static void test_damage_of_acknowledged_records_is_no_loss(void **state)
{
    struct damaged *d = *state;
    char path[128];
    char aside[128];
    segment_path(&d->rig, 0, path);
    aside_path(&d->rig, 0, aside);
    flip_bit(path, d->at[50] + 40, 0);
    for (int again = 0; again < 2; again++) {
        struct spool_contents c = recover(&d->rig);
        atomic_store(&d->rig.stream.spool.state->acked_seq, 60);
        assert_int_equal(c.n, STEPS - 1);
        assert_int_equal(c.last_seq, STEPS);
        assert_int_equal(d->rig.stream.spool.unreadable, again == 0);
        stream_close(&d->rig.stream);
    }
    (void)recover(&d->rig);
    spool_release_before(&d->rig.stream.spool, NULL);
    assert_false(is_there(aside));
    assert_false(is_there(path));
    stream_remove(&d->rig.stream);
}

/* Of a seq that has been: a page of long ago, say. */
static void test_a_record_in_the_place_of_a_later_one_is_damage(void **state)
{
    struct damaged *d = *state;
    char path[128];
    uint8_t old[512];
    size_t n = d->at[11] - d->at[10];
    segment_path(&d->rig, 0, path);
    (void)recover(&d->rig);
    assert_int_equal(d->at[62] - d->at[61], n);
    memcpy(old, (uint8_t *)d->rig.stream.spool.first->head + d->at[10], n);
    stream_close(&d->rig.stream);
    exchange(path, d->at[61], old, n);
    struct spool_contents c = recover(&d->rig);
    assert_int_equal(c.n, STEPS - 1);
    assert_int_equal(c.holes, 1);
    assert_int_equal(c.last_seq, STEPS);
    stream_close(&d->rig.stream);
}

/* ---- the end ------------------------------------------------------------ */

static void test_a_lost_end_is_told_by_an_event_behind_the_gap(void **state)
{
    struct damaged *d = *state;
    char path[128];
    segment_path(&d->rig, 0, path);
    zero(path, d->at[STEPS + 1] - 512, 512);
    struct spool_contents c = recover(&d->rig);
    assert_int_equal(c.last_seq, STEPS + 1); /* the event */
    assert_in_range(c.holes, 1, 5);
    assert_int_equal(c.n + c.holes, STEPS + 1);
    assert_int_equal(d->rig.stream.spool.unreadable, c.holes);
    spool_rig_recover(&d->rig);
    struct spool_contents again = spool_rig_read(&d->rig.stream.spool);
    assert_memory_equal(&again, &c, sizeof c);
    assert_int_equal(d->rig.stream.spool.unreadable, c.holes);
    stream_remove(&d->rig.stream);
    aside_path(&d->rig, 0, path);
    assert_true(is_there(path));
}

/* A power cut may leave the state as it was before the segment: that more was
 * committed than is there is then known of the segment alone. */
static void test_an_end_that_only_the_segment_knows_is_one_record_or_more(
    void **state)
{
    struct damaged *d = *state;
    char path[128];
    char state_path[128];
    segment_path(&d->rig, 0, path);
    (void)snprintf(state_path, sizeof state_path, "%s/r/%s/state", d->rig.dir,
        d->rig.stream.name.text);
    uint64_t stale = STEPS - 10;
    exchange(state_path, offsetof(struct spool_state, last_seq), &stale, 8);
    zero(path, d->at[STEPS - 1], d->at[STEPS + 1] - d->at[STEPS - 1]);
    struct spool_contents c = recover(&d->rig);
    assert_int_equal(c.last_seq, STEPS); /* the event */
    assert_int_equal(c.holes, 1);
    assert_int_equal(d->rig.stream.spool.unreadable, 1);
    stream_close(&d->rig.stream);
}

static void test_a_committed_length_that_never_reached_the_disk_costs_nothing(
    void **state)
{
    struct damaged *d = *state;
    char path[128];
    uint64_t stale = sizeof(struct segment_head);
    segment_path(&d->rig, 0, path);
    exchange(path, offsetof(struct segment_head, committed), &stale, 8);
    assert_int_equal(recover(&d->rig).n, STEPS);
    assert_int_equal(d->rig.stream.spool.unreadable, 0);
    stream_close(&d->rig.stream);
}

/* What a process was about to write when it was killed. */
static void test_a_record_that_was_never_committed_is_no_damage(void **state)
{
    struct damaged *d = *state;
    char path[128];
    segment_path(&d->rig, 0, path);
    uint64_t end = d->at[STEPS];
    uint64_t last = STEPS - 1;
    char state_path[128];
    (void)snprintf(state_path, sizeof state_path, "%s/r/%s/state", d->rig.dir,
        d->rig.stream.name.text);
    exchange(path, offsetof(struct segment_head, committed), &end, 8);
    exchange(state_path, offsetof(struct spool_state, last_seq), &last, 8);
    flip_bit(path, d->at[STEPS] + 60, 1);
    struct spool_contents c = recover(&d->rig);
    assert_int_equal(c.n, STEPS - 1);
    assert_int_equal(d->rig.stream.spool.unreadable, 0);
    assert_false(d->rig.stream.spool.first->damaged);
    stream_close(&d->rig.stream);
}

/* ---- whole files -------------------------------------------------------- */

static void test_what_holds_lost_records_goes_aside_when_the_rest_is_sent(
    void **state)
{
    struct damaged *d = *state;
    char path[128];
    char aside[128];
    size_t n[2] = { 0 };
    segment_path(&d->rig, 0, path);
    aside_path(&d->rig, 0, aside);
    flip_bit(path, d->at[50] + 40, 0);
    uint8_t *before = bytes_of(path, &n[0]);
    (void)recover(&d->rig);
    assert_false(is_there(aside));
    stream_remove(&d->rig.stream);
    assert_false(is_there(path));
    uint8_t *after = bytes_of(aside, &n[1]);
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(before, after, n[0]);
    free(before);
    free(after);
    assert_true(
        rundir_is_put_aside(strrchr(aside, '/') + 1, &d->rig.stream.name));
    assert_false(rundir_is_put_aside("a0001-r00000", &d->rig.stream.name));
    assert_false(rundir_is_put_aside(
        "a0001-r00001-00000000.damaged", &d->rig.stream.name));
    assert_false(
        rundir_is_put_aside("a0001-r00000-.damaged", &d->rig.stream.name));
}

static void test_a_segment_without_its_head_goes_aside(void **state)
{
    (void)state;
    struct spool_rig rig;
    char path[128];
    char aside[128];
    spool_rig_open(&rig, 4u << 20); /* segments of 512 KiB */
    spool_rig_record(&rig, 0, 10000);
    const struct segment *second = rig.stream.spool.first->next;
    uint64_t held = atomic_load(&second->next->head->first_seq) -
                    atomic_load(&second->head->first_seq);
    stream_close(&rig.stream);
    segment_path(&rig, 1, path);
    aside_path(&rig, 1, aside);
    zero(path, 0, sizeof(struct segment_head));
    struct spool_contents c = recover(&rig);
    assert_int_equal(c.last_seq, 10000);
    assert_int_equal(c.holes, held);
    assert_int_equal(rig.stream.spool.unreadable, held);
    assert_false(is_there(path));
    assert_true(is_there(aside));
    spool_rig_recover(&rig);
    assert_int_equal(rig.stream.spool.unreadable, held);
    spool_rig_close(&rig);
}

static void test_a_segment_that_is_not_there_is_counted(void **state)
{
    (void)state;
    struct spool_rig rig;
    char path[128];
    spool_rig_open(&rig, 4u << 20);
    spool_rig_record(&rig, 0, 10000);
    uint64_t held = atomic_load(&rig.stream.spool.first->next->head->first_seq);
    stream_close(&rig.stream);
    segment_path(&rig, 0, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(recover(&rig).holes, held - 1);
    assert_int_equal(rig.stream.spool.unreadable, held - 1);
    spool_rig_close(&rig);
}

/* As a process leaves it that is killed while it makes a segment. */
static void test_a_segment_that_was_not_made_to_its_end_is_no_damage(
    void **state)
{
    struct damaged *d = *state;
    char path[128];
    struct segment_head head = { .magic = SEGMENT_MAGIC };
    static const off_t sizes[] = { 0, 4u << 20, 4u << 20 };
    for (unsigned i = 0; i < 3; i++) {
        segment_path(&d->rig, i + 1, path);
        int fd = open(path, O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, sizes[i]), 0);
        assert_true(i < 2 || pwrite(fd, &head, 8, 0) == 8);
        assert_int_equal(close(fd), 0);
    }
    segment_path(&d->rig, 0, path);
    flip_bit(path, d->at[50] + 40, 0); /* else nothing would go aside */
    assert_int_equal(recover(&d->rig).n, STEPS - 1);
    assert_int_equal(d->rig.stream.spool.unreadable, 1);
    for (unsigned i = 0; i < 3; i++) {
        segment_path(&d->rig, i + 1, path);
        assert_false(is_there(path));
        aside_path(&d->rig, i + 1, path);
        assert_false(is_there(path));
    }
    stream_close(&d->rig.stream);
}

/* A folder that is in the way stands for a disk that does not let it. */
static void test_a_folder_stays_whose_damaged_file_cannot_be_put_aside(
    void **state)
{
    struct damaged *d = *state;
    char path[128];
    char aside[128];
    segment_path(&d->rig, 0, path);
    aside_path(&d->rig, 0, aside);
    flip_bit(path, d->at[50] + 40, 0);
    assert_int_equal(mkdir(aside, 0700), 0);
    (void)recover(&d->rig);
    stream_remove(&d->rig.stream);
    assert_true(is_there(path));
    (void)recover(&d->rig);
    spool_release_before(&d->rig.stream.spool, NULL);
    stream_remove(&d->rig.stream);
    assert_true(is_there(path));
    assert_int_equal(rmdir(aside), 0);
    assert_int_equal(recover(&d->rig).n, STEPS - 1);
    stream_remove(&d->rig.stream);
    assert_false(is_there(path));
    assert_true(is_there(aside));
}

/* Not knowing what a file holds is not knowing that it holds nothing. */
static void test_a_file_that_cannot_be_opened_now_is_no_loss(void **state)
{
    struct damaged *d = *state;
    char path[128];
    char away[140];
    segment_path(&d->rig, 0, path);
    (void)snprintf(away, sizeof away, "%s.away", path);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(symlink("00000000.seg", path), 0); /* to itself */
    assert_int_equal(try_recover(&d->rig), TRAJ_EIO);
    assert_non_null(strstr(traj_last_error(), "open 00000000.seg"));
    assert_int_equal(rename(away, path), 0);
    assert_int_equal(recover(&d->rig).n, STEPS);
    assert_int_equal(d->rig.stream.spool.unreadable, 0);
    stream_close(&d->rig.stream);
}

/* ---- the state ---------------------------------------------------------- */

/* More acknowledged than was recorded: else all would be deleted unsent. */
static void test_an_acknowledgement_of_what_never_was_is_not_believed(
    void **state)
{
    struct damaged *d = *state;
    char path[128];
    uint64_t wrong = STEPS + 1;
    (void)snprintf(path, sizeof path, "%s/r/%s/state", d->rig.dir,
        d->rig.stream.name.text);
    exchange(path, offsetof(struct spool_state, acked_seq), &wrong, 8);
    struct spool_contents c = recover(&d->rig);
    assert_int_equal(c.n, STEPS);
    assert_int_equal(atomic_load(&d->rig.stream.spool.state->acked_seq), 0);
    assert_int_equal(atomic_load(&d->rig.stream.spool.state->last_seq), STEPS);
    assert_int_equal(d->rig.stream.spool.unreadable, 0);
    stream_close(&d->rig.stream);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_flipped_bit_of_a_record_is_found),
        TEST(test_a_damaged_record_costs_itself_alone),
        TEST(test_the_first_record_and_several_are_counted),
        TEST(test_a_file_is_not_changed_by_being_read),
        TEST(test_damage_of_acknowledged_records_is_no_loss),
        TEST(test_a_record_in_the_place_of_a_later_one_is_damage),
        TEST(test_a_lost_end_is_told_by_an_event_behind_the_gap),
        TEST(test_an_end_that_only_the_segment_knows_is_one_record_or_more),
        TEST(test_a_committed_length_that_never_reached_the_disk_costs_nothing),
        TEST(test_a_record_that_was_never_committed_is_no_damage),
        TEST(test_what_holds_lost_records_goes_aside_when_the_rest_is_sent),
        cmocka_unit_test(test_a_segment_without_its_head_goes_aside),
        cmocka_unit_test(test_a_segment_that_is_not_there_is_counted),
        TEST(test_a_segment_that_was_not_made_to_its_end_is_no_damage),
        TEST(test_a_folder_stays_whose_damaged_file_cannot_be_put_aside),
        TEST(test_a_file_that_cannot_be_opened_now_is_no_loss),
        TEST(test_an_acknowledgement_of_what_never_was_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
