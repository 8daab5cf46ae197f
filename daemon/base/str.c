/* str.c: owns the bytes of struct buf; any thread, one buffer at a time. */
#include "base/str.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/decimal.h"

struct str str_of(const char *terminated)
{
    if (terminated == NULL) {
        return (struct str){ 0 };
    }
    return (struct str){ terminated, strlen(terminated) };
}

bool str_equal(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_equal_nocase(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

struct str str_trimmed(struct str s)
{
    while (s.n > 0 && is_blank(s.p[0])) {
        s = (struct str){ s.p + 1, s.n - 1 };
    }
    while (s.n > 0 && is_blank(s.p[s.n - 1])) {
        s.n--;
    }
    return s;
}

/* Bytes of the well-formed sequence at p, 0 if there is none. RFC 3629. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (p[0] < 0x80) {
        return p[0] != 0;
    }
    size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;
    if (length == 0 || length > n || p[0] > 0xf4) {
        return 0;
    }
    uint32_t code = p[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (p[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code < 0xe000;
    return code < least[length] || code > 0x10ffff || surrogate ? 0 : length;
}

bool str_is_utf8(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    for (size_t i = 0; i < s.n;) {
        size_t length = utf8_length(p + i, s.n - i);
        if (length == 0) {
            return false;
        }
        i += length;
    }
    return true;
}

bool str_to_u64(struct str s, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    if (s.n == 0 || s.n > 20) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        unsigned digit = (unsigned char)s.p[i] - (unsigned)'0';
        if (digit > 9 || value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    if (value > max) {
        return false;
    }
    *ret = value;
    return true;
}

bool str_to_double(struct str s, double *ret)
{
    char text[64];
    if (s.n == 0 || s.n >= sizeof text) {
        return false;
    }
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    if (strspn(text, "+-.0123456789eEinfatyINFATYN") != s.n) {
        return false; /* strtod would take hexadecimal and leading blanks */
    }
    char *end = NULL;
    double value = strtod(text, &end);
    if (end != text + s.n) {
        return false;
    }
    *ret = value;
    return true;
}

void buf_done(struct buf *b)
{
    free(b->p);
    *b = (struct buf){ 0 };
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
}

/* Room for n more bytes and a terminator. */
static bool reserve(struct buf *b, size_t n)
{
    if (b->failed || n > SIZE_MAX / 4 ||
        (b->limit != 0 && b->n + n > b->limit)) {
        b->failed = true;
        return false;
    }
    if (b->n + n + 1 <= b->capacity) {
        return true;
    }
    size_t capacity = b->capacity < 256 ? 256 : b->capacity * 2;
    capacity = capacity < b->n + n + 1 ? b->n + n + 1 : capacity;
    char *p = realloc(b->p, capacity);
    if (p == NULL) {
        b->failed = true;
        return false;
    }
    b->p = p;
    b->capacity = capacity;
    return true;
}

void buf_append(struct buf *b, const void *bytes, size_t n)
{
    if (n == 0 || !reserve(b, n)) {
        return;
    }
    memcpy(b->p + b->n, bytes, n);
    b->n += n;
    b->p[b->n] = '\0';
}

void buf_text(struct buf *b, const char *terminated)
{
    buf_append(b, terminated, strlen(terminated));
}

void buf_char(struct buf *b, char c)
{
    buf_append(b, &c, 1);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text) {
        b->failed = true;
        return;
    }
    buf_append(b, text, (size_t)n);
}

void buf_u64(struct buf *b, uint64_t value)
{
    char text[24];
    size_t i = sizeof text;
    do {
        text[--i] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    buf_append(b, text + i, sizeof text - i);
}

void buf_i64(struct buf *b, int64_t value)
{
    if (value < 0) {
        buf_char(b, '-');
    }
    buf_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buf_double(struct buf *b, double value)
{
    if (isnan(value)) {
        buf_text(b, "NaN");
        return;
    }
    if (isinf(value)) {
        buf_text(b, value > 0 ? "Infinity" : "-Infinity");
        return;
    }
    char text[DECIMAL_MAX] = { 0 };
    buf_append(b, text, decimal_write(value, text));
}

void buf_json_u64(struct buf *b, uint64_t value)
{
    const char *quote = value < UINT64_C(1) << 53 ? "" : "\"";
    buf_text(b, quote);
    buf_u64(b, value);
    buf_text(b, quote);
}

void buf_json_double(struct buf *b, double value)
{
    if (isfinite(value)) {
        buf_double(b, value);
        return;
    }
    buf_char(b, '"');
    buf_double(b, value);
    buf_char(b, '"');
}

void buf_json_optional(struct buf *b, bool has, double value)
{
    if (has) {
        buf_json_double(b, value);
    } else {
        buf_text(b, "null");
    }
}

void buf_comma(struct buf *b, size_t i)
{
    if (i > 0) {
        buf_char(b, ',');
    }
}

void buf_json_text(struct buf *b, struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    buf_char(b, '"');
    for (size_t i = 0; i < s.n;) {
        size_t length = utf8_length(p + i, s.n - i);
        if (p[i] == '"' || p[i] == '\\') {
            buf_char(b, '\\');
            buf_char(b, (char)p[i]);
        } else if (p[i] < 0x20 || p[i] == 0x7f) {
            buf_printf(b, "\\u%04x", p[i]);
        } else if (length == 0) {
            buf_text(b, "\xef\xbf\xbd");
        } else {
            buf_append(b, p + i, length);
        }
        i += length == 0 ? 1 : length;
    }
    buf_char(b, '"');
}
