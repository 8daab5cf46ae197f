/* fake_daemon: single-threaded; peer.c puts it behind a socket. */
#include "fake_daemon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/encode.h"
#include "wire/fields.h"

void fake_daemon_done(struct fake_daemon *daemon)
{
    for (size_t i = 0; i < daemon->n_streams; i++) {
        struct fake_stream *s = &daemon->streams[i];
        for (size_t j = 0; j < s->n; j++) {
            free(s->records[j].text);
        }
        free(s->records);
        free(s->json);
    }
    daemon->n_streams = 0;
}

static struct fake_stream *find(
    struct fake_daemon *daemon, const struct stream_uid *uid)
{
    for (size_t i = 0; i < daemon->n_streams; i++) {
        if (memcmp(&daemon->streams[i].uid, uid, sizeof *uid) == 0) {
            return &daemon->streams[i];
        }
    }
    return NULL;
}

static struct fake_stream *find_or_add(
    struct fake_daemon *daemon, const struct stream_uid *uid)
{
    struct fake_stream *s = find(daemon, uid);
    if (s == NULL) {
        assert_true(daemon->n_streams < FAKE_STREAMS_MAX);
        s = &daemon->streams[daemon->n_streams++];
        *s = (struct fake_stream){ .uid = *uid };
    }
    return s;
}

static bool lose(struct fake_daemon *daemon)
{
    daemon->seed = daemon->seed * 6364136223846793005u + 1442695040888963407u;
    return (daemon->seed >> 33) % 100 < daemon->lose_percent;
}

static void on_hello(struct fake_stream *s, const struct message *m)
{
    free(s->json);
    s->json = calloc(1, m->json.n + 1);
    assert_non_null(s->json);
    memcpy(s->json, m->json.p, m->json.n);
    s->hellos++;
    s->closed = false;
}

/* Record i of a section, copied out. */
static struct fake_record read_record(
    const struct section *section, uint32_t i, uint64_t first_seq)
{
    const struct wire_kind_info *info = wire_kind_info(section->kind);
    struct fake_record r = {
        .seq = first_seq + section_seq_offset(section, i),
        .kind = section->kind,
        .present = section_present(section, i),
    };
    for (unsigned f = 0; f < info->n_fields; f++) {
        enum wire_field_type type = info->fields[f].type;
        if ((r.present >> f & 1) == 0) {
            continue;
        }
        if (type != WIRE_TEXT && type != WIRE_BLOB) {
            r.values[f] = section_bits(section, f, i);
            continue;
        }
        struct str text = section_text(section, f, i);
        r.text_bytes = (uint32_t)text.n;
        r.text = malloc(text.n + 1);
        assert_non_null(r.text);
        memcpy(r.text, text.p, text.n);
        r.text[text.n] = '\0';
    }
    return r;
}

static void keep(struct fake_stream *s, struct fake_record *r)
{
    if (s->n == s->capacity) {
        s->capacity = s->capacity * 2 + 64;
        s->records = realloc(s->records, s->capacity * sizeof *s->records);
        assert_non_null(s->records);
    }
    s->records[s->n++] = *r;
}

static int by_seq(const void *a, const void *b)
{
    const struct fake_record *x = a;
    const struct fake_record *y = b;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* What is new of a DATA message; its records come by kind, so they are put
 * into order of seq afterwards. */
static enum wire_ack_status on_data(
    struct fake_daemon *daemon, struct fake_stream *s, const struct message *m)
{
    if (m->count > daemon->largest_frame) {
        daemon->largest_frame = m->count;
    }
    daemon->keepalives += m->count == 0;
    if (m->first_seq > s->committed + 1) {
        if ((m->flags & WIRE_F_GAP) == 0) {
            return WIRE_ACK_GAP;
        }
        s->lost += m->first_seq - s->committed - 1;
        s->committed = m->first_seq - 1;
    }
    size_t before = s->n;
    for (uint32_t k = 0; k < m->n_sections; k++) {
        for (uint32_t i = 0; i < m->sections[k].count; i++) {
            struct fake_record r =
                read_record(&m->sections[k], i, m->first_seq);
            if (r.seq > s->committed) {
                keep(s, &r);
            } else {
                free(r.text);
            }
        }
    }
    if (s->n > before) {
        qsort(s->records + before, s->n - before, sizeof *s->records, by_seq);
        s->committed = s->records[s->n - 1].seq;
    }
    return WIRE_ACK_OK;
}

static enum wire_ack_status answer(
    struct fake_daemon *daemon, const struct message *m)
{
    if (daemon->forgetful) {
        daemon->forgetful = false;
        fake_daemon_done(daemon);
    }
    if (m->type != WIRE_HELLO && find(daemon, &m->stream) == NULL) {
        return WIRE_ACK_NEED_HELLO;
    }
    struct fake_stream *s = find_or_add(daemon, &m->stream);
    s->sync_messages += (m->flags & WIRE_F_SYNC) != 0;
    switch (m->type) {
    case WIRE_HELLO:
        on_hello(s, m);
        return WIRE_ACK_OK;
    case WIRE_DATA:
        return on_data(daemon, s, m);
    case WIRE_BYE:
        s->closed = true;
        s->bye_flags = m->flags;
        return WIRE_ACK_BYE;
    case WIRE_ACK:
        break;
    }
    fail_msg("a client sent an ACK");
    return WIRE_ACK_REFUSED;
}

size_t fake_daemon_receive(struct fake_daemon *daemon, const void *bytes,
    size_t n, uint8_t ack[static FAKE_ACK_BYTES])
{
    static _Thread_local struct message m; /* large */
    daemon->messages++;
    if (lose(daemon)) {
        return 0;
    }
    if (decode_message(bytes, n, &m) != DECODE_OK) {
        daemon->malformed++;
        return 0;
    }
    enum wire_ack_status status = daemon->forced;
    if (daemon->forced_n > 0) {
        daemon->forced_n--;
    } else {
        status = answer(daemon, &m);
    }
    if (daemon->silent || lose(daemon)) {
        return 0;
    }
    const struct fake_stream *s = find(daemon, &m.stream);
    struct wire_ack body = {
        .committed_seq = s != NULL ? s->committed : 0,
        .attempt = s != NULL ? 1 : 0,
        .window = daemon->window != 0 ? daemon->window : 64,
        .probe_every = daemon->probe_every,
        .advice_n = daemon->law_n,
        .advice_L0 = daemon->law_L0,
        .advice_L1 = daemon->law_L1,
        .wait_ms = daemon->wait_ms,
    };
    return wire_encode_ack(ack, FAKE_ACK_BYTES, m.stream.v, status, &body);
}
