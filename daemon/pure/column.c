/* column.c: pure but for the zstd contexts its coder owns. Little-endian. */
#include "pure/column.h"

#include <assert.h>
#include <string.h>

#include <zstd.h>

#include "pure/planes.h"

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
    if (n == 0) {
        return bytes_n == 0;
    }
    if (coder->decompressor == NULL) {
        coder->decompressor = ZSTD_createDCtx();
    }
    if (coder->decompressor == NULL) {
        return false;
    }
    return ZSTD_decompressDCtx(coder->decompressor, out, n, bytes, bytes_n) ==
           n;
}

/* A bit for each plane that is so; the others are neither. */
struct planes {
    uint8_t noise;
    uint8_t zero;
};
#define SPLIT_HEAD (sizeof(struct planes) + sizeof(uint64_t))

static bool has_plane(uint8_t planes, size_t k)
{
    return (planes >> k & 1) != 0;
}

/* What repeats itself does so in every plane, whatever bytes it is made of: so
 * one that looks like noise, and that zstd can make smaller, says that none
 * is. spare: room for a plane compressed. */
static struct planes find_planes(struct column_coder *coder,
    const uint8_t *planes, size_t n, size_t width, uint8_t *spare)
{
    struct planes found = { 0 };
    bool repeats = false;
    for (size_t k = 0; n >= PLANES_SAMPLE && k < width; k++) {
        const uint8_t *plane = planes + k * n;
        const uint8_t bit = (uint8_t)(1u << k);
        if (plane_is_zero(plane, n)) {
            found.zero |= bit;
        } else if (!repeats && plane_is_noise(plane, n)) {
            repeats = found.noise == 0 && compress(coder, plane, n, spare) > 0;
            found.noise |= repeats ? 0 : bit;
        }
    }
    return found;
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
    for (size_t k = 0; n >= PLANES_SAMPLE && k < PLANES_PIECES; k++) {
        const uint64_t *from = values + planes_sample_at(n, k);
        unsigned before = top_of(codec, from[0]);
        for (size_t i = 0; i < PLANES_PIECE; i++) {
            unsigned top = top_of(codec, from[i]);
            counts[0][top & 0xff]++;
            counts[1][top >> 8]++;
            counts[2][(top ^ before) & 0xff]++;
            counts[3][(top ^ before) >> 8]++;
            before = top;
        }
    }
    uint64_t plain =
        (uint64_t)planes_squares(counts[0]) * planes_squares(counts[1]);
    uint64_t xored =
        (uint64_t)planes_squares(counts[2]) * planes_squares(counts[3]);
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

/* The planes of the mask, one after the other; returns their bytes. */
static size_t copy_planes(
    const uint8_t *planes, size_t n, unsigned mask, uint8_t *to)
{
    size_t copied = 0;
    for (; mask != 0; mask &= mask - 1) {
        memcpy(to + copied, planes + (size_t)__builtin_ctz(mask) * n, n);
        copied += n;
    }
    return copied;
}

/* What is neither noise nor zero. false: it does not get smaller. */
static bool compress_together(struct column_coder *coder, unsigned mask,
    const uint8_t *planes, size_t n, uint8_t *out, size_t *ret_used)
{
    uint8_t *together = (uint8_t *)coder->scratch; /* no more of use */
    size_t bytes = copy_planes(planes, n, mask, together);
    *ret_used = compress(coder, together, bytes, out);
    return *ret_used > 0 || bytes == 0;
}

/* The same, each with a code table of its own; what does not get smaller joins
 * the noise. */
static size_t compress_each(struct column_coder *coder, unsigned mask,
    const uint8_t *planes, size_t n, uint8_t *out, struct planes *kinds)
{
    size_t used = 0;
    for (; mask != 0; mask &= mask - 1) {
        size_t k = (size_t)__builtin_ctz(mask);
        size_t length = compress(coder, planes + k * n, n, out + used);
        kinds->noise |= (uint8_t)((length == 0) << k);
        used += length;
    }
    return used;
}

/* Which planes are noise and which are zero, the first value, the others
 * compressed, the noise. Returns the bytes used, or 0. The upper planes of
 * integers are alike (the sign of a difference), and so are those of what
 * repeats itself: they share a frame. */
static size_t split(struct column_coder *coder, uint8_t codec,
    struct planes kinds, uint64_t first, const uint8_t *planes, size_t n,
    uint8_t *out)
{
    const unsigned all = (1u << width_of(codec)) - 1;
    const unsigned others = all & ~(unsigned)(kinds.noise | kinds.zero);
    size_t used = 0;
    uint8_t *to = out + SPLIT_HEAD;
    if ((codec & COLUMN_DELTA) == 0 && kinds.noise != 0) {
        used = compress_each(coder, others, planes, n, to, &kinds);
    } else if (!compress_together(coder, others, planes, n, to, &used)) {
        return 0;
    }
    to += used;
    to += copy_planes(planes, n, kinds.noise, to);
    memcpy(out, &kinds, sizeof kinds);
    memcpy(out + sizeof kinds, &first, sizeof first);
    return (size_t)(to - out);
}

/* The first value is that of no difference, and would be all that some planes
 * are not zero for: in a split it stands apart. */
static uint64_t take_first(uint8_t codec, uint64_t *differences, size_t n)
{
    bool apart = n > 0 && (codec & (COLUMN_XOR | COLUMN_DELTA)) != 0;
    uint64_t first = apart ? differences[0] : 0;
    if (apart) {
        differences[0] = 0;
    }
    return first;
}

static void put_first_back(
    uint64_t first, uint8_t *planes, size_t n, size_t width)
{
    for (size_t k = 0; k < width && first != 0; k++) {
        planes[k * n] = (uint8_t)(first >> 8 * k);
    }
}

/* Returns the bytes used and completes the codec, or 0: none the smaller. */
static size_t encode_planes(struct column_coder *coder, const uint64_t *values,
    size_t n, uint8_t *out, uint8_t *codec)
{
    size_t width = width_of(*codec);
    uint64_t *differences = coder->scratch;
    uint8_t *planes = (uint8_t *)(coder->scratch + n);
    difference(*codec, values, n, differences);
    uint64_t first = take_first(*codec, differences, n);
    planes_split(differences, n, width, planes);
    struct planes kinds = find_planes(coder, planes, n, width, out);
    size_t used = 0;
    if ((kinds.noise | kinds.zero) != 0) {
        *codec |= COLUMN_SPLIT;
        used = split(coder, *codec, kinds, first, planes, n, out);
    } else {
        put_first_back(first, planes, n, width);
        used = compress(coder, planes, n * width, out);
    }
    return used < n * width ? used : 0;
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
    size_t used = encode_planes(coder, values, n, out, &codec);
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

/* The head of a split; bytes move behind it. */
static bool read_head(const uint8_t **bytes, size_t *bytes_n, size_t width,
    struct planes *ret_kinds, uint64_t *ret_first)
{
    struct planes kinds;
    if (*bytes_n < SPLIT_HEAD) {
        return false;
    }
    memcpy(&kinds, *bytes, sizeof kinds);
    memcpy(ret_first, *bytes + sizeof kinds, sizeof *ret_first);
    *ret_kinds = kinds;
    *bytes += SPLIT_HEAD;
    *bytes_n -= SPLIT_HEAD;
    return (kinds.noise & kinds.zero) == 0 &&
           (unsigned)(kinds.noise | kinds.zero) >> width == 0;
}

/* Where each plane is: noise in bytes, the others in scratch, which has room
 * for twice as many: behind them zeros. */
static bool lay_out(struct column_coder *coder, struct planes kinds,
    size_t width, const uint8_t *bytes, size_t bytes_n, size_t n,
    const uint8_t *ret_planes[8])
{
    size_t noise_n = (size_t)__builtin_popcount(kinds.noise) * n;
    size_t zero_n = (size_t)__builtin_popcount(kinds.zero) * n;
    uint8_t *zeros = (uint8_t *)(coder->scratch + n);
    if (noise_n > bytes_n ||
        !decompress(coder, bytes, bytes_n - noise_n, coder->scratch,
            n * width - noise_n - zero_n)) {
        return false;
    }
    memset(zeros, 0, n);
    const uint8_t *noise = bytes + bytes_n - noise_n;
    const uint8_t *other = (const uint8_t *)coder->scratch;
    for (size_t k = 0; k < width; k++) {
        ret_planes[k] = zeros;
        if (!has_plane(kinds.zero, k)) {
            const uint8_t **from = has_plane(kinds.noise, k) ? &noise : &other;
            ret_planes[k] = *from;
            *from += n;
        }
    }
    return true;
}

static bool decode_planes(struct column_coder *coder, uint8_t codec,
    const uint8_t *bytes, size_t bytes_n, uint64_t *values, size_t n)
{
    const size_t width = width_of(codec);
    const uint8_t *planes[8];
    struct planes kinds = { 0 };
    uint64_t first = 0;
    bool is_split = (codec & COLUMN_SPLIT) != 0;
    if ((is_split && !read_head(&bytes, &bytes_n, width, &kinds, &first)) ||
        !lay_out(coder, kinds, width, bytes, bytes_n, n, planes)) {
        return false;
    }
    planes_join(planes, n, width, values);
    if (first != 0 && n > 0) {
        values[0] = first;
    }
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
