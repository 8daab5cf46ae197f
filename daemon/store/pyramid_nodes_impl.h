/* pyramid_nodes_impl: how a body is made, whatever its nodes are made of:
 * begin, of each metric begin_series, of each member what `work` holds, end. */
#ifndef TRAJD_PYRAMID_NODES_IMPL_H
#define TRAJD_PYRAMID_NODES_IMPL_H

#include "store/pyramid_nodes.h"

/* The caller fills in members. */
CHECK_RESULT enum err_code pyramid_nodes_begin(struct pyramid_nodes *nodes,
    enum wire_kind kind, size_t n_members, struct err *e);
CHECK_RESULT enum err_code pyramid_nodes_begin_series(
    struct pyramid_nodes *nodes, struct str metric, struct err *e);
/* Members in order, all of them; work is empty afterwards. */
CHECK_RESULT enum err_code pyramid_nodes_add(
    struct pyramid_nodes *nodes, size_t member, struct err *e);
CHECK_RESULT enum err_code pyramid_nodes_end(
    struct pyramid_nodes *nodes, struct str *ret_body, struct err *e);

#endif
