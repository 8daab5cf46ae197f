/*
 * Every allocation, write, sync, read and truncation of each public function of
 * the store and its readers fails once: the n-th, for n from 0 until none is
 * left. A function that fails says so and has changed nothing, bit for bit of
 * all tables, and the same store or reader then does what was asked. How many
 * sites that were is printed.
 */
#include "../lib/store_faults.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "../lib/store_rig.h"
#include "base/hash.h"
#include "store/alerts.h"
#include "store/checkpoint.h"
#include "store/first_probe.h"
#include "store/pair_scan.h"
#include "store/rank_scan.h"
#include "store/reader_impl.h"
#include "store/verdict_run.h"
#include "threads/alert_watch.h"

#define SEAL_RECORDS 60
#define FRAME_RECORDS 40

static struct rig rig;
static struct rig_records records; /* of any kind; each seq of a stream */
static char *template; /* the database that every sweep starts from */
static size_t template_bytes;

/* ---- the database -------------------------------------------------------- */

static uint64_t digest_rows(sqlite3 *db, const char *sql, uint64_t hash)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    int rc = sqlite3_step(stmt);
    for (; rc == SQLITE_ROW; rc = sqlite3_step(stmt)) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            const uint8_t *bytes = sqlite3_column_blob(stmt, i);
            int n = sqlite3_column_bytes(stmt, i);
            hash = hash_u64(hash, (uint64_t)sqlite3_column_type(stmt, i));
            for (int k = 0; k < n; k++) {
                hash = hash_u64(hash, bytes[k]);
            }
        }
    }
    assert_int_equal(rc, SQLITE_DONE);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    return hash;
}

/* Of all tables, as another connection sees them. */
static uint64_t digest(void)
{
    static const char *const tables[] = { "run", "run_progress", "run_tag",
        "stream", "stream_progress", "log", "chunk", "pyramid", "alert" };
    sqlite3 *db = NULL;
    char sql[80];
    uint64_t hash = HASH_START;
    assert_int_equal(sqlite3_open(rig.path, &db), SQLITE_OK);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        (void)snprintf(
            sql, sizeof sql, "SELECT * FROM %s ORDER BY 1, 2, 3;", tables[i]);
        hash = digest_rows(db, sql, hash);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return hash;
}

static void open_store(void)
{
    struct err e = { 0 };
    const struct store_options options = { .path = rig.path,
        .seal_records = SEAL_RECORDS };
    assert_int_equal(store_open(&options, &rig.store, &e), ERR_NONE);
}

static void close_store(void)
{
    store_close(rig.store);
    rig.store = NULL;
}

static void remove_files(void)
{
    static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
    char path[128];
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof path, "%s%s", rig.path, suffixes[i]);
        (void)unlink(path);
    }
}

/* The database as it was, and a store on it. */
static void restore(void)
{
    close_store();
    remove_files();
    FILE *file = fopen(rig.path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(template, 1, template_bytes, file), template_bytes);
    assert_int_equal(fclose(file), 0);
    open_store();
}

static void read_template(void)
{
    FILE *file = fopen(rig.path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    template_bytes = (size_t)ftell(file);
    rewind(file);
    template = malloc(template_bytes);
    assert_non_null(template);
    assert_int_equal(fread(template, 1, template_bytes, file), template_bytes);
    assert_int_equal(fclose(file), 0);
}

/* Run r of two ranks and a second attempt, run old; chunks, a log, a stream
 * with a frame in the log that is enough for a chunk. */
static int make_template(void **state)
{
    (void)state;
    uint64_t seed = 11;
    faults_install();
    for (uint64_t seq = 1; seq <= 240; seq++) {
        struct rig_record r = rig_any_record(&seed, seq);
        rig_records_add(&records, &r);
    }
    rig_open(&rig, SEAL_RECORDS);
    struct stream_state a = rig_hello(&rig, 1,
        "{\"run_id\":\"r\",\"attempt\":1,\"world\":2,\"project\":\"p\","
        "\"tags\":[\"a\",\"b\"],\"groups\":[{\"name\":\"g\",\"size\":3}]}");
    struct stream_state b = rig_hello(
        &rig, 2, "{\"run_id\":\"r\",\"attempt\":1,\"rank\":1,\"world\":2}");
    struct stream_state c =
        rig_hello(&rig, 3, "{\"run_id\":\"old\",\"attempt\":1}");
    rig_append(&rig, &a, 1, &records, 0, 80);
    (void)rig_seal(&rig, &a, false);
    rig_append(&rig, &a, 1, &records, 80, 120);
    rig_steps(&rig, &b, 2, 0, 100);
    (void)rig_seal(&rig, &b, false);
    rig_append(&rig, &c, 3, &records, 0, 120);
    rig_bye(&rig, &c, 3, 0, RIG_NOW_NS);
    close_store();
    read_template();
    restore();
    return 0;
}

static int end(void **state)
{
    (void)state;
    rig_close(&rig);
    rig_records_done(&records);
    free(template);
    return 0;
}

/* ---- what the writer does: each a transaction of its own, or none ---------
 */

static struct store *store(void)
{
    return rig.store;
}

static enum err_code commit_or_not(enum err_code code, struct err *e)
{
    if (code == ERR_NONE) {
        code = store_commit(store(), e);
    }
    if (code != ERR_NONE) {
        store_rollback(store());
    }
    return code;
}

static enum err_code hello(uint32_t uid, const char *json, struct err *e)
{
    struct stream_state s;
    enum err_code code = store_begin(store(), e);
    if (code != ERR_NONE) {
        return code;
    }
    code =
        store_hello(store(), rig_uid(uid), str_of(json), RIG_NOW_NS + 1, &s, e);
    return commit_or_not(code, e);
}

static enum err_code hello_of_a_run(struct err *e)
{
    return hello(9, "{\"run_id\":\"n\",\"attempt\":1,\"tags\":[\"x\"]}", e);
}

static enum err_code hello_of_an_attempt(struct err *e)
{
    return hello(9,
        "{\"run_id\":\"r\",\"attempt\":1,\"name\":\"new\",\"tags\":[\"c\"]}",
        e);
}

static enum err_code hello_again(struct err *e)
{
    return hello(3, "{\"run_id\":\"old\",\"attempt\":1}", e);
}

/* A frame of stream 1, whose last seq is 120. */
static enum err_code append_frame(const uint8_t *bytes, size_t n, struct err *e)
{
    static struct message message; /* till the end of the transaction */
    struct stream_state s;
    uint32_t taken = 0;
    assert_int_equal(decode_message(bytes, n, &message), DECODE_OK);
    enum err_code code = store_begin(store(), e);
    if (code != ERR_NONE) {
        return code;
    }
    code = store_stream(store(), rig_uid(1), &s, e);
    if (code == ERR_NONE) {
        code = store_append(
            store(), &s, &message, bytes, n, RIG_NOW_NS + 1, &taken, e);
    }
    return commit_or_not(code, e);
}

static enum err_code append(
    size_t from, size_t to, unsigned flags, struct err *e)
{
    static uint8_t bytes[1 << 18];
    size_t n = rig_encode(&records, from, to, 1, flags, bytes, sizeof bytes);
    return append_frame(bytes, n, e);
}

/* More than is gathered for one write of the log. */
static enum err_code append_long_texts(struct err *e)
{
    static uint8_t bytes[1 << 19];
    static char text[65000];
    struct rig_records sent = { 0 };
    memset(text, 'x', sizeof text);
    for (uint64_t seq = 121; seq <= 126; seq++) {
        struct rig_record r = { .seq = seq,
            .kind = WIRE_EVENT,
            .present = 1u << EVENT_event | 1u << EVENT_text,
            .text = malloc(sizeof text),
            .text_bytes = sizeof text };
        assert_non_null(r.text);
        memcpy(r.text, text, sizeof text);
        rig_records_add(&sent, &r);
    }
    size_t n = rig_encode(&sent, 0, 6, 1, 0, bytes, sizeof bytes);
    rig_records_done(&sent);
    return append_frame(bytes, n, e);
}

static enum err_code append_records(struct err *e)
{
    return append(120, 160, 0, e);
}

/* 40 with the 40 that are in the log. */
static enum err_code append_and_settle(struct err *e)
{
    static uint8_t bytes[1 << 18];
    static struct message message;
    struct stream_state s;
    uint32_t taken = 0;
    uint64_t ranges = 0;
    size_t n = rig_encode(&records, 120, 160, 1, 0, bytes, sizeof bytes);
    assert_int_equal(decode_message(bytes, n, &message), DECODE_OK);
    enum err_code code = store_begin(store(), e);
    if (code != ERR_NONE) {
        return code;
    }
    code = store_stream(store(), rig_uid(1), &s, e);
    if (code == ERR_NONE) {
        code = store_append(
            store(), &s, &message, bytes, n, RIG_NOW_NS + 1, &taken, e);
    }
    if (code == ERR_NONE) {
        code = store_settle(store(), &ranges, e);
    }
    assert_true(code != ERR_NONE || ranges == 1);
    return commit_or_not(code, e);
}

static enum err_code append_repeats(struct err *e)
{
    return append(80, 120, 0, e);
}

static enum err_code append_over_a_gap(struct err *e)
{
    return append(200, 240, WIRE_F_GAP, e);
}

static enum err_code bye(struct err *e)
{
    uint8_t bytes[128];
    struct message message;
    struct stream_state s;
    size_t n = wire_encode_bye(bytes, sizeof bytes, rig_uid(1).v, 0, 120);
    assert_int_equal(decode_message(bytes, n, &message), DECODE_OK);
    enum err_code code = store_begin(store(), e);
    if (code != ERR_NONE) {
        return code;
    }
    code = store_stream(store(), rig_uid(1), &s, e);
    if (code == ERR_NONE) {
        code = store_bye(store(), &s, &message, RIG_NOW_NS + 1, e);
    }
    return commit_or_not(code, e);
}

/* Stream 3 has 120 records in the log. */
static enum err_code seal(bool everything, struct err *e)
{
    uint64_t sealed = 1;
    enum err_code code = store_begin_unsynced(store(), e);
    if (code != ERR_NONE) {
        return code;
    }
    while (code == ERR_NONE && sealed > 0) {
        code = store_seal(
            store(), (struct stream_id){ 3 }, everything, &sealed, e);
    }
    return commit_or_not(code, e);
}

static enum err_code seal_a_chunk(struct err *e)
{
    return seal(false, e);
}

static enum err_code seal_everything(struct err *e)
{
    return seal(true, e);
}

static enum err_code delete_run(struct err *e)
{
    enum err_code code = store_begin(store(), e);
    if (code != ERR_NONE) {
        return code;
    }
    code = store_delete_run(store(), (struct run_id){ 1 }, e);
    return commit_or_not(code, e);
}

static const struct alert new_alert = {
    .rule = ALERT_SPIKE, .rank = 17, .step = 5
};

static enum err_code add_alert(struct err *e)
{
    bool is_new = false;
    enum err_code code = store_begin(store(), e);
    if (code != ERR_NONE) {
        return code;
    }
    code = store_add_alert(store(), "r", &new_alert, &is_new, e);
    return commit_or_not(code, e);
}

static enum err_code find_stream(struct err *e)
{
    struct stream_state s;
    return store_stream(store(), rig_uid(2), &s, e);
}

static enum err_code find_unsealed(struct err *e)
{
    struct store_unsealed found[4];
    size_t n = 0;
    enum err_code code = store_find_unsealed(store(), 4, found, &n, e);
    assert_true(code != ERR_NONE || n == 1);
    return code;
}

static enum err_code try_commit(struct err *e)
{
    return store_try_commit(store(), e);
}

static enum err_code checkpoint(struct err *e)
{
    return store_checkpoint(store(), STORE_CHECKPOINT_PASSIVE, e);
}

static enum err_code checkpoint_and_truncate(struct err *e)
{
    return store_checkpoint(store(), STORE_CHECKPOINT_TRUNCATE, e);
}

static enum err_code checkpoint_beside(struct err *e)
{
    struct checkpoint *beside = NULL;
    enum err_code code = checkpoint_open(rig.path, &beside, e);
    if (code == ERR_NONE) {
        code = checkpoint_move(beside, e);
    }
    if (code == ERR_NONE) {
        code = checkpoint_sync(beside, e);
    }
    checkpoint_close(beside);
    return code;
}

/* ---- what a reader does; *hash says what it has read ----------------------
 */

static uint64_t hash_row(uint64_t hash, const struct run_row *row)
{
    hash = hash_text(hash, row->uid);
    hash = hash_text(hash, row->name);
    hash = hash_text(hash, row->project);
    hash = hash_text(hash, row->tags_json);
    hash = hash_text(hash, row->config_json);
    hash = hash_text(hash, row->hello_json);
    hash = hash_u64(hash, row->records[WIRE_STEP] + row->gaps);
    return hash_u64(hash, row->revision);
}

static enum err_code visit_run(
    void *context, const struct run_row *row, struct err *e)
{
    (void)e;
    uint64_t *hash = context;
    *hash = hash_row(*hash, row);
    return ERR_NONE;
}

static enum err_code visit_project(
    void *context, const struct project_row *row, struct err *e)
{
    (void)e;
    uint64_t *hash = context;
    *hash = hash_u64(hash_text(*hash, row->name), row->runs);
    return ERR_NONE;
}

static enum err_code visit_stream(
    void *context, const struct stream_row *row, struct err *e)
{
    (void)e;
    uint64_t *hash = context;
    *hash = hash_u64(*hash, row->committed_seq + row->rank);
    return ERR_NONE;
}

static enum err_code visit_hello(void *context, const char *json, struct err *e)
{
    (void)e;
    uint64_t *hash = context;
    *hash = hash_text(*hash, json);
    return ERR_NONE;
}

static enum err_code list(struct reader *reader, struct run_query query,
    uint64_t *hash, struct err *e)
{
    query.limit = 10;
    return runs_list(reader, &query, visit_run, hash, e);
}

static enum err_code list_all(
    struct reader *reader, uint64_t *hash, struct err *e)
{
    return list(reader, (struct run_query){ .text = "" }, hash, e);
}

static enum err_code list_project(
    struct reader *reader, uint64_t *hash, struct err *e)
{
    return list(
        reader, (struct run_query){ .project = "p", .text = "r" }, hash, e);
}

static enum err_code list_tag(
    struct reader *reader, uint64_t *hash, struct err *e)
{
    return list(reader, (struct run_query){ .tag = "a" }, hash, e);
}

static enum err_code get_run(
    struct reader *reader, uint64_t *hash, struct err *e)
{
    struct run_row row = { 0 };
    enum err_code code = runs_get(reader, "r", &row, e);
    if (code == ERR_NONE) {
        *hash = hash_row(*hash, &row);
        run_row_done(&row);
    }
    return code;
}

static enum err_code visit_alert(
    void *context, const struct alert_row *row, struct err *e)
{
    (void)e;
    uint64_t *hash = context;
    *hash = hash_u64(hash_text(*hash, row->run_uid), row->alert.step);
    return ERR_NONE;
}

static enum err_code list_alerts(
    struct reader *reader, uint64_t *hash, struct err *e)
{
    struct alert_past past;
    const struct alert_query query = { .run_uid = "r",
        .rule = "spike",
        .has_rank = true,
        .rank = 17,
        .limit = 10 };
    enum err_code code = alerts_past(reader, (struct run_id){ 1 }, &past, e);
    if (code == ERR_NONE) {
        *hash = hash_u64(*hash, past.n[ALERT_SPIKE]);
        code = alerts_list(reader, &query, visit_alert, hash, e);
    }
    return code;
}

static uint64_t digest_watch(const struct alert_watch *watch, uint64_t hash)
{
    for (uint32_t i = 0; i < watch->n_ranks; i++) {
        const struct alert_watch_rank *rank = &watch->ranks[i];
        hash = hash_u64(hash_u64(hash, rank->attempt), rank->seq);
        hash = hash_u64(hash, rank->rules.windows->loss.n);
        hash = hash_u64(hash, rank->rules.windows->skipped.set);
    }
    for (size_t i = 0; i < watch->cases.n; i++) {
        const struct alert_case *c = &watch->cases.open[i];
        hash = hash_u64(hash, c->alert.step * ALERT_RULES + c->alert.rule);
        hash = hash_u64(hash_u64(hash, c->first), c->later);
    }
    return hash;
}

/* One that has failed goes on with the same watch: no record twice, none left
 * out. */
static enum err_code watch_alerts(
    struct reader *reader, uint64_t *hash, struct err *e)
{
    static struct alert_watch *watch;
    static struct alert_pool pool;
    const struct alert_limits limits = ALERT_LIMITS_DEFAULT;
    struct run_row row = { 0 };
    watch = watch == NULL ? calloc(1, sizeof *watch) : watch;
    assert_non_null(watch);
    enum err_code code = reader_begin(reader, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = runs_get(reader, "r", &row, e);
    if (code == ERR_NONE) {
        code = alert_watch_read(watch, &pool, reader, &row, &limits, e);
        run_row_done(&row);
    }
    reader_end(reader);
    if (code != ERR_NONE) {
        return code;
    }
    assert_true(watch->cases.n > 0);
    *hash = digest_watch(watch, *hash);
    alert_watch_done(watch);
    free(watch);
    watch = NULL;
    return ERR_NONE;
}

static enum err_code list_projects(
    struct reader *reader, uint64_t *hash, struct err *e)
{
    return runs_projects(reader, visit_project, hash, e);
}

static enum err_code list_streams(
    struct reader *reader, uint64_t *hash, struct err *e)
{
    return runs_streams(reader, (struct run_id){ 1 }, visit_stream, hash, e);
}

static enum err_code get_hello(
    struct reader *reader, uint64_t *hash, struct err *e)
{
    return runs_hello(reader, (struct stream_id){ 1 }, visit_hello, hash, e);
}

static void hash_batch(uint64_t *hash, const struct scan_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        *hash = hash_u64(hash_u64(*hash, batch->seq[i]), batch->present[i]);
        for (size_t f = 0; f < WIRE_FIELDS_MAX; f++) {
            uint64_t bits =
                batch->columns[f] == NULL ? 0 : batch->columns[f][i];
            *hash = hash_u64(*hash, batch->texts == NULL ? bits : f);
        }
        struct str text = { 0 };
        if (batch->texts != NULL) {
            text = batch->texts[i];
        }
        for (size_t k = 0; k < text.n; k++) {
            *hash = hash_u64(*hash, (uint8_t)text.p[k]);
        }
    }
}

enum pausing { UNPAUSED, PAUSED };

static enum err_code scan_to_the_end(struct reader *reader,
    const struct scan_query *query, enum pausing pausing, uint64_t *hash,
    struct err *e)
{
    struct scan *scan = NULL;
    struct scan_batch batch = { .n = 1 };
    enum err_code code = scan_open(reader, query, &scan, e);
    while (code == ERR_NONE && batch.n > 0) {
        if (pausing == PAUSED) {
            scan_pause(scan);
        }
        code = scan_next(scan, &batch, e);
        if (code == ERR_NONE) {
            hash_batch(hash, &batch);
        }
    }
    scan_close(scan);
    return code;
}

static enum err_code scan_each_kind(
    struct reader *reader, uint64_t *hash, struct err *e)
{
    enum err_code code = ERR_NONE;
    for (unsigned kind = 1; code == ERR_NONE && kind < WIRE_KINDS; kind++) {
        struct scan_query query =
            rig_query((struct run_id){ 1 }, (enum wire_kind)kind);
        code = scan_to_the_end(reader, &query, UNPAUSED, hash, e);
    }
    return code;
}

static enum err_code scan_a_range_with_pauses(
    struct reader *reader, uint64_t *hash, struct err *e)
{
    struct scan_query query = rig_query((struct run_id){ 1 }, WIRE_STEP);
    query.attempts = SCAN_NEWEST;
    query.from_step = 1;
    return scan_to_the_end(reader, &query, PAUSED, hash, e);
}

static enum err_code look_twice_at_one_state(
    struct reader *reader, uint64_t *hash, struct err *e)
{
    enum err_code code = reader_begin(reader, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = list_streams(reader, hash, e);
    if (code == ERR_NONE) {
        code = get_run(reader, hash, e);
    }
    reader_end(reader);
    return code;
}

static bool count_step(void *context, const struct rank_step *step)
{
    uint64_t *hash = context;
    *hash = hash_u64(*hash, step->n_in);
    return true;
}

static enum err_code join_ranks(
    struct reader *reader, uint64_t *hash, struct err *e)
{
    const struct rank_query query = {
        .scan = rig_query((struct run_id){ 1 }, WIRE_STEP),
        .wanted = RANK_SCAN_DIAGNOSIS,
    };
    return rank_scan(reader, &query, count_step, hash, NULL, e);
}

/* Of a stream in chunks, of one in the log. */
static enum err_code find_first_probes(
    struct reader *reader, uint64_t *hash, struct err *e)
{
    enum err_code code = reader_begin(reader, e);
    const enum err_code began = code;
    for (int64_t stream = 1; code == ERR_NONE && stream <= 3; stream++) {
        bool has = false;
        uint64_t step = 0;
        code = first_probe_step(reader->db, stream, &has, &step, e);
        *hash = hash_u64(hash_u64(*hash, has), step);
    }
    if (began == ERR_NONE) {
        reader_end(reader);
    }
    return code;
}

static enum err_code judge(struct reader *reader, const struct run_row *row,
    const struct verdict_query *query, const struct pairs *pairs,
    uint64_t *hash, struct err *e)
{
    struct run_verdict verdict;
    const enum err_code code =
        verdict_run(reader, row, query, pairs, &verdict, e);
    if (code == ERR_NONE) {
        *hash = hash_u64(*hash, verdict.n);
        *hash = hash_u64(*hash, verdict.v[0].verdict.kind);
        run_verdict_done(&verdict);
    }
    return code;
}

static enum err_code judge_run(
    struct reader *reader, uint64_t *hash, struct err *e)
{
    struct run_row row;
    struct pairs pairs;
    struct pair_query query = {
        .scan = rig_query((struct run_id){ 1 }, WIRE_PROBE),
    };
    const struct verdict_query asked = {
        .pairs = &query, .window = 1, .fit = run_fit_everything
    };
    enum err_code code = runs_get(reader, "r", &row, e);
    if (code != ERR_NONE) {
        return code;
    }
    pairs_init(&pairs, 100);
    code = pair_scan_all(reader, &query, 1, &pairs, e);
    if (code == ERR_NONE) {
        code = judge(reader, &row, &asked, &pairs, hash, e);
    }
    pairs_done(&pairs);
    run_row_done(&row);
    return code;
}

static enum err_code open_reader(
    struct reader *reader, uint64_t *hash, struct err *e)
{
    (void)reader;
    struct reader *other = NULL;
    enum err_code code = reader_open(rig.path, &other, e);
    reader_close(other);
    *hash += code == ERR_NONE;
    return code;
}

/* ---- sweeping ------------------------------------------------------------ */

enum fault { ALLOCATION, WRITE, FULL, SYNC, READ, TRUNCATE, FAULTS };

static const char *const fault_names[FAULTS] = { "allocations", "writes",
    "writes to a full disk", "syncs", "reads", "truncations" };

static const enum err_code expected[FAULTS] = { ERR_NOMEM, ERR_STORE, ERR_FULL,
    ERR_STORE, ERR_STORE, ERR_STORE };

static void arm(enum fault fault, long n)
{
    static const enum fault_kind kinds[FAULTS] = { [WRITE] = FAULT_WRITE,
        [FULL] = FAULT_DISK_FULL,
        [SYNC] = FAULT_SYNC,
        [READ] = FAULT_READ,
        [TRUNCATE] = FAULT_TRUNCATE };
    if (fault == ALLOCATION) {
        faults_fail_allocation(n);
    } else {
        faults_fail_io(kinds[fault], n);
    }
}

/* What the store holds is in its cache: nothing would be read. */
static void forget_pages(enum fault fault)
{
    if (fault == READ) {
        close_store();
        open_store();
    }
}

struct write_case {
    const char *name;
    enum err_code (*prepare)(
        struct err *e); /* before, without faults; or NULL */
    enum err_code (*run)(struct err *e);
    long least; /* sites of all kinds; with fewer the sweep proves nothing */
};

static void start(const struct write_case *c)
{
    struct err e = { 0 };
    restore();
    if (c->prepare != NULL) {
        assert_int_equal(c->prepare(&e), ERR_NONE);
    }
}

/* Returns the sites. */
static long sweep_write(
    const struct write_case *c, enum fault fault, uint64_t after)
{
    long sites = 0;
    bool hit = true;
    start(c);
    uint64_t before = digest();
    for (long n = 0; hit; n++) {
        struct err e = { 0 };
        forget_pages(fault);
        arm(fault, n);
        enum err_code code = c->run(&e);
        hit = faults_off();
        sites += hit;
        if (code != ERR_NONE) {
            assert_true(hit);
            assert_int_equal(code, expected[fault]);
            assert_int_equal(digest(), before);
            continue;
        }
        assert_int_equal(digest(), after);
        start(c);
    }
    return sites;
}

static void test_a_call_that_fails_has_changed_nothing(void **state)
{
    (void)state;
    static const struct write_case cases[] = {
        { "store_hello, a run", NULL, hello_of_a_run, 10 },
        { "store_hello, an attempt", NULL, hello_of_an_attempt, 10 },
        { "store_hello, again", NULL, hello_again, 5 },
        { "store_append", NULL, append_records, 5 },
        { "store_settle", NULL, append_and_settle, 30 },
        { "store_append, long texts", NULL, append_long_texts, 5 },
        { "store_append, repeats", NULL, append_repeats, 5 },
        { "store_append, a gap", NULL, append_over_a_gap, 5 },
        { "store_bye", NULL, bye, 5 },
        { "store_seal", NULL, seal_a_chunk, 30 },
        { "store_seal, everything", NULL, seal_everything, 30 },
        { "store_add_alert", NULL, add_alert, 10 },
        { "store_delete_run", NULL, delete_run, 10 },
        { "store_stream", NULL, find_stream, 2 },
        { "store_find_unsealed", NULL, find_unsealed, 1 },
        { "store_try_commit", NULL, try_commit, 4 },
        { "store_checkpoint, passive", append_records, checkpoint, 5 },
        { "store_checkpoint, truncate", append_records, checkpoint_and_truncate,
            5 },
        { "checkpoint_*", append_records, checkpoint_beside, 5 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err e = { 0 };
        long sites = 0;
        start(&cases[i]);
        assert_int_equal(cases[i].run(&e), ERR_NONE);
        uint64_t after = digest();
        printf("%-28s", cases[i].name);
        for (unsigned fault = 0; fault < FAULTS; fault++) {
            long n = sweep_write(&cases[i], (enum fault)fault, after);
            printf(" %6ld %s", n, fault_names[fault]);
            sites += n;
        }
        printf("\n");
        assert_true(sites >= cases[i].least);
    }
}

/* Preparing all statements allocates some ten thousand times, mostly alike:
 * each of the first 200 fails, then ever fewer. */
static long next_of(long n)
{
    return n < 200 ? n + 1 : n + n / 30;
}

static void test_open_fails_well_and_then_opens(void **state)
{
    (void)state;
    static const enum opening { OLD, NEW } openings[] = { OLD, NEW };
    for (size_t i = 0; i < 2; i++) {
        printf("%-28s", i == OLD ? "store_open" : "store_open, a new one");
        for (unsigned fault = 0; fault < FAULTS; fault++) {
            long sites = 0;
            bool hit = true;
            for (long n = 0; hit; n = next_of(n)) {
                struct err e = { 0 };
                close_store();
                if (openings[i] == NEW) {
                    remove_files();
                }
                arm((enum fault)fault, n);
                enum err_code code =
                    store_open(&(struct store_options){ .path = rig.path,
                                   .seal_records = SEAL_RECORDS },
                        &rig.store, &e);
                hit = faults_off();
                sites += hit;
                if (code != ERR_NONE) {
                    assert_true(hit);
                    assert_null(rig.store);
                    assert_int_equal(code, expected[fault]);
                    open_store();
                }
            }
            printf(" %6ld %s", sites, fault_names[fault]);
        }
        printf("\n");
        restore();
    }
}

struct read_case {
    const char *name;
    enum err_code (*run)(struct reader *reader, uint64_t *hash, struct err *e);
    long least;
};

/* One that has to read all pages again: what it has seen while it was opened
 * is no longer the newest. */
static struct reader *new_reader(void)
{
    struct reader *reader = NULL;
    struct err e = { 0 };
    assert_int_equal(reader_open(rig.path, &reader, &e), ERR_NONE);
    assert_int_equal(store_try_commit(rig.store, &e), ERR_NONE);
    return reader;
}

/* A reader that has failed reads the same as any other. */
static long sweep_read(
    const struct read_case *c, enum fault fault, uint64_t wanted)
{
    long sites = 0;
    bool hit = true;
    for (long n = 0; hit; n = next_of(n)) {
        struct err e = { 0 };
        uint64_t hash = HASH_START;
        struct reader *reader = new_reader();
        arm(fault, n);
        enum err_code code = c->run(reader, &hash, &e);
        hit = faults_off();
        sites += hit;
        if (code != ERR_NONE) {
            assert_true(hit);
            assert_int_equal(code, expected[fault]);
            hash = HASH_START;
            assert_int_equal(c->run(reader, &hash, &e), ERR_NONE);
        }
        assert_int_equal(hash, wanted);
        reader_close(reader);
    }
    return sites;
}

static void test_a_reader_that_fails_says_so_and_reads_on(void **state)
{
    (void)state;
    static const struct read_case cases[] = {
        { "reader_open", open_reader, 20 },
        { "reader_begin, _end", look_twice_at_one_state, 20 },
        { "runs_list", list_all, 20 },
        { "runs_list, a project", list_project, 20 },
        { "runs_list, a tag", list_tag, 20 },
        { "runs_get", get_run, 20 },
        { "runs_projects", list_projects, 20 },
        { "runs_streams", list_streams, 20 },
        { "runs_hello", get_hello, 10 },
        { "alerts_past, alerts_list", list_alerts, 20 },
        { "scan_*, each kind", scan_each_kind, 100 },
        { "scan_*, a range, pauses", scan_a_range_with_pauses, 100 },
        { "rank_scan", join_ranks, 50 },
        { "first_probe_step", find_first_probes, 50 },
        { "verdict_run", judge_run, 100 },
        { "alert_watch_read", watch_alerts, 100 },
    };
    struct err e = { 0 };
    restore();
    assert_int_equal(append_records(&e), ERR_NONE); /* in the log, not moved */
    assert_int_equal(add_alert(&e), ERR_NONE);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        long sites = 0;
        uint64_t wanted = HASH_START;
        struct reader *reader = new_reader();
        assert_int_equal(cases[i].run(reader, &wanted, &e), ERR_NONE);
        reader_close(reader);
        printf("%-28s", cases[i].name);
        static const enum fault faults[] = { ALLOCATION, READ };
        for (size_t k = 0; k < 2; k++) {
            long n = sweep_read(&cases[i], faults[k], wanted);
            printf(" %6ld %s", n, fault_names[faults[k]]);
            sites += n;
        }
        printf("\n");
        assert_true(sites >= cases[i].least);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_that_fails_has_changed_nothing),
        cmocka_unit_test(test_open_fails_well_and_then_opens),
        cmocka_unit_test(test_a_reader_that_fails_says_so_and_reads_on),
    };
    return cmocka_run_group_tests(tests, make_template, end);
}
