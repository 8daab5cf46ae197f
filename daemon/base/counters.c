/* counters.c: owns the totals; any thread. Relaxed order throughout: each is
 * a number by itself and orders nothing. */
#include "base/counters.h"

#include <stdatomic.h>

static _Atomic uint64_t counters[COUNTER_COUNT];
static _Atomic int64_t gauges[GAUGE_COUNT];
static _Atomic uint64_t rules[COUNTER_RULES];

#define NAME(id, name, help) name,
#define HELP(id, name, help) help,
static const char *const counter_names[] = { COUNTERS(NAME) };
static const char *const counter_helps[] = { COUNTERS(HELP) };
static const char *const gauge_names[] = { GAUGES(NAME) };
static const char *const gauge_helps[] = { GAUGES(HELP) };

void counter_add(enum counter counter, uint64_t n)
{
    atomic_fetch_add_explicit(&counters[counter], n, memory_order_relaxed);
}

uint64_t counter_get(enum counter counter)
{
    return atomic_load_explicit(&counters[counter], memory_order_relaxed);
}

const char *counter_name(enum counter counter)
{
    return counter_names[counter];
}

const char *counter_help(enum counter counter)
{
    return counter_helps[counter];
}

void counter_rule_add(unsigned rule)
{
    atomic_fetch_add_explicit(&rules[rule], 1, memory_order_relaxed);
}

uint64_t counter_rule_get(unsigned rule)
{
    return atomic_load_explicit(&rules[rule], memory_order_relaxed);
}

void gauge_set(enum gauge gauge, int64_t value)
{
    atomic_store_explicit(&gauges[gauge], value, memory_order_relaxed);
}

void gauge_add(enum gauge gauge, int64_t n)
{
    atomic_fetch_add_explicit(&gauges[gauge], n, memory_order_relaxed);
}

int64_t gauge_get(enum gauge gauge)
{
    return atomic_load_explicit(&gauges[gauge], memory_order_relaxed);
}

const char *gauge_name(enum gauge gauge)
{
    return gauge_names[gauge];
}

const char *gauge_help(enum gauge gauge)
{
    return gauge_helps[gauge];
}
