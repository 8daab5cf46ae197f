/* version: which library is loaded. */
#include "traj.h"

const char *traj_version(void)
{
    return TRAJ_BUILD_VERSION;
}
