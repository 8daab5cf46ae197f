/* peer: see peer.h. */
#include "peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <zmq.h>

/* One message of two parts: who, and what. */
static void serve_one(struct peer *peer)
{
    static _Thread_local uint8_t bytes[WIRE_MESSAGE_MAX];
    uint8_t who[256];
    uint8_t ack[FAKE_ACK_BYTES];
    int who_n = zmq_recv(peer->socket, who, sizeof who, ZMQ_DONTWAIT);
    if (who_n < 0) {
        return;
    }
    int n = zmq_recv(peer->socket, bytes, sizeof bytes, 0);
    struct fake_daemon *daemon = peer_lock(peer);
    size_t ack_n = fake_daemon_receive(daemon, bytes, (size_t)n, ack);
    peer_unlock(peer);
    if (ack_n > 0) {
        (void)zmq_send(
            peer->socket, who, (size_t)who_n, ZMQ_SNDMORE | ZMQ_DONTWAIT);
        (void)zmq_send(peer->socket, ack, ack_n, ZMQ_DONTWAIT);
    }
}

static void *serve(void *context)
{
    struct peer *peer = context;
    while (!atomic_load(&peer->stopping)) {
        zmq_pollitem_t item = { .socket = peer->socket, .events = ZMQ_POLLIN };
        if (zmq_poll(&item, 1, 5) > 0) {
            serve_one(peer);
        }
    }
    return NULL;
}

void peer_start_at(struct peer *peer, const char *endpoint)
{
    int linger = 0;
    size_t n = sizeof peer->endpoint;
    atomic_store(&peer->stopping, false);
    peer->context = zmq_ctx_new();
    peer->socket = zmq_socket(peer->context, ZMQ_ROUTER);
    assert_non_null(peer->socket);
    assert_int_equal(
        zmq_setsockopt(peer->socket, ZMQ_LINGER, &linger, sizeof linger), 0);
    assert_int_equal(zmq_bind(peer->socket, endpoint), 0);
    assert_int_equal(
        zmq_getsockopt(peer->socket, ZMQ_LAST_ENDPOINT, peer->endpoint, &n), 0);
    assert_int_equal(pthread_create(&peer->thread, NULL, serve, peer), 0);
}

void peer_start(struct peer *peer)
{
    memset(peer, 0, sizeof *peer);
    assert_int_equal(pthread_mutex_init(&peer->mutex, NULL), 0);
    peer_start_at(peer, "tcp://127.0.0.1:*");
}

void peer_stop(struct peer *peer)
{
    atomic_store(&peer->stopping, true);
    assert_int_equal(pthread_join(peer->thread, NULL), 0);
    assert_int_equal(zmq_close(peer->socket), 0);
    assert_int_equal(zmq_ctx_term(peer->context), 0);
}

void peer_done(struct peer *peer)
{
    fake_daemon_done(&peer->daemon);
    (void)pthread_mutex_destroy(&peer->mutex);
}

struct fake_daemon *peer_lock(struct peer *peer)
{
    (void)pthread_mutex_lock(&peer->mutex);
    return &peer->daemon;
}

void peer_unlock(struct peer *peer)
{
    (void)pthread_mutex_unlock(&peer->mutex);
}

void wait_until(bool (*condition)(void *context), void *context)
{
    const struct timespec pause = { .tv_nsec = 2000000 };
    for (int i = 0; i < 5000 && !condition(context); i++) {
        (void)nanosleep(&pause, NULL);
    }
    assert_true(condition(context));
}
