/* fits_columns.c: owns nothing; the thread of the connection. */
#include "sql/fits_columns.h"

#include "pure/fit_json.h"
#include "pure/interval_json.h"
#include "sql/vtab.h"

#define SQL(id, sql) sql ", "
const char fits_columns_sql[] =
    "CREATE TABLE fit (" FITS_COLUMNS(SQL) "of_run TEXT HIDDEN);";

/* SQLite has one bit for each of the first 63 columns, and one for the rest. */
static sqlite3_uint64 bit_of(enum fits_column column)
{
    return (sqlite3_uint64)1 << (column < 63 ? column : 63);
}

enum fits_wanted fits_columns_wanted(sqlite3_uint64 used)
{
    const sqlite3_uint64 ranks = bit_of(FITS_PARTIAL) | bit_of(FITS_PARTIAL_P) |
                                 bit_of(FITS_DIFFERENCE) |
                                 bit_of(FITS_DIFFERENCE_P);
    return (used & ranks) != 0 ? FITS_WITH_RANKS : FITS_WITHOUT_RANKS;
}

/* ---- numbers, by where they come from ------------------------------------ */

static const struct figure none = { false, 0 };

/* Of the row's line, if it has one. tau: NaN, and so NULL, of most methods. */
static struct figure line_figure(
    const struct fits_row *row, enum fits_column column)
{
    const struct fit_report *report = &row->fits->fit.report;
    if (row->method == FIT_METHODS) {
        return none;
    }
    const struct fit_line line = report->fits[row->method].line;
    switch (column) {
    case FITS_TAU:
        return (struct figure){ true, report->fits[row->method].tau };
    case FITS_L0:
        return (struct figure){ true, line.L0 };
    case FITS_L1:
        return (struct figure){ true, line.L1 };
    default:
        return none;
    }
}

static struct figure range_figure(
    const struct fit_report *report, enum fits_column column)
{
    const bool any = report->n > 0;
    switch (column) {
    case FITS_X_MIN:
        return (struct figure){ any, report->x_min };
    case FITS_X_MAX:
        return (struct figure){ any, report->x_max };
    case FITS_Y_MIN:
        return (struct figure){ any, report->y_min };
    case FITS_Y_MAX:
        return (struct figure){ any, report->y_max };
    default:
        return none;
    }
}

static struct figure shape_figure(
    const struct run_fit *fit, enum fits_column column)
{
    const struct fit_loglog *loglog = &fit->report.loglog;
    const struct fit_power *power = &fit->report.power;
    const bool has_loglog = fit->report.has_loglog;
    const bool has_power = fit->report.has_power;
    switch (column) {
    case FITS_SLOPE:
        return (struct figure){ has_loglog, loglog->slope };
    case FITS_INTERCEPT:
        return (struct figure){ has_loglog, loglog->intercept };
    case FITS_PEARSON:
        return (struct figure){ has_loglog, loglog->pearson_r };
    case FITS_THEIL_SEN: /* NaN, and so NULL, from states */
        return (struct figure){ has_loglog, loglog->theil_sen };
    case FITS_RHO:
        return (struct figure){ has_power, power->rho };
    case FITS_POWER_L0:
        return (struct figure){ has_power, power->line.L0 };
    case FITS_POWER_L1:
        return (struct figure){ has_power, power->line.L1 };
    case FITS_SPEARMAN:
        return (
            struct figure){ fit->report.has_spearman, fit->report.spearman };
    case FITS_SPEARMAN_STEP:
        return (struct figure){ fit->has_spearman_step, fit->spearman_step };
    case FITS_SCORE_RATIO:
        return run_fit_score_ratio(fit);
    case FITS_CEILING_RATIO:
        return (struct figure){ fit->has_ceiling_ratio, fit->ceiling_ratio };
    default:
        return none;
    }
}

static struct figure interval_figure(
    const struct intervals *of, enum fits_column column)
{
    const struct fit_ci *ci = &of->ci;
    const bool has = of->absent == FIT_PRESENT;
    switch (column) {
    case FITS_LEVEL:
        return (struct figure){ has, ci->level };
    case FITS_DOF:
        return (struct figure){ has, ci->dof };
    case FITS_L0_ESTIMATE:
        return (struct figure){ has, ci->L0.estimate };
    case FITS_L0_SE:
        return (struct figure){ has, ci->L0.se };
    case FITS_L0_LOW:
        return (struct figure){ has, ci->L0.low };
    case FITS_L0_HIGH:
        return (struct figure){ has, ci->L0.high };
    case FITS_L1_ESTIMATE:
        return (struct figure){ has, ci->L1.estimate };
    case FITS_L1_SE:
        return (struct figure){ has, ci->L1.se };
    case FITS_L1_LOW:
        return (struct figure){ has, ci->L1.low };
    case FITS_L1_HIGH:
        return (struct figure){ has, ci->L1.high };
    case FITS_X_MEAN:
        return (struct figure){ has, ci->x_mean };
    case FITS_CENTROID:
        return (struct figure){ has, ci->centroid.estimate };
    case FITS_CENTROID_SE:
        return (struct figure){ has, ci->centroid.se };
    case FITS_CENTROID_LOW:
        return (struct figure){ has, ci->centroid.low };
    case FITS_CENTROID_HIGH:
        return (struct figure){ has, ci->centroid.high };
    case FITS_CORR:
        return (struct figure){ has, ci->corr };
    default:
        return none;
    }
}

static struct figure test_figure(
    const struct fits_of_class *of, enum fits_column column)
{
    const struct intervals *intervals = &of->intervals;
    const struct rank_tests *ranks = &of->ranks;
    const bool depends = intervals->dependence_absent == FIT_PRESENT;
    const bool partial = of->has_ranks && ranks->partial_absent == FIT_PRESENT;
    const bool differs =
        of->has_ranks && ranks->difference_absent == FIT_PRESENT;
    switch (column) {
    case FITS_TAU_INT:
        return (struct figure){ depends, intervals->dependence.tau_int };
    case FITS_N_EFF:
        return (struct figure){ depends, intervals->dependence.n_eff };
    case FITS_SLOPE_P:
        return intervals->slope_p;
    case FITS_PARTIAL:
        return (struct figure){ partial, ranks->partial.rho };
    case FITS_PARTIAL_P:
        return (struct figure){ partial, ranks->partial.p_greater };
    case FITS_DIFFERENCE:
        return (struct figure){ differs, ranks->difference.rho };
    case FITS_DIFFERENCE_P:
        return (struct figure){ differs, ranks->difference.p_greater };
    default:
        return none;
    }
}

/* A column belongs to one of them; the others have none. */
static void result_figure(const struct fits_row *row, enum fits_column column,
    sqlite3_context *context)
{
    const struct fits_of_class *of = row->fits;
    const struct figure all[] = {
        line_figure(row, column),
        range_figure(&of->fit.report, column),
        shape_figure(&of->fit, column),
        interval_figure(&of->intervals, column),
        test_figure(of, column),
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i].has) {
            sqlite3_result_double(context, all[i].v);
        }
    }
}

/* ---- the rest ------------------------------------------------------------ */

static void result_step(sqlite3_context *context, bool has, uint64_t step)
{
    if (has) {
        vtab_result_u64(context, step);
    }
}

static void result_warnings(sqlite3_context *context, unsigned warnings)
{
    struct buf json = { 0 };
    fit_json_warnings(&json, warnings);
    vtab_result_buf(context, &json);
}

static void result_scores(
    sqlite3_context *context, const struct fit_report *report)
{
    struct buf json = { 0 };
    if (report->has_power) {
        fit_json_scores(&json, &report->power);
        vtab_result_buf(context, &json);
    }
}

static void result_frontier(
    sqlite3_context *context, const struct run_frontier *frontier)
{
    struct buf json = { 0 };
    if (frontier->n > 0) {
        fit_json_frontier(&json, frontier);
        vtab_result_buf(context, &json);
    }
}

static void result_rivals(sqlite3_context *context, const struct run_fit *fit)
{
    struct buf json = { 0 };
    if (fit->rivals_absent == NULL) {
        fit_json_rivals(&json, fit);
        vtab_result_buf(context, &json);
    }
}

/* Long for it is flat: a case for each column that is no double. */
void fits_columns_result(const struct fits_row *row, enum fits_column column,
    sqlite3_context *context)
{
    const struct run_fit *fit = &row->fits->fit;
    const struct fit_report *report = &fit->report;
    const bool any = report->n > 0;
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
        if (row->method < FIT_METHODS) {
            vtab_result_text(context, report->fits[row->method].method);
        }
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
    case FITS_IS_DEFAULT:
        sqlite3_result_int(context, row->is_default);
        break;
    case FITS_WARNINGS:
        result_warnings(context, fit->warnings);
        break;
    case FITS_REASON:
        vtab_result_text(context, fit->reason);
        break;
    case FITS_FROM_STATES:
        sqlite3_result_int(context, fit->from_states);
        break;
    case FITS_WINDOW:
        vtab_result_u64(context, fit->window);
        break;
    case FITS_POWER_SCORES:
        result_scores(context, report);
        break;
    case FITS_FRONTIER:
        result_frontier(context, &fit->frontier);
        break;
    case FITS_RIVALS_ABSENT:
        vtab_result_text(context, fit->rivals_absent);
        break;
    case FITS_RIVALS:
        result_rivals(context, fit);
        break;
    case FITS_INTERVAL_ABSENT:
        vtab_result_text(
            context, interval_absent_name(row->fits->intervals.absent));
        break;
    default:
        result_figure(row, column, context);
        break;
    }
}
