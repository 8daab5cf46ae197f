/* run_layers: the layers (pure/layers.h) of a run, from the HELLO of each of
 * its processes. */
#ifndef TRAJD_RUN_LAYERS_H
#define TRAJD_RUN_LAYERS_H

#include "base/err.h"
#include "pure/layers.h"
#include "store/reader.h"
#include "store/store.h"

/* lead: the HELLO whose numbers are the run's, or NULL. Within the caller's
 * snapshot. On success end with layers_free. ERR_FULL: beyond the bounds of
 * layers.h. */
CHECK_RESULT enum err_code run_layers_read(struct reader *reader,
    struct run_id run, const char *lead, struct layers **ret_layers,
    struct err *e);

/* Those of the rank's newest attempt alone, by its own numbers. ERR_NOT_FOUND:
 * it was never heard of. */
CHECK_RESULT enum err_code run_layers_of_rank(struct reader *reader,
    struct run_id run, uint32_t rank, struct layers **ret_layers,
    struct err *e);

#endif
