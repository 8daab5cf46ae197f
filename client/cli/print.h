/* print: values of the API for people and for programs. */
#ifndef TRAJ_CLI_PRINT_H
#define TRAJ_CLI_PRINT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* JSON as compact text. Doubles read back exactly, which cJSON's own printing
 * does not promise. */
void print_json(FILE *out, const cJSON *item);

/* Foreign text, in UTF-8, without the control bytes that a terminal would
 * obey. */
void print_text(FILE *out, const char *text);

/* Its characters; and at most max of them, the last an ellipsis if it has
 * more. */
size_t print_width(const char *text);
void print_cut(FILE *out, const char *text, size_t max);

/* The same as a column of a table: padded to `width` characters, the last a
 * blank; what does not fit is cut, if `cut`, or runs over, one blank behind. */
void print_column(FILE *out, const char *text, size_t width, bool cut);

/* "12 s", "3 min", "5 h", "2 d" since that time. */
void print_age(FILE *out, const cJSON *object, const char *wall_ns_name);

#endif
