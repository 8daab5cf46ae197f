/* fits_columns: the columns of the table `fits`: what a fit (pure/run_fit.h)
 * has to say, of one of its methods. */
#ifndef TRAJD_FITS_COLUMNS_H
#define TRAJD_FITS_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <sqlite3.h>

#include "pure/run_fit.h"

/* In order; behind them the argument of fits(run), which is hidden. */
#define FITS_COLUMNS(X)                                                        \
    X(RUN, "run TEXT")                                                         \
    X(ESTIMATOR, "estimator TEXT")                                             \
    X(REGRESSOR, "regressor TEXT")                                             \
    X(METHOD, "method TEXT")                                                   \
    X(TAU, "tau REAL")                                                         \
    X(L0, "L0 REAL")                                                           \
    X(L1, "L1 REAL")                                                           \
    X(N, "n INTEGER")                                                          \
    X(N_EXCLUDED, "n_excluded INTEGER")                                        \
    X(EVERY, "every INTEGER")                                                  \
    X(FIRST_STEP, "first_step INTEGER")                                        \
    X(LAST_STEP, "last_step INTEGER")                                          \
    X(X_MIN, "x_min REAL")                                                     \
    X(X_MAX, "x_max REAL")                                                     \
    X(Y_MIN, "y_min REAL")                                                     \
    X(Y_MAX, "y_max REAL")                                                     \
    X(SLOPE, "loglog_slope REAL")                                              \
    X(PEARSON, "loglog_pearson REAL")                                          \
    X(SPEARMAN, "spearman REAL")                                               \
    X(SPEARMAN_STEP, "spearman_step REAL")                                     \
    X(CEILING_RATIO, "ceiling_ratio REAL")                                     \
    X(IS_DEFAULT, "is_default INTEGER")                                        \
    X(WARNINGS, "warnings TEXT")                                               \
    X(REASON, "reason TEXT")

#define FITS_COLUMN_ENUM(id, sql) FITS_##id,
enum fits_column { FITS_COLUMNS(FITS_COLUMN_ENUM) FITS_OF_RUN };

/* The text of CREATE TABLE. */
extern const char fits_columns_sql[];

struct fits_row {
    const char *run; /* borrowed; so fit */
    const struct run_fit *fit;
    size_t method; /* FIT_METHODS: none gave a line */
    bool is_default;
};

/* What was not found, or does not apply, is NULL. */
void fits_columns_result(const struct fits_row *row, enum fits_column column,
    sqlite3_context *context);

#endif
