/* fields.c: constant tables; any thread. */
#include "wire/fields.h"

#include <string.h>

#define FIELD(id, field_name, field_type)                                      \
    [id] = { .name = #field_name, .type = WIRE_##field_type },
static const struct wire_field step_fields[] = { WIRE_STEP_FIELDS(FIELD) };
static const struct wire_field probe_fields[] = { WIRE_PROBE_FIELDS(FIELD) };
static const struct wire_field metric_fields[] = { WIRE_METRIC_FIELDS(FIELD) };
static const struct wire_field event_fields[] = { WIRE_EVENT_FIELDS(FIELD) };
static const struct wire_field sharpness_fields[] = { WIRE_SHARPNESS_FIELDS(
    FIELD) };
static const struct wire_field group_fields[] = { WIRE_GROUP_FIELDS(FIELD) };

static const struct wire_kind_info kinds[WIRE_KINDS] = {
    [WIRE_STEP] = { "step", STEP_FIELDS, step_fields },
    [WIRE_PROBE] = { "probe", PROBE_FIELDS, probe_fields },
    [WIRE_METRIC] = { "metric", METRIC_FIELDS, metric_fields },
    [WIRE_EVENT] = { "event", EVENT_FIELDS, event_fields },
    [WIRE_SHARPNESS] = { "sharpness", SHARPNESS_FIELDS, sharpness_fields },
    [WIRE_GROUP] = { "group", GROUP_FIELDS, group_fields },
};

const struct wire_kind_info *wire_kind_info(unsigned kind)
{
    return kind >= 1 && kind < WIRE_KINDS ? &kinds[kind] : NULL;
}

int wire_field_find(unsigned kind, const char *name, size_t n)
{
    const struct wire_kind_info *info = wire_kind_info(kind);
    for (size_t i = 0; info != NULL && i < info->n_fields; i++) {
        const char *candidate = info->fields[i].name;
        if (strlen(candidate) == n && memcmp(candidate, name, n) == 0) {
            return (int)i;
        }
    }
    return -1;
}
