/* text: UTF-8 and JSON, as far as a HELLO needs them. Pure; any thread. */
#ifndef TRAJ_TRANSPORT_TEXT_H
#define TRAJ_TRANSPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Well-formed UTF-8 without NUL: no overlong forms, no surrogates. */
bool text_is_utf8(const char *p, size_t n);

/*
 * Exactly one JSON object (RFC 8259) and nothing but white space around it,
 * within what schema/wire.md takes as a member of a HELLO: a daemon that
 * refused it would refuse all that follows. On false *ret_at is the offset of
 * the byte at which it stops being one.
 */
#define TEXT_JSON_DEPTH 31  /* objects and arrays; the HELLO is one more */
#define TEXT_JSON_NUMBER 60 /* bytes of a number */
bool text_is_json_object(const char *p, size_t n, size_t *ret_at);

/* A growing text. Zero-initialised is empty; after running out of memory it
 * is `failed` and ignores appends, so callers look once at the end. */
struct text {
    char *p; /* owned; not terminated */
    size_t n;
    size_t capacity;
    bool failed;
};

void text_done(struct text *t);
void text_append(struct text *t, const char *bytes, size_t n);
void text_put(struct text *t, const char *terminated);
/* In quotes, escaped; bytes that are no UTF-8 become '?'. */
void text_put_json(struct text *t, const char *p, size_t n);

#endif
