/* recorded: see recorded.h. */
#include "recorded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "spool_rig.h"
#include "transport/cursor.h"

void recorded_open(struct recorded *recorded, const struct traj_group *groups,
    uint32_t n_groups)
{
    memset(recorded, 0, sizeof *recorded);
    test_dir_make(recorded->dir);
    struct traj_options options = TRAJ_OPTIONS_INIT;
    options.dir = recorded->dir;
    options.run_id = "r";
    options.mode = TRAJ_MODE_OFFLINE;
    options.groups = groups;
    options.n_groups = n_groups;
    assert_int_equal(traj_open(&options, &recorded->run), TRAJ_OK);
}

static void keep(struct recorded *recorded, const struct record_head *head)
{
    struct recorded_one *one = NULL;
    struct wire_record record;
    recorded->records = realloc(
        recorded->records, (recorded->n + 1) * sizeof *recorded->records);
    assert_non_null(recorded->records);
    one = &recorded->records[recorded->n++];
    memset(one, 0, sizeof *one);
    cursor_unpack(head, one->values, &record);
    one->kind = record.kind;
    one->present = record.present;
    const size_t room = sizeof one->text - 1;
    memcpy(one->text, record.text,
        record.text_bytes < room ? record.text_bytes : room);
}

static void read_stream(struct recorded *recorded, struct stream *stream)
{
    struct cursor cursor = cursor_at_front(&stream->spool, 1);
    const struct record_head *head = cursor_peek(&cursor);
    while (head != NULL) {
        keep(recorded, head);
        cursor_advance(&cursor, head);
        head = cursor_peek(&cursor);
    }
}

void recorded_close_run(struct recorded *recorded)
{
    traj_close(recorded->run);
    recorded->run = NULL;
    struct traj_options given = TRAJ_OPTIONS_INIT;
    given.dir = recorded->dir;
    given.run_id = "r";
    struct options options;
    struct quota quota = { .limit = UINT64_C(1) << 30 };
    struct lock lock = LOCK_NONE;
    int run_fd = -1;
    assert_int_equal(options_init(&options, &given), TRAJ_OK);
    assert_int_equal(rundir_open(&options, &run_fd, &lock), TRAJ_OK);
    struct stream_name *names = NULL;
    size_t n = 0;
    struct stream stream;
    assert_int_equal(rundir_list(run_fd, &names, &n), TRAJ_OK);
    assert_int_equal(n, 1);
    assert_int_equal(
        stream_recover(run_fd, &names[0], &quota, &stream), TRAJ_OK);
    read_stream(recorded, &stream);
    stream_close(&stream);
    free(names);
    lock_release(&lock);
    assert_int_equal(close(run_fd), 0);
    options_done(&options);
}

void recorded_done(struct recorded *recorded)
{
    free(recorded->records);
    test_dir_remove(recorded->dir);
}

size_t recorded_count(const struct recorded *recorded, unsigned kind)
{
    size_t n = 0;
    for (size_t i = 0; i < recorded->n; i++) {
        n += recorded->records[i].kind == kind;
    }
    return n;
}

const struct recorded_one *recorded_at(
    const struct recorded *recorded, unsigned kind, size_t i)
{
    const struct recorded_one *found = NULL;
    for (size_t k = 0; k < recorded->n && found == NULL; k++) {
        if (recorded->records[k].kind == kind && i-- == 0) {
            found = &recorded->records[k];
        }
    }
    assert_non_null(found);
    return found;
}

int recorded_has(const struct recorded_one *record, unsigned field)
{
    return (record->present >> field & 1) != 0;
}

uint64_t recorded_u64(const struct recorded_one *record, unsigned field)
{
    assert_true(recorded_has(record, field));
    return record->values[field];
}

double recorded_f64(const struct recorded_one *record, unsigned field)
{
    double value = 0;
    const uint64_t bits = recorded_u64(record, field);
    memcpy(&value, &bits, sizeof value);
    return value;
}
