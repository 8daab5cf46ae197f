/*
 * summaries: what is kept so that charts of long runs need not read the
 * records, against those records. The one place of care that knows how
 * summaries are made.
 */
#ifndef TRAJD_SUMMARIES_H
#define TRAJD_SUMMARIES_H

#include <stdbool.h>
#include <sqlite3.h>

#include "base/err.h"
#include "base/str.h"
#include "care/finding.h"
#include "store/records.h"
#include "store/summary.h"

/* The chunk.summary of the records, all of whose fields are kept; borrowed from
 * room. And whether `stored` is that. */
struct str summaries_make(const struct records *records, struct summary *room);
bool summaries_agree(const struct records *records, struct str stored);

#endif
