/* err: what went wrong, filled once where it happens, worded on the way up. */
#ifndef TRAJD_ERR_H
#define TRAJD_ERR_H

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

#define ERR_PRINTF(a, b) __attribute__((format(printf, a, b)))
#define CHECK_RESULT __attribute__((warn_unused_result))

/* Fill *e (may be NULL) and return code, so that a failing place is a
 * `return err_set(...)`. */
enum err_code err_set(struct err *e, enum err_code code, const char *format,
    ...) ERR_PRINTF(3, 4);

/* Put what only the caller knows before the text: "run 17: disk is full".
 * Returns e's code. */
enum err_code err_prefix(struct err *e, const char *format, ...)
    ERR_PRINTF(2, 3);

/* "out_of_memory", "invalid", ...: stable, for logs and problem+json. */
const char *err_code_name(enum err_code code);

#endif
