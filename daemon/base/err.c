/* err.c: owns nothing; any thread. */
#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum err_code err_set(
    struct err *e, enum err_code code, const char *format, ...)
{
    assert(code != ERR_NONE);

    if (e != NULL) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(e->text, sizeof e->text, format, args); /* may cut */
        va_end(args);
        e->code = code;
    }
    return code;
}

enum err_code err_nomem(struct err *e)
{
    return err_set(e, ERR_NOMEM, "out of memory");
}

enum err_code err_prefix(struct err *e, const char *format, ...)
{
    char old[sizeof e->text];
    memcpy(old, e->text, sizeof old);

    va_list args;
    va_start(args, format);
    int n = vsnprintf(e->text, sizeof e->text, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof e->text) {
        size_t room = sizeof e->text - (size_t)n;
        (void)snprintf(e->text + n, room, ": %.*s", (int)room, old);
    }
    return e->code;
}
