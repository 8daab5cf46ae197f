/* filesystem: where a file lies, as far as SQLite minds. Pure but for the
 * look. */
#ifndef TRAJD_FILESYSTEM_H
#define TRAJD_FILESYSTEM_H

/*
 * What kind of network file system this is ("NFS", say), or NULL. A
 * write-ahead log needs memory that all who have the database share, which
 * machines do not, and locks that hold, which on a network they may not.
 * type: f_type of statfs(2).
 */
const char *filesystem_network_name(unsigned long type);

/* Of the folder that the file is in, or is to be in. NULL: none, or unknown. */
const char *filesystem_network_of(const char *path);

#endif
