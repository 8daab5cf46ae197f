/*
 * mend.c: the main thread of a command. First who there is (mend_names), from
 * the HELLOs, which say all of it; then the records of each, and what they come
 * to.
 */
#include "care/mend.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/log.h"
#include "care/mend_names.h"
#include "care/tally.h"
#include "store/db.h"
#include "store/progress.h"
#include "store/pyramid.h"

/* Of chunks of one kind that overlap the first stays; of log rows too, and
 * those that are sealed go, or their first records do. A message of another
 * stream is not of this one, whatever its row says. */
static const char sql_records[] =
    "DELETE FROM log WHERE substr(frame, 17, 16) <> "
    "(SELECT uid FROM stream WHERE id = log.stream);"
    "DELETE FROM chunk WHERE id IN (SELECT id FROM (SELECT id, first_seq, "
    "max(last_seq) OVER (PARTITION BY stream, kind ORDER BY first_seq, id "
    "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM chunk) "
    "WHERE first_seq <= before);"
    "CREATE TEMP TABLE before (log INTEGER PRIMARY KEY, seq INTEGER NOT NULL);"
    "INSERT INTO before SELECT id, max("
    "coalesce(max(last_seq) OVER (PARTITION BY stream ORDER BY last_seq, id "
    "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0), "
    "coalesce((SELECT max(last_seq) FROM chunk AS c "
    "WHERE c.stream = log.stream), 0)) FROM log;"
    "DELETE FROM log WHERE last_seq <= "
    "(SELECT seq FROM before WHERE log = log.id);"
    "UPDATE log SET first_seq = b.seq + 1 FROM before AS b "
    "WHERE b.log = log.id AND log.first_seq <= b.seq;"
    "DROP TABLE before;";

static const char sql_streams[] =
    "SELECT s.uid, s.attempt, s.rank, r.uid, " PROGRESS_COLUMNS
    " FROM stream AS s JOIN stream_progress AS p ON p.stream = s.id "
    "JOIN run AS r ON r.id = s.run ORDER BY r.id, s.attempt, s.rank;";
#define PROGRESS_AT 4

static const char sql_chunk_bytes[] =
    "UPDATE stream_progress SET thinned_seq = ?2, thinned_records = ?3, "
    "chunk_bytes = ?4 WHERE stream = ?1;";

struct mender {
    sqlite3 *db;
    FILE *out;
    sqlite3_stmt *streams;
    sqlite3_stmt *write;
    sqlite3_stmt *write_bytes;
    struct chunk_coder coder;
    struct pyramid *pyramid;
    struct mend_counts *counts;
    char odd[sizeof(((struct finding *)NULL)->text)]; /* see note_odd */
};

/* Nothing is left to be found wrong: what is, is a fault of this code. */
static void note_odd(void *context, const struct finding *finding)
{
    struct mender *m = context;
    memcpy(m->odd, finding->text, sizeof m->odd);
}

/* ---- what is lost -------------------------------------------------------- */

static uint64_t sum_of(const uint64_t records[static WIRE_KINDS])
{
    uint64_t sum = 0;
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        sum += records[kind];
    }
    return sum;
}

/* The row was right when it was written: what it counts adds up. Nothing but
 * that tells whether it was damaged. */
static bool is_believable(const struct progress *p)
{
    return p->committed_seq <= INT64_MAX && p->lost_records <= INT64_MAX &&
           sum_of(p->records) + p->lost_records == p->committed_seq;
}

static void tell_lost(struct mender *m, const struct tally_query *query,
    const struct tally *t, uint64_t lost, bool is_known)
{
    char uid[4 * RUN_UID_MAX];
    if (lost == 0 && is_known) {
        return;
    }
    (void)fprintf(m->out, "run=%s attempt=%" PRIu32 " rank=%" PRIu32 ": ",
        log_quoted(uid, sizeof uid, query->name.run_uid), query->name.attempt,
        query->name.rank);
    if (!is_known) {
        (void)fprintf(m->out,
            "how far it went is lost; records up to seq "
            "%" PRIu64 " are there\n",
            t->last_seq);
    } else {
        (void)fprintf(m->out, "%" PRIu64 " records lost\n", lost);
    }
    for (size_t i = 0; i < t->n_gaps; i++) {
        (void)fprintf(m->out,
            "  of seq %" PRIu64 "-%" PRIu64 ": %" PRIu64 " are not there\n",
            t->gaps[i].first_seq, t->gaps[i].last_seq, t->gaps[i].missing);
    }
}

/* ---- what is there ------------------------------------------------------- */

static void count_anew(struct progress *p, const struct tally *t)
{
    memcpy(p->records, t->records, sizeof p->records);
    p->lost_records = p->committed_seq - sum_of(t->records);
    p->group_probes = t->group_probes;
    p->dropped_records = t->dropped_records;
    p->has_step = t->has_step;
    p->first_step = t->first_step;
    p->last_step = t->last_step;
    p->finished = t->finished;
    p->exit_code = t->finished ? t->exit_code : 0;
    p->log_records = t->log_records;
    p->log_bytes = t->log_bytes;
}

static enum err_code write_counts(struct mender *m, const struct progress *p,
    const struct tally *t, struct err *e)
{
    enum err_code code = progress_write(p, m->write, e);
    if (code != ERR_NONE) {
        return code;
    }
    int rc = sqlite3_bind_int64(m->write_bytes, 1, p->stream);
    rc |= db_bind_u64(m->write_bytes, 2, t->thinned_seq);
    rc |= db_bind_u64(m->write_bytes, 3, t->thinned_records);
    rc |= db_bind_u64(m->write_bytes, 4, t->chunk_bytes);
    return rc == SQLITE_OK ? db_run(m->write_bytes, "mend", e)
                           : db_fail(m->db, e, "mend");
}

static struct tally_query query_of(sqlite3_stmt *stmt, const struct progress *p)
{
    struct tally_query query = { .stream = p->stream,
        .name = { .attempt = (uint32_t)db_u64(stmt, 1),
            .rank = (uint32_t)db_u64(stmt, 2) },
        .thinned_seq = UINT64_MAX, /* what is empty was thinned */
        .depth = TALLY_ALL };
    struct str uid = db_blob(stmt, 0);
    struct str run = db_text(stmt, 3);
    size_t n = run.n > RUN_UID_MAX ? RUN_UID_MAX : run.n;
    if (uid.n == sizeof query.uid.v) {
        memcpy(query.uid.v, uid.p, uid.n);
    }
    memcpy(query.name.run_uid, run.p == NULL ? "" : run.p, n);
    return query;
}

static enum err_code mend_stream(struct mender *m, struct err *e)
{
    struct progress p = { 0 };
    struct tally t;
    progress_read(m->streams, PROGRESS_AT, &p);
    const struct tally_query query = query_of(m->streams, &p);
    struct findings findings = { .found = note_odd, .context = m };
    enum err_code code =
        tally_stream(m->db, &query, &m->coder, &findings, &t, e);
    if (code == ERR_NONE && findings.n > 0) {
        code = err_set(e, ERR_STORE, "what was salvaged: %s", m->odd);
    }
    if (code != ERR_NONE) {
        return code;
    }
    bool is_known = is_believable(&p);
    uint64_t lost_before = is_known ? p.lost_records : 0;
    p.committed_seq =
        is_known && p.committed_seq > t.last_seq ? p.committed_seq : t.last_seq;
    if (is_known && p.committed_seq > t.last_seq) {
        tally_add_gap(&t, t.last_seq + 1, p.committed_seq);
    }
    count_anew(&p, &t);
    uint64_t lost =
        p.lost_records > lost_before ? p.lost_records - lost_before : 0;
    tell_lost(m, &query, &t, lost, is_known);
    m->counts->lost += lost;
    m->counts->unknown += !is_known;
    m->counts->records += sum_of(p.records);
    code = write_counts(m, &p, &t, e);
    return code == ERR_NONE ? pyramid_rebuild(m->pyramid,
                                  (struct stream_id){ query.stream }, e)
                            : code;
}

static enum err_code mend_streams(struct mender *m, struct err *e)
{
    enum err_code code = db_prepare(m->db, sql_streams, &m->streams, e);
    code = code != ERR_NONE ? code
                            : db_prepare(m->db, PROGRESS_UPDATE, &m->write, e);
    code = code != ERR_NONE
               ? code
               : db_prepare(m->db, sql_chunk_bytes, &m->write_bytes, e);
    bool more = true;
    while (code == ERR_NONE && more) {
        code = db_step(m->streams, &more, "mend", e);
        if (code == ERR_NONE && more) {
            code = mend_stream(m, e);
        }
    }
    return code;
}

enum err_code mend(
    sqlite3 *db, FILE *out, struct mend_counts *ret_counts, struct err *e)
{
    struct mender m = { .db = db, .out = out, .counts = ret_counts };
    *ret_counts = (struct mend_counts){ 0 };
    enum err_code code = pyramid_open(db, &m.pyramid, e);
    code = code != ERR_NONE ? code : mend_names(db, out, e);
    code = code != ERR_NONE ? code : db_exec(db, sql_records, "mend", e);
    code = code != ERR_NONE ? code : mend_streams(&m, e);
    (void)sqlite3_finalize(m.streams); /* the steps have told */
    (void)sqlite3_finalize(m.write);
    (void)sqlite3_finalize(m.write_bytes);
    chunk_coder_done(&m.coder);
    pyramid_close(m.pyramid);
    return code;
}
