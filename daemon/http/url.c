/* url.c: pure; any thread. */
#include "http/url.h"

#include <string.h>

#include "base/hash.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

enum part { PART_PATH, PART_QUERY };

/* A byte that a percent sequence may not stand for. A decoded slash or
 * backslash would make one segment look like two to whoever reads it next. */
static bool is_forbidden(enum part part, unsigned char c)
{
    if (c == 0) {
        return true;
    }
    return part == PART_PATH &&
           (c < 0x20 || c == 0x7f || c == '/' || c == '\\');
}

/* Decodes the terminated text in place. */
static enum err_code decode(char *text, enum part part, struct err *e)
{
    char *out = text;
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c == 0x7f || (part == PART_PATH && c == '\\')) {
            return err_set(e, ERR_INVALID, "the URL holds byte 0x%02x", c);
        }
        if (c == '%') {
            int high = hex_digit(p[1]);
            int low = high < 0 ? -1 : hex_digit(p[2]);
            if (low < 0) {
                return err_set(
                    e, ERR_INVALID, "the URL holds a broken percent sign");
            }
            c = (unsigned char)(high << 4 | low);
            if (is_forbidden(part, c)) {
                return err_set(e, ERR_INVALID, "the URL holds %%%02x", c);
            }
            p += 2;
        } else if (c == '+' && part == PART_QUERY) {
            c = ' ';
        }
        *out++ = (char)c;
    }
    *out = '\0';
    if (!str_is_utf8(str_of(text))) {
        return err_set(e, ERR_INVALID, "the URL is not UTF-8");
    }
    return ERR_NONE;
}

static enum err_code add_segment(struct url *url, char *segment, struct err *e)
{
    if (url->n_segments == URL_SEGMENTS_MAX) {
        return err_set(e, ERR_FULL, "the path has more than %u segments",
            URL_SEGMENTS_MAX);
    }
    if (decode(segment, PART_PATH, e) != ERR_NONE) {
        return ERR_INVALID;
    }
    if (segment[0] == '\0' || strcmp(segment, ".") == 0 ||
        strcmp(segment, "..") == 0) {
        return err_set(
            e, ERR_INVALID, "the path has an empty or a dot segment");
    }
    url->segments[url->n_segments++] = segment;
    return ERR_NONE;
}

static enum err_code parse_path(struct url *url, char *path, struct err *e)
{
    char *p = path + 1;
    while (*p != '\0') {
        char *slash = strchr(p, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
        if (add_segment(url, p, e) != ERR_NONE) {
            return e->code;
        }
        if (slash == NULL) {
            return ERR_NONE;
        }
        p = slash + 1;
        url->trailing_slash = *p == '\0';
    }
    return ERR_NONE;
}

static enum err_code add_param(struct url *url, char *pair, struct err *e)
{
    static const char nothing[] = "";
    if (url->n_params == URL_PARAMS_MAX) {
        return err_set(e, ERR_FULL, "more than %u parameters", URL_PARAMS_MAX);
    }
    char *equals = strchr(pair, '=');
    if (equals != NULL) {
        *equals = '\0';
    }
    if (decode(pair, PART_QUERY, e) != ERR_NONE ||
        (equals != NULL && decode(equals + 1, PART_QUERY, e) != ERR_NONE)) {
        return ERR_INVALID;
    }
    if (pair[0] == '\0') {
        return err_set(e, ERR_INVALID, "a parameter has no name");
    }
    for (size_t i = 0; i < url->n_params; i++) {
        if (strcmp(url->params[i].name, pair) == 0) {
            return err_set(
                e, ERR_INVALID, "%.40s: the parameter is given twice", pair);
        }
    }
    url->params[url->n_params++] = (struct url_param){ .name = pair,
        .value = equals == NULL ? nothing : equals + 1 };
    return ERR_NONE;
}

static enum err_code parse_query(struct url *url, char *query, struct err *e)
{
    for (char *p = query; p != NULL;) {
        char *next = strchr(p, '&');
        if (next != NULL) {
            *next++ = '\0';
        }
        if (*p != '\0' && add_param(url, p, e) != ERR_NONE) {
            return e->code;
        }
        p = next;
    }
    return ERR_NONE;
}

enum err_code url_parse(char *target, struct url *ret_url, struct err *e)
{
    *ret_url = (struct url){ .hash = hash_text(HASH_START, target) };
    if (strlen(target) > URL_TARGET_MAX) {
        return err_set(
            e, ERR_FULL, "the URL has more than %u bytes", URL_TARGET_MAX);
    }
    if (target[0] != '/' || strchr(target, '#') != NULL) {
        return err_set(
            e, ERR_INVALID, "the request target is no absolute path");
    }
    char *query = strchr(target, '?');
    if (query != NULL) {
        *query++ = '\0';
    }
    if (parse_path(ret_url, target, e) != ERR_NONE) {
        return e->code;
    }
    return parse_query(ret_url, query, e);
}

/* The host of host[:port], or the empty text if the port is none. */
static struct str without_port(struct str host)
{
    size_t from = 0;
    if (host.n > 0 && host.p[0] == '[') {
        const char *end = memchr(host.p, ']', host.n);
        from = end == NULL ? host.n : (size_t)(end - host.p);
    }
    const char *colon =
        from == host.n ? NULL : memchr(host.p + from, ':', host.n - from);
    if (colon == NULL) {
        return host;
    }
    uint64_t port = 0;
    struct str digits = { colon + 1, host.n - (size_t)(colon + 1 - host.p) };
    if (digits.n > 5 || !str_to_u64(digits, UINT16_MAX, &port)) {
        return (struct str){ 0 };
    }
    return (struct str){ host.p, (size_t)(colon - host.p) };
}

static bool is_label_byte(char c)
{
    char lower = (char)(c | 0x20);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '.';
}

/* NAME.localhost, NAME of letters, digits, hyphens and dots. */
static bool is_below_localhost(struct str name)
{
    static const struct str suffix = { ".localhost", 10 };
    if (name.n <= suffix.n || name.p[0] == '.') {
        return false;
    }
    struct str end = { name.p + name.n - suffix.n, suffix.n };
    for (size_t i = 0; i < name.n; i++) {
        if (!is_label_byte(name.p[i])) {
            return false;
        }
    }
    return str_equal_nocase(end, suffix);
}

bool url_host_is_local(struct str host)
{
    struct str name = without_port(host);
    if (str_equal_nocase(name, STR("127.0.0.1")) ||
        str_equal_nocase(name, STR("[::1]"))) {
        return true;
    }
    if (name.n > 0 && name.p[name.n - 1] == '.') {
        name.n--;
    }
    return str_equal_nocase(name, STR("localhost")) || is_below_localhost(name);
}

bool url_origin_is_host(struct str origin, struct str host)
{
    static const struct str schemes[] = { { "http://", 7 }, { "https://", 8 } };
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        struct str scheme = schemes[i];
        if (origin.n <= scheme.n ||
            !str_equal_nocase((struct str){ origin.p, scheme.n }, scheme)) {
            continue;
        }
        struct str rest = { origin.p + scheme.n, origin.n - scheme.n };
        return str_equal_nocase(rest, host);
    }
    return false;
}
