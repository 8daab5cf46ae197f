/* api_runs.c: projects, the list of runs, one run, its deletion. */
#include "http/routes.h"

#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "http/cursor.h"
#include "http/json.h"
#include "http/reply.h"
#include "http/run_json.h"

#define TEXT_MAX 200
#define RUNS_LIMIT_MAX 1000
#define RUNS_LIMIT_DEFAULT 100
/* Rows read at a time while a filter that the store does not know (the state
 * follows the clock) throws some away. */
#define RUNS_ROUND 256

/* {"data":[...]} and its array; NULL: out of memory. */
static cJSON *list_new(cJSON **ret_data)
{
    cJSON *body = cJSON_CreateObject();
    *ret_data = cJSON_AddArrayToObject(body, "data");
    if (*ret_data == NULL) {
        cJSON_Delete(body);
        return NULL;
    }
    return body;
}

static bool add_page(cJSON *body, const char *next_cursor)
{
    cJSON *page = cJSON_AddObjectToObject(body, "page");
    return next_cursor == NULL
               ? json_add_null(page, "next_cursor")
               : json_add_text(page, "next_cursor", next_cursor);
}

/* Appends to data, or deletes item; item may be NULL (out of memory). */
static enum err_code append(cJSON *data, cJSON *item, struct err *e)
{
    if (item == NULL || !cJSON_AddItemToArray(data, item)) {
        cJSON_Delete(item);
        return err_nomem(e);
    }
    return ERR_NONE;
}

/* ---- projects ---- */

static enum err_code visit_project(
    void *context, const struct project_row *row, struct err *e)
{
    cJSON *item = cJSON_CreateObject();
    if (!json_add_text(item, "name", row->name) ||
        !json_add_u64(item, "runs", row->runs) ||
        !json_add_wall_ns(item, "updated_wall_ns", row->updated_wall_ns)) {
        cJSON_Delete(item);
        return err_nomem(e);
    }
    return append(context, item, e);
}

enum err_code api_projects(struct request *req, struct err *e)
{
    struct reader *reader = NULL;
    if (request_params(req, e) != ERR_NONE ||
        request_reader(req, &reader, e) != ERR_NONE) {
        return e->code;
    }
    cJSON *data = NULL;
    cJSON *body = list_new(&data);
    if (body == NULL) {
        return err_nomem(e);
    }
    enum err_code code = runs_projects(reader, visit_project, data, e);
    if (code == ERR_NONE && !add_page(body, NULL)) {
        code = err_nomem(e);
    }
    if (code == ERR_NONE) {
        code = reply_json(req, body, e);
    }
    cJSON_Delete(body);
    return code;
}

/* ---- runs ---- */

static const char *const state_names[] = { "live", "stalled", "lost",
    "finished", "failed", "any", NULL };
#define STATE_ANY 5

struct runs_page {
    struct run_query query;
    size_t state; /* index of state_names */
    uint64_t limit;
    uint64_t filter_hash;
    int64_t now_wall_ns;
    cJSON *data;
    uint64_t n;
    uint32_t round_rows; /* that the store gave in this round */
    bool more;           /* a row beyond the limit was seen */
    struct cursor last;  /* of the last row in data */
};

static enum err_code visit_run(
    void *context, const struct run_row *row, struct err *e)
{
    struct runs_page *page = context;
    page->round_rows++;
    page->query.after_created_wall_ns = row->created_wall_ns;
    page->query.after_id = row->id.v;
    if (page->state != STATE_ANY &&
        run_row_state(row, page->now_wall_ns) != (enum run_state)page->state) {
        return ERR_NONE;
    }
    if (page->n == page->limit) {
        page->more = true;
        return ERR_NONE;
    }
    page->n++;
    page->last = (struct cursor){ .key = { (uint64_t)row->created_wall_ns,
                                      (uint64_t)row->id.v } };
    return append(page->data, run_json_object(row, page->now_wall_ns), e);
}

/* Rounds until the page is full and one more row is known, or all is read. */
static enum err_code read_runs(
    struct reader *reader, struct runs_page *page, struct err *e)
{
    page->query.limit =
        page->state == STATE_ANY ? (uint32_t)page->limit + 1 : RUNS_ROUND;
    do {
        page->round_rows = 0;
        if (runs_list(reader, &page->query, visit_run, page, e) != ERR_NONE) {
            return e->code;
        }
    } while (!page->more && page->round_rows == page->query.limit);
    return ERR_NONE;
}

static void parse_cursor(struct request *req, struct runs_page *page)
{
    struct cursor cursor = { 0 };
    if (request_cursor(req, page->filter_hash, &cursor)) {
        page->query.after_created_wall_ns = (int64_t)cursor.key[0];
        page->query.after_id = (int64_t)cursor.key[1];
    }
}

static enum err_code parse_runs(
    struct request *req, struct runs_page *page, struct err *e)
{
    struct run_query *query = &page->query;
    query->project = request_text(req, "project", TEXT_MAX, NULL);
    query->tag = request_text(req, "tag", TEXT_MAX, NULL);
    query->text = request_text(req, "q", TEXT_MAX, NULL);
    page->state = request_choice(req, "state", state_names, STATE_ANY);
    page->limit =
        request_u64(req, "limit", 1, RUNS_LIMIT_MAX, RUNS_LIMIT_DEFAULT);
    uint64_t hash = hash_text(HASH_START, "runs");
    hash = hash_text(hash, query->project);
    hash = hash_text(hash, query->tag);
    hash = hash_text(hash, query->text);
    page->filter_hash = hash_u64(hash, page->state);
    parse_cursor(req, page);
    return request_params(req, e);
}

static enum err_code reply_runs(struct request *req, cJSON *body,
    const struct runs_page *page, struct err *e)
{
    char cursor[CURSOR_TEXT_MAX];
    cursor_encode(&page->last, page->filter_hash, cursor);
    if (!add_page(body, page->more ? cursor : NULL)) {
        return err_nomem(e);
    }
    return reply_json(req, body, e);
}

enum err_code api_runs(struct request *req, struct err *e)
{
    struct runs_page page = { .now_wall_ns = clock_wall_ns() };
    struct reader *reader = NULL;
    if (parse_runs(req, &page, e) != ERR_NONE ||
        request_reader(req, &reader, e) != ERR_NONE) {
        return e->code;
    }
    cJSON *body = list_new(&page.data);
    if (body == NULL) {
        return err_nomem(e);
    }
    enum err_code code = read_runs(reader, &page, e);
    if (code == ERR_NONE) {
        code = reply_runs(req, body, &page, e);
    }
    cJSON_Delete(body);
    return code;
}

/* ---- one run ---- */

static enum err_code visit_stream(
    void *context, const struct stream_row *row, struct err *e)
{
    cJSON *item = cJSON_CreateObject();
    bool ok =
        json_add_u64(item, "attempt", row->attempt) &&
        json_add_u64(item, "rank", row->rank) &&
        json_add_u64(item, "committed_seq", row->committed_seq) &&
        json_add_u64(item, "lost_records", row->lost_records) &&
        json_add_u64(item, "dropped_records", row->dropped_records) &&
        json_add_u64(item, "repeated_records", row->repeated_records) &&
        json_add_u64(item, "late_records", row->late_records) &&
        json_add_bool(item, "closed", row->closed) &&
        (row->has_first_step ? json_add_u64(item, "first_step", row->first_step)
                             : json_add_null(item, "first_step")) &&
        json_add_wall_ns(item, "created_wall_ns", row->created_wall_ns) &&
        json_add_wall_ns(item, "heard_wall_ns", row->heard_wall_ns);
    if (!ok) {
        cJSON_Delete(item);
        return err_nomem(e);
    }
    return append(context, item, e);
}

static bool is_object(const char *text)
{
    return text != NULL && text[strspn(text, " \t\r\n")] == '{';
}

/* The store's JSON as it came: parsing and printing would change numbers. */
static bool add_raw_object(cJSON *object, const char *name, const char *text)
{
    return cJSON_AddRawToObject(object, name, is_object(text) ? text : "{}") !=
           NULL;
}

/* The run's object with what only its own page shows. */
static enum err_code detail(struct reader *reader, const struct run_row *run,
    uint32_t probe_every, cJSON *object, struct err *e)
{
    if (!json_add_u64(object, "probe_every", probe_every) ||
        !add_raw_object(object, "config", run->config_json) ||
        !add_raw_object(object, "hello", run->hello_json)) {
        return err_nomem(e);
    }
    cJSON *streams = cJSON_AddArrayToObject(object, "streams");
    if (streams == NULL) {
        return err_nomem(e);
    }
    return runs_streams(reader, run->id, visit_stream, streams, e);
}

static enum err_code reply_run(
    struct request *req, const struct run_row *run, struct err *e)
{
    const struct http_options *options = &req->http->options;
    uint32_t probe_every = options->probe_every(options->context, run->uid);
    int64_t now_wall_ns = clock_wall_ns();
    uint64_t state = (uint64_t)run_row_state(run, now_wall_ns);
    if (request_is_fresh(req, run, state << 32 | probe_every)) {
        return reply_not_modified(req, e);
    }
    cJSON *object = run_json_object(run, now_wall_ns);
    if (object == NULL) {
        return err_nomem(e);
    }
    enum err_code code = detail(req->reader, run, probe_every, object, e);
    if (code == ERR_NONE) {
        code = reply_json(req, object, e);
    }
    cJSON_Delete(object);
    return code;
}

enum err_code api_run(struct request *req, struct err *e)
{
    struct run_row run = { 0 };
    if (request_params(req, e) != ERR_NONE ||
        request_run(req, &run, e) != ERR_NONE) {
        return e->code;
    }
    enum err_code code = reply_run(req, &run, e);
    run_row_done(&run);
    return code;
}

enum err_code api_run_delete(struct request *req, struct err *e)
{
    const struct http_options *options = &req->http->options;
    if (request_params(req, e) != ERR_NONE) {
        return e->code;
    }
    if (options->delete_run(options->context, req->run_uid, e) != ERR_NONE) {
        return e->code;
    }
    return reply_no_content(req, e);
}
