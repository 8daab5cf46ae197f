/*
 * replace: a database that is made beside its place and takes it whole, or not
 * at all, whatever ends the process in between.
 */
#ifndef TRAJD_REPLACE_H
#define TRAJD_REPLACE_H

#include <limits.h>
#include <stdint.h>

#include "base/err.h"

#define REPLACE_NAME_MAX (PATH_MAX + 64) /* with a suffix, or two */

struct replace {
    char path[REPLACE_NAME_MAX];
    char temp[REPLACE_NAME_MAX]; /* where it is made */
};

/* The name of what lies beside a file: path and suffix, cut to fit. */
void replace_name(
    char ret[static REPLACE_NAME_MAX], const char *path, const char *suffix);

/* Removes what an attempt before this one has left at temp. suffix: of temp's
 * name. On success end with replace_commit or replace_abandon. */
CHECK_RESULT enum err_code replace_begin(struct replace *replace,
    const char *path, const char *suffix, struct err *e);

/* ERR_FULL: less than `bytes` are free where temp is to be. */
CHECK_RESULT enum err_code replace_needs(
    const struct replace *replace, uint64_t bytes, struct err *e);

/* What is at path keeps its mode and owner. On disk when this returns. */
CHECK_RESULT enum err_code replace_commit(
    struct replace *replace, struct err *e);
void replace_abandon(struct replace *replace);

/* As rename(2), and the folder is on disk too. */
CHECK_RESULT enum err_code replace_rename(
    const char *from, const char *to, struct err *e);

/* Of the file of this name; 0: there is none. */
uint64_t replace_file_bytes(const char *path, const char *suffix);

#endif
