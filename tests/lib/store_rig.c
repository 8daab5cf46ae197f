/* store_rig.c: test support; one thread. */
#include "store_rig.h"

#include <sqlite3.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/fields.h"

#define MUST(condition)                                                        \
    do {                                                                       \
        bool holds_ = (condition);                                             \
        if (!holds_) {                                                         \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);    \
            abort();                                                           \
        }                                                                      \
    } while (0)

static void must(enum err_code code, const struct err *e, const char *what)
{
    if (code != ERR_NONE) {
        fprintf(stderr, "%s: %s\n", what, e->text);
        abort();
    }
}

void rig_reopen(struct rig *rig, uint32_t seal_records)
{
    struct store_options options = { .path = rig->path,
        .durability = DURABILITY_RELAXED,
        .seal_records = seal_records };
    struct err e = { 0 };
    store_close(rig->store);
    rig->store = NULL;
    must(store_open(&options, &rig->store, &e), &e, "store_open");
}

void rig_open(struct rig *rig, uint32_t seal_records)
{
    *rig = (struct rig){ .dir = "/tmp/trajd_store_XXXXXX" };
    MUST(mkdtemp(rig->dir) != NULL);
    (void)snprintf(rig->path, sizeof rig->path, "%s/t.db", rig->dir);
    rig_reopen(rig, seal_records);
}

void rig_close(struct rig *rig)
{
    store_close(rig->store);
    DIR *dir = opendir(rig->dir);
    MUST(dir != NULL);
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        char path[400];
        (void)snprintf(path, sizeof path, "%s/%s", rig->dir, d->d_name);
        (void)unlink(path); /* . and .. stay */
    }
    (void)closedir(dir);
    MUST(rmdir(rig->dir) == 0);
}

void rig_sql(const struct rig *rig, const char *sql)
{
    sqlite3 *db = NULL;
    MUST(sqlite3_open(rig->path, &db) == SQLITE_OK);
    char *text = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &text) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, text);
        abort();
    }
    MUST(sqlite3_close(db) == SQLITE_OK);
}

int64_t rig_number(const struct rig *rig, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    MUST(sqlite3_open(rig->path, &db) == SQLITE_OK);
    MUST(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK);
    MUST(sqlite3_step(stmt) == SQLITE_ROW);
    int64_t number = sqlite3_column_int64(stmt, 0);
    MUST(sqlite3_finalize(stmt) == SQLITE_OK);
    MUST(sqlite3_close(db) == SQLITE_OK);
    return number;
}

struct stream_uid rig_uid(uint32_t number)
{
    struct stream_uid uid = { { 0x52, 0x49, 0x47 } };
    memcpy(uid.v + 12, &number, sizeof number);
    return uid;
}

enum err_code rig_try_hello(struct rig *rig, uint32_t uid, const char *json,
    struct stream_state *ret_state, struct err *e)
{
    must(store_begin(rig->store, e), e, "begin");
    enum err_code code = store_hello(
        rig->store, rig_uid(uid), str_of(json), RIG_NOW_NS, ret_state, e);
    if (code != ERR_NONE) {
        store_rollback(rig->store);
        return code;
    }
    must(store_commit(rig->store, e), e, "commit");
    return ERR_NONE;
}

struct stream_state rig_hello(struct rig *rig, uint32_t uid, const char *json)
{
    struct stream_state state = { 0 };
    struct err e = { 0 };
    must(rig_try_hello(rig, uid, json, &state, &e), &e, "hello");
    return state;
}

void rig_records_done(struct rig_records *records)
{
    for (size_t i = 0; i < records->n; i++) {
        free(records->v[i].text);
    }
    free(records->v);
    *records = (struct rig_records){ 0 };
}

void rig_records_add(
    struct rig_records *records, const struct rig_record *record)
{
    if (records->n == records->capacity) {
        records->capacity = records->capacity == 0 ? 64 : records->capacity * 2;
        records->v =
            realloc(records->v, records->capacity * sizeof *records->v);
        MUST(records->v != NULL);
    }
    records->v[records->n++] = *record;
}

struct rig_record rig_step(uint64_t seq, uint64_t step, double loss)
{
    struct rig_record r = { .seq = seq, .kind = WIRE_STEP };
    r.present = 1u << STEP_step | 1u << STEP_wall_ns | 1u << STEP_loss;
    r.values[STEP_step] = step;
    r.values[STEP_wall_ns] = (uint64_t)RIG_NOW_NS + step * 1000000;
    memcpy(&r.values[STEP_loss], &loss, sizeof loss);
    return r;
}

size_t rig_encode(const struct rig_records *records, size_t from, size_t to,
    uint32_t uid, unsigned flags, void *out, size_t capacity)
{
    static struct wire_record wire[WIRE_RECORDS_MAX];
    MUST(to - from <= WIRE_RECORDS_MAX);
    for (size_t i = from; i < to; i++) {
        const struct rig_record *r = &records->v[i];
        wire[i - from] = (struct wire_record){ .seq = r->seq,
            .kind = r->kind,
            .present = r->present,
            .values = r->values,
            .text = r->text,
            .text_bytes = r->text_bytes };
    }
    uint64_t next = from < records->n ? records->v[from].seq : 1;
    size_t n = wire_encode_data(
        out, capacity, rig_uid(uid).v, flags, next, wire, to - from);
    MUST(n > 0);
    return n;
}

enum err_code rig_try_append(struct rig *rig, struct stream_state *state,
    const void *bytes, size_t n, int64_t now_ns, uint32_t *ret_new,
    struct err *e)
{
    static struct message messages[RIG_APPENDS_MAX];
    static size_t next;
    struct message *message = &messages[next++ % RIG_APPENDS_MAX];
    MUST(decode_message(bytes, n, message) == DECODE_OK);
    return store_append(
        rig->store, state, message, bytes, n, now_ns, ret_new, e);
}

static uint8_t rig_frame[WIRE_MESSAGE_MAX];

void rig_append(struct rig *rig, struct stream_state *state, uint32_t uid,
    const struct rig_records *records, size_t from, size_t to)
{
    struct err e = { 0 };
    uint32_t taken = 0;
    size_t n =
        rig_encode(records, from, to, uid, 0, rig_frame, sizeof rig_frame);
    must(store_begin(rig->store, &e), &e, "begin");
    must(rig_try_append(rig, state, rig_frame, n, RIG_NOW_NS, &taken, &e), &e,
        "append");
    must(store_commit(rig->store, &e), &e, "commit");
}

void rig_steps(struct rig *rig, struct stream_state *state, uint32_t uid,
    uint64_t step, size_t n)
{
    struct rig_records records = { 0 };
    uint64_t seq = state->committed_seq + 1;
    for (size_t i = 0; i < n; i++) {
        struct rig_record r =
            rig_step(seq + i, step + i, (double)(step + i) / 3);
        rig_records_add(&records, &r);
    }
    for (size_t i = 0; i < n; i += 64) {
        rig_append(rig, state, uid, &records, i, i + 64 < n ? i + 64 : n);
    }
    rig_records_done(&records);
}

void rig_bye(struct rig *rig, struct stream_state *state, uint32_t uid,
    unsigned flags, int64_t now_ns)
{
    struct err e = { 0 };
    struct message message;
    size_t n = wire_encode_bye(rig_frame, sizeof rig_frame, rig_uid(uid).v,
        flags, state->committed_seq);
    MUST(decode_message(rig_frame, n, &message) == DECODE_OK);
    must(store_begin(rig->store, &e), &e, "begin");
    must(store_bye(rig->store, state, &message, now_ns, &e), &e, "bye");
    must(store_commit(rig->store, &e), &e, "commit");
}

size_t rig_seal(
    struct rig *rig, const struct stream_state *state, bool everything)
{
    struct err e = { 0 };
    size_t n = 0;
    uint64_t sealed = 1;
    must(store_begin(rig->store, &e), &e, "begin");
    for (; sealed > 0; n += sealed > 0) {
        must(store_seal(rig->store, state->stream, everything, &sealed, &e), &e,
            "seal");
    }
    must(store_commit(rig->store, &e), &e, "commit");
    return n;
}

struct run_row rig_run(const struct rig *rig, const char *uid)
{
    struct err e = { 0 };
    struct reader *reader = NULL;
    struct run_row row = { 0 };
    must(reader_open(rig->path, &reader, &e), &e, "reader_open");
    must(runs_get(reader, uid, &row, &e), &e, "runs_get");
    reader_close(reader);
    return row;
}

struct scan_query rig_query(struct run_id run, enum wire_kind kind)
{
    return (struct scan_query){ .run = run,
        .kind = kind,
        .fields = UINT64_MAX,
        .attempts = SCAN_ALL,
        .rank = SCAN_ALL_RANKS,
        .to_step = UINT64_MAX };
}

static void take_batch(const struct scan_batch *batch, enum wire_kind kind,
    struct rig_records *records)
{
    for (size_t i = 0; i < batch->n; i++) {
        struct rig_record r = {
            .seq = batch->seq[i], .kind = kind, .present = batch->present[i]
        };
        for (size_t f = 0; f < WIRE_FIELDS_MAX; f++) {
            r.values[f] = batch->columns[f] == NULL ? 0 : batch->columns[f][i];
        }
        if (batch->texts != NULL && batch->texts[i].n > 0) {
            r.text_bytes = (uint32_t)batch->texts[i].n;
            r.text = malloc(r.text_bytes);
            MUST(r.text != NULL);
            memcpy(r.text, batch->texts[i].p, r.text_bytes);
        }
        rig_records_add(records, &r);
    }
}

void rig_scan(const struct rig *rig, const struct scan_query *query,
    struct rig_records *ret_records)
{
    struct err e = { 0 };
    struct reader *reader = NULL;
    struct scan *scan = NULL;
    struct scan_batch batch = { 0 };
    *ret_records = (struct rig_records){ 0 };
    must(reader_open(rig->path, &reader, &e), &e, "reader_open");
    must(scan_open(reader, query, &scan, &e), &e, "scan_open");
    do {
        must(scan_next(scan, &batch, &e), &e, "scan_next");
        MUST(batch.n <= SCAN_BATCH_MAX);
        take_batch(&batch, query->kind, ret_records);
    } while (batch.n > 0);
    scan_close(scan);
    reader_close(reader);
}

static bool is_text(unsigned kind, size_t field)
{
    enum wire_field_type type = wire_kind_info(kind)->fields[field].type;
    return type == WIRE_TEXT || type == WIRE_BLOB;
}

static void assert_same_record(
    const struct rig_record *expected, const struct rig_record *actual)
{
    MUST(expected->seq == actual->seq);
    MUST(expected->present == actual->present);
    for (size_t f = 0; f < wire_kind_info(expected->kind)->n_fields; f++) {
        bool present = (expected->present >> f & 1) != 0;
        MUST(is_text(expected->kind, f) ||
             actual->values[f] == (present ? expected->values[f] : 0));
    }
    MUST(expected->text_bytes == actual->text_bytes);
    MUST(expected->text_bytes == 0 ||
         memcmp(expected->text, actual->text, expected->text_bytes) == 0);
}

void rig_assert_same(const struct rig_records *expected, unsigned kind,
    const struct rig_records *actual)
{
    size_t at = 0;
    for (size_t i = 0; i < expected->n; i++) {
        if (expected->v[i].kind == kind) {
            MUST(at < actual->n);
            assert_same_record(&expected->v[i], &actual->v[at]);
            at++;
        }
    }
    MUST(at == actual->n);
}

void rig_set_u64(struct rig_record *r, unsigned field, uint64_t value)
{
    r->values[field] = value;
    r->present |= UINT64_C(1) << field;
}

void rig_set(struct rig_record *r, unsigned field, double value)
{
    memcpy(&r->values[field], &value, sizeof value);
    r->present |= UINT64_C(1) << field;
}

/* splitmix64 */
uint64_t rig_random(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Bits of many sorts: small counts, floats, doubles, NaNs with payloads. */
static uint64_t any_bits(uint64_t *seed)
{
    uint64_t random = rig_random(seed);
    double number = 0;
    switch (random % 8) {
    case 0:
        return 0;
    case 1:
        return random >> 40;
    case 2:
        return UINT64_C(0x7ff0000000000000) | random >> 12; /* NaN or Inf */
    case 3:
        return UINT64_C(1) << 63; /* -0 */
    case 4:
        return UINT64_C(0x7ff8000000000000);
    case 5:
        number = (double)(float)((double)(random >> 11) * 0x1p-53);
        break;
    case 6:
        number = (double)(random >> 11) * 0x1p-53;
        break;
    default:
        return random;
    }
    uint64_t bits = 0;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static void any_text(uint64_t *seed, struct rig_record *r)
{
    size_t n = rig_random(seed) % 90;
    if (r->kind == WIRE_PROBE) {
        n = n / 3 * 32;
        n = n > 1024 ? 1024 : n;
    }
    if (r->kind == WIRE_METRIC) {
        n += 1;
    }
    r->text_bytes = (uint32_t)n;
    r->text = malloc(n + 1);
    MUST(r->text != NULL);
    for (size_t i = 0; i < n; i++) {
        r->text[i] = (char)('a' + rig_random(seed) % 3);
    }
}

struct rig_record rig_any_record(uint64_t *seed, uint64_t seq)
{
    struct rig_record r = { .seq = seq };
    r.kind = rig_random(seed) % 4 == 0 ? 1 + (unsigned)(rig_random(seed) % 6)
                                       : (unsigned)WIRE_STEP;
    const struct wire_kind_info *info = wire_kind_info(r.kind);
    uint64_t all = (UINT64_C(1) << info->n_fields) - 1;
    uint64_t usual = UINT64_C(0x2b) & all;
    r.present = rig_random(seed) % 3 == 0 ? rig_random(seed) & all : usual;
    for (size_t f = 0; f < info->n_fields; f++) {
        bool present = (r.present >> f & 1) != 0;
        if (present && is_text(r.kind, f)) {
            any_text(seed, &r);
        } else if (present) {
            r.values[f] = any_bits(seed);
        }
    }
    return r;
}
