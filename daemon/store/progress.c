/* progress.c: the writer thread. */
#include "store/progress.h"

#include <assert.h>

#include "store/db.h"
#include "traj.h"

static_assert(WIRE_KINDS == 7, "stream_progress counts each kind in a column");
static_assert(STEP_step == 0 && PROBE_step == 0 && METRIC_step == 0 &&
                  EVENT_step == 0 && SHARPNESS_step == 0 && GROUP_step == 0,
    "the step of any record is its field 0");

void progress_read(sqlite3_stmt *stmt, int at, struct progress *ret_progress)
{
    *ret_progress = (struct progress){
        .stream = sqlite3_column_int64(stmt, at),
        .committed_seq = db_u64(stmt, at + 1),
        .lost_records = db_u64(stmt, at + 2),
        .dropped_records = db_u64(stmt, at + 3),
        .records = { [WIRE_STEP] = db_u64(stmt, at + 4),
            [WIRE_PROBE] = db_u64(stmt, at + 5),
            [WIRE_METRIC] = db_u64(stmt, at + 6),
            [WIRE_EVENT] = db_u64(stmt, at + 7),
            [WIRE_SHARPNESS] = db_u64(stmt, at + 20),
            [WIRE_GROUP] = db_u64(stmt, at + 21) },
        .group_probes = db_u64(stmt, at + 25),
        .has_step = sqlite3_column_type(stmt, at + 8) != SQLITE_NULL,
        .first_step = db_u64(stmt, at + 8),
        .last_step = db_u64(stmt, at + 9),
        .heard_wall_ns = sqlite3_column_int64(stmt, at + 10),
        .stepped_wall_ns = sqlite3_column_int64(stmt, at + 11),
        .step_clock_ns = sqlite3_column_int64(stmt, at + 12),
        .step_interval_ns = sqlite3_column_int64(stmt, at + 13),
        .closed = sqlite3_column_int(stmt, at + 14) != 0,
        .writer_gone = sqlite3_column_int(stmt, at + 15) != 0,
        .finished = sqlite3_column_int(stmt, at + 16) != 0,
        .exit_code = sqlite3_column_int64(stmt, at + 17),
        .log_records = db_u64(stmt, at + 18),
        .log_bytes = db_u64(stmt, at + 19),
        .thinned_seq = db_u64(stmt, at + 22),
        .thinned_records = db_u64(stmt, at + 23),
        .chunk_bytes = db_u64(stmt, at + 24),
        .repeated_records = db_u64(stmt, at + 26),
        .late_records = db_u64(stmt, at + 27),
    };
}

static int bind_step(sqlite3_stmt *stmt, int i, bool has, uint64_t step)
{
    return has ? db_bind_u64(stmt, i, step) : sqlite3_bind_null(stmt, i);
}

enum err_code progress_write(
    const struct progress *p, sqlite3_stmt *stmt, struct err *e)
{
    int rc = sqlite3_bind_int64(stmt, 1, p->stream);
    rc |= db_bind_u64(stmt, 2, p->committed_seq);
    rc |= db_bind_u64(stmt, 3, p->lost_records);
    rc |= db_bind_u64(stmt, 4, p->dropped_records);
    rc |= db_bind_u64(stmt, 5, p->records[WIRE_STEP]);
    rc |= db_bind_u64(stmt, 6, p->records[WIRE_PROBE]);
    rc |= db_bind_u64(stmt, 7, p->records[WIRE_METRIC]);
    rc |= db_bind_u64(stmt, 8, p->records[WIRE_EVENT]);
    rc |= bind_step(stmt, 9, p->has_step, p->first_step);
    rc |= bind_step(stmt, 10, p->has_step, p->last_step);
    rc |= sqlite3_bind_int64(stmt, 11, p->heard_wall_ns);
    rc |= sqlite3_bind_int64(stmt, 12, p->stepped_wall_ns);
    rc |= sqlite3_bind_int64(stmt, 13, p->step_clock_ns);
    rc |= sqlite3_bind_int64(stmt, 14, p->step_interval_ns);
    rc |= sqlite3_bind_int(stmt, 15, p->closed);
    rc |= sqlite3_bind_int(stmt, 16, p->writer_gone);
    rc |= sqlite3_bind_int(stmt, 17, p->finished);
    rc |= sqlite3_bind_int64(stmt, 18, p->exit_code);
    rc |= db_bind_u64(stmt, 19, p->log_records);
    rc |= db_bind_u64(stmt, 20, p->log_bytes);
    rc |= db_bind_u64(stmt, 21, p->records[WIRE_SHARPNESS]);
    rc |= db_bind_u64(stmt, 22, p->records[WIRE_GROUP]);
    rc |= db_bind_u64(stmt, 23, p->group_probes);
    rc |= db_bind_u64(stmt, 24, p->repeated_records);
    rc |= db_bind_u64(stmt, 25, p->late_records);
    if (rc != SQLITE_OK) {
        return db_fail(sqlite3_db_handle(stmt), e, "progress");
    }
    return db_run(stmt, "progress", e);
}

static bool has(const struct section *s, unsigned field, uint32_t i)
{
    return (section_present(s, i) >> field & 1) != 0;
}

/*
 * The running median of step intervals: it moves up by a sixteenth when an
 * interval is longer and down when one is shorter, so it rests where as many
 * are longer as shorter. A few percent off is nothing to what it is used for
 * (ten intervals without a step is a stall), and one long pause moves it by a
 * sixteenth and no more.
 */
static void take_step_clock(struct progress *p, int64_t clock_ns)
{
    int64_t interval = 0;
    bool usable =
        p->step_clock_ns != 0 &&
        !__builtin_sub_overflow(clock_ns, p->step_clock_ns, &interval) &&
        interval >= 0;
    p->step_clock_ns = clock_ns;
    if (!usable) {
        return;
    }
    int64_t nudge = p->step_interval_ns / 16 + 1;
    if (p->step_interval_ns == 0) {
        p->step_interval_ns = interval;
    } else if (interval > p->step_interval_ns) {
        p->step_interval_ns += nudge; /* <= interval + 1: cannot overflow */
    } else if (interval < p->step_interval_ns) {
        p->step_interval_ns -= nudge;
    }
}

static void add_step(struct progress *p, const struct section *s, uint32_t i)
{
    if (has(s, STEP_step, i)) {
        uint64_t step = section_bits(s, STEP_step, i);
        if (!p->has_step || step < p->first_step) {
            p->first_step = step;
        }
        p->last_step = step;
        p->has_step = true;
    }
    if (has(s, STEP_wall_ns, i)) {
        take_step_clock(p, (int64_t)section_bits(s, STEP_wall_ns, i));
    }
}

/* The records of a message: those before `from` are left out. Each seq up to
 * `end` stands for one. */
struct span {
    uint64_t first;
    uint64_t from;
    uint64_t end;
};

/* A record after this is late. */
static bool said_end(const struct progress *p)
{
    return p->closed || p->finished;
}

#define DROPPED_MAX 9007199254740992.0 /* 2^53: beyond it is no count */

static void add_event(struct progress *p, const struct section *s, uint32_t i,
    const struct span *seqs)
{
    uint64_t event = section_bits(s, EVENT_event, i);
    if (event == TRAJ_EVENT_FINISH) {
        if (!said_end(p)) { /* else all of them are late already */
            uint64_t seq = seqs->first + section_seq_offset(s, i);
            p->late_records += seqs->end - 1 - seq;
        }
        p->finished = true;
        p->exit_code = (int64_t)section_bits(s, EVENT_exit_code, i);
    }
    double dropped = section_f64(s, EVENT_value, i);
    if (event == TRAJ_EVENT_DROPPED && dropped > 0 && dropped <= DROPPED_MAX) {
        p->dropped_records += (uint64_t)dropped;
    }
}

static void add_section(
    struct progress *p, const struct section *s, const struct span *seqs)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (seqs->first + section_seq_offset(s, i) < seqs->from) {
            continue;
        }
        p->records[s->kind]++;
        if (s->kind == WIRE_STEP) {
            add_step(p, s, i);
        }
        if (s->kind == WIRE_PROBE) {
            p->group_probes += section_bits(s, PROBE_group, i) != 0;
        }
        if (s->kind == WIRE_EVENT) {
            add_event(p, s, i, seqs);
        }
    }
}

void progress_add(struct progress *progress, const struct message *message,
    uint64_t from_seq, int64_t now_wall_ns)
{
    const struct span seqs = { .first = message->first_seq,
        .from = from_seq > message->first_seq ? from_seq : message->first_seq,
        .end = message->first_seq + message->count };
    uint64_t steps = progress->records[WIRE_STEP];
    progress->repeated_records += seqs.from - seqs.first;
    if (said_end(progress)) {
        progress->late_records += seqs.end - seqs.from;
    }
    for (uint32_t i = 0; i < message->n_sections; i++) {
        add_section(progress, &message->sections[i], &seqs);
    }
    if (progress->records[WIRE_STEP] != steps) {
        progress->stepped_wall_ns = now_wall_ns;
    }
}
