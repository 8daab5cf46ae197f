/*
 * log: one line an event on stderr, "level area key=value ...".
 * Only the top of a thread logs; modules return errors.
 */
#ifndef TRAJD_LOG_H
#define TRAJD_LOG_H

#include "base/compiler.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Before any thread starts. */
void log_set_level(enum log_level least);

/*
 * area: "ingest", "writer", ...; format: "key=value key=value". Foreign text
 * goes through log_quoted. Any thread; a line is written in one call.
 */
void log_line(enum log_level level, const char *area, const char *format, ...)
    PRINTF_LIKE(3, 4);

/*
 * As log_line, at most one line a second from each call site, with the number
 * of lines that were held back: for what a peer can provoke.
 */
#define log_limited(level, area, ...)                                          \
    do {                                                                       \
        static struct log_limit limit_;                                        \
        log_line_limited(&limit_, level, area, __VA_ARGS__);                   \
    } while (0)

struct log_limit {
    _Atomic long long next_mono_ns; /* relaxed: a lost race logs one more */
    _Atomic unsigned held;
};
void log_line_limited(struct log_limit *limit, enum log_level level,
    const char *area, const char *format, ...) PRINTF_LIKE(4, 5);

/* Foreign text as a quoted value: quotes, backslashes and control bytes
 * escaped, cut to fit. Returns out. */
const char *log_quoted(char *out, unsigned long size, const char *text);

#endif
