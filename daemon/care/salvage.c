/*
 * salvage.c: owns the statements and the coder; the main thread of a command.
 *
 * A row says by its shape what it is of, for a leaf without a tree has no
 * name. Rows that come twice are taken once (INSERT OR IGNORE).
 */
#include "care/salvage.h"

#include <string.h>

#include "care/btree.h"
#include "pure/alert.h"
#include "pure/decode.h"
#include "pure/json_scan.h"
#include "store/chunk.h"
#include "store/db.h"
#include "store/store.h"
#include "wire/fields.h"

#define JSON_DEPTH_MAX 32 /* as hello.c */

#define SALVAGE_STATEMENTS(X)                                                  \
    X(RUN, "INSERT OR IGNORE INTO run (id, uid, created_wall_ns, project, "    \
           "name, tags, config, fork_of, fork_step) "                          \
           "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9);")                     \
    X(RUN_PROGRESS, "INSERT OR IGNORE INTO run_progress (run, revision, "      \
                    "updated_wall_ns) VALUES (?1, ?2, ?3);")                   \
    X(STREAM, "INSERT OR IGNORE INTO stream (id, uid, run, attempt, rank, "    \
              "created_wall_ns, hello) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7);")  \
    X(PROGRESS,                                                                \
        "INSERT OR IGNORE INTO stream_progress (stream, committed_seq, "       \
        "lost_records, dropped_records, steps, probes, metrics, events, "      \
        "first_step, last_step, heard_wall_ns, stepped_wall_ns, "              \
        "step_clock_ns, step_interval_ns, closed, writer_gone, finished, "     \
        "exit_code, log_records, log_bytes, sharpness, groups, "               \
        "repeated_records, late_records) "                                     \
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, "     \
        "?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24);")             \
    X(LOG, "INSERT OR IGNORE INTO log (id, stream, first_seq, last_seq, "      \
           "frame) VALUES (?1, ?2, ?3, ?4, ?5);")                              \
    X(CHUNK,                                                                   \
        "INSERT OR IGNORE INTO chunk (id, stream, kind, first_seq, last_seq, " \
        "least_step, most_step, records, summary, body) "                      \
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10);")                   \
    X(ALERT, "INSERT OR IGNORE INTO alert (id, run, attempt, step, rule, "     \
             "severity, wall_ns, value, limit_value, sentence, rank) "         \
             "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11);")

#define SALVAGE_ENUM(id, sql) STMT_##id,
#define SALVAGE_SQL(id, sql) sql,
enum salvage_statement { SALVAGE_STATEMENTS(SALVAGE_ENUM) STMT_COUNT };
static const char *const sqls[STMT_COUNT] = { SALVAGE_STATEMENTS(SALVAGE_SQL) };

#define PROGRESS_COLUMNS_MIN 20  /* of version 1 */
#define PROGRESS_COLUMNS_USED 24 /* what comes after is counted anew */

struct salvager {
    sqlite3 *db;
    sqlite3_stmt *stmts[STMT_COUNT];
    struct chunk_coder coder;
    struct records records;
    struct salvage_counts *counts;
};

typedef enum err_code (*take_fn)(
    struct salvager *s, const struct btree_row *row, struct err *e);

/* ---- rows by their shape ------------------------------------------------- */

/* One letter a column: Integer, Text, Blob, '-' NULL, '?' integer or NULL, 'r'
 * a REAL: that, integer or NULL. */
static bool has_shape(const struct btree_row *row, const char *shape)
{
    static const char letters[] = {
        [BTREE_NULL] = '-',
        [BTREE_INTEGER] = 'I',
        [BTREE_TEXT] = 'T',
        [BTREE_BLOB] = 'B',
        [BTREE_REAL] = 'R',
    };
    if (row->n != strlen(shape)) {
        return false;
    }
    for (size_t i = 0; i < row->n; i++) {
        char letter = letters[row->values[i].type];
        bool fits = shape[i] == letter ||
                    (shape[i] == '?' && (letter == 'I' || letter == '-')) ||
                    (shape[i] == 'r' &&
                        (letter == 'R' || letter == 'I' || letter == '-'));
        if (!fits) {
            return false;
        }
    }
    return true;
}

static int64_t integer(const struct btree_row *row, size_t i)
{
    return i < row->n ? row->values[i].integer : 0;
}

static struct str bytes(const struct btree_row *row, size_t i)
{
    return row->values[i].bytes;
}

static int bind_integer(
    sqlite3_stmt *stmt, int at, const struct btree_row *row, size_t i)
{
    return i < row->n && row->values[i].type == BTREE_INTEGER
               ? sqlite3_bind_int64(stmt, at, row->values[i].integer)
               : sqlite3_bind_null(stmt, at);
}

static int bind_blob(sqlite3_stmt *stmt, int at, struct str blob)
{
    const char *p = blob.p == NULL ? "" : blob.p; /* NULL would bind a NULL */
    return sqlite3_bind_blob64(stmt, at, p, blob.n, SQLITE_STATIC);
}

static enum err_code run(
    struct salvager *s, enum salvage_statement which, int rc, struct err *e)
{
    sqlite3_stmt *stmt = s->stmts[which];
    enum err_code code = rc == SQLITE_OK ? db_run(stmt, "salvage", e)
                                         : db_fail(s->db, e, "salvage");
    (void)sqlite3_clear_bindings(stmt); /* all were borrowed for the call */
    return code;
}

static enum err_code refuse(struct salvager *s)
{
    s->counts->refused++;
    return ERR_NONE;
}

/* ---- rows without a checksum --------------------------------------------- */

static bool is_json(struct str text, char first)
{
    return text.n > 0 && text.p[0] == first &&
           json_is_valid(text, JSON_DEPTH_MAX);
}

static enum err_code take_run(
    struct salvager *s, const struct btree_row *row, struct err *e)
{
    bool sound = bytes(row, 1).n > 0 && bytes(row, 1).n <= RUN_UID_MAX &&
                 str_is_utf8(bytes(row, 1)) && str_is_utf8(bytes(row, 3)) &&
                 str_is_utf8(bytes(row, 4)) && is_json(bytes(row, 5), '[') &&
                 is_json(bytes(row, 6), '{');
    if (!sound) {
        return refuse(s); /* its streams know all of it */
    }
    sqlite3_stmt *stmt = s->stmts[STMT_RUN];
    int rc = sqlite3_bind_int64(stmt, 1, row->rowid);
    rc |= db_bind_text(stmt, 2, bytes(row, 1));
    rc |= sqlite3_bind_int64(stmt, 3, integer(row, 2));
    for (int i = 4; i <= 7; i++) {
        rc |= db_bind_text(stmt, i, bytes(row, (size_t)i - 1));
    }
    bool forks = row->n == 9 && row->values[7].type == BTREE_TEXT &&
                 str_is_utf8(bytes(row, 7));
    rc |= forks ? db_bind_text(stmt, 8, bytes(row, 7))
                : sqlite3_bind_null(stmt, 8);
    rc |= forks ? bind_integer(stmt, 9, row, 8) : sqlite3_bind_null(stmt, 9);
    return run(s, STMT_RUN, rc, e);
}

static enum err_code take_run_progress(
    struct salvager *s, const struct btree_row *row, struct err *e)
{
    sqlite3_stmt *stmt = s->stmts[STMT_RUN_PROGRESS];
    int rc = sqlite3_bind_int64(stmt, 1, row->rowid);
    rc |= bind_integer(stmt, 2, row, 1);
    rc |= bind_integer(stmt, 3, row, 2);
    return run(s, STMT_RUN_PROGRESS, rc, e);
}

static enum err_code take_stream(
    struct salvager *s, const struct btree_row *row, struct err *e)
{
    struct str hello = bytes(row, 6);
    if (bytes(row, 1).n != sizeof(struct stream_uid)) {
        return refuse(s);
    }
    sqlite3_stmt *stmt = s->stmts[STMT_STREAM];
    int rc = sqlite3_bind_int64(stmt, 1, row->rowid);
    rc |= bind_blob(stmt, 2, bytes(row, 1));
    for (int i = 3; i <= 6; i++) {
        rc |= bind_integer(stmt, i, row, (size_t)i - 1);
    }
    rc |= db_bind_text(stmt, 7, str_is_utf8(hello) ? hello : STR(""));
    return run(s, STMT_STREAM, rc, e);
}

static bool is_progress(const struct btree_row *row)
{
    if (row->n < PROGRESS_COLUMNS_MIN || row->values[0].type != BTREE_NULL) {
        return false;
    }
    for (size_t i = 1; i < row->n; i++) {
        bool is_step = i == 8 || i == 9;
        if (row->values[i].type != BTREE_INTEGER &&
            !(is_step && row->values[i].type == BTREE_NULL)) {
            return false;
        }
    }
    return true;
}

static enum err_code take_progress(
    struct salvager *s, const struct btree_row *row, struct err *e)
{
    sqlite3_stmt *stmt = s->stmts[STMT_PROGRESS];
    int rc = sqlite3_bind_int64(stmt, 1, row->rowid);
    for (int i = 2; i <= PROGRESS_COLUMNS_USED; i++) {
        bool is_step = i == 9 || i == 10;
        rc |= is_step
                  ? bind_integer(stmt, i, row, (size_t)i - 1)
                  : sqlite3_bind_int64(stmt, i, integer(row, (size_t)i - 1));
    }
    return run(s, STMT_PROGRESS, rc, e);
}

static int bind_real(
    sqlite3_stmt *stmt, int at, const struct btree_row *row, size_t i)
{
    return row->values[i].type == BTREE_REAL
               ? sqlite3_bind_double(stmt, at, row->values[i].real)
               : bind_integer(stmt, at, row, i);
}

static enum err_code take_alert(
    struct salvager *s, const struct btree_row *row, struct err *e)
{
    enum alert_rule rule = ALERT_RULES;
    if (!alert_rule_find(bytes(row, 4), &rule) ||
        !(str_equal(bytes(row, 5), STR("warning")) ||
            str_equal(bytes(row, 5), STR("error"))) ||
        !str_is_utf8(bytes(row, 9))) {
        return refuse(s);
    }
    sqlite3_stmt *stmt = s->stmts[STMT_ALERT];
    int rc = sqlite3_bind_int64(stmt, 1, row->rowid);
    rc |= bind_integer(stmt, 2, row, 1);
    rc |= bind_integer(stmt, 3, row, 2);
    rc |= bind_integer(stmt, 4, row, 3);
    rc |= db_bind_text(stmt, 5, bytes(row, 4));
    rc |= db_bind_text(stmt, 6, bytes(row, 5));
    rc |= bind_integer(stmt, 7, row, 6);
    rc |= bind_real(stmt, 8, row, 7);
    rc |= bind_real(stmt, 9, row, 8);
    rc |= db_bind_text(stmt, 10, bytes(row, 9));
    rc |= bind_integer(stmt, 11, row, 10);
    return run(s, STMT_ALERT, rc, e);
}

/* ---- rows with a checksum ------------------------------------------------ */

static enum err_code take_log(
    struct salvager *s, const struct btree_row *row, struct err *e)
{
    struct message message;
    struct str frame = bytes(row, 4);
    if (decode_message(frame.p, frame.n, &message) != DECODE_OK ||
        message.type != WIRE_DATA || message.count == 0) {
        return refuse(s);
    }
    uint64_t last = message.first_seq + message.count - 1;
    uint64_t first = (uint64_t)integer(row, 2);
    if (last > INT64_MAX || first < message.first_seq || first > last) {
        return refuse(s);
    }
    sqlite3_stmt *stmt = s->stmts[STMT_LOG];
    int rc = sqlite3_bind_int64(stmt, 1, row->rowid);
    rc |= bind_integer(stmt, 2, row, 1);
    rc |= db_bind_u64(stmt, 3, first);
    rc |= db_bind_u64(stmt, 4, last);
    rc |= bind_blob(stmt, 5, frame);
    s->counts->log_rows++;
    return run(s, STMT_LOG, rc, e);
}

static enum err_code read_memory(
    void *context, void *to, size_t n, size_t offset, struct err *e)
{
    (void)e;
    memcpy(to, (const char *)context + offset, n);
    return ERR_NONE;
}

static int bind_steps(sqlite3_stmt *stmt, const struct records *r)
{
    bool any = false;
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    for (size_t i = 0; i < r->n; i++) {
        if ((r->present[i] & 1) != 0) {
            uint64_t step = r->columns[0][i];
            least = step < least ? step : least;
            most = step > most ? step : most;
            any = true;
        }
    }
    return any ? db_bind_u64(stmt, 6, least) | db_bind_u64(stmt, 7, most)
               : sqlite3_bind_null(stmt, 6) | sqlite3_bind_null(stmt, 7);
}

/* With the body's records in s->records. */
static enum err_code take_body(struct salvager *s, const struct btree_row *row,
    const struct records *r, struct err *e)
{
    sqlite3_stmt *stmt = s->stmts[STMT_CHUNK];
    int rc = sqlite3_bind_int64(stmt, 1, row->rowid);
    rc |= bind_integer(stmt, 2, row, 1);
    rc |= sqlite3_bind_int64(stmt, 3, r->kind);
    rc |= db_bind_u64(stmt, 4, r->seq[0]);
    rc |= db_bind_u64(stmt, 5, r->seq[r->n - 1]);
    rc |= bind_steps(stmt, r);
    rc |= db_bind_u64(stmt, 8, r->n);
    rc |= bind_blob(stmt, 9, STR("")); /* made anew when all is there */
    rc |= bind_blob(stmt, 10, bytes(row, 9));
    s->counts->chunks++;
    return run(s, STMT_CHUNK, rc, e);
}

/* A thinned chunk is its row and its summary alone. */
static enum err_code take_thinned(
    struct salvager *s, const struct btree_row *row, struct err *e)
{
    uint64_t kind = (uint64_t)integer(row, 2);
    uint64_t first = (uint64_t)integer(row, 3);
    uint64_t last = (uint64_t)integer(row, 4);
    uint64_t records = (uint64_t)integer(row, 7);
    if (kind < 1 || kind >= WIRE_KINDS || first < 1 || last > INT64_MAX ||
        first > last || records < 1 || records > last - first + 1) {
        return refuse(s);
    }
    sqlite3_stmt *stmt = s->stmts[STMT_CHUNK];
    int rc = sqlite3_bind_int64(stmt, 1, row->rowid);
    for (int i = 2; i <= 8; i++) {
        rc |= bind_integer(stmt, i, row, (size_t)i - 1);
    }
    rc |= bind_blob(stmt, 9, bytes(row, 8));
    rc |= bind_blob(stmt, 10, STR(""));
    s->counts->chunks++;
    return run(s, STMT_CHUNK, rc, e);
}

static enum err_code take_chunk(
    struct salvager *s, const struct btree_row *row, struct err *e)
{
    struct str body = bytes(row, 9);
    struct chunk_head head;
    if (body.n == 0) {
        return take_thinned(s, row, e);
    }
    if (body.n < sizeof head) {
        return refuse(s);
    }
    memcpy(&head, body.p, sizeof head);
    if (wire_kind_info(head.kind) == NULL) {
        return refuse(s);
    }
    union {
        const char *p;
        void *context; /* read_memory reads only */
    } from = { .p = body.p };
    const struct chunk_source source = {
        .context = from.context, .size = body.n, .read = read_memory
    };
    records_init(&s->records, (enum wire_kind)head.kind, UINT64_MAX);
    enum err_code code = chunk_read(&s->coder, &source, &s->records, e);
    if (code == ERR_NONE) {
        code = s->records.seq[s->records.n - 1] <= INT64_MAX
                   ? take_body(s, row, &s->records, e)
                   : refuse(s);
    } else if (code == ERR_STORE) {
        code = refuse(s);
    }
    records_done(&s->records);
    return code;
}

static enum err_code take_row(
    void *context, const struct btree_row *row, struct err *e)
{
    static const struct {
        const char *shape;
        take_fn take;
    } shapes[] = {
        { "-IIII??IBB", take_chunk },
        { "-IIIB", take_log },
        { "-BIIIIT", take_stream },
        { "-BIIIITI", take_stream },
        { "-TITTTT", take_run },
        { "-TITTTT--", take_run },
        { "-TITTTTTI", take_run },
        { "-II", take_run_progress },
        { "-IIITTIrrT", take_alert }, /* of version 4 */
        { "-IIITTIrrT?", take_alert },
    };
    struct salvager *s = context;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if (has_shape(row, shapes[i].shape)) {
            return shapes[i].take(s, row, e);
        }
    }
    return is_progress(row) ? take_progress(s, row, e) : ERR_NONE;
}

/* ---- the file ------------------------------------------------------------ */

#define ROOTS_MAX 64
#define ROOTS_LEAST 6 /* of version 1, without alerts */

/* Roots of our tables, from sqlite_schema. */
struct roots {
    uint32_t pages[ROOTS_MAX];
    size_t n;
};

static enum err_code take_root(
    void *context, const struct btree_row *row, struct err *e)
{
    static const char *const tables[] = { "run", "run_progress", "stream",
        "stream_progress", "log", "chunk", "alert" };
    struct roots *roots = context;
    (void)e;
    if (!has_shape(row, "TTTIT") || !str_equal(bytes(row, 0), STR("table"))) {
        return ERR_NONE;
    }
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        int64_t page = integer(row, 3);
        if (str_equal(bytes(row, 1), str_of(tables[i])) &&
            roots->n < ROOTS_MAX && page > 1 && page < UINT32_MAX) {
            roots->pages[roots->n++] = (uint32_t)page;
        }
    }
    return ERR_NONE;
}

/* Leaves without a tree are looked at only when a tree is broken: else they
 * are of tables that are not ours. */
static enum err_code take_all(
    struct salvager *s, struct btree *b, struct err *e)
{
    struct roots roots = { 0 };
    enum err_code code = btree_walk(b, 1, take_root, &roots, e);
    for (size_t i = 0; code == ERR_NONE && i < roots.n; i++) {
        code = btree_walk(b, roots.pages[i], take_row, s, e);
    }
    if (code == ERR_NONE && (b->broken > 0 || roots.n < ROOTS_LEAST)) {
        code = btree_skip_free(b, e);
        code = code != ERR_NONE ? code : btree_rest(b, take_row, s, e);
    }
    s->counts->broken = b->broken;
    return code;
}

static enum err_code prepare(struct salvager *s, struct err *e)
{
    enum err_code code = ERR_NONE;
    for (size_t i = 0; code == ERR_NONE && i < STMT_COUNT; i++) {
        code = db_prepare(s->db, sqls[i], &s->stmts[i], e);
    }
    return code;
}

enum err_code salvage(const struct pages *pages, sqlite3 *to,
    struct salvage_counts *ret_counts, struct err *e)
{
    struct salvager s = { .db = to, .counts = ret_counts };
    struct btree btree = { 0 };
    *ret_counts = (struct salvage_counts){ 0 };
    enum err_code code = btree_init(&btree, pages, e);
    code = code != ERR_NONE ? code : prepare(&s, e);
    code = code != ERR_NONE ? code : take_all(&s, &btree, e);
    for (size_t i = 0; i < STMT_COUNT; i++) {
        (void)sqlite3_finalize(s.stmts[i]); /* the runs have told */
    }
    chunk_coder_done(&s.coder);
    btree_done(&btree);
    return code;
}
