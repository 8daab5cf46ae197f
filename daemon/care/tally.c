/*
 * tally.c: six cursors over the chunks of a stream, one per kind, merged by
 * seq, and then its log. Memory is a chunk of each kind. The thread that
 * checks.
 *
 * Invariant: when a part cannot be read, `unread` says so, and nothing is
 * concluded from what is missing.
 */
#include "care/tally.h"

#include <inttypes.h>
#include <string.h>

#include "store/db.h"
#include "wire/fields.h"

static const char sql_chunks[] =
    "SELECT id, first_seq, last_seq, least_step, most_step, records, summary "
    "FROM chunk WHERE stream = ?1 AND kind = ?2 ORDER BY last_seq;";
static const char sql_odd_chunks[] =
    "SELECT count(*) FROM chunk WHERE stream = ?1 AND kind NOT BETWEEN 1 AND "
    "?2;";
static const char sql_log[] = "SELECT id, first_seq, last_seq, frame FROM log "
                              "WHERE stream = ?1 ORDER BY last_seq;";

/* The chunks of one kind. */
struct cursor {
    sqlite3_stmt *stmt;
    struct records records; /* of the current one */
    size_t at;
    uint64_t last_seq; /* of the chunk before */
    bool over;
};

struct chunk_row {
    int64_t id;
    uint64_t first_seq;
    uint64_t last_seq;
    bool has_step;
    uint64_t least_step;
    uint64_t most_step;
    uint64_t records;
    struct str summary;
};

struct walk {
    sqlite3 *db;
    const struct tally_query *query;
    struct chunk_coder *coder;
    struct findings *findings;
    struct tally *tally;
    sqlite3_blob *body; /* of the chunk read last */
    uint64_t twice;     /* records that others precede with the same seq */
    uint64_t twice_from;
    uint64_t twice_to;
    struct cursor cursors[WIRE_KINDS];
};

#define SAY(w, kind, first, last, ...)                                         \
    findings_add((w)->findings, FINDING_##kind, &(w)->query->name, (first),    \
        (last), __VA_ARGS__)

/* What the file does is a finding; want of memory is a failure of ours. */
static bool is_ours(enum err_code code)
{
    return code == ERR_NOMEM;
}

/* ---- seqs ---------------------------------------------------------------- */

static void take_seqs(struct walk *w, uint64_t first, uint64_t last)
{
    struct tally *t = w->tally;
    uint64_t before =
        t->last_seq < t->thinned_seq ? t->thinned_seq : t->last_seq;
    if (first <= t->last_seq) {
        w->twice_from = w->twice == 0 ? first : w->twice_from;
        w->twice_to = last;
        w->twice += last - first + 1;
    } else if (first > before + 1) {
        tally_add_gap(t, before + 1, first - 1);
    }
    t->last_seq = last > t->last_seq ? last : t->last_seq;
}

/* ---- chunks -------------------------------------------------------------- */

static enum err_code read_body(
    void *context, void *to, size_t n, size_t offset, struct err *e)
{
    struct walk *w = context;
    if (sqlite3_blob_read(w->body, to, (int)n, (int)offset) != SQLITE_OK) {
        return db_fail(w->db, e, "chunk");
    }
    return ERR_NONE;
}

static enum err_code open_body(struct walk *w, int64_t id, struct err *e)
{
    int rc = w->body == NULL ? sqlite3_blob_open(w->db, "main", "chunk", "body",
                                   id, 0, &w->body)
                             : sqlite3_blob_reopen(w->body, id);
    if (rc == SQLITE_OK) {
        return ERR_NONE;
    }
    enum err_code code = db_fail(w->db, e, "chunk");
    (void)sqlite3_blob_close(w->body); /* after a failure good for no more */
    w->body = NULL;
    return code;
}

static struct chunk_row chunk_row_of(sqlite3_stmt *stmt)
{
    return (struct chunk_row){
        .id = sqlite3_column_int64(stmt, 0),
        .first_seq = db_u64(stmt, 1),
        .last_seq = db_u64(stmt, 2),
        .has_step = sqlite3_column_type(stmt, 3) != SQLITE_NULL,
        .least_step = db_u64(stmt, 3),
        .most_step = db_u64(stmt, 4),
        .records = db_u64(stmt, 5),
        .summary = db_blob(stmt, 6),
    };
}

static bool steps_agree(const struct chunk_row *row, const struct records *r)
{
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    bool any = false;
    for (size_t i = 0; i < r->n; i++) {
        if ((r->present[i] & 1) != 0) {
            uint64_t step = r->columns[0][i];
            least = step < least ? step : least;
            most = step > most ? step : most;
            any = true;
        }
    }
    return any == row->has_step &&
           (!any || (least == row->least_step && most == row->most_step));
}

/* What is wrong with a chunk that reads, or NULL. */
static const char *row_disagrees(
    const struct chunk_row *row, const struct records *r)
{
    if (row->records != r->n) {
        return "its row counts other records than it has";
    }
    if (row->first_seq != r->seq[0] || row->last_seq != r->seq[r->n - 1]) {
        return "its row names other seqs than it has";
    }
    return steps_agree(row, r) ? NULL
                               : "its row names other steps than it has: "
                                 "readers of some steps pass it over";
}

static const char *kind_name(unsigned kind)
{
    return wire_kind_info(kind)->name;
}

static void say_lost(
    struct walk *w, unsigned kind, const struct chunk_row *row, const char *why)
{
    w->tally->unread++;
    SAY(w, CHUNK, row->first_seq, row->last_seq,
        "chunk %lld of %" PRIu64 " %s records: %s", (long long)row->id,
        row->records, kind_name(kind), why);
}

/* A chunk that retention has emptied. */
static void take_thinned(
    struct walk *w, unsigned kind, const struct chunk_row *row)
{
    struct tally *t = w->tally;
    if (row->last_seq > w->query->thinned_seq) {
        say_lost(w, kind, row, "it is empty, and was not thinned");
        return;
    }
    t->records[kind] += row->records;
    t->thinned_records += row->records;
    t->thinned_seq =
        row->last_seq > t->thinned_seq ? row->last_seq : t->thinned_seq;
    if (kind == WIRE_STEP && row->has_step) {
        t->first_step = !t->has_step || row->least_step < t->first_step
                            ? row->least_step
                            : t->first_step;
        t->last_step = row->most_step; /* the best that is known */
        t->has_step = true;
    }
}

static enum err_code check_summary(struct walk *w, const struct chunk_row *row,
    const struct records *r, struct err *e)
{
    enum pyramid_state state = PYRAMID_RIGHT;
    if (w->query->depth != TALLY_ALL || w->query->pyramid == NULL) {
        return ERR_NONE;
    }
    const struct stream_id stream = { w->query->stream };
    enum err_code code = pyramid_check_summary(
        w->query->pyramid, stream, r, row->summary, &state, e);
    if (code == ERR_NONE && state == PYRAMID_WRONG) {
        SAY(w, SUMMARY, row->first_seq, row->last_seq,
            "the summary of chunk %lld is not of its %s records: charts and "
            "fits of many steps are wrong there",
            (long long)row->id, kind_name((unsigned)r->kind));
    }
    return is_ours(code) ? code : ERR_NONE; /* the HELLO: told elsewhere */
}

static enum err_code read_chunk(struct walk *w, struct cursor *c,
    const struct chunk_row *row, struct err *e)
{
    unsigned kind = (unsigned)c->records.kind;
    enum err_code code = open_body(w, row->id, e);
    struct chunk_source source = { .context = w, .read = read_body };
    if (code == ERR_NONE) {
        source.size = (size_t)sqlite3_blob_bytes(w->body);
        w->tally->chunk_bytes += source.size;
        if (source.size == 0) {
            take_thinned(w, kind, row);
            return ERR_NONE;
        }
        code = chunk_read(w->coder, &source, &c->records, e);
    }
    if (code != ERR_NONE) {
        if (!is_ours(code)) {
            say_lost(w, kind, row, e->text);
        }
        return is_ours(code) ? code : ERR_NONE;
    }
    const char *wrong = row_disagrees(row, &c->records);
    if (wrong != NULL) {
        SAY(w, CHUNK, row->first_seq, row->last_seq, "chunk %lld of %s: %s",
            (long long)row->id, kind_name(kind), wrong);
    }
    code = check_summary(w, row, &c->records, e);
    tally_take(w->tally, &c->records);
    return code;
}

/* The next chunk of the cursor's kind, if there is one. */
static enum err_code next_chunk(struct walk *w, struct cursor *c, struct err *e)
{
    bool more = false;
    c->at = 0;
    records_clear(&c->records);
    enum err_code code = db_step(c->stmt, &more, "chunk", e);
    if (code != ERR_NONE && !is_ours(code)) {
        w->tally->unread++;
        SAY(w, STRUCTURE, c->last_seq + 1, 0,
            "%s chunks from here on cannot be read: %s",
            kind_name((unsigned)c->records.kind), e->text);
        code = ERR_NONE;
    }
    if (code != ERR_NONE || !more) {
        c->over = true;
        return code;
    }
    struct chunk_row row = chunk_row_of(c->stmt);
    code = read_chunk(w, c, &row, e);
    c->last_seq = row.last_seq;
    if (w->query->progress != NULL) {
        w->query->progress(w->query->context);
    }
    return code;
}

/* The cursor with the lowest seq; *ret NULL when all are over. */
static enum err_code lowest(struct walk *w, struct cursor **ret, struct err *e)
{
    *ret = NULL;
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        struct cursor *c = &w->cursors[kind];
        while (!c->over && c->at == c->records.n) {
            enum err_code code = next_chunk(w, c, e);
            if (code != ERR_NONE) {
                return code;
            }
        }
        if (!c->over && (*ret == NULL || c->records.seq[c->at] <
                                             (*ret)->records.seq[(*ret)->at])) {
            *ret = c;
        }
    }
    return ERR_NONE;
}

static enum err_code walk_chunks(struct walk *w, struct err *e)
{
    for (;;) {
        struct cursor *c = NULL;
        enum err_code code = lowest(w, &c, e);
        if (code != ERR_NONE || c == NULL) {
            return code;
        }
        uint64_t seq = c->records.seq[c->at++];
        take_seqs(w, seq, seq);
    }
}

/* A TALLY_KEYS reads what is counted, and no more. */
static uint64_t fields_of(enum wire_kind kind, enum tally_depth depth)
{
    if (depth == TALLY_ALL) {
        return UINT64_MAX;
    }
    uint64_t step = 1;
    if (kind == WIRE_EVENT) {
        return step | UINT64_C(1) << EVENT_event | UINT64_C(1) << EVENT_value |
               UINT64_C(1) << EVENT_exit_code;
    }
    return kind == WIRE_PROBE ? step | UINT64_C(1) << PROBE_group : step;
}

static enum err_code open_cursors(struct walk *w, struct err *e)
{
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        struct cursor *c = &w->cursors[kind];
        records_init(&c->records, (enum wire_kind)kind,
            fields_of((enum wire_kind)kind, w->query->depth));
        enum err_code code = db_prepare(w->db, sql_chunks, &c->stmt, e);
        if (code != ERR_NONE) {
            return code;
        }
        int rc = sqlite3_bind_int64(c->stmt, 1, w->query->stream);
        rc |= sqlite3_bind_int64(c->stmt, 2, kind);
        if (rc != SQLITE_OK) {
            return db_fail(w->db, e, "chunk");
        }
    }
    return ERR_NONE;
}

static void close_cursors(struct walk *w)
{
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        (void)sqlite3_finalize(w->cursors[kind].stmt); /* steps have told */
        records_done(&w->cursors[kind].records);
    }
    (void)sqlite3_blob_close(w->body); /* read only: nothing to fail */
}

/* ---- the log ------------------------------------------------------------- */

struct log_row {
    int64_t id;
    uint64_t first_seq;
    uint64_t last_seq;
    struct str frame;
};

/* What is wrong with the row, or NULL. */
static const char *log_row_is_wrong(
    const struct walk *w, const struct log_row *row, struct message *message)
{
    if (decode_message(row->frame.p, row->frame.n, message) != DECODE_OK ||
        message->type != WIRE_DATA) {
        return "its message does not decode";
    }
    if (memcmp(message->stream.v, w->query->uid.v, sizeof w->query->uid.v) !=
        0) {
        return "its message is of another stream";
    }
    uint64_t last = message->first_seq + message->count - 1;
    return row->first_seq >= message->first_seq &&
                   row->first_seq <= row->last_seq && row->last_seq == last
               ? NULL
               : "its row names other seqs than its message has";
}

static enum err_code take_sections(struct walk *w, const struct log_row *row,
    const struct message *message, struct err *e)
{
    enum err_code code = ERR_NONE;
    for (uint32_t i = 0; code == ERR_NONE && i < message->n_sections; i++) {
        const struct section *s = &message->sections[i];
        struct records *records = &w->cursors[s->kind].records;
        records_clear(records);
        code =
            records_append(records, s, message->first_seq, row->first_seq, e);
        if (code == ERR_NONE) {
            tally_take(w->tally, records);
            *(s->kind == WIRE_GROUP ? &w->tally->log_groups
                                    : &w->tally->log_records) += records->n;
        }
    }
    return code;
}

static enum err_code take_log_row(
    struct walk *w, const struct log_row *row, struct err *e)
{
    struct message message;
    const char *wrong = log_row_is_wrong(w, row, &message);
    if (wrong != NULL) {
        w->tally->unread++;
        SAY(w, LOG, row->first_seq, row->last_seq, "log row %lld: %s",
            (long long)row->id, wrong);
        return ERR_NONE;
    }
    w->tally->log_bytes += row->frame.n;
    take_seqs(w, row->first_seq, row->last_seq);
    return take_sections(w, row, &message, e);
}

static enum err_code walk_log(struct walk *w, sqlite3_stmt *stmt, struct err *e)
{
    if (sqlite3_bind_int64(stmt, 1, w->query->stream) != SQLITE_OK) {
        return db_fail(w->db, e, "log");
    }
    for (;;) {
        bool more = false;
        enum err_code code = db_step(stmt, &more, "log", e);
        if (code != ERR_NONE && !is_ours(code)) {
            w->tally->unread++;
            SAY(w, STRUCTURE, w->tally->last_seq + 1, 0,
                "log rows from here on cannot be read: %s", e->text);
            return ERR_NONE;
        }
        if (code != ERR_NONE || !more) {
            return code;
        }
        struct log_row row = {
            .id = sqlite3_column_int64(stmt, 0),
            .first_seq = db_u64(stmt, 1),
            .last_seq = db_u64(stmt, 2),
            .frame = db_blob(stmt, 3),
        };
        code = take_log_row(w, &row, e);
        if (code != ERR_NONE) {
            return code;
        }
    }
}

/* ---- a stream ------------------------------------------------------------ */

static enum err_code look_for_odd_chunks(struct walk *w, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum err_code code = db_prepare(w->db, sql_odd_chunks, &stmt, e);
    if (code == ERR_NONE) {
        int rc = sqlite3_bind_int64(stmt, 1, w->query->stream);
        rc |= sqlite3_bind_int64(stmt, 2, WIRE_KINDS - 1);
        code = rc == SQLITE_OK ? db_step(stmt, &row, "chunk", e)
                               : db_fail(w->db, e, "chunk");
    }
    if (code == ERR_NONE && row && sqlite3_column_int64(stmt, 0) > 0) {
        w->tally->unread++;
        SAY(w, CHUNK, 0, 0, "%lld chunks of a kind that is not known",
            sqlite3_column_int64(stmt, 0));
    }
    (void)sqlite3_finalize(stmt);           /* the step has told */
    return is_ours(code) ? code : ERR_NONE; /* the cursors say it again */
}

static void conclude(struct walk *w)
{
    struct tally *t = w->tally;
    t->last_seq = t->thinned_seq > t->last_seq ? t->thinned_seq : t->last_seq;
    if (w->twice > 0) {
        SAY(w, OVERLAP, w->twice_from, w->twice_to,
            "%" PRIu64 " records are there twice: a reader sees both",
            w->twice);
    }
}

enum err_code tally_stream(sqlite3 *db, const struct tally_query *query,
    struct chunk_coder *coder, struct findings *findings,
    struct tally *ret_tally, struct err *e)
{
    struct walk w = { .db = db,
        .query = query,
        .coder = coder,
        .findings = findings,
        .tally = ret_tally };
    sqlite3_stmt *log = NULL;
    *ret_tally = (struct tally){ 0 };
    enum err_code code = open_cursors(&w, e);
    code = code != ERR_NONE ? code : look_for_odd_chunks(&w, e);
    code = code != ERR_NONE ? code : walk_chunks(&w, e);
    code = code != ERR_NONE ? code : db_prepare(db, sql_log, &log, e);
    code = code != ERR_NONE ? code : walk_log(&w, log, e);
    (void)sqlite3_finalize(log); /* the steps have told */
    close_cursors(&w);
    conclude(&w);
    return code;
}
