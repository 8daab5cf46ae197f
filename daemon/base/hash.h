/* hash: FNV-1a of 64 bits: short texts and a few numbers, against nobody who
 * wants collisions. Start from HASH_START and fold in one thing after another.
 */
#ifndef TRAJD_HASH_H
#define TRAJD_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t hash_byte(uint64_t hash, uint8_t byte)
{
    return (hash ^ byte) * UINT64_C(0x100000001b3);
}

static inline uint64_t hash_u64(uint64_t hash, uint64_t value)
{
    for (unsigned i = 0; i < 64; i += 8) {
        hash = hash_byte(hash, (uint8_t)(value >> i));
    }
    return hash;
}

/* With its end, so that "ab" and "c" is another hash than "a" and "bc". NULL is
 * another than "". */
static inline uint64_t hash_text(uint64_t hash, const char *text)
{
    for (const char *p = text == NULL ? "\xff" : text; *p != '\0'; p++) {
        hash = hash_byte(hash, (uint8_t)*p);
    }
    return hash_byte(hash, 0);
}

#endif
