/* log.c: owns the level, set once before any thread starts; any thread. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static enum log_level least_level = LOG_INFO;

void log_set_level(enum log_level least)
{
    least_level = least;
}

PRINTF_LIKE(3, 0)
static void write_line(enum log_level level, const char *area,
    const char *format, va_list args, unsigned held)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    char line[1024];
    size_t limit = sizeof line - 2;

    int64_t now = clock_wall_ns();
    time_t seconds = (time_t)(now / NS_PER_S);
    struct tm utc = { 0 };
    (void)gmtime_r(&seconds, &utc);
    size_t n = strftime(line, limit, "%Y-%m-%dT%H:%M:%S", &utc);
    n += (size_t)snprintf(line + n, limit - n, ".%03dZ %s %s ",
        (int)(now % NS_PER_S / NS_PER_MS), names[level], area);
    int m = vsnprintf(line + n, limit - n, format, args);
    n += m < 0 ? 0 : (size_t)m;
    if (n < limit && held > 0) {
        n += (size_t)snprintf(line + n, limit - n, " held_back=%u", held);
    }
    n = n < limit ? n : limit - 1;
    line[n++] = '\n';
    (void)!write(STDERR_FILENO, line, n); /* nowhere left to complain */
}

void log_line(enum log_level level, const char *area, const char *format, ...)
{
    if (level < least_level) {
        return;
    }
    va_list args;
    va_start(args, format);
    write_line(level, area, format, args, 0);
    va_end(args);
}

void log_line_limited(struct log_limit *limit, enum log_level level,
    const char *area, const char *format, ...)
{
    if (level < least_level) {
        return;
    }
    long long now = clock_mono_ns();
    if (now <
        atomic_load_explicit(&limit->next_mono_ns, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&limit->held, 1, memory_order_relaxed);
        return;
    }
    atomic_store_explicit(
        &limit->next_mono_ns, now + NS_PER_S, memory_order_relaxed);
    unsigned held =
        atomic_exchange_explicit(&limit->held, 0, memory_order_relaxed);

    va_list args;
    va_start(args, format);
    write_line(level, area, format, args, held);
    va_end(args);
}

const char *log_quoted(char *out, unsigned long size, const char *text)
{
    size_t n = 0;
    out[n++] = '"';
    for (const char *c = text; *c != '\0' && n + 6 < size; c++) {
        if (*c == '"' || *c == '\\') {
            out[n++] = '\\';
            out[n++] = *c;
        } else if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            n += (size_t)snprintf(out + n, size - n, "\\x%02x", *c);
        } else {
            out[n++] = *c;
        }
    }
    out[n++] = '"';
    out[n] = '\0';
    return out;
}
