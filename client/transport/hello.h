/* hello: who a stream is, as the JSON of schema/wire.md. */
#ifndef TRAJ_TRANSPORT_HELLO_H
#define TRAJ_TRANSPORT_HELLO_H

#include <stdint.h>

#include "traj.h"
#include "transport/options.h"
#include "transport/text.h"

/* At most WIRE_HELLO_MAX bytes whatever the options: 128 KiB of config, 64 tags
 * of 603 bytes when all of it is escaped, 4096 groups of 157, and less than
 * 8 KiB of other texts. Into *ret_json, which the caller gives to text_done,
 * whatever is returned. */
TRAJ_CHECK enum traj_status hello_make(
    const struct options *options, uint32_t attempt, struct text *ret_json);

/* hello.json of the folder, written so that it is whole or not there. */
TRAJ_CHECK enum traj_status hello_write(int dir_fd, const struct text *json);

/* At most WIRE_HELLO_MAX bytes; *ret_json as for hello_make. */
TRAJ_CHECK enum traj_status hello_read(int dir_fd, struct text *ret_json);

#endif
