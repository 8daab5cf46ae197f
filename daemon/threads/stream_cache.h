/*
 * stream_cache: what the writer remembers of the streams it has heard lately,
 * as it is on disk. Bounded: the stream unheard for longest is forgotten, and
 * found in the store again when it comes back.
 */
#ifndef TRAJD_STREAM_CACHE_H
#define TRAJD_STREAM_CACHE_H

#include <stdint.h>

#include "pure/decode.h"
#include "store/store.h"

#define STREAM_CACHE_MAX 1024u /* streams remembered */

struct cached_stream {
    struct stream_uid uid;
    struct stream_state state;
    int64_t heard_mono_ns; /* 0: an empty place */
};

/* Zero-initialised is empty. One thread. */
struct stream_cache {
    struct cached_stream places[STREAM_CACHE_MAX];
};

/* NULL if it is not there. Valid until the next change. */
struct cached_stream *stream_cache_find(
    struct stream_cache *cache, struct stream_uid uid);

/* Its place gets this state and time; a new one takes the place of another
 * when there is no room. */
void stream_cache_put(struct stream_cache *cache, struct stream_uid uid,
    const struct stream_state *state, int64_t now_mono_ns);

void stream_cache_clear(struct stream_cache *cache);

/* Streams heard since then. */
uint32_t stream_cache_heard_since(
    const struct stream_cache *cache, int64_t mono_ns);

#endif
