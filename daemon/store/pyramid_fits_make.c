/*
 * pyramid_fits_make.c: sections from records, and from sections.
 *
 * Invariant, while one is made: each key's group is among groups; a group that
 * has lost a key is left out, and then is_partial is set.
 */
#include "store/pyramid_fits.h"

#include <string.h>

#include "pure/row.h"
#include "store/db.h"

void pyramid_fits_done(struct pyramid_fits *fits)
{
    for (size_t i = 0; i < fits->n; i++) {
        for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
            fit_part_done(&fits->keys[i].parts[k]);
        }
    }
    db_free(fits->keys);
    buf_done(&fits->states);
    buf_done(&fits->body);
    *fits = (struct pyramid_fits){ 0 };
}

static void clear(struct pyramid_fits *fits)
{
    for (size_t i = 0; i < fits->n; i++) {
        for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
            fit_part_done(&fits->keys[i].parts[k]);
        }
    }
    fits->n = 0;
    fits->n_groups = 0;
    fits->is_partial = false;
}

/* ---- keys ---------------------------------------------------------------- */

static struct pyramid_fit_group *find_group(
    struct pyramid_fits *fits, uint64_t group)
{
    for (size_t i = 0; i < fits->n_groups; i++) {
        if (fits->groups[i].group == group) {
            return &fits->groups[i];
        }
    }
    return NULL;
}

/* The group, made if need be; NULL: there are too many. */
static struct pyramid_fit_group *group_for(
    struct pyramid_fits *fits, uint64_t group)
{
    struct pyramid_fit_group *found = find_group(fits, group);
    if (found == NULL && fits->n_groups < PYRAMID_FITS_KEYS_MAX) {
        found = &fits->groups[fits->n_groups++];
        *found = (struct pyramid_fit_group){ .group = group };
    }
    return found;
}

static bool is_left_out(struct pyramid_fits *fits, uint64_t group)
{
    const struct pyramid_fit_group *found = find_group(fits, group);
    return found != NULL && found->is_left_out;
}

static void leave_out(struct pyramid_fits *fits, uint64_t group)
{
    struct pyramid_fit_group *found = find_group(fits, group);
    fits->is_partial = true;
    if (found != NULL) {
        found->is_left_out = true;
    }
}

static int compare(const struct pyramid_fit_key *a, uint64_t group,
    uint8_t norm, uint8_t estimator)
{
    if (a->group != group) {
        return a->group < group ? -1 : 1;
    }
    if (a->norm != norm) {
        return a->norm < norm ? -1 : 1;
    }
    return (a->estimator > estimator) - (a->estimator < estimator);
}

static size_t place_of(const struct pyramid_fits *fits, uint64_t group,
    uint8_t norm, uint8_t estimator)
{
    size_t low = 0;
    size_t high = fits->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare(&fits->keys[middle], group, norm, estimator) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static enum err_code reserve(struct pyramid_fits *fits, struct err *e)
{
    if (fits->n < fits->capacity) {
        return ERR_NONE;
    }
    const size_t capacity = fits->capacity == 0 ? 4 : 2 * fits->capacity;
    void *keys = db_realloc(fits->keys, capacity * sizeof *fits->keys);
    if (keys == NULL) {
        return db_nomem(e, "pyramid");
    }
    fits->keys = keys;
    fits->capacity = capacity;
    return ERR_NONE;
}

/* The key, made if need be; NULL with ERR_NONE: there are too many. */
static enum err_code key_for(struct pyramid_fits *fits, uint64_t group,
    uint8_t norm, uint8_t estimator, struct pyramid_fit_key **ret,
    struct err *e)
{
    const size_t at = place_of(fits, group, norm, estimator);
    *ret = NULL;
    if (at < fits->n && compare(&fits->keys[at], group, norm, estimator) == 0) {
        *ret = &fits->keys[at];
        return ERR_NONE;
    }
    if (fits->n == PYRAMID_FITS_KEYS_MAX || group_for(fits, group) == NULL) {
        leave_out(fits, group);
        return ERR_NONE;
    }
    const enum err_code code = reserve(fits, e);
    if (code != ERR_NONE) {
        return code;
    }
    struct pyramid_fit_key *key = &fits->keys[at];
    memmove(key + 1, key, (fits->n - at) * sizeof *key);
    *key = (struct pyramid_fit_key){
        .group = group, .norm = norm, .estimator = estimator
    };
    pair_window_init(&key->window, PAIR_WINDOW_DEFAULT);
    fits->n++;
    *ret = key;
    return ERR_NONE;
}

static bool pays(
    enum pyramid_fits_wanted wanted, uint64_t bytes, uint64_t values)
{
    const uint64_t share = wanted == PYRAMID_FITS_OF_CHUNK ? 4 : 2;
    return wanted == PYRAMID_FITS_ALL || share * bytes <= values;
}

/* Bytes of the values of a record. */
static uint64_t values_of(uint64_t present)
{
    return 8u * (unsigned)__builtin_popcountll(present);
}

/* ---- of records ---------------------------------------------------------- */

static bool add_pair(struct pyramid_fit_key *key, const struct pair *pair)
{
    for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
        if (!fit_part_add(&key->parts[k], pair, (enum fit_regressor)k)) {
            return false;
        }
    }
    return true;
}

static enum err_code add_record(
    struct pyramid_fits *fits, const struct row *row, struct err *e)
{
    struct pair pair;
    if (is_left_out(fits, row_u64(row, PROBE_group)) ||
        !pair_read(row, &pair)) {
        return ERR_NONE;
    }
    const uint64_t norm = row_u64(row, PROBE_norm);
    struct pyramid_fit_key *key = NULL;
    const enum err_code code = key_for(fits, row_u64(row, PROBE_group),
        (uint8_t)(norm < PYRAMID_FITS_NORM_MAX ? norm : PYRAMID_FITS_NORM_MAX),
        pair.estimator, &key, e);
    if (code != ERR_NONE || key == NULL) {
        return code;
    }
    key->values += values_of(row->present);
    if (pair_window_add(&key->window, row, &pair) && !add_pair(key, &pair)) {
        return db_nomem(e, "pyramid");
    }
    return ERR_NONE;
}

/* What the entries of a group take without any state. */
#define GROUP_BYTES (PAIR_REGRESSORS * sizeof(struct pyramid_fit_entry))

/* Leaves out groups that cannot pay in a chunk before their states are made:
 * where layers are probed most are like that. */
static void leave_out_small(
    struct pyramid_fits *fits, const struct records *records)
{
    for (size_t i = 0; i < records->n; i++) {
        const struct row row = { (const uint64_t *const *)records->columns,
            records->present[i], i };
        struct pyramid_fit_group *group =
            group_for(fits, row_u64(&row, PROBE_group));
        if (group != NULL) {
            group->values += values_of(records->present[i]);
        }
    }
    for (size_t i = 0; i < fits->n_groups; i++) {
        if (!pays(PYRAMID_FITS_OF_CHUNK, GROUP_BYTES, fits->groups[i].values)) {
            fits->groups[i].is_left_out = true;
            fits->is_partial = true;
        }
    }
}

static void count_waiting(struct pyramid_fits *fits)
{
    for (size_t i = 0; i < fits->n; i++) {
        for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
            fits->keys[i].parts[k].facts.uses[PAIR_WINDOW_OPEN] +=
                pair_window_waiting(&fits->keys[i].window);
        }
    }
}

/* ---- of sections --------------------------------------------------------- */

/* false: damaged. */
static bool take_state(struct fit_part *part,
    const struct pyramid_fit_entry *entry, struct str bytes, bool *ret_nomem)
{
    const struct fit_facts facts = pyramid_fit_facts(entry);
    struct fit_state state = { 0 };
    if (entry->length == 0) {
        fit_facts_merge(&part->facts, &facts);
        return true;
    }
    const enum fit_decode decoded =
        fit_state_decode((const uint8_t *)bytes.p, bytes.n, &state);
    *ret_nomem = decoded == FIT_DECODE_NOMEM;
    if (decoded != FIT_DECODE_OK) {
        return false;
    }
    *ret_nomem = !fit_part_merge(part, &facts, &state);
    fit_state_done(&state);
    return !*ret_nomem;
}

static enum err_code add_entry(struct pyramid_fits *fits,
    const struct pyramid_fit_entry *entry, struct str state, bool *ret_damaged,
    struct err *e)
{
    struct pyramid_fit_key *key = NULL;
    bool nomem = false;
    enum err_code code =
        key_for(fits, entry->group, entry->norm, entry->estimator, &key, e);
    if (code != ERR_NONE || key == NULL) {
        return code;
    }
    if (entry->regressor == FIT_REGRESSOR_START) { /* the records, once */
        key->values += entry->values;
    }
    if (!take_state(&key->parts[entry->regressor], entry, state, &nomem)) {
        *ret_damaged = !nomem;
        code = nomem ? db_nomem(e, "pyramid") : ERR_NONE;
    }
    return code;
}

static enum err_code add_view(struct pyramid_fits *fits,
    const struct pyramid_fits_view *view, bool *ret_damaged, struct err *e)
{
    struct pyramid_fits_position pos = { 0 };
    struct pyramid_fit_entry entry;
    struct str state;
    enum err_code code = ERR_NONE;
    while (code == ERR_NONE && !*ret_damaged &&
           pyramid_fits_next(view, &pos, &entry, &state)) {
        code = add_entry(fits, &entry, state, ret_damaged, e);
    }
    for (size_t i = 0; i < fits->n_groups && !view->is_complete; i++) {
        fits->groups[i].in_partial +=
            pyramid_fits_know(view, fits->groups[i].group);
    }
    return code;
}

/* Groups that a view before them may have had and did not list. */
static void leave_out_unknown(struct pyramid_fits *fits, uint32_t partial)
{
    fits->is_partial = fits->is_partial || partial > 0;
    for (size_t i = 0; i < fits->n_groups; i++) {
        if (fits->groups[i].in_partial != partial) {
            fits->groups[i].is_left_out = true;
        }
    }
}

/* ---- writing ------------------------------------------------------------- */

static struct pyramid_fit_entry entry_of(
    const struct pyramid_fit_key *key, unsigned regressor, size_t length)
{
    const struct fit_facts *facts = &key->parts[regressor].facts;
    struct pyramid_fit_entry entry = {
        .group = key->group,
        .norm = key->norm,
        .estimator = key->estimator,
        .regressor = (uint8_t)regressor,
        .length = (uint32_t)length,
        .values = key->values,
        .first_step = facts->first_step,
        .last_step = facts->last_step,
        .ceilings = facts->ceilings,
        .near_ceiling = facts->near_ceiling,
        .flags = facts->flags,
    };
    memcpy(entry.uses, facts->uses, sizeof facts->uses);
    return entry;
}

/* Bytes of the states of a group, whose keys are from `first` to before `end`,
 * and of the values of its records. */
static size_t measure(const struct pyramid_fits *fits, size_t first, size_t end,
    uint64_t *ret_values)
{
    size_t bytes = 0;
    *ret_values = 0;
    for (size_t i = first; i < end; i++) {
        *ret_values += fits->keys[i].values;
        for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
            const struct fit_part *part = &fits->keys[i].parts[k];
            bytes += sizeof(struct pyramid_fit_entry);
            if (part->facts.uses[PAIR_USED] > 0) {
                bytes += fit_state_encode(&part->state, NULL, 0);
            }
        }
    }
    return bytes;
}

static size_t end_of_group(const struct pyramid_fits *fits, size_t first)
{
    size_t end = first;
    while (end < fits->n && fits->keys[end].group == fits->keys[first].group) {
        end++;
    }
    return end;
}

static void choose_groups(
    struct pyramid_fits *fits, enum pyramid_fits_wanted wanted)
{
    size_t room = PYRAMID_FITS_BYTES_MAX;
    for (size_t i = 0; i < fits->n;) {
        const size_t end = end_of_group(fits, i);
        const struct pyramid_fit_group *group =
            find_group(fits, fits->keys[i].group);
        uint64_t values = 0;
        const size_t bytes = measure(fits, i, end, &values);
        if (bytes > room || !pays(wanted, bytes, values)) {
            leave_out(fits, fits->keys[i].group);
        } else if (group != NULL && !group->is_left_out) {
            room -= bytes;
        }
        i = end;
    }
}

static void write_state(
    struct buf *out, const struct fit_state *state, size_t *ret_length)
{
    uint8_t *bytes = NULL;
    const size_t n = fit_state_encode(state, NULL, 0);
    *ret_length = n;
    bytes = db_malloc(n);
    if (bytes == NULL) {
        out->failed = true;
        return;
    }
    (void)fit_state_encode(state, bytes, n); /* it fits */
    buf_append(out, bytes, n);
    db_free(bytes);
}

static void write_key(struct pyramid_fits *fits,
    const struct pyramid_fit_key *key, struct buf *out)
{
    for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
        const struct fit_part *part = &key->parts[k];
        size_t length = 0;
        if (part->facts.uses[PAIR_USED] > 0) {
            write_state(&fits->states, &part->state, &length);
        }
        const struct pyramid_fit_entry entry = entry_of(key, k, length);
        buf_append(out, &entry, sizeof entry);
    }
}

/* The section behind what out has; returns how many groups are in it. */
static size_t write_section(struct pyramid_fits *fits, struct buf *out)
{
    struct pyramid_fits_head head = {
        .flags = fits->is_partial ? PYRAMID_FITS_PARTIAL : 0
    };
    const size_t at = out->n;
    buf_clear(&fits->states);
    buf_append(out, &head, sizeof head);
    for (size_t i = 0; i < fits->n; i++) {
        const struct pyramid_fit_group *group =
            find_group(fits, fits->keys[i].group);
        if (group != NULL && !group->is_left_out) {
            write_key(fits, &fits->keys[i], out);
            head.entries += PAIR_REGRESSORS;
        }
    }
    if (!out->failed) {
        memcpy(out->p + at, &head, sizeof head);
    }
    buf_append(out, fits->states.p, fits->states.n);
    out->failed = out->failed || fits->states.failed;
    return head.entries;
}

static enum err_code finish(struct pyramid_fits *fits,
    enum pyramid_fits_wanted wanted, struct str body, struct str *ret_body,
    struct err *e)
{
    choose_groups(fits, wanted);
    buf_clear(&fits->body);
    pyramid_body_begin_section(&fits->body, body);
    const size_t n = write_section(fits, &fits->body);
    pyramid_body_end_section(&fits->body, PYRAMID_FITS, body);
    if (fits->body.failed) {
        return db_nomem(e, "pyramid");
    }
    const bool says_nothing = n == 0 && fits->is_partial;
    *ret_body =
        says_nothing ? body : (struct str){ fits->body.p, fits->body.n };
    return ERR_NONE;
}

enum err_code pyramid_fits_of_records(struct pyramid_fits *fits,
    const struct records *records, enum pyramid_fits_wanted wanted,
    struct str body, struct str *ret_body, struct err *e)
{
    enum err_code code = ERR_NONE;
    clear(fits);
    if (wanted == PYRAMID_FITS_OF_CHUNK) {
        leave_out_small(fits, records);
    }
    for (size_t i = 0; code == ERR_NONE && i < records->n; i++) {
        const struct row row = { (const uint64_t *const *)records->columns,
            records->present[i], i };
        code = add_record(fits, &row, e);
    }
    if (code == ERR_NONE) {
        count_waiting(fits);
        code = finish(fits, wanted, body, ret_body, e);
    }
    clear(fits);
    return code;
}

enum err_code pyramid_fits_of_bodies(struct pyramid_fits *fits,
    const struct str *bodies, size_t n, struct str body, struct str *ret_body,
    struct err *e)
{
    enum err_code code = ERR_NONE;
    uint32_t partial = 0;
    bool damaged = false;
    clear(fits);
    *ret_body = body;
    for (size_t i = 0; i < n && code == ERR_NONE && !damaged; i++) {
        struct pyramid_view of;
        struct pyramid_fits_view view = { 0 };
        damaged = !pyramid_view_open(bodies[i], WIRE_PROBE, &of) ||
                  !pyramid_fits_open(of.fits, &view);
        if (!damaged) {
            partial += !view.is_complete;
            code = add_view(fits, &view, &damaged, e);
        }
    }
    if (code == ERR_NONE && !damaged) {
        leave_out_unknown(fits, partial);
        code = finish(fits, PYRAMID_FITS_OF_ROW, body, ret_body, e);
    }
    clear(fits);
    return code;
}
