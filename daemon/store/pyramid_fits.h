/*
 * pyramid_fits: the section PYRAMID_FITS of a body of PROBE records: of each
 * group, norm, estimator class and regressor the state of the pairs that are
 * used, from which lines are fitted without the records (store/fit_read.h), and
 * how many are left out for which reason. What of a pair of records is a pair,
 * and which are used, is pure/pairs.h's.
 *
 *   struct pyramid_fits_head, struct pyramid_fit_entry x entries by ascending
 *   key, then their states (fit_state_encode), in this order
 *
 * - A group is listed whole, with all its norms, classes and regressors, or not
 *   at all. PYRAMID_FITS_PARTIAL: there may be records of groups that are not
 *   listed. Of a group that is not listed in a section that is not partial
 *   there are no pairs.
 * - In a chunk the states of a group take at most a quarter of the bytes of the
 *   values of its records, in a row at most a half; of another group the
 *   records say. A section lists at most PYRAMID_FITS_KEYS_MAX groups, norms
 *   and classes, in the order in which they appear, and takes at most
 *   PYRAMID_FITS_BYTES_MAX bytes; groups beyond are not listed.
 * - Windows of microbatch probes (pair_window.h) are of PAIR_WINDOW_DEFAULT and
 *   begin with the chunk: what is left in one at its end is counted as
 *   PAIR_WINDOW_OPEN, so there are a few pairs less than a scan has.
 * - Merging is adding: a row's state is that of all records below it, to the
 *   rounding of the sums (fit_sums.h).
 *
 * Pure; any thread; views borrow their bytes.
 */
#ifndef TRAJD_PYRAMID_FITS_H
#define TRAJD_PYRAMID_FITS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "pure/fit_part.h"
#include "pure/pair_window.h"
#include "store/pyramid_body.h"
#include "store/records.h"

#define PYRAMID_FITS_KEYS_MAX 256u /* groups x norms x classes */
#define PYRAMID_FITS_BYTES_MAX (1u << 20)
#define PYRAMID_FITS_NORM_MAX 255u /* stands for any above, too */
#define PYRAMID_FITS_USES 16u      /* room for PAIR_USES */

struct pyramid_fits_head {
    uint8_t flags; /* PYRAMID_FITS_PARTIAL */
    uint8_t reserved[3];
    uint32_t entries;
};
static_assert(sizeof(struct pyramid_fits_head) == 8, "head is 8 bytes");
#define PYRAMID_FITS_PARTIAL 1u

struct pyramid_fit_entry {
    uint64_t group;
    uint8_t norm;
    uint8_t estimator;
    uint8_t regressor;
    uint8_t reserved; /* 0 */
    uint32_t length;  /* of the state; 0: no pair is used */
    uint64_t values;  /* bytes of the values of the records */
    uint64_t uses[PYRAMID_FITS_USES];
    uint64_t first_step, last_step;
    uint64_t ceilings, near_ceiling;
    uint64_t flags;
};
static_assert(sizeof(struct pyramid_fit_entry) == 192, "entry is 192 bytes");
static_assert(PAIR_USES <= PYRAMID_FITS_USES, "each use has its place");

/* ---- reading ------------------------------------------------------------- */

/* A section taken apart. Zero: there is none; nothing is known. */
struct pyramid_fits_view {
    bool is_there;
    bool is_complete;
    size_t n;
    struct str entries, states;
};

/* Any bytes; false: damaged, and the view is zero. */
bool pyramid_fits_open(struct str section, struct pyramid_fits_view *ret);

/* All entries in order. *pos starts as zero; false: no more. */
struct pyramid_fits_position {
    size_t entry;
    size_t state; /* where it begins */
};
bool pyramid_fits_next(const struct pyramid_fits_view *view,
    struct pyramid_fits_position *pos, struct pyramid_fit_entry *ret_entry,
    struct str *ret_state);

/* Whether all that there is of the group is listed. */
bool pyramid_fits_know(const struct pyramid_fits_view *view, uint64_t group);

struct fit_facts pyramid_fit_facts(const struct pyramid_fit_entry *entry);

/* ---- making -------------------------------------------------------------- */

/* Of a group, norm and class. */
struct pyramid_fit_key {
    uint64_t group;
    uint8_t norm;
    uint8_t estimator;
    uint64_t values;
    struct pair_window window;
    struct fit_part parts[PAIR_REGRESSORS];
};

/* Working memory of one thread at a time. Zero is ready. */
struct pyramid_fits {
    bool is_partial;
    struct pyramid_fit_key *keys; /* ascending */
    size_t n, capacity;
    struct pyramid_fit_group {
        uint64_t group;
        uint32_t in_partial; /* views that are not complete and list it */
        uint64_t values;     /* of its records, at most */
        bool is_left_out;
    } groups[PYRAMID_FITS_KEYS_MAX]; /* in the order in which they appear */
    size_t n_groups;
    struct buf states;
    struct buf body;
};
void pyramid_fits_done(struct pyramid_fits *fits);

enum pyramid_fits_wanted {
    PYRAMID_FITS_OF_CHUNK, /* groups whose states pay in a chunk */
    PYRAMID_FITS_OF_ROW,   /* in a row */
    PYRAMID_FITS_ALL,      /* each, as far as there is room */
};

/* The body with the section of these records, all fields kept, behind the
 * sections that it has. *ret_body is borrowed until the next use of fits, and
 * is the given body where the section would be empty and partial. */
CHECK_RESULT enum err_code pyramid_fits_of_records(struct pyramid_fits *fits,
    const struct records *records, enum pyramid_fits_wanted wanted,
    struct str body, struct str *ret_body, struct err *e);

/* The same with the section of n bodies that follow each other; the body as it
 * is if one of them has none, or a damaged one. */
CHECK_RESULT enum err_code pyramid_fits_of_bodies(struct pyramid_fits *fits,
    const struct str *bodies, size_t n, struct str body, struct str *ret_body,
    struct err *e);

#endif
