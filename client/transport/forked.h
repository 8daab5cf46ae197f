/* forked: how a run knows that it is looked at from a forked child. */
#ifndef TRAJ_TRANSPORT_FORKED_H
#define TRAJ_TRANSPORT_FORKED_H

#include <stdint.h>

/* Forks between the first process that used the library and this one; a run
 * remembers the number it was opened at. Read directly by the hot calls: one
 * load, where getpid would be a system call. */
extern uint32_t forked_generation;

/* Before forked_generation is first remembered. Any thread. */
void forked_watch(void);

#endif
