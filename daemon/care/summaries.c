/* summaries.c: the thread that checks. */
#include "care/summaries.h"

#include <string.h>

struct str summaries_make(const struct records *records, struct summary *room)
{
    summary_of(records, room);
    return summary_bytes(room);
}

bool summaries_agree(const struct records *records, struct str stored)
{
    struct summary room;
    struct str made = summaries_make(records, &room);
    return made.n == stored.n &&
           (made.n == 0 || memcmp(made.p, stored.p, made.n) == 0);
}
