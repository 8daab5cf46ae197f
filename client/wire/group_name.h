/* group_name: what a group may be called. The trainer's side refuses a name
 * before it is spooled, the daemon's when it comes. */
#ifndef TRAJ_WIRE_GROUP_NAME_H
#define TRAJ_WIRE_GROUP_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* 1..64 bytes without control characters (C0, DEL, C1), " and \: a name is
 * shown, and put into tables and file names, by others. p is UTF-8. */
bool wire_is_group_name(const char *p, size_t n);

#endif
