/* alloc_faults: makes the n-th allocation of a program fail, for programs whose
 * malloc, calloc and realloc the linker wraps (Makefile). One thread. */
#ifndef TRAJD_TEST_ALLOC_FAULTS_H
#define TRAJD_TEST_ALLOC_FAULTS_H

#include <stdbool.h>

/* The n-th from now on (0 = the next) fails, once. */
void alloc_faults_fail(long n);
/* No more; whether one has failed. */
bool alloc_faults_off(void);

#endif
