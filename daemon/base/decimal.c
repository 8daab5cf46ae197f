/*
 * decimal.c: owns the table of powers of ten, made once; any thread.
 *
 * Schubfach (R. Giulietti, "The Schubfach way to render doubles", 2020): a
 * double v = c 2^q is read back from every decimal within its rounding
 * interval, [(c - 1/2) 2^q, (c + 1/2) 2^q]. With k = floor(log10 2^q), the
 * interval holds at least one and at most a few multiples of 10^k, and at most
 * one of 10^(k+1): so the shortest decimal is found among four candidates. The
 * ends of the interval, times 10^-k, are computed with 126 bits of 10^-k and
 * rounded to odd, which the paper proves is enough for every comparison.
 *
 * Ryu does the same with a larger table; Grisu needs a fallback for 0.5 % of
 * the values.
 */
#include "base/decimal.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef unsigned __int128 uint128;

/* ---- the powers of ten: 10^k = power * 2^(floor(log2 10^k) - 127) -------- */

#define POWER_LEAST (-292)
#define POWER_MOST 324
#define POWERS (POWER_MOST - POWER_LEAST + 1)

static uint128 powers[POWERS]; /* rounded up; the highest bit is set */
static pthread_once_t powers_once = PTHREAD_ONCE_INIT;

/* A natural number: limbs of 32 bits, the lowest first. */
#define LIMBS 40
struct natural {
    uint32_t v[LIMBS];
};

static void times_ten(struct natural *x)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < LIMBS; i++) {
        carry += (uint64_t)x->v[i] * 10;
        x->v[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

/* Rounds down; n times is the same as dividing once by 10^n. */
static void over_ten(struct natural *x)
{
    uint64_t rest = 0;
    for (size_t i = LIMBS; i-- > 0;) {
        rest = rest << 32 | x->v[i];
        x->v[i] = (uint32_t)(rest / 10);
        rest %= 10;
    }
}

static bool bit(const struct natural *x, int i)
{
    return i >= 0 && (x->v[i / 32] >> (i % 32) & 1) != 0;
}

/* The 128 highest bits from the first that is set, and whether one below them
 * is set too. */
static uint128 highest(const struct natural *x, bool *ret_more)
{
    int top = LIMBS * 32 - 1;
    while (!bit(x, top)) {
        top--;
    }
    uint128 high = 0;
    for (int i = top; i > top - 128; i--) {
        high = high << 1 | bit(x, i);
    }
    bool more = false;
    for (int i = top - 128; i >= 0 && !more; i--) {
        more = bit(x, i);
    }
    *ret_more = more;
    return high;
}

static void make_powers(void)
{
    bool more = false;
    struct natural up = { { 1 } };
    for (int k = 0; k <= POWER_MOST; k++, times_ten(&up)) {
        uint128 high = highest(&up, &more);
        powers[k - POWER_LEAST] = high + more;
    }
    /* 2^1248 / 10^n keeps more than 128 bits down to n = 292, and no power of
     * two is divisible by ten: always rounded up. */
    struct natural down = { { 0 } };
    down.v[LIMBS - 1] = 1;
    for (int k = -1; k >= POWER_LEAST; k--) {
        over_ten(&down);
        powers[k - POWER_LEAST] = highest(&down, &more) + 1;
    }
}

/* ---- Schubfach ----------------------------------------------------------- */

struct decimal {
    uint64_t digits; /* value = digits * 10^exponent */
    int exponent;
};

/* floor(x / 2^n), also of a negative x. */
static int floor_shift(int x, unsigned n)
{
    return x >= 0 ? x >> n : -((-x + (1 << n) - 1) >> n);
}

/* floor(g * x / 2^128), its lowest bit set if that is not all. */
static uint64_t round_to_odd(uint128 g, uint64_t x)
{
    uint128 low = (uint128)(uint64_t)g * x;
    uint128 high = (uint128)(uint64_t)(g >> 64) * x + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* c 2^q, c > 0; regular: the double below is as near as the one above. */
static struct decimal shortest(uint64_t c, int q, bool regular)
{
    bool odd = (c & 1) != 0; /* the interval's ends round to even: not to us */
    int k = floor_shift(q * 1262611 - (regular ? 0 : 524031), 22);
    unsigned h = (unsigned)(q + floor_shift(-k * 1741647, 19) + 1);
    uint128 power = powers[-k - POWER_LEAST];

    uint64_t lower =
        round_to_odd(power, (4 * c - (regular ? 2 : 1)) << h) + odd;
    uint64_t value = round_to_odd(power, (4 * c) << h);
    uint64_t upper = round_to_odd(power, (4 * c + 2) << h) - odd;

    uint64_t s = value / 4;
    uint64_t tens = s / 10;
    bool tens_in = lower <= 40 * tens;
    bool next_tens_in = 40 * tens + 40 <= upper;
    if (s >= 10 && tens_in != next_tens_in) {
        return (struct decimal){ tens + next_tens_in, k + 1 };
    }
    bool in = lower <= 4 * s;
    bool next_in = 4 * s + 4 <= upper;
    if (in != next_in) {
        return (struct decimal){ s + next_in, k };
    }
    uint64_t middle = 4 * s + 2;
    bool up = value > middle || (value == middle && (s & 1) != 0);
    return (struct decimal){ s + up, k };
}

static struct decimal decimal_of(uint64_t bits)
{
    uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    int exponent = (int)(bits >> 52 & 0x7ff);
    if (exponent == 0) {
        return shortest(fraction, -1074, true);
    }
    uint64_t c = fraction | UINT64_C(1) << 52;
    int q = exponent - 1075;
    if (q <= 0 && q > -53 && (c & ((UINT64_C(1) << -q) - 1)) == 0) {
        return (struct decimal){ c >> -q, 0 }; /* a whole number */
    }
    return shortest(c, q, fraction != 0 || exponent == 1);
}

/* ---- text ---------------------------------------------------------------- */

/* The digits of x without trailing zeros, which go to *exponent. */
static size_t write_digits(uint64_t x, char out[static 20], int *exponent)
{
    while (x % 10 == 0) {
        x /= 10;
        ++*exponent;
    }
    char reversed[20];
    size_t n = 0;
    for (; x != 0; x /= 10) {
        reversed[n++] = (char)('0' + x % 10);
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = reversed[n - 1 - i];
    }
    return n;
}

/* d.ddde-07 */
static size_t write_scientific(
    char *out, const char *digits, size_t n, int exponent)
{
    size_t m = 0;
    unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
    out[m++] = digits[0];
    if (n > 1) {
        out[m++] = '.';
        memcpy(out + m, digits + 1, n - 1);
        m += n - 1;
    }
    out[m++] = 'e';
    out[m++] = exponent < 0 ? '-' : '+';
    if (size >= 100) {
        out[m++] = (char)('0' + size / 100);
    }
    out[m++] = (char)('0' + size / 10 % 10);
    out[m++] = (char)('0' + size % 10);
    return m;
}

/* 0.000ddd, dd.ddd or ddd000; the first digit stands for 10^exponent. */
static size_t write_plain(char *out, const char *digits, size_t n, int exponent)
{
    if (exponent < 0) {
        size_t zeros = (size_t)(-exponent - 1);
        memcpy(out, "0.000", 5);
        memcpy(out + 2 + zeros, digits, n);
        return 2 + zeros + n;
    }
    size_t whole = (size_t)exponent + 1;
    if (n <= whole) {
        memcpy(out, digits, n);
        memset(out + n, '0', whole - n);
        return whole;
    }
    memcpy(out, digits, whole);
    out[whole] = '.';
    memcpy(out + whole + 1, digits + whole, n - whole);
    return n + 1;
}

size_t decimal_write(double value, char out[static DECIMAL_MAX])
{
    uint64_t bits = 0;
    char digits[20];
    (void)pthread_once(&powers_once, make_powers);
    memcpy(&bits, &value, sizeof bits);

    size_t sign = bits >> 63;
    out[0] = '-'; /* written over if there is none */
    out += sign;
    if (bits << 1 == 0) {
        out[0] = '0';
        return sign + 1;
    }
    struct decimal decimal = decimal_of(bits);
    size_t n = write_digits(decimal.digits, digits, &decimal.exponent);
    int exponent = decimal.exponent + (int)n - 1;
    return sign + (exponent < -4 || exponent >= 17
                          ? write_scientific(out, digits, n, exponent)
                          : write_plain(out, digits, n, exponent));
}
