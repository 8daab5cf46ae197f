/* run_list: the runs that a statement asks for, by ascending id. */
#ifndef TRAJD_RUN_LIST_H
#define TRAJD_RUN_LIST_H

#include <stdbool.h>
#include <sqlite3.h>

#include "base/err.h"
#include "base/str.h"
#include "store/store.h"

struct run_list {
    sqlite3_stmt *stmt;
    struct run_id id; /* of the current run */
    char uid[RUN_UID_MAX + 1];
};

/* uid: NULL = all. On success, and after a failure, end with run_list_done. */
CHECK_RESULT enum err_code run_list_init(
    struct run_list *list, sqlite3 *db, const char *uid, struct err *e);
void run_list_done(struct run_list *list);

CHECK_RESULT enum err_code run_list_next(
    struct run_list *list, bool *ret_more, struct err *e);

#endif
