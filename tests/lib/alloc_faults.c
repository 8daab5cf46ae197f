/* alloc_faults.c: see the header. */
#include "alloc_faults.h"

#include <stddef.h>

static long until_failure = -1; /* allocations; below 0: none fails */
static bool has_failed;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static bool fails(void)
{
    const bool now = until_failure >= 0 && until_failure-- == 0;
    has_failed = has_failed || now;
    return now;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

void alloc_faults_fail(long n)
{
    until_failure = n;
    has_failed = false;
}

bool alloc_faults_off(void)
{
    until_failure = -1;
    return has_failed;
}
