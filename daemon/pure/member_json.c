/* member_json.c: pure; any thread. */
#include "pure/member_json.h"

#include <stddef.h>

void member_json_double(struct buf *out, const char *name, double value)
{
    member_json_optional(out, name, true, value);
}

void member_json_optional(
    struct buf *out, const char *name, bool has, double value)
{
    buf_printf(out, ",\"%s\":", name);
    buf_json_optional(out, has, value);
}

void member_json_figure(struct buf *out, const char *name, struct figure figure)
{
    member_json_optional(out, name, figure.has, figure.v);
}

void member_json_name(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, ",\"%s\":", name);
    if (value == NULL) {
        buf_text(out, "null");
    } else {
        buf_printf(out, "\"%s\"", value);
    }
}
