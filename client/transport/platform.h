/* platform: what POSIX.1-2008 does not have, in one place. */
#ifndef TRAJ_TRANSPORT_PLATFORM_H
#define TRAJ_TRANSPORT_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Make the pages of [at, at + bytes) present and writable without changing
 * them, even while another thread writes to them. false: not on this system,
 * or no room. at is page-aligned. */
bool platform_populate(void *at, size_t bytes);

/* Fill with random bytes from the kernel; touches nobody's generator. */
bool platform_random(void *out, size_t bytes);

/* CLOCK_MONOTONIC as of the last tick of the kernel, up to 10 ms ago; costs a
 * quarter of the exact one. */
int64_t platform_coarse_mono_ns(void);

/* The program's name without its folder; never NULL, static. */
const char *platform_program(void);

#endif
