/*
 * btree: the rows of SQLite's tables, from the pages of a file that SQLite may
 * refuse: what hangs under a root as far as it can be followed, and then the
 * leaves that no root leads to any more. SQLite's file format is fixed and
 * documented (sqlite.org/fileformat2.html).
 *
 * Rows that are given may be wrong in any byte: nothing here has a checksum.
 */
#ifndef TRAJD_BTREE_H
#define TRAJD_BTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "care/pages.h"

#define BTREE_COLUMNS_MAX 40
/* Bytes of a row: a chunk at its largest, and some. */
#define BTREE_ROW_MAX (160u << 20)

enum btree_type {
    BTREE_NULL,
    BTREE_INTEGER, /* and a REAL that is a whole number */
    BTREE_TEXT,
    BTREE_BLOB,
    BTREE_REAL,
};

struct btree_value {
    enum btree_type type;
    int64_t integer;
    double real;
    struct str bytes;
};

/* Borrowed for the visit. */
struct btree_row {
    int64_t rowid;
    size_t n;
    struct btree_value values[BTREE_COLUMNS_MAX];
};

typedef enum err_code (*btree_visit_fn)(
    void *context, const struct btree_row *row, struct err *e);

struct btree {
    const struct pages *pages;
    uint8_t *seen; /* a bit a page: visited, or known to be something else */
    uint8_t *row;  /* the row being read */
    size_t row_capacity;
    uint8_t *page;   /* an overflow page */
    uint64_t broken; /* pages and cells that could not be followed */
};

CHECK_RESULT enum err_code btree_init(
    struct btree *btree, const struct pages *pages, struct err *e);
void btree_done(struct btree *btree);

/* The rows under a root. Each page is visited once, whoever points at it. */
CHECK_RESULT enum err_code btree_walk(struct btree *btree, uint32_t root,
    btree_visit_fn visit, void *context, struct err *e);

/* Marks the pages that hold nothing, as far as their list can be followed. */
CHECK_RESULT enum err_code btree_skip_free(struct btree *btree, struct err *e);

/* The rows of leaves that have not been visited. */
CHECK_RESULT enum err_code btree_rest(
    struct btree *btree, btree_visit_fn visit, void *context, struct err *e);

#endif
