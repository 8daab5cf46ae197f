/* api_layers.c: the groups of a run by number, as the HELLO of its newest
 * attempt's lowest rank names them. */
#include "http/routes.h"

#include "http/json.h"
#include "http/reply.h"
#include "pure/json_scan.h"
#include "wire.h"

/* A whole number of the HELLO; 0 where it is absent, or none in a HELLO that
 * was taken by an older trajd. */
static uint64_t number_of(const cJSON *group, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(group, key);
    bool whole = cJSON_IsNumber(value) && value->valuedouble >= 0 &&
                 value->valuedouble <= (double)WIRE_GROUP_SIZE_MAX;
    return whole ? (uint64_t)value->valuedouble : 0;
}

static const char *name_of(const cJSON *group)
{
    const char *name =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(group, "name"));
    return name != NULL ? name : "";
}

/* NULL: out of memory. */
static cJSON *layer_json(const cJSON *group, uint64_t number)
{
    static const char *const keys[] = { "size", "rows", "cols", "norm",
        "combine" };
    cJSON *layer = cJSON_CreateObject();
    bool ok = json_add_u64(layer, "group", number) &&
              json_add_text(layer, "name", name_of(group));
    for (size_t i = 0; ok && i < sizeof keys / sizeof keys[0]; i++) {
        ok = json_add_u64(layer, keys[i], number_of(group, keys[i]));
    }
    if (!ok) {
        cJSON_Delete(layer);
        return NULL;
    }
    return layer;
}

static enum err_code add_layers(cJSON *data, const cJSON *groups, struct err *e)
{
    uint64_t number = 0;
    const cJSON *group = NULL;
    cJSON_ArrayForEach(group, groups)
    {
        cJSON *layer = layer_json(group, ++number);
        if (layer == NULL || !cJSON_AddItemToArray(data, layer)) {
            cJSON_Delete(layer);
            return err_nomem(e);
        }
    }
    return ERR_NONE;
}

/* NULL where there is no HELLO. */
static enum err_code parse_hello(
    const char *text, cJSON **ret_hello, struct err *e)
{
    *ret_hello = NULL;
    if (text == NULL) {
        return ERR_NONE;
    }
    /* Nested no deeper than cJSON goes: what it refuses then is for want of
     * memory. */
    if (!json_is_valid(str_of(text), CJSON_NESTING_LIMIT - 1)) {
        return err_set(e, ERR_STORE, "the run's HELLO is damaged");
    }
    *ret_hello = cJSON_Parse(text);
    return *ret_hello == NULL ? err_nomem(e) : ERR_NONE;
}

static enum err_code reply_groups(
    struct request *req, const cJSON *groups, struct err *e)
{
    cJSON *body = cJSON_CreateObject();
    cJSON *data = cJSON_AddArrayToObject(body, "data");
    enum err_code code =
        data == NULL ? err_nomem(e) : add_layers(data, groups, e);
    if (code == ERR_NONE) {
        code = reply_json(req, body, e);
    }
    cJSON_Delete(body);
    return code;
}

static enum err_code reply_layers(
    struct request *req, const struct run_row *run, struct err *e)
{
    if (request_is_fresh(req, run, 0)) {
        return reply_not_modified(req, e);
    }
    cJSON *hello = NULL;
    enum err_code code = parse_hello(run->hello_json, &hello, e);
    if (code == ERR_NONE) {
        code = reply_groups(
            req, cJSON_GetObjectItemCaseSensitive(hello, "groups"), e);
    }
    cJSON_Delete(hello);
    return code;
}

enum err_code api_layers(struct request *req, struct err *e)
{
    struct run_row run = { 0 };
    if (request_params(req, e) != ERR_NONE ||
        request_run(req, &run, e) != ERR_NONE) {
        return e->code;
    }
    enum err_code code = reply_layers(req, &run, e);
    run_row_done(&run);
    return code;
}
