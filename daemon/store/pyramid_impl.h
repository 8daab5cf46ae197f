/* pyramid_impl: what growing the pyramid (pyramid.c) and looking after it
 * (pyramid_care.c) share. */
#ifndef TRAJD_PYRAMID_IMPL_H
#define TRAJD_PYRAMID_IMPL_H

#include <sqlite3.h>

#include "store/pyramid.h"
#include "store/pyramid_fits.h"
#include "store/pyramid_nodes.h"
#include "store/stream_read.h"

#define CHILD_COLUMNS                                                          \
    "SELECT id, first_seq, last_seq, least_step, most_step, records, "
#define CHILDREN_OF "WHERE stream = ?1 AND kind = ?2 AND last_seq > ?3 "

/* X(id, SQL): prepared once at open. ?4 is a level. */
#define PYRAMID_STATEMENTS(X)                                                  \
    X(HELLO, "SELECT hello FROM stream WHERE id = ?1;")                        \
    X(NEWEST, "SELECT max(last_seq) FROM pyramid "                             \
              "WHERE stream = ?1 AND kind = ?2 AND level = ?4;")               \
    X(COUNT_CHUNKS,                                                            \
        "SELECT count(*) FROM (SELECT 1 FROM chunk " CHILDREN_OF "LIMIT 16);") \
    X(COUNT_ROWS, "SELECT count(*) FROM (SELECT 1 FROM pyramid " CHILDREN_OF   \
                  "AND level = ?4 LIMIT 16);")                                 \
    X(CHUNKS, CHILD_COLUMNS "summary FROM chunk " CHILDREN_OF                  \
                            "ORDER BY last_seq LIMIT 16;")                     \
    X(ROWS, CHILD_COLUMNS "body FROM pyramid " CHILDREN_OF                     \
                          "AND level = ?4 ORDER BY last_seq LIMIT 16;")        \
    X(ADD, "INSERT INTO pyramid (stream, kind, level, first_seq, last_seq, "   \
           "least_step, most_step, records, body) "                            \
           "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9);")                     \
    X(ALL_CHUNKS, "SELECT id, kind FROM chunk WHERE stream = ?1;")             \
    X(ALL_ROWS, "SELECT kind, level, first_seq, last_seq, least_step, "        \
                "most_step, records, body FROM pyramid WHERE stream = ?1 "     \
                "ORDER BY kind, level, last_seq;")                             \
    X(CHUNK, "SELECT stream, kind, summary FROM chunk WHERE id = ?1;")         \
    X(CLEAR, "DELETE FROM pyramid WHERE stream = ?1;")                         \
    X(SET_SUMMARY, "UPDATE chunk SET summary = ?2 WHERE id = ?1;")

#define PYRAMID_STATEMENT_ENUM(id, sql) STMT_##id,
enum pyramid_statement {
    PYRAMID_STATEMENTS(PYRAMID_STATEMENT_ENUM) STMT_COUNT
};
struct pyramid {
    sqlite3 *db;
    sqlite3_stmt *stmts[STMT_COUNT];
    struct stream_read read;
    struct pyramid_nodes nodes;
    struct pyramid_fits fits;
    struct buf bodies; /* of the rows below one that is being made */
};

/* Rows of one level of one kind of one stream. */
struct pyramid_rows {
    int64_t stream;
    enum wire_kind kind;
    unsigned level;
};

/* A row, and on the way to it what lies below. */
struct pyramid_made {
    size_t n; /* children */
    bool is_empty;
    uint64_t first_seq, last_seq;
    bool has_steps;
    uint64_t least_step, most_step;
    uint64_t records;
    size_t ends[PYRAMID_FAN]; /* of each body in pyramid->bodies */
    struct str body;          /* borrowed from pyramid->nodes, or ->fits */
};

/* The row above the first PYRAMID_FAN of `below` after a seq, or as many as
 * there are. */
CHECK_RESULT enum err_code pyramid_make_row(struct pyramid *pyramid,
    const struct pyramid_rows *below, uint64_t after_seq,
    struct pyramid_made *ret_made, struct err *e);

/* Whether what is not in the body is not in the records. */
bool pyramid_says_all(const struct pyramid_view *view);

/* The body of records, whether it pays or not. */
CHECK_RESULT enum err_code pyramid_body_of(struct pyramid *pyramid,
    int64_t stream, const struct records *records, struct str *ret_body,
    struct err *e);

/* pyramid_grow; *ret_grown: there may be more to do. */
CHECK_RESULT enum err_code pyramid_grow_once(struct pyramid *pyramid,
    struct stream_id stream, enum wire_kind kind, bool *ret_grown,
    struct err *e);

#endif
