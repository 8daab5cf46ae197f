/* options: pure but for the environment, the clock and random bytes that make
 * a new run id. */
#include "transport/options.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "transport/platform.h"
#include "transport/record.h"
#include "transport/text.h"

#define SPOOL_BYTES_DEFAULT (UINT64_C(1) << 30)
#define CONFIG_BYTES_MAX (128u << 10)
#define TAGS_MAX 64u
#define TAG_BYTES_MAX 100u

/* Fields beyond the caller's size are zero: default. */
static void copy_given(
    struct traj_options *full, const struct traj_options *given)
{
    *full = (struct traj_options)TRAJ_OPTIONS_INIT;
    if (given != NULL) {
        size_t size = given->size < sizeof *full ? given->size : sizeof *full;
        memcpy(full, given, size);
    }
}

/* What was given, else the environment's, else the default; copied. */
static char *choose(
    const char *given, const char *variable, const char *otherwise)
{
    const char *text = given;
    if (text == NULL && variable != NULL) {
        text = getenv(variable);
        /* Set but empty is what `TRAJ_URL= ./train` means: not set. */
        text = text != NULL && text[0] != '\0' ? text : NULL;
    }
    if (text == NULL) {
        text = otherwise;
    }
    return text != NULL ? strdup(text) : NULL;
}

/* A ULID: 48 bits of milliseconds, 80 random ones, in Crockford's base 32.
 * Sorts by time of creation. */
static bool make_run_id(char out[static 27])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint64_t ms = (uint64_t)times_now().wall_ns / 1000000;
    uint8_t random[16];
    if (!platform_random(random, sizeof random)) {
        return false;
    }
    for (int i = 9; i >= 0; i--) {
        out[i] = digits[ms % 32];
        ms /= 32;
    }
    for (int i = 0; i < 16; i++) {
        out[10 + i] = digits[random[i] % 32];
    }
    out[26] = '\0';
    return true;
}

bool options_is_run_id(const char *text)
{
    size_t n = strlen(text);
    size_t good = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz0123456789._-");
    return n >= 1 && n <= OPTIONS_RUN_ID_MAX && good == n &&
           strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

static bool is_port(const char *text)
{
    char *end = NULL;
    if (strspn(text, "0123456789") != strlen(text)) {
        return false;
    }
    unsigned long port = strtoul(text, &end, 10);
    return end != text && *end == '\0' && port >= 1 && port <= 65535;
}

enum traj_status options_check_endpoint(const char *endpoint)
{
    const char *colon = strrchr(endpoint, ':');
    bool tcp = strncmp(endpoint, "tcp://", 6) == 0 && colon > endpoint + 6 &&
               is_port(colon + 1);
    bool local = (strncmp(endpoint, "ipc://", 6) == 0 && endpoint[6] != 0) ||
                 (strncmp(endpoint, "inproc://", 9) == 0 && endpoint[9] != 0);
    if (!tcp && !local) {
        return error_set(TRAJ_EINVAL,
            "endpoint \"%.200s\" is not like tcp://127.0.0.1:7011", endpoint);
    }
    return TRAJ_OK;
}

static enum traj_status check_text(
    const char *what, const char *text, size_t min, size_t max)
{
    size_t n = strlen(text);
    if (n < min || n > max) {
        return error_set(
            TRAJ_EINVAL, "%s has %zu bytes, not %zu to %zu", what, n, min, max);
    }
    if (!text_is_utf8(text, n)) {
        return error_set(TRAJ_EINVAL, "%s is not UTF-8", what);
    }
    return TRAJ_OK;
}

static enum traj_status check_config(const char *json)
{
    size_t n = strlen(json);
    size_t at = 0;
    if (n > CONFIG_BYTES_MAX) {
        return error_set(TRAJ_EINVAL, "config_json has %zu bytes, more than %u",
            n, CONFIG_BYTES_MAX);
    }
    if (!text_is_json_object(json, n, &at)) {
        return error_set(TRAJ_EINVAL,
            "config_json is not a JSON object: see its byte %zu", at);
    }
    return TRAJ_OK;
}

static enum traj_status check_tags(const char *tags)
{
    size_t count = 0;
    if (!text_is_utf8(tags, strlen(tags))) {
        return error_set_static(TRAJ_EINVAL, "tags are not UTF-8");
    }
    for (const char *p = tags; *p != '\0';) {
        size_t n = strcspn(p, ",");
        if (n > TAG_BYTES_MAX) {
            return error_set(TRAJ_EINVAL, "tag \"%.100s\" has over %u bytes", p,
                TAG_BYTES_MAX);
        }
        count += n > 0;
        p += n + (p[n] == ',');
    }
    if (count > TAGS_MAX) {
        return error_set(
            TRAJ_EINVAL, "%zu tags are more than %u", count, TAGS_MAX);
    }
    return TRAJ_OK;
}

static enum traj_status check_texts(const struct options *o)
{
    if (!options_is_run_id(o->run_id)) {
        return error_set(TRAJ_EINVAL,
            "run_id \"%.100s\" is not 1 to 64 of A-Z a-z 0-9 . _ -", o->run_id);
    }
    const struct {
        const char *what, *text;
        size_t min, max;
    } bounds[] = {
        { "project", o->project, 1, 100 },
        { "name", o->name, 1, 200 },
        { "dir", o->dir, 1, 4000 },
        { "optimizer", o->optimizer != NULL ? o->optimizer : "", 0, 200 },
    };
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        enum traj_status status = check_text(
            bounds[i].what, bounds[i].text, bounds[i].min, bounds[i].max);
        if (status != TRAJ_OK) {
            return status;
        }
    }
    enum traj_status status = options_check_endpoint(o->endpoint);
    if (status == TRAJ_OK) {
        status = check_config(o->config_json);
    }
    if (status == TRAJ_OK) {
        status = check_tags(o->tags);
    }
    return status;
}

static enum traj_status choose_mode(
    enum traj_mode given, enum traj_mode *ret_mode)
{
    if (given != TRAJ_MODE_DEFAULT) {
        if ((unsigned)given > TRAJ_MODE_DISABLED) {
            return error_set(TRAJ_EINVAL, "mode %d is none", (int)given);
        }
        *ret_mode = given;
        return TRAJ_OK;
    }
    static const struct {
        const char *name;
        enum traj_mode mode;
    } modes[] = {
        { "", TRAJ_MODE_ONLINE },
        { "online", TRAJ_MODE_ONLINE },
        { "offline", TRAJ_MODE_OFFLINE },
        { "disabled", TRAJ_MODE_DISABLED },
    };
    const char *text = getenv("TRAJ_MODE");
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(text != NULL ? text : "", modes[i].name) == 0) {
            *ret_mode = modes[i].mode;
            return TRAJ_OK;
        }
    }
    return error_set(TRAJ_EINVAL,
        "TRAJ_MODE is \"%.40s\", not online, offline or disabled", text);
}

static enum traj_status choose_numbers(
    struct options *o, const struct traj_options *given)
{
    o->full = given->full;
    o->rank = given->rank;
    o->world = given->world != 0 ? given->world : 1;
    o->fold_steps = given->fold_steps;
    o->spool_bytes =
        given->spool_bytes != 0 ? given->spool_bytes : SPOOL_BYTES_DEFAULT;
    if (o->spool_bytes < OPTIONS_SPOOL_BYTES_MIN) {
        o->spool_bytes = OPTIONS_SPOOL_BYTES_MIN;
    }
    if ((unsigned)given->full > TRAJ_FULL_BLOCK) {
        return error_set(TRAJ_EINVAL, "full %d is none", (int)given->full);
    }
    if (o->fold_steps > OPTIONS_FOLD_STEPS_MAX) {
        return error_set(TRAJ_EINVAL, "fold_steps is %u, more than %u",
            o->fold_steps, OPTIONS_FOLD_STEPS_MAX);
    }
    if (o->world > 65536 || o->rank >= o->world) {
        return error_set(TRAJ_EINVAL,
            "rank %u of world %u: not 0 <= rank < world <= 65536", o->rank,
            o->world);
    }
    return choose_mode(given->mode, &o->mode);
}

static enum traj_status choose_texts(
    struct options *o, const struct traj_options *given)
{
    char new_id[27];
    if (!make_run_id(new_id)) {
        return error_set_static(TRAJ_EIO, "no random bytes for a run id");
    }
    o->endpoint = choose(given->endpoint, "TRAJ_URL", "tcp://127.0.0.1:7011");
    o->dir = choose(given->dir, "TRAJ_DIR", "traj-runs");
    o->project = choose(given->project, "TRAJ_PROJECT", "default");
    o->run_id = choose(given->run_id, "TRAJ_RUN_ID", new_id);
    o->name = choose(given->name, NULL, o->run_id);
    o->config_json = choose(given->config_json, NULL, "{}");
    o->tags = choose(given->tags, "TRAJ_TAGS", "");
    o->optimizer = choose(given->optimizer, NULL, NULL);
    if (o->endpoint == NULL || o->dir == NULL || o->project == NULL ||
        o->run_id == NULL || o->name == NULL || o->config_json == NULL ||
        o->tags == NULL || (given->optimizer != NULL && o->optimizer == NULL)) {
        return error_set_static(TRAJ_ENOMEM, "out of memory for the options");
    }
    return check_texts(o);
}

/* "RUN@STEP" of the environment; a run id has no @. */
static enum traj_status read_fork(struct options *o, const char *text)
{
    const char *at = strchr(text, '@');
    const char *digits = at != NULL ? at + 1 : "";
    size_t n = strlen(digits);
    if (n < 1 || n > 18 || strspn(digits, "0123456789") != n) {
        return error_set(
            TRAJ_EINVAL, "TRAJ_FORK is \"%.100s\", not RUN@STEP", text);
    }
    o->fork_run = strndup(text, (size_t)(at - text));
    o->fork_step = strtoull(digits, NULL, 10);
    return TRAJ_OK;
}

static enum traj_status choose_fork(
    struct options *o, const struct traj_options *given)
{
    const char *variable = getenv("TRAJ_FORK");
    bool by_variable =
        given->fork_run == NULL && variable != NULL && variable[0] != '\0';
    if (given->fork_run == NULL && !by_variable) {
        return TRAJ_OK;
    }
    enum traj_status status = TRAJ_OK;
    if (by_variable) {
        status = read_fork(o, variable);
    } else {
        o->fork_run = strdup(given->fork_run);
        o->fork_step = given->fork_step;
    }
    if (status != TRAJ_OK) {
        return status;
    }
    if (o->fork_run == NULL) {
        return error_set_static(TRAJ_ENOMEM, "out of memory for the options");
    }
    if (!options_is_run_id(o->fork_run) || o->fork_step > INT64_MAX ||
        strcmp(o->fork_run, o->run_id) == 0) {
        return error_set(TRAJ_EINVAL,
            "fork of \"%.100s\" at step %llu: not the id of another run, or "
            "the step is over 2^63 - 1",
            o->fork_run, (unsigned long long)o->fork_step);
    }
    return TRAJ_OK;
}

enum traj_status options_init(
    struct options *options, const struct traj_options *given)
{
    struct traj_options full;
    *options = (struct options){ 0 };
    if (given != NULL && given->size < sizeof given->size) {
        return error_set_static(TRAJ_EINVAL,
            "options->size is not set: start from TRAJ_OPTIONS_INIT");
    }
    copy_given(&full, given);
    enum traj_status status = choose_numbers(options, &full);
    if (status == TRAJ_OK) {
        status = choose_texts(options, &full);
    }
    if (status == TRAJ_OK) {
        status = choose_fork(options, &full);
    }
    if (status == TRAJ_OK) {
        status = run_groups_init(&options->groups, full.groups, full.n_groups);
    }
    if (status != TRAJ_OK) {
        options_done(options);
    }
    return status;
}

void options_done(struct options *options)
{
    free(options->endpoint);
    free(options->dir);
    free(options->project);
    free(options->name);
    free(options->run_id);
    free(options->config_json);
    free(options->tags);
    free(options->optimizer);
    free(options->fork_run);
    run_groups_done(&options->groups);
    *options = (struct options){ 0 };
}
