/* run_frontier.c: pure but for its workspace; any thread. */
#include "pure/run_frontier.h"

#include <stdlib.h>

static void keep(
    const struct fit_line *vertices, size_t n, struct run_frontier *ret)
{
    ret->n = n < RUN_FRONTIER_MAX ? n : RUN_FRONTIER_MAX;
    for (size_t i = 0; i < ret->n; i++) {
        ret->v[i] = vertices[ret->n < n ? i * (n - 1) / (ret->n - 1) : i];
    }
}

bool run_frontier_of_samples(
    const double *x, const double *y, size_t n, struct run_frontier *ret)
{
    struct fit_line *vertices = malloc((n + 1) * sizeof *vertices);
    double *workspace = malloc((2 * n + 2) * sizeof *workspace);
    const bool ok = vertices != NULL && workspace != NULL;
    if (ok) {
        keep(vertices, fit_frontier(x, y, n, workspace, vertices), ret);
    }
    free(workspace);
    free(vertices);
    return ok;
}

bool run_frontier_of_state(
    const struct fit_state *state, struct run_frontier *ret)
{
    size_t n = 0;
    struct fit_line *vertices =
        malloc((state->n_hull + (size_t)1) * sizeof *vertices);
    const bool ok = vertices != NULL && fit_state_frontier(state, vertices, &n);
    if (ok) {
        keep(vertices, n, ret);
    }
    free(vertices);
    return ok;
}
