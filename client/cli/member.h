/*
 * member: members of a JSON object. What is missing reads as NULL, "", 0, NaN.
 * Numbers may be JSON texts: large integers and NaN, Infinity, -Infinity are.
 */
#ifndef TRAJ_CLI_MEMBER_H
#define TRAJ_CLI_MEMBER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

const cJSON *member(const cJSON *object, const char *name);
const char *member_text(const cJSON *object, const char *name);
uint64_t item_u64(const cJSON *item); /* of such a member, or of an array */
uint64_t member_u64(const cJSON *object, const char *name);
double member_double(const cJSON *object, const char *name);
bool member_is_null(const cJSON *object, const char *name);

#endif
