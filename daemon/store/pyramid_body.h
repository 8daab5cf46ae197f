/*
 * pyramid_body: what chunk.summary and pyramid.body hold: a directory of typed
 * sections, and in one of them the nodes of every metric. A node is a bucket
 * (pure/buckets.h) of any width: what a chart must not lose of the values whose
 * steps lie from step_first to step_last. Nodes of a series ascend and do not
 * overlap. Pure; any thread.
 *
 *   struct pyramid_head, struct pyramid_section x sections, their bytes
 *
 * A section of a type that is not known is passed over, so that a later one
 * needs no new version: bodies of PROBE records may have PYRAMID_FITS
 * (pyramid_fits.h), which older versions did not write and do not see. An empty
 * body is one of which nothing was kept; a body of another version, or with a
 * wrong checksum, is read as an empty one.
 *
 * The section PYRAMID_SERIES has a series per metric and member: of METRIC
 * records a member is a name, of GROUP records a layer's number, of the other
 * kinds there is one. Where and how many the values are is the same for most
 * metrics of a record: that is a shape, and metrics share it.
 *
 *   struct pyramid_series_head
 *   struct pyramid_shape_entry x shapes, struct pyramid_metric_entry x metrics
 *   the metrics' names, back to back
 *   members: GROUP: integers, their numbers, ascending; METRIC: integers, the
 *     lengths of the names, then the names, ascending by bytes; else nothing
 *   the shapes: integers, nodes of each member; u64 base; then of each node:
 *     integers step_first less (base, of a member's first node, else the
 *       step_last before, plus 1)
 *     integers step_last - step_first
 *     integers zigzag(step_last - step_first + 1 - count)
 *   the metrics: of each node of its shape:
 *     integers nonfinite; argmin - step_first; argmax - step_first
 *     doubles min; max; last, where a codec may say: as min
 *
 * Integers: a byte, 0: all are 0; 1..8: each takes so many bytes; 16 + 1..8:
 * one for all. Doubles: enum pyramid_doubles. Little-endian; sums are modulo
 * 2^64.
 */
#ifndef TRAJD_PYRAMID_BODY_H
#define TRAJD_PYRAMID_BODY_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "pure/buckets.h"
#include "wire.h"

#define PYRAMID_MAGIC 0x31525950u /* the bytes 'P' 'Y' 'R' '1' */
/* Of the format, and of what derived.c makes of a record. */
#define PYRAMID_VERSION 1u

struct pyramid_head {
    uint32_t magic;
    uint32_t crc32c; /* of all behind it */
    uint16_t version;
    uint8_t kind; /* enum wire_kind */
    uint8_t sections;
};
static_assert(sizeof(struct pyramid_head) == 12, "pyramid_head is 12 bytes");
#define PYRAMID_CRC_FROM 8u

enum pyramid_section_type { PYRAMID_SERIES = 1, PYRAMID_FITS = 2 };

struct pyramid_section {
    uint16_t type;
    uint16_t reserved; /* 0 */
    uint32_t length;
};
static_assert(sizeof(struct pyramid_section) == 8, "section is 8 bytes");

struct pyramid_series_head {
    uint8_t flags; /* PYRAMID_PARTIAL */
    uint8_t metrics;
    uint8_t shapes;
    uint8_t reserved; /* 0 */
    uint32_t members;
    uint32_t members_length; /* bytes */
};
static_assert(sizeof(struct pyramid_series_head) == 12, "head is 12 bytes");

/* There may be values of members that are not listed. */
#define PYRAMID_PARTIAL 1u

struct pyramid_shape_entry {
    uint32_t nodes;
    uint32_t length;
};
static_assert(sizeof(struct pyramid_shape_entry) == 8, "shape is 8 bytes");

struct pyramid_metric_entry {
    uint8_t shape;
    uint8_t name_length;
    uint16_t reserved; /* 0 */
    uint32_t length;
};
static_assert(sizeof(struct pyramid_metric_entry) == 8, "metric is 8 bytes");

enum pyramid_doubles {
    PYRAMID_F64 = 0,
    PYRAMID_F32 = 1,
    PYRAMID_ONE_F64 = 2, /* all are the same bits */
    PYRAMID_AS_MIN = 3,
};

/* Members of a body, and bytes of their names; others make it partial. */
#define PYRAMID_MEMBERS_MAX 4096u
#define PYRAMID_NAMES_MAX 65536u

/* One of GROUP: number. Of METRIC: name. Else 0 and empty. */
struct pyramid_member {
    uint64_t number;
    struct str name;
};
/* As members are ordered: negative, 0, positive. */
int pyramid_member_compare(
    const struct pyramid_member *a, const struct pyramid_member *b);

/* ---- reading ------------------------------------------------------------- */

/* A body taken apart; borrows its bytes. Zero is an empty one. */
struct pyramid_view {
    bool is_complete; /* what is not in it, the records do not have */
    enum wire_kind kind;
    uint32_t members;
    size_t metrics;
    size_t shapes;
    struct str entries;      /* of shapes, then of metrics */
    struct str names;        /* of metrics */
    struct str member_bytes; /* numbers, or lengths and names */
    struct str blocks;       /* shapes, then metrics */
    struct str series;       /* the whole section */
    struct str fits;         /* that section as it is; empty: none */
};

/* Any bytes are safe; false: of another version or kind, damaged, or empty,
 * and the view is an empty one. */
bool pyramid_view_open(
    struct str body, enum wire_kind kind, struct pyramid_view *ret_view);

/* All members in order. *pos starts as zero; false: no more, or damaged. */
struct pyramid_position {
    uint32_t member;
    size_t name; /* where its name begins */
};
bool pyramid_view_member(const struct pyramid_view *view,
    struct pyramid_position *pos, struct pyramid_member *ret_member);

struct pyramid_integers {
    const uint8_t *p;
    uint8_t width; /* 0: all are 0 */
    bool is_one;
};

struct pyramid_values {
    const uint8_t *p;
    uint8_t codec; /* enum pyramid_doubles */
};

/* The nodes of one metric, member after member. */
struct pyramid_cursor {
    uint32_t members;
    uint32_t member;
    size_t nodes;
    size_t node;
    uint64_t base;
    struct pyramid_integers counts, gaps, spans, missing;
    struct pyramid_integers nonfinite, argmin, argmax;
    struct pyramid_values min, max, last;
};

#define PYRAMID_NODES_MAX 12u /* of one series in one body */

enum pyramid_found {
    PYRAMID_UNKNOWN, /* not kept, or damaged: ask the records */
    PYRAMID_NONE,    /* the records have no such value */
    PYRAMID_NODES,
};

/* metric: as struct metric.kept. PYRAMID_NONE: of the members that are listed
 * nobody has it. */
enum pyramid_found pyramid_cursor_open(const struct pyramid_view *view,
    struct str metric, struct pyramid_cursor *ret_cursor);
/* The nodes of the next member; may be none. false: damaged, or at the end. */
bool pyramid_cursor_next(struct pyramid_cursor *cursor,
    struct bucket ret_nodes[static PYRAMID_NODES_MAX], size_t *ret_n);

/* The nodes of a metric of one member. */
enum pyramid_found pyramid_view_find(const struct pyramid_view *view,
    struct str metric, const struct pyramid_member *member,
    struct bucket ret_nodes[static PYRAMID_NODES_MAX], size_t *ret_n);

/* ---- writing ------------------------------------------------------------- */

/* The series of one metric: of member i counts[i] nodes, one member after the
 * other. Metrics without any are left out. */
struct pyramid_series {
    struct str metric;
    const uint32_t *counts;
    const struct bucket *nodes;
    size_t n; /* nodes of all members */
};

/* Appends a body; look at out->failed. */
void pyramid_body_write(struct buf *out, enum wire_kind kind, bool partial,
    const struct pyramid_member *members, size_t n_members,
    const struct pyramid_series *series, size_t n_series);

/* A body with one more section, empty out: begin, append its bytes, end. */
void pyramid_body_begin_section(struct buf *out, struct str body);
void pyramid_body_end_section(
    struct buf *out, enum pyramid_section_type type, struct str body);

#endif
