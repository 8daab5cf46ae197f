/* migrations: schema/store/NNNN_*.sql, embedded at build time, in order. */
#ifndef TRAJD_MIGRATIONS_H
#define TRAJD_MIGRATIONS_H

#include <stdint.h>

struct migration {
    const char *sql; /* NUL-terminated */
    uint64_t n;
};

/* Migration i brings user_version from i to i + 1. */
extern const struct migration migrations_table[];
extern const uint64_t migrations_count;

#endif
