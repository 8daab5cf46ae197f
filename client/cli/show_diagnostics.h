/* show_diagnostics: the diagnostics of a run for people, in a few lines. */
#ifndef TRAJ_CLI_SHOW_DIAGNOSTICS_H
#define TRAJ_CLI_SHOW_DIAGNOSTICS_H

#include <cjson/cJSON.h>

/* data: of GET /diagnostics. Lines only of what was measured. */
void print_diagnostics(const cJSON *data);

#endif
