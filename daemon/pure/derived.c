/* derived.c: constant tables; any thread. */
#include "pure/derived.h"

#include <math.h>
#include <string.h>

#include "math/fit.h"
#include "wire/fields.h"

enum how {
    HOW_F64, /* the field as it is */
    HOW_U64,
    HOW_I64,
    HOW_ROOT,         /* of the field, a sum of squares */
    HOW_UPDATE_RATIO, /* ||d|| / ||x|| */
    HOW_TRAPEZOID,
    HOW_SIMPSON,
    HOW_STEP_LIMIT,     /* 2 / smoothness: beyond it gradient descent climbs */
    HOW_SECANT,         /* ||g(x + d) - g(x)|| / ||d|| */
    HOW_SECANT_CEILING, /* (G + G') / ||d|| */
};

#define BIT(field) (UINT64_C(1) << (field))

static const struct {
    const char *name;
    enum wire_kind kind;
    enum how how;
    unsigned field;
    uint64_t needs;
} derived[] = {
    { "grad_norm", WIRE_STEP, HOW_ROOT, STEP_grad_sq, BIT(STEP_grad_sq) },
    { "grad_clipped_norm", WIRE_STEP, HOW_ROOT, STEP_grad_clipped_sq,
        BIT(STEP_grad_clipped_sq) },
    { "param_norm", WIRE_STEP, HOW_ROOT, STEP_param_sq, BIT(STEP_param_sq) },
    { "delta_norm", WIRE_STEP, HOW_ROOT, STEP_delta_sq, BIT(STEP_delta_sq) },
    { "update_ratio", WIRE_STEP, HOW_UPDATE_RATIO, 0,
        BIT(STEP_delta_sq) | BIT(STEP_param_sq) },
    { "smoothness", WIRE_PROBE, HOW_F64, PROBE_smoothness,
        BIT(PROBE_smoothness) },
    { "probe_grad_norm", WIRE_PROBE, HOW_ROOT, PROBE_grad_sq,
        BIT(PROBE_grad_sq) },
    { "trapezoid", WIRE_PROBE, HOW_TRAPEZOID, 0,
        BIT(PROBE_grad_sq) | BIT(PROBE_grad_end_sq) },
    { "simpson", WIRE_PROBE, HOW_SIMPSON, 0,
        BIT(PROBE_grad_sq) | BIT(PROBE_grad_mid_sq) | BIT(PROBE_grad_end_sq) },
    { "step_limit", WIRE_PROBE, HOW_STEP_LIMIT, PROBE_smoothness,
        BIT(PROBE_smoothness) },
    { "secant", WIRE_PROBE, HOW_SECANT, 0,
        BIT(PROBE_dgrad_sq) | BIT(PROBE_delta_sq) },
    { "ceiling", WIRE_PROBE, HOW_F64, PROBE_ceiling, BIT(PROBE_ceiling) },
    { "secant_ceiling", WIRE_PROBE, HOW_SECANT_CEILING, 0,
        BIT(PROBE_grad_sq) | BIT(PROBE_grad_end_sq) | BIT(PROBE_delta_sq) },
};

static bool find_derived(struct str name, struct metric *ret)
{
    for (size_t i = 0; i < sizeof derived / sizeof derived[0]; i++) {
        if (str_equal(name, str_of(derived[i].name))) {
            uint64_t step =
                derived[i].kind == WIRE_STEP ? BIT(STEP_step) : BIT(PROBE_step);
            *ret = (struct metric){
                .name = name,
                .kind = derived[i].kind,
                .needs = derived[i].needs | step,
                .how = derived[i].how,
                .field = derived[i].field,
            };
            return true;
        }
    }
    return false;
}

static bool find_step_field(struct str name, struct metric *ret)
{
    int field = wire_field_find(WIRE_STEP, name.p, name.n);
    if (field < 0) {
        return false;
    }
    unsigned f = (unsigned)field;
    enum wire_field_type type = wire_kind_info(WIRE_STEP)->fields[f].type;
    *ret = (struct metric){
        .name = name,
        .kind = WIRE_STEP,
        .needs = BIT(f) | BIT(STEP_step),
        .how = type == WIRE_F64   ? HOW_F64
               : type == WIRE_U64 ? HOW_U64
                                  : HOW_I64,
        .field = f,
    };
    return true;
}

bool metric_find(struct str name, struct metric *ret_metric)
{
    static const struct str prefix = { "metric:", 7 };
    if (name.n > prefix.n && memcmp(name.p, prefix.p, prefix.n) == 0) {
        *ret_metric = (struct metric){
            .name = name,
            .kind = WIRE_METRIC,
            .needs = BIT(METRIC_step) | BIT(METRIC_name) | BIT(METRIC_value),
            .match = { name.p + prefix.n, name.n - prefix.n },
            .how = HOW_F64,
            .field = METRIC_value,
        };
        return true;
    }
    return find_derived(name, ret_metric) || find_step_field(name, ret_metric);
}

bool metric_has(const struct metric *metric, const uint64_t *present,
    const struct str *texts, size_t i)
{
    return (present[i] & metric->needs) == metric->needs &&
           (metric->match.n == 0 || str_equal(texts[i], metric->match));
}

static double f64(const uint64_t *column, size_t i)
{
    double value = 0;
    memcpy(&value, &column[i], sizeof value);
    return value;
}

static double i64(uint64_t bits)
{
    int64_t value = 0;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

/* A norm that the metric does not need reads as NaN and makes no use of it. */
static double norm_sq(const uint64_t *column, size_t i)
{
    return column == NULL ? (double)NAN : f64(column, i);
}

static double segment_norm(enum fit_regressor regressor,
    const uint64_t *const columns[static WIRE_FIELDS_MAX], size_t i)
{
    return fit_regressor(regressor, norm_sq(columns[PROBE_grad_sq], i),
        norm_sq(columns[PROBE_grad_mid_sq], i),
        norm_sq(columns[PROBE_grad_end_sq], i));
}

double metric_value(const struct metric *metric,
    const uint64_t *const columns[static WIRE_FIELDS_MAX], size_t i)
{
    const uint64_t *column = columns[metric->field];
    switch ((enum how)metric->how) {
    case HOW_F64:
        return f64(column, i);
    case HOW_U64:
        return (double)column[i];
    case HOW_I64:
        return i64(column[i]);
    case HOW_ROOT:
        return sqrt(f64(column, i));
    case HOW_UPDATE_RATIO:
        return sqrt(f64(columns[STEP_delta_sq], i)) /
               sqrt(f64(columns[STEP_param_sq], i));
    case HOW_TRAPEZOID:
        return segment_norm(FIT_REGRESSOR_TRAPEZOID, columns, i);
    case HOW_SIMPSON:
        return segment_norm(FIT_REGRESSOR_SIMPSON, columns, i);
    case HOW_STEP_LIMIT:
        return 2 / f64(column, i);
    case HOW_SECANT:
        return sqrt(f64(columns[PROBE_dgrad_sq], i)) /
               sqrt(f64(columns[PROBE_delta_sq], i));
    case HOW_SECANT_CEILING:
        return (sqrt(f64(columns[PROBE_grad_sq], i)) +
                   sqrt(f64(columns[PROBE_grad_end_sq], i))) /
               sqrt(f64(columns[PROBE_delta_sq], i));
    }
    return (double)NAN;
}
