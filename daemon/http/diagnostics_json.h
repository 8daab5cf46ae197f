/* diagnostics_json: the diagnostics of a run as JSON. Any thread. */
#ifndef TRAJD_DIAGNOSTICS_JSON_H
#define TRAJD_DIAGNOSTICS_JSON_H

#include <cjson/cJSON.h>

#include "pure/diagnostics.h"
#include "pure/run_fit.h"

/* A law that diagnostics was given, by the fit that it comes from: an index of
 * fit_report.fits. */
struct diagnostics_laws {
    const struct run_fit *fit;
    size_t index[FIT_METHODS];
};

/* {"data": ...}; the caller deletes it. NULL: out of memory. Reorders the
 * history of norms. */
cJSON *diagnostics_json(
    struct diagnostics *diagnostics, const struct diagnostics_laws *laws);

#endif
