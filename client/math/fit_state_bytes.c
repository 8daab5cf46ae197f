/* fit_state_bytes.c: a state as bytes, and back from any bytes. */
#include "math/fit_state.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC 0x31534654u /* the bytes 'T' 'F' 'S' '1' */
#define COUNT_MAX 0x1p53  /* counts are exact below it */

/* ---- writing --------------------------------------------------------------
 */

struct writer {
    uint8_t *out;
    size_t room;
    size_t n; /* bytes so far, written or not */
};

static void put_byte(struct writer *w, uint8_t byte)
{
    if (w->n < w->room) {
        w->out[w->n] = byte;
    }
    w->n++;
}

/* In one store where there is room. */
static inline void put_bytes(struct writer *w, uint64_t value, unsigned bytes)
{
    if (w->n >= w->room) {
        w->n += bytes;
        return;
    }
    if (w->room - w->n < bytes) {
        for (unsigned i = 0; i < bytes; i++) {
            put_byte(w, (uint8_t)(value >> 8 * i));
        }
        return;
    }
    uint8_t *out = w->out + w->n;
    for (unsigned i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(value >> 8 * i);
    }
    w->n += bytes;
}

static void put_double(struct writer *w, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    put_bytes(w, bits, 8);
}

static void put_varint(struct writer *w, uint64_t value)
{
    for (; value > 127; value >>= 7) {
        put_byte(w, (uint8_t)(value | 128));
    }
    put_byte(w, (uint8_t)value);
}

static void put_sums(struct writer *w, const struct fit_sums *sums)
{
    const struct twofold all[] = { sums->x, sums->y, sums->xx, sums->xy,
        sums->yy };
    put_double(w, sums->n);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        put_double(w, all[i].high);
        put_double(w, all[i].low);
    }
}

static void put_block(struct writer *w, const struct fit_block *block)
{
    put_sums(w, &block->plain);
    put_sums(w, &block->logs);
    put_bytes(w, block->n_excluded, 8);
    put_bytes(w, block->step_first, 8);
    put_bytes(w, block->step_last, 8);
    put_double(w, block->x_min);
    put_double(w, block->x_max);
    put_double(w, block->y_min);
    put_double(w, block->y_max);
}

static void put_bin(struct writer *w, const struct fit_bin *bin)
{
    put_bytes(w, (uint32_t)bin->key, 4);
    put_bytes(w, (uint32_t)bin->sketch.first, 4);
    put_bytes(w, bin->sketch.n, 4);
    put_bytes(w, bin->sketch.zeros, 8);
    put_sums(w, &bin->sums);
    for (uint32_t i = 0; i < bin->sketch.n; i++) {
        put_varint(w, bin->sketch.cells[i]);
    }
}

size_t fit_state_encode(
    const struct fit_state *state, uint8_t *out, size_t room)
{
    struct writer w = { .out = out, .room = room };
    put_bytes(&w, MAGIC, 4);
    put_bytes(&w, state->n_bins, 4);
    put_bytes(&w, state->n_hull, 4);
    put_block(&w, &state->total);
    put_bytes(&w, state->n_unbinned, 8);
    for (uint32_t i = 0; i < state->n_bins; i++) {
        put_bin(&w, &state->bins[i]);
    }
    for (uint32_t i = 0; i < state->n_hull; i++) {
        put_double(&w, state->hull[i].x);
        put_double(&w, state->hull[i].y);
    }
    return w.n;
}

/* ---- reading --------------------------------------------------------------
 */

struct reader {
    const uint8_t *p;
    size_t n;
    bool bad; /* once bad, everything read is 0 */
    bool nomem;
};

static uint64_t get_bytes(struct reader *r, unsigned bytes)
{
    if (r->bad || r->n < bytes) {
        r->bad = true;
        return 0;
    }
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)r->p[i] << 8 * i;
    }
    r->p += bytes;
    r->n -= bytes;
    return value;
}

static void demand(struct reader *r, bool holds)
{
    r->bad = r->bad || !holds;
}

static double get_double(struct reader *r)
{
    const uint64_t bits = get_bytes(r, 8);
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    demand(r, isfinite(value));
    return r->bad ? 0 : value;
}

static int32_t get_index(struct reader *r, int32_t most)
{
    const uint32_t bits = (uint32_t)get_bytes(r, 4);
    int32_t value = 0;
    memcpy(&value, &bits, sizeof value);
    demand(r, value >= -most && value <= most);
    return r->bad ? 0 : value;
}

/* LEB128; one form per number. */
static uint64_t get_varint(struct reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; !r->bad; shift += 7) {
        const uint64_t byte = get_bytes(r, 1);
        demand(r, shift < 63 || byte <= 1);
        if (r->bad) {
            break;
        }
        value |= (byte & 127) << shift;
        if (byte <= 127) {
            demand(r, byte > 0 || shift == 0);
            break;
        }
    }
    return r->bad ? 0 : value;
}

static double get_count(struct reader *r)
{
    const double n = get_double(r);
    demand(r, n >= 0 && n <= COUNT_MAX && !(floor(n) < n));
    return r->bad ? 0 : n;
}

static void get_sums(struct reader *r, struct fit_sums *ret)
{
    struct twofold *all[] = { &ret->x, &ret->y, &ret->xx, &ret->xy, &ret->yy };
    ret->n = get_count(r);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        all[i]->high = get_double(r);
        all[i]->low = get_double(r);
        const double back = all[i]->high + all[i]->low;
        demand(r, !(back < all[i]->high) && !(back > all[i]->high));
    }
}

static void get_block(struct reader *r, struct fit_block *ret)
{
    get_sums(r, &ret->plain);
    get_sums(r, &ret->logs);
    ret->n_excluded = get_bytes(r, 8);
    ret->step_first = get_bytes(r, 8);
    ret->step_last = get_bytes(r, 8);
    ret->x_min = get_double(r);
    ret->x_max = get_double(r);
    ret->y_min = get_double(r);
    ret->y_max = get_double(r);
    demand(r, ret->logs.n <= ret->plain.n);
    demand(r, ret->step_first <= ret->step_last);
    demand(r, ret->x_min <= ret->x_max && ret->y_min <= ret->y_max);
}

/* n cells, of which the ends are not 0; with the zeros they are as many as the
 * bin has samples. */
static void get_cells(struct reader *r, uint32_t n, struct fit_bin *bin)
{
    const uint64_t expected = (uint64_t)bin->sums.n;
    uint64_t left = expected;
    demand(r, bin->sketch.zeros <= left);
    demand(r, n > 0 || bin->sketch.first == 0);
    if (r->bad) {
        return;
    }
    if (n > 0 && !fit_sketch_reserve(&bin->sketch, bin->sketch.first,
                     bin->sketch.first + (int32_t)n - 1)) {
        r->nomem = true;
        return;
    }
    left -= bin->sketch.zeros;
    for (uint32_t i = 0; i < n && !r->bad; i++) {
        const uint64_t count = get_varint(r);
        demand(r, count <= left && (count > 0 || (i > 0 && i + 1 < n)));
        left -= r->bad ? 0 : count;
        bin->sketch.cells[i] = count;
    }
    bin->sketch.n = n;
    demand(r, left == 0);
}

static void get_bin(struct reader *r, struct fit_bin *bin)
{
    bin->key = get_index(r, FIT_BIN_MAX + 1);
    bin->sketch.first = get_index(r, FIT_SKETCH_INDEX_MAX);
    const uint32_t n = (uint32_t)get_bytes(r, 4);
    bin->sketch.zeros = get_bytes(r, 8);
    get_sums(r, &bin->sums);
    demand(r, bin->key <= FIT_BIN_MAX && bin->sums.n >= 1);
    demand(r, n <= FIT_SKETCH_CELLS);
    demand(r, bin->sketch.first + (int64_t)n <= FIT_SKETCH_INDEX_MAX + 1);
    get_cells(r, n, bin);
}

/* Ascending, within reach of the highest, and with it all samples. */
static void get_bins(struct reader *r, uint32_t n, struct fit_state *state)
{
    double samples = (double)state->n_unbinned;
    state->bins = n > 0 ? calloc(n, sizeof *state->bins) : NULL;
    r->nomem = n > 0 && state->bins == NULL;
    for (uint32_t i = 0; i < n && !r->bad && !r->nomem; i++) {
        struct fit_bin *bin = &state->bins[i];
        state->n_bins = state->room_bins = i + 1; /* what there is to free */
        get_bin(r, bin);
        demand(r, i == 0 || bin->key > state->bins[i - 1].key);
        samples += bin->sums.n;
    }
    if (r->bad || r->nomem) {
        return;
    }
    if (n > 0) {
        demand(
            r, state->bins[n - 1].key - state->bins[0].key < (int32_t)FIT_BINS);
    }
    demand(r,
        !(samples < state->total.plain.n) && !(samples > state->total.plain.n));
}

static void get_hull(struct reader *r, uint32_t n, struct fit_state *state)
{
    state->hull = n > 0 ? calloc(n, sizeof *state->hull) : NULL;
    r->nomem = r->nomem || (n > 0 && state->hull == NULL);
    for (uint32_t i = 0; i < n && !r->bad && !r->nomem; i++) {
        struct xy *point = &state->hull[i];
        point->x = get_double(r);
        point->y = get_double(r);
        demand(r, i == 0 || point->x > state->hull[i - 1].x);
        state->n_hull = state->room_hull = i + 1;
    }
}

bool fit_state_peek(const uint8_t *bytes, size_t n, struct fit_block *ret)
{
    struct reader r = { .p = bytes, .n = n };
    struct fit_block block = { 0 };
    demand(&r, get_bytes(&r, 4) == MAGIC);
    (void)get_bytes(&r, 8); /* how many bins and points follow */
    get_block(&r, &block);
    if (!r.bad) {
        *ret = block;
    }
    return !r.bad;
}

enum fit_decode fit_state_decode(
    const uint8_t *bytes, size_t n, struct fit_state *ret)
{
    struct reader r = { .p = bytes, .n = n };
    struct fit_state state = { 0 };
    demand(&r, get_bytes(&r, 4) == MAGIC);
    const uint32_t n_bins = (uint32_t)get_bytes(&r, 4);
    const uint32_t n_hull = (uint32_t)get_bytes(&r, 4);
    demand(&r, n_bins <= FIT_BINS && n_hull <= FIT_HULL_MAX);
    get_block(&r, &state.total);
    state.n_unbinned = get_bytes(&r, 8);
    if (!r.bad) {
        get_bins(&r, n_bins, &state);
    }
    if (!r.bad && !r.nomem) {
        get_hull(&r, n_hull, &state);
    }
    if (r.bad || r.nomem || r.n > 0) {
        fit_state_done(&state);
        return r.nomem && !r.bad ? FIT_DECODE_NOMEM : FIT_DECODE_BAD;
    }
    *ret = state;
    return FIT_DECODE_OK;
}
