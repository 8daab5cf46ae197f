/* api_alerts.c: alerts of all runs, and of one, newest first. */
#include "http/routes.h"

#include "base/hash.h"
#include "http/cursor.h"
#include "http/reply.h"
#include "pure/alert_json.h"
#include "pure/trainer.h"
#include "store/alerts.h"

#define LIMIT_MAX 1000
#define LIMIT_DEFAULT 100

struct page {
    struct alert_query query;
    uint64_t limit;
    uint64_t filter_hash;
    struct buf out;
    uint64_t n;
    bool more; /* a row beyond the limit was seen */
    struct cursor last;
};

static void parse_cursor(struct request *req, struct page *page)
{
    struct cursor cursor = { 0 };
    if (request_cursor(req, page->filter_hash, &cursor)) {
        page->query.before_wall_ns = (int64_t)cursor.key[0];
        page->query.before_id = (int64_t)cursor.key[1];
    }
}

/* run_uid: of the path, or NULL: then it may be a parameter. */
static enum err_code parse(
    struct request *req, const char *run_uid, struct page *page, struct err *e)
{
    struct alert_query *query = &page->query;
    const char *rules[ALERT_RULES + 1] = { NULL };
    for (size_t i = 0; i < ALERT_RULES; i++) {
        rules[i] = alert_rule_name((enum alert_rule)i);
    }
    query->rule = rules[request_choice(req, "rule", rules, ALERT_RULES)];
    query->run_uid =
        run_uid != NULL ? run_uid : request_text(req, "run", RUN_UID_MAX, NULL);
    query->rank = (uint32_t)request_u64(
        req, "rank", 0, TRAINER_WORLD_MAX - 1, TRAINER_WORLD_MAX);
    query->has_rank = query->rank < TRAINER_WORLD_MAX;
    query->since_wall_ns =
        (int64_t)request_u64(req, "since", 0, (uint64_t)INT64_MAX, 0);
    page->limit = request_u64(req, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT);
    query->limit = (uint32_t)page->limit + 1;
    uint64_t hash = hash_text(HASH_START, "alerts");
    hash = hash_text(hash, query->rule);
    hash = hash_text(hash, query->run_uid);
    hash = hash_u64(hash, query->has_rank ? query->rank : UINT64_MAX);
    page->filter_hash = hash_u64(hash, (uint64_t)query->since_wall_ns);
    parse_cursor(req, page);
    return request_params(req, e);
}

static enum err_code visit(
    void *context, const struct alert_row *row, struct err *e)
{
    (void)e;
    struct page *page = context;
    if (page->n == page->limit) {
        page->more = true;
        return ERR_NONE;
    }
    buf_comma(&page->out, page->n);
    alert_json(&page->out, row->run_uid, &row->alert);
    page->n++;
    page->last = (struct cursor){ .key = { (uint64_t)row->alert.wall_ns,
                                      (uint64_t)row->id } };
    return ERR_NONE;
}

static enum err_code answer(
    struct request *req, struct page *page, struct err *e)
{
    struct reader *reader = NULL;
    char cursor[CURSOR_TEXT_MAX];
    enum err_code code = request_reader(req, &reader, e);
    if (code != ERR_NONE) {
        return code;
    }
    buf_text(&page->out, "{\"data\":[");
    code = alerts_list(reader, &page->query, visit, page, e);
    if (code != ERR_NONE) {
        buf_done(&page->out);
        return code;
    }
    buf_text(&page->out, "],\"page\":{\"next_cursor\":");
    if (page->more) {
        cursor_encode(&page->last, page->filter_hash, cursor);
        buf_json_text(&page->out, str_of(cursor));
    } else {
        buf_text(&page->out, "null");
    }
    buf_text(&page->out, "}}");
    return reply_buf(req, MEDIA_JSON, &page->out, e);
}

enum err_code api_alerts(struct request *req, struct err *e)
{
    struct page page = { 0 };
    enum err_code code = parse(req, NULL, &page, e);
    return code == ERR_NONE ? answer(req, &page, e) : code;
}

enum err_code api_run_alerts(struct request *req, struct err *e)
{
    struct page page = { 0 };
    struct run_row run;
    enum err_code code = parse(req, req->run_uid, &page, e);
    if (code == ERR_NONE) {
        code = request_run(req, &run, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    run_row_done(&run); /* that it is there was all */
    return answer(req, &page, e);
}
