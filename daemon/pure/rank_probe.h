/*
 * rank_probe: of a PROBE over shards what is no sum: the smoothness, its gamma
 * and ceiling, the floors, the flags. Pure.
 *
 * Sums of squares and inner products add up over disjoint parameters, norms and
 * their ratios do not; so each point of the probe is put together first, and
 * then compared (sums run over the ranks r, * is the gamma of the maximum):
 *   smoothness      max over gamma of (sum ||g_gamma - g||_r^2 /
 *                   sum ||x_gamma - x||_r^2)^(1/2); of microbatches the root of
 *                   U(sum ||Dbar||_r^2, sum mean ||D_k||_r^2), or 0
 *   ceiling         ((sum ||g||_r^2)^(1/2) + (sum ||g_*||_r^2)^(1/2)) /
 *                   (sum ||x_* - x||_r^2)^(1/2)
 *   noise_floor     what noise gives is a norm over a length: times its own
 *                   length it is the norm of a vector, whose squares add
 *   rounding_floor  so is this; where a rank had its maximum at another gamma,
 *                   its square is taken as ||g||_r^2 + ||g_gamma||_r^2 is
 *   idempotence     (sum idempotence_r^2 ||g||_r^2 / sum ||g||_r^2)^(1/2)
 * A floor that one rank does not know is not known. The norm is L2, whatever
 * the ranks measured in: other floors than L2's are lost.
 *
 * Flags are or-ed, but for those that compare norms: ROUNDING, NOISE_LIMITED
 * and NEGATIVE are found anew. A shard that is TINY_STEP or NONFINITE spoils
 * the whole: of it nothing was measured.
 *
 * A probe without points has one, at gamma 1, if that is its smoothness_gamma.
 */
#ifndef TRAJD_RANK_PROBE_H
#define TRAJD_RANK_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "pure/row.h"
#include "wire.h"

/* One gamma, over the ranks so far. */
struct rank_point {
    double gamma;
    double grad_sq, dgrad_sq, delta_sq; /* sums */
    double round_sq;                    /* (rounding_floor ||x_gamma - x||)^2 */
};

struct rank_probe {
    uint32_t n; /* ranks */
    uint32_t n_points;
    bool gammas_differ; /* a rank has other points than the first */
    uint32_t n_noise, n_round, n_idempotent, n_dtype; /* ranks that say it */
    double noise_sq;       /* (noise_floor ||x_gamma - x||)^2 */
    double idempotence_sq; /* (idempotence ||g||)^2 */
    double start_round_sq; /* u^2 ||g||^2 */
    struct rank_point points[WIRE_GAMMAS_MAX];
};

void rank_probe_init(struct rank_probe *probe);

/* Each rank once. points: the record's gammas, empty if it has none. */
void rank_probe_add(
    struct rank_probe *probe, const struct row *record, struct str points);

/* Into the sums of all ranks, present and values of a PROBE, of which the
 * flags are or-ed. Only where the gammas do not differ. */
void rank_probe_finish(const struct rank_probe *probe, uint64_t *present,
    uint64_t values[static PROBE_FIELDS]);

#endif
