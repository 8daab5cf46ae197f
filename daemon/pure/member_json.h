/* member_json: members of a JSON object behind another one: a comma, the name,
 * the number. Pure. */
#ifndef TRAJD_MEMBER_JSON_H
#define TRAJD_MEMBER_JSON_H

#include <stdbool.h>

#include "base/str.h"
#include "pure/figure.h"

void member_json_double(struct buf *out, const char *name, double value);
/* null unless `has`. */
void member_json_optional(
    struct buf *out, const char *name, bool has, double value);
void member_json_figure(
    struct buf *out, const char *name, struct figure figure);
/* A constant in quotes; null for NULL. */
void member_json_name(struct buf *out, const char *name, const char *value);

#endif
