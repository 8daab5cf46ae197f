/* show_alerts: what was raised of a run, in `traj show`. */
#ifndef TRAJ_CLI_SHOW_ALERTS_H
#define TRAJ_CLI_SHOW_ALERTS_H

#include <cjson/cJSON.h>

/* alerts: the data of /runs/{id}/alerts. A line each; nothing for none. */
void print_alerts(const cJSON *alerts);

#endif
