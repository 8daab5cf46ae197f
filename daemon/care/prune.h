/* prune: the retention policy by hand: what it would take away, and taking it
 * away from a database that is not in use. */
#ifndef TRAJD_PRUNE_H
#define TRAJD_PRUNE_H

#include <stdio.h>

#include "base/err.h"
#include "store/retention.h"

/* Writes what the next plan is, a line each, and changes nothing. */
CHECK_RESULT enum err_code prune_show(const char *path,
    const struct retention_policy *policy, FILE *out, struct err *e);

/* Does it, plan after plan, until there is nothing to do; writes a line for
 * each. Takes the database's lock. */
CHECK_RESULT enum err_code prune_database(const char *path,
    const struct retention_policy *policy, FILE *out, struct err *e);

#endif
