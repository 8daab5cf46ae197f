/* pair_query: the parameters of what shows pairs: scatter and fits. */
#ifndef TRAJD_PAIR_QUERY_H
#define TRAJD_PAIR_QUERY_H

#include "http/request.h"

/* NAME=start|trapezoid|simpson; PAIR_REGRESSOR_AUTO if it is absent. */
int pair_query_regressor(struct request *req, const char *name);

/* estimator=full|subset|...; PAIR_ESTIMATOR_AUTO if it is absent. */
int pair_query_estimator(struct request *req);

#endif
