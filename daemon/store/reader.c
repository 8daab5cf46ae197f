/* reader.c: the thread that owns the reader. */
#include "store/reader.h"

#include <assert.h>
#include <stdbool.h>

#include "store/db.h"
#include "store/migrate.h"
#include "store/reader_impl.h"

static enum err_code prepare(struct reader *reader, struct err *e)
{
    static const char look[] = "SELECT 1 FROM sqlite_schema LIMIT 1;";
    enum err_code code = db_prepare(reader->db, "BEGIN;", &reader->begin, e);
    if (code == ERR_NONE) {
        code = db_prepare(reader->db, look, &reader->look, e);
    }
    if (code == ERR_NONE) {
        code = db_prepare(reader->db, "COMMIT;", &reader->end, e);
    }
    return code;
}

enum err_code reader_open(
    const char *path, struct reader **ret_reader, struct err *e)
{
    struct reader *reader = db_malloc(sizeof *reader);
    if (reader == NULL) {
        return db_nomem(e, "open");
    }
    *reader = (struct reader){ 0 };
    size_t version = 0;
    enum err_code code = db_open(path, DB_READ, &reader->db, e);
    if (code == ERR_NONE) {
        code = migrate_version(reader->db, migrations_count, &version, e);
    }
    if (code == ERR_NONE && version < migrations_count) {
        code = err_set(e, ERR_INVALID,
            "the database is of version %zu; start trajd on it once", version);
    }
    if (code == ERR_NONE) {
        code = prepare(reader, e);
    }
    if (code != ERR_NONE) {
        (void)err_prefix(e, "%s", path);
        reader_close(reader);
        return code;
    }
    *ret_reader = reader;
    return ERR_NONE;
}

void reader_close(struct reader *reader)
{
    if (reader == NULL) {
        return;
    }
    (void)sqlite3_finalize(reader->begin); /* their last results again */
    (void)sqlite3_finalize(reader->look);
    (void)sqlite3_finalize(reader->end);
    db_close(reader->db);
    db_free(reader);
}

/* Nothing was written: to end is all that can happen. */
static void end(struct reader *reader)
{
    if (!sqlite3_get_autocommit(reader->db)) {
        (void)sqlite3_step(reader->end);
        (void)sqlite3_reset(reader->end);
    }
}

/* BEGIN alone takes no snapshot, the first read does. */
static enum err_code begin(struct reader *reader, struct err *e)
{
    bool row = false;
    enum err_code code = db_run(reader->begin, "read", e);
    if (code == ERR_NONE) {
        code = db_step(reader->look, &row, "read", e);
        (void)sqlite3_reset(reader->look); /* the step has told */
    }
    if (code != ERR_NONE) {
        end(reader);
    }
    return code;
}

enum err_code reader_begin(struct reader *reader, struct err *e)
{
    if (reader->depth == 0) {
        enum err_code code = begin(reader, e);
        if (code != ERR_NONE) {
            return code;
        }
    }
    reader->depth++;
    return ERR_NONE;
}

void reader_end(struct reader *reader)
{
    assert(reader->depth > 0);
    reader->depth--;
    if (reader->depth == 0) {
        end(reader);
    }
}
