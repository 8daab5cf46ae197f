/* ring: bytes waiting to be read, of a fixed capacity. Pure but for its one
 * allocation. */
#ifndef TRAJD_RING_H
#define TRAJD_RING_H

#include <stdbool.h>
#include <stddef.h>

struct ring {
    char *p; /* owned; capacity bytes */
    size_t capacity;
    size_t head; /* of the oldest byte */
    size_t n;
};

/* false: out of memory. */
bool ring_init(struct ring *ring, size_t capacity);
void ring_done(struct ring *ring);

static inline size_t ring_room(const struct ring *ring)
{
    return ring->capacity - ring->n;
}

/* n bytes that there is room for. */
void ring_put(struct ring *ring, const void *bytes, size_t n);
/* Up to size bytes, the oldest; how many. */
size_t ring_take(struct ring *ring, void *out, size_t size);

#endif
