/* fits_columns.c: owns nothing; the thread of the connection. */
#include "sql/fits_columns.h"

#include "sql/vtab.h"

#define SQL(id, sql) sql ", "
const char fits_columns_sql[] =
    "CREATE TABLE fit (" FITS_COLUMNS(SQL) "of_run TEXT HIDDEN);";

static void result_double(sqlite3_context *context, bool has, double value)
{
    if (has) {
        sqlite3_result_double(context, value);
    }
}

static void result_warnings(sqlite3_context *context, unsigned warnings)
{
    struct buf json = { 0 };
    buf_char(&json, '[');
    for (size_t bit = 0; bit < RUN_FIT_WARNINGS; bit++) {
        if ((warnings >> bit & 1) != 0) {
            buf_text(&json, json.n == 1 ? "\"" : ",\"");
            buf_text(&json, run_fit_warning_name(bit));
            buf_char(&json, '"');
        }
    }
    buf_char(&json, ']');
    vtab_result_buf(context, &json);
}

static void result_step(sqlite3_context *context, bool has, uint64_t step)
{
    if (has) {
        vtab_result_u64(context, step);
    }
}

/* Of the row's line, if it has one. */
static void result_line(const struct fits_row *row, enum fits_column column,
    sqlite3_context *context)
{
    const struct fit_report *report = &row->fit->report;
    if (row->method == FIT_METHODS) {
        return;
    }
    if (column == FITS_METHOD) {
        vtab_result_text(context, report->fits[row->method].method);
    } else if (column == FITS_TAU) { /* NaN, and so NULL, of most methods */
        sqlite3_result_double(context, report->fits[row->method].tau);
    } else {
        struct fit_line line = report->fits[row->method].line;
        sqlite3_result_double(context, column == FITS_L0 ? line.L0 : line.L1);
    }
}

/* Long for it is flat: a case for each column. */
void fits_columns_result(const struct fits_row *row, enum fits_column column,
    sqlite3_context *context)
{
    const struct run_fit *fit = row->fit;
    const struct fit_report *report = &fit->report;
    bool any = report->n > 0;
    switch (column) {
    case FITS_RUN:
    case FITS_OF_RUN:
        vtab_result_text(context, row->run);
        break;
    case FITS_ESTIMATOR:
        vtab_result_text(context, pair_estimator_name(fit->estimator));
        break;
    case FITS_REGRESSOR:
        vtab_result_text(context, pair_regressor_name(fit->regressor));
        break;
    case FITS_METHOD:
    case FITS_TAU:
    case FITS_L0:
    case FITS_L1:
        result_line(row, column, context);
        break;
    case FITS_N:
        vtab_result_u64(context, report->n);
        break;
    case FITS_N_EXCLUDED:
        vtab_result_u64(context, report->n_excluded);
        break;
    case FITS_EVERY:
        vtab_result_u64(context, fit->every);
        break;
    case FITS_FIRST_STEP:
        result_step(context, any, fit->first_step);
        break;
    case FITS_LAST_STEP:
        result_step(context, any, fit->last_step);
        break;
    case FITS_X_MIN:
        result_double(context, any, report->x_min);
        break;
    case FITS_X_MAX:
        result_double(context, any, report->x_max);
        break;
    case FITS_Y_MIN:
        result_double(context, any, report->y_min);
        break;
    case FITS_Y_MAX:
        result_double(context, any, report->y_max);
        break;
    case FITS_SLOPE:
        result_double(context, report->has_loglog, report->loglog.slope);
        break;
    case FITS_PEARSON:
        result_double(context, report->has_loglog, report->loglog.pearson_r);
        break;
    case FITS_SPEARMAN:
        result_double(context, report->has_spearman, report->spearman);
        break;
    case FITS_SPEARMAN_STEP:
        result_double(context, fit->has_spearman_step, fit->spearman_step);
        break;
    case FITS_CEILING_RATIO:
        result_double(context, fit->has_ceiling_ratio, fit->ceiling_ratio);
        break;
    case FITS_IS_DEFAULT:
        sqlite3_result_int(context, row->is_default);
        break;
    case FITS_WARNINGS:
        result_warnings(context, fit->warnings);
        break;
    case FITS_REASON:
        vtab_result_text(context, fit->reason);
        break;
    }
}
