/*
 * fit_answer: what `traj fit` is asked, what it finds, and how it shows that.
 */
#ifndef TRAJ_FIT_ANSWER_H
#define TRAJ_FIT_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/fit_file.h"
#include "math/fit.h"
#include "traj.h"

#define FIT_TAUS_MAX 16u

/* Methods that have intervals: RELATIVE, OLS and NNLS. */
#define FIT_UNCERTAIN 3u
enum traj_fit_method fit_uncertain_method(size_t i);
const char *fit_uncertain_name(size_t i);

struct fit_request {
    const char *file;
    const char *names[FIT_COLUMNS]; /* of columns; NULL: not asked for */
    double taus[FIT_TAUS_MAX];      /* none: the report's */
    size_t n_taus;
    double lambda;     /* 0: the default */
    double at;         /* of an envelope; 0: not asked for */
    double rho;        /* NaN: not asked for */
    double least_loss; /* traj_unset(): the least one in the file */
    bool json;
};

/* One line of the answer. */
struct fit_estimate {
    const char *method;
    double tau; /* NaN: it has none */
    struct fit_line line;
};

/* With step lengths; fields unset where there is no fixed point. */
struct fit_corrections {
    struct traj_fit relative, envelope;
};

struct fit_answer {
    struct fit_report report;
    struct fit_estimate fits[FIT_METHODS + FIT_TAUS_MAX];
    size_t n_fits;
    struct fit_estimate at; /* method NULL: not asked for, or absent */
    bool has_power_at;
    struct fit_line power_at;
    double *frontier_L0, *frontier_L1; /* owned */
    size_t n_frontier;
    /* Of these three methods, in the order of the file. */
    struct traj_fit_uncertainty uncertainty[FIT_UNCERTAIN];
    struct traj_fit_tests tests;
    struct fit_corrections corrected; /* of names[FIT_COLUMN_LENGTH] */
    struct traj_fit_rivals rivals;    /* of names[FIT_COLUMN_LOSS] */
};

/* False: out of memory. fit_answer_done in either case. */
bool fit_answer_compute(const struct fit_request *request,
    const struct fit_table *table, struct fit_answer *ret);
void fit_answer_done(struct fit_answer *answer);

/* The law of a rival by name: "constant", "gradient", "gap", "both". */
const char *fit_rival_name(size_t law);

void fit_answer_print(
    const struct fit_request *request, const struct fit_answer *answer);
/* False: out of memory. */
bool fit_answer_print_json(
    const struct fit_request *request, const struct fit_answer *answer);

#endif
