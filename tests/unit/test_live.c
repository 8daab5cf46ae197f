/* Tests of daemon/threads/live.c: what streams get, and what they do not. */
#include "threads/live.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/clock.h"
#include "pure/decode.h"
#include "traj.h"
#include "wire/encode.h"

#define PATIENCE_NS (20 * NS_PER_S)

/* ---- a stream with a client that waits ---- */

struct client {
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool asleep;
    struct live_stream *stream;
    char *text;
    size_t n;
    bool ended;
};

static void client_sleeps(void *context)
{
    struct client *client = context;
    (void)pthread_mutex_lock(&client->lock);
    assert_false(client->asleep);
    client->asleep = true;
    (void)pthread_mutex_unlock(&client->lock);
}

static void client_wakes(void *context)
{
    struct client *client = context;
    (void)pthread_mutex_lock(&client->lock);
    assert_true(client->asleep);
    client->asleep = false;
    (void)pthread_cond_signal(&client->woken);
    (void)pthread_mutex_unlock(&client->lock);
}

static enum err_code client_open(struct client *client, struct live *live,
    const char *run_uid, const char *last_event_id)
{
    *client = (struct client){ 0 };
    (void)pthread_mutex_init(&client->lock, NULL);
    (void)pthread_cond_init(&client->woken, NULL);
    client->text = calloc(1, 1);
    struct live_stream_options options = {
        .run_uid = run_uid,
        .last_event_id = last_event_id,
        .sleep = client_sleeps,
        .wake = client_wakes,
        .context = client,
    };
    struct err e = { 0 };
    return live_stream_open(live, &options, &client->stream, &e);
}

static void client_close(struct client *client)
{
    if (client->stream != NULL) {
        live_stream_close(client->stream);
    }
    free(client->text);
    (void)pthread_cond_destroy(&client->woken);
    (void)pthread_mutex_destroy(&client->lock);
}

static bool client_is_awake(struct client *client, int64_t deadline)
{
    (void)pthread_mutex_lock(&client->lock);
    while (client->asleep && clock_mono_ns() < deadline) {
        int64_t at = clock_wall_ns() + 50 * NS_PER_MS;
        struct timespec until = { (time_t)(at / NS_PER_S),
            (long)(at % NS_PER_S) };
        (void)pthread_cond_timedwait(&client->woken, &client->lock, &until);
    }
    bool awake = !client->asleep;
    (void)pthread_mutex_unlock(&client->lock);
    return awake;
}

static void client_step(struct client *client, int64_t deadline)
{
    char piece[1000];
    if (!client_is_awake(client, deadline)) {
        return;
    }
    long n = live_read(client->stream, piece, sizeof piece);
    client->ended = n == LIVE_READ_END;
    if (n > 0) {
        client->text = realloc(client->text, client->n + (size_t)n + 1);
        memcpy(client->text + client->n, piece, (size_t)n);
        client->n += (size_t)n;
        client->text[client->n] = '\0';
    }
}

static bool client_reads(struct client *client, const char *wanted)
{
    int64_t deadline = clock_mono_ns() + PATIENCE_NS;
    while (strstr(client->text, wanted) == NULL && !client->ended &&
           clock_mono_ns() < deadline) {
        client_step(client, deadline);
    }
    return strstr(client->text, wanted) != NULL;
}

static bool client_reads_to_the_end(struct client *client)
{
    int64_t deadline = clock_mono_ns() + PATIENCE_NS;
    while (!client->ended && clock_mono_ns() < deadline) {
        client_step(client, deadline);
    }
    return client->ended;
}

/* ---- messages ---- */

#define MESSAGE_MAX 200000

static uint64_t bits_of(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* n steps from first_seq on; step = seq, loss = seq / 8, grad_sq = 9. */
static void steps_message(uint8_t *bytes, struct message *message,
    uint64_t first_seq, size_t n, enum traj_combine combine)
{
    static const uint8_t uid[16] = { 1 };
    uint64_t(*values)[STEP_FIELDS] = calloc(n, sizeof *values);
    struct wire_record *records = calloc(n, sizeof *records);
    for (size_t i = 0; i < n; i++) {
        uint64_t seq = first_seq + i;
        values[i][STEP_step] = seq;
        values[i][STEP_loss] = bits_of((double)seq / 8);
        values[i][STEP_grad_sq] = bits_of(9);
        values[i][STEP_combine] = combine;
        records[i] = (struct wire_record){
            .seq = seq,
            .kind = WIRE_STEP,
            .present = 1u << STEP_step | 1u << STEP_loss | 1u << STEP_grad_sq |
                       1u << STEP_combine,
            .values = values[i],
        };
    }
    size_t length =
        wire_encode_data(bytes, MESSAGE_MAX, uid, 0, first_seq, records, n);
    assert_true(length > 0);
    assert_int_equal(decode_message(bytes, length, message), DECODE_OK);
    free(records);
    free(values);
}

static void publish_of(struct live *live, const char *run_uid,
    const struct stream_state *state, uint64_t first_seq, size_t n,
    enum traj_combine combine)
{
    uint8_t *bytes = calloc(1, MESSAGE_MAX);
    struct message message;
    steps_message(bytes, &message, first_seq, n, combine);
    live_publish(live, run_uid, state, &message);
    free(bytes);
}

static void publish(struct live *live, const char *run_uid, uint32_t attempt,
    uint32_t rank, uint64_t first_seq, size_t n)
{
    const struct stream_state state = { .attempt = attempt, .rank = rank };
    publish_of(live, run_uid, &state, first_seq, n, TRAJ_COMBINE_NONE);
}

static void publish_probe(struct live *live, const char *run_uid)
{
    static const uint8_t uid[16] = { 1 };
    uint64_t values[PROBE_FIELDS] = { 0 };
    values[PROBE_step] = 7;
    values[PROBE_smoothness] = bits_of((double)INFINITY);
    values[PROBE_grad_sq] = bits_of(4);
    values[PROBE_grad_end_sq] = bits_of(16);
    values[PROBE_delta_sq] = bits_of(0.25);
    values[PROBE_dgrad_sq] = bits_of(9);
    values[PROBE_rounding_floor] = bits_of(0.5);
    struct wire_record record = {
        .seq = 1,
        .kind = WIRE_PROBE,
        .present = 1u << PROBE_step | 1u << PROBE_smoothness |
                   1u << PROBE_grad_sq | 1u << PROBE_grad_end_sq |
                   1u << PROBE_delta_sq | 1u << PROBE_dgrad_sq |
                   1u << PROBE_rounding_floor,
        .values = values,
    };
    uint8_t bytes[4096];
    struct message message;
    size_t length =
        wire_encode_data(bytes, sizeof bytes, uid, 0, 1, &record, 1);
    assert_int_equal(decode_message(bytes, length, &message), DECODE_OK);
    struct stream_state state = { .attempt = 1 };
    live_publish(live, run_uid, &state, &message);
}

static struct live *start(void)
{
    struct live *live = NULL;
    struct err e = { 0 };
    assert_int_equal(live_new(&live, &e), ERR_NONE);
    return live;
}

static void send_run(struct live *live, const char *run_uid, const char *data)
{
    live_send(live, LIVE_EVENT_RUN, run_uid, str_of(data));
}

/* The id of the last event in what a client has read. */
static void last_id(const struct client *client, char out[static 64])
{
    const char *at = client->text;
    for (const char *p = at; (p = strstr(p, "id: ")) != NULL; p++) {
        at = p;
    }
    assert_int_equal(sscanf(at, "id: %63s", out), 1);
}

/* ---- the tests ---- */

static void test_committed_rows_reach_the_streams_of_their_run(void **state)
{
    (void)state;
    struct live *live = start();
    struct client client;
    assert_int_equal(client_open(&client, live, "a", NULL), ERR_NONE);
    publish(live, "a", 1, 0, 1, 2);
    assert_true(client_reads(&client, "\n\nid: "));
    assert_true(client_reads(&client,
        "event: rows\ndata: {\"run\":\"a\",\"step\":{\"attempt\":[1,1],"
        "\"seq\":[1,2],\"step\":[1,2],\"loss\":[0.125,0.25],"
        "\"grad_norm\":[3,3],\"lr\":[null,null],\"clip_threshold\":[null,null]"
        ",\"delta_norm\":[null,null],\"param_norm\":[null,null]},\"probe\":{"));
    client_close(&client);
    live_free(live);
}

static void test_a_probe_row_has_its_regressors_and_its_bounds(void **state)
{
    (void)state;
    struct live *live = start();
    struct client client;
    assert_int_equal(client_open(&client, live, "a", NULL), ERR_NONE);
    publish_probe(live, "a");
    assert_true(client_reads(&client,
        "\"probe\":{\"attempt\":[1],\"step\":[7],\"start\":[2],"
        "\"trapezoid\":[3],\"simpson\":[null],\"smoothness\":[\"Infinity\"],"
        "\"smoothness_ceiling\":[null],\"smoothness_noise_floor\":[null],"
        "\"smoothness_rounding_floor\":[0.5],\"secant\":[6],"
        "\"secant_ceiling\":[12],\"secant_noise_floor\":[null],"
        "\"secant_rounding_floor\":[0.5],\"flags\":[0]}}\n\n"));
    client_close(&client);
    live_free(live);
}

static void test_rows_of_other_runs_and_ranks_do_not_come(void **state)
{
    (void)state;
    struct live *live = start();
    struct client client;
    assert_int_equal(client_open(&client, live, "a", NULL), ERR_NONE);
    publish(live, "b", 1, 0, 1, 5);
    publish(live, "a", 1, 1, 1, 5);
    publish(live, "a", 1, 0, 9, 1);
    assert_true(client_reads(&client, "\"seq\":[9]"));
    client_close(&client);
    live_free(live);
}

static void test_a_frame_sent_again_shows_nothing_twice(void **state)
{
    (void)state;
    struct live *live = start();
    struct client client;
    assert_int_equal(client_open(&client, live, "a", NULL), ERR_NONE);
    publish(live, "a", 1, 0, 1, 3);
    publish(live, "a", 1, 0, 1, 3);
    publish(live, "a", 1, 0, 2, 3);
    assert_true(client_reads(&client, "4]"));
    assert_true(strstr(client.text, "\"seq\":[1,2,3,4]") != NULL ||
                strstr(client.text, "\"seq\":[4]") != NULL);
    client_close(&client);
    live_free(live);
}

static void test_more_rows_than_fit_say_more(void **state)
{
    (void)state;
    struct live *live = start();
    struct client client;
    assert_int_equal(client_open(&client, live, "a", NULL), ERR_NONE);
    publish(live, "a", 1, 0, 1, LIVE_ROWS_MAX + 1);
    assert_int_equal(LIVE_ROWS_MAX, 400);
    assert_true(client_reads(
        &client, "event: more\ndata: {\"run\":\"a\",\"last_step\":401}\n\n"));
    assert_null(strstr(client.text, "event: rows"));
    client_close(&client);
    live_free(live);
}

static void test_shards_of_any_rank_say_more(void **state)
{
    (void)state;
    for (uint32_t rank = 0; rank < 2; rank++) {
        struct live *live = start();
        struct client client;
        const struct stream_state of = {
            .attempt = 1, .rank = rank, .world = 2
        };
        assert_int_equal(client_open(&client, live, "a", NULL), ERR_NONE);
        publish_of(live, "a", &of, 1, 3, TRAJ_COMBINE_SHARD);
        assert_true(client_reads(&client, "event: more"));
        assert_null(strstr(client.text, "event: rows"));
        client_close(&client);
        live_free(live);
    }
}

static void test_the_only_shard_of_a_run_has_its_rows(void **state)
{
    (void)state;
    struct live *live = start();
    struct client client;
    const struct stream_state of = { .attempt = 1, .world = 1 };
    assert_int_equal(client_open(&client, live, "a", NULL), ERR_NONE);
    publish_of(live, "a", &of, 1, 3, TRAJ_COMBINE_SHARD);
    assert_true(client_reads(&client, "event: rows"));
    assert_null(strstr(client.text, "event: more"));
    client_close(&client);
    live_free(live);
}

static void test_another_attempt_says_more(void **state)
{
    (void)state;
    struct live *live = start();
    struct client client;
    assert_int_equal(client_open(&client, live, "a", NULL), ERR_NONE);
    publish(live, "a", 1, 0, 1, 1);
    assert_true(client_reads(&client, "event: rows"));
    publish(live, "a", 2, 0, 1, 1);
    assert_true(client_reads(&client, "event: more"));
    client.n = 0;
    client.text[0] = '\0';
    publish(live, "a", 1, 0, 2, 1);
    assert_true(client_reads(&client, "event: more"));
    client_close(&client);
    live_free(live);
}

static void test_a_stream_of_all_runs_gets_news_and_no_rows(void **state)
{
    (void)state;
    struct live *live = start();
    struct client one, all;
    assert_int_equal(client_open(&one, live, "a", NULL), ERR_NONE);
    assert_int_equal(client_open(&all, live, NULL, NULL), ERR_NONE);
    publish(live, "a", 1, 0, 1, 1);
    assert_true(client_reads(&one, "event: rows"));
    send_run(live, "b", "{\"id\":\"b\"}");
    send_run(live, "a", "{\"id\":\"a\"}");
    assert_true(client_reads(&all, "event: run\ndata: {\"id\":\"a\"}\n\n"));
    assert_non_null(strstr(all.text, "data: {\"id\":\"b\"}"));
    assert_null(strstr(all.text, "event: rows"));
    assert_true(client_reads(&one, "data: {\"id\":\"a\"}"));
    assert_null(strstr(one.text, "data: {\"id\":\"b\"}"));
    client_close(&one);
    client_close(&all);
    live_free(live);
}

static void test_a_stream_that_falls_behind_is_told_to_fetch_again(void **state)
{
    (void)state;
    struct live *live = start();
    struct client client;
    assert_int_equal(client_open(&client, live, NULL, NULL), ERR_NONE);
    static char data[60000];
    memset(data, 'x', sizeof data - 1);
    for (int i = 0; i < 20; i++) {
        send_run(live, "a", data);
    }
    assert_true(client_reads(&client, "event: resync\ndata: {}\n\n"));
    assert_true(client.n < LIVE_RING_BYTES + 1000);
    client.n = 0;
    client.text[0] = '\0';
    send_run(live, "a", "after");
    assert_true(client_reads(&client, "data: after\n\n"));
    client_close(&client);
    live_free(live);
}

static void test_a_cut_stream_goes_on_where_it_was(void **state)
{
    (void)state;
    struct live *live = start();
    struct client client;
    assert_int_equal(client_open(&client, live, "a", NULL), ERR_NONE);
    send_run(live, "a", "one");
    send_run(live, "a", "two");
    assert_true(client_reads(&client, "data: one\n\n"));
    char id[64];
    client.text[strstr(client.text, "data: one") - client.text] = '\0';
    last_id(&client, id);
    client_close(&client);

    send_run(live, "b", "foreign");
    send_run(live, "a", "three");
    assert_int_equal(client_open(&client, live, "a", id), ERR_NONE);
    assert_true(client_reads(&client, "data: three\n\n"));
    assert_non_null(strstr(client.text, "data: two\n\n"));
    assert_null(strstr(client.text, "data: one\n\n"));
    assert_null(strstr(client.text, "foreign"));
    assert_null(strstr(client.text, "resync"));
    client_close(&client);
    live_free(live);
}

static void test_an_id_that_means_nothing_here_says_resync(void **state)
{
    (void)state;
    static const char *const ids[] = { "", "7", "cafe-1", "x-", "-1" };
    struct live *live = start();
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct client client;
        assert_int_equal(client_open(&client, live, "a", ids[i]), ERR_NONE);
        assert_true(client_reads(&client, "event: resync"));
        client_close(&client);
    }
    live_free(live);
}

static void test_an_id_too_old_says_resync(void **state)
{
    (void)state;
    struct live *live = start();
    struct client client;
    assert_int_equal(client_open(&client, live, NULL, NULL), ERR_NONE);
    send_run(live, "a", "one");
    assert_true(client_reads(&client, "data: one\n\n"));
    char id[64];
    last_id(&client, id);
    client_close(&client);
    for (int i = 0; i <= LIVE_HISTORY_EVENTS; i++) {
        send_run(live, "a", "later");
    }
    assert_int_equal(client_open(&client, live, NULL, id), ERR_NONE);
    assert_true(client_reads(&client, "event: resync"));
    assert_null(strstr(client.text, "later"));
    client_close(&client);
    live_free(live);
}

static void test_rows_from_before_a_run_was_watched_are_not_resumed(
    void **state)
{
    (void)state;
    struct live *live = start();
    struct client all, one;
    assert_int_equal(client_open(&all, live, NULL, NULL), ERR_NONE);
    send_run(live, "a", "one");
    assert_true(client_reads(&all, "data: one\n\n"));
    char id[64];
    last_id(&all, id);
    send_run(live, "a", "two");
    /* Rows may have been committed between `one` and this stream. */
    assert_int_equal(client_open(&one, live, "a", id), ERR_NONE);
    assert_true(client_reads(&one, "event: resync"));
    client_close(&one);
    client_close(&all);
    live_free(live);
}

static void *drain_thread(void *context)
{
    (void)live_drain(context, 20000);
    return NULL;
}

static void test_draining_says_bye_to_all_and_admits_nobody(void **state)
{
    (void)state;
    struct live *live = start();
    struct client quiet, busy, late;
    assert_int_equal(client_open(&quiet, live, "a", NULL), ERR_NONE);
    assert_int_equal(client_open(&busy, live, NULL, NULL), ERR_NONE);
    send_run(live, "b", "news");
    assert_true(client_reads(&quiet, "retry"));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, drain_thread, live), 0);
    assert_true(client_reads_to_the_end(&quiet));
    assert_true(client_reads_to_the_end(&busy));
    assert_non_null(strstr(quiet.text, "event: bye\n"));
    assert_non_null(strstr(busy.text, "data: news\n"));
    assert_non_null(strstr(busy.text, "event: bye\n"));
    assert_int_equal(client_open(&late, live, NULL, NULL), ERR_BUSY);
    client_close(&late);
    client_close(&quiet);
    client_close(&busy);
    (void)pthread_join(thread, NULL);
    assert_int_equal(live_drain(live, 0), 0);
    live_free(live);
}

static void test_a_run_is_watched_by_streams_of_its_own(void **state)
{
    (void)state;
    struct live *live = start();
    struct client all, one;
    assert_int_equal(client_open(&all, live, NULL, NULL), ERR_NONE);
    assert_false(live_is_watched(live, "a"));
    assert_int_equal(client_open(&one, live, "a", NULL), ERR_NONE);
    assert_true(live_is_watched(live, "a"));
    assert_false(live_is_watched(live, "b"));
    client_close(&one);
    assert_true(live_is_watched(live, "a")); /* it may come back */
    client_close(&all);
    live_free(live);
}

static void test_there_is_a_highest_number_of_streams(void **state)
{
    (void)state;
    static struct client clients[LIVE_STREAMS_MAX];
    struct live *live = start();
    for (size_t i = 0; i < LIVE_STREAMS_MAX; i++) {
        assert_int_equal(client_open(&clients[i], live, NULL, NULL), ERR_NONE);
    }
    struct client refused;
    assert_int_equal(client_open(&refused, live, NULL, NULL), ERR_FULL);
    client_close(&refused);
    client_close(&clients[0]);
    assert_int_equal(client_open(&clients[0], live, NULL, NULL), ERR_NONE);
    for (size_t i = 0; i < LIVE_STREAMS_MAX; i++) {
        client_close(&clients[i]);
    }
    live_free(live);
}

static void test_changed_runs_are_named_once(void **state)
{
    (void)state;
    static struct live_changed changed;
    struct live *live = start();
    publish(live, "a", 1, 0, 1, 1);
    live_touch(live, "b");
    publish(live, "a", 1, 1, 1, 1);
    live_changed(live, 10000, &changed);
    assert_int_equal(changed.n, 2);
    assert_string_equal(changed.uids[0], "a");
    assert_string_equal(changed.uids[1], "b");
    assert_false(changed.overflow);
    live_changed(live, 0, &changed);
    assert_int_equal(changed.n, 0);
    live_free(live);
}

static void test_too_many_changed_runs_say_look_at_all(void **state)
{
    (void)state;
    static struct live_changed changed;
    struct live *live = start();
    for (int i = 0; i <= LIVE_CHANGED_MAX; i++) {
        char uid[32];
        (void)snprintf(uid, sizeof uid, "run-%d", i);
        live_touch(live, uid);
    }
    live_changed(live, 10000, &changed);
    assert_int_equal(changed.n, LIVE_CHANGED_MAX);
    assert_true(changed.overflow);
    live_free(live);
}

static void test_an_interrupt_ends_the_wait(void **state)
{
    (void)state;
    static struct live_changed changed;
    struct live *live = start();
    live_interrupt(live);
    live_changed(live, 60000, &changed); /* would outlast the test's runner */
    assert_int_equal(changed.n, 0);
    live_free(live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_committed_rows_reach_the_streams_of_their_run),
        cmocka_unit_test(test_a_probe_row_has_its_regressors_and_its_bounds),
        cmocka_unit_test(test_rows_of_other_runs_and_ranks_do_not_come),
        cmocka_unit_test(test_a_frame_sent_again_shows_nothing_twice),
        cmocka_unit_test(test_more_rows_than_fit_say_more),
        cmocka_unit_test(test_shards_of_any_rank_say_more),
        cmocka_unit_test(test_the_only_shard_of_a_run_has_its_rows),
        cmocka_unit_test(test_another_attempt_says_more),
        cmocka_unit_test(test_a_stream_of_all_runs_gets_news_and_no_rows),
        cmocka_unit_test(
            test_a_stream_that_falls_behind_is_told_to_fetch_again),
        cmocka_unit_test(test_a_cut_stream_goes_on_where_it_was),
        cmocka_unit_test(test_an_id_that_means_nothing_here_says_resync),
        cmocka_unit_test(test_an_id_too_old_says_resync),
        cmocka_unit_test(
            test_rows_from_before_a_run_was_watched_are_not_resumed),
        cmocka_unit_test(test_draining_says_bye_to_all_and_admits_nobody),
        cmocka_unit_test(test_a_run_is_watched_by_streams_of_its_own),
        cmocka_unit_test(test_there_is_a_highest_number_of_streams),
        cmocka_unit_test(test_changed_runs_are_named_once),
        cmocka_unit_test(test_too_many_changed_runs_say_look_at_all),
        cmocka_unit_test(test_an_interrupt_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
