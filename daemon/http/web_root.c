/* web_root.c: keeps nothing; any thread. */
#define _XOPEN_SOURCE 700 /* realpath */
#include "http/web_root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum err_code web_root_check(const char *root, struct err *e)
{
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return err_set(
            e, ERR_INVALID, "the web root %s: %s", root, strerror(errno));
    }
    (void)close(fd);
    return ERR_NONE;
}

const char *web_root_media_type(const char *path)
{
    static const struct {
        const char *ending;
        const char *type;
    } types[] = {
        { ".html", "text/html; charset=utf-8" },
        { ".js", "text/javascript; charset=utf-8" },
        { ".css", "text/css; charset=utf-8" },
        { ".svg", "image/svg+xml" },
        { ".json", "application/json" },
        { ".map", "application/json" },
    };
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t m = strlen(types[i].ending);
        if (n > m && strcmp(path + n - m, types[i].ending) == 0) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

/* With the slash: /srv/page must not let /srv/page-old through. */
static bool is_inside(const char *root, const char *file)
{
    size_t n = strlen(root);
    return strncmp(root, file, n) == 0 && file[n] == '/';
}

/* The file's real path, or NULL if there is none inside root. */
static char *resolve(const char *root, const char *path)
{
    struct buf joined = { 0 };
    buf_text(&joined, root);
    buf_text(&joined, path);
    char *real_root = realpath(root, NULL);
    char *real_file = joined.failed ? NULL : realpath(joined.p, NULL);
    buf_done(&joined);
    if (real_root == NULL || real_file == NULL ||
        !is_inside(real_root, real_file)) {
        free(real_file);
        real_file = NULL;
    }
    free(real_root);
    return real_file;
}

static enum err_code read_all(int fd, struct buf *out, struct err *e)
{
    char block[16384];
    for (;;) {
        ssize_t n = read(fd, block, sizeof block);
        if (n == 0) {
            return out->failed ? err_nomem(e) : ERR_NONE;
        }
        if (n < 0 && errno != EINTR) {
            return err_set(e, ERR_IO, "web root: %s", strerror(errno));
        }
        if (n > 0) {
            buf_append(out, block, (size_t)n);
        }
    }
}

enum err_code web_root_read(
    const char *root, const char *path, struct buf *out, struct err *e)
{
    char *file = resolve(root, path);
    int fd = file == NULL ? -1 : open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    free(file);
    if (fd < 0) {
        return err_set(e, ERR_NOT_FOUND, "there is nothing here");
    }
    struct stat status = { 0 };
    enum err_code code = ERR_NONE;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_size > (off_t)WEB_ROOT_FILE_MAX) {
        code = err_set(e, ERR_NOT_FOUND, "there is nothing here");
    } else {
        code = read_all(fd, out, e);
    }
    (void)close(fd);
    return code;
}
