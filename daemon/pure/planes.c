/* planes.c: pure; any thread. */
#include "pure/planes.h"

#include <assert.h>
#include <string.h>

/* Swaps what mask selects of b with what lies `shift` bits higher in a. */
static inline void swap_blocks(
    uint64_t *a, uint64_t *b, unsigned shift, uint64_t mask)
{
    uint64_t t = (*a >> shift ^ *b) & mask;
    *b ^= t;
    *a ^= t << shift;
}

/* Byte j of row k becomes byte k of row j: in blocks of one byte, two, four.
 * Written out, so that the rows stay in registers. */
static inline void transpose(uint64_t rows[8])
{
    const uint64_t one = UINT64_C(0x00ff00ff00ff00ff);
    const uint64_t two = UINT64_C(0x0000ffff0000ffff);
    const uint64_t four = UINT64_C(0x00000000ffffffff);
    swap_blocks(&rows[0], &rows[1], 8, one);
    swap_blocks(&rows[2], &rows[3], 8, one);
    swap_blocks(&rows[4], &rows[5], 8, one);
    swap_blocks(&rows[6], &rows[7], 8, one);
    swap_blocks(&rows[0], &rows[2], 16, two);
    swap_blocks(&rows[1], &rows[3], 16, two);
    swap_blocks(&rows[4], &rows[6], 16, two);
    swap_blocks(&rows[5], &rows[7], 16, two);
    swap_blocks(&rows[0], &rows[4], 32, four);
    swap_blocks(&rows[1], &rows[5], 32, four);
    swap_blocks(&rows[2], &rows[6], 32, four);
    swap_blocks(&rows[3], &rows[7], 32, four);
}

void planes_split(const uint64_t *values, size_t n, size_t width, uint8_t *out)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t rows[8];
        memcpy(rows, values + i, sizeof rows);
        transpose(rows);
        for (size_t k = 0; k < width; k++) {
            memcpy(out + k * n + i, &rows[k], 8);
        }
    }
    for (; i < n; i++) {
        for (size_t k = 0; k < width; k++) {
            out[k * n + i] = (uint8_t)(values[i] >> 8 * k);
        }
    }
}

void planes_join(
    const uint8_t *const planes[8], size_t n, size_t width, uint64_t *values)
{
    assert(width <= 8);

    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t rows[8] = { 0 };
        for (size_t k = 0; k < width; k++) {
            memcpy(&rows[k], planes[k] + i, 8);
        }
        transpose(rows);
        memcpy(values + i, rows, sizeof rows);
    }
    for (; i < n; i++) {
        values[i] = 0;
        for (size_t k = 0; k < width; k++) {
            values[i] |= (uint64_t)planes[k][i] << 8 * k;
        }
    }
}

/* ---- what they are like -------------------------------------------------- */

/* Of uniform bytes it is 1534, standard deviation 45; of bytes of 7.5 bits each
 * this much, of 7 bits 2556. */
#define NOISE_SQUARES 1960u

uint32_t planes_squares(const uint16_t counts[256])
{
    uint32_t squares = 0;
    for (size_t i = 0; i < 256; i++) {
        squares += (uint32_t)counts[i] * counts[i];
    }
    return squares;
}

size_t planes_sample_at(size_t n, size_t k)
{
    return k * (n - PLANES_PIECE) / (PLANES_PIECES - 1);
}

bool plane_is_noise(const uint8_t *plane, size_t n)
{
    uint16_t counts[256] = { 0 };
    for (size_t k = 0; k < PLANES_PIECES; k++) {
        const uint8_t *from = plane + planes_sample_at(n, k);
        for (size_t i = 0; i < PLANES_PIECE; i++) {
            counts[from[i]]++;
        }
    }
    return planes_squares(counts) < NOISE_SQUARES;
}

bool plane_is_zero(const uint8_t *plane, size_t n)
{
    return plane[0] == 0 && memcmp(plane, plane + 1, n - 1) == 0;
}
