/* speaker.c: the thread of the connection. */
#include "sql/speaker.h"

#include "store/db.h"

#define OF_STREAM "WHERE s.run = ?1 AND s.attempt = ?2 AND s.rank = ?3 "
static const char sql_hello[] =
    "SELECT s.hello FROM main.stream AS s " OF_STREAM ";";
static const char sql_groups[] =
    "SELECT json_extract(g.value, '$.name') "
    "FROM main.stream AS s, json_each(s.hello, '$.groups') AS g " OF_STREAM
    "ORDER BY g.key;";

void speaker_done(struct speaker *speaker)
{
    buf_done(&speaker->names);
    db_free(speaker->starts);
    *speaker = (struct speaker){ 0 };
}

static int bind_stream(const struct speaker *speaker, sqlite3_stmt *stmt)
{
    int rc = sqlite3_bind_int64(stmt, 1, speaker->run.v);
    rc |= sqlite3_bind_int64(stmt, 2, speaker->attempt);
    rc |= sqlite3_bind_int64(stmt, 3, speaker->rank);
    return rc;
}

static enum err_code add_name(
    struct speaker *speaker, sqlite3_stmt *stmt, struct err *e)
{
    if (speaker->n == speaker->capacity) {
        size_t capacity = speaker->capacity == 0 ? 64 : speaker->capacity * 2;
        size_t *grown =
            db_realloc(speaker->starts, capacity * sizeof *speaker->starts);
        if (grown == NULL) {
            return db_nomem(e, "groups");
        }
        speaker->starts = grown;
        speaker->capacity = capacity;
    }
    struct str name = db_text(stmt, 0);
    speaker->starts[speaker->n++] = speaker->names.n;
    buf_append(&speaker->names, name.p, name.n);
    buf_char(&speaker->names, '\0');
    return speaker->names.failed ? db_nomem(e, "groups") : ERR_NONE;
}

static enum err_code take_trainer(
    struct speaker *speaker, sqlite3_stmt *stmt, struct err *e)
{
    (void)e;
    speaker->trainer = trainer_of_hello(db_text(stmt, 0).p);
    return ERR_NONE;
}

static enum err_code read_rows(struct speaker *speaker, sqlite3 *db,
    const char *sql,
    enum err_code (*take)(struct speaker *, sqlite3_stmt *, struct err *),
    struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    enum err_code code = db_prepare(db, sql, &stmt, e);
    if (code == ERR_NONE && bind_stream(speaker, stmt) != SQLITE_OK) {
        code = db_fail(db, e, "hello");
    }
    bool more = code == ERR_NONE;
    while (code == ERR_NONE && more) {
        code = db_step(stmt, &more, "hello", e);
        if (code == ERR_NONE && more) {
            code = take(speaker, stmt, e);
        }
    }
    (void)sqlite3_finalize(stmt); /* the steps have told */
    return code;
}

enum err_code speaker_read(struct speaker *speaker, sqlite3 *db,
    struct run_id run, uint32_t attempt, uint32_t rank, struct err *e)
{
    if (speaker->needs == 0 ||
        (speaker->run.v == run.v && speaker->attempt == attempt &&
            speaker->rank == rank)) {
        return ERR_NONE;
    }
    speaker->run = run;
    speaker->attempt = attempt;
    speaker->rank = rank;
    speaker->n = 0;
    speaker->trainer = trainer_of_hello(NULL);
    buf_clear(&speaker->names);
    enum err_code code = ERR_NONE;
    if ((speaker->needs & SPEAKER_TRAINER) != 0) {
        code = read_rows(speaker, db, sql_hello, take_trainer, e);
    }
    if (code == ERR_NONE && (speaker->needs & SPEAKER_GROUPS) != 0) {
        code = read_rows(speaker, db, sql_groups, add_name, e);
    }
    return code;
}

const char *speaker_group(const struct speaker *speaker, uint64_t group)
{
    bool known = group >= 1 && group <= speaker->n;
    return known ? speaker->names.p + speaker->starts[group - 1] : NULL;
}
