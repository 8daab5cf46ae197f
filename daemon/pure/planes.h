/*
 * planes: byte k of all values of a column together, as planes: exponents are
 * alike and the ends of mantissas are noise, so that each plane is either good
 * to compress or not at all.
 */
#ifndef TRAJD_PLANES_H
#define TRAJD_PLANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Byte k of value i to out[k * n + i], for the lowest `width` bytes; and back,
 * the other bytes 0. */
void planes_split(const uint64_t *values, size_t n, size_t width, uint8_t *out);
void planes_join(
    const uint8_t *const planes[8], size_t n, size_t width, uint64_t *values);

/* A sample of a column of n >= PLANES_SAMPLE values is in pieces; where the
 * k-th begins. */
#define PLANES_SAMPLE 512u
#define PLANES_PIECES 4u
#define PLANES_PIECE (PLANES_SAMPLE / PLANES_PIECES)
size_t planes_sample_at(size_t n, size_t k);

/* The sum of the squares of how often each byte occurs in a sample: the more,
 * the fewer bits it has. */
uint32_t planes_squares(const uint16_t counts[256]);

/* As far as a sample tells: bytes of at least 7.5 bits. */
bool plane_is_noise(const uint8_t *plane, size_t n);
bool plane_is_zero(const uint8_t *plane, size_t n); /* n > 0 */

#endif
