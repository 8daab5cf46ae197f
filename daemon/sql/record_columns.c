/* record_columns.c: owns nothing; the thread of the connection. */
#include "sql/record_columns.h"

#include <assert.h>
#include <math.h>

#include "pure/gammas.h"
#include "sql/vtab.h"
#include "wire/fields.h"

/* ---- which there are ----------------------------------------------------- */

static struct record_column *add(struct record_columns *columns,
    const char *name, enum record_role role, enum wire_field_type type)
{
    assert(columns->n < RECORD_COLUMNS_MAX);
    struct record_column *column = &columns->v[columns->n++];
    *column = (struct record_column){ name, role, .type = type };
    return column;
}

static void add_fields(struct record_columns *columns)
{
    const struct wire_kind_info *info = wire_kind_info(columns->kind);
    for (unsigned f = 0; f < info->n_fields; f++) {
        const struct wire_field *field = &info->fields[f];
        add(columns, field->name, RECORD_FIELD, field->type)->field = f;
    }
}

/* A field goes by its own name already. */
static void add_derived(struct record_columns *columns)
{
    const char *name = NULL;
    for (size_t i = 0; (name = metric_derived_name(i)) != NULL; i++) {
        struct metric metric;
        struct str text = str_of(name);
        if (metric_find(text, &metric) && metric.kind == columns->kind &&
            wire_field_find(columns->kind, text.p, text.n) < 0) {
            add(columns, name, RECORD_DERIVED, WIRE_F64)->metric = metric;
        }
    }
}

void record_columns_init(struct record_columns *columns, enum wire_kind kind)
{
    static const struct str group = { "group", 5 };
    *columns = (struct record_columns){ .kind = kind };
    columns->group_field = wire_field_find(kind, group.p, group.n);
    add(columns, "run", RECORD_RUN, WIRE_TEXT);
    add(columns, "attempt", RECORD_ATTEMPT, WIRE_U64);
    add(columns, "rank", RECORD_RANK, WIRE_U64);
    add(columns, "seq", RECORD_SEQ, WIRE_U64);
    add_fields(columns);
    if (columns->group_field >= 0) {
        add(columns, "group_name", RECORD_GROUP_NAME, WIRE_TEXT);
    }
    add(columns, "nan", RECORD_NAN, WIRE_TEXT);
    add(columns, "view", RECORD_VIEW, WIRE_TEXT);
    add_derived(columns);
}

static const char *sql_type(enum wire_field_type type)
{
    switch (type) {
    case WIRE_F64:
        return "REAL";
    case WIRE_U64:
    case WIRE_I64:
        return "INTEGER";
    case WIRE_TEXT:
    case WIRE_BLOB: /* as JSON */
        break;
    }
    return "TEXT";
}

/* WITHOUT ROWID: a record's key is what tells it from others, for SQLite too
 * when it joins the results of an OR. */
void record_columns_sql(const struct record_columns *columns, struct buf *sql)
{
    buf_text(sql, "CREATE TABLE record (");
    for (size_t i = 0; i < columns->n; i++) {
        const struct record_column *column = &columns->v[i];
        bool hidden =
            column->role == RECORD_VIEW || column->role == RECORD_DERIVED;
        buf_printf(sql, "\"%s\" %s%s, ", column->name, sql_type(column->type),
            hidden ? " HIDDEN" : "");
    }
    buf_text(sql, "PRIMARY KEY (run, attempt, rank, seq)) WITHOUT ROWID;");
    buf_char(sql, '\0');
}

/* ---- what they need ------------------------------------------------------ */

static bool is_used(uint64_t used, size_t column)
{
    return (used >> (column < 63 ? column : 63) & 1) != 0;
}

/* What any of the columns that may be NaN needs. */
static uint64_t fields_for_nan(const struct record_columns *columns)
{
    uint64_t fields = 0;
    for (size_t i = 0; i < columns->n; i++) {
        const struct record_column *column = &columns->v[i];
        if (column->role == RECORD_DERIVED) {
            fields |= column->metric.needs | column->metric.wants;
        } else if (column->role == RECORD_FIELD && column->type == WIRE_F64) {
            fields |= ROW_BIT(column->field);
        }
    }
    return fields;
}

uint64_t record_columns_fields(
    const struct record_columns *columns, uint64_t used)
{
    uint64_t fields = 0;
    for (size_t i = 0; i < columns->n; i++) {
        const struct record_column *column = &columns->v[i];
        if (!is_used(used, i)) {
            continue;
        }
        if (column->role == RECORD_FIELD) {
            fields |= ROW_BIT(column->field);
        } else if (column->role == RECORD_GROUP_NAME) {
            fields |= ROW_BIT(columns->group_field);
        } else if (column->role == RECORD_NAN) {
            fields |= fields_for_nan(columns);
        } else if (column->role == RECORD_DERIVED) {
            fields |= column->metric.needs | column->metric.wants;
        }
    }
    return fields;
}

unsigned record_columns_speaker(
    const struct record_columns *columns, uint64_t used)
{
    unsigned needs = 0;
    for (size_t i = 0; i < columns->n; i++) {
        enum record_role role = columns->v[i].role;
        if (!is_used(used, i)) {
            continue;
        }
        if (role == RECORD_GROUP_NAME) {
            needs |= SPEAKER_GROUPS;
        } else if (role == RECORD_DERIVED || role == RECORD_NAN) {
            needs |= SPEAKER_TRAINER;
        }
    }
    return needs;
}

/* ---- values -------------------------------------------------------------- */

static bool derive(const struct record_column *column, const struct row *row,
    const struct trainer *trainer, double *ret)
{
    const struct metric *metric = &column->metric;
    return (row->present & metric->needs) == metric->needs &&
           metric->of(metric, row, trainer, ret);
}

static bool is_nan(const struct record_column *column, const struct row *row,
    const struct trainer *trainer)
{
    double value = 0;
    if (column->role == RECORD_DERIVED) {
        return derive(column, row, trainer, &value) && isnan(value);
    }
    return column->role == RECORD_FIELD && column->type == WIRE_F64 &&
           row_has(row, column->field) && isnan(row_f64(row, column->field));
}

static void result_nan(const struct record_columns *columns,
    const struct row *row, const struct trainer *trainer,
    sqlite3_context *context)
{
    struct buf names = { 0 };
    for (size_t i = 0; i < columns->n; i++) {
        if (is_nan(&columns->v[i], row, trainer)) {
            buf_text(&names, names.n == 0 ? "[\"" : ",\"");
            buf_text(&names, columns->v[i].name);
            buf_char(&names, '"');
        }
    }
    if (names.n > 0 || names.failed) {
        buf_char(&names, ']');
        vtab_result_buf(context, &names);
    }
}

static void result_text(const struct record_column *column, struct str text,
    sqlite3_context *context)
{
    if (column->type == WIRE_BLOB) {
        struct buf json = { 0 };
        gammas_json(&json, text);
        vtab_result_buf(context, &json);
        return;
    }
    sqlite3_result_text64(context, text.n == 0 ? "" : text.p, text.n,
        SQLITE_TRANSIENT, SQLITE_UTF8);
}

static void result_field(const struct record_column *column,
    const struct scan_batch *batch, const struct row *row,
    sqlite3_context *context)
{
    unsigned field = column->field;
    switch (column->type) {
    case WIRE_F64:
        sqlite3_result_double(context, row_f64(row, field));
        break;
    case WIRE_U64:
        vtab_result_u64(context, row_u64(row, field));
        break;
    case WIRE_I64:
        sqlite3_result_int64(context, (sqlite3_int64)row_u64(row, field));
        break;
    case WIRE_TEXT:
    case WIRE_BLOB:
        if (batch->texts != NULL) {
            result_text(column, batch->texts[row->i], context);
        }
        break;
    }
}

static void result_group(const struct record_columns *columns,
    const struct row *row, const struct speaker *speaker,
    sqlite3_context *context)
{
    uint64_t group = row_u64(row, (unsigned)columns->group_field);
    vtab_result_text(context, speaker_group(speaker, group));
}

/* What is not set is NULL. */
void record_columns_result(const struct record_columns *columns, size_t column,
    const struct scan_batch *batch, size_t i, const struct speaker *speaker,
    sqlite3_context *context)
{
    const struct record_column *c = &columns->v[column];
    const struct row row = { batch->columns, batch->present[i], i };
    double value = 0;
    switch (c->role) {
    case RECORD_ATTEMPT:
        sqlite3_result_int64(context, batch->attempt);
        break;
    case RECORD_RANK:
        sqlite3_result_int64(context, batch->rank);
        break;
    case RECORD_SEQ:
        vtab_result_u64(context, batch->seq[i]);
        break;
    case RECORD_FIELD:
        if ((row.present & ROW_BIT(c->field)) != 0) {
            result_field(c, batch, &row, context);
        }
        break;
    case RECORD_GROUP_NAME:
        result_group(columns, &row, speaker, context);
        break;
    case RECORD_NAN:
        result_nan(columns, &row, &speaker->trainer, context);
        break;
    case RECORD_DERIVED:
        if (derive(c, &row, &speaker->trainer, &value)) {
            sqlite3_result_double(context, value);
        }
        break;
    case RECORD_RUN:
    case RECORD_VIEW:
        break;
    }
}
