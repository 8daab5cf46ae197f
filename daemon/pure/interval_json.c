/* interval_json.c: pure; any thread. */
#include "pure/interval_json.h"

#include <stddef.h>

#include "pure/member_json.h"

const char *interval_absent_name(enum fit_absent absent)
{
    switch (absent) {
    case FIT_PRESENT:
        return NULL;
    case FIT_ABSENT_ARGUMENT:
        return "argument";
    case FIT_ABSENT_FEW_SAMPLES:
        return "few_samples";
    case FIT_ABSENT_UNDETERMINED:
        return "undetermined";
    case FIT_ABSENT_CONSTANT:
        return "constant";
    case FIT_ABSENT_FEW_BLOCKS:
        return "few_blocks";
    case FIT_ABSENT_SHORT_BLOCKS:
        return "short_blocks";
    case FIT_ABSENT_LONG_MEMORY:
        return "long_memory";
    case FIT_ABSENT_NOT_SEPARABLE:
        return "not_separable";
    }
    return "unknown";
}

static void put_interval(
    struct buf *out, const char *name, const struct fit_interval *interval)
{
    buf_printf(out, ",\"%s\":{\"estimate\":", name);
    buf_json_double(out, interval->estimate);
    member_json_double(out, "se", interval->se);
    member_json_double(out, "low", interval->low);
    member_json_double(out, "high", interval->high);
    buf_char(out, '}');
}

static void put_intervals(struct buf *out, const struct fit_ci *ci)
{
    buf_text(out, "{\"level\":");
    buf_json_double(out, ci->level);
    member_json_double(out, "dof", ci->dof);
    put_interval(out, "L0", &ci->L0);
    put_interval(out, "L1", &ci->L1);
    member_json_double(out, "x_mean", ci->x_mean);
    put_interval(out, "centroid", &ci->centroid);
    member_json_double(out, "corr", ci->corr);
    buf_char(out, '}');
}

void interval_json(
    struct buf *out, enum fit_absent absent, const struct fit_ci *ci)
{
    const char *why = interval_absent_name(absent);
    if (why != NULL) {
        buf_printf(out, ",\"interval_absent\":\"%s\",\"interval\":null", why);
        return;
    }
    buf_text(out, ",\"interval_absent\":null,\"interval\":");
    put_intervals(out, ci);
}
