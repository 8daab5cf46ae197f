/* cursor.c: pure; any thread. */
#include "http/cursor.h"

#include <assert.h>
#include <string.h>

#include "wire/crc32c.h"

/* version, hash of the filters, three keys, crc32c of all before */
#define CURSOR_VERSION 1
#define CURSOR_BYTES (1 + 8 + 3 * 8 + 4)
static_assert((CURSOR_BYTES * 8 + 5) / 6 < CURSOR_TEXT_MAX, "it fits");

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void put(uint8_t *out, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t get(const uint8_t *in, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        value |= (uint64_t)in[i] << (8 * i);
    }
    return value;
}

void cursor_encode(const struct cursor *cursor, uint64_t filter_hash,
    char out[static CURSOR_TEXT_MAX])
{
    uint8_t bytes[CURSOR_BYTES] = { CURSOR_VERSION };
    put(bytes + 1, filter_hash, 8);
    for (size_t i = 0; i < 3; i++) {
        put(bytes + 9 + 8 * i, cursor->key[i], 8);
    }
    put(bytes + CURSOR_BYTES - 4, crc32c(bytes, CURSOR_BYTES - 4), 4);

    uint32_t held = 0;
    unsigned bits = 0;
    size_t n = 0;
    for (size_t i = 0; i < CURSOR_BYTES; i++) {
        held = held << 8 | bytes[i];
        for (bits += 8; bits >= 6; bits -= 6) {
            out[n++] = alphabet[held >> (bits - 6) & 63];
        }
    }
    if (bits > 0) {
        out[n++] = alphabet[held << (6 - bits) & 63];
    }
    out[n] = '\0';
}

/* Exactly CURSOR_BYTES bytes, in the one spelling that cursor_encode uses. */
static bool from_base64url(struct str text, uint8_t out[static CURSOR_BYTES])
{
    if (text.n != (CURSOR_BYTES * 8 + 5) / 6) {
        return false;
    }
    uint32_t held = 0;
    unsigned bits = 0;
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        const char *at = memchr(alphabet, text.p[i], 64);
        if (at == NULL) {
            return false;
        }
        held = held << 6 | (uint32_t)(at - alphabet);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (uint8_t)(held >> bits);
        }
    }
    return (held & ((1u << bits) - 1)) == 0;
}

bool cursor_decode(
    struct str text, uint64_t filter_hash, struct cursor *ret_cursor)
{
    uint8_t bytes[CURSOR_BYTES];
    if (!from_base64url(text, bytes) || bytes[0] != CURSOR_VERSION ||
        get(bytes + 1, 8) != filter_hash ||
        get(bytes + CURSOR_BYTES - 4, 4) != crc32c(bytes, CURSOR_BYTES - 4)) {
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        ret_cursor->key[i] = get(bytes + 9 + 8 * i, 8);
    }
    return true;
}
