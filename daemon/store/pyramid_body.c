/*
 * pyramid_body.c: writes bodies; pyramid_view.c reads them. Pure. Nothing is
 * compressed: a reader takes a few numbers out of each of thousands of bodies,
 * and to inflate one would cost more than to read it.
 */
#include "store/pyramid_body.h"

#include <string.h>

#include "wire/crc32c.h"

#define SERIES_MAX 255u /* a byte counts metrics and shapes */

/* ---- columns --------------------------------------------------------------
 */

static unsigned width_of(uint64_t value)
{
    unsigned width = 0;
    for (; value != 0; value >>= 8) {
        width++;
    }
    return width;
}

/* A member of each node, or of anything: value i of n. */
typedef uint64_t (*integer_fn)(const void *of, size_t i);

static void write_integers(
    struct buf *out, integer_fn at, const void *of, size_t n)
{
    uint64_t all = 0;
    bool is_one = true;
    for (size_t i = 0; i < n; i++) {
        all |= at(of, i);
        is_one = is_one && at(of, i) == at(of, 0);
    }
    unsigned width = width_of(all);
    is_one = is_one && width > 0;
    buf_char(out, (char)(width + (is_one ? 16 : 0)));
    for (size_t i = 0; width > 0 && i < (is_one ? 1 : n); i++) {
        uint64_t value = at(of, i);
        buf_append(out, &value, width);
    }
}

static uint64_t bits_of(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

typedef double (*double_fn)(const struct bucket *node);

static double min_of(const struct bucket *node)
{
    return node->min;
}

static double max_of(const struct bucket *node)
{
    return node->max;
}

static double last_of(const struct bucket *node)
{
    return node->last;
}

/* By bits, as column.c: a NaN whose payload a float cannot hold is none. */
static bool is_float(double value)
{
    return bits_of((double)(float)value) == bits_of(value);
}

static enum pyramid_doubles pick_codec(
    double_fn of, const struct bucket *nodes, size_t n)
{
    bool is_one = true;
    bool narrow = true;
    bool as_min = of != min_of;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = bits_of(of(&nodes[i]));
        is_one = is_one && bits == bits_of(of(&nodes[0]));
        as_min = as_min && bits == bits_of(nodes[i].min);
        narrow = narrow && is_float(of(&nodes[i]));
    }
    if (as_min) {
        return PYRAMID_AS_MIN;
    }
    return is_one && n > 2 ? PYRAMID_ONE_F64
           : narrow        ? PYRAMID_F32
                           : PYRAMID_F64;
}

static void write_doubles(
    struct buf *out, double_fn of, const struct bucket *nodes, size_t n)
{
    enum pyramid_doubles codec = pick_codec(of, nodes, n);
    buf_char(out, (char)codec);
    size_t written = codec == PYRAMID_AS_MIN    ? 0
                     : codec == PYRAMID_ONE_F64 ? 1
                                                : n;
    for (size_t i = 0; i < written; i++) {
        double wide = of(&nodes[i]);
        float narrow = (float)wide;
        if (codec == PYRAMID_F32) {
            buf_append(out, &narrow, sizeof narrow);
        } else {
            buf_append(out, &wide, sizeof wide);
        }
    }
}

/* ---- shapes ---------------------------------------------------------------
 */

static uint64_t count_at(const void *of, size_t i)
{
    const uint32_t *counts = of;
    return counts[i];
}

static uint64_t span_at(const void *of, size_t i)
{
    const struct bucket *b = (const struct bucket *)of + i;
    return b->step_last - b->step_first;
}

static uint64_t missing_at(const void *of, size_t i)
{
    const struct bucket *b = (const struct bucket *)of + i;
    uint64_t missing = span_at(of, i) + 1 - b->count;
    return missing << 1 ^ (0 - (missing >> 63)); /* zigzag */
}

static uint64_t nonfinite_at(const void *of, size_t i)
{
    return ((const struct bucket *)of)[i].nonfinite;
}

static uint64_t argmin_at(const void *of, size_t i)
{
    const struct bucket *b = (const struct bucket *)of + i;
    return b->argmin - b->step_first;
}

static uint64_t argmax_at(const void *of, size_t i)
{
    const struct bucket *b = (const struct bucket *)of + i;
    return b->argmax - b->step_first;
}

static uint64_t base_of(const struct pyramid_series *s)
{
    uint64_t base = UINT64_MAX;
    for (size_t i = 0; i < s->n; i++) {
        base = s->nodes[i].step_first < base ? s->nodes[i].step_first : base;
    }
    return base;
}

/* Steps between a node and where it might begin at the earliest. The first of
 * a member is one whose predecessor does not lie before it; that of another
 * member may, so the counts decide. */
struct gaps {
    const struct bucket *nodes;
    const uint32_t *counts;
    uint64_t base;
    size_t member;
    size_t end; /* of the member's nodes */
};

static uint64_t gap_of(struct gaps *gaps, size_t i)
{
    bool is_first = i == 0;
    while (i == gaps->end) {
        is_first = true;
        gaps->end += gaps->counts[gaps->member++];
    }
    uint64_t from = is_first ? gaps->base : gaps->nodes[i - 1].step_last + 1;
    return gaps->nodes[i].step_first - from;
}

static void write_gaps(
    struct buf *out, const struct pyramid_series *s, uint64_t base)
{
    uint64_t all = 0;
    struct gaps gaps = { .nodes = s->nodes, .counts = s->counts, .base = base };
    for (size_t i = 0; i < s->n; i++) {
        all |= gap_of(&gaps, i);
    }
    unsigned width = width_of(all);
    buf_char(out, (char)width);
    gaps =
        (struct gaps){ .nodes = s->nodes, .counts = s->counts, .base = base };
    for (size_t i = 0; width > 0 && i < s->n; i++) {
        uint64_t gap = gap_of(&gaps, i);
        buf_append(out, &gap, width);
    }
}

static void write_shape(
    struct buf *out, const struct pyramid_series *s, size_t members)
{
    uint64_t base = base_of(s);
    write_integers(out, count_at, s->counts, members);
    buf_append(out, &base, sizeof base);
    write_gaps(out, s, base);
    write_integers(out, span_at, s->nodes, s->n);
    write_integers(out, missing_at, s->nodes, s->n);
}

static bool is_same_shape(const struct pyramid_series *a,
    const struct pyramid_series *b, size_t members)
{
    if (a->n != b->n ||
        memcmp(a->counts, b->counts, members * sizeof a->counts[0]) != 0) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        const struct bucket *x = &a->nodes[i];
        const struct bucket *y = &b->nodes[i];
        if (x->step_first != y->step_first || x->step_last != y->step_last ||
            x->count != y->count) {
            return false;
        }
    }
    return true;
}

/* ---- bodies ---------------------------------------------------------------
 */

static void write_block(struct buf *out, const struct pyramid_series *s)
{
    write_integers(out, nonfinite_at, s->nodes, s->n);
    write_integers(out, argmin_at, s->nodes, s->n);
    write_integers(out, argmax_at, s->nodes, s->n);
    write_doubles(out, min_of, s->nodes, s->n);
    write_doubles(out, max_of, s->nodes, s->n);
    write_doubles(out, last_of, s->nodes, s->n);
}

/* What goes into a body, and in which order. */
struct plan {
    const struct pyramid_series *metrics[SERIES_MAX];
    const struct pyramid_series *shapes[SERIES_MAX];
    uint8_t shape_of[SERIES_MAX]; /* of each metric */
    size_t n_metrics;
    size_t n_shapes;
};

static void add_metric(
    struct plan *plan, const struct pyramid_series *s, size_t members)
{
    size_t shape = 0;
    while (shape < plan->n_shapes &&
           !is_same_shape(plan->shapes[shape], s, members)) {
        shape++;
    }
    if (shape == plan->n_shapes) {
        plan->shapes[plan->n_shapes++] = s;
    }
    plan->shape_of[plan->n_metrics] = (uint8_t)shape;
    plan->metrics[plan->n_metrics++] = s;
}

static uint64_t number_at(const void *of, size_t i)
{
    return ((const struct pyramid_member *)of)[i].number;
}

static uint64_t name_length_at(const void *of, size_t i)
{
    return ((const struct pyramid_member *)of)[i].name.n;
}

static void write_members(struct buf *out, enum wire_kind kind,
    const struct pyramid_member *members, size_t n)
{
    if (kind == WIRE_GROUP) {
        write_integers(out, number_at, members, n);
    }
    if (kind == WIRE_METRIC) {
        write_integers(out, name_length_at, members, n);
        for (size_t i = 0; i < n; i++) {
            buf_append(out, members[i].name.p, members[i].name.n);
        }
    }
}

/* Room for n bytes, to be filled in later; where it begins. */
static size_t leave_room(struct buf *out, size_t n)
{
    static const char zeros[sizeof(struct pyramid_head)];
    size_t at = out->n;
    assert(n <= sizeof zeros);
    buf_append(out, zeros, n);
    return at;
}

static void fill_in(struct buf *out, size_t at, const void *bytes, size_t n)
{
    if (!out->failed) {
        memcpy(out->p + at, bytes, n);
    }
}

static void write_entries(struct buf *out, const struct plan *plan)
{
    for (size_t i = 0; i < plan->n_shapes; i++) {
        struct pyramid_shape_entry entry = { .nodes =
                                                 (uint32_t)plan->shapes[i]->n };
        buf_append(out, &entry, sizeof entry);
    }
    for (size_t i = 0; i < plan->n_metrics; i++) {
        struct pyramid_metric_entry entry = { .shape = plan->shape_of[i],
            .name_length = (uint8_t)plan->metrics[i]->metric.n };
        buf_append(out, &entry, sizeof entry);
    }
    for (size_t i = 0; i < plan->n_metrics; i++) {
        struct str name = plan->metrics[i]->metric;
        buf_append(out, name.p, name.n);
    }
}

/* The blocks, and in the entries, which begin at `entries`, their lengths. */
static void write_blocks(
    struct buf *out, const struct plan *plan, size_t entries, size_t members)
{
    for (size_t i = 0; i < plan->n_shapes + plan->n_metrics; i++) {
        size_t from = out->n;
        if (i < plan->n_shapes) {
            write_shape(out, plan->shapes[i], members);
        } else {
            write_block(out, plan->metrics[i - plan->n_shapes]);
        }
        uint32_t length = (uint32_t)(out->n - from);
        static_assert(offsetof(struct pyramid_shape_entry, length) == 4 &&
                          offsetof(struct pyramid_metric_entry, length) == 4,
            "both entries have their length at the same place");
        fill_in(out, entries + i * 8 + 4, &length, sizeof length);
    }
}

static void write_series(struct buf *out, enum wire_kind kind, bool partial,
    const struct pyramid_member *members, size_t n_members,
    const struct plan *plan)
{
    struct pyramid_series_head head = {
        .flags = partial ? PYRAMID_PARTIAL : 0,
        .metrics = (uint8_t)plan->n_metrics,
        .shapes = (uint8_t)plan->n_shapes,
        .members = (uint32_t)n_members,
    };
    size_t at = leave_room(out, sizeof head);
    size_t entries = out->n;
    write_entries(out, plan);
    size_t from = out->n;
    write_members(out, kind, members, n_members);
    head.members_length = (uint32_t)(out->n - from);
    fill_in(out, at, &head, sizeof head);
    write_blocks(out, plan, entries, n_members);
}

/* The body from `at` on is complete. */
static void put_checksum(struct buf *out, size_t at, struct pyramid_head head)
{
    if (!out->failed) {
        head.crc32c = crc32c(
            out->p + at + PYRAMID_CRC_FROM, out->n - at - PYRAMID_CRC_FROM);
        fill_in(out, at, &head, sizeof head);
    }
}

void pyramid_body_write(struct buf *out, enum wire_kind kind, bool partial,
    const struct pyramid_member *members, size_t n_members,
    const struct pyramid_series *series, size_t n_series)
{
    assert(n_members <= PYRAMID_MEMBERS_MAX && n_series <= SERIES_MAX);

    struct plan plan = { .n_metrics = 0 };
    for (size_t i = 0; i < n_series; i++) {
        if (series[i].n > 0) {
            add_metric(&plan, &series[i], n_members);
        }
    }
    struct pyramid_head head = { .magic = PYRAMID_MAGIC,
        .version = PYRAMID_VERSION,
        .kind = (uint8_t)kind,
        .sections = 1 };
    struct pyramid_section section = { .type = PYRAMID_SERIES };
    size_t at = leave_room(out, sizeof head);
    size_t section_at = leave_room(out, sizeof section);
    size_t from = out->n;
    write_series(out, kind, partial, members, n_members, &plan);
    section.length = (uint32_t)(out->n - from);
    fill_in(out, section_at, &section, sizeof section);
    fill_in(out, at, &head, sizeof head);
    put_checksum(out, at, head);
}

void pyramid_body_begin_section(struct buf *out, struct str body)
{
    static const struct pyramid_section section = { .type = 0 };
    struct pyramid_head head;
    assert(body.n >= sizeof head);
    memcpy(&head, body.p, sizeof head);
    const size_t directory = head.sections * sizeof section;
    const char *at = body.p + sizeof head;
    head.sections++;
    buf_append(out, &head, sizeof head);
    buf_append(out, at, directory);
    buf_append(out, &section, sizeof section);
    buf_append(out, at + directory, body.n - sizeof head - directory);
}

void pyramid_body_end_section(
    struct buf *out, enum pyramid_section_type type, struct str body)
{
    struct pyramid_section section = { .type = (uint16_t)type };
    struct pyramid_head head;
    if (out->failed) {
        return;
    }
    memcpy(&head, out->p, sizeof head);
    section.length = (uint32_t)(out->n - body.n - sizeof section);
    fill_in(out, sizeof head + (head.sections - 1u) * sizeof section, &section,
        sizeof section);
    put_checksum(out, 0, head);
}
