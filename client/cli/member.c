/* member.c: keeps nothing; any thread. */
#include "cli/member.h"

#include <math.h>
#include <stdlib.h>

const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

const char *member_text(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(member(object, name));
    return text == NULL ? "" : text;
}

uint64_t item_u64(const cJSON *item)
{
    if (cJSON_IsString(item)) {
        return strtoull(item->valuestring, NULL, 10);
    }
    return cJSON_IsNumber(item) && item->valuedouble > 0
               ? (uint64_t)item->valuedouble
               : 0;
}

uint64_t member_u64(const cJSON *object, const char *name)
{
    return item_u64(member(object, name));
}

double member_double(const cJSON *object, const char *name)
{
    const cJSON *item = member(object, name);
    if (cJSON_IsString(item)) {
        return strtod(item->valuestring, NULL); /* NaN and the infinities */
    }
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

bool member_is_null(const cJSON *object, const char *name)
{
    const cJSON *item = member(object, name);
    return item == NULL || cJSON_IsNull(item);
}
