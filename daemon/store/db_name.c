/* db_name.c: owns nothing; any thread. */
#include "store/db_name.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

/* By SQLite itself, for its name is the one that counts: it also follows a link
 * to what is not there yet, which realpath(3) does not. */
enum err_code db_name(
    const char *path, char ret_name[static DB_NAME_BYTES], struct err *e)
{
    struct stat status;
    bool is_link = lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
    if (!is_link) {
        int n = snprintf(ret_name, DB_NAME_BYTES, "%s", path);
        return n >= 0 && n < DB_NAME_BYTES
                   ? ERR_NONE
                   : err_set(e, ERR_INVALID, "%s: its name is too long", path);
    }
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int rc = vfs == NULL
                 ? SQLITE_ERROR
                 : vfs->xFullPathname(vfs, path, DB_NAME_BYTES, ret_name);
    /* Whether there was a link is in the bits above. */
    return (rc & 0xff) == SQLITE_OK
               ? ERR_NONE
               : err_set(e, ERR_INVALID, "%s: a link that leads nowhere", path);
}
