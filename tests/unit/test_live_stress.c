/* Many streams that come, go, read slowly or not at all, while a writer
 * publishes as fast as it can: run under the sanitizers, that is the test of
 * live's locks; what each stream reads must be whole events in order. */
#include "threads/live.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/clock.h"
#include "pure/decode.h"
#include "wire/encode.h"

enum { RUNS = 4, READERS = 50, STREAMS = 2000, ROWS = 8 };

static struct live *live;
static _Atomic bool writing;    /* relaxed: readers stop a round later */
static _Atomic unsigned faults; /* cmocka's asserts are for one thread */
static _Atomic uint64_t events_read;
static _Atomic unsigned streams_closed;

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return *state >> 33;
}

static void run_name(char out[static 8], uint64_t number)
{
    (void)snprintf(out, 8, "run-%" PRIu64, number % RUNS);
}

/* ---- the writer and the analysis ---- */

static size_t encode_steps(uint8_t *bytes, size_t capacity, uint64_t first_seq)
{
    static const uint8_t uid[16] = { 1 };
    uint64_t values[ROWS][STEP_FIELDS] = { 0 };
    struct wire_record records[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        values[i][STEP_step] = first_seq + i;
        records[i] = (struct wire_record){
            .seq = first_seq + i,
            .kind = WIRE_STEP,
            .present = 1u << STEP_step,
            .values = values[i],
        };
    }
    return wire_encode_data(bytes, capacity, uid, 0, first_seq, records, ROWS);
}

static void *write_rows(void *context)
{
    (void)context;
    uint8_t bytes[4096];
    for (uint64_t i = 0; atomic_load(&streams_closed) < STREAMS; i++) {
        struct message message;
        char run[8];
        size_t n = encode_steps(bytes, sizeof bytes, 1 + (i / RUNS) * ROWS);
        if (decode_message(bytes, n, &message) != DECODE_OK) {
            atomic_fetch_add(&faults, 1);
        }
        run_name(run, i);
        const struct stream_state state = { .attempt = 1 };
        live_publish(live, run, &state, &message);
    }
    atomic_store(&writing, false);
    return NULL;
}

static void *send_news(void *context)
{
    static struct live_changed changed;
    (void)context;
    for (uint64_t i = 0; atomic_load(&writing); i++) {
        char run[8];
        run_name(run, i);
        live_send(live, i % 2 == 0 ? LIVE_EVENT_RUN : LIVE_EVENT_FIT, run,
            STR("{\"n\":1}"));
        live_changed(live, 1, &changed);
    }
    return NULL;
}

/* ---- a reader ---- */

struct reader {
    uint64_t seed;
    _Atomic bool asleep;        /* relaxed: the reader looks again */
    char rest[LIVE_RING_BYTES]; /* of an event that is not complete */
    size_t n;
    uint64_t last_id;
};

static void fall_asleep(void *context)
{
    struct reader *reader = context;
    if (atomic_exchange(&reader->asleep, true)) {
        atomic_fetch_add(&faults, 1); /* sleep and wake take turns */
    }
}

static void wake(void *context)
{
    struct reader *reader = context;
    if (!atomic_exchange(&reader->asleep, false)) {
        atomic_fetch_add(&faults, 1);
    }
}

static bool is_whole_event(struct reader *reader, const char *event)
{
    uint64_t id = 0;
    char name[16];
    if (strncmp(event, ":hb", 3) == 0 || strncmp(event, "retry:", 6) == 0) {
        return true;
    }
    if (sscanf(event, "id: %*[0-9a-f]-%" SCNu64 "\nevent: %15s\ndata: {", &id,
            name) != 2) {
        return false;
    }
    /* A notice repeats the id of what came before it. */
    bool notice = strcmp(name, "resync") == 0 || strcmp(name, "bye") == 0;
    bool in_order = notice ? id >= reader->last_id : id > reader->last_id;
    reader->last_id = id;
    atomic_fetch_add(&events_read, 1);
    return in_order && event[strlen(event) - 1] == '}';
}

/* Checks and drops the events that are complete. */
static void check(struct reader *reader)
{
    reader->rest[reader->n] = '\0';
    char *at = reader->rest;
    for (char *end; (end = strstr(at, "\n\n")) != NULL; at = end + 2) {
        *end = '\0';
        if (!is_whole_event(reader, at)) {
            atomic_fetch_add(&faults, 1);
        }
    }
    reader->n -= (size_t)(at - reader->rest);
    memmove(reader->rest, at, reader->n);
}

static void pause_for(long us)
{
    const struct timespec pause = { .tv_nsec = us * 1000 };
    (void)nanosleep(&pause, NULL);
}

/* false: the stream has ended. */
static bool read_some(struct reader *reader, struct live_stream *stream)
{
    while (!atomic_load(&reader->asleep)) {
        size_t room = sizeof reader->rest - 1 - reader->n;
        size_t size = 1 + next_random(&reader->seed) % 8000;
        long n = live_read(
            stream, reader->rest + reader->n, size < room ? size : room);
        if (n == LIVE_READ_END) {
            return false;
        }
        reader->n += (size_t)n;
        check(reader);
    }
    return true;
}

static void one_stream(struct reader *reader)
{
    struct live_stream *stream = NULL;
    struct err e = { 0 };
    char run[8];
    run_name(run, next_random(&reader->seed));
    const struct live_stream_options options = {
        .run_uid = next_random(&reader->seed) % 4 == 0 ? NULL : run,
        .last_event_id = next_random(&reader->seed) % 2 == 0 ? NULL : "1-1",
        .sleep = fall_asleep,
        .wake = wake,
        .context = reader,
    };
    atomic_store(&reader->asleep, false);
    reader->n = 0;
    reader->last_id = 0;
    if (live_stream_open(live, &options, &stream, &e) != ERR_NONE) {
        return; /* draining */
    }
    bool on = true;
    for (uint64_t i = next_random(&reader->seed) % 20; on && i > 0; i--) {
        /* One in three is slow: its ring runs over. */
        pause_for(reader->seed % 3 == 0 ? 20000 : 500);
        on = read_some(reader, stream);
    }
    live_stream_close(stream);
    atomic_fetch_add(&streams_closed, 1);
}

static void *read_streams(void *context)
{
    struct reader *reader = context;
    while (atomic_load(&writing)) {
        one_stream(reader);
    }
    return NULL;
}

static void test_streams_read_whole_events_in_order(void **state)
{
    (void)state;
    static struct reader readers[READERS];
    pthread_t threads[READERS];
    pthread_t writer, news;
    struct err e = { 0 };
    assert_int_equal(live_new(&live, &e), ERR_NONE);
    atomic_store(&writing, true);
    for (size_t i = 0; i < READERS; i++) {
        readers[i].seed = i + 1;
        assert_int_equal(
            pthread_create(&threads[i], NULL, read_streams, &readers[i]), 0);
    }
    assert_int_equal(pthread_create(&writer, NULL, write_rows, NULL), 0);
    assert_int_equal(pthread_create(&news, NULL, send_news, NULL), 0);
    (void)pthread_join(writer, NULL);
    (void)pthread_join(news, NULL);
    assert_int_equal(live_drain(live, 60000), 0);
    for (size_t i = 0; i < READERS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&faults), 0);
    assert_true(atomic_load(&events_read) > STREAMS);
    live_free(live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_read_whole_events_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
