/*
 * ranks.c: pure; one thread at a time per struct ranks.
 *
 * Invariants:
 * 1. open[0..n_open) are in the order in which they were opened, their slots
 *    are distinct, and no two have the same step, item and pass.
 * 2. slots[s] of an open step has had at least one record; bit r of its `in`
 *    is set for those n_in ranks that have given theirs.
 * 3. waiting counts the holders of the step that are neither in nor gone; a
 *    step where it is 0 is not open any more.
 */
#include "pure/ranks.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where a rank is in its attempt. */
struct place {
    bool known;
    bool gone;
    uint32_t attempt;
    uint32_t passes; /* how often it went back */
    uint32_t pass;   /* that its last record belongs to */
    uint64_t last;   /* step of its last record */
    uint64_t top;    /* its highest step */
    uint64_t *items; /* bit i: it has given item i of that step */
};

/* A step that waits for ranks. */
struct slot {
    struct rank_sum sum;
    uint32_t attempt; /* of the first record: decides which ones join */
    uint32_t again;
    uint32_t newest; /* attempt among those that joined */
    struct rank_holders holders;
    uint32_t waiting;
    uint64_t *in;
    double *grad_sq; /* by rank; NULL unless values are kept */
    double *param_sq;
};

/* What steps are found by: apart, so that a search touches little memory. */
struct open {
    uint64_t step;
    uint64_t number; /* rises with every step opened */
    uint32_t item;
    uint32_t pass;
    uint32_t slot;
};

struct ranks {
    struct ranks_options options;
    struct place *places;
    struct slot *slots;
    struct open *open;
    uint32_t *free_slots;
    size_t n_open;
    size_t hint; /* where the next record is likely to go */
    uint64_t opened;
    uint64_t *bits;
    uint64_t *items;
    double *values;
    struct rank_probe *probes; /* by slot; NULL unless the kind is PROBE */
};

static size_t words_of(uint32_t bits)
{
    return ((size_t)bits + 63) / 64;
}

size_t ranks_window(uint32_t world)
{
    size_t window = RANKS_VALUES_MAX / 2 / world;
    if (window > RANKS_WINDOW) {
        return RANKS_WINDOW;
    }
    return window < RANKS_WINDOW_LEAST ? RANKS_WINDOW_LEAST : window;
}

void ranks_free(struct ranks *ranks)
{
    if (ranks == NULL) {
        return;
    }
    free(ranks->places);
    free(ranks->slots);
    free(ranks->open);
    free(ranks->free_slots);
    free(ranks->bits);
    free(ranks->items);
    free(ranks->values);
    free(ranks->probes);
    free(ranks);
}

static bool reserve(struct ranks *ranks)
{
    const struct ranks_options *o = &ranks->options;
    size_t words = words_of(o->world);
    ranks->places = calloc(o->world, sizeof *ranks->places);
    ranks->slots = calloc(o->window, sizeof *ranks->slots);
    ranks->open = calloc(o->window, sizeof *ranks->open);
    ranks->free_slots = calloc(o->window, sizeof *ranks->free_slots);
    ranks->bits = calloc(o->window, words * sizeof *ranks->bits);
    ranks->items = calloc(o->world, words_of(o->items) * sizeof *ranks->items);
    if (o->keep_values) {
        ranks->values =
            calloc(o->window, 2 * (size_t)o->world * sizeof *ranks->values);
    }
    bool probes = o->kind == WIRE_PROBE;
    if (probes) {
        ranks->probes = calloc(o->window, sizeof *ranks->probes);
    }
    return ranks->places != NULL && ranks->slots != NULL &&
           ranks->open != NULL && ranks->free_slots != NULL &&
           ranks->bits != NULL && ranks->items != NULL &&
           (!o->keep_values || ranks->values != NULL) &&
           (!probes || ranks->probes != NULL);
}

static void lay_out(struct ranks *ranks)
{
    const struct ranks_options *o = &ranks->options;
    for (size_t i = 0; i < o->window; i++) {
        struct slot *slot = &ranks->slots[i];
        slot->in = ranks->bits + i * words_of(o->world);
        if (o->keep_values) {
            slot->grad_sq = ranks->values + 2 * i * o->world;
            slot->param_sq = slot->grad_sq + o->world;
        }
        ranks->free_slots[i] = (uint32_t)i;
    }
    for (uint32_t rank = 0; rank < o->world; rank++) {
        ranks->places[rank].items = ranks->items + rank * words_of(o->items);
    }
}

struct ranks *ranks_new(const struct ranks_options *options)
{
    assert(options->world > 0 && options->window > 0 && options->items > 0);
    assert(!options->keep_values || options->kind == WIRE_STEP);
    struct ranks *ranks = calloc(1, sizeof *ranks);
    if (ranks == NULL) {
        return NULL;
    }
    ranks->options = *options;
    if (!reserve(ranks)) {
        ranks_free(ranks);
        return NULL;
    }
    lay_out(ranks);
    return ranks;
}

/* ---- open steps -----------------------------------------------------------
 */

static bool is_in(const struct slot *slot, uint32_t rank)
{
    return (slot->in[rank / 64] >> rank % 64 & 1) != 0;
}

/* n_open if there is none. */
static size_t find(
    const struct ranks *ranks, uint64_t step, uint32_t item, uint32_t pass)
{
    size_t i = ranks->hint;
    for (size_t k = 0; k < ranks->n_open; k++, i++) {
        i = i >= ranks->n_open ? 0 : i;
        const struct open *open = &ranks->open[i];
        if (open->step == step && open->item == item && open->pass == pass) {
            return i;
        }
    }
    return ranks->n_open;
}

static bool holds(
    const struct ranks *ranks, uint32_t world, uint32_t rank, uint32_t item)
{
    const struct ranks_options *o = &ranks->options;
    return o->holds == NULL || o->holds(o->context, world, rank, item);
}

/* Who has a part, and who of them is there. */
static void await(struct ranks *ranks, struct slot *slot, uint32_t item)
{
    const uint32_t world = slot->holders.world;
    for (uint32_t rank = 0; rank < world; rank++) {
        if (!holds(ranks, world, rank, item)) {
            continue;
        }
        if (slot->holders.n++ == 0) {
            slot->holders.lowest = rank;
        }
        slot->waiting += !ranks->places[rank].gone;
    }
}

/* Empty, waiting for all who are there. */
static void clear(struct ranks *ranks, uint32_t at,
    const struct ranks_source *source, uint32_t item)
{
    struct slot *slot = &ranks->slots[at];
    rank_sum_init(&slot->sum, ranks->options.kind,
        ranks->probes == NULL ? NULL : &ranks->probes[at]);
    slot->holders = (struct rank_holders){ .world = source->world };
    slot->attempt = source->attempt;
    slot->again = source->again;
    slot->newest = source->attempt;
    slot->waiting = 0;
    memset(slot->in, 0, words_of(ranks->options.world) * sizeof *slot->in);
    for (uint32_t rank = 0; rank < source->world && slot->grad_sq != NULL;
         rank++) {
        slot->grad_sq[rank] = (double)NAN;
        slot->param_sq[rank] = (double)NAN;
    }
    await(ranks, slot, item);
}

/* Takes the i-th out and gives it to visit. */
static bool give_out(struct ranks *ranks, size_t i)
{
    const struct open open = ranks->open[i];
    struct slot *slot = &ranks->slots[open.slot];
    ranks->n_open--;
    memmove(&ranks->open[i], &ranks->open[i + 1],
        (ranks->n_open - i) * sizeof *ranks->open);
    ranks->hint -= i < ranks->hint;
    ranks->free_slots[ranks->n_open] = open.slot;
    struct rank_step step;
    rank_sum_result(&slot->sum, &slot->holders, &step);
    step.step = open.step;
    step.item = open.item;
    step.attempt = slot->newest;
    step.in = slot->in;
    step.holds = ranks->options.holds;
    step.context = ranks->options.context;
    step.grad_sq = slot->grad_sq;
    step.param_sq = slot->param_sq;
    return ranks->options.visit(ranks->options.context, &step);
}

/* Whether `open` can come to nothing now that `whole` is. */
static bool is_passed(const struct open *open, const struct open *whole)
{
    return open->step < whole->step &&
           (open->pass <= whole->pass || open->number < whole->number);
}

/* Gives out the i-th, which waits for nobody, and before it those that will
 * not be whole any more. */
static bool settle(struct ranks *ranks, size_t i)
{
    const struct open whole = ranks->open[i];
    for (size_t k = 0; k < ranks->n_open;) {
        if (!is_passed(&ranks->open[k], &whole)) {
            k++;
        } else if (give_out(ranks, k)) {
            i -= k < i;
        } else {
            return false;
        }
    }
    return give_out(ranks, i);
}

/* The new step's index in *ret_i. */
static bool open_step(struct ranks *ranks, const struct ranks_source *source,
    const struct open *as, size_t *ret_i)
{
    if (ranks->n_open == ranks->options.window && !give_out(ranks, 0)) {
        return false;
    }
    uint32_t slot = ranks->free_slots[ranks->n_open];
    clear(ranks, slot, source, as->item);
    ranks->open[ranks->n_open] = *as;
    ranks->open[ranks->n_open].number = ranks->opened++;
    ranks->open[ranks->n_open].slot = slot;
    *ret_i = ranks->n_open++;
    return true;
}

/* ---- records --------------------------------------------------------------
 */

/* Has the rank done this before in its attempt? */
static bool is_again(const struct place *place, uint64_t step, uint32_t item)
{
    return step < place->last ||
           (step == place->last &&
               (place->items[item / 64] >> item % 64 & 1) != 0);
}

/* The pass of its rank that the record belongs to: 0 for a step that it does
 * for the first time in this attempt. */
static uint32_t pass_of(struct ranks *ranks, const struct ranks_source *source,
    uint64_t step, uint32_t item)
{
    struct place *place = &ranks->places[source->rank];
    const bool fresh = !place->known || place->attempt != source->attempt;
    const bool again = !fresh && is_again(place, step, item);
    if (fresh) {
        place->known = true;
        place->attempt = source->attempt;
        place->passes = 0;
        place->top = step;
    }
    place->passes += again;
    if (fresh || again || step != place->last) {
        memset(place->items, 0,
            words_of(ranks->options.items) * sizeof *place->items);
        place->pass = step <= place->top ? place->passes : 0;
        place->last = step;
    }
    place->items[item / 64] |= UINT64_C(1) << item % 64;
    place->top = step > place->top ? step : place->top;
    return place->pass;
}

static bool joins(const struct slot *slot, const struct ranks_source *source)
{
    return slot->holders.world == source->world && !is_in(slot, source->rank) &&
           (slot->attempt == source->attempt || slot->again == source->again);
}

/* Of an execution after the one that is in the slot. */
static bool is_newer(const struct slot *slot, const struct ranks_source *source)
{
    return source->again != slot->again ? source->again > slot->again
                                        : source->attempt > slot->attempt;
}

static void take(struct ranks *ranks, struct slot *slot,
    const struct ranks_source *source, const struct ranks_record *record)
{
    rank_sum_add(&slot->sum, source->rank, record->row, record->points);
    slot->in[source->rank / 64] |= UINT64_C(1) << source->rank % 64;
    slot->newest =
        source->attempt > slot->newest ? source->attempt : slot->newest;
    slot->waiting -= !ranks->places[source->rank].gone;
    if (slot->grad_sq != NULL) {
        slot->grad_sq[source->rank] = row_f64(record->row, STEP_grad_sq);
        slot->param_sq[source->rank] = row_f64(record->row, STEP_param_sq);
    }
}

/* Has it a place here at all? */
static bool is_ours(const struct ranks *ranks,
    const struct ranks_source *source, const struct ranks_record *record)
{
    const unsigned step = rank_rules_of(ranks->options.kind)->step;
    return row_has(record->row, step) && source->rank < source->world &&
           source->world <= ranks->options.world &&
           record->item < ranks->options.items &&
           holds(ranks, source->world, source->rank, record->item);
}

bool ranks_add(struct ranks *ranks, const struct ranks_source *source,
    const struct ranks_record *record)
{
    if (!is_ours(ranks, source, record)) {
        return true;
    }
    struct open as = { .item = record->item };
    as.step = row_u64(record->row, rank_rules_of(ranks->options.kind)->step);
    as.pass = pass_of(ranks, source, as.step, as.item);
    size_t i = find(ranks, as.step, as.item, as.pass);
    if (i == ranks->n_open && !open_step(ranks, source, &as, &i)) {
        return false;
    }
    struct slot *slot = &ranks->slots[ranks->open[i].slot];
    if (!joins(slot, source)) {
        if (!is_newer(slot, source)) {
            return true;
        }
        clear(ranks, ranks->open[i].slot, source, as.item);
    }
    take(ranks, slot, source, record);
    ranks->hint = i + 1;
    return slot->waiting > 0 || settle(ranks, i);
}

bool ranks_gone(struct ranks *ranks, uint32_t rank)
{
    if (rank >= ranks->options.world || ranks->places[rank].gone) {
        return true;
    }
    ranks->places[rank].gone = true;
    for (size_t i = 0; i < ranks->n_open; i++) {
        struct slot *slot = &ranks->slots[ranks->open[i].slot];
        const uint32_t world = slot->holders.world;
        slot->waiting -= rank < world && !is_in(slot, rank) &&
                         holds(ranks, world, rank, ranks->open[i].item);
    }
    for (size_t i = 0; i < ranks->n_open;) {
        if (ranks->slots[ranks->open[i].slot].waiting > 0) {
            i++;
        } else if (!settle(ranks, i)) {
            return false;
        } else {
            i = 0; /* settling took out earlier ones too */
        }
    }
    return true;
}

bool ranks_flush(struct ranks *ranks)
{
    while (ranks->n_open > 0) {
        if (!give_out(ranks, 0)) {
            return false;
        }
    }
    for (uint32_t rank = 0; rank < ranks->options.world; rank++) {
        ranks->places[rank].known = false;
    }
    ranks->hint = 0;
    return true;
}
