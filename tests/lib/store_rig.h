/*
 * store_rig: a store in a folder of its own, streams that say HELLO and send
 * records, and the records a scan gives back, for tests of the store. Fails
 * the test by itself where a call must not fail.
 */
#ifndef TRAJD_TEST_STORE_RIG_H
#define TRAJD_TEST_STORE_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/reader.h"
#include "store/runs.h"
#include "store/scan.h"
#include "store/store.h"
#include "wire/encode.h"

#define RIG_NOW_NS INT64_C(1700000000000000000)

struct rig {
    char dir[64];
    char path[80];
    struct store *store;
};

void rig_open(struct rig *rig, uint32_t seal_records);
void rig_reopen(struct rig *rig, uint32_t seal_records);
void rig_close(struct rig *rig); /* and removes the folder */

/* Statements on the database by another connection. */
void rig_sql(const struct rig *rig, const char *sql);
int64_t rig_number(const struct rig *rig, const char *sql);

struct stream_uid rig_uid(uint32_t number);

/* A HELLO in a transaction of its own. */
struct stream_state rig_hello(struct rig *rig, uint32_t uid, const char *json);
enum err_code rig_try_hello(struct rig *rig, uint32_t uid, const char *json,
    struct stream_state *ret_state, struct err *e);

/* One record with its values; text lies in the array's own memory. */
struct rig_record {
    uint64_t seq;
    unsigned kind;
    uint64_t present;
    uint64_t values[WIRE_FIELDS_MAX];
    char *text; /* owned */
    uint32_t text_bytes;
};
struct rig_records {
    struct rig_record *v;
    size_t n;
    size_t capacity;
};
void rig_records_done(struct rig_records *records);
void rig_records_add(
    struct rig_records *records, const struct rig_record *record);

/* A STEP record: step, wall_ns, loss. */
struct rig_record rig_step(uint64_t seq, uint64_t step, double loss);

/* The DATA message of records [from, to) of the array; returns its length. */
size_t rig_encode(const struct rig_records *records, size_t from, size_t to,
    uint32_t uid, unsigned flags, void *out, size_t capacity);

/* Append in the transaction that is open, which may have so many; bytes are
 * borrowed until it ends. */
#define RIG_APPENDS_MAX 64
enum err_code rig_try_append(struct rig *rig, struct stream_state *state,
    const void *bytes, size_t n, int64_t now_ns, uint32_t *ret_new,
    struct err *e);
/* Append records [from, to) in a transaction of its own. */
void rig_append(struct rig *rig, struct stream_state *state, uint32_t uid,
    const struct rig_records *records, size_t from, size_t to);
/* n STEP records (seq, step) from (seq, step) on, each its own transaction of
 * up to 64. */
void rig_steps(struct rig *rig, struct stream_state *state, uint32_t uid,
    uint64_t step, size_t n);
void rig_bye(struct rig *rig, struct stream_state *state, uint32_t uid,
    unsigned flags, int64_t now_ns);
/* Seals while there is something; returns how many chunk ranges. */
size_t rig_seal(
    struct rig *rig, const struct stream_state *state, bool everything);

struct run_row rig_run(const struct rig *rig, const char *uid);

/* Everything of a kind, one record at a time, in a snapshot of its own. */
struct scan_query rig_query(struct run_id run, enum wire_kind kind);
void rig_scan(const struct rig *rig, const struct scan_query *query,
    struct rig_records *ret_records);

/* Records of the kind in `expected`, bit for bit and in order. */
void rig_assert_same(const struct rig_records *expected, unsigned kind,
    const struct rig_records *actual);

/* A field of a record, which then has it. */
void rig_set(struct rig_record *r, unsigned field, double value);
void rig_set_u64(struct rig_record *r, unsigned field, uint64_t value);

/* A small generator of its own: the same numbers everywhere. */
uint64_t rig_random(uint64_t *seed);
/* A record of any kind with any fields and any bits: NaN payloads, -0, texts
 * of 0 to a few hundred bytes. */
struct rig_record rig_any_record(uint64_t *seed, uint64_t seq);

#endif
