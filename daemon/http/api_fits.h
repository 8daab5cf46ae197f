/* api_fits: the fits of a run, for other routes. */
#ifndef TRAJD_API_FITS_H
#define TRAJD_API_FITS_H

#include "base/err.h"
#include "http/request.h"
#include "pure/run_fit.h"

/* Of all of its newest attempts' pairs, of all ranks: remembered, or computed
 * here with the request's reader. */
CHECK_RESULT enum err_code api_fits_of_everything(struct request *req,
    const struct run_row *run, struct run_fit *ret_fit, struct err *e);

#endif
