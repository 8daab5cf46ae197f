/*
 * fuzz_hello: any bytes as the JSON of a HELLO, read as the daemon reads it
 * and, as the value of `config`, as the library does: what the one takes the
 * other takes too. What was read must be within the bounds of wire.md, config
 * and tags must again be JSON, and the groups such as traj_open takes.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "pure/json_scan.h"
#include "store/hello.h"
#include "transport/run_groups.h"
#include "transport/text.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition)
{
    if (!condition) {
        abort();
    }
}

static uint64_t number(const cJSON *group, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(group, key);
    return value == NULL ? 0 : (uint64_t)value->valuedouble;
}

static void check_groups(const struct cJSON *list)
{
    static struct traj_group groups[TRAJ_GROUPS_MAX];
    struct run_groups taken = { 0 };
    uint32_t n = 0;
    const cJSON *group = NULL;
    cJSON_ArrayForEach(group, list)
    {
        check(n < TRAJ_GROUPS_MAX);
        groups[n++] = (struct traj_group){
            .name = cJSON_GetStringValue(
                cJSON_GetObjectItemCaseSensitive(group, "name")),
            .size = number(group, "size"),
            .rows = (uint32_t)number(group, "rows"),
            .cols = (uint32_t)number(group, "cols"),
            .norm = (enum traj_norm)number(group, "norm"),
            .combine = (enum traj_combine)number(group, "combine"),
        };
    }
    check(run_groups_init(&taken, groups, n) == TRAJ_OK && taken.n == n);
    run_groups_done(&taken);
}

static void check_hello(const struct hello *h)
{
    check(h->run_id.n >= 1 && h->run_id.n <= 64);
    check(h->project.n >= 1 && h->project.n <= 100);
    check(h->name.n >= 1 && h->name.n <= 200);
    check(h->attempt >= 1 && h->attempt <= INT32_MAX && h->rank < 65536);
    check(h->started_wall_ns >= 0);
    check_groups(cJSON_GetObjectItemCaseSensitive(h->json, "groups"));
    size_t at = 0;
    check(text_is_json_object(h->config.p, h->config.n, &at));
    check(h->tags.n > 0 && h->tags.p[0] == '[' && json_is_valid(h->tags, 2));
}

static void check_both(struct str text)
{
    size_t at = 0;
    size_t i = 0;
    while (i < text.n && strchr(" \t\r\n", text.p[i]) != NULL) {
        i++;
    }
    bool object = i < text.n && text.p[i] == '{';
    bool daemon = object && json_is_valid(text, TEXT_JSON_DEPTH);
    check(text_is_json_object(text.p, text.n, &at) == daemon);
    check(at <= text.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size };
    struct hello hello;
    struct err e = { 0 };
    if (hello_parse(text, &hello, &e) == ERR_NONE) {
        check_hello(&hello);
        hello_done(&hello);
    } else {
        check(e.code != ERR_NONE && e.text[0] != '\0');
    }
    check_both(text);
    return 0;
}
