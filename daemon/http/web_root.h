/* web_root: files of the page from a folder, for those who work on it. */
#ifndef TRAJD_WEB_ROOT_H
#define TRAJD_WEB_ROOT_H

#include "base/err.h"
#include "base/str.h"

#define WEB_ROOT_FILE_MAX (16u << 20) /* bytes of one file */

/* Whether root is a folder that can be opened. */
CHECK_RESULT enum err_code web_root_check(const char *root, struct err *e);

/*
 * Appends the file at root + path ("/index.html") to out. ERR_NOT_FOUND: no
 * plain file, or one that a link leads out of root.
 */
CHECK_RESULT enum err_code web_root_read(
    const char *root, const char *path, struct buf *out, struct err *e);

/* By the name's ending. */
const char *web_root_media_type(const char *path);

#endif
