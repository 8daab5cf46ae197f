/* rank_pairs_json: what became of the probes of several ranks, as JSON. */
#ifndef TRAJD_RANK_PAIRS_JSON_H
#define TRAJD_RANK_PAIRS_JSON_H

#include "base/str.h"
#include "pure/rank_pairs.h"

/* A RankProbes of schema/openapi.yaml. */
void rank_pairs_json(struct buf *out, const struct rank_pairs *pairs);

#endif
