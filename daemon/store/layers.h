/* layers: the groups of parameters that a HELLO names, by number. */
#ifndef TRAJD_LAYERS_H
#define TRAJD_LAYERS_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* The number of the first group of that name, from 1 on; 0: there is none.
 * hello_json may be NULL. ERR_STORE: it is damaged. */
CHECK_RESULT enum err_code layers_find(const char *hello_json, struct str name,
    uint64_t *ret_number, struct err *e);

#endif
