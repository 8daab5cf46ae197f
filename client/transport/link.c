/* link: owns a ZeroMQ context and socket. */
#include "transport/link.h"

#include <errno.h>
#include <zmq.h>

#include "wire/encode.h"

static bool set_options(void *socket)
{
    static const struct {
        int option, value;
    } options[] = {
        { ZMQ_LINGER, 0 }, /* the spool is the queue */
        { ZMQ_SNDHWM, 1000 },
        { ZMQ_RCVHWM, 1000 },
        { ZMQ_IMMEDIATE, 1 }, /* nothing is queued for a daemon not there */
        { ZMQ_RECONNECT_IVL, 100 },
        { ZMQ_RECONNECT_IVL_MAX, 2000 },
        { ZMQ_HEARTBEAT_IVL, 5000 },
        { ZMQ_HEARTBEAT_TIMEOUT, 15000 },
        { ZMQ_HANDSHAKE_IVL, 5000 },
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (zmq_setsockopt(socket, options[i].option, &options[i].value,
                sizeof options[i].value) != 0) {
            return false;
        }
    }
    int64_t message_max = WIRE_MESSAGE_MAX;
    return zmq_setsockopt(
               socket, ZMQ_MAXMSGSIZE, &message_max, sizeof message_max) == 0;
}

bool link_open(struct link *link, const char *endpoint)
{
    *link = (struct link){ .context = zmq_ctx_new() };
    if (link->context == NULL) {
        return false;
    }
    link->socket = zmq_socket(link->context, ZMQ_DEALER);
    if (link->socket == NULL || !set_options(link->socket) ||
        zmq_connect(link->socket, endpoint) != 0) {
        int error = errno;
        link_close(link);
        errno = error;
        return false;
    }
    return true;
}

void link_close(struct link *link)
{
    if (link->socket != NULL) {
        (void)zmq_close(link->socket); /* ENOTSOCK only */
    }
    if (link->context != NULL) {
        int rc = 0;
        do { /* EINTR: it has not ended yet */
            rc = zmq_ctx_term(link->context);
        } while (rc != 0 && errno == EINTR);
    }
    *link = (struct link){ 0 };
}

bool link_send(void *context, const void *bytes, size_t n)
{
    struct link *link = context;
    return zmq_send(link->socket, bytes, n, ZMQ_DONTWAIT) >= 0;
}

bool link_receive(
    struct link *link, struct wire_head *ret_head, struct wire_ack *ret_ack)
{
    uint8_t bytes[1024]; /* an ACK has 80; a later one may have more */
    bool good = false;
    while (!good) {
        int n = zmq_recv(link->socket, bytes, sizeof bytes, ZMQ_DONTWAIT);
        if (n < 0) {
            return false;
        }
        good = (size_t)n <= sizeof bytes &&
               wire_decode_ack(bytes, (size_t)n, ret_head, ret_ack);
    }
    return true;
}

void link_wait(struct link *link, int wake_fd, long timeout_ms)
{
    zmq_pollitem_t items[2];
    int n = 0;
    if (wake_fd >= 0) {
        items[n++] = (zmq_pollitem_t){ .fd = wake_fd, .events = ZMQ_POLLIN };
    }
    if (link != NULL) {
        items[n++] =
            (zmq_pollitem_t){ .socket = link->socket, .events = ZMQ_POLLIN };
    }
    (void)zmq_poll(items, n, timeout_ms); /* EINTR is as good as a timeout */
}
