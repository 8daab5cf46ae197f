/*
 * json_scan: JSON from outside, checked and taken apart without changing a
 * byte of it: cJSON is lenient with numbers and prints them anew, so a config
 * that is kept "as it came" never goes through it. Pure, total, no allocation.
 */
#ifndef TRAJD_JSON_SCAN_H
#define TRAJD_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/*
 * One JSON value (RFC 8259) and nothing else, in UTF-8, nested at most
 * depth_max deep. Stricter in three points: \u0000 is refused, for no text of
 * ours can hold it; so is half a surrogate pair, and a number of over 60
 * bytes, which cJSON cannot read.
 */
bool json_is_valid(struct str text, unsigned depth_max);

/*
 * The members of a valid object, in order. *pos starts at 0 and is moved on;
 * key and value are as they stand in the text, the key with its quotes.
 * False at the end, or if the text is no object.
 */
bool json_next_member(
    struct str object, size_t *pos, struct str *ret_key, struct str *ret_value);

/* The elements of a valid array, likewise. */
bool json_next_element(struct str array, size_t *pos, struct str *ret_value);

#endif
