/* spool_rig: see spool_rig.h. */
#include "spool_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport/cursor.h"
#include "transport/record.h"
#include "wire.h"

void test_dir_make(char dir[static 64])
{
    (void)snprintf(dir, 64, "/tmp/traj-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
}

void test_dir_remove(const char *dir)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

void spool_rig_open(struct spool_rig *rig, uint64_t limit)
{
    memset(rig, 0, sizeof *rig);
    test_dir_make(rig->dir);
    struct traj_options given = TRAJ_OPTIONS_INIT;
    given.dir = rig->dir;
    given.run_id = "r";
    given.mode = TRAJ_MODE_ONLINE;
    rig->lock = LOCK_NONE;
    rig->quota.limit = limit != 0 ? limit : UINT64_C(64) << 20;
    assert_int_equal(options_init(&rig->options, &given), TRAJ_OK);
    assert_int_equal(
        rundir_open(&rig->options, &rig->run_fd, &rig->lock), TRAJ_OK);
    assert_int_equal(rundir_new_stream(rig->run_fd, &rig->lock, &rig->options,
                         &rig->quota, &rig->stream),
        TRAJ_OK);
}

void spool_rig_recover(struct spool_rig *rig)
{
    struct stream_name name = rig->stream.name;
    stream_close(&rig->stream);
    atomic_store(&rig->quota.used, 0);
    assert_int_equal(
        stream_recover(rig->run_fd, &name, &rig->quota, &rig->stream), TRAJ_OK);
}

void spool_rig_close_removed(struct spool_rig *rig)
{
    lock_release(&rig->lock);
    assert_int_equal(close(rig->run_fd), 0);
    options_done(&rig->options);
    test_dir_remove(rig->dir);
}

void spool_rig_close(struct spool_rig *rig)
{
    stream_close(&rig->stream);
    spool_rig_close_removed(rig);
}

static double from_bits(uint64_t bits)
{
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t to_bits(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Any bits but the marker's, the same for the same i and k. */
static double any_double(uint64_t i, uint64_t k)
{
    static const uint64_t special[] = { 0x8000000000000000u,
        0x7ff0000000000000u, 0xfff0000000000000u, 0x7ff8000000000001u,
        0x7ff0000000000001u /* signalling */, 0x0000000000000001u };
    uint64_t mixed = (i * 16 + k + 1) * 0x9e3779b97f4a7c15u;
    if (mixed % 7 == 0) {
        return from_bits(special[mixed / 7 % 6]);
    }
    return from_bits(mixed);
}

struct traj_step rig_traj_step(uint64_t i)
{
    struct traj_step step;
    traj_step_init(&step);
    step.step = i;
    step.loss = any_double(i, 0);
    step.lr = any_double(i, 1);
    step.grad_sq = any_double(i, 2);
    step.param_sq = any_double(i, 3);
    step.delta_sq = any_double(i, 4);
    step.grad_delta = any_double(i, 5);
    step.dgrad_sq = any_double(i, 6);
    step.dgrad_delta = any_double(i, 7);
    step.grad_prev = any_double(i, 8);
    step.grad_max_abs = any_double(i, 9);
    step.clip_threshold = any_double(i, 10);
    step.clip_scale = any_double(i, 11);
    if (i % 3 == 0) { /* not every record has the same fields */
        step.epoch = any_double(i, 12);
        step.tokens = i * 1000;
    }
    return step;
}

void spool_rig_record(struct spool_rig *rig, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        struct traj_step step = rig_traj_step(i);
        assert_int_equal(record_step(&rig->stream.spool, &step, SPOOL_ORDINARY,
                             times_now().mono_ns, times_now()),
            TRAJ_OK);
    }
}

struct spool_contents spool_rig_read(const struct spool *spool)
{
    struct spool_contents c = { 0 };
    struct cursor cursor = cursor_at_front(spool, 1);
    const struct record_head *record = NULL;
    while ((record = cursor_peek(&cursor)) != NULL) {
        uint64_t values[WIRE_FIELDS_MAX];
        struct wire_record r;
        cursor_unpack(record, values, &r);
        if (r.kind == WIRE_STEP) {
            assert_is_rig_step(r.seq - 1, r.kind, r.present, r.values);
        }
        c.holes += r.seq - cursor.next_seq;
        c.first_seq = c.n == 0 ? r.seq : c.first_seq;
        c.last_seq = r.seq;
        c.n++;
        cursor_advance(&cursor, record);
    }
    return c;
}

void assert_is_rig_step(
    uint64_t i, unsigned kind, uint64_t present, const uint64_t *values)
{
    struct traj_step s = rig_traj_step(i);
    assert_int_equal(kind, WIRE_STEP);
    uint64_t expected_present =
        UINT64_C(0x1fff) | UINT64_C(3) << 17 | UINT64_C(1) << STEP_flags;
    const uint64_t expected[] = { to_bits(s.loss), to_bits(s.lr),
        to_bits(s.grad_sq), to_bits(s.param_sq), to_bits(s.delta_sq),
        to_bits(s.grad_delta), to_bits(s.dgrad_sq), to_bits(s.dgrad_delta),
        to_bits(s.grad_prev), to_bits(s.grad_max_abs) };
    if (i % 3 == 0) {
        expected_present |= UINT64_C(1) << STEP_epoch;
        expected_present |= UINT64_C(1) << STEP_tokens;
        assert_int_equal(values[STEP_epoch], to_bits(s.epoch));
        assert_int_equal(values[STEP_tokens], i * 1000);
    }
    assert_int_equal(present, expected_present);
    assert_int_equal(values[STEP_step], i);
    assert_memory_equal(&values[STEP_loss], expected, sizeof expected);
    assert_int_equal(values[STEP_clip_threshold], to_bits(s.clip_threshold));
    assert_int_equal(values[STEP_clip_scale], to_bits(s.clip_scale));
}

void assert_fake_stream_has_steps(
    const struct fake_stream *stream, uint64_t from, uint64_t to)
{
    assert_int_equal(stream->n, to - from);
    for (size_t i = 0; i < stream->n; i++) {
        const struct fake_record *r = &stream->records[i];
        assert_int_equal(r->seq, i + 1);
        assert_is_rig_step(from + i, r->kind, r->present, r->values);
    }
}
