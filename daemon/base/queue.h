/*
 * queue: a bounded queue of pointers between threads. Any number of threads on
 * either side. It owns the pointers' order, never what they point to.
 */
#ifndef TRAJD_QUEUE_H
#define TRAJD_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct queue;

CHECK_RESULT enum err_code queue_new(
    size_t capacity, struct queue **ret_queue, struct err *e);
/* Nobody uses it any more. What is still in it is forgotten. NULL is allowed.
 */
void queue_free(struct queue *queue);

/* Does not wait: false if the queue is full or closed. */
bool queue_push(struct queue *queue, void *item);

/* Takes up to max items, in order; waits up to timeout_ms for the first one.
 * 0: none came in time, or the queue is closed and empty. */
size_t queue_pop(
    struct queue *queue, void **ret_items, size_t max, int timeout_ms);

/* No push succeeds any more; what is in it can still be taken. */
void queue_close(struct queue *queue);
bool queue_is_over(struct queue *queue); /* closed, and empty */

#endif
