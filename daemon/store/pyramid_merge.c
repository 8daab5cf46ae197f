/*
 * pyramid_merge.c: the nodes of a row from the bodies below it, member by
 * member: in every body the members ascend, so all are gone through once for
 * each metric, however many there are.
 */
#include "store/pyramid_nodes.h"

#include <stdlib.h>
#include <string.h>

#include "pure/derived.h"
#include "store/db.h"
#include "store/pyramid_nodes_impl.h"

struct merge {
    size_t n;
    size_t partial; /* views that are not complete */
    struct pyramid_view views[PYRAMID_FAN];
};

/* ---- members --------------------------------------------------------------
 */

/* A member as one of the views lists it. */
struct listed {
    struct pyramid_member member;
    bool in_partial;
};

static int compare(const void *a, const void *b)
{
    return pyramid_member_compare(&((const struct listed *)a)->member,
        &((const struct listed *)b)->member);
}

static size_t list_members(const struct merge *m, struct listed *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++) {
        const struct pyramid_view *view = &m->views[i];
        struct pyramid_position pos = { 0 };
        struct pyramid_member member;
        while (pyramid_view_member(view, &pos, &member)) {
            ret[n++] = (struct listed){ member, !view->is_complete };
        }
    }
    return n;
}

/* Each member once, those alone of which every view knows. A view that is not
 * complete knows of those that it lists. */
static void take_members(struct pyramid_nodes *nodes, const struct merge *m,
    const struct listed *listed, size_t n)
{
    size_t kept = 0;
    size_t names = 0;
    nodes->is_partial = m->partial > 0;
    for (size_t i = 0; i < n;) {
        const struct pyramid_member *member = &listed[i].member;
        size_t in_partial = 0;
        for (; i < n && pyramid_member_compare(&listed[i].member, member) == 0;
             i++) {
            in_partial += listed[i].in_partial;
        }
        if (in_partial != m->partial) {
            continue;
        }
        if (kept == PYRAMID_MEMBERS_MAX ||
            member->name.n > PYRAMID_NAMES_MAX - names) {
            nodes->is_partial = true;
            break;
        }
        names += member->name.n;
        nodes->members[kept++] = *member;
    }
    nodes->n_members = kept;
}

static enum err_code merge_members(
    struct pyramid_nodes *nodes, const struct merge *m, struct err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++) {
        n += m->views[i].members;
    }
    struct listed *listed = db_malloc((n + 1) * sizeof *listed);
    if (listed == NULL) {
        return db_nomem(e, "pyramid");
    }
    n = list_members(m, listed);
    qsort(listed, n, sizeof *listed, compare);
    enum err_code code = pyramid_nodes_begin(nodes, m->views[0].kind, n, e);
    if (code == ERR_NONE) {
        take_members(nodes, m, listed, n);
    }
    db_free(listed);
    return code;
}

/* ---- nodes ----------------------------------------------------------------
 */

/* A metric in one of the views, at a member. */
struct track {
    const struct pyramid_view *view;
    struct pyramid_position pos;
    struct pyramid_member member;
    bool has_member;
    enum pyramid_found found;
    struct pyramid_cursor cursor;
};

static void start_track(
    struct track *t, const struct pyramid_view *view, struct str metric)
{
    *t = (struct track){ .view = view };
    t->found = pyramid_cursor_open(view, metric, &t->cursor);
    t->has_member = pyramid_view_member(view, &t->pos, &t->member);
}

enum merged { MERGED, MERGE_DAMAGED, MERGE_NOMEM };

/* The nodes of the track's member, if it is the one, into work. */
static enum merged add_track(
    struct buckets *work, struct track *t, const struct pyramid_member *member)
{
    struct bucket v[PYRAMID_NODES_MAX];
    size_t n = 0;
    int order = -1;
    while (t->has_member && order < 0) {
        order = pyramid_member_compare(&t->member, member);
        if (order > 0) {
            return MERGED;
        }
        if (!pyramid_cursor_next(&t->cursor, v, &n)) {
            return MERGE_DAMAGED;
        }
        t->has_member = pyramid_view_member(t->view, &t->pos, &t->member);
    }
    for (size_t i = 0; order == 0 && i < n; i++) {
        if (!buckets_add_merged(work, &v[i])) {
            return MERGE_NOMEM;
        }
    }
    return MERGED;
}

static enum err_code add_metric(struct pyramid_nodes *nodes,
    const struct merge *m, struct str metric, bool *ret_damaged, struct err *e)
{
    struct track tracks[PYRAMID_FAN];
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++) {
        start_track(&tracks[n], &m->views[i], metric);
        *ret_damaged = *ret_damaged || tracks[n].found == PYRAMID_UNKNOWN;
        n += tracks[n].found == PYRAMID_NODES;
    }
    enum err_code code = ERR_NONE;
    if (n > 0 && !*ret_damaged) {
        code = pyramid_nodes_begin_series(nodes, metric, e);
    }
    for (size_t k = 0;
         n > 0 && code == ERR_NONE && !*ret_damaged && k < nodes->n_members;
         k++) {
        enum merged merged = MERGED;
        for (size_t i = 0; merged == MERGED && i < n; i++) {
            merged = add_track(&nodes->work, &tracks[i], &nodes->members[k]);
        }
        *ret_damaged = merged == MERGE_DAMAGED;
        code = merged == MERGE_NOMEM ? db_nomem(e, "pyramid")
                                     : pyramid_nodes_add(nodes, k, e);
    }
    return code;
}

static enum err_code merge(struct pyramid_nodes *nodes, const struct merge *m,
    bool *ret_damaged, struct err *e)
{
    enum err_code code = merge_members(nodes, m, e);
    enum wire_kind kind = m->views[0].kind;
    struct metric metric;
    for (size_t i = 0;
         code == ERR_NONE && !*ret_damaged && metric_kept(kind, i, &metric);
         i++) {
        code = add_metric(nodes, m, metric.kept, ret_damaged, e);
    }
    buckets_clear(&nodes->work);
    return code;
}

enum err_code pyramid_nodes_of_bodies(struct pyramid_nodes *nodes,
    enum wire_kind kind, const struct str bodies[static PYRAMID_FAN], size_t n,
    struct str *ret_body, struct err *e)
{
    assert(n > 0 && n <= PYRAMID_FAN);

    struct merge m = { .n = n };
    *ret_body = (struct str){ 0 };
    for (size_t i = 0; i < n; i++) {
        if (!pyramid_view_open(bodies[i], kind, &m.views[i])) {
            return ERR_NONE;
        }
        m.partial += !m.views[i].is_complete;
    }
    bool damaged = false;
    enum err_code code = merge(nodes, &m, &damaged, e);
    if (code == ERR_NONE && !damaged) {
        code = pyramid_nodes_end(nodes, ret_body, e);
    }
    return code;
}
