/* runs.c: lists of what there is. The thread of the reader. A run's numbers
 * are summed up here over its streams, so they are kept in one place only. */
#include "store/runs.h"

#include <string.h>

#include "store/db.h"
#include "store/first_probe.h"
#include "store/progress.h"
#include "store/reader_impl.h"

#define RUN_COLUMNS                                                            \
    "r.id, r.uid, r.project, r.name, r.config, r.tags, r.created_wall_ns, "    \
    "q.updated_wall_ns, q.revision, r.fork_of, r.fork_step, "                  \
    "(SELECT count(*) FROM alert AS a WHERE a.run = r.id), "                   \
    "(SELECT count(*) FROM alert AS a WHERE a.run = r.id "                     \
    "AND a.severity = 'error') "                                               \
    "FROM run AS r JOIN run_progress AS q ON q.run = r.id "
/* ?1, ?2: rows strictly after this one; ?3: text, empty = any; ?4: limit. */
#define RUN_TEXT                                                               \
    "AND (?3 = '' OR instr(lower(r.name), lower(?3)) > 0 "                     \
    "OR instr(lower(r.uid), lower(?3)) > 0) "
#define RUN_ORDER "ORDER BY r.created_wall_ns DESC, r.id DESC LIMIT ?4;"

static const char sql_get[] = "SELECT " RUN_COLUMNS "WHERE r.uid = ?1;";
static const char sql_all[] =
    "SELECT " RUN_COLUMNS
    "WHERE (r.created_wall_ns, r.id) < (?1, ?2) " RUN_TEXT RUN_ORDER;
static const char sql_by_project[] =
    "SELECT " RUN_COLUMNS "WHERE r.project = ?5 "
    "AND (r.created_wall_ns, r.id) < (?1, ?2) " RUN_TEXT RUN_ORDER;
static const char sql_by_tag[] =
    "SELECT " RUN_COLUMNS "JOIN run_tag AS t ON t.run = r.id "
    "WHERE t.tag = ?6 AND (t.created_wall_ns, t.run) < (?1, ?2) "
    "AND (?5 IS NULL OR r.project = ?5) " RUN_TEXT
    "ORDER BY t.created_wall_ns DESC, t.run DESC LIMIT ?4;";
static const char sql_streams[] =
    "SELECT s.attempt, s.rank, s.created_wall_ns, s.world, " PROGRESS_COLUMNS
    " FROM stream AS s JOIN stream_progress AS p ON p.stream = s.id "
    "WHERE s.run = ?1 ORDER BY s.attempt, s.rank;";
static const char sql_hello[] = "SELECT hello FROM stream WHERE id = ?1;";
static const char sql_projects[] =
    "SELECT r.project, count(*), max(q.updated_wall_ns) "
    "FROM run AS r JOIN run_progress AS q ON q.run = r.id "
    "GROUP BY r.project ORDER BY r.project;";

#define PROGRESS_AT 4 /* column of sql_streams */

#define RANKS_MAX 65536 /* of a world: schema/wire.md */

/* What completes a row: statements, prepared once for a list, and room for the
 * ranks of a run. */
struct completion {
    sqlite3_stmt *streams;
    sqlite3_stmt *hello; /* NULL: a list, which has no use for hellos */
    uint8_t ranks[RANKS_MAX / 8]; /* bits: heard of in any attempt */
    uint32_t n_ranks;             /* bits set */
    uint32_t world;               /* of the newest attempt */
};

static void completion_close(struct completion *c)
{
    (void)sqlite3_finalize(c->streams);
    (void)sqlite3_finalize(c->hello);
}

void run_row_done(struct run_row *row)
{
    db_free(row->project);
    db_free(row->name);
    db_free(row->config_json);
    db_free(row->tags_json);
    db_free(row->hello_json);
    *row = (struct run_row){ 0 };
}

/* Adds to *failed when there is no memory for the copy. */
static char *copy_text(sqlite3_stmt *stmt, int i, bool *failed)
{
    struct str text = db_text(stmt, i);
    char *copy = text.p == NULL ? NULL : db_malloc(text.n + 1);
    if (copy == NULL) {
        *failed = true;
        return NULL;
    }
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return copy;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* A stream of a newer attempt than those before: it alone says where the run
 * is now, though what is counted stays. */
static void start_attempt(struct run_row *row)
{
    row->attempts++;
    row->ranks = 0;
    row->facts = (struct run_facts){ .finished = true, .writer_gone = true };
}

/* What the newest attempt says: all its ranks together. */
static void fold_facts(
    struct run_row *row, const struct progress *p, bool *has_step_here)
{
    struct run_facts *facts = &row->facts;
    if (p->finished && p->exit_code != 0 && facts->exit_code == 0) {
        facts->exit_code = p->exit_code;
    }
    facts->finished = facts->finished && p->finished;
    facts->writer_gone = facts->writer_gone && p->writer_gone;
    facts->heard_wall_ns = later(facts->heard_wall_ns, p->heard_wall_ns);
    facts->last_step_wall_ns =
        later(facts->last_step_wall_ns, p->stepped_wall_ns);
    facts->step_interval_ns =
        later(facts->step_interval_ns, p->step_interval_ns);
    if (p->has_step && (!*has_step_here || p->last_step > row->last_step)) {
        row->last_step = p->last_step;
        row->has_last_step = true;
        *has_step_here = true;
    }
}

static void fold_counts(struct run_row *row, const struct progress *p)
{
    for (size_t kind = 0; kind < WIRE_KINDS; kind++) {
        row->records[kind] += p->records[kind];
    }
    row->group_probes += p->group_probes;
    row->lost_records += p->lost_records;
    row->dropped_records += p->dropped_records;
    row->thinned_records += p->thinned_records;
    row->bytes += p->chunk_bytes + p->log_bytes;
    row->repeated_records += p->repeated_records;
    row->late_records += p->late_records;
}

static void fold_rank(struct completion *c, int64_t rank)
{
    size_t i = (size_t)rank % RANKS_MAX; /* less by its own checks */
    uint8_t bit = (uint8_t)(1u << i % 8);
    c->n_ranks += (c->ranks[i / 8] & bit) == 0;
    c->ranks[i / 8] |= bit;
}

/* A trainer that has ended, or says that nothing comes after its FINISH. */
static unsigned gaps_of_stream(const struct progress *p)
{
    return (p->lost_records > 0 ? RUN_GAP_LOST : 0u) |
           (p->dropped_records > 0 ? RUN_GAP_DROPPED : 0u) |
           (p->finished || p->writer_gone ? 0u : RUN_GAP_OPEN);
}

/* Sums up the streams of the row's run; *ret_speaker is the newest attempt's
 * lowest rank, 0 if there is none. */
static enum err_code fold_streams(struct completion *c, struct run_row *row,
    int64_t *ret_speaker, struct err *e)
{
    sqlite3_stmt *stmt = c->streams;
    memset(c->ranks, 0, sizeof c->ranks);
    c->n_ranks = 0;
    c->world = 1;
    if (sqlite3_bind_int64(stmt, 1, row->id.v) != SQLITE_OK) {
        return db_fail(sqlite3_db_handle(stmt), e, "runs");
    }
    int64_t attempt = 0;
    bool has_step_here = false;
    *ret_speaker = 0;
    for (;;) {
        bool more = false;
        enum err_code code = db_step(stmt, &more, "runs", e);
        if (code != ERR_NONE) {
            return code;
        }
        if (!more) {
            break;
        }
        struct progress p = { 0 };
        progress_read(stmt, PROGRESS_AT, &p);
        if (sqlite3_column_int64(stmt, 0) != attempt) {
            attempt = sqlite3_column_int64(stmt, 0);
            start_attempt(row);
            has_step_here = false;
            *ret_speaker = p.stream;
            c->world = (uint32_t)db_u64(stmt, 3);
        }
        row->ranks++;
        row->gaps |= gaps_of_stream(&p);
        fold_rank(c, sqlite3_column_int64(stmt, 1));
        fold_counts(row, &p);
        fold_facts(row, &p, &has_step_here);
    }
    /* One rank that failed ends the run; to finish well takes all of them. */
    row->facts.finished = row->facts.finished || row->facts.exit_code != 0;
    row->gaps |= c->n_ranks < c->world ? RUN_GAP_RANK : 0u;
    return ERR_NONE;
}

static enum err_code read_hello(
    sqlite3_stmt *stmt, int64_t stream, struct run_row *row, struct err *e)
{
    if (sqlite3_bind_int64(stmt, 1, stream) != SQLITE_OK) {
        return db_fail(sqlite3_db_handle(stmt), e, "runs");
    }
    bool more = false;
    bool failed = false;
    enum err_code code = db_step(stmt, &more, "runs", e);
    if (code == ERR_NONE && more) {
        row->hello_json = copy_text(stmt, 0, &failed);
        (void)sqlite3_reset(stmt); /* a SELECT that gave its row */
    }
    return failed ? db_nomem(e, "runs") : code;
}

static enum err_code read_row(sqlite3_stmt *stmt, struct completion *c,
    struct run_row *row, struct err *e)
{
    *row = (struct run_row){
        .id = { sqlite3_column_int64(stmt, 0) },
        .created_wall_ns = sqlite3_column_int64(stmt, 6),
        .updated_wall_ns = sqlite3_column_int64(stmt, 7),
        .revision = db_u64(stmt, 8),
        .alerts = db_u64(stmt, 11),
        .alert_errors = db_u64(stmt, 12),
    };
    bool failed = false;
    struct str uid = db_text(stmt, 1);
    if (uid.n == 0 || uid.n > RUN_UID_MAX) {
        return err_set(e, ERR_STORE, "runs: an id out of bounds");
    }
    memcpy(row->uid, uid.p, uid.n);
    struct str fork_of = db_text(stmt, 9);
    if (fork_of.n > RUN_UID_MAX) {
        return err_set(e, ERR_STORE, "runs: an id out of bounds");
    }
    if (fork_of.n > 0) {
        memcpy(row->fork_of, fork_of.p, fork_of.n);
        row->fork_step = db_u64(stmt, 10);
    }
    row->project = copy_text(stmt, 2, &failed);
    row->name = copy_text(stmt, 3, &failed);
    row->config_json = copy_text(stmt, 4, &failed);
    row->tags_json = copy_text(stmt, 5, &failed);
    if (failed) {
        return db_nomem(e, "runs");
    }
    int64_t speaker = 0;
    enum err_code code = fold_streams(c, row, &speaker, e);
    if (code != ERR_NONE || c->hello == NULL) {
        return code;
    }
    return read_hello(c->hello, speaker, row, e);
}

static const char *list_sql(const struct run_query *query)
{
    if (query->tag != NULL) {
        return sql_by_tag;
    }
    return query->project != NULL ? sql_by_project : sql_all;
}

/* Parameters that a statement does not have are left out. */
static int bind_query(sqlite3_stmt *stmt, const struct run_query *query)
{
    bool from_start = query->after_id == 0;
    int rc = sqlite3_bind_int64(
        stmt, 1, from_start ? INT64_MAX : query->after_created_wall_ns);
    rc |= sqlite3_bind_int64(stmt, 2, from_start ? INT64_MAX : query->after_id);
    rc |= db_bind_text(stmt, 3, str_of(query->text));
    rc |= sqlite3_bind_int64(stmt, 4, query->limit);
    int n = sqlite3_bind_parameter_count(stmt);
    if (n >= 5 && query->project != NULL) {
        rc |= db_bind_text(stmt, 5, str_of(query->project));
    }
    if (n >= 6) {
        rc |= db_bind_text(stmt, 6, str_of(query->tag));
    }
    return rc;
}

static enum err_code visit_rows(sqlite3_stmt *stmt, struct completion *c,
    run_visit_fn visit, void *context, struct err *e)
{
    for (;;) {
        bool more = false;
        enum err_code code = db_step(stmt, &more, "runs", e);
        if (code != ERR_NONE || !more) {
            return code;
        }
        struct run_row row = { 0 };
        code = read_row(stmt, c, &row, e);
        if (code == ERR_NONE) {
            code = visit(context, &row, e);
        }
        run_row_done(&row);
        if (code != ERR_NONE) {
            return code;
        }
    }
}

enum err_code runs_list(struct reader *reader, const struct run_query *query,
    run_visit_fn visit, void *context, struct err *e)
{
    enum err_code code = reader_begin(reader, e);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite3_stmt *stmt = NULL;
    struct completion c = { 0 };
    code = db_prepare(reader->db, list_sql(query), &stmt, e);
    if (code == ERR_NONE) {
        code = db_prepare(reader->db, sql_streams, &c.streams, e);
    }
    if (code == ERR_NONE && bind_query(stmt, query) != SQLITE_OK) {
        code = db_fail(reader->db, e, "runs");
    }
    if (code == ERR_NONE) {
        code = visit_rows(stmt, &c, visit, context, e);
    }
    completion_close(&c);
    (void)sqlite3_finalize(stmt); /* the steps have told */
    reader_end(reader);
    return code;
}

static enum err_code get_row(sqlite3_stmt *stmt, const char *uid,
    struct completion *c, struct run_row *row, struct err *e)
{
    if (db_bind_text(stmt, 1, str_of(uid)) != SQLITE_OK) {
        return db_fail(sqlite3_db_handle(stmt), e, "runs");
    }
    bool found = false;
    enum err_code code = db_step(stmt, &found, "runs", e);
    if (code != ERR_NONE) {
        return code;
    }
    if (!found) {
        return err_set(e, ERR_NOT_FOUND, "no such run");
    }
    return read_row(stmt, c, row, e);
}

enum err_code runs_get(struct reader *reader, const char *uid,
    struct run_row *ret_row, struct err *e)
{
    enum err_code code = reader_begin(reader, e);
    if (code != ERR_NONE) {
        return code;
    }
    sqlite3_stmt *stmt = NULL;
    struct completion c = { 0 };
    struct run_row row = { 0 };
    code = db_prepare(reader->db, sql_get, &stmt, e);
    if (code == ERR_NONE) {
        code = db_prepare(reader->db, sql_streams, &c.streams, e);
    }
    if (code == ERR_NONE) {
        code = db_prepare(reader->db, sql_hello, &c.hello, e);
    }
    if (code == ERR_NONE) {
        code = get_row(stmt, uid, &c, &row, e);
    }
    completion_close(&c);
    (void)sqlite3_finalize(stmt); /* the step has told */
    reader_end(reader);
    if (code != ERR_NONE) {
        run_row_done(&row);
        return code;
    }
    *ret_row = row;
    return ERR_NONE;
}

enum err_code runs_projects(
    struct reader *reader, project_visit_fn visit, void *context, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    enum err_code code = db_prepare(reader->db, sql_projects, &stmt, e);
    bool more = code == ERR_NONE;
    while (code == ERR_NONE && more) {
        code = db_step(stmt, &more, "projects", e);
        if (code == ERR_NONE && more) {
            struct project_row row = {
                .name = db_text(stmt, 0).p,
                .runs = db_u64(stmt, 1),
                .updated_wall_ns = sqlite3_column_int64(stmt, 2),
            };
            code = row.name == NULL ? db_nomem(e, "projects")
                                    : visit(context, &row, e);
        }
    }
    (void)sqlite3_finalize(stmt); /* the steps have told */
    return code;
}

static void fill_stream(struct stream_row *row, const struct progress *p)
{
    row->id = (struct stream_id){ p->stream };
    row->committed_seq = p->committed_seq;
    memcpy(row->records, p->records, sizeof p->records);
    row->lost_records = p->lost_records;
    row->dropped_records = p->dropped_records;
    row->repeated_records = p->repeated_records;
    row->late_records = p->late_records;
    row->closed = p->closed;
    row->has_first_step = p->has_step;
    row->first_step = p->first_step;
    row->last_step = p->last_step;
    row->heard_wall_ns = p->heard_wall_ns;
    row->facts = (struct run_facts){
        .finished = p->finished,
        .exit_code = p->exit_code,
        .writer_gone = p->writer_gone,
        .heard_wall_ns = p->heard_wall_ns,
        .last_step_wall_ns = p->stepped_wall_ns,
        .step_interval_ns = p->step_interval_ns,
    };
}

static enum err_code find_beginning(
    sqlite3 *db, struct stream_row *row, struct err *e)
{
    row->has_began = row->has_first_step;
    row->began = row->first_step;
    return row->has_began || row->attempt == 1 || row->records[WIRE_PROBE] == 0
               ? ERR_NONE
               : first_probe_step(
                     db, row->id.v, &row->has_began, &row->began, e);
}

static enum err_code visit_streams(
    sqlite3_stmt *stmt, stream_visit_fn visit, void *context, struct err *e)
{
    for (;;) {
        bool more = false;
        enum err_code code = db_step(stmt, &more, "streams", e);
        if (code != ERR_NONE || !more) {
            return code;
        }
        struct progress p = { 0 };
        progress_read(stmt, PROGRESS_AT, &p);
        struct stream_row row = {
            .attempt = (uint32_t)db_u64(stmt, 0),
            .rank = (uint32_t)db_u64(stmt, 1),
            .created_wall_ns = sqlite3_column_int64(stmt, 2),
        };
        fill_stream(&row, &p);
        code = find_beginning(sqlite3_db_handle(stmt), &row, e);
        if (code == ERR_NONE) {
            code = visit(context, &row, e);
        }
        if (code != ERR_NONE) {
            return code;
        }
    }
}

enum err_code runs_streams(struct reader *reader, struct run_id run,
    stream_visit_fn visit, void *context, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    enum err_code code = db_prepare(reader->db, sql_streams, &stmt, e);
    if (code == ERR_NONE && sqlite3_bind_int64(stmt, 1, run.v) != SQLITE_OK) {
        code = db_fail(reader->db, e, "streams");
    }
    if (code == ERR_NONE) {
        code = visit_streams(stmt, visit, context, e);
    }
    (void)sqlite3_finalize(stmt); /* the steps have told */
    return code;
}

static enum err_code visit_hello(sqlite3_stmt *stmt, int64_t stream,
    hello_visit_fn visit, void *context, struct err *e)
{
    if (sqlite3_bind_int64(stmt, 1, stream) != SQLITE_OK) {
        return db_fail(sqlite3_db_handle(stmt), e, "hello");
    }
    bool found = false;
    enum err_code code = db_step(stmt, &found, "hello", e);
    if (code != ERR_NONE) {
        return code;
    }
    if (!found) {
        return err_set(e, ERR_NOT_FOUND, "no such stream");
    }
    struct str text = db_text(stmt, 0);
    return text.p == NULL ? db_nomem(e, "hello") : visit(context, text.p, e);
}

enum err_code runs_hello(struct reader *reader, struct stream_id stream,
    hello_visit_fn visit, void *context, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    enum err_code code = db_prepare(reader->db, sql_hello, &stmt, e);
    if (code == ERR_NONE) {
        code = visit_hello(stmt, stream.v, visit, context, e);
    }
    (void)sqlite3_finalize(stmt); /* the step has told */
    return code;
}
