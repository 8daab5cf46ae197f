/* etag.c: pure; any thread. */
#include "http/etag.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The finalizer of splitmix64, which spreads each part over all bits. */
static uint64_t mixed(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

void etag_make(const uint64_t *parts, size_t n, char out[static ETAG_MAX])
{
    uint64_t a = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t b = UINT64_C(0x6a09e667f3bcc909);
    for (size_t i = 0; i < n; i++) {
        a = mixed(a ^ parts[i]);
        b = mixed(b + parts[i] + 1);
    }
    (void)snprintf(out, ETAG_MAX, "\"%016" PRIx64 "%016" PRIx64 "\"", a, b);
}

bool etag_matches(struct str header, const char *etag)
{
    struct str wanted = str_of(etag);
    const char *p = header.p;
    const char *end = p + header.n;
    while (p < end) {
        if (*p == ' ' || *p == '\t' || *p == ',') {
            p++;
            continue;
        }
        if (*p == '*') {
            return true;
        }
        if (end - p > 2 && p[0] == 'W' && p[1] == '/') {
            p += 2;
        }
        if (*p != '"') {
            return false; /* no list of tags: nothing after it can be told */
        }
        const char *close = memchr(p + 1, '"', (size_t)(end - p - 1));
        if (close == NULL) {
            return false;
        }
        struct str tag = { p, (size_t)(close + 1 - p) };
        if (str_equal(tag, wanted)) {
            return true;
        }
        p = close + 1;
    }
    return false;
}
