/*
 * json: numbers into cJSON objects so that they read back exactly. cJSON's own
 * printing loses the last digits of a double and of integers beyond 1e15.
 * All return false when out of memory (a NULL object included).
 */
#ifndef TRAJD_JSON_H
#define TRAJD_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#define JSON_INTEGER_MAX ((UINT64_C(1) << 53) - 1)

/* A number up to 2^53 - 1, beyond that a text of its digits. */
bool json_add_u64(cJSON *object, const char *name, uint64_t value);
bool json_add_i64(cJSON *object, const char *name, int64_t value);
/* Always a text: nanoseconds since 1970 are beyond 2^53. */
bool json_add_wall_ns(cJSON *object, const char *name, int64_t value);
/* All digits; NaN and the infinities as texts; null where it is absent. */
bool json_add_optional(cJSON *object, const char *name, bool has, double value);
bool json_add_text(cJSON *object, const char *name, const char *value);
bool json_add_bool(cJSON *object, const char *name, bool value);
bool json_add_null(cJSON *object, const char *name);

#endif
