/* fits_columns: the columns of the table `fits`: what a fit (pure/run_fit.h)
 * has to say, of one of its methods, and what is known of its law (intervals,
 * tests) beside each of them. */
#ifndef TRAJD_FITS_COLUMNS_H
#define TRAJD_FITS_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <sqlite3.h>

#include "sql/fits_of_run.h"

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
    X(REASON, "reason TEXT")                                                   \
    X(FROM_STATES, "from_states INTEGER")                                      \
    X(WINDOW, "window INTEGER")                                                \
    X(INTERCEPT, "loglog_intercept REAL")                                      \
    X(THEIL_SEN, "loglog_theil_sen REAL")                                      \
    X(RHO, "power_rho REAL")                                                   \
    X(POWER_L0, "power_L0 REAL")                                               \
    X(POWER_L1, "power_L1 REAL")                                               \
    X(POWER_SCORES, "power_scores TEXT")                                       \
    X(INTERVAL_ABSENT, "interval_absent TEXT")                                 \
    X(LEVEL, "level REAL")                                                     \
    X(DOF, "dof REAL")                                                         \
    X(L0_ESTIMATE, "L0_estimate REAL")                                         \
    X(L0_SE, "L0_se REAL")                                                     \
    X(L0_LOW, "L0_low REAL")                                                   \
    X(L0_HIGH, "L0_high REAL")                                                 \
    X(L1_ESTIMATE, "L1_estimate REAL")                                         \
    X(L1_SE, "L1_se REAL")                                                     \
    X(L1_LOW, "L1_low REAL")                                                   \
    X(L1_HIGH, "L1_high REAL")                                                 \
    X(X_MEAN, "x_mean REAL")                                                   \
    X(CENTROID, "centroid REAL")                                               \
    X(CENTROID_SE, "centroid_se REAL")                                         \
    X(CENTROID_LOW, "centroid_low REAL")                                       \
    X(CENTROID_HIGH, "centroid_high REAL")                                     \
    X(CORR, "corr REAL")                                                       \
    X(TAU_INT, "tau_int REAL")                                                 \
    X(N_EFF, "n_eff REAL")                                                     \
    X(SLOPE_P, "slope_p REAL")                                                 \
    X(PARTIAL, "partial_spearman REAL")                                        \
    X(PARTIAL_P, "partial_p REAL")                                             \
    X(DIFFERENCE, "difference_spearman REAL")                                  \
    X(DIFFERENCE_P, "difference_p REAL")                                       \
    X(FRONTIER, "frontier TEXT")                                               \
    X(RIVALS_ABSENT, "rivals_absent TEXT")                                     \
    X(RIVALS, "rivals TEXT")                                                   \
    X(SCORE_RATIO, "score_ratio REAL")

#define FITS_COLUMN_ENUM(id, sql) FITS_##id,
enum fits_column { FITS_COLUMNS(FITS_COLUMN_ENUM) FITS_OF_RUN };

/* The text of CREATE TABLE. */
extern const char fits_columns_sql[];

/* What a statement with these colUsed of SQLite's wants. */
enum fits_wanted fits_columns_wanted(sqlite3_uint64 used);

struct fits_row {
    const char *run; /* borrowed; so fits */
    const struct fits_of_class *fits;
    size_t method; /* FIT_METHODS: none gave a line */
    bool is_default;
};

/* What was not found, or does not apply, is NULL. */
void fits_columns_result(const struct fits_row *row, enum fits_column column,
    sqlite3_context *context);

#endif
