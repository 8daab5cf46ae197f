/* alert.c: pure; any thread. */
#include "pure/alert.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const rule_names[ALERT_RULES] = {
    [ALERT_NON_FINITE] = "non_finite",
    [ALERT_SPIKE] = "spike",
    [ALERT_STALL] = "stall",
    [ALERT_CLIP_FRACTION] = "clip_fraction",
    [ALERT_SKIPPED] = "skipped",
    [ALERT_LR_OVER_LIMIT] = "lr_over_limit",
    [ALERT_L1_JUMP] = "l1_jump",
};

const char *alert_rule_name(enum alert_rule rule)
{
    return rule_names[rule];
}

bool alert_rule_find(struct str name, enum alert_rule *ret)
{
    for (size_t i = 0; i < ALERT_RULES; i++) {
        if (str_equal(name, str_of(rule_names[i]))) {
            *ret = (enum alert_rule)i;
            return true;
        }
    }
    return false;
}

const char *alert_severity_name(enum alert_severity severity)
{
    return severity == ALERT_ERROR ? "error" : "warning";
}

void alert_say(struct alert *alert, const char *format, ...)
{
    const size_t n = strlen(alert->sentence);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(
        alert->sentence + n, sizeof alert->sentence - n, format, arguments);
    va_end(arguments);
}
