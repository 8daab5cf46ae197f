/* The queue itself: limits, hand-over of segments, locks, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../lib/spool_rig.h"
#include "transport/cursor.h"
#include "transport/record.h"
#include "transport/rundir.h"

/* Read and check up to n steps from the cursor; returns how many there were.
 * Record number i holds step i. */
static uint64_t read_some(struct cursor *cursor, uint64_t n)
{
    uint64_t values[WIRE_FIELDS_MAX];
    struct wire_record r;
    const struct record_head *record = NULL;
    uint64_t done = 0;
    while (done < n && (record = cursor_peek(cursor)) != NULL) {
        cursor_unpack(record, values, &r);
        assert_int_equal(r.seq, cursor->next_seq);
        assert_is_rig_step(r.seq - 1, r.kind, r.present, r.values);
        cursor_advance(cursor, record);
        done++;
    }
    return done;
}

static void test_records_read_back_bit_for_bit_over_many_segments(void **state)
{
    (void)state;
    struct spool_rig rig;
    spool_rig_open(&rig, 2u << 20);
    spool_rig_record(&rig, 0, 9000);
    struct cursor cursor = cursor_at_front(&rig.stream.spool, 1);
    assert_int_equal(read_some(&cursor, UINT64_MAX), 9000);
    assert_true(rig.stream.spool.next_number > 4);
    spool_rig_recover(&rig);
    cursor = cursor_at_front(&rig.stream.spool, 1);
    assert_int_equal(read_some(&cursor, UINT64_MAX), 9000);
    spool_rig_close(&rig);
}

struct writer {
    struct spool_rig *rig;
    uint64_t steps;
};

static void *write_steps(void *context)
{
    struct writer *w = context;
    spool_rig_record(w->rig, 0, w->steps);
    return NULL;
}

/* ThreadSanitizer watches this one: the two sides share no lock. */
static void test_a_reader_sees_whole_records_while_they_are_written(
    void **state)
{
    (void)state;
    struct spool_rig rig;
    pthread_t thread;
    spool_rig_open(&rig, 0);
    struct writer writer = { &rig, 100000 };
    struct cursor cursor = cursor_at_front(&rig.stream.spool, 1);
    assert_int_equal(pthread_create(&thread, NULL, write_steps, &writer), 0);
    for (uint64_t n = 0; n < writer.steps;) {
        (void)spool_maintain(&rig.stream.spool, times_now().mono_ns);
        n += read_some(&cursor, 5000);
        spool_release_before(&rig.stream.spool, cursor.segment);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(rig.quota.used <= 3u * rig.stream.spool.segment_bytes);
    spool_rig_close(&rig);
}

static void test_a_segment_made_ahead_is_used_and_counts_no_wait(void **state)
{
    (void)state;
    struct spool_rig rig;
    spool_rig_open(&rig, 2u << 20);
    for (uint64_t i = 0; i < 8000; i++) {
        (void)spool_maintain(&rig.stream.spool, (int64_t)i * 1000000000);
        spool_rig_record(&rig, i, i + 1);
    }
    assert_int_equal(rig.stream.spool.segment_waits, 0);
    spool_rig_record(&rig, 8000, 12000);
    assert_true(rig.stream.spool.segment_waits > 0);
    spool_rig_close(&rig);
}

static void test_who_fills_a_quarter_of_the_pages_ahead_wants_the_next_soon(
    void **state)
{
    (void)state;
    struct spool_rig rig;
    spool_rig_open(&rig, 0);
    struct spool *spool = &rig.stream.spool;
    spool_rig_record(&rig, 0, 3);
    assert_false(spool_maintain(spool, 0));
    /* Steps come in three sizes, over and over. */
    const size_t three = spool->offset - sizeof(struct segment_head);
    const uint64_t quarter = (256u << 10) / 4 / three * 3;
    spool_rig_record(&rig, 3, 3 + quarter);
    assert_false(spool_maintain(spool, 0));
    spool_rig_record(&rig, 3 + quarter, 6 + 2 * quarter);
    assert_true(spool_maintain(spool, 0));
    assert_false(spool_maintain(spool, 0));
    spool_rig_close(&rig);
}

/* Steps up to this many bytes of the segment, or a few more. */
static void record_up_to(struct spool_rig *rig, size_t bytes)
{
    while (rig->stream.spool.offset < bytes) {
        const uint64_t i = rig->stream.spool.next_seq - 1;
        spool_rig_record(rig, i, i + 1);
    }
}

static void test_pages_are_made_present_when_a_quarter_of_them_is_used(
    void **state)
{
    (void)state;
    const size_t kb = 1u << 10;
    struct spool_rig rig;
    spool_rig_open(&rig, 0);
    struct spool *spool = &rig.stream.spool;
    (void)spool_maintain(spool, 0);
    assert_int_equal(spool->maintained->populated, 256 * kb);
    record_up_to(&rig, 32 * kb);
    (void)spool_maintain(spool, 0);
    assert_int_equal(spool->maintained->populated, 256 * kb);
    record_up_to(&rig, 68 * kb);
    (void)spool_maintain(spool, 0);
    assert_int_equal(spool->maintained->populated, (68 + 256) * kb);
    record_up_to(&rig, 72 * kb); /* a second later, all that is ahead */
    (void)spool_maintain(spool, 1000000001);
    assert_int_equal(spool->maintained->populated, (72 + 256) * kb);
    spool_rig_close(&rig);
}

static void test_the_limit_holds_and_urgent_records_have_one_segment_more(
    void **state)
{
    (void)state;
    struct spool_rig rig;
    struct traj_step step = rig_traj_step(0);
    struct event finish = { .kind = TRAJ_EVENT_FINISH,
        .urgency = SPOOL_URGENT };
    spool_rig_open(&rig, 1u << 20);
    while (record_step(&rig.stream.spool, &step, SPOOL_ORDINARY,
               times_now().mono_ns, times_now()) == TRAJ_OK) {
    }
    assert_int_equal(rig.quota.used, 1u << 20);
    assert_int_equal(record_step(&rig.stream.spool, &step, SPOOL_ORDINARY,
                         times_now().mono_ns, times_now()),
        TRAJ_EFULL);
    assert_int_equal(
        record_event(&rig.stream.spool, &finish, times_now()), TRAJ_OK);
    assert_true(rig.quota.used <= (1u << 20) + SPOOL_SEGMENT_BYTES_MIN);
    spool_rig_close(&rig);
}

static void test_closing_gives_unused_room_back_to_the_disk(void **state)
{
    (void)state;
    struct spool_rig rig;
    struct stat st;
    spool_rig_open(&rig, 0);
    (void)spool_maintain(&rig.stream.spool, 0);
    spool_rig_record(&rig, 0, 10);
    spool_rig_recover(&rig);
    int dir_fd = rig.stream.spool.dir_fd;
    assert_int_equal(fstatat(dir_fd, "00000000.seg", &st, 0), 0);
    assert_true(st.st_size < 4096);
    assert_int_equal(fstatat(dir_fd, "00000001.seg", &st, 0), -1);
    spool_rig_close(&rig);
}

static void test_a_stream_is_busy_while_this_process_has_it(void **state)
{
    (void)state;
    struct spool_rig rig;
    struct stream other;
    spool_rig_open(&rig, 0);
    assert_int_equal(
        stream_recover(rig.run_fd, &rig.stream.name, &rig.quota, &other),
        TRAJ_EBUSY);
    spool_rig_close(&rig);
}

static void test_only_names_that_we_make_are_streams(void **state)
{
    (void)state;
    struct stream_name name;
    static const char *const no[] = { "", "a", "a1-r1", "a0001-r1",
        "a0001-r00000x", "a-001-r00000", "a0001_r00000", "new-r00000",
        "a00001-r00000", "a99999999999-r00000",
        "a0001-r0000000000000000000000000000000000000" };
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        assert_false(rundir_parse_stream_name(no[i], &name));
    }
    assert_true(rundir_parse_stream_name("a0012-r00345", &name));
    assert_int_equal(name.attempt, 12);
    assert_int_equal(name.rank, 345);
    assert_true(rundir_parse_stream_name("a12345-r00000", &name));
}

/* Of a run on a shared disk each rank leaves one, however many there are. */
static void test_a_folder_of_many_streams_is_listed_whole_and_in_order(
    void **state)
{
    (void)state;
    enum { RANKS = 1500, ATTEMPTS = 2 };
    char dir[64];
    test_dir_make(dir);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct stream_name *names = NULL;
    size_t n = 1;
    assert_int_equal(rundir_list(fd, &names, &n), TRAJ_OK);
    assert_int_equal(n, 0);
    free(names);
    assert_int_equal(mkdirat(fd, "new-r00000", 0700), 0);
    for (int i = 0; i < RANKS * ATTEMPTS; i++) {
        char name[STREAM_NAME_BYTES];
        (void)snprintf(
            name, sizeof name, "a%04d-r%05d", i % ATTEMPTS + 1, i / ATTEMPTS);
        assert_int_equal(mkdirat(fd, name, 0700), 0);
    }
    assert_int_equal(rundir_list(fd, &names, &n), TRAJ_OK);
    assert_int_equal(n, RANKS * ATTEMPTS);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(names[i].attempt, i / RANKS + 1);
        assert_int_equal(names[i].rank, i % RANKS);
    }
    free(names);
    assert_int_equal(close(fd), 0);
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_a_folder_of_many_streams_is_listed_whole_and_in_order),
        cmocka_unit_test(test_records_read_back_bit_for_bit_over_many_segments),
        cmocka_unit_test(
            test_a_reader_sees_whole_records_while_they_are_written),
        cmocka_unit_test(test_a_segment_made_ahead_is_used_and_counts_no_wait),
        cmocka_unit_test(
            test_who_fills_a_quarter_of_the_pages_ahead_wants_the_next_soon),
        cmocka_unit_test(
            test_the_limit_holds_and_urgent_records_have_one_segment_more),
        cmocka_unit_test(
            test_pages_are_made_present_when_a_quarter_of_them_is_used),
        cmocka_unit_test(test_closing_gives_unused_room_back_to_the_disk),
        cmocka_unit_test(test_a_stream_is_busy_while_this_process_has_it),
        cmocka_unit_test(test_only_names_that_we_make_are_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
