/* str: borrowed text, and a growing buffer that owns its bytes. */
#ifndef TRAJD_STR_H
#define TRAJD_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* Borrowed; not terminated. {NULL, 0} is the empty text. */
struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })

struct str str_of(const char *terminated); /* NULL gives the empty text */
bool str_equal(struct str a, struct str b);
bool str_equal_nocase(struct str a, struct str b); /* letters of ASCII */
struct str str_trimmed(struct str s); /* without blanks, tabs, CRs around it */
bool str_is_utf8(struct str s);       /* well-formed, no NUL */

/* Whole-text numbers with a range; false leaves *ret as it was. */
bool str_to_u64(struct str s, uint64_t max, uint64_t *ret);
bool str_to_double(struct str s, double *ret); /* C locale; no hex */

/*
 * A growing buffer. Zero-initialised is empty. After running out of memory or
 * past its limit it stays `failed`, ignores appends, and keeps what it has:
 * so callers append freely and look once at the end.
 */
struct buf {
    char *p;
    size_t n;
    size_t capacity;
    size_t limit; /* bytes; 0 = none */
    bool failed;
};

void buf_done(struct buf *b);
void buf_clear(struct buf *b); /* empty, keeps its memory, not failed */
void buf_append(struct buf *b, const void *bytes, size_t n);
void buf_text(struct buf *b, const char *terminated);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_u64(struct buf *b, uint64_t value);
void buf_i64(struct buf *b, int64_t value);
/* The shortest decimal that reads back to the same bits (decimal.h); NaN,
 * Infinity and -Infinity as those words, without quotes. */
void buf_double(struct buf *b, double value);
/* Beyond 2^53 - 1, where a browser would lose digits, in quotes. */
void buf_json_u64(struct buf *b, uint64_t value);
/* As buf_double, the three words in quotes: a JSON value. */
void buf_json_double(struct buf *b, double value);
/* null unless `has`. */
void buf_json_optional(struct buf *b, bool has, double value);
/* Between the elements of a list: nothing before the first, i = 0. */
void buf_comma(struct buf *b, size_t i);
/* In quotes, escaped; bytes that are no UTF-8 become U+FFFD. */
void buf_json_text(struct buf *b, struct str s);

#endif
