/*
 * fits_table.c: the fits of runs, `fits` or fits(run): what GET /fits
 * computes (sql/fits_of_run.h), of all of a run, but for every estimator class
 * that has pairs: a row per method that gave a line, or one without a method
 * and with the reason. As there: of all ranks together, each step in its newest
 * attempt. The thread of the connection.
 *
 * Invariant: `fits` are those of the current run; the current row is method
 * `method` of fits.v[at].
 */
#include <assert.h>

#include "sql/fits_columns.h"
#include "sql/fits_of_run.h"
#include "sql/run_list.h"
#include "sql/vtab.h"
#include "store/db.h"
#include "store/reader_impl.h"

struct fits_table {
    sqlite3_vtab base; /* first: SQLite's view of it */
    sqlite3 *db;
};

struct fits_cursor {
    sqlite3_vtab_cursor base; /* first: SQLite's view of it */
    struct reader reader;     /* as record_table.c's */
    struct run_list runs;
    enum fits_wanted wanted;
    struct fits_of_run fits;
    size_t at;
    size_t method; /* FIT_METHODS: none gave a line */
    bool ended;
};

static struct fits_cursor *cursor_of(sqlite3_vtab_cursor *base)
{
    return (struct fits_cursor *)base;
}

static int connect_table(sqlite3 *db, void *context, int argc,
    const char *const *argv, sqlite3_vtab **ret_table, char **ret_message)
{
    (void)context;
    (void)argc;
    (void)argv;
    struct fits_table *table = db_malloc(sizeof *table);
    if (table == NULL) {
        return SQLITE_NOMEM;
    }
    *table = (struct fits_table){ .db = db };
    struct buf sql = { 0 };
    buf_text(&sql, fits_columns_sql);
    buf_char(&sql, '\0');
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

/* The number of the plan, of bits. */
#define PLAN_OF_RUN 1 /* the run is given */
#define PLAN_RANKS 2  /* with rank tests */

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    (void)base;
    info->estimatedRows = 10000;
    for (int i = 0; i < info->nConstraint && info->idxNum == 0; i++) {
        int column = info->aConstraint[i].iColumn;
        if (info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ ||
            (column != FITS_RUN && column != FITS_OF_RUN)) {
            continue;
        }
        if (!info->aConstraint[i].usable) {
            if (column == FITS_OF_RUN) {
                return SQLITE_CONSTRAINT; /* known before, or not at all */
            }
            continue;
        }
        info->aConstraintUsage[i].argvIndex = 1;
        info->idxNum = PLAN_OF_RUN;
        info->estimatedRows = 10;
    }
    info->idxNum |=
        fits_columns_wanted(info->colUsed) == FITS_WITH_RANKS ? PLAN_RANKS : 0;
    info->estimatedCost = 1e5 * (double)info->estimatedRows;
    return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **ret_cursor)
{
    struct fits_cursor *cursor = db_malloc(sizeof *cursor);
    if (cursor == NULL) {
        return SQLITE_NOMEM;
    }
    *cursor = (struct fits_cursor){ .ended = true,
        .reader = { .db = ((struct fits_table *)base)->db, .depth = 1 } };
    *ret_cursor = &cursor->base;
    return SQLITE_OK;
}

static void end_cursor(struct fits_cursor *cursor)
{
    run_list_done(&cursor->runs);
    cursor->fits.n = 0;
    cursor->ended = true;
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    end_cursor(cursor_of(base));
    db_free(base);
    return SQLITE_OK;
}

/* ---- rows ---------------------------------------------------------------- */

/* The first method from `method` on that gave a line, or FIT_METHODS. */
static size_t next_line(const struct run_fit *fit, size_t method)
{
    while (method < FIT_METHODS && !fit->report.fits[method].valid) {
        method++;
    }
    return method;
}

/* To the first row of the next run that has one, or to the end. */
static enum err_code next_run(struct fits_cursor *cursor, struct err *e)
{
    enum err_code code = ERR_NONE;
    cursor->fits.n = 0;
    cursor->at = 0;
    while (code == ERR_NONE && cursor->fits.n == 0 && !cursor->ended) {
        bool more = false;
        code = run_list_next(&cursor->runs, &more, e);
        if (code == ERR_NONE && !more) {
            end_cursor(cursor);
        } else if (code == ERR_NONE) {
            code = fits_of_run(&cursor->reader, cursor->runs.uid,
                cursor->wanted, &cursor->fits, e);
        }
    }
    if (code == ERR_NONE && !cursor->ended) {
        cursor->method = next_line(&cursor->fits.v[0].fit, 0);
    }
    return code;
}

static int told(
    struct fits_cursor *cursor, enum err_code code, const struct err *e)
{
    if (code == ERR_NONE) {
        return SQLITE_OK;
    }
    int rc = vtab_fail(cursor->base.pVtab, cursor->reader.db, e);
    end_cursor(cursor);
    return rc;
}

static int filter(sqlite3_vtab_cursor *base, int number, const char *text,
    int n, sqlite3_value **arguments)
{
    (void)text;
    (void)n;
    struct fits_cursor *cursor = cursor_of(base);
    struct err e = { 0 };
    end_cursor(cursor);
    const bool of_run = (number & PLAN_OF_RUN) != 0;
    const char *uid =
        of_run ? (const char *)sqlite3_value_text(arguments[0]) : NULL;
    cursor->wanted =
        (number & PLAN_RANKS) != 0 ? FITS_WITH_RANKS : FITS_WITHOUT_RANKS;
    if (of_run && uid == NULL) {
        return SQLITE_OK; /* run = NULL is no run */
    }
    cursor->ended = false;
    enum err_code code =
        run_list_init(&cursor->runs, cursor->reader.db, uid, &e);
    if (code == ERR_NONE) {
        code = next_run(cursor, &e);
    }
    return told(cursor, code, &e);
}

static int next(sqlite3_vtab_cursor *base)
{
    struct fits_cursor *cursor = cursor_of(base);
    struct err e = { 0 };
    if (cursor->method < FIT_METHODS) {
        cursor->method =
            next_line(&cursor->fits.v[cursor->at].fit, cursor->method + 1);
        if (cursor->method < FIT_METHODS) {
            return SQLITE_OK;
        }
    }
    cursor->at++;
    if (cursor->at < cursor->fits.n) {
        cursor->method = next_line(&cursor->fits.v[cursor->at].fit, 0);
        return SQLITE_OK;
    }
    return told(cursor, next_run(cursor, &e), &e);
}

static int eof(sqlite3_vtab_cursor *base)
{
    return cursor_of(base)->ended;
}

static int column(
    sqlite3_vtab_cursor *base, sqlite3_context *context, int index)
{
    const struct fits_cursor *cursor = cursor_of(base);
    const struct fits_of_class *fits = &cursor->fits.v[cursor->at];
    const struct fits_row row = { .run = cursor->runs.uid,
        .fits = fits,
        .method = cursor->method,
        .is_default = fits->fit.estimator == cursor->fits.chosen };
    fits_columns_result(&row, (enum fits_column)index, context);
    return SQLITE_OK;
}

/* The same for the same row in every statement: SQLite tells rows apart by it
 * when it joins the results of an OR. */
static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret_rowid)
{
    static_assert(PAIR_ESTIMATORS <= 16 && FIT_METHODS < 16, "four bits each");
    const struct fits_cursor *cursor = cursor_of(base);
    unsigned estimator = cursor->fits.v[cursor->at].fit.estimator;
    *ret_rowid = cursor->runs.id.v << 8 |
                 (sqlite3_int64)(estimator << 4 | cursor->method);
    return SQLITE_OK;
}

const sqlite3_module fits_module = {
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
