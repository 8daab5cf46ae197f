/* hello.c: the writer thread. Bytes from outside: json_scan settles that the
 * text is JSON and where its parts stand, cJSON decodes the values. */
#include "store/hello.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "pure/json_scan.h"
#include "traj.h"
#include "wire.h"
#include "wire/group_name.h"

#define DEPTH_MAX 32
#define MEMBERS_MAX 64
#define RANKS_MAX 65536
#define TAGS_MAX 64

static enum err_code refuse(struct err *e, const char *key, const char *why)
{
    return err_set(e, ERR_INVALID, "hello: %s: %s", key, why);
}

static const cJSON *member(const struct hello *hello, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(hello->json, key);
}

static bool length_within(const cJSON *text, size_t least, size_t most)
{
    size_t n = strlen(text->valuestring);
    return n >= least && n <= most;
}

/* An optional text of least..most bytes; absent leaves *ret as it is. */
static enum err_code read_text(const struct hello *hello, const char *key,
    size_t least, size_t most, struct str *ret, struct err *e)
{
    const cJSON *value = member(hello, key);
    if (value == NULL) {
        return ERR_NONE;
    }
    if (!cJSON_IsString(value) || !length_within(value, least, most)) {
        return refuse(e, key, "not a text, or of a length out of bounds");
    }
    *ret = str_of(value->valuestring);
    return ERR_NONE;
}

/* An optional integer least..most. */
static enum err_code read_integer(const struct hello *hello, const char *key,
    uint32_t least, uint32_t most, uint32_t *ret, struct err *e)
{
    const cJSON *value = member(hello, key);
    if (value == NULL) {
        return ERR_NONE;
    }
    if (!cJSON_IsNumber(value) || value->valuedouble < least ||
        value->valuedouble > most ||
        floor(value->valuedouble) != value->valuedouble) {
        return refuse(e, key, "not an integer, or out of bounds");
    }
    *ret = (uint32_t)value->valuedouble;
    return ERR_NONE;
}

static bool is_run_id(struct str s)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789._-";
    return s.n > 0 && strspn(s.p, allowed) == s.n && !str_equal(s, STR(".")) &&
           !str_equal(s, STR(".."));
}

static enum err_code read_identity(struct hello *hello, struct err *e)
{
    enum err_code code = read_text(hello, "run_id", 1, 64, &hello->run_id, e);
    if (code == ERR_NONE && !is_run_id(hello->run_id)) {
        code = refuse(e, "run_id", "not 1..64 of A-Za-z0-9._-");
    }
    if (code == ERR_NONE) {
        code = read_integer(hello, "attempt", 1, INT32_MAX, &hello->attempt, e);
    }
    if (code == ERR_NONE && hello->attempt == 0) {
        code = refuse(e, "attempt", "is missing");
    }
    uint32_t world = 1;
    if (code == ERR_NONE) {
        code = read_integer(hello, "world", 1, RANKS_MAX, &world, e);
    }
    if (code == ERR_NONE) {
        code = read_integer(hello, "rank", 0, world - 1, &hello->rank, e);
    }
    return code;
}

static enum err_code read_texts(struct hello *hello, struct err *e)
{
    hello->project = STR("default");
    hello->name = hello->run_id;
    enum err_code code =
        read_text(hello, "project", 1, 100, &hello->project, e);
    if (code == ERR_NONE) {
        code = read_text(hello, "name", 1, 200, &hello->name, e);
    }
    static const char *const others[] = { "optimizer", "host", "program",
        "client" };
    struct str ignored = { 0 };
    for (size_t i = 0; code == ERR_NONE && i < 4; i++) {
        code = read_text(hello, others[i], 0, 200, &ignored, e);
    }
    return code;
}

static enum err_code read_started(struct hello *hello, struct err *e)
{
    struct str text = { 0 };
    uint64_t started = 0;
    enum err_code code = read_text(hello, "started_wall_ns", 1, 20, &text, e);
    if (code != ERR_NONE) {
        return code;
    }
    if (text.n > 0 && !str_to_u64(text, INT64_MAX, &started)) {
        return refuse(e, "started_wall_ns", "not a text of an integer");
    }
    hello->started_wall_ns = (int64_t)started;
    return ERR_NONE;
}

/* Both or neither, and of another run. */
static enum err_code read_fork(struct hello *hello, struct err *e)
{
    struct str step = { 0 };
    enum err_code code = read_text(hello, "fork_of", 1, 64, &hello->fork_of, e);
    if (code == ERR_NONE) {
        code = read_text(hello, "fork_step", 1, 20, &step, e);
    }
    if (code != ERR_NONE || (hello->fork_of.n == 0 && step.n == 0)) {
        return code;
    }
    if (hello->fork_of.n == 0 || !is_run_id(hello->fork_of) ||
        str_equal(hello->fork_of, hello->run_id)) {
        return refuse(e, "fork_of", "not the id of another run");
    }
    if (!str_to_u64(step, INT64_MAX, &hello->fork_step)) {
        return refuse(e, "fork_step", "not a text of an integer");
    }
    return ERR_NONE;
}

static enum err_code check_tags(struct hello *hello, struct err *e)
{
    const cJSON *tags = member(hello, "tags");
    if (tags == NULL) {
        return ERR_NONE;
    }
    if (!cJSON_IsArray(tags) || cJSON_GetArraySize(tags) > TAGS_MAX) {
        return refuse(e, "tags", "not an array of at most 64");
    }
    const cJSON *tag = NULL;
    cJSON_ArrayForEach(tag, tags)
    {
        if (!cJSON_IsString(tag) || !length_within(tag, 1, 100)) {
            return refuse(e, "tags", "not texts of 1..100 bytes");
        }
    }
    hello->tag_list = tags;
    return ERR_NONE;
}

/* ---- groups -------------------------------------------------------------- */

static bool is_group_name(const cJSON *name)
{
    return cJSON_IsString(name) &&
           wire_is_group_name(name->valuestring, strlen(name->valuestring));
}

/* An integer least..most; absent leaves *ret as it is. */
static bool group_number(const cJSON *group, const char *key, uint64_t least,
    uint64_t most, uint64_t *ret)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(group, key);
    if (value == NULL) {
        return true;
    }
    double number = cJSON_IsNumber(value) ? value->valuedouble : -1;
    if (!(number >= (double)least && number <= (double)most) ||
        floor(number) != number) {
        return false;
    }
    *ret = (uint64_t)number;
    return true;
}

static enum err_code check_group(const cJSON *group, struct err *e)
{
    uint64_t size = 0;
    uint64_t rows = 0;
    uint64_t cols = 0;
    uint64_t norm = TRAJ_NORM_L2;
    uint64_t combine = TRAJ_COMBINE_NONE;
    if (!is_group_name(cJSON_GetObjectItemCaseSensitive(group, "name"))) {
        return refuse(e, "groups",
            "a name is not of 1..64 bytes without control characters");
    }
    if (!group_number(group, "size", 1, WIRE_GROUP_SIZE_MAX, &size) ||
        size == 0) {
        return refuse(e, "groups", "a size is not an integer 1..2^53");
    }
    if (!group_number(group, "rows", 0, UINT32_MAX, &rows) ||
        !group_number(group, "cols", 0, UINT32_MAX, &cols) ||
        !group_number(group, "norm", 0, TRAJ_NORM_SPECTRAL, &norm) ||
        !group_number(group, "combine", 0, TRAJ_COMBINE_REPLICA, &combine)) {
        return refuse(
            e, "groups", "rows, cols, norm or combine is out of bounds");
    }
    if (norm == TRAJ_NORM_SPECTRAL && rows * cols != size) {
        return refuse(e, "groups", "norm 3 without rows * cols = size");
    }
    return ERR_NONE;
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;
    return strcmp(*x, *y);
}

/* Of groups whose names have been checked. */
static enum err_code check_names_differ(const cJSON *groups, struct err *e)
{
    const char *names[WIRE_GROUPS_MAX];
    size_t n = 0;
    const cJSON *group = NULL;
    cJSON_ArrayForEach(group, groups)
    {
        names[n++] =
            cJSON_GetObjectItemCaseSensitive(group, "name")->valuestring;
    }
    qsort(names, n, sizeof names[0], by_text);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            return refuse(e, "groups", "two have the same name");
        }
    }
    return ERR_NONE;
}

static enum err_code check_groups(const struct hello *hello, struct err *e)
{
    const cJSON *groups = member(hello, "groups");
    if (groups == NULL) {
        return ERR_NONE;
    }
    if (!cJSON_IsArray(groups) ||
        cJSON_GetArraySize(groups) > (int)WIRE_GROUPS_MAX) {
        return refuse(e, "groups", "not an array of at most 4096");
    }
    enum err_code code = ERR_NONE;
    const cJSON *group = NULL;
    cJSON_ArrayForEach(group, groups)
    {
        code = code == ERR_NONE ? check_group(group, e) : code;
    }
    return code == ERR_NONE ? check_names_differ(groups, e) : code;
}

/* ---- the whole ----------------------------------------------------------- */

/* Keys once each, few, and config and tags as they stand in the text: cJSON
 * has the members in the order of the text. */
static enum err_code check_members(
    struct hello *hello, struct str text, struct err *e)
{
    size_t pos = 0;
    size_t n = 0;
    struct str key = { 0 };
    struct str value = { 0 };
    const cJSON *item = hello->json->child;
    for (; json_next_member(text, &pos, &key, &value); item = item->next) {
        if (++n > MEMBERS_MAX) {
            return refuse(e, "members", "more than 64");
        }
        if (member(hello, item->string) != item) {
            return refuse(e, item->string, "is there twice");
        }
        if (strcmp(item->string, "config") == 0) {
            hello->config = value;
        }
        if (strcmp(item->string, "tags") == 0) {
            hello->tags = value;
        }
    }
    return ERR_NONE;
}

static enum err_code read_all(
    struct hello *hello, struct str text, struct err *e)
{
    hello->config = STR("{}");
    hello->tags = STR("[]");
    enum err_code code = check_members(hello, text, e);
    if (code == ERR_NONE) {
        code = read_identity(hello, e);
    }
    if (code == ERR_NONE) {
        code = read_texts(hello, e);
    }
    if (code == ERR_NONE) {
        code = read_started(hello, e);
    }
    if (code == ERR_NONE) {
        code = read_fork(hello, e);
    }
    if (code == ERR_NONE) {
        code = check_tags(hello, e);
    }
    if (code == ERR_NONE) {
        code = check_groups(hello, e);
    }
    const cJSON *config = member(hello, "config");
    if (code == ERR_NONE && config != NULL && !cJSON_IsObject(config)) {
        code = refuse(e, "config", "not an object");
    }
    return code;
}

enum err_code hello_parse(
    struct str text, struct hello *ret_hello, struct err *e)
{
    if (text.n > WIRE_HELLO_MAX) {
        return err_set(
            e, ERR_INVALID, "hello: longer than %u bytes", WIRE_HELLO_MAX);
    }
    if (!json_is_valid(text, DEPTH_MAX)) {
        return err_set(
            e, ERR_INVALID, "hello: not JSON, or nested deeper than 32");
    }
    struct hello hello = { .json = cJSON_ParseWithLength(text.p, text.n) };
    if (hello.json == NULL) {
        /* json_scan refuses all that cJSON does. */
        return err_set(e, ERR_NOMEM, "hello: out of memory");
    }
    enum err_code code = cJSON_IsObject(hello.json)
                             ? read_all(&hello, text, e)
                             : err_set(e, ERR_INVALID, "hello: not an object");
    if (code != ERR_NONE) {
        cJSON_Delete(hello.json);
        return code;
    }
    *ret_hello = hello;
    return ERR_NONE;
}

void hello_done(struct hello *hello)
{
    cJSON_Delete(hello->json);
    *hello = (struct hello){ 0 };
}
