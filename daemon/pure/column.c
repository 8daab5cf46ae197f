/* column.c: pure but for the zstd contexts its coder owns. Little-endian. */
#include "pure/column.h"

#include <assert.h>
#include <string.h>

#include <zstd.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
    "values are stored as they lie in memory");

#define ZSTD_LEVEL 1  /* higher ones cost much and gain 1-2 % on mantissas */
#define ZSTD_LEAST 48 /* bytes below which its header eats the gain */
#define LINEAR_BYTES 16

void column_coder_done(struct column_coder *coder)
{
    (void)ZSTD_freeCCtx(coder->compressor);
    (void)ZSTD_freeDCtx(coder->decompressor);
    coder->compressor = NULL;
    coder->decompressor = NULL;
}

size_t column_bound(size_t n)
{
    return ZSTD_compressBound(n * 8) + LINEAR_BYTES;
}

/* ---- zstd ---------------------------------------------------------------- */

/* Bytes used, or 0 if it does not make n bytes fewer. */
static size_t compress(
    struct column_coder *coder, const void *bytes, size_t n, uint8_t *out)
{
    if (n < ZSTD_LEAST) {
        return 0;
    }
    if (coder->compressor == NULL) {
        coder->compressor = ZSTD_createCCtx();
    }
    if (coder->compressor == NULL) {
        return 0; /* out of memory: larger, and right */
    }
    size_t used = ZSTD_compressCCtx(
        coder->compressor, out, ZSTD_compressBound(n), bytes, n, ZSTD_LEVEL);
    return ZSTD_isError(used) || used >= n ? 0 : used;
}

static bool decompress(struct column_coder *coder, const uint8_t *bytes,
    size_t bytes_n, void *out, size_t n)
{
    if (coder->decompressor == NULL) {
        coder->decompressor = ZSTD_createDCtx();
    }
    if (coder->decompressor == NULL) {
        return false;
    }
    return ZSTD_decompressDCtx(coder->decompressor, out, n, bytes, bytes_n) ==
           n;
}

/* ---- byte planes --------------------------------------------------------- */

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

/* Byte k of value i to out[k * n + i], for the lowest `width` bytes. */
static void split_planes(
    const uint64_t *values, size_t n, size_t width, uint8_t *out)
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

static void join_planes(
    const uint8_t *const planes[8], size_t n, size_t width, uint64_t *values)
{
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

/* ---- noise --------------------------------------------------------------- */

#define SAMPLE 512u /* values looked at */
#define SAMPLE_PIECES 4u
/* Sum of the squares of how often each byte occurs in a sample: of uniform
 * bytes 1534, standard deviation 45; of bytes of 7.5 bits each this much, of 7
 * bits 2556. */
#define NOISE_SQUARES 1960u

static uint32_t squares_of(const uint16_t counts[256])
{
    uint32_t squares = 0;
    for (size_t i = 0; i < 256; i++) {
        squares += (uint32_t)counts[i] * counts[i];
    }
    return squares;
}

/* Where piece k of a sample of n >= SAMPLE begins. */
static size_t piece_at(size_t n, size_t k)
{
    return k * (n - SAMPLE / SAMPLE_PIECES) / (SAMPLE_PIECES - 1);
}

/* As far as a sample tells. */
static bool is_noise(const uint8_t *plane, size_t n)
{
    uint16_t counts[256] = { 0 };
    for (size_t k = 0; k < SAMPLE_PIECES; k++) {
        const uint8_t *from = plane + piece_at(n, k);
        for (size_t i = 0; i < SAMPLE / SAMPLE_PIECES; i++) {
            counts[from[i]]++;
        }
    }
    return squares_of(counts) < NOISE_SQUARES;
}

/* The planes to leave as they are, a bit each. What repeats itself does so in
 * every plane, whatever bytes it is made of: so one that looks like noise, and
 * that zstd can make smaller, says that none is. */
static unsigned find_noise(struct column_coder *coder, const uint8_t *planes,
    size_t n, size_t width, uint8_t *spare)
{
    unsigned noise = 0;
    for (size_t k = 0; n >= SAMPLE && k < width; k++) {
        const uint8_t *plane = planes + k * n;
        if (!is_noise(plane, n)) {
            continue;
        }
        if (noise == 0 && compress(coder, plane, n, spare) > 0) {
            return 0;
        }
        noise |= 1u << k;
    }
    return noise;
}

/* ---- floats -------------------------------------------------------------- */

static uint64_t float_of(uint64_t double_bits)
{
    double wide = 0;
    memcpy(&wide, &double_bits, sizeof wide);
    float narrow = (float)wide;
    uint32_t bits = 0;
    memcpy(&bits, &narrow, sizeof bits);
    return bits;
}

static uint64_t double_of(uint64_t float_bits)
{
    uint32_t bits = (uint32_t)float_bits;
    float narrow = 0;
    memcpy(&narrow, &bits, sizeof narrow);
    double wide = (double)narrow;
    uint64_t wide_bits = 0;
    memcpy(&wide_bits, &wide, sizeof wide_bits);
    return wide_bits;
}

/* By bits: a NaN whose payload a float cannot hold stays a double. */
static bool all_are_floats(const uint64_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (double_of(float_of(values[i])) != values[i]) {
            return false;
        }
    }
    return true;
}

/* ---- columns ------------------------------------------------------------- */

static bool is_linear(const uint64_t *values, size_t n, uint64_t *ret_stride)
{
    uint64_t stride = n < 2 ? 0 : values[1] - values[0];
    for (size_t i = 1; i < n; i++) {
        if (values[i] - values[i - 1] != stride) {
            return false;
        }
    }
    *ret_stride = stride;
    return true;
}

/* Differences of the values, narrowed if they are floats, into to. */
static void difference(
    uint8_t codec, const uint64_t *values, size_t n, uint64_t *to)
{
    uint64_t before = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t value =
            (codec & COLUMN_F32) != 0 ? float_of(values[i]) : values[i];
        to[i] = (codec & COLUMN_XOR) != 0     ? value ^ before
                : (codec & COLUMN_DELTA) != 0 ? value - before
                                              : value;
        before = value;
    }
}

static void accumulate(uint8_t codec, uint64_t *values, size_t n)
{
    if ((codec & (COLUMN_XOR | COLUMN_DELTA)) == 0) {
        return;
    }
    uint64_t before = 0;
    for (size_t i = 0; i < n; i++) {
        before =
            (codec & COLUMN_XOR) != 0 ? values[i] ^ before : values[i] + before;
        values[i] = before;
    }
}

static size_t width_of(uint8_t codec)
{
    return (codec & COLUMN_F32) != 0 ? 4 : 8;
}

/* Plain: the values themselves, as doubles, integers or floats. */
static size_t encode_plain(
    uint8_t codec, const uint64_t *values, size_t n, uint8_t *out)
{
    size_t width = width_of(codec);
    if (width == 8) {
        memcpy(out, values, n * 8);
        return n * 8;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)float_of(values[i]);
        memcpy(out + i * 4, &bits, 4);
    }
    return n * 4;
}

/* Sign, exponent and the first bits of the mantissa: two bytes. */
static unsigned top_of(uint8_t codec, uint64_t value)
{
    return (codec & COLUMN_F32) != 0 ? (unsigned)(float_of(value) >> 16)
                                     : (unsigned)(value >> 48);
}

/* Whether the tops of the values are fewer bits xor the value before than as
 * they are. Of noise they are more: two exponents vary more than one. */
static bool go_on(uint8_t codec, const uint64_t *values, size_t n)
{
    uint16_t counts[4][256] = { 0 };
    for (size_t k = 0; n >= SAMPLE && k < SAMPLE_PIECES; k++) {
        const uint64_t *from = values + piece_at(n, k);
        unsigned before = top_of(codec, from[0]);
        for (size_t i = 0; i < SAMPLE / SAMPLE_PIECES; i++) {
            unsigned top = top_of(codec, from[i]);
            counts[0][top & 0xff]++;
            counts[1][top >> 8]++;
            counts[2][(top ^ before) & 0xff]++;
            counts[3][(top ^ before) >> 8]++;
            before = top;
        }
    }
    uint64_t plain = (uint64_t)squares_of(counts[0]) * squares_of(counts[1]);
    uint64_t xored = (uint64_t)squares_of(counts[2]) * squares_of(counts[3]);
    return plain <= xored;
}

static uint8_t pick_codec(
    enum column_type type, const uint64_t *values, size_t n)
{
    if (type == COLUMN_INTEGER) {
        return COLUMN_ZSTD | COLUMN_DELTA;
    }
    uint8_t codec = COLUMN_ZSTD;
    codec |= all_are_floats(values, n) ? COLUMN_F32 : 0;
    return codec | (go_on(codec, values, n) ? COLUMN_XOR : 0);
}

/* Which planes are noise; each of the others compressed by itself, with a code
 * table of its own; the noise. Returns the bytes used. */
static size_t split(struct column_coder *coder, unsigned noise,
    const uint8_t *planes, size_t n, size_t width, uint8_t *out)
{
    uint8_t *to = out + 1;
    for (size_t k = 0; k < width; k++) {
        size_t used =
            (noise >> k & 1) != 0 ? 0 : compress(coder, planes + k * n, n, to);
        noise |= (unsigned)(used == 0) << k;
        to += used;
    }
    for (size_t k = 0; k < width; k++) {
        if ((noise >> k & 1) != 0) {
            memcpy(to, planes + k * n, n);
            to += n;
        }
    }
    *out = (uint8_t)noise;
    return (size_t)(to - out);
}

size_t column_encode(struct column_coder *coder, enum column_type type,
    const uint64_t *values, size_t n, uint8_t *out, uint8_t *ret_codec)
{
    assert(n <= coder->scratch_n);

    uint64_t stride = 0;
    if (n > 0 && is_linear(values, n, &stride)) {
        memcpy(out, values, 8);
        memcpy(out + 8, &stride, 8);
        *ret_codec = COLUMN_LINEAR;
        return LINEAR_BYTES;
    }
    uint8_t codec = pick_codec(type, values, n);
    size_t width = width_of(codec);
    uint64_t *differences = coder->scratch;
    uint8_t *planes = (uint8_t *)(coder->scratch + n);
    difference(codec, values, n, differences);
    split_planes(differences, n, width, planes);
    unsigned noise = find_noise(coder, planes, n, width, out);
    size_t used = noise == 0 ? compress(coder, planes, n * width, out)
                             : split(coder, noise, planes, n, width, out);
    if (used > 0 && used < n * width) {
        *ret_codec = (uint8_t)(codec | (noise == 0 ? 0 : COLUMN_SPLIT));
        return used;
    }
    *ret_codec = codec & COLUMN_F32;
    return encode_plain(*ret_codec, values, n, out);
}

static bool decode_linear(
    const uint8_t *bytes, size_t bytes_n, uint64_t *values, size_t n)
{
    uint64_t base = 0;
    uint64_t stride = 0;
    if (bytes_n != LINEAR_BYTES) {
        return false;
    }
    memcpy(&base, bytes, 8);
    memcpy(&stride, bytes + 8, 8);
    for (size_t i = 0; i < n; i++) {
        values[i] = base + i * stride;
    }
    return true;
}

static bool decode_plain(uint8_t codec, const uint8_t *bytes, size_t bytes_n,
    uint64_t *values, size_t n)
{
    size_t width = width_of(codec);
    if (bytes_n != n * width) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        values[i] = 0;
        memcpy(&values[i], bytes + i * width, width);
    }
    return true;
}

/* Where each plane is: noise in bytes, the others decompressed. */
static bool find_planes(struct column_coder *coder, uint8_t codec,
    const uint8_t *bytes, size_t bytes_n, size_t n,
    const uint8_t *ret_planes[8])
{
    const size_t width = width_of(codec);
    unsigned noise = 0;
    if ((codec & COLUMN_SPLIT) != 0) {
        if (bytes_n == 0 || bytes[0] >= 1u << width) {
            return false;
        }
        noise = *bytes++;
        bytes_n--;
    }
    size_t noise_n = (size_t)__builtin_popcount(noise) * n;
    if (noise_n > bytes_n || !decompress(coder, bytes, bytes_n - noise_n,
                                 coder->scratch, n * width - noise_n)) {
        return false;
    }
    const uint8_t *as_is = bytes + bytes_n - noise_n;
    const uint8_t *other = (const uint8_t *)coder->scratch;
    for (size_t k = 0; k < width; k++) {
        const uint8_t **from = (noise >> k & 1) != 0 ? &as_is : &other;
        ret_planes[k] = *from;
        *from += n;
    }
    return true;
}

static bool decode_planes(struct column_coder *coder, uint8_t codec,
    const uint8_t *bytes, size_t bytes_n, uint64_t *values, size_t n)
{
    const uint8_t *planes[8];
    if (!find_planes(coder, codec, bytes, bytes_n, n, planes)) {
        return false;
    }
    join_planes(planes, n, width_of(codec), values);
    accumulate(codec, values, n);
    return true;
}

bool column_decode(struct column_coder *coder, uint8_t codec,
    const uint8_t *bytes, size_t bytes_n, uint64_t *ret_values, size_t n)
{
    assert(n <= coder->scratch_n);

    bool done = false;
    switch (codec) {
    case COLUMN_LINEAR:
        return decode_linear(bytes, bytes_n, ret_values, n);
    case 0:
    case COLUMN_F32:
        done = decode_plain(codec, bytes, bytes_n, ret_values, n);
        break;
    case COLUMN_ZSTD:
    case COLUMN_ZSTD | COLUMN_F32:
    case COLUMN_ZSTD | COLUMN_SPLIT:
    case COLUMN_ZSTD | COLUMN_F32 | COLUMN_SPLIT:
    case COLUMN_ZSTD | COLUMN_XOR:
    case COLUMN_ZSTD | COLUMN_DELTA:
    case COLUMN_ZSTD | COLUMN_XOR | COLUMN_F32:
    case COLUMN_ZSTD | COLUMN_XOR | COLUMN_SPLIT:
    case COLUMN_ZSTD | COLUMN_DELTA | COLUMN_SPLIT:
    case COLUMN_ZSTD | COLUMN_XOR | COLUMN_F32 | COLUMN_SPLIT:
        done = decode_planes(coder, codec, bytes, bytes_n, ret_values, n);
        break;
    default:
        return false;
    }
    for (size_t i = 0; done && (codec & COLUMN_F32) != 0 && i < n; i++) {
        ret_values[i] = double_of(ret_values[i]);
    }
    return done;
}

/* ---- texts --------------------------------------------------------------- */

size_t column_encode_heap(struct column_coder *coder, const char *heap,
    size_t n, uint8_t *out, uint8_t *ret_codec)
{
    size_t used = compress(coder, heap, n, out);
    if (used > 0) {
        *ret_codec = COLUMN_ZSTD;
        return used;
    }
    if (n > 0) {
        memcpy(out, heap, n);
    }
    *ret_codec = 0;
    return n;
}

bool column_decode_heap(struct column_coder *coder, uint8_t codec,
    const uint8_t *bytes, size_t bytes_n, char *ret_heap, size_t n)
{
    if (codec == COLUMN_ZSTD) {
        return decompress(coder, bytes, bytes_n, ret_heap, n);
    }
    if (codec != 0 || bytes_n != n) {
        return false;
    }
    if (n > 0) {
        memcpy(ret_heap, bytes, n);
    }
    return true;
}
