/*
 * check.c: owns the connection and its one read transaction; the thread that
 * checks. From the outside in: SQLite's structure, then runs, then streams, so
 * that the first finding is the cause of those that follow.
 */
#include "care/check.h"

#include <inttypes.h>
#include <string.h>

#include "care/check_run.h"
#include "care/tally.h"
#include "care/wal_check.h"
#include "store/db.h"
#include "store/migrate.h"
#include "store/progress.h"
#include "wire/fields.h"

/* SQLite stops after so many; what is found after them is more of the same. */
#define STRUCTURE_MAX 100

static const char sql_streams[] =
    "SELECT s.id, s.uid, s.attempt, s.rank, r.uid, " PROGRESS_COLUMNS
    " FROM stream AS s JOIN run AS r ON r.id = s.run "
    "LEFT JOIN stream_progress AS p ON p.stream = s.id ORDER BY s.id;";

struct check {
    const struct check_options *options;
    sqlite3 *db;
    struct findings findings;
    struct chunk_coder coder;
    struct pyramid *pyramid;
    struct check_counts counts;
};

static void tell(struct check *c)
{
    c->counts.findings = c->findings.n;
    if (c->options->progress != NULL) {
        c->options->progress(c->options->context, &c->counts);
    }
}

static void count_chunk(void *context)
{
    struct check *c = context;
    c->counts.chunks++;
    tell(c);
}

/* A failure that the file is the cause of is a finding, and the check goes on;
 * want of memory is not. */
static enum err_code as_finding(
    struct check *c, enum err_code code, const char *what, const struct err *e)
{
    if (code == ERR_NONE || code == ERR_NOMEM) {
        return code;
    }
    findings_add(
        &c->findings, FINDING_STRUCTURE, NULL, 0, 0, "%s: %s", what, e->text);
    return ERR_NONE;
}

/* ---- SQLite's own structure ---------------------------------------------- */

static enum err_code read_structure(
    struct check *c, sqlite3_stmt *stmt, struct err *e)
{
    for (;;) {
        bool more = false;
        enum err_code code = db_step(stmt, &more, "structure", e);
        if (code != ERR_NONE || !more) {
            return code;
        }
        struct str text = db_text(stmt, 0);
        if (!str_equal(text, STR("ok"))) {
            findings_add(&c->findings, FINDING_STRUCTURE, NULL, 0, 0, "%.*s",
                (int)text.n, text.p == NULL ? "" : text.p);
        }
    }
}

static enum err_code check_structure(struct check *c, struct err *e)
{
    static_assert(STRUCTURE_MAX == 100, "it is in these texts");
    const char *sql = c->options->depth == CHECK_ALL
                          ? "PRAGMA integrity_check(100);"
                          : "PRAGMA quick_check(100);";
    sqlite3_stmt *stmt = NULL;
    enum err_code code = db_prepare(c->db, sql, &stmt, e);
    code = code != ERR_NONE ? code : read_structure(c, stmt, e);
    (void)sqlite3_finalize(stmt); /* the steps have told */
    return as_finding(c, code, "the structure cannot be read", e);
}

/* ---- rows of something that is not there --------------------------------- */

static enum err_code read_references(
    struct check *c, sqlite3_stmt *stmt, struct err *e)
{
    for (uint64_t n = 0;; n++) {
        bool more = false;
        enum err_code code = db_step(stmt, &more, "references", e);
        if (code != ERR_NONE || !more) {
            return code;
        }
        if (n < STRUCTURE_MAX) {
            findings_add(&c->findings, FINDING_REFERENCE, NULL, 0, 0,
                "row %lld of %s belongs to a %s that is not there: nobody "
                "reads it",
                sqlite3_column_int64(stmt, 1), db_text(stmt, 0).p,
                db_text(stmt, 2).p);
        }
    }
}

static enum err_code check_references(struct check *c, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    enum err_code code =
        db_prepare(c->db, "PRAGMA foreign_key_check;", &stmt, e);
    code = code != ERR_NONE ? code : read_references(c, stmt, e);
    (void)sqlite3_finalize(stmt); /* the steps have told */
    return as_finding(c, code, "who belongs to whom cannot be read", e);
}

/* ---- streams ------------------------------------------------------------- */

struct stream_row {
    struct tally_query query;
    struct progress progress;
    bool has_progress;
};

#define PROGRESS_AT 5 /* in sql_streams */

static struct stream_row stream_row_of(struct check *c, sqlite3_stmt *stmt)
{
    struct stream_row row = { .query = {
                                  .stream = sqlite3_column_int64(stmt, 0),
                                  .progress = count_chunk,
                                  .context = c,
                              } };
    struct tally_query *q = &row.query;
    q->depth = c->options->depth == CHECK_ALL ? TALLY_ALL : TALLY_KEYS;
    struct str uid = db_blob(stmt, 1);
    memcpy(q->uid.v, uid.p == NULL ? "" : uid.p,
        uid.n < sizeof q->uid.v ? 0 : sizeof q->uid.v);
    q->name.attempt = (uint32_t)db_u64(stmt, 2);
    q->name.rank = (uint32_t)db_u64(stmt, 3);
    struct str run = db_text(stmt, 4);
    size_t n = run.n > RUN_UID_MAX ? RUN_UID_MAX : run.n;
    memcpy(q->name.run_uid, run.p == NULL ? "" : run.p, n);
    row.has_progress = sqlite3_column_type(stmt, PROGRESS_AT) != SQLITE_NULL;
    progress_read(stmt, PROGRESS_AT, &row.progress);
    q->thinned_seq = row.progress.thinned_seq;
    q->pyramid = c->pyramid;
    return row;
}

static void check_count(struct check *c, const struct stream_row *row,
    const char *what, uint64_t kept, uint64_t found)
{
    if (kept != found) {
        findings_add(&c->findings, FINDING_COUNT, &row->query.name, 0, 0,
            "%s is kept as %" PRIu64 ", and is %" PRIu64, what, kept, found);
    }
}

static void check_records(
    struct check *c, const struct stream_row *row, const struct tally *t)
{
    static const char *const names[WIRE_KINDS] = { "", "steps", "probes",
        "metrics", "events", "sharpness", "groups" };
    const struct progress *p = &row->progress;
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        check_count(c, row, names[kind], p->records[kind], t->records[kind]);
    }
    check_count(
        c, row, "thinned_records", p->thinned_records, t->thinned_records);
    check_count(c, row, "chunk_bytes", p->chunk_bytes, t->chunk_bytes);
    /* What versions before 3 have counted includes those of GROUP. */
    const bool with_groups = p->log_records > t->log_records &&
                             p->log_records <= t->log_records + t->log_groups;
    check_count(c, row, "log_records", p->log_records,
        with_groups ? p->log_records : t->log_records);
    check_count(c, row, "log_bytes", p->log_bytes, t->log_bytes);
    check_count(
        c, row, "dropped_records", p->dropped_records, t->dropped_records);
    /* Of old files what was counted before is not known: fewer is right too. */
    check_count(c, row, "group_probes",
        p->group_probes < t->group_probes ? t->group_probes : p->group_probes,
        t->group_probes);
    check_count(c, row, "finished", p->finished, t->finished);
}

/* What the run's lists say of its steps; the last step of a stream whose steps
 * were all thinned is in its summary alone. */
static void check_steps(
    struct check *c, const struct stream_row *row, const struct tally *t)
{
    const struct progress *p = &row->progress;
    check_count(c, row, "has_step", p->has_step, t->has_step);
    if (p->has_step && t->has_step) {
        check_count(c, row, "first_step", p->first_step, t->first_step);
    }
    if (p->has_step && t->has_step && t->thinned_records == 0) {
        check_count(c, row, "last_step", p->last_step, t->last_step);
    }
}

/* committed = there + lost: whatever was thinned, and in whichever order. */
static void check_seqs(
    struct check *c, const struct stream_row *row, const struct tally *t)
{
    const struct progress *p = &row->progress;
    uint64_t there = 0;
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        there += t->records[kind];
    }
    if (there + p->lost_records == p->committed_seq) {
        return;
    }
    findings_add(&c->findings, FINDING_COUNT, &row->query.name, 0, 0,
        "%" PRIu64 " records are acknowledged; there are %" PRIu64
        ", and the sender said that %" PRIu64 " are lost",
        p->committed_seq, there, p->lost_records);
    for (size_t i = 0; i < t->n_gaps; i++) {
        const struct tally_gap *gap = &t->gaps[i];
        findings_add(&c->findings, FINDING_GAP, &row->query.name,
            gap->first_seq, gap->last_seq, "%" PRIu64 " records are not there",
            gap->missing);
    }
}

struct row_context {
    struct check *check;
    const struct finding_stream *stream;
};

static void row_is_wrong(void *context, const struct pyramid_finding *finding)
{
    const struct row_context *r = context;
    findings_add(&r->check->findings, FINDING_PYRAMID, r->stream,
        finding->first_seq, finding->last_seq,
        "a row of level %u over %s records: %s", finding->level,
        wire_kind_info(finding->kind)->name, finding->what);
}

/* What charts of long runs are made of. */
static enum err_code check_rows(
    struct check *c, const struct stream_row *row, struct err *e)
{
    if (row->query.depth != TALLY_ALL) {
        return ERR_NONE;
    }
    struct row_context context = { c, &row->query.name };
    enum err_code code = pyramid_check_rows(c->pyramid,
        (struct stream_id){ row->query.stream }, row_is_wrong, &context, e);
    return as_finding(c, code, "the pyramid of a stream", e);
}

static enum err_code check_stream(
    struct check *c, const struct stream_row *row, struct err *e)
{
    struct tally tally;
    const struct tally *t = &tally;
    enum err_code code =
        tally_stream(c->db, &row->query, &c->coder, &c->findings, &tally, e);
    if (code != ERR_NONE) {
        return code;
    }
    c->counts.streams++;
    c->counts.thinned_records += t->thinned_records;
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        c->counts.records += t->records[kind];
    }
    c->counts.records -= t->thinned_records;
    if (!row->has_progress) {
        findings_add(&c->findings, FINDING_COUNT, &row->query.name, 0, 0,
            "the stream's counts are not there: lists leave its run out");
    } else if (t->unread == 0) {
        if (row->progress.committed_seq > t->last_seq) {
            tally_add_gap(&tally, t->last_seq + 1, row->progress.committed_seq);
        }
        check_records(c, row, t);
        check_steps(c, row, t);
        check_seqs(c, row, t);
    }
    tell(c);
    return check_rows(c, row, e);
}

static enum err_code walk_streams(
    struct check *c, sqlite3_stmt *stmt, struct err *e)
{
    for (;;) {
        bool more = false;
        enum err_code code = db_step(stmt, &more, "streams", e);
        if (code != ERR_NONE || !more) {
            return as_finding(c, code, "the list of streams", e);
        }
        struct stream_row row = stream_row_of(c, stmt);
        code = check_stream(c, &row, e);
        if (code != ERR_NONE) {
            return code;
        }
    }
}

static enum err_code check_streams(struct check *c, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    enum err_code code = db_prepare(c->db, sql_streams, &stmt, e);
    if (code != ERR_NONE) {
        return as_finding(c, code, "the list of streams", e);
    }
    code = walk_streams(c, stmt, e);
    (void)sqlite3_finalize(stmt); /* the steps have told */
    return code;
}

static enum err_code check_runs(struct check *c, struct err *e)
{
    enum err_code code =
        check_run_rows(c->db, &c->findings, &c->counts.runs, e);
    return as_finding(c, code, "the list of runs", e);
}

/* ---- the whole ----------------------------------------------------------- */

/* SQLite takes it for the end of the log, and says nothing. */
static enum err_code check_log(struct check *c, struct err *e)
{
    uint64_t commits = 0;
    enum err_code code = wal_check(c->options->path, &commits, e);
    if (code == ERR_NONE && commits > 0) {
        findings_add(&c->findings, FINDING_STRUCTURE, NULL, 0, 0,
            "the log: %" PRIu64 " commits lie behind a damaged frame, and are "
            "not read",
            commits);
    }
    return as_finding(c, code, "the log cannot be read", e);
}

static enum err_code check_parts(struct check *c, struct err *e)
{
    /* BEGIN alone takes no snapshot, the first read does. */
    enum err_code code = db_exec(
        c->db, "BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1;", "read", e);
    code = as_finding(c, code, "the file cannot be read", e);
    code = code != ERR_NONE ? code : check_log(c, e);
    code = code != ERR_NONE ? code : check_structure(c, e);
    code = code != ERR_NONE ? code : check_references(c, e);
    if (c->counts.old_version == 0) {
        code = code != ERR_NONE ? code : pyramid_open(c->db, &c->pyramid, e);
        code = code != ERR_NONE ? code : check_runs(c, e);
        code = code != ERR_NONE ? code : check_streams(c, e);
    }
    if (!sqlite3_get_autocommit(c->db)) {
        /* Nothing was written: to end is all that can happen. */
        (void)sqlite3_exec(c->db, "COMMIT;", NULL, NULL, NULL);
    }
    return code;
}

static enum err_code open_known(struct check *c, struct err *e)
{
    size_t version = 0;
    enum err_code code = db_open(c->options->path, DB_READ, &c->db, e);
    if (code == ERR_NONE) {
        code = migrate_version(c->db, migrations_count, &version, e);
    }
    if (code == ERR_NONE && version == 0) {
        code = err_set(e, ERR_INVALID, "an empty file");
    }
    c->counts.old_version = version < migrations_count ? version : 0;
    return code == ERR_NONE ? code : err_prefix(e, "%s", c->options->path);
}

enum err_code check_database(const struct check_options *options,
    struct check_counts *ret_counts, struct err *e)
{
    struct check c = { .options = options,
        .findings = { .found = options->found, .context = options->context } };
    enum err_code code = open_known(&c, e);
    if (code == ERR_NONE) {
        code = check_parts(&c, e);
        c.counts.findings = c.findings.n;
        *ret_counts = c.counts;
    }
    chunk_coder_done(&c.coder);
    pyramid_close(c.pyramid);
    db_close(c.db);
    return code;
}
