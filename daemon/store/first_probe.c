/* first_probe.c: see the header. */
#include "store/first_probe.h"

#include "store/db.h"
#include "store/records.h"
#include "store/stream_read.h"

#define FIELD_STEP UINT64_C(1) /* field 0 of every kind */

static const char sql_chunk[] =
    "SELECT least_step FROM chunk WHERE stream = ?1 AND kind = ?2 "
    "AND least_step IS NOT NULL ORDER BY last_seq LIMIT 1;";

static enum err_code of_chunks(sqlite3 *db, int64_t stream, bool *ret_has,
    uint64_t *ret_step, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    enum err_code code = db_prepare(db, sql_chunk, &stmt, e);
    if (code == ERR_NONE &&
        (sqlite3_bind_int64(stmt, 1, stream) != SQLITE_OK ||
            sqlite3_bind_int64(stmt, 2, WIRE_PROBE) != SQLITE_OK)) {
        code = db_fail(db, e, "first probe");
    }
    if (code == ERR_NONE) {
        code = db_step(stmt, &row, "first probe", e);
    }
    if (code == ERR_NONE) {
        *ret_has = row;
        *ret_step = row ? db_u64(stmt, 0) : *ret_step;
    }
    (void)sqlite3_finalize(stmt); /* the step has told */
    return code;
}

/* The lowest of those that have one. */
static bool least_of(const struct records *records, uint64_t *ret_step)
{
    bool any = false;
    for (size_t i = 0; i < records->n; i++) {
        if ((records->present[i] & FIELD_STEP) == 0) {
            continue;
        }
        const uint64_t step = records->columns[0][i];
        *ret_step = !any || step < *ret_step ? step : *ret_step;
        any = true;
    }
    return any;
}

static enum err_code of_log(sqlite3 *db, int64_t stream, bool *ret_has,
    uint64_t *ret_step, struct err *e)
{
    struct stream_read read = { 0 };
    struct records records;
    bool more = true;
    records_init(&records, WIRE_PROBE, FIELD_STEP);
    enum err_code code = stream_read_init(&read, db, e);
    if (code == ERR_NONE) {
        code = stream_read_log(&read, stream, 0, e);
    }
    while (code == ERR_NONE && more && !*ret_has) {
        code = stream_read_log_row(&read, &records, &more, e);
        *ret_has = code == ERR_NONE && least_of(&records, ret_step);
    }
    stream_read_done(&read);
    records_done(&records);
    return code;
}

enum err_code first_probe_step(sqlite3 *db, int64_t stream, bool *ret_has,
    uint64_t *ret_step, struct err *e)
{
    bool has = false;
    uint64_t step = 0;
    enum err_code code = of_chunks(db, stream, &has, &step, e);
    if (code == ERR_NONE && !has) {
        code = of_log(db, stream, &has, &step, e);
    }
    if (code == ERR_NONE) {
        *ret_has = has;
        *ret_step = has ? step : *ret_step;
    }
    return code;
}
