/* err: what went wrong, filled once where it happens, worded on the way up. */
#ifndef TRAJD_ERR_H
#define TRAJD_ERR_H

#include "base/compiler.h"

enum err_code {
    ERR_NONE = 0,
    ERR_NOMEM,
    ERR_INVALID, /* bad input from outside: the caller's fault */
    ERR_NOT_FOUND,
    ERR_FULL,  /* a documented maximum, or the disk */
    ERR_BUSY,  /* again later */
    ERR_STORE, /* the database */
    ERR_IO,    /* sockets and files */
};

struct err {
    enum err_code code;
    char text[240]; /* one line, no newline */
};

/* Fill *e (may be NULL) and return code, so that a failing place is a
 * `return err_set(...)`. */
enum err_code err_set(struct err *e, enum err_code code, const char *format,
    ...) PRINTF_LIKE(3, 4);

/* ERR_NOMEM, "out of memory": what was wanted is of no help then. */
enum err_code err_nomem(struct err *e);

/* Put what only the caller knows before the text: "run 17: disk is full".
 * Returns e's code. */
enum err_code err_prefix(struct err *e, const char *format, ...)
    PRINTF_LIKE(2, 3);

#endif
