/* show_ranks: the processes of a run as a line of `traj show`. */
#ifndef TRAJ_CLI_SHOW_RANKS_H
#define TRAJ_CLI_SHOW_RANKS_H

#include <cjson/cJSON.h>

/* ranks: the data of /runs/{id}/ranks. One line, and one for each finding;
 * nothing for a run of one process without findings. */
void print_ranks(const cJSON *ranks);

#endif
