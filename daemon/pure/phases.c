/* phases.c: pure but for its workspace; any thread. */
#include "pure/phases.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "math/fit_change.h"
#include "pure/residuals.h"

const char *phase_cause_name(enum phase_cause cause)
{
    static const char *const names[] = {
        [PHASE_START] = "start",
        [PHASE_ATTEMPT] = "attempt",
        [PHASE_LR_PEAK] = "lr_peak",
        [PHASE_LR_DROP] = "lr_drop",
        [PHASE_LR_RISE] = "lr_rise",
        [PHASE_CLIP] = "clip",
        [PHASE_CHANGE_POINT] = "change_point",
    };
    static_assert(sizeof names / sizeof names[0] == PHASE_CAUSES, "all named");
    return names[cause];
}

/* Splits the phase that holds the step, if it is not that phase's first. */
static void cut(struct phases *phases, uint64_t step, enum phase_cause cause)
{
    size_t i = 0;
    while (i < phases->n && phases->v[i].to_step < step) {
        i++;
    }
    if (i == phases->n || phases->v[i].from_step >= step) {
        return;
    }
    if (phases->n == PHASES_MAX) {
        phases->is_full = true;
        return;
    }
    for (size_t k = phases->n; k > i; k--) {
        phases->v[k] = phases->v[k - 1];
    }
    phases->n++;
    phases->v[i].to_step = step - 1;
    phases->v[i + 1].from_step = step;
    phases->v[i + 1].cause = cause;
}

/* ---- the learning rate --------------------------------------------------- */

/* The pair at which warm-up ends; 0: there was none. */
static size_t peak_of(const struct fit_sample *s)
{
    double most = 0;
    for (size_t i = 0; i < s->n; i++) {
        most = s->lr[i] > most ? s->lr[i] : most;
    }
    size_t i = 0;
    while (i < s->n && !(s->lr[i] >= 0.999 * most)) {
        i++;
    }
    return i < s->n && s->lr[0] < 0.9 * most ? i : 0;
}

/* PHASE_START: it does not jump from the pair before to pair i > 0. */
static enum phase_cause jump_at(const struct fit_sample *s, size_t i)
{
    if (s->lr[i] < PHASE_LR_JUMP * s->lr[i - 1]) {
        return PHASE_LR_DROP;
    }
    return s->lr[i] * PHASE_LR_JUMP > s->lr[i - 1] ? PHASE_LR_RISE
                                                   : PHASE_START;
}

static bool jumps_all_the_time(const struct fit_sample *s, size_t from)
{
    size_t jumps = 0;
    for (size_t i = from; i < s->n; i++) {
        jumps += jump_at(s, i) != PHASE_START;
    }
    return jumps > PHASE_JUMPS_MAX;
}

static void cut_at_jumps(struct phases *phases, const struct fit_sample *s)
{
    const size_t peak = peak_of(s);
    if (jumps_all_the_time(s, peak + 1)) {
        return;
    }
    if (peak > 0) {
        cut(phases, s->step[peak], PHASE_LR_PEAK);
    }
    for (size_t i = peak + 1; i < s->n; i++) {
        const enum phase_cause cause = jump_at(s, i);
        if (cause != PHASE_START) {
            cut(phases, s->step[i], cause);
        }
    }
}

/* ---- change points ------------------------------------------------------- */

static size_t first_from(const struct fit_sample *s, uint64_t step)
{
    size_t i = 0;
    while (i < s->n && s->step[i] < step) {
        i++;
    }
    return i;
}

/* Short enough that a piece holds few changes, long enough to see memory. */
#define PIECE_PAIRS 128u
#define PIECES_MAX 16u

static size_t pieces_of(size_t n)
{
    const size_t pieces = n / PIECE_PAIRS;
    return pieces == 0 ? 1 : pieces > PIECES_MAX ? PIECES_MAX : pieces;
}

static bool find_changes(struct phases *phases, const struct fit_sample *s,
    size_t from, size_t to, const struct residuals *residuals)
{
    size_t cuts[PHASES_MAX];
    const struct fit_change_query query = {
        .x = s->x + from,
        .y = s->y + from,
        .w = residuals->w,
        .n = to - from,
        .length = residuals->dependence.block,
        .tau_int = residuals->dependence.tau_int,
        .most = PHASES_MAX - phases->n + 1, /* one more: is_full */
    };
    struct fit_sums *workspace =
        calloc(fit_change_room(&query), sizeof *workspace);
    if (workspace == NULL) {
        return false;
    }
    const size_t n = fit_changes(&query, workspace, cuts);
    free(workspace);
    for (size_t i = 0; i < n; i++) {
        cut(phases, s->step[from + cuts[i]], PHASE_CHANGE_POINT);
    }
    return true;
}

/* Of the pairs [from, to). false: out of memory. */
static bool cut_at_changes(
    struct phases *phases, const struct fit_sample *s, size_t from, size_t to)
{
    struct residuals residuals;
    if (!residuals_of(s, from, to, pieces_of(to - from), &residuals)) {
        return false;
    }
    /* Without a line, or an end to its memory, there is nothing to cut. */
    const bool ok = residuals.absent != FIT_PRESENT ||
                    find_changes(phases, s, from, to, &residuals);
    residuals_done(&residuals);
    return ok;
}

static bool cut_all_at_changes(
    struct phases *phases, const struct fit_sample *sample)
{
    const struct phases events = *phases;
    bool ok = true;
    for (size_t i = 0; ok && i < events.n; i++) {
        const size_t from = first_from(sample, events.v[i].from_step);
        const size_t to = events.v[i].to_step == UINT64_MAX
                              ? sample->n
                              : first_from(sample, events.v[i].to_step + 1);
        ok = cut_at_changes(phases, sample, from, to);
    }
    return ok;
}

static size_t count_clips(const struct phases_query *query)
{
    size_t n = 0;
    for (size_t i = 0; i < query->n_known; i++) {
        n += query->known[i].cause == PHASE_CLIP;
    }
    return n;
}

bool phases_find(const struct fit_sample *sample,
    const struct phases_query *query, struct phases *ret)
{
    *ret = (struct phases){
        .v = { { query->from_step, query->to_step, PHASE_START } },
        .n = 1,
    };
    const bool clips = count_clips(query) <= PHASE_JUMPS_MAX;
    for (size_t i = 0; i < query->n_known; i++) {
        const struct phase_cut *known = &query->known[i];
        if (known->step > query->from_step &&
            (clips || known->cause != PHASE_CLIP)) {
            cut(ret, known->step, known->cause);
        }
    }
    cut_at_jumps(ret, sample);
    return !query->changes || cut_all_at_changes(ret, sample);
}
