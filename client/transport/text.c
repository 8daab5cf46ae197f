/* text: pure but for the memory of struct text; any thread. */
#include "transport/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the UTF-8 character at p, or 0 if it is none. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
    static const uint32_t smallest[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (p[0] < 0x80) {
        return 1;
    }
    size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || length > n) {
        return 0;
    }
    uint32_t code = p[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (p[i] & 0x3fu);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < smallest[length] || code > 0x10ffff || surrogate ? 0 : length;
}

bool text_is_utf8(const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0; i < n;) {
        size_t length = utf8_length(p + i, n - i);
        if (length == 0 || p[i] == 0) {
            return false;
        }
        i += length;
    }
    return true;
}

/* ---- JSON: recursive descent over [at, n), depth-bounded ---------------- */

struct json {
    const char *p;
    size_t n;
    size_t at;
};

static bool value(struct json *j, unsigned depth);

static int peek(const struct json *j)
{
    return j->at < j->n ? (unsigned char)j->p[j->at] : -1;
}

static void skip_space(struct json *j)
{
    while (peek(j) == ' ' || peek(j) == '\t' || peek(j) == '\n' ||
           peek(j) == '\r') {
        j->at++;
    }
}

static bool accept(struct json *j, char c)
{
    if (peek(j) != c) {
        return false;
    }
    j->at++;
    return true;
}

static bool word(struct json *j, const char *expected)
{
    size_t n = strlen(expected);
    if (j->n - j->at < n || memcmp(j->p + j->at, expected, n) != 0) {
        return false;
    }
    j->at += n;
    return true;
}

static bool digits(struct json *j)
{
    size_t from = j->at;
    while (peek(j) >= '0' && peek(j) <= '9') {
        j->at++;
    }
    return j->at > from;
}

static bool number_of_any_length(struct json *j)
{
    (void)accept(j, '-');
    if (!accept(j, '0') && !digits(j)) {
        return false;
    }
    if (accept(j, '.') && !digits(j)) {
        return false;
    }
    if (accept(j, 'e') || accept(j, 'E')) {
        if (!accept(j, '+')) {
            (void)accept(j, '-');
        }
        return digits(j);
    }
    return true;
}

static bool number(struct json *j)
{
    size_t from = j->at;
    return number_of_any_length(j) && j->at - from <= TEXT_JSON_NUMBER;
}

/* Four hexadecimal digits; the code unit, or -1. */
static int hex4(struct json *j)
{
    int unit = 0;
    for (int i = 0; i < 4; i++) {
        int c = peek(j);
        int letter = c | 0x20;
        if (c >= '0' && c <= '9') {
            unit = unit * 16 + c - '0';
        } else if (letter >= 'a' && letter <= 'f') {
            unit = unit * 16 + letter - 'a' + 10;
        } else {
            return -1;
        }
        j->at++;
    }
    return unit;
}

/* A character that is not NUL: one code unit, or two surrogates in order. */
static bool character(struct json *j)
{
    int unit = hex4(j);
    if (unit < 0xd800 || unit > 0xdfff) {
        return unit > 0;
    }
    if (unit > 0xdbff || !word(j, "\\u")) {
        return false;
    }
    unit = hex4(j);
    return unit >= 0xdc00 && unit <= 0xdfff;
}

static bool escape(struct json *j)
{
    if (accept(j, 'u')) {
        return character(j);
    }
    int c = peek(j);
    if (c <= 0 || strchr("\"\\/bfnrt", c) == NULL) {
        return false;
    }
    j->at++;
    return true;
}

static bool string(struct json *j)
{
    if (!accept(j, '"')) {
        return false;
    }
    while (!accept(j, '"')) {
        if (peek(j) < 0x20) {
            return false; /* the end, or a control character */
        }
        if (accept(j, '\\')) {
            if (!escape(j)) {
                return false;
            }
            continue;
        }
        const unsigned char *p = (const unsigned char *)j->p + j->at;
        size_t length = utf8_length(p, j->n - j->at);
        if (length == 0) {
            return false;
        }
        j->at += length;
    }
    return true;
}

static bool member(struct json *j, unsigned depth)
{
    skip_space(j);
    if (!string(j)) {
        return false;
    }
    skip_space(j);
    return accept(j, ':') && value(j, depth);
}

/* The rest of an object or array, after its opening bracket. */
static bool list(struct json *j, unsigned depth, char closing)
{
    skip_space(j);
    if (accept(j, closing)) {
        return true;
    }
    do {
        bool good = closing == '}' ? member(j, depth + 1) : value(j, depth + 1);
        if (!good) {
            return false;
        }
    } while (accept(j, ','));
    return accept(j, closing);
}

/* A value with the white space around it. */
static bool value(struct json *j, unsigned depth)
{
    skip_space(j);
    bool good = false;
    int c = peek(j);
    if (depth > TEXT_JSON_DEPTH && (c == '{' || c == '[')) {
        return false;
    }
    if (accept(j, '{')) {
        good = list(j, depth, '}');
    } else if (accept(j, '[')) {
        good = list(j, depth, ']');
    } else if (c == '"') {
        good = string(j);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        good = number(j);
    } else {
        good = word(j, "true") || word(j, "false") || word(j, "null");
    }
    if (good) {
        skip_space(j);
    }
    return good;
}

bool text_is_json_object(const char *p, size_t n, size_t *ret_at)
{
    struct json j = { .p = p, .n = n };
    skip_space(&j);
    bool good = peek(&j) == '{' && value(&j, 1) && j.at == j.n;
    if (!good) {
        *ret_at = j.at;
    }
    return good;
}

/* ---- struct text -------------------------------------------------------- */

void text_done(struct text *t)
{
    free(t->p);
    *t = (struct text){ 0 };
}

void text_append(struct text *t, const char *bytes, size_t n)
{
    if (t->failed || n == 0) {
        return;
    }
    if (t->capacity - t->n < n) {
        size_t capacity = (t->n + n) * 2;
        char *p = realloc(t->p, capacity);
        if (p == NULL) {
            t->failed = true;
            return;
        }
        t->p = p;
        t->capacity = capacity;
    }
    memcpy(t->p + t->n, bytes, n);
    t->n += n;
}

void text_put(struct text *t, const char *terminated)
{
    text_append(t, terminated, strlen(terminated));
}

void text_put_json(struct text *t, const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    text_put(t, "\"");
    for (size_t i = 0; i < n;) {
        size_t length = utf8_length(p + i, n - i);
        char escaped[8];
        if (length == 0) {
            text_put(t, "?");
            length = 1;
        } else if (p[i] < 0x20 || p[i] == '"' || p[i] == '\\') {
            (void)snprintf(escaped, sizeof escaped, "\\u%04x", p[i]);
            text_put(t, escaped);
        } else {
            text_append(t, text + i, length);
        }
        i += length;
    }
    text_put(t, "\"");
}
