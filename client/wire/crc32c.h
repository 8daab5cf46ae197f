/* crc32c: the Castagnoli checksum (RFC 3720, B.4) of frames, spool records and
 * chunks. Check value: crc32c("123456789") = 0xe3069283. */
#ifndef TRAJ_CRC32C_H
#define TRAJ_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Pure; any thread. Uses the processor's instruction where there is one. */
uint32_t crc32c(const void *bytes, size_t n);

/* Of two runs of bytes, one after the other: crc is that of the first, 0 of
 * none. */
uint32_t crc32c_extend(uint32_t crc, const void *bytes, size_t n);

/* The same by table: what crc32c falls back to, and what tests hold it to. */
uint32_t crc32c_portable(const void *bytes, size_t n);

#endif
