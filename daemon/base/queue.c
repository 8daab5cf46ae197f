/*
 * queue.c: owns a ring of pointers; any thread.
 *
 * 1. n <= capacity; the items are items[head], items[head + 1], ... modulo
 *    capacity.
 * 2. closed never becomes false again.
 */
#include "base/queue.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/cond.h"

struct queue {
    pthread_mutex_t lock; /* guards all below; a leaf: no lock is taken in it */
    pthread_cond_t changed; /* an item came, or closed */
    size_t capacity;
    size_t head;
    size_t n;
    bool closed;
    void *items[];
};

enum err_code queue_new(
    size_t capacity, struct queue **ret_queue, struct err *e)
{
    struct queue *queue =
        calloc(1, sizeof *queue + capacity * sizeof queue->items[0]);
    if (queue == NULL) {
        return err_set(e, ERR_NOMEM, "out of memory for a queue");
    }
    queue->capacity = capacity;
    if (pthread_mutex_init(&queue->lock, NULL) != 0) {
        goto err_free;
    }
    if (!cond_init(&queue->changed)) {
        goto err_lock;
    }
    *ret_queue = queue;
    return ERR_NONE;

err_lock:
    (void)pthread_mutex_destroy(&queue->lock);
err_free:
    free(queue);
    return err_set(e, ERR_NOMEM, "no lock for a queue");
}

void queue_free(struct queue *queue)
{
    if (queue == NULL) {
        return;
    }
    (void)pthread_cond_destroy(&queue->changed);
    (void)pthread_mutex_destroy(&queue->lock);
    free(queue);
}

/* Locking a sound mutex of the default kind does not fail. */
static void lock(struct queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
}

static void unlock(struct queue *queue)
{
    (void)pthread_mutex_unlock(&queue->lock);
}

bool queue_push(struct queue *queue, void *item)
{
    lock(queue);
    bool fits = !queue->closed && queue->n < queue->capacity;
    if (fits) {
        queue->items[(queue->head + queue->n) % queue->capacity] = item;
        queue->n++;
        (void)pthread_cond_signal(&queue->changed);
    }
    unlock(queue);
    return fits;
}

size_t queue_pop(
    struct queue *queue, void **ret_items, size_t max, int timeout_ms)
{
    int64_t until = clock_mono_ns() + timeout_ms * NS_PER_MS;
    bool in_time = timeout_ms > 0;

    lock(queue);
    while (queue->n == 0 && !queue->closed && in_time) {
        in_time = cond_wait_until(&queue->changed, &queue->lock, until);
    }
    size_t n = queue->n < max ? queue->n : max;
    for (size_t i = 0; i < n; i++) {
        ret_items[i] = queue->items[queue->head];
        queue->head = (queue->head + 1) % queue->capacity;
    }
    queue->n -= n;
    unlock(queue);
    return n;
}

void queue_close(struct queue *queue)
{
    lock(queue);
    queue->closed = true;
    (void)pthread_cond_broadcast(&queue->changed);
    unlock(queue);
}

bool queue_is_over(struct queue *queue)
{
    lock(queue);
    bool over = queue->closed && queue->n == 0;
    unlock(queue);
    return over;
}
