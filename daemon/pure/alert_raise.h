/* alert_raise: what the rules are made of; for alert_rules.c and
 * alert_verdict.c alone. */
#ifndef TRAJD_ALERT_RAISE_H
#define TRAJD_ALERT_RAISE_H

#include "base/compiler.h"
#include "pure/alert_rules.h"

/* The rule's condition holds at this step. NULL: it is raised already, or told
 * before, or too often; else a new alert in out, a warning without a value. */
struct alert *alert_raise(struct alert_rules *rules, enum alert_rule rule,
    uint32_t attempt, uint64_t step, struct alert_list *out);

/* It does not hold; after `wanted` times in a row the rule may raise again. */
void alert_clear(
    struct alert_rules *rules, enum alert_rule rule, uint32_t wanted);

/* Its sentence; the last that a rule may raise says so. */
void alert_say(const struct alert_rules *rules, struct alert *alert,
    const char *format, ...) PRINTF_LIKE(3, 4);

#endif
