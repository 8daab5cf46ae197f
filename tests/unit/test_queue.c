/* queue: order, bounds, closing, and many threads at once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/promise.h"
#include "base/queue.h"

static struct queue *new_queue(size_t capacity)
{
    struct queue *queue = NULL;
    struct err e = { 0 };
    assert_int_equal(queue_new(capacity, &queue, &e), ERR_NONE);
    return queue;
}

static void test_items_come_out_in_order_also_around_the_end(void **state)
{
    (void)state;
    struct queue *queue = new_queue(3);
    int items[8];
    void *out[8];
    for (size_t i = 0; i < 8; i += 2) {
        assert_true(queue_push(queue, &items[i]));
        assert_true(queue_push(queue, &items[i + 1]));
        assert_int_equal(queue_pop(queue, out, 8, 0), 2);
        assert_ptr_equal(out[0], &items[i]);
        assert_ptr_equal(out[1], &items[i + 1]);
    }
    queue_free(queue);
}

static void test_a_full_queue_takes_no_more_until_one_is_taken(void **state)
{
    (void)state;
    struct queue *queue = new_queue(2);
    int item;
    void *out[2];
    assert_true(queue_push(queue, &item));
    assert_true(queue_push(queue, &item));
    assert_false(queue_push(queue, &item));
    assert_int_equal(queue_pop(queue, out, 1, 0), 1);
    assert_true(queue_push(queue, &item));
    assert_false(queue_push(queue, &item));
    queue_free(queue);
}

static void test_pop_gives_up_at_its_deadline(void **state)
{
    (void)state;
    struct queue *queue = new_queue(2);
    void *out[1];
    int64_t start = clock_mono_ns();
    assert_int_equal(queue_pop(queue, out, 1, 20), 0);
    assert_true(clock_mono_ns() - start >= 20 * NS_PER_MS);
    assert_int_equal(queue_pop(queue, out, 1, 0), 0);
    queue_free(queue);
}

static void test_a_closed_queue_gives_what_it_has_and_takes_nothing(
    void **state)
{
    (void)state;
    struct queue *queue = new_queue(2);
    int item;
    void *out[2];
    assert_true(queue_push(queue, &item));
    queue_close(queue);
    assert_false(queue_is_over(queue));
    assert_false(queue_push(queue, &item));
    assert_int_equal(queue_pop(queue, out, 2, 1000), 1);
    assert_true(queue_is_over(queue));
    int64_t start = clock_mono_ns();
    assert_int_equal(queue_pop(queue, out, 2, 60000), 0);
    assert_true(clock_mono_ns() - start < 30 * NS_PER_S);
    queue_free(queue);
}

#define PRODUCERS 4
#define EACH 5000

struct producer {
    pthread_t thread;
    struct queue *queue;
    uint8_t items[EACH];
};

static void *produce(void *context)
{
    struct producer *p = context;
    for (size_t i = 0; i < EACH;) {
        i += queue_push(p->queue, &p->items[i]);
    }
    return NULL;
}

static void test_each_item_of_many_threads_arrives_once_in_its_order(
    void **state)
{
    (void)state;
    static struct producer producers[PRODUCERS];
    uint8_t *next[PRODUCERS];
    struct queue *queue = new_queue(64);
    for (size_t i = 0; i < PRODUCERS; i++) {
        producers[i].queue = queue;
        next[i] = producers[i].items;
        assert_int_equal(
            pthread_create(&producers[i].thread, NULL, produce, &producers[i]),
            0);
    }
    for (size_t left = PRODUCERS * EACH; left > 0;) {
        void *out[16];
        size_t n = queue_pop(queue, out, 16, 10000);
        assert_true(n > 0);
        for (size_t k = 0; k < n; k++) {
            size_t from = 0;
            while (out[k] != next[from]) {
                from++;
                assert_true(from < PRODUCERS);
            }
            next[from]++;
        }
        left -= n;
    }
    for (size_t i = 0; i < PRODUCERS; i++) {
        assert_int_equal(pthread_join(producers[i].thread, NULL), 0);
        assert_ptr_equal(next[i], producers[i].items + EACH);
    }
    queue_free(queue);
}

static void *give(void *context)
{
    struct err e = { 0 };
    promise_give(context, err_set(&e, ERR_FULL, "no room"), &e);
    return NULL;
}

static void test_a_promise_brings_the_error_of_the_other_thread(void **state)
{
    (void)state;
    struct promise promise = PROMISE_INIT;
    struct err e = { 0 };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, give, &promise), 0);
    assert_int_equal(promise_wait(&promise, &e), ERR_FULL);
    assert_string_equal(e.text, "no room");
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items_come_out_in_order_also_around_the_end),
        cmocka_unit_test(test_a_full_queue_takes_no_more_until_one_is_taken),
        cmocka_unit_test(test_pop_gives_up_at_its_deadline),
        cmocka_unit_test(
            test_a_closed_queue_gives_what_it_has_and_takes_nothing),
        cmocka_unit_test(
            test_each_item_of_many_threads_arrives_once_in_its_order),
        cmocka_unit_test(test_a_promise_brings_the_error_of_the_other_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
