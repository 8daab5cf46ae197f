/* rank_table.c: owns the rows; the thread that has the request. */
#include "http/rank_table.h"

#include <stdlib.h>

#include "base/hash.h"
#include "pure/json_scan.h"

static enum err_code take_stream(
    void *context, const struct stream_row *stream, struct err *e)
{
    struct rank_table *table = context;
    (void)e;
    if (stream->rank < table->world) {
        struct rank_row *row = &table->rows[stream->rank];
        row->attempts++;
        row->newest = *stream; /* they come by attempt */
    }
    return ERR_NONE;
}

static void look_at(struct rank_table *table, struct rank_row *row, int64_t now)
{
    row->state = run_state_at(&row->newest.facts, now, run_limits());
    const struct stream_row *stream = &row->newest;
    if (stream->has_first_step &&
        (!table->has_last_step || stream->last_step > table->last_step)) {
        table->has_last_step = true;
        table->last_step = stream->last_step;
    }
}

enum err_code rank_table_read(struct rank_table *table, struct reader *reader,
    struct run_id run, uint32_t world, int64_t now_wall_ns, struct err *e)
{
    *table = (struct rank_table){ .world = world, .hash = HASH_START };
    table->rows = calloc(world, sizeof *table->rows);
    if (table->rows == NULL) {
        return err_nomem(e);
    }
    enum err_code code = runs_streams(reader, run, take_stream, table, e);
    if (code != ERR_NONE) {
        rank_table_done(table);
        return code;
    }
    for (uint32_t rank = 0; rank < world; rank++) {
        struct rank_row *row = &table->rows[rank];
        if (row->attempts > 0) {
            look_at(table, row, now_wall_ns);
        }
        table->hash = hash_u64(table->hash, row->state);
    }
    return ERR_NONE;
}

void rank_table_done(struct rank_table *table)
{
    free(table->rows);
    *table = (struct rank_table){ 0 };
}

static bool is_awaited(const struct rank_row *row, uint64_t step)
{
    bool there = row->attempts > 0 &&
                 (row->state == RUN_LIVE || row->state == RUN_STALLED);
    return there &&
           (!row->newest.has_first_step || row->newest.last_step < step);
}

bool rank_table_awaits(
    const struct rank_table *table, const struct rank_step *step)
{
    if (step->world != table->world) {
        return false;
    }
    for (uint32_t rank = 0; rank < step->world; rank++) {
        bool in = (step->in[rank / 64] >> rank % 64 & 1) != 0;
        if (!in && !is_awaited(&table->rows[rank], step->step)) {
            return false;
        }
    }
    return true;
}

/* ---- writing --------------------------------------------------------------
 */

static void write_optional(struct buf *out, bool has, uint64_t value)
{
    if (has) {
        buf_json_u64(out, value);
    } else {
        buf_text(out, "null");
    }
}

/* host and pid as the HELLO has them: its text was checked when it came, but
 * not that pid is a number. */
static enum err_code write_process(
    void *context, const char *hello_json, struct err *e)
{
    struct buf *out = context;
    struct str text = str_of(hello_json);
    struct str host = STR("null");
    struct str pid = STR("null");
    struct str key = { 0 };
    struct str value = { 0 };
    size_t pos = 0;
    uint64_t number = 0;
    (void)e;
    while (json_next_member(text, &pos, &key, &value)) {
        if (str_equal(key, STR("\"host\"")) && value.p[0] == '"') {
            host = value;
        } else if (str_equal(key, STR("\"pid\"")) &&
                   str_to_u64(value, INT32_MAX, &number)) {
            pid = value;
        }
    }
    buf_text(out, ",\"host\":");
    buf_append(out, host.p, host.n);
    buf_text(out, ",\"pid\":");
    buf_append(out, pid.p, pid.n);
    return ERR_NONE;
}

static void write_progress(struct buf *out, const struct rank_table *table,
    const struct stream_row *stream)
{
    uint64_t records = 0;
    for (unsigned kind = 0; kind < WIRE_KINDS; kind++) {
        records += stream->records[kind];
    }
    bool stepped = stream->has_first_step;
    buf_text(out, ",\"last_step\":");
    write_optional(out, stepped, stream->last_step);
    buf_text(out, ",\"behind\":");
    write_optional(out, stepped, table->last_step - stream->last_step);
    buf_text(out, ",\"records\":");
    buf_json_u64(out, records);
    buf_text(out, ",\"lost_records\":");
    buf_json_u64(out, stream->lost_records);
    buf_text(out, ",\"dropped_records\":");
    buf_json_u64(out, stream->dropped_records);
    buf_printf(
        out, ",\"heard_wall_ns\":\"%lld\"}", (long long)stream->heard_wall_ns);
}

static enum err_code write_row(const struct rank_table *table, uint32_t rank,
    struct reader *reader, struct buf *out, struct err *e)
{
    const struct rank_row *row = &table->rows[rank];
    buf_printf(out, "{\"rank\":%u,\"state\":\"%s\",\"attempts\":%u",
        (unsigned)rank,
        row->attempts == 0 ? "missing" : run_state_name(row->state),
        (unsigned)row->attempts);
    if (row->attempts == 0) {
        buf_text(out, ",\"attempt\":null,\"host\":null,\"pid\":null,"
                      "\"last_step\":null,\"behind\":null,\"records\":0,"
                      "\"lost_records\":0,\"dropped_records\":0,"
                      "\"heard_wall_ns\":null}");
        return ERR_NONE;
    }
    buf_printf(out, ",\"attempt\":%u", (unsigned)row->newest.attempt);
    enum err_code code =
        runs_hello(reader, row->newest.id, write_process, out, e);
    if (code == ERR_NONE) {
        write_progress(out, table, &row->newest);
    }
    return code;
}

enum err_code rank_table_write(const struct rank_table *table,
    struct reader *reader, struct buf *out, struct err *e)
{
    enum err_code code = ERR_NONE;
    buf_char(out, '[');
    for (uint32_t rank = 0; rank < table->world && code == ERR_NONE; rank++) {
        buf_comma(out, rank);
        code = write_row(table, rank, reader, out, e);
    }
    buf_char(out, ']');
    return code;
}
