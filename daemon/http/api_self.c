/* api_self.c: the daemon about itself. */
#include "http/routes.h"

#include <microhttpd.h>
#include <sqlite3.h>
#include <zmq.h>

#include "base/counters.h"
#include "http/assets.h"
#include "http/json.h"
#include "http/reply.h"

/* Replies with body (NULL: out of memory) and deletes it. */
static enum err_code reply_and_delete(
    struct request *req, cJSON *body, bool complete, struct err *e)
{
    enum err_code code = complete ? reply_json(req, body, e) : err_nomem(e);
    cJSON_Delete(body);
    return code;
}

enum err_code api_healthz(struct request *req, struct err *e)
{
    if (request_params(req, e) != ERR_NONE) {
        return e->code;
    }
    cJSON *body = cJSON_CreateObject();
    return reply_and_delete(req, body, json_add_text(body, "status", "ok"), e);
}

static enum err_code is_ready(const struct http_context *http, struct err *e)
{
    const struct http_options *options = &http->options;
    if (atomic_load_explicit(&http->draining, memory_order_relaxed)) {
        return err_set(e, ERR_BUSY, "about to stop");
    }
    return options->ready == NULL ? ERR_NONE
                                  : options->ready(options->context, e);
}

enum err_code api_readyz(struct request *req, struct err *e)
{
    if (request_params(req, e) != ERR_NONE) {
        return e->code;
    }
    struct err why = { 0 };
    if (is_ready(req->http, &why) != ERR_NONE) {
        return reply_problem(
            req, MHD_HTTP_SERVICE_UNAVAILABLE, "not_ready", "%s", why.text);
    }
    cJSON *body = cJSON_CreateObject();
    return reply_and_delete(
        req, body, json_add_text(body, "status", "ready"), e);
}

static bool add_zmq_version(cJSON *object)
{
    int v[3] = { 0 };
    struct buf text = { 0 };
    zmq_version(&v[0], &v[1], &v[2]);
    buf_printf(&text, "%d.%d.%d", v[0], v[1], v[2]);
    bool ok = !text.failed && json_add_text(object, "zeromq", text.p);
    buf_done(&text);
    return ok;
}

static bool add_versions(cJSON *object)
{
    return json_add_text(object, "version", TRAJ_BUILD_VERSION) &&
           json_add_u64(object, "api", 1) &&
           json_add_u64(object, "wire", WIRE_VERSION) &&
           json_add_text(object, "sqlite", sqlite3_libversion()) &&
           json_add_text(object, "libmicrohttpd", MHD_get_version()) &&
           add_zmq_version(object);
}

enum err_code api_version(struct request *req, struct err *e)
{
    if (request_params(req, e) != ERR_NONE) {
        return e->code;
    }
    cJSON *body = cJSON_CreateObject();
    return reply_and_delete(req, body, add_versions(body), e);
}

static bool add_counters(cJSON *body)
{
    cJSON *counters = cJSON_AddObjectToObject(body, "counters");
    cJSON *gauges = cJSON_AddObjectToObject(body, "gauges");
    uint64_t alerts = 0;
    for (unsigned i = 0; i < COUNTER_RULES; i++) {
        alerts += counter_rule_get(i);
    }
    bool ok = json_add_u64(counters, "alerts_total", alerts);
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        ok = ok && json_add_u64(counters, counter_name(i), counter_get(i));
    }
    for (unsigned i = 0; i < GAUGE_COUNT; i++) {
        ok = ok && json_add_i64(gauges, gauge_name(i), gauge_get(i));
    }
    return ok;
}

enum err_code api_self(struct request *req, struct err *e)
{
    if (request_params(req, e) != ERR_NONE) {
        return e->code;
    }
    const char *ingest = req->http->options.ingest_endpoint;
    struct err why = { 0 };
    bool ready = is_ready(req->http, &why) == ERR_NONE;
    cJSON *body = cJSON_CreateObject();
    bool ok = json_add_text(body, "version", TRAJ_BUILD_VERSION) &&
              json_add_text(body, "ingest", ingest == NULL ? "" : ingest) &&
              json_add_bool(body, "ready", ready) &&
              (ready ? json_add_null(body, "problem")
                     : json_add_text(body, "problem", why.text)) &&
              add_counters(body);
    return reply_and_delete(req, body, ok, e);
}

enum err_code api_openapi_yaml(struct request *req, struct err *e)
{
    if (request_params(req, e) != ERR_NONE) {
        return e->code;
    }
    return reply_static(
        req, "application/yaml", openapi_yaml.p, openapi_yaml.n, e);
}

/* Made from the YAML when the page is built, and embedded beside it. */
enum err_code api_openapi_json(struct request *req, struct err *e)
{
    if (request_params(req, e) != ERR_NONE) {
        return e->code;
    }
    const struct asset *asset = asset_find("/openapi.json");
    if (asset == NULL) {
        return err_set(e, ERR_NOT_FOUND, "built without the page");
    }
    return reply_static(req, MEDIA_JSON, asset->plain, asset->plain_bytes, e);
}
