/*
 * ingest.c: owns the ROUTER socket and the ingest end of the acknowledgements.
 * Everything here runs in the ingest thread but ingest_start, _drain and _stop,
 * which belong to the main thread and speak to it through a PAIR of their own.
 *
 * 1. The sockets are made by the main thread before the thread starts, so that
 *    a taken port is an error of the start; after that only the thread uses
 *    them.
 * 2. Nothing is allocated per message here: jobs are reused, ZeroMQ has its
 *    own memory for the bytes.
 * 3. While paused, no job was spare; the writer says when that may have
 *    changed, after it has returned jobs.
 */
#include "threads/ingest.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "wire/encode.h"

#define CONTROL_ENDPOINT "inproc://trajd-ingest-control"
#define DRAIN_NS (2 * NS_PER_S)
#define BURST 256    /* messages between two looks at acknowledgements */
#define PEER_HWM 256 /* messages of one peer in memory; well over a window */
#define ACKS_HWM 4096

/* One peer that claims 8 GiB in a frame must not get them. A little over the
 * limit, so that a message that is just too long is counted and not only cut
 * off with its connection. */
#define MESSAGE_LIMIT (WIRE_MESSAGE_MAX + 65536)

enum command {
    COMMAND_DRAIN = 'd',
    COMMAND_STOP = 's',
};

enum reading {
    READING,
    PAUSED, /* no job is spare */
    ENDED,  /* drained */
};

struct ingest {
    struct jobs *jobs;
    void *router;
    void *acks;
    void *control;      /* the thread's end */
    void *control_main; /* the main thread's end */
    pthread_t thread;
    enum reading reading;
    bool stopping;
    char endpoint[INGEST_ENDPOINT_MAX];
};

/* ---- receiving ----------------------------------------------------------- */

static void refuse_unsupported(struct ingest *ingest, struct job *job)
{
    uint8_t ack[sizeof(struct wire_head) + sizeof(struct wire_ack)];
    struct wire_ack nothing = { 0 };
    size_t n = wire_encode_ack(
        ack, sizeof ack, job->message.stream.v, WIRE_ACK_REFUSED, &nothing);

    counter_add(COUNTER_FRAMES_UNSUPPORTED, 1);
    log_limited(LOG_WARN, "ingest",
        "event=unsupported bytes=%zu answer=refused",
        zmq_msg_size(&job->bytes));
    bool sent = zmq_msg_send(&job->route, ingest->router,
                    ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
                zmq_send(ingest->router, ack, n, ZMQ_DONTWAIT) >= 0;
    counter_add(sent ? COUNTER_ACKS_SENT : COUNTER_ACKS_DROPPED, 1);
}

/* The rest of a message of too many parts. */
static void skip_parts(void *socket)
{
    int more = 1;
    size_t size = sizeof more;
    while (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size) == 0 && more) {
        if (zmq_recv(socket, NULL, 0, ZMQ_DONTWAIT) < 0) {
            return;
        }
    }
}

/* [route][bytes] into the job. false: there was nothing to receive. */
static bool receive(struct ingest *ingest, struct job *job, bool *ret_sound)
{
    if (zmq_msg_recv(&job->route, ingest->router, ZMQ_DONTWAIT) < 0) {
        return false;
    }
    *ret_sound = zmq_msg_more(&job->route) &&
                 zmq_msg_recv(&job->bytes, ingest->router, ZMQ_DONTWAIT) >= 0 &&
                 !zmq_msg_more(&job->bytes);
    if (!*ret_sound) {
        skip_parts(ingest->router);
    }
    return true;
}

/* true: the job has gone to the writer. */
static bool check_and_submit(struct ingest *ingest, struct job *job, bool sound)
{
    size_t bytes = zmq_msg_size(&job->bytes);
    enum decode_result result = DECODE_MALFORMED;
    counter_add(COUNTER_FRAMES_RECEIVED, 1);
    counter_add(COUNTER_BYTES_RECEIVED, bytes);
    if (sound) {
        result =
            decode_message(zmq_msg_data(&job->bytes), bytes, &job->message);
    }
    switch (result) {
    case DECODE_OK:
        return jobs_submit(ingest->jobs, job);
    case DECODE_UNSUPPORTED:
        refuse_unsupported(ingest, job);
        return false;
    case DECODE_MALFORMED:
        break;
    }
    counter_add(COUNTER_FRAMES_REFUSED, 1);
    log_limited(
        LOG_WARN, "ingest", "event=malformed bytes=%zu answer=none", bytes);
    return false;
}

/* Up to BURST messages. Returns how many there were. */
static unsigned receive_burst(struct ingest *ingest)
{
    unsigned n = 0;
    bool more = true;
    while (more && n < BURST) {
        struct job *job = jobs_spare(ingest->jobs);
        if (job == NULL) {
            ingest->reading = PAUSED;
            return n;
        }
        bool sound = false;
        more = receive(ingest, job, &sound);
        n += more;
        if (!more || !check_and_submit(ingest, job, sound)) {
            jobs_return(ingest->jobs, job);
        }
    }
    return n;
}

/* ---- acknowledging ------------------------------------------------------- */

/* Both parts, or none: a peer that has gone loses its acknowledgement and asks
 * again when it is back. */
static void forward_ack(struct ingest *ingest, zmq_msg_t *route)
{
    zmq_msg_t ack;
    (void)zmq_msg_init(&ack); /* cannot fail */
    if (zmq_msg_recv(&ack, ingest->acks, ZMQ_DONTWAIT) >= 0) {
        bool sent = zmq_msg_send(route, ingest->router,
                        ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
                    zmq_msg_send(&ack, ingest->router, ZMQ_DONTWAIT) >= 0;
        counter_add(sent ? COUNTER_ACKS_SENT : COUNTER_ACKS_DROPPED, 1);
    }
    (void)zmq_msg_close(&ack);
}

static void forward_acks(struct ingest *ingest)
{
    zmq_msg_t route;
    (void)zmq_msg_init(&route); /* cannot fail */
    while (zmq_msg_recv(&route, ingest->acks, ZMQ_DONTWAIT) >= 0) {
        if (zmq_msg_more(&route)) {
            forward_ack(ingest, &route);
        } else if (ingest->reading == PAUSED) {
            ingest->reading = READING;
        }
    }
    (void)zmq_msg_close(&route);
}

/* ---- the thread ---------------------------------------------------------- */

static void wait_for_anything(struct ingest *ingest, long timeout_ms)
{
    zmq_pollitem_t items[] = {
        { .socket = ingest->acks, .events = ZMQ_POLLIN },
        { .socket = ingest->control, .events = ZMQ_POLLIN },
        { .socket = ingest->router, .events = ZMQ_POLLIN },
    };
    /* An error (EINTR) is one more look at sockets that have nothing. */
    (void)zmq_poll(items, ingest->reading == READING ? 3 : 2, timeout_ms);
}

/* The address stays bound: zmq_unbind ends the connections that came in by it,
 * and with them the way of the last acknowledgements. */
static void drain(struct ingest *ingest)
{
    int64_t deadline = clock_mono_ns() + DRAIN_NS;
    while (clock_mono_ns() < deadline) {
        forward_acks(ingest);
        if (ingest->reading == PAUSED) {
            wait_for_anything(ingest, 50);
        } else if (receive_burst(ingest) == 0 && ingest->reading == READING) {
            break;
        }
    }
    ingest->reading = ENDED;
    (void)zmq_send(ingest->control, "", 0, 0);
}

static void obey(struct ingest *ingest)
{
    char command = 0;
    if (zmq_recv(ingest->control, &command, 1, ZMQ_DONTWAIT) != 1) {
        return;
    }
    if (command == COMMAND_DRAIN) {
        drain(ingest);
    }
    ingest->stopping = command == COMMAND_STOP;
}

static void *ingest_thread(void *context)
{
    struct ingest *ingest = context;
    while (!ingest->stopping) {
        forward_acks(ingest);
        if (ingest->reading == READING) {
            (void)receive_burst(ingest);
        }
        wait_for_anything(ingest, -1);
        obey(ingest);
    }
    forward_acks(ingest);
    return NULL;
}

/* ---- starting and stopping ----------------------------------------------- */

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool set_router_options(void *router)
{
    int64_t limit = MESSAGE_LIMIT;
    return zmq_setsockopt(router, ZMQ_MAXMSGSIZE, &limit, sizeof limit) == 0 &&
           set_int(router, ZMQ_RCVHWM, PEER_HWM) &&
           set_int(router, ZMQ_SNDHWM, PEER_HWM) &&
           /* A peer that has vanished is an error here, not silence. */
           set_int(router, ZMQ_ROUTER_MANDATORY, 1) &&
           set_int(router, ZMQ_HEARTBEAT_IVL, 5000) &&
           set_int(router, ZMQ_HEARTBEAT_TIMEOUT, 15000) &&
           set_int(router, ZMQ_HEARTBEAT_TTL, 15000) &&
           set_int(router, ZMQ_HANDSHAKE_IVL, 5000) &&
           set_int(router, ZMQ_TCP_KEEPALIVE, 1) &&
           /* The last acknowledgements may leave; a stuck peer may not hold us.
            */
           set_int(router, ZMQ_LINGER, 200);
}

static enum err_code bind_router(
    struct ingest *ingest, const struct ingest_options *options, struct err *e)
{
    size_t size = sizeof ingest->endpoint;
    ingest->router = zmq_socket(options->zmq, ZMQ_ROUTER);
    /* Not always on: a v4 address would come back as a mapped one. */
    int ipv6 = strchr(options->endpoint, '[') != NULL;
    if (ingest->router == NULL || !set_router_options(ingest->router) ||
        !set_int(ingest->router, ZMQ_IPV6, ipv6) ||
        zmq_bind(ingest->router, options->endpoint) != 0 ||
        zmq_getsockopt(
            ingest->router, ZMQ_LAST_ENDPOINT, ingest->endpoint, &size) != 0) {
        return err_set(e, ERR_IO, "ingest at %s: %s", options->endpoint,
            zmq_strerror(zmq_errno()));
    }
    return ERR_NONE;
}

static enum err_code open_pairs(
    struct ingest *ingest, const struct ingest_options *options, struct err *e)
{
    ingest->acks = zmq_socket(options->zmq, ZMQ_PAIR);
    ingest->control = zmq_socket(options->zmq, ZMQ_PAIR);
    ingest->control_main = zmq_socket(options->zmq, ZMQ_PAIR);
    if (ingest->acks == NULL || ingest->control == NULL ||
        ingest->control_main == NULL ||
        !set_int(ingest->acks, ZMQ_RCVHWM, ACKS_HWM) ||
        !set_int(ingest->control_main, ZMQ_LINGER, 0) ||
        !set_int(ingest->control, ZMQ_LINGER, 0) ||
        zmq_bind(ingest->acks, INGEST_ACKS_ENDPOINT) != 0 ||
        zmq_bind(ingest->control, CONTROL_ENDPOINT) != 0 ||
        zmq_connect(ingest->control_main, CONTROL_ENDPOINT) != 0) {
        return err_set(e, ERR_IO, "ingest: %s", zmq_strerror(zmq_errno()));
    }
    return ERR_NONE;
}

static void close_sockets(struct ingest *ingest)
{
    void *const sockets[] = { ingest->router, ingest->acks, ingest->control,
        ingest->control_main };
    for (size_t i = 0; i < sizeof sockets / sizeof sockets[0]; i++) {
        if (sockets[i] != NULL) {
            (void)zmq_close(sockets[i]); /* cannot fail on a socket */
        }
    }
}

enum err_code ingest_start(const struct ingest_options *options,
    struct ingest **ret_ingest, struct err *e)
{
    struct ingest *ingest = calloc(1, sizeof *ingest);
    if (ingest == NULL) {
        return err_nomem(e);
    }
    ingest->jobs = options->jobs;
    enum err_code code = open_pairs(ingest, options, e);
    if (code == ERR_NONE) {
        code = bind_router(ingest, options, e);
    }
    if (code != ERR_NONE) {
        goto err;
    }
    if (pthread_create(&ingest->thread, NULL, ingest_thread, ingest) != 0) {
        code = err_set(e, ERR_NOMEM, "no thread for ingest");
        goto err;
    }
    *ret_ingest = ingest;
    return ERR_NONE;

err:
    close_sockets(ingest);
    free(ingest);
    return code;
}

const char *ingest_endpoint(const struct ingest *ingest)
{
    return ingest->endpoint;
}

static void send_command(struct ingest *ingest, enum command command)
{
    char byte = (char)command;
    (void)zmq_send(ingest->control_main, &byte, 1, 0);
}

void ingest_drain(struct ingest *ingest)
{
    char answer = 0;
    send_command(ingest, COMMAND_DRAIN);
    (void)zmq_recv(ingest->control_main, &answer, 1, 0);
}

void ingest_stop(struct ingest *ingest)
{
    if (ingest == NULL) {
        return;
    }
    send_command(ingest, COMMAND_STOP);
    (void)pthread_join(ingest->thread, NULL); /* cannot fail: our own thread */
    close_sockets(ingest);
    free(ingest);
}
