/* json.c: pure; any thread. */
#include "http/json.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/str.h"

bool json_add_u64(cJSON *object, const char *name, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    return value <= JSON_INTEGER_MAX
               ? cJSON_AddRawToObject(object, name, text) != NULL
               : cJSON_AddStringToObject(object, name, text) != NULL;
}

bool json_add_i64(cJSON *object, const char *name, int64_t value)
{
    if (value >= 0) {
        return json_add_u64(object, name, (uint64_t)value);
    }
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    return value >= -(int64_t)JSON_INTEGER_MAX
               ? cJSON_AddRawToObject(object, name, text) != NULL
               : cJSON_AddStringToObject(object, name, text) != NULL;
}

bool json_add_wall_ns(cJSON *object, const char *name, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    return cJSON_AddStringToObject(object, name, text) != NULL;
}

bool json_add_optional(cJSON *object, const char *name, bool has, double value)
{
    struct buf text = { 0 };
    buf_json_optional(&text, has, value);
    buf_char(&text, '\0');
    bool ok =
        !text.failed && cJSON_AddRawToObject(object, name, text.p) != NULL;
    buf_done(&text);
    return ok;
}

bool json_add_text(cJSON *object, const char *name, const char *value)
{
    return cJSON_AddStringToObject(object, name, value) != NULL;
}

bool json_add_bool(cJSON *object, const char *name, bool value)
{
    return cJSON_AddBoolToObject(object, name, value) != NULL;
}

bool json_add_null(cJSON *object, const char *name)
{
    return cJSON_AddNullToObject(object, name) != NULL;
}
