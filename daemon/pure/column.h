/*
 * column: n values of 64 bits as few bytes, and back bit for bit.
 *
 *   linear        value i is base + i * stride: steps, seqs, constants
 *   f32           doubles that are all floats, as a float32 trainer gives
 *                 them, in four bytes each
 *   zstd          first each value xor (floats that go on from each other) or
 *                 minus (integers) the one before, then byte k of all values
 *                 together (a plane), then zstd -1
 *   split         so, but of the planes that are noise or zero only the others
 *                 are compressed: a byte with bit k for each noise plane k, one
 *                 for the zero ones, the first value if the others are
 *                 differences (u64, else 0), zstd frames of the other planes,
 *                 together or apart, the noise as it is. Noise in a frame costs
 *                 half a byte a double of 52 random bits, by its one code
 *                 table, and time; zeros cost time (measured)
 *
 * An encoder picks what is smallest; plain values when nothing helps.
 */
#ifndef TRAJD_COLUMN_H
#define TRAJD_COLUMN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum column_type { COLUMN_FLOAT, COLUMN_INTEGER };

/* Bits of a codec byte; LINEAR stands alone, XOR, DELTA and SPLIT go with ZSTD.
 */
enum column_codec {
    COLUMN_LINEAR = 1,
    COLUMN_F32 = 2,
    COLUMN_ZSTD = 4,
    COLUMN_XOR = 8,
    COLUMN_DELTA = 16,
    COLUMN_SPLIT = 32,
};

/* Working memory; one thread at a time. */
struct column_coder {
    void *compressor;   /* made at the first use; without one, no zstd */
    void *decompressor; /* so */
    uint64_t *scratch;  /* the owner's: room for 2 * scratch_n values */
    size_t scratch_n;
};
void column_coder_done(struct column_coder *coder); /* scratch is not freed */

/* Bytes that n values take at most. */
size_t column_bound(size_t n);

/* out: column_bound(n) bytes; n <= scratch_n. Returns the bytes used. */
size_t column_encode(struct column_coder *coder, enum column_type type,
    const uint64_t *values, size_t n, uint8_t *out, uint8_t *ret_codec);

/* Any bytes: false if they are no column of n values. n <= scratch_n. */
bool column_decode(struct column_coder *coder, uint8_t codec,
    const uint8_t *bytes, size_t bytes_n, uint64_t *ret_values, size_t n);

/* Texts back to back: zstd or as they are. out: column_bound((n + 7) / 8). */
size_t column_encode_heap(struct column_coder *coder, const char *heap,
    size_t n, uint8_t *out, uint8_t *ret_codec);
bool column_decode_heap(struct column_coder *coder, uint8_t codec,
    const uint8_t *bytes, size_t bytes_n, char *ret_heap, size_t n);

#endif
