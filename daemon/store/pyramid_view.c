/*
 * pyramid_view.c: bodies from a file are bytes from outside: every length and
 * count is checked before it is used, whatever the checksum says. Pure.
 */
#include "store/pyramid_body.h"

#include <math.h>
#include <string.h>

#include "wire/crc32c.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
    "numbers are read as they lie in the file");

/* ---- bytes ----------------------------------------------------------------
 */

/* The first n bytes of rest, taken off it. */
static bool take(struct str *rest, size_t n, struct str *ret)
{
    if (n > rest->n) {
        return false;
    }
    *ret = (struct str){ rest->p, n };
    *rest = (struct str){ rest->p + n, rest->n - n };
    return true;
}

static bool take_copy(struct str *rest, size_t n, void *to)
{
    struct str bytes;
    if (!take(rest, n, &bytes)) {
        return false;
    }
    memcpy(to, bytes.p, n);
    return true;
}

#define INTEGERS_ONE 16u

static bool take_integers(
    struct str *rest, size_t n, struct pyramid_integers *ret)
{
    uint8_t codec = 0;
    struct str bytes;
    if (!take_copy(rest, 1, &codec)) {
        return false;
    }
    bool is_one = (codec & INTEGERS_ONE) != 0;
    uint8_t width = codec & (INTEGERS_ONE - 1);
    if (codec > INTEGERS_ONE + 8 || width > 8 || codec == INTEGERS_ONE ||
        !take(rest, is_one ? width : n * width, &bytes)) {
        return false;
    }
    *ret = (struct pyramid_integers){
        .p = (const uint8_t *)bytes.p, .width = width, .is_one = is_one
    };
    return true;
}

static uint64_t integer_at(const struct pyramid_integers *integers, size_t i)
{
    uint64_t value = 0;
    if (integers->width > 0) {
        const uint8_t *p =
            integers->p + (integers->is_one ? 0 : i * integers->width);
        memcpy(&value, p, integers->width);
    }
    return value;
}

static bool take_values(struct str *rest, size_t n, struct pyramid_values *ret)
{
    struct str bytes = { 0 };
    if (!take_copy(rest, 1, &ret->codec)) {
        return false;
    }
    size_t length = 0;
    switch (ret->codec) {
    case PYRAMID_F64:
        length = n * 8;
        break;
    case PYRAMID_F32:
        length = n * 4;
        break;
    case PYRAMID_ONE_F64:
        length = 8;
        break;
    case PYRAMID_AS_MIN:
        break;
    default:
        return false;
    }
    bool taken = take(rest, length, &bytes);
    ret->p = (const uint8_t *)bytes.p;
    return taken;
}

static double value_at(
    const struct pyramid_values *values, size_t i, double min)
{
    double wide = min;
    float narrow = 0;
    switch (values->codec) {
    case PYRAMID_F64:
        memcpy(&wide, values->p + i * 8, 8);
        break;
    case PYRAMID_F32:
        memcpy(&narrow, values->p + i * 4, 4);
        wide = (double)narrow;
        break;
    case PYRAMID_ONE_F64:
        memcpy(&wide, values->p, 8);
        break;
    default:
        break;
    }
    return wide;
}

/* ---- the body -------------------------------------------------------------
 */

/* The sections that are known, from the directory and what follows it; there
 * must be series. */
static bool find_sections(
    struct str rest, unsigned sections, struct pyramid_view *view)
{
    struct str directory;
    if (!take(&rest, sections * sizeof(struct pyramid_section), &directory)) {
        return false;
    }
    bool found = false;
    for (unsigned i = 0; i < sections; i++) {
        struct pyramid_section section;
        struct str bytes;
        if (!take_copy(&directory, sizeof section, &section) ||
            !take(&rest, section.length, &bytes)) {
            return false;
        }
        if (section.type == PYRAMID_SERIES) {
            view->series = bytes;
            found = true;
        } else if (section.type == PYRAMID_FITS) {
            view->fits = bytes;
        }
    }
    return found && rest.n == 0;
}

static size_t names_length(struct str entries, size_t shapes, size_t metrics)
{
    size_t sum = 0;
    for (size_t i = 0; i < metrics; i++) {
        struct pyramid_metric_entry entry;
        memcpy(&entry,
            entries.p + shapes * sizeof(struct pyramid_shape_entry) +
                i * sizeof entry,
            sizeof entry);
        sum += entry.name_length;
    }
    return sum;
}

static bool open_series(struct str rest, struct pyramid_view *view)
{
    struct pyramid_series_head head;
    if (!take_copy(&rest, sizeof head, &head) ||
        head.members > PYRAMID_MEMBERS_MAX) {
        return false;
    }
    view->members = head.members;
    view->metrics = head.metrics;
    view->shapes = head.shapes;
    view->is_complete = (head.flags & PYRAMID_PARTIAL) == 0;
    size_t entries = view->shapes * sizeof(struct pyramid_shape_entry) +
                     view->metrics * sizeof(struct pyramid_metric_entry);
    if (!take(&rest, entries, &view->entries) ||
        !take(&rest, names_length(view->entries, view->shapes, view->metrics),
            &view->names) ||
        !take(&rest, head.members_length, &view->member_bytes)) {
        return false;
    }
    view->blocks = rest;
    return true;
}

bool pyramid_view_open(
    struct str body, enum wire_kind kind, struct pyramid_view *ret_view)
{
    struct pyramid_head head;
    struct str rest = body;
    struct pyramid_view view = { .kind = kind };
    *ret_view = (struct pyramid_view){ 0 };
    if (!take_copy(&rest, sizeof head, &head) || head.magic != PYRAMID_MAGIC ||
        head.version != PYRAMID_VERSION || head.kind != kind ||
        crc32c(body.p + PYRAMID_CRC_FROM, body.n - PYRAMID_CRC_FROM) !=
            head.crc32c ||
        !find_sections(rest, head.sections, &view) ||
        !open_series(view.series, &view)) {
        return false;
    }
    *ret_view = view;
    return true;
}

/* ---- members --------------------------------------------------------------
 */

int pyramid_member_compare(
    const struct pyramid_member *a, const struct pyramid_member *b)
{
    if (a->number != b->number) {
        return a->number < b->number ? -1 : 1;
    }
    size_t n = a->name.n < b->name.n ? a->name.n : b->name.n;
    int order = n == 0 ? 0 : memcmp(a->name.p, b->name.p, n);
    return order != 0 ? order
                      : (a->name.n > b->name.n) - (a->name.n < b->name.n);
}

bool pyramid_view_member(const struct pyramid_view *view,
    struct pyramid_position *pos, struct pyramid_member *ret_member)
{
    struct str rest = view->member_bytes;
    struct pyramid_integers integers = { 0 };
    bool has_integers = view->kind == WIRE_GROUP || view->kind == WIRE_METRIC;
    if (pos->member >= view->members ||
        (has_integers && !take_integers(&rest, view->members, &integers))) {
        return false;
    }
    uint64_t integer = integer_at(&integers, pos->member);
    *ret_member = (struct pyramid_member){ 0 };
    if (view->kind == WIRE_GROUP) {
        ret_member->number = integer;
    } else if (view->kind == WIRE_METRIC) {
        if (pos->name > rest.n || integer > rest.n - pos->name) {
            return false;
        }
        ret_member->name = (struct str){ rest.p + pos->name, integer };
        pos->name += integer;
    }
    pos->member++;
    return true;
}

/* ---- nodes ----------------------------------------------------------------
 */

static struct pyramid_shape_entry shape_entry(
    const struct pyramid_view *view, size_t i)
{
    struct pyramid_shape_entry entry;
    memcpy(&entry, view->entries.p + i * sizeof entry, sizeof entry);
    return entry;
}

static struct pyramid_metric_entry metric_entry(
    const struct pyramid_view *view, size_t i)
{
    struct pyramid_metric_entry entry;
    size_t at = view->shapes * sizeof(struct pyramid_shape_entry);
    memcpy(&entry, view->entries.p + at + i * sizeof entry, sizeof entry);
    return entry;
}

/* The bytes of the metric's block, and which shape is its. */
static enum pyramid_found find_metric(const struct pyramid_view *view,
    struct str metric, struct str *ret_block, size_t *ret_shape)
{
    struct str rest = view->blocks;
    struct str names = view->names;
    struct str name;
    for (size_t i = 0; i < view->shapes; i++) {
        if (!take(&rest, shape_entry(view, i).length, &name)) {
            return PYRAMID_UNKNOWN;
        }
    }
    for (size_t i = 0; i < view->metrics; i++) {
        struct pyramid_metric_entry entry = metric_entry(view, i);
        if (!take(&names, entry.name_length, &name) ||
            !take(&rest, entry.length, ret_block)) {
            return PYRAMID_UNKNOWN;
        }
        if (str_equal(name, metric)) {
            *ret_shape = entry.shape;
            return entry.shape < view->shapes ? PYRAMID_NODES : PYRAMID_UNKNOWN;
        }
    }
    return PYRAMID_NONE;
}

static bool find_shape(
    const struct pyramid_view *view, size_t shape, struct str *ret_block)
{
    struct str rest = view->blocks;
    for (size_t i = 0; i <= shape; i++) {
        if (!take(&rest, shape_entry(view, i).length, ret_block)) {
            return false;
        }
    }
    return true;
}

static bool open_blocks(
    struct str shape, struct str block, struct pyramid_cursor *c)
{
    return c->nodes <= (size_t)c->members * PYRAMID_NODES_MAX &&
           take_integers(&shape, c->members, &c->counts) &&
           take_copy(&shape, sizeof c->base, &c->base) &&
           take_integers(&shape, c->nodes, &c->gaps) &&
           take_integers(&shape, c->nodes, &c->spans) &&
           take_integers(&shape, c->nodes, &c->missing) &&
           take_integers(&block, c->nodes, &c->nonfinite) &&
           take_integers(&block, c->nodes, &c->argmin) &&
           take_integers(&block, c->nodes, &c->argmax) &&
           take_values(&block, c->nodes, &c->min) &&
           take_values(&block, c->nodes, &c->max) &&
           take_values(&block, c->nodes, &c->last);
}

enum pyramid_found pyramid_cursor_open(const struct pyramid_view *view,
    struct str metric, struct pyramid_cursor *ret_cursor)
{
    struct str block;
    struct str shape;
    size_t i = 0;
    enum pyramid_found found = find_metric(view, metric, &block, &i);
    if (found != PYRAMID_NODES) {
        return found;
    }
    struct pyramid_cursor c = { .members = view->members,
        .nodes = shape_entry(view, i).nodes };
    if (!find_shape(view, i, &shape) || !open_blocks(shape, block, &c)) {
        return PYRAMID_UNKNOWN;
    }
    *ret_cursor = c;
    return PYRAMID_NODES;
}

/* before: the first step that the node may begin at. */
static bool read_node(const struct pyramid_cursor *c, size_t i, uint64_t before,
    struct bucket *ret)
{
    uint64_t missing = integer_at(&c->missing, i);
    uint64_t span = integer_at(&c->spans, i);
    struct bucket b = { .step_first = before + integer_at(&c->gaps, i) };
    b.step_last = b.step_first + span;
    /* Zigzag: an even number is positive, an odd one negative. */
    b.count = span + 1 - (missing >> 1 ^ (0 - (missing & 1)));
    b.nonfinite = integer_at(&c->nonfinite, i);
    b.argmin = b.step_first + integer_at(&c->argmin, i);
    b.argmax = b.step_first + integer_at(&c->argmax, i);
    b.min = value_at(&c->min, i, 0);
    b.max = value_at(&c->max, i, b.min);
    b.last = value_at(&c->last, i, b.min);
    if (b.count == b.nonfinite) {
        b.min = (double)NAN;
        b.max = (double)NAN;
    } else if (!isfinite(b.min) || !isfinite(b.max) || b.min > b.max) {
        return false;
    }
    *ret = b;
    return b.step_first >= before && b.step_last >= b.step_first &&
           b.count > 0 && b.nonfinite <= b.count && b.argmin >= b.step_first &&
           b.argmin <= b.step_last && b.argmax >= b.step_first &&
           b.argmax <= b.step_last;
}

bool pyramid_cursor_next(struct pyramid_cursor *cursor,
    struct bucket ret_nodes[static PYRAMID_NODES_MAX], size_t *ret_n)
{
    if (cursor->member == cursor->members) {
        return false;
    }
    uint64_t n = integer_at(&cursor->counts, cursor->member++);
    if (n > PYRAMID_NODES_MAX || n > cursor->nodes - cursor->node) {
        return false;
    }
    uint64_t before = cursor->base;
    for (size_t i = 0; i < n; i++) {
        if (!read_node(cursor, cursor->node++, before, &ret_nodes[i]) ||
            (i > 0 && before == 0)) { /* the one before ended at 2^64 - 1 */
            return false;
        }
        before = ret_nodes[i].step_last + 1;
    }
    *ret_n = n;
    return true;
}

enum pyramid_found pyramid_view_find(const struct pyramid_view *view,
    struct str metric, const struct pyramid_member *member,
    struct bucket ret_nodes[static PYRAMID_NODES_MAX], size_t *ret_n)
{
    struct pyramid_position pos = { 0 };
    struct pyramid_member listed;
    int order = -1;
    while (order < 0 && pyramid_view_member(view, &pos, &listed)) {
        order = pyramid_member_compare(&listed, member);
    }
    if (order != 0) {
        bool all_seen = order > 0 || pos.member == view->members;
        return view->is_complete && all_seen ? PYRAMID_NONE : PYRAMID_UNKNOWN;
    }
    struct pyramid_cursor cursor;
    enum pyramid_found found = pyramid_cursor_open(view, metric, &cursor);
    for (uint32_t i = 0; found == PYRAMID_NODES && i < pos.member; i++) {
        if (!pyramid_cursor_next(&cursor, ret_nodes, ret_n)) {
            return PYRAMID_UNKNOWN;
        }
    }
    return found == PYRAMID_NODES && *ret_n == 0 ? PYRAMID_NONE : found;
}
