/* fit_json: the fits of a run as JSON, as GET /runs/{id}/fits and the event
 * `fit` give them. Pure. */
#ifndef TRAJD_FIT_JSON_H
#define TRAJD_FIT_JSON_H

#include "base/str.h"
#include "pure/run_fit.h"

/* One object, one line. run_uid: a member "run" first, or NULL. */
void fit_json(struct buf *out, const struct run_fit *fit, const char *run_uid);

/* Parts of it that others show too. */
void fit_json_warnings(struct buf *out, unsigned warnings);
void fit_json_scores(struct buf *out, const struct fit_power *power);
void fit_json_frontier(struct buf *out, const struct run_frontier *frontier);
void fit_json_rivals(struct buf *out, const struct run_fit *fit);

#endif
