/* platform: what POSIX.1-2008 does not have, in one place. */
#ifndef TRAJ_TRANSPORT_PLATFORM_H
#define TRAJ_TRANSPORT_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>

/* Make the pages of [at, at + bytes) present and writable without changing
 * them, even while another thread writes to them. false: not on this system,
 * or no room. at is page-aligned. */
bool platform_populate(void *at, size_t bytes);

/* Fill with random bytes from the kernel; touches nobody's generator. */
bool platform_random(void *out, size_t bytes);

/* The program's name without its folder; never NULL, static. */
const char *platform_program(void);

#endif
