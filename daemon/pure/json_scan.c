/* json_scan.c: recursive descent over bytes; pure, any thread. Each function
 * takes a position and gives the one behind what it read, or FAIL. */
#include "pure/json_scan.h"

#include <stdint.h>
#include <string.h>

#define FAIL SIZE_MAX

static size_t skip_blank(struct str s, size_t i)
{
    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '\n' ||
                          s.p[i] == '\r')) {
        i++;
    }
    return i;
}

static bool is_digit(struct str s, size_t i)
{
    return i < s.n && s.p[i] >= '0' && s.p[i] <= '9';
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
           (c >= 'A' && c <= 'F');
}

/* The code unit of the \\uXXXX at i, or -1. */
static int read_unit(struct str s, size_t i)
{
    if (i > s.n || s.n - i < 6 || s.p[i] != '\\' || s.p[i + 1] != 'u') {
        return -1;
    }
    int unit = 0;
    for (size_t k = i + 2; k < i + 6; k++) {
        if (!is_hex(s.p[k])) {
            return -1;
        }
        int letter = (s.p[k] | 0x20) - 'a' + 10;
        unit = unit * 16 + (is_digit(s, k) ? s.p[k] - '0' : letter);
    }
    return unit;
}

/* Behind the escape whose backslash is at i. */
static size_t read_escape(struct str s, size_t i)
{
    if (i + 1 >= s.n) {
        return FAIL;
    }
    if (s.p[i + 1] != 'u') {
        return strchr("\"\\/bfnrt", s.p[i + 1]) != NULL ? i + 2 : FAIL;
    }
    int unit = read_unit(s, i);
    if (unit <= 0 || (unit >= 0xdc00 && unit < 0xe000)) {
        return FAIL;
    }
    if (unit >= 0xd800 && unit < 0xdc00) {
        int low = read_unit(s, i + 6);
        return low >= 0xdc00 && low < 0xe000 ? i + 12 : FAIL;
    }
    return i + 6;
}

static size_t read_string(struct str s, size_t i)
{
    if (i >= s.n || s.p[i] != '"') {
        return FAIL;
    }
    i++;
    while (i < s.n && s.p[i] != '"') {
        if ((unsigned char)s.p[i] < 0x20) {
            return FAIL;
        }
        i = s.p[i] == '\\' ? read_escape(s, i) : i + 1;
        if (i == FAIL) {
            return FAIL;
        }
    }
    return i < s.n ? i + 1 : FAIL;
}

static size_t read_digits(struct str s, size_t i)
{
    if (!is_digit(s, i)) {
        return FAIL;
    }
    while (is_digit(s, i)) {
        i++;
    }
    return i;
}

#define NUMBER_MAX 60

static size_t read_number(struct str s, size_t i)
{
    size_t start = i;
    if (s.p[i] == '-') {
        i++;
    }
    bool zero = i < s.n && s.p[i] == '0';
    i = zero ? i + 1 : read_digits(s, i);
    if (i != FAIL && i < s.n && s.p[i] == '.') {
        i = read_digits(s, i + 1);
    }
    if (i != FAIL && i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        i++;
        if (i < s.n && (s.p[i] == '+' || s.p[i] == '-')) {
            i++;
        }
        i = read_digits(s, i);
    }
    return i == FAIL || i - start > NUMBER_MAX ? FAIL : i;
}

static size_t read_word(struct str s, size_t i)
{
    static const char *const words[] = { "true", "false", "null" };
    for (size_t k = 0; k < 3; k++) {
        size_t n = strlen(words[k]);
        if (s.n - i >= n && memcmp(s.p + i, words[k], n) == 0) {
            return i + n;
        }
    }
    return FAIL;
}

static size_t read_value(struct str s, size_t i, unsigned depth);

/* Behind a key and its colon, at the value. */
static size_t read_key(struct str s, size_t i)
{
    i = read_string(s, i);
    if (i == FAIL) {
        return FAIL;
    }
    i = skip_blank(s, i);
    return i < s.n && s.p[i] == ':' ? skip_blank(s, i + 1) : FAIL;
}

/* An object or array whose opening bracket is at i. */
static size_t read_container(struct str s, size_t i, unsigned depth)
{
    bool object = s.p[i] == '{';
    char end = object ? '}' : ']';
    if (depth == 0) {
        return FAIL;
    }
    i = skip_blank(s, i + 1);
    if (i < s.n && s.p[i] == end) {
        return i + 1;
    }
    while (i < s.n) {
        if (object) {
            i = read_key(s, i);
        }
        i = i == FAIL ? FAIL : read_value(s, i, depth - 1);
        if (i == FAIL) {
            return FAIL;
        }
        i = skip_blank(s, i);
        if (i < s.n && s.p[i] == end) {
            return i + 1;
        }
        if (i >= s.n || s.p[i] != ',') {
            return FAIL;
        }
        i = skip_blank(s, i + 1);
    }
    return FAIL;
}

static size_t read_value(struct str s, size_t i, unsigned depth)
{
    if (i >= s.n) {
        return FAIL;
    }
    switch (s.p[i]) {
    case '{':
    case '[':
        return read_container(s, i, depth);
    case '"':
        return read_string(s, i);
    case 't':
    case 'f':
    case 'n':
        return read_word(s, i);
    default:
        return read_number(s, i);
    }
}

bool json_is_valid(struct str text, unsigned depth_max)
{
    if (!str_is_utf8(text)) {
        return false;
    }
    size_t i = read_value(text, skip_blank(text, 0), depth_max);
    return i != FAIL && skip_blank(text, i) == text.n;
}

bool json_next_member(
    struct str object, size_t *pos, struct str *ret_key, struct str *ret_value)
{
    size_t i = *pos == 0 ? skip_blank(object, 0) : *pos;
    if (i >= object.n || object.p[i] != (*pos == 0 ? '{' : ',')) {
        return false; /* no object, or at its closing brace */
    }
    i = skip_blank(object, i + 1);
    size_t key_end = read_string(object, i);
    size_t value = key_end == FAIL ? FAIL : read_key(object, i);
    /* The object is valid, so its depth is bounded already. */
    size_t end = value == FAIL ? FAIL : read_value(object, value, UINT32_MAX);
    if (end == FAIL) {
        return false; /* an empty object */
    }
    *ret_key = (struct str){ object.p + i, key_end - i };
    *ret_value = (struct str){ object.p + value, end - value };
    *pos = skip_blank(object, end);
    return true;
}

bool json_next_element(struct str array, size_t *pos, struct str *ret_value)
{
    size_t i = *pos == 0 ? skip_blank(array, 0) : *pos;
    if (i >= array.n || array.p[i] != (*pos == 0 ? '[' : ',')) {
        return false; /* no array, or at its closing bracket */
    }
    i = skip_blank(array, i + 1);
    size_t end = read_value(array, i, UINT32_MAX);
    if (end == FAIL) {
        return false; /* an empty array */
    }
    *ret_value = (struct str){ array.p + i, end - i };
    *pos = skip_blank(array, end);
    return true;
}
