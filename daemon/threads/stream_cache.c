/*
 * stream_cache.c: owns nothing; its struct lies in the writer.
 *
 * A stream has WAYS places that follow from its uid, which is random; the one
 * of them unheard for longest is given to a new stream.
 */
#include "threads/stream_cache.h"

#include <string.h>

#define WAYS 4u
static_assert(STREAM_CACHE_MAX % WAYS == 0, "sets of equal size");

static struct cached_stream *set_of(
    struct stream_cache *cache, struct stream_uid uid)
{
    uint64_t hash = 0;
    memcpy(&hash, uid.v, sizeof hash);
    return &cache->places[hash % (STREAM_CACHE_MAX / WAYS) * WAYS];
}

struct cached_stream *stream_cache_find(
    struct stream_cache *cache, struct stream_uid uid)
{
    struct cached_stream *set = set_of(cache, uid);
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].heard_mono_ns != 0 &&
            memcmp(set[i].uid.v, uid.v, sizeof uid.v) == 0) {
            return &set[i];
        }
    }
    return NULL;
}

void stream_cache_put(struct stream_cache *cache, struct stream_uid uid,
    const struct stream_state *state, int64_t now_mono_ns)
{
    struct cached_stream *place = stream_cache_find(cache, uid);
    if (place == NULL) {
        struct cached_stream *set = set_of(cache, uid);
        place = &set[0];
        for (size_t i = 1; i < WAYS; i++) {
            if (set[i].heard_mono_ns < place->heard_mono_ns) {
                place = &set[i];
            }
        }
        *place = (struct cached_stream){ .uid = uid };
    }
    place->state = *state;
    place->heard_mono_ns = now_mono_ns;
}

void stream_cache_clear(struct stream_cache *cache)
{
    memset(cache, 0, sizeof *cache);
}

uint32_t stream_cache_heard_since(
    const struct stream_cache *cache, int64_t mono_ns)
{
    uint32_t n = 0;
    for (size_t i = 0; i < STREAM_CACHE_MAX; i++) {
        n += cache->places[i].heard_mono_ns != 0 &&
             cache->places[i].heard_mono_ns >= mono_ns;
    }
    return n;
}
