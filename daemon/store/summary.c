/* summary.c: pure. */
#include "store/summary.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "wire/fields.h"

static double number_of(enum wire_field_type type, uint64_t bits)
{
    if (type == WIRE_U64) {
        return (double)bits;
    }
    if (type == WIRE_I64) {
        return (double)(int64_t)bits;
    }
    double value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void take_finite(
    struct summary_column *c, double value, uint64_t step, bool is_first)
{
    if (is_first || value < c->min) {
        c->min = value;
        c->min_step = step;
    }
    if (is_first || value > c->max) {
        c->max = value;
        c->max_step = step;
    }
}

static void take_value(struct summary_column *c, double value, uint64_t step)
{
    uint32_t odd = c->nan + c->positive_inf + c->negative_inf;
    if (c->count == 0) {
        c->first = value;
    }
    c->last = value;
    if (isnan(value)) {
        c->nan++;
    } else if (isinf(value)) {
        c->positive_inf += value > 0;
        c->negative_inf += value < 0;
    } else {
        take_finite(c, value, step, c->count == odd);
    }
    c->count++;
}

static void take_column(const struct records *r, unsigned field,
    enum wire_field_type type, struct summary_column *c)
{
    *c = (struct summary_column){ .field = field };
    for (size_t i = 0; i < r->n; i++) {
        if ((r->present[i] >> field & 1) == 0) {
            continue;
        }
        uint64_t step = (r->present[i] & 1) != 0 ? r->columns[0][i] : 0;
        take_value(c, number_of(type, r->columns[field][i]), step);
    }
}

void summary_of(const struct records *records, struct summary *ret_summary)
{
    const struct wire_kind_info *info = wire_kind_info((unsigned)records->kind);
    ret_summary->n = 0;
    for (unsigned f = 0; f < info->n_fields; f++) {
        enum wire_field_type type = info->fields[f].type;
        if ((records->mask >> f & 1) == 0 || type == WIRE_TEXT ||
            type == WIRE_BLOB) {
            continue;
        }
        take_column(records, f, type, &ret_summary->columns[ret_summary->n++]);
    }
}

struct str summary_bytes(const struct summary *summary)
{
    return (struct str){ (const char *)summary->columns,
        summary->n * sizeof summary->columns[0] };
}
