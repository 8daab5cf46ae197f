/*
 * pages: a database file as numbered pages of bytes, whatever SQLite thinks of
 * it. What its log (-wal, -journal) holds is taken in, in a copy beside it: the
 * file itself is only read.
 */
#ifndef TRAJD_PAGES_H
#define TRAJD_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "care/replace.h"

#define PAGES_SIZE_MAX 65536u

struct pages {
    int fd;
    uint32_t size;   /* of a page */
    uint32_t usable; /* of it: without what is reserved at its end */
    uint32_t n;      /* pages are 1..n */
    /* Of its header; 0 if that is none of SQLite's. */
    uint32_t application_id;
    uint32_t user_version;
    char copy[REPLACE_NAME_MAX]; /* "": there is none */
};

/* On success end with pages_close, which removes the copy. */
CHECK_RESULT enum err_code pages_open(
    const char *path, struct pages *ret_pages, struct err *e);
void pages_close(struct pages *pages);

/* false: the page is not in the file, or the disk does not give it. */
bool pages_read(const struct pages *pages, uint32_t number, uint8_t *to);

/* Numbers in the file are big-endian. */
uint32_t pages_u16(const uint8_t *p);
uint32_t pages_u32(const uint8_t *p);

#endif
