/* error.c: one line of text per thread; no locks, no allocation. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char last_error[TRAJ_ERROR_TEXT_MAX];

enum traj_status traj_fail(enum traj_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(last_error, sizeof last_error, format, arguments);
    va_end(arguments);
    return status;
}

enum traj_status traj_fail_in(enum traj_status status, const char *format, ...)
{
    char inner[TRAJ_ERROR_TEXT_MAX];
    memcpy(inner, last_error, sizeof inner);

    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(last_error, sizeof last_error, format, arguments);
    va_end(arguments);
    if (used >= 0 && (size_t)used < sizeof last_error) {
        size_t left = sizeof last_error - (size_t)used;
        (void)snprintf(last_error + used, left, ": %.*s", (int)left, inner);
    }
    return status;
}

const char *traj_last_error(void)
{
    return last_error;
}

const char *traj_strerror(enum traj_status status)
{
    switch (status) {
    case TRAJ_OK:
        return "ok";
    case TRAJ_EINVAL:
        return "an argument is wrong";
    case TRAJ_ENOMEM:
        return "out of memory";
    case TRAJ_EIO:
        return "the run's directory cannot be read or written";
    case TRAJ_EFULL:
        return "the spool is full, the record was dropped";
    case TRAJ_EFORKED:
        return "the run belongs to the parent process";
    case TRAJ_ETIMEDOUT:
        return "not acknowledged in time, the rest is in the spool";
    case TRAJ_EBUSY:
        return "another process has this run's directory";
    case TRAJ_ECLOSED:
        return "the run is finished";
    case TRAJ_ECALLBACK:
        return "the gradient callback gave up";
    case TRAJ_ENOGRAD:
        return "a needed array is NULL";
    case TRAJ_EREFUSED:
        return "the daemon refuses this run";
    }
    return "unknown status";
}
