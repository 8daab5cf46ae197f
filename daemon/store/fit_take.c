/* fit_take.c: the thread of the reader. */
#include "store/fit_take.h"

#include "pure/row.h"
#include "store/db.h"
#include "store/pyramid_fits.h"
#include "traj.h"

static bool is_wanted(
    const struct fit_take *t, unsigned estimator, unsigned regressor)
{
    return estimator == t->out->estimator && regressor == t->out->regressor;
}

/* false: out of memory. */
static bool take_pair(struct fit_take *t, const struct pair *pair)
{
    if (t->pass == PASS_CENSUS) {
        pair_census_add(&t->census, pair);
        return true;
    }
    if (pair->estimator != t->out->estimator) {
        t->out->part.facts.uses[PAIR_OTHER_ESTIMATOR] += t->pass == PASS_STATES;
        return true;
    }
    if (t->pass == PASS_STATES) {
        return fit_part_add(&t->out->part, pair, t->out->regressor);
    }
    const double x = pair->x[t->out->regressor];
    const double y = pair->y[t->out->regressor];
    if (pair_use(pair, t->out->regressor) == PAIR_USED && fit_sums_takes(x) &&
        fit_sums_takes(y)) {
        fit_sums_add_weighted(
            &t->rest, x, y, t->is_weighted ? fit_weight_at(&t->weight, x) : 1);
    }
    return true;
}

enum err_code fit_take_records(struct fit_take *t,
    const struct records *records, struct pair_window *window, struct err *e)
{
    t->out->records += t->pass == PASS_STATES ? records->n : 0;
    for (size_t i = 0; i < records->n; i++) {
        const struct row row = { (const uint64_t *const *)records->columns,
            records->present[i], i };
        struct pair pair;
        if (row_u64(&row, PROBE_group) == t->group && pair_read(&row, &pair) &&
            pair.step >= t->from_step && pair.step <= t->to_step &&
            pair_window_add(window, &row, &pair) && !take_pair(t, &pair)) {
            return db_nomem(e, "fits");
        }
    }
    return ERR_NONE;
}

void fit_take_waiting(struct fit_take *t, const struct pair_window *window)
{
    const bool ours = t->out->estimator == TRAJ_ESTIMATOR_MICROBATCH;
    t->waiting += t->pass == PASS_CENSUS ? pair_window_waiting(window) : 0;
    if (t->pass == PASS_STATES) {
        t->out->part.facts
            .uses[ours ? PAIR_WINDOW_OPEN : PAIR_OTHER_ESTIMATOR] +=
            pair_window_waiting(window);
    }
}

/* Into a part of its own, so that a body that turns out damaged has given
 * nothing. false: damaged, or out of memory. */
static bool decode_entry(const struct pyramid_fit_entry *entry,
    struct str bytes, struct fit_part *body, bool *ret_nomem)
{
    const struct fit_facts facts = pyramid_fit_facts(entry);
    struct fit_state state = { 0 };
    if (entry->length == 0) {
        fit_facts_merge(&body->facts, &facts);
        return true;
    }
    const enum fit_decode decoded =
        fit_state_decode((const uint8_t *)bytes.p, bytes.n, &state);
    *ret_nomem = decoded == FIT_DECODE_NOMEM;
    if (decoded != FIT_DECODE_OK) {
        return false;
    }
    if (body->facts.uses[PAIR_USED] == 0) {
        body->state = state;
        fit_facts_merge(&body->facts, &facts);
        return true;
    }
    *ret_nomem = !fit_part_merge(body, &facts, &state);
    fit_state_done(&state);
    return !*ret_nomem;
}

/* What the section has of the group. Others are of other classes: of those, a
 * pair is counted once, with the first regressor. */
static enum err_code take_states(struct fit_take *t,
    const struct pyramid_fits_view *view, bool *ret_taken, struct err *e)
{
    struct pyramid_fits_position pos = { 0 };
    struct pyramid_fit_entry entry;
    struct str bytes;
    struct fit_part body = { 0 };
    uint64_t others = 0;
    bool nomem = false;
    bool ok = true;
    while (ok && pyramid_fits_next(view, &pos, &entry, &bytes)) {
        if (entry.group != t->group) {
            continue;
        }
        const struct fit_facts facts = pyramid_fit_facts(&entry);
        if (is_wanted(t, entry.estimator, entry.regressor)) {
            ok = decode_entry(&entry, bytes, &body, &nomem);
        } else if (entry.estimator != t->out->estimator &&
                   entry.regressor == FIT_REGRESSOR_START) {
            others += facts.uses[PAIR_USED] + fit_facts_excluded(&facts);
        }
    }
    if (ok) {
        ok = fit_part_merge(&t->out->part, &body.facts, &body.state);
        nomem = !ok;
    }
    if (ok) {
        t->out->part.facts.uses[PAIR_OTHER_ESTIMATOR] += others;
        t->out->states++;
    }
    fit_part_done(&body);
    *ret_taken = ok;
    return nomem ? db_nomem(e, "fits") : ERR_NONE;
}

static void take_census(
    struct fit_take *t, const struct pyramid_fits_view *view)
{
    struct pyramid_fits_position pos = { 0 };
    struct pyramid_fit_entry entry;
    struct str bytes;
    while (pyramid_fits_next(view, &pos, &entry, &bytes)) {
        if (entry.group == t->group) {
            const struct fit_facts facts = pyramid_fit_facts(&entry);
            fit_facts_census(&facts, entry.estimator,
                (enum fit_regressor)entry.regressor, &t->census);
            t->waiting += entry.regressor == FIT_REGRESSOR_START
                              ? facts.uses[PAIR_WINDOW_OPEN]
                              : 0;
        }
    }
}

/* false: damaged, or out of memory. */
static bool add_sums(const struct fit_take *t, struct str bytes,
    struct fit_sums *sums, bool *ret_nomem)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    struct fit_block block;
    struct fit_state state;
    if (!t->is_weighted) {
        const bool found = fit_state_peek(p, bytes.n, &block);
        if (found) {
            fit_sums_merge(sums, &block.plain, 1);
        }
        return found;
    }
    const enum fit_decode decoded = fit_state_decode(p, bytes.n, &state);
    *ret_nomem = decoded == FIT_DECODE_NOMEM;
    if (decoded != FIT_DECODE_OK) {
        return false;
    }
    fit_state_add_weighted(&state, &t->weight, sums);
    fit_state_done(&state);
    return true;
}

static enum err_code take_sums(struct fit_take *t,
    const struct pyramid_fits_view *view, bool *ret_taken, struct err *e)
{
    struct pyramid_fits_position pos = { 0 };
    struct pyramid_fit_entry entry;
    struct str bytes;
    struct fit_sums sums = { 0 };
    bool nomem = false;
    bool ok = true;
    while (ok && pyramid_fits_next(view, &pos, &entry, &bytes)) {
        if (entry.group == t->group && entry.length > 0 &&
            is_wanted(t, entry.estimator, entry.regressor)) {
            ok = add_sums(t, bytes, &sums, &nomem);
        }
    }
    if (ok) {
        fit_sums_merge(&t->rest, &sums, 1);
    }
    *ret_taken = ok;
    return nomem ? db_nomem(e, "fits") : ERR_NONE;
}

enum err_code fit_take_body(
    struct fit_take *t, struct str body, bool *ret_taken, struct err *e)
{
    struct pyramid_view view;
    struct pyramid_fits_view fits;
    *ret_taken = pyramid_view_open(body, WIRE_PROBE, &view) &&
                 pyramid_fits_open(view.fits, &fits) &&
                 pyramid_fits_know(&fits, t->group);
    if (!*ret_taken) {
        return ERR_NONE;
    }
    switch (t->pass) {
    case PASS_CENSUS:
        take_census(t, &fits);
        return ERR_NONE;
    case PASS_STATES:
        return take_states(t, &fits, ret_taken, e);
    case PASS_ROWS:
        return take_sums(t, &fits, ret_taken, e);
    }
    return ERR_NONE;
}
