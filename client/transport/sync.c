/* sync: runs in the thread of `traj sync`; being killed leaves all intact. */
#include "transport/sync.h"

#include <string.h>

#include "transport/record.h"

#define POLL_MS 5L

static uint64_t acked_of(const struct drain *d)
{
    return d->acked.next_seq - 1;
}

static void receive_acks(struct link *link, struct drain *d, int64_t now)
{
    struct wire_head head;
    struct wire_ack ack;
    while (link_receive(link, &head, &ack)) {
        if (memcmp(d->spool->stream_uid, head.stream_uid, 16) == 0) {
            drain_on_ack(d, &head, &ack, now);
        }
    }
}

/* Until the stream is settled or nothing has moved for timeout_ns. */
static void drain_all(struct link *link, struct drain *d, int64_t timeout_ns,
    struct drain_buffer *buffer)
{
    int64_t now = times_now().mono_ns;
    int64_t moved_ns = now;
    uint64_t acked = acked_of(d);
    while (!drain_is_settled(d) && now - moved_ns < timeout_ns) {
        receive_acks(link, d, now);
        (void)drain_pump(d, buffer, now, link_send, link);
        if (d->state != DRAIN_DONE) {
            link_wait(link, -1, POLL_MS);
        }
        now = times_now().mono_ns;
        if (acked_of(d) != acked) {
            acked = acked_of(d);
            moved_ns = now;
        }
    }
}

enum sync_result sync_stream(struct link *link, int run_fd,
    const struct stream_name *name, int64_t timeout_ns,
    struct drain_buffer *buffer, struct sync_counts *ret_counts)
{
    struct quota quota = { .limit = UINT64_MAX };
    struct stream stream;
    *ret_counts = (struct sync_counts){ 0 };
    enum traj_status status = stream_recover(run_fd, name, &quota, &stream);
    if (status != TRAJ_OK) {
        return status == TRAJ_EBUSY ? SYNC_LIVE : SYNC_DAMAGED;
    }
    struct drain_counters counters = { 0 };
    struct drain drain;
    drain_init(&drain, &stream, DRAIN_LEFTOVER, &counters);
    drain.closing_wanted = true;
    uint64_t before = spool_records_beyond(&stream.spool, acked_of(&drain));
    drain_all(link, &drain, timeout_ns, buffer);
    ret_counts->left = spool_records_beyond(&stream.spool, acked_of(&drain));
    ret_counts->records = before - ret_counts->left;
    ret_counts->unreadable = stream.spool.unreadable;
    if (drain.state == DRAIN_DONE) {
        stream_remove(&stream);
        return SYNC_DONE;
    }
    stream_close(&stream);
    return drain.state == DRAIN_REFUSED ? SYNC_REFUSED : SYNC_TIMEOUT;
}
