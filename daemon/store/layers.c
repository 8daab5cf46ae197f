/* layers.c: keeps nothing; any thread. */
#include "store/layers.h"

#include <cjson/cJSON.h>

#include "pure/json_scan.h"
#include "store/db.h"

static uint64_t number_of(const cJSON *groups, struct str name)
{
    uint64_t number = 0;
    const cJSON *group = NULL;
    cJSON_ArrayForEach(group, groups)
    {
        const char *text = cJSON_GetStringValue(
            cJSON_GetObjectItemCaseSensitive(group, "name"));
        number++;
        if (text != NULL && str_equal(str_of(text), name)) {
            return number;
        }
    }
    return 0;
}

enum err_code layers_find(const char *hello_json, struct str name,
    uint64_t *ret_number, struct err *e)
{
    *ret_number = 0;
    if (hello_json == NULL) {
        return ERR_NONE;
    }
    /* Nested no deeper than cJSON goes: what it refuses then is for want of
     * memory. */
    if (!json_is_valid(str_of(hello_json), CJSON_NESTING_LIMIT - 1)) {
        return err_set(e, ERR_STORE, "the run's HELLO is damaged");
    }
    cJSON *hello = cJSON_Parse(hello_json);
    if (hello == NULL) {
        return db_nomem(e, "layers");
    }
    *ret_number =
        number_of(cJSON_GetObjectItemCaseSensitive(hello, "groups"), name);
    cJSON_Delete(hello);
    return ERR_NONE;
}
