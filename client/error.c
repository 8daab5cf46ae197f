/* error: owns one text per thread; no state is shared. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char buffer[512];
static _Thread_local const char *last = "";

enum traj_status error_set(enum traj_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(buffer, sizeof buffer, format, args); /* may be cut */
    va_end(args);
    last = buffer;
    return status;
}

enum traj_status error_set_static(enum traj_status status, const char *text)
{
    last = text;
    return status;
}

const char *traj_last_error(void)
{
    return last;
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
        return "the spool's directory or disk gave an error";
    case TRAJ_EFULL:
        return "the spool is full; the record was dropped";
    case TRAJ_EFORKED:
        return "the run belongs to the parent process";
    case TRAJ_ETIMEDOUT:
        return "not all was acknowledged in time; it is spooled";
    case TRAJ_EBUSY:
        return "another process has this run's directory";
    case TRAJ_ECLOSED:
        return "the run is finished";
    case TRAJ_ECALLBACK:
        return "the gradient callback gave up";
    case TRAJ_ENOGRAD:
        return "a needed array is NULL";
    case TRAJ_EREFUSED:
        return "the daemon refuses this run; its spool is kept";
    case TRAJ_ENOLAW:
        return "the daemon has not sent a law for this run";
    }
    return "unknown status";
}
