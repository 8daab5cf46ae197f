/* gammas: the points of a probe as people and programs read them. Pure. */
#ifndef TRAJD_GAMMAS_H
#define TRAJD_GAMMAS_H

#include "base/str.h"

/* The blob of PROBE.gammas, little-endian doubles, four a point
 * (schema/wire.md), as a JSON array of arrays of four. */
void gammas_json(struct buf *out, struct str blob);

#endif
