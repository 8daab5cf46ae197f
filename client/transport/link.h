/* link: the DEALER socket to a daemon. Made, used and closed by one thread. */
#ifndef TRAJ_TRANSPORT_LINK_H
#define TRAJ_TRANSPORT_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "wire.h"

struct link {
    void *context;
    void *socket;
};

/* Does not wait for the daemon. false, and errno, if there can be no socket
 * or no such endpoint. */
bool link_open(struct link *link, const char *endpoint);
void link_close(struct link *link);

/* A drain_send_fn; context is a struct link. */
bool link_send(void *context, const void *bytes, size_t n);

/* The next ACK that has come, what is none left out; false: no more. */
bool link_receive(
    struct link *link, struct wire_head *ret_head, struct wire_ack *ret_ack);

/* Until something comes, or wake_fd (or -1) is readable, or the time is up.
 * link may be NULL. */
void link_wait(struct link *link, int wake_fd, long timeout_ms);

#endif
