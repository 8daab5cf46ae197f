/* pyramid_fits.c: reads sections; pyramid_fits_make.c makes them. Bytes from a
 * file are from outside: each count and length is checked before it is used.
 * Pure. */
#include "store/pyramid_fits.h"

#include <string.h>

#define ENTRY sizeof(struct pyramid_fit_entry)

static struct pyramid_fit_entry entry_at(struct str entries, size_t i)
{
    struct pyramid_fit_entry entry;
    memcpy(&entry, entries.p + i * ENTRY, sizeof entry);
    return entry;
}

static int compare(
    const struct pyramid_fit_entry *a, const struct pyramid_fit_entry *b)
{
    const uint64_t x[] = { a->group, a->norm, a->estimator, a->regressor };
    const uint64_t y[] = { b->group, b->norm, b->estimator, b->regressor };
    for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return 0;
}

static bool is_right(const struct pyramid_fit_entry *entry)
{
    return entry->estimator < PAIR_ESTIMATORS &&
           entry->regressor < PAIR_REGRESSORS &&
           (entry->length == 0) == (entry->uses[PAIR_USED] == 0) &&
           entry->first_step <= entry->last_step &&
           entry->ceilings <= entry->uses[PAIR_USED] &&
           entry->near_ceiling <= entry->ceilings;
}

/* Each as it should be, in order, and their states fill the rest. */
static bool are_right(const struct pyramid_fits_view *view)
{
    struct pyramid_fit_entry before = { 0 };
    uint64_t length = 0;
    for (size_t i = 0; i < view->n; i++) {
        const struct pyramid_fit_entry entry = entry_at(view->entries, i);
        if (!is_right(&entry) || (i > 0 && compare(&before, &entry) >= 0)) {
            return false;
        }
        length += entry.length;
        before = entry;
    }
    return length == view->states.n;
}

bool pyramid_fits_open(struct str section, struct pyramid_fits_view *ret)
{
    struct pyramid_fits_head head;
    *ret = (struct pyramid_fits_view){ 0 };
    if (section.n < sizeof head) {
        return false;
    }
    memcpy(&head, section.p, sizeof head);
    const size_t left = section.n - sizeof head;
    if (head.entries > PYRAMID_FITS_KEYS_MAX * PAIR_REGRESSORS ||
        head.entries * ENTRY > left) {
        return false;
    }
    const char *entries = section.p + sizeof head;
    const size_t length = head.entries * ENTRY;
    const struct pyramid_fits_view view = {
        .is_there = true,
        .is_complete = (head.flags & PYRAMID_FITS_PARTIAL) == 0,
        .n = head.entries,
        .entries = { entries, length },
        .states = { entries + length, left - length },
    };
    if (!are_right(&view)) {
        return false;
    }
    *ret = view;
    return true;
}

bool pyramid_fits_next(const struct pyramid_fits_view *view,
    struct pyramid_fits_position *pos, struct pyramid_fit_entry *ret_entry,
    struct str *ret_state)
{
    if (pos->entry == view->n) {
        return false;
    }
    *ret_entry = entry_at(view->entries, pos->entry++);
    *ret_state = (struct str){ view->states.p + pos->state, ret_entry->length };
    pos->state += ret_entry->length;
    return true;
}

bool pyramid_fits_know(const struct pyramid_fits_view *view, uint64_t group)
{
    bool found = view->is_complete;
    for (size_t i = 0; i < view->n && !found; i++) {
        found = entry_at(view->entries, i).group == group;
    }
    return view->is_there && found;
}

struct fit_facts pyramid_fit_facts(const struct pyramid_fit_entry *entry)
{
    struct fit_facts facts = {
        .first_step = entry->first_step,
        .last_step = entry->last_step,
        .flags = (unsigned)entry->flags,
        .ceilings = entry->ceilings,
        .near_ceiling = entry->near_ceiling,
    };
    memcpy(facts.uses, entry->uses, sizeof facts.uses);
    return facts;
}
