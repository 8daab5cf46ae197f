/* reader.c: the thread that owns the reader. */
#include "store/reader.h"

#include <assert.h>

#include "store/db.h"
#include "store/migrate.h"
#include "store/reader_impl.h"

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
    db_close(reader->db);
    db_free(reader);
}

/* Nothing was written: to end is all that can happen. */
static void end_transaction(struct reader *reader)
{
    if (!sqlite3_get_autocommit(reader->db)) {
        (void)sqlite3_exec(reader->db, "COMMIT;", NULL, NULL, NULL);
    }
}

enum err_code reader_begin(struct reader *reader, struct err *e)
{
    if (reader->depth == 0) {
        end_transaction(reader); /* one whose end wanted memory */
        /* BEGIN alone takes no snapshot, the first read does. */
        enum err_code code = db_exec(reader->db,
            "BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1;", "read", e);
        if (code != ERR_NONE) {
            end_transaction(reader);
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
        end_transaction(reader);
    }
}
