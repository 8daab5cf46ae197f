/* verdict_json: verdicts and advice as schema/openapi.yaml has them. Pure. */
#ifndef TRAJD_VERDICT_JSON_H
#define TRAJD_VERDICT_JSON_H

#include "base/str.h"
#include "pure/run_verdict.h"

/* Verdict. Look at out->failed. */
void verdict_json(struct buf *out, const struct run_verdict *verdict);

/* VerdictEvent: of its main phase what is said. */
void verdict_event_json(
    struct buf *out, const struct run_verdict *verdict, const char *run_uid);

/* Advice of its main phase. */
void verdict_advice_json(struct buf *out, const struct run_verdict *verdict);

#endif
