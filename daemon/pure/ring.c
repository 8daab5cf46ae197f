/* ring.c: one thread at a time per ring. */
#include "pure/ring.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool ring_init(struct ring *ring, size_t capacity)
{
    /* Not cleared: pages that no byte was ever put on cost no memory. */
    *ring = (struct ring){ .p = malloc(capacity), .capacity = capacity };
    return ring->p != NULL;
}

void ring_done(struct ring *ring)
{
    free(ring->p);
    *ring = (struct ring){ 0 };
}

void ring_put(struct ring *ring, const void *bytes, size_t n)
{
    assert(n <= ring_room(ring));
    if (n == 0) {
        return;
    }
    size_t tail = (ring->head + ring->n) % ring->capacity;
    size_t first = ring->capacity - tail < n ? ring->capacity - tail : n;
    memcpy(ring->p + tail, bytes, first);
    memcpy(ring->p, (const char *)bytes + first, n - first);
    ring->n += n;
}

size_t ring_take(struct ring *ring, void *out, size_t size)
{
    size_t n = ring->n < size ? ring->n : size;
    if (n == 0) {
        return 0;
    }
    size_t first = ring->capacity - ring->head;
    first = first < n ? first : n;
    memcpy(out, ring->p + ring->head, first);
    memcpy((char *)out + first, ring->p, n - first);
    ring->n -= n;
    /* An empty ring starts over, so that a quiet stream touches few pages. */
    ring->head = ring->n == 0 ? 0 : (ring->head + n) % ring->capacity;
    return n;
}
