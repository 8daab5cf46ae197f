/*
 * wal_file: a VFS that gathers what SQLite writes to the write-ahead log.
 *
 * SQLite writes each page in two calls, 24 bytes and then 4096: some hundred
 * calls for a commit of a few dozen frames, a fifth of the writer's processor
 * time. Here they are copied into one buffer and written at once, in order.
 *
 * What SQLite relies on is kept: when a call returns that ends a commit, its
 * pages are in the file, for readers may look at them right after it; a sync
 * writes what is gathered first; a read sees what was written before it. A
 * write that fails is reported by the call that came to do it, which is one of
 * the same transaction, or the sync at its end.
 */
#ifndef TRAJD_WAL_FILE_H
#define TRAJD_WAL_FILE_H

/* Name for sqlite3_open_v2; registered by the first call. Its other files are
 * the default VFS's own. NULL: out of memory. Any thread. */
const char *wal_file_vfs(void);

#endif
