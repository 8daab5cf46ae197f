/* pair_query.c: keeps nothing; the thread that has the request. */
#include "http/pair_query.h"

#include "pure/pairs.h"
#include "traj.h"

int pair_query_regressor(struct request *req, const char *name)
{
    const char *const choices[] = { pair_regressor_name(FIT_REGRESSOR_START),
        pair_regressor_name(FIT_REGRESSOR_TRAPEZOID),
        pair_regressor_name(FIT_REGRESSOR_SIMPSON), NULL };
    size_t choice = request_choice(req, name, choices, PAIR_REGRESSORS);
    return choice < PAIR_REGRESSORS ? (int)choice : PAIR_REGRESSOR_AUTO;
}

int pair_query_estimator(struct request *req)
{
    enum { CHOICES = TRAJ_ESTIMATOR_DIFFERENT + 1 };
    const char *choices[CHOICES + 1] = { NULL };
    for (unsigned i = 0; i < CHOICES; i++) {
        choices[i] = pair_estimator_name(i);
    }
    size_t choice = request_choice(req, "estimator", choices, CHOICES);
    return choice < CHOICES ? (int)choice : PAIR_ESTIMATOR_AUTO;
}
