/* error: the text behind traj_last_error, one per thread; both halves of the
 * library fail through it. */
#ifndef TRAJ_ERROR_H
#define TRAJ_ERROR_H

#include "traj.h"

/* Note what went wrong and return status, so that `return error_set(...)`
 * reads as one thing. Texts beyond 511 bytes are cut. */
enum traj_status error_set(enum traj_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for the hot calls: text is static and nothing is formatted. */
enum traj_status error_set_static(enum traj_status status, const char *text);

#endif
