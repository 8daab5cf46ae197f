/* run_list.c: the thread of the connection. */
#include "sql/run_list.h"

#include <string.h>

#include "store/db.h"

static const char sql_all[] = "SELECT id, uid FROM main.run ORDER BY uid;";
static const char sql_one[] = "SELECT id, uid FROM main.run WHERE uid = ?1;";

enum err_code run_list_init(
    struct run_list *list, sqlite3 *db, const char *uid, struct err *e)
{
    *list = (struct run_list){ 0 };
    enum err_code code =
        db_prepare(db, uid == NULL ? sql_all : sql_one, &list->stmt, e);
    if (code == ERR_NONE && uid != NULL &&
        sqlite3_bind_text(list->stmt, 1, uid, -1, SQLITE_TRANSIENT) !=
            SQLITE_OK) {
        code = db_fail(db, e, "runs");
    }
    return code;
}

void run_list_done(struct run_list *list)
{
    (void)sqlite3_finalize(list->stmt); /* the steps have told */
    *list = (struct run_list){ 0 };
}

enum err_code run_list_next(
    struct run_list *list, bool *ret_more, struct err *e)
{
    enum err_code code = db_step(list->stmt, ret_more, "runs", e);
    if (code != ERR_NONE || !*ret_more) {
        return code;
    }
    struct str uid = db_text(list->stmt, 1);
    if (uid.n == 0 || uid.n > RUN_UID_MAX) {
        return err_set(e, ERR_STORE, "runs: an id out of bounds");
    }
    list->id.v = sqlite3_column_int64(list->stmt, 0);
    memcpy(list->uid, uid.p, uid.n);
    list->uid[uid.n] = '\0';
    return ERR_NONE;
}
