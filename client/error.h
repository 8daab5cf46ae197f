/* error: what went wrong in this thread's last failed call (traj_last_error).
 * Filled once, where it happens; both halves of the library use it. */
#ifndef TRAJ_ERROR_H
#define TRAJ_ERROR_H

#include "traj.h"

#if defined(__GNUC__)
#define TRAJ_PRINTF(a, b) __attribute__((format(printf, a, b)))
#else
#define TRAJ_PRINTF(a, b)
#endif

/* Longest text that is kept; the rest is cut off. */
#define TRAJ_ERROR_TEXT_MAX 256

/* Keep the text for traj_last_error and return status, so that a failing
 * place is a `return traj_fail(...)`. Takes no lock, allocates nothing. */
enum traj_status traj_fail(enum traj_status status, const char *format, ...)
    TRAJ_PRINTF(2, 3);

/* Put what only the caller knows before the text: "layer 3: grad is NULL".
 * Returns status. */
enum traj_status traj_fail_in(enum traj_status status, const char *format, ...)
    TRAJ_PRINTF(2, 3);

#endif
