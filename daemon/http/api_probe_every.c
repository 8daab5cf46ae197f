/* api_probe_every.c: how often a run's trainers shall probe. */
#include <string.h>

#include "base/clock.h"
#include "http/reply.h"
#include "http/routes.h"
#include "http/run_json.h"
#include "pure/json_scan.h"
#include "threads/probe_rates.h"

/* Nothing that a form of another page can send: a browser asks before it sends
 * this type to another origin, and we do not answer that. */
static bool is_json(const struct request *req)
{
    const char *type = request_header(req, MHD_HTTP_HEADER_CONTENT_TYPE);
    struct str media = { type, type == NULL ? 0 : strcspn(type, ";") };
    return str_equal_nocase(str_trimmed(media), str_of(MEDIA_JSON));
}

/* {"probe_every": N} and nothing else. */
static enum err_code parse(struct str json, uint32_t *ret, struct err *e)
{
    size_t at = 0;
    struct str key = { 0 };
    struct str value = { 0 };
    uint64_t n = 0;
    bool ok = json_is_valid(json, 1) &&
              json_next_member(json, &at, &key, &value) &&
              str_equal(key, str_of("\"probe_every\"")) &&
              str_to_u64(value, PROBE_EVERY_MAX, &n) &&
              !json_next_member(json, &at, &key, &value);
    if (!ok) {
        return err_set(e, ERR_INVALID,
            "body: not {\"probe_every\": N}, N a whole number from 0 to %u",
            PROBE_EVERY_MAX);
    }
    *ret = (uint32_t)n;
    return ERR_NONE;
}

static bool has_ended(const struct run_row *run)
{
    const enum run_state state = run_row_state(run, clock_wall_ns());
    return state == RUN_FINISHED || state == RUN_FAILED;
}

/* A wish can always be taken back. */
static enum err_code set(
    struct request *req, bool ended, uint32_t probe_every, struct err *e)
{
    const struct http_options *options = &req->http->options;
    if (ended && probe_every > 0) {
        return reply_problem(req, MHD_HTTP_CONFLICT, "run_ended",
            "run %s has ended: no trainer is there that would probe",
            req->run_uid);
    }
    return options->set_probe_every(
               options->context, req->run_uid, probe_every, e) != ERR_NONE
               ? e->code
               : reply_no_content(req, e);
}

enum err_code api_probe_every_put(struct request *req, struct err *e)
{
    struct run_row run = { 0 };
    uint32_t probe_every = 0;
    if (request_params(req, e) != ERR_NONE) {
        return e->code;
    }
    if (!is_json(req)) {
        return reply_problem(req, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "media_type",
            "the body's Content-Type is not " MEDIA_JSON);
    }
    if (req->body_bytes > REQUEST_BODY_MAX) {
        return reply_problem(req, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_big",
            "the body has more than %u bytes", REQUEST_BODY_MAX);
    }
    const struct str json = { req->body, (size_t)req->body_bytes };
    if (parse(json, &probe_every, e) != ERR_NONE ||
        request_run(req, &run, e) != ERR_NONE) {
        return e->code;
    }
    const bool ended = has_ended(&run);
    run_row_done(&run);
    return set(req, ended, probe_every, e);
}
