/* derived_find.c: constant tables; any thread. */
#include "pure/derived.h"

#include <string.h>

#include "pure/derived_impl.h"
#include "wire/fields.h"

static_assert(
    STEP_step == 0 && PROBE_step == 0 && METRIC_step == 0 && GROUP_step == 0,
    "the step of any record is its field 0");
#define STEP_BIT ROW_BIT(0)

/* What every metric of a kind looks at beside its own fields. */
static uint64_t needs_of(enum wire_kind kind)
{
    switch (kind) {
    case WIRE_METRIC:
        return STEP_BIT | ROW_BIT(METRIC_name);
    case WIRE_GROUP:
        return STEP_BIT | ROW_BIT(GROUP_group);
    default:
        return STEP_BIT;
    }
}

static uint64_t wants_of(enum wire_kind kind)
{
    return kind == WIRE_PROBE ? ROW_BIT(PROBE_group) : 0;
}

static struct metric field_metric(enum wire_kind kind, unsigned field)
{
    const struct wire_field *info = &wire_kind_info(kind)->fields[field];
    return (struct metric){
        .name = str_of(info->name),
        .kind = kind,
        .needs = needs_of(kind) | ROW_BIT(field),
        .wants = wants_of(kind),
        .of = derived_of_type(info->type),
        .field = field,
        .kept = str_of(info->name),
    };
}

static struct metric root_metric(enum wire_kind kind, unsigned field)
{
    struct metric metric = field_metric(kind, field);
    metric.of = derived_root;
    metric.is_root = true;
    return metric;
}

static struct metric derived_metric(const struct derived *d)
{
    if (d->of == derived_root) {
        return root_metric(d->kind, d->field);
    }
    return (struct metric){
        .name = str_of(d->name),
        .kind = d->kind,
        .needs = d->needs | needs_of(d->kind),
        .wants = d->wants | wants_of(d->kind),
        .of = d->of,
        .field = d->field,
        .of_trainer = d->of_trainer,
        .kept = str_of(d->name),
    };
}

/* ---- by name ------------------------------------------------------------- */

static bool find_derived(struct str name, struct metric *ret)
{
    for (size_t i = 0; i < derived_count; i++) {
        if (str_equal(name, str_of(derived_metrics[i].name))) {
            *ret = derived_metric(&derived_metrics[i]);
            return true;
        }
    }
    return false;
}

static bool is_number(enum wire_kind kind, unsigned field)
{
    enum wire_field_type type = wire_kind_info(kind)->fields[field].type;
    return type != WIRE_TEXT && type != WIRE_BLOB;
}

static bool find_step_field(struct str name, struct metric *ret)
{
    int field = wire_field_find(WIRE_STEP, name.p, name.n);
    if (field < 0) {
        return false;
    }
    *ret = field_metric(WIRE_STEP, (unsigned)field);
    return true;
}

/* Of GROUP what was measured, not who measured it. */
static const uint8_t group_fields[] = { GROUP_grad_sq, GROUP_param_sq,
    GROUP_delta_sq, GROUP_grad_delta, GROUP_dgrad_sq, GROUP_dgrad_delta,
    GROUP_grad_prev, GROUP_grad_max_abs, GROUP_grad_nan, GROUP_grad_inf,
    GROUP_param_nan, GROUP_param_inf, GROUP_grad_dual, GROUP_delta_norm };
#define GROUP_FIELDS_KEPT (sizeof group_fields / sizeof group_fields[0])

static const struct {
    const char *name;
    unsigned field;
} group_roots[] = {
    { "grad_norm", GROUP_grad_sq },
    { "param_norm", GROUP_param_sq },
    { "update_norm", GROUP_delta_sq },
};

static bool find_group_field(struct str name, struct metric *ret)
{
    for (size_t i = 0; i < sizeof group_roots / sizeof group_roots[0]; i++) {
        if (str_equal(name, str_of(group_roots[i].name))) {
            *ret = root_metric(WIRE_GROUP, group_roots[i].field);
            return true;
        }
    }
    for (size_t i = 0; i < GROUP_FIELDS_KEPT; i++) {
        *ret = field_metric(WIRE_GROUP, group_fields[i]);
        if (str_equal(name, ret->name)) {
            return true;
        }
    }
    return false;
}

/* What is behind a prefix, if anything is. */
static bool take_prefix(struct str *text, struct str prefix)
{
    if (text->n <= prefix.n || memcmp(text->p, prefix.p, prefix.n) != 0) {
        return false;
    }
    *text = (struct str){ text->p + prefix.n, text->n - prefix.n };
    return true;
}

/* FIELD:NAME; a name may have colons in it, a field has none. */
static bool find_group(struct str text, struct metric *ret)
{
    const char *colon = memchr(text.p, ':', text.n);
    size_t field = colon == NULL ? text.n : (size_t)(colon - text.p);
    if (field + 1 >= text.n ||
        !find_group_field((struct str){ text.p, field }, ret)) {
        return false;
    }
    ret->match = (struct str){ text.p + field + 1, text.n - field - 1 };
    return true;
}

bool metric_find(struct str name, struct metric *ret_metric)
{
    struct str rest = name;
    struct metric metric;
    if (take_prefix(&rest, STR("metric:"))) {
        metric = field_metric(WIRE_METRIC, METRIC_value);
        metric.match = rest;
    } else if (take_prefix(&rest, STR("group:"))) {
        if (!find_group(rest, &metric)) {
            return false;
        }
    } else if (!find_derived(name, &metric) &&
               !find_step_field(name, &metric)) {
        return false;
    }
    metric.name = name;
    *ret_metric = metric;
    return true;
}

/* ---- what is kept -------------------------------------------------------- */

/* Of STEP every number; of PROBE only the fields that roots are of. */
static bool kept_field(enum wire_kind kind, unsigned field)
{
    if (kind == WIRE_STEP) {
        return is_number(kind, field);
    }
    return kind == WIRE_PROBE && field == PROBE_grad_sq;
}

static bool kept_of_records(enum wire_kind kind, size_t i, struct metric *ret)
{
    size_t n = 0;
    for (unsigned f = 0; f < wire_kind_info(kind)->n_fields; f++) {
        if (kept_field(kind, f) && n++ == i) {
            *ret = field_metric(kind, f);
            return true;
        }
    }
    for (size_t d = 0; d < derived_count; d++) {
        const struct derived *derived = &derived_metrics[d];
        if (derived->kind == kind && derived->of != derived_root && n++ == i) {
            *ret = derived_metric(derived);
            return true;
        }
    }
    return false;
}

bool metric_kept(enum wire_kind kind, size_t i, struct metric *ret_metric)
{
    switch (kind) {
    case WIRE_STEP:
    case WIRE_PROBE:
        return kept_of_records(kind, i, ret_metric);
    case WIRE_METRIC:
        *ret_metric = field_metric(kind, METRIC_value);
        return i == 0;
    case WIRE_GROUP:
        if (i < GROUP_FIELDS_KEPT) {
            *ret_metric = field_metric(kind, group_fields[i]);
        }
        return i < GROUP_FIELDS_KEPT;
    default:
        return false;
    }
}
