/*
 * record_table.c: the tables of records, one module for all kinds. The thread
 * of the connection.
 *
 * Invariants of a cursor:
 * 1. `scan` is open while a row is current; `row` is its index in `batch`.
 * 2. At the end, or after an error, there is no scan and `ended` is set.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "sql/record_columns.h"
#include "sql/record_plan.h"
#include "sql/run_list.h"
#include "sql/speaker.h"
#include "sql/vtab.h"
#include "store/db.h"
#include "store/reader_impl.h"

struct record_table {
    sqlite3_vtab base; /* first: SQLite's view of it */
    sqlite3 *db;
    struct record_columns columns;
};

struct record_cursor {
    sqlite3_vtab_cursor base; /* first: SQLite's view of it */
    /* Of the table's connection. A statement is under way, and so its
     * transaction: depth says that none is to be begun or ended. */
    struct reader reader;
    struct record_plan plan;
    enum scan_attempts view; /* as asked for: the plan may read less */
    struct run_list runs;
    struct scan *scan;
    struct scan_batch batch;
    size_t row;
    bool ended;
    struct speaker speaker;
};

static struct record_table *table_of(sqlite3_vtab *base)
{
    return (struct record_table *)base;
}

static struct record_cursor *cursor_of(sqlite3_vtab_cursor *base)
{
    return (struct record_cursor *)base;
}

static int connect_table(sqlite3 *db, void *kind, int argc,
    const char *const *argv, sqlite3_vtab **ret_table, char **ret_message)
{
    (void)argc;
    (void)argv;
    struct record_table *table = db_malloc(sizeof *table);
    if (table == NULL) {
        return SQLITE_NOMEM;
    }
    *table = (struct record_table){ .db = db };
    record_columns_init(&table->columns, *(const enum wire_kind *)kind);
    struct buf sql = { 0 };
    record_columns_sql(&table->columns, &sql);
    int rc = vtab_declare(db, &sql, ret_message);
    buf_done(&sql);
    if (rc != SQLITE_OK) {
        db_free(table);
        return rc;
    }
    *ret_table = &table->base;
    return SQLITE_OK;
}

static int disconnect_table(sqlite3_vtab *base)
{
    db_free(base);
    return SQLITE_OK;
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    return record_plan_make(&table_of(base)->columns, info);
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **ret_cursor)
{
    struct record_cursor *cursor = db_malloc(sizeof *cursor);
    if (cursor == NULL) {
        return SQLITE_NOMEM;
    }
    *cursor = (struct record_cursor){ .ended = true,
        .reader = { .db = table_of(base)->db, .depth = 1 } };
    *ret_cursor = &cursor->base;
    return SQLITE_OK;
}

static void end_cursor(struct record_cursor *cursor)
{
    scan_close(cursor->scan);
    cursor->scan = NULL;
    cursor->ended = true;
    run_list_done(&cursor->runs);
    speaker_done(&cursor->speaker);
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    end_cursor(cursor_of(base));
    db_free(base);
    return SQLITE_OK;
}

/* The next run's scan, or the end. */
static enum err_code open_run(struct record_cursor *cursor, struct err *e)
{
    bool more = false;
    scan_close(cursor->scan);
    cursor->scan = NULL;
    enum err_code code = run_list_next(&cursor->runs, &more, e);
    if (code != ERR_NONE) {
        return code;
    }
    if (!more) {
        end_cursor(cursor);
        return ERR_NONE;
    }
    cursor->plan.scan.run = cursor->runs.id;
    return scan_open(&cursor->reader, &cursor->plan.scan, &cursor->scan, e);
}

/* Batches, of one run after the other, until there is a row. */
static enum err_code read_on(struct record_cursor *cursor, struct err *e)
{
    cursor->row = 0;
    cursor->batch.n = 0;
    enum err_code code = ERR_NONE;
    while (code == ERR_NONE && cursor->batch.n == 0 && !cursor->ended) {
        if (cursor->scan != NULL) {
            code = scan_next(cursor->scan, &cursor->batch, e);
        }
        if (code == ERR_NONE && cursor->batch.n == 0) {
            code = open_run(cursor, e);
        }
    }
    if (code == ERR_NONE && !cursor->ended) {
        code = speaker_read(&cursor->speaker, cursor->reader.db,
            cursor->runs.id, cursor->batch.attempt, cursor->batch.rank, e);
    }
    return code;
}

static int told(
    struct record_cursor *cursor, enum err_code code, const struct err *e)
{
    if (code == ERR_NONE) {
        return SQLITE_OK;
    }
    int rc = vtab_fail(cursor->base.pVtab, cursor->reader.db, e);
    end_cursor(cursor);
    return rc;
}

static enum err_code start(struct record_cursor *cursor,
    const struct record_columns *columns, struct err *e)
{
    struct record_plan *plan = &cursor->plan;
    cursor->view = plan->scan.attempts == SCAN_NEWEST ? SCAN_NEWEST : SCAN_ALL;
    if (plan->empty) {
        return ERR_NONE;
    }
    plan->scan.fields = record_columns_fields(columns, plan->used);
    cursor->speaker.needs = record_columns_speaker(columns, plan->used);
    cursor->ended = false;
    enum err_code code =
        run_list_init(&cursor->runs, cursor->reader.db, plan->run, e);
    return code == ERR_NONE ? read_on(cursor, e) : code;
}

static int filter(sqlite3_vtab_cursor *base, int number, const char *text,
    int n, sqlite3_value **arguments)
{
    (void)number;
    struct record_cursor *cursor = cursor_of(base);
    const struct record_columns *columns = &table_of(base->pVtab)->columns;
    struct err e = { 0 };
    end_cursor(cursor);
    enum err_code code =
        record_plan_read(&cursor->plan, columns->kind, text, n, arguments, &e);
    if (code == ERR_NONE) {
        code = start(cursor, columns, &e);
    }
    cursor->plan.run = NULL; /* the arguments go */
    return told(cursor, code, &e);
}

static int next(sqlite3_vtab_cursor *base)
{
    struct record_cursor *cursor = cursor_of(base);
    struct err e = { 0 };
    cursor->row++;
    if (cursor->row < cursor->batch.n) {
        return SQLITE_OK;
    }
    return told(cursor, read_on(cursor, &e), &e);
}

static int eof(sqlite3_vtab_cursor *base)
{
    return cursor_of(base)->ended;
}

static int column(
    sqlite3_vtab_cursor *base, sqlite3_context *context, int index)
{
    struct record_cursor *cursor = cursor_of(base);
    const struct record_columns *columns = &table_of(base->pVtab)->columns;
    switch (columns->v[index].role) {
    case RECORD_RUN:
        vtab_result_text(context, cursor->runs.uid);
        break;
    case RECORD_VIEW:
        vtab_result_text(context, record_plan_view(cursor->view));
        break;
    default:
        record_columns_result(columns, (size_t)index, &cursor->batch,
            cursor->row, &cursor->speaker, context);
        break;
    }
    return SQLITE_OK;
}

/* Never asked for of a table without rowids, but a module must have it. */
static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret_rowid)
{
    *ret_rowid = (sqlite3_int64)cursor_of(base)->row;
    return SQLITE_OK;
}

/* Without xCreate: the tables are there, and there only once. */
const sqlite3_module record_module = {
    .xConnect = connect_table,
    .xBestIndex = best_index,
    .xDisconnect = disconnect_table,
    .xOpen = open_cursor,
    .xClose = close_cursor,
    .xFilter = filter,
    .xNext = next,
    .xEof = eof,
    .xColumn = column,
    .xRowid = rowid,
};
