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

/* One stage: swaps blocks of `shift` bits between rows k and k + step. */
static void swap_blocks(
    uint64_t rows[8], unsigned step, unsigned shift, uint64_t mask)
{
    for (unsigned k = 0; k < 8; k++) {
        if ((k & step) == 0) {
            uint64_t t = (rows[k] >> shift ^ rows[k + step]) & mask;
            rows[k + step] ^= t;
            rows[k] ^= t << shift;
        }
    }
}

/* Byte j of row k becomes byte k of row j. */
static void transpose(uint64_t rows[8])
{
    swap_blocks(rows, 1, 8, UINT64_C(0x00ff00ff00ff00ff));
    swap_blocks(rows, 2, 16, UINT64_C(0x0000ffff0000ffff));
    swap_blocks(rows, 4, 32, UINT64_C(0x00000000ffffffff));
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
    const uint8_t *planes, size_t n, size_t width, uint64_t *values)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t rows[8] = { 0 };
        for (size_t k = 0; k < width; k++) {
            memcpy(&rows[k], planes + k * n + i, 8);
        }
        transpose(rows);
        memcpy(values + i, rows, sizeof rows);
    }
    for (; i < n; i++) {
        values[i] = 0;
        for (size_t k = 0; k < width; k++) {
            values[i] |= (uint64_t)planes[k * n + i] << 8 * k;
        }
    }
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
        to[i] = (codec & COLUMN_XOR) != 0 ? value ^ before : value - before;
        before = value;
    }
}

static void accumulate(uint8_t codec, uint64_t *values, size_t n)
{
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

static uint8_t pick_codec(
    enum column_type type, const uint64_t *values, size_t n)
{
    if (type == COLUMN_INTEGER) {
        return COLUMN_ZSTD | COLUMN_DELTA;
    }
    bool narrow = all_are_floats(values, n);
    return COLUMN_ZSTD | COLUMN_XOR | (narrow ? COLUMN_F32 : 0);
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
    size_t used = compress(coder, planes, n * width, out);
    if (used > 0) {
        *ret_codec = codec;
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
    case COLUMN_ZSTD | COLUMN_XOR:
    case COLUMN_ZSTD | COLUMN_DELTA:
    case COLUMN_ZSTD | COLUMN_XOR | COLUMN_F32:
        done = decompress(
            coder, bytes, bytes_n, coder->scratch, n * width_of(codec));
        if (done) {
            join_planes((const uint8_t *)coder->scratch, n, width_of(codec),
                ret_values);
            accumulate(codec, ret_values, n);
        }
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
