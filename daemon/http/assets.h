/* assets: the page, embedded at build time (tests/lib/embed.sh). */
#ifndef TRAJD_ASSETS_H
#define TRAJD_ASSETS_H

#include <stdint.h>

struct asset {
    const char *path; /* "/index.html" */
    const char *media_type;
    const uint8_t *gzipped;
    uint64_t gzipped_bytes;
    const uint8_t *plain;
    uint64_t plain_bytes;
    const char *etag;
    uint64_t immutable; /* 1: the name holds a hash of the content */
};

extern const struct asset assets_table[];
extern const uint64_t assets_count;

/* NULL: there is none of that path. */
const struct asset *asset_find(const char *path);

struct embedded_text {
    const char *p; /* followed by a NUL */
    uint64_t n;
};
extern const struct embedded_text openapi_yaml;

#endif
