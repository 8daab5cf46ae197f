/* run_json.c: pure; any thread. */
#include "http/run_json.h"

#include <assert.h>
#include <stddef.h>

#include "http/json.h"
#include "wire/fields.h"

enum run_state run_row_state(const struct run_row *run, int64_t now_wall_ns)
{
    return run_state_at(&run->facts, now_wall_ns, run_limits());
}

/* Texts that the store keeps as JSON; what is none (never, by its own checks)
 * is an empty object or array. */
static bool add_parsed(
    cJSON *object, const char *name, const char *text, cJSON *(*empty)(void))
{
    cJSON *value = text == NULL ? NULL : cJSON_Parse(text);
    if (value == NULL) {
        value = empty();
    }
    if (!cJSON_AddItemToObject(object, name, value)) {
        cJSON_Delete(value);
        return false;
    }
    return true;
}

static bool add_records(cJSON *object, const struct run_row *run)
{
    cJSON *records = cJSON_AddObjectToObject(object, "records");
    bool ok = records != NULL;
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        const struct wire_kind_info *info = wire_kind_info(kind);
        assert(info != NULL);
        ok = ok && json_add_u64(records, info->name, run->records[kind]);
    }
    return ok;
}

static bool add_identity(
    cJSON *object, const struct run_row *run, enum run_state state)
{
    bool ended = state == RUN_FINISHED || state == RUN_FAILED;
    return json_add_text(object, "id", run->uid) &&
           json_add_text(object, "project", run->project) &&
           json_add_text(object, "name", run->name) &&
           json_add_text(object, "state", run_state_name(state)) &&
           (ended ? json_add_i64(object, "exit_code", run->facts.exit_code)
                  : json_add_null(object, "exit_code")) &&
           add_parsed(object, "tags", run->tags_json, cJSON_CreateArray);
}

static bool add_completeness(cJSON *object, const struct run_row *run)
{
    cJSON *gaps = NULL;
    bool ok = json_add_bool(object, "complete", run->gaps == 0);
    gaps = cJSON_AddArrayToObject(object, "gaps");
    ok = ok && gaps != NULL;
    for (unsigned i = 0; ok && i < RUN_GAPS; i++) {
        if ((run->gaps >> i & 1) != 0) {
            ok =
                cJSON_AddItemToArray(gaps, cJSON_CreateString(run_gap_name(i)));
        }
    }
    return ok;
}

static bool add_numbers(cJSON *object, const struct run_row *run)
{
    return json_add_u64(object, "attempts", run->attempts) &&
           json_add_u64(object, "ranks", run->ranks) &&
           add_records(object, run) &&
           json_add_u64(object, "group_probes", run->group_probes) &&
           json_add_u64(object, "lost_records", run->lost_records) &&
           json_add_u64(object, "dropped_records", run->dropped_records) &&
           json_add_u64(object, "thinned_records", run->thinned_records) &&
           json_add_u64(object, "repeated_records", run->repeated_records) &&
           json_add_u64(object, "late_records", run->late_records) &&
           json_add_u64(object, "alerts", run->alerts) &&
           json_add_u64(object, "alert_errors", run->alert_errors) &&
           add_completeness(object, run) &&
           (run->has_last_step
                   ? json_add_u64(object, "last_step", run->last_step)
                   : json_add_null(object, "last_step")) &&
           json_add_wall_ns(object, "created_wall_ns", run->created_wall_ns) &&
           json_add_wall_ns(object, "updated_wall_ns", run->updated_wall_ns) &&
           json_add_u64(object, "revision", run->revision);
}

static bool add_fork(cJSON *object, const struct run_row *run)
{
    if (run->fork_of[0] == '\0') {
        return json_add_null(object, "fork");
    }
    cJSON *fork = cJSON_AddObjectToObject(object, "fork");
    return fork != NULL && json_add_text(fork, "run", run->fork_of) &&
           json_add_u64(fork, "step", run->fork_step);
}

cJSON *run_json_object(const struct run_row *run, int64_t now_wall_ns)
{
    cJSON *object = cJSON_CreateObject();
    if (add_identity(object, run, run_row_state(run, now_wall_ns)) &&
        add_numbers(object, run) && add_fork(object, run)) {
        return object;
    }
    cJSON_Delete(object);
    return NULL;
}

void run_json(struct buf *out, const struct run_row *run, int64_t now_wall_ns)
{
    cJSON *object = run_json_object(run, now_wall_ns);
    char *text = object == NULL ? NULL : cJSON_PrintUnformatted(object);
    if (text == NULL) {
        out->failed = true;
    } else {
        buf_text(out, text);
    }
    cJSON_free(text);
    cJSON_Delete(object);
}
