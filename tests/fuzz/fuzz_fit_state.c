/*
 * fit_state_decode on any bytes: total; what it accepts has exactly these
 * bytes, and can be merged, added to and fitted.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "math/fit_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void draw_frontier(const struct fit_state *state)
{
    size_t n = 0;
    struct fit_line *vertices = malloc((state->n_hull + 1) * sizeof *vertices);
    if (vertices != NULL && fit_state_frontier(state, vertices, &n)) {
        assert((n > 0) == (state->n_hull > 0) && n <= state->n_hull + 1);
    }
    free(vertices);
}

static void use(struct fit_state *state)
{
    struct fit_line line;
    const double samples = state->total.plain.n;
    (void)fit_state_relative(state, &line);
    (void)fit_state_quantile(state, 0.95, &line);
    (void)fit_sums_nnls(&state->total.plain, &line);
    (void)fit_sums_ols(&state->total.logs, &line);
    draw_frontier(state);
    if (!fit_state_add(state, 1, 3, 0.5) || !fit_state_merge(state, state)) {
        return; /* out of memory, or too many points */
    }
    assert(state->total.plain.n >= samples);
    assert(state->n_bins > 0 && state->n_bins <= FIT_BINS);
    uint64_t binned = state->n_unbinned;
    for (uint32_t i = 0; i < state->n_bins; i++) {
        assert(i == 0 || state->bins[i].key > state->bins[i - 1].key);
        assert(state->bins[i].sketch.n <= FIT_SKETCH_CELLS);
        binned += fit_sketch_total(&state->bins[i].sketch);
    }
    assert((double)binned >= samples);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fit_state state;
    if (fit_state_decode(data, n, &state) != FIT_DECODE_OK) {
        return 0;
    }
    uint8_t *again = malloc(n);
    assert(again != NULL);
    assert(fit_state_encode(&state, again, n) == n);
    assert(memcmp(again, data, n) == 0);
    free(again);
    use(&state);
    fit_state_done(&state);
    return 0;
}
