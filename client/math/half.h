/*
 * half: bfloat16 and binary16 (IEEE 754) to and from wider types, by bits, so
 * that they are right under every compiler flag and floating-point mode.
 * Narrowing rounds to nearest, ties to even; a NaN stays a NaN.
 */
#ifndef TRAJ_HALF_H
#define TRAJ_HALF_H

#include <stdint.h>
#include <string.h>

static inline float half_float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t half_bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float half_from_bf16(uint16_t bits)
{
    return half_float_of((uint32_t)bits << 16);
}

static inline uint16_t half_to_bf16(float value)
{
    uint32_t bits = half_bits_of(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        return (uint16_t)(bits >> 16 | 0x40u);
    }
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* Exact: a binary16 of either kind is a normal float. */
static inline float half_from_f16(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000u) << 16;
    uint32_t exponent = bits >> 10 & 0x1fu;
    uint32_t mantissa = bits & 0x3ffu;
    if (exponent == 0) {
        /* Subnormal: mantissa times 2^-24. */
        float magnitude = half_float_of(0x33800000u) * (float)mantissa;
        return half_float_of(half_bits_of(magnitude) | sign);
    }
    uint32_t biased = exponent == 0x1fu ? 0xffu : exponent + 112u;
    return half_float_of(sign | biased << 23 | mantissa << 13);
}

static inline uint16_t half_to_f16(float value)
{
    uint32_t bits = half_bits_of(value);
    uint32_t sign = bits >> 16 & 0x8000u;
    uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
        return (uint16_t)(sign | 0x7e00u | (bits >> 13 & 0x1ffu));
    }
    if (magnitude >= 0x47800000u) { /* 65536: beyond all, however rounded */
        return (uint16_t)(sign | 0x7c00u);
    }
    if (magnitude >= 0x38800000u) { /* 2^-14: normal */
        magnitude += 0xfffu + (magnitude >> 13 & 1u);
        return (uint16_t)(sign | (magnitude - 0x38000000u) >> 13);
    }
    if (magnitude < 0x33000000u) { /* 2^-25: half of the smallest */
        return (uint16_t)sign;
    }
    /* Subnormal: in units of 2^-24. A carry makes it 2^-14, as it should. */
    uint32_t shift = 126u - (magnitude >> 23);
    uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    uint32_t units = mantissa >> shift;
    uint32_t half = 1u << (shift - 1u);
    uint32_t rest = mantissa & ((half << 1u) - 1u);
    units += rest > half || (rest == half && (units & 1u)) ? 1u : 0u;
    return (uint16_t)(sign | units);
}

#endif
