/* interval_json: intervals as schema/openapi.yaml has them. Pure. */
#ifndef TRAJD_INTERVAL_JSON_H
#define TRAJD_INTERVAL_JSON_H

#include "base/str.h"
#include "math/fit_absent.h"
#include "math/fit_ci.h"

/* "few_samples", "undetermined", ...; NULL for FIT_PRESENT. */
const char *interval_absent_name(enum fit_absent absent);

/* The members interval_absent and interval, each after a comma. */
void interval_json(
    struct buf *out, enum fit_absent absent, const struct fit_ci *ci);

#endif
