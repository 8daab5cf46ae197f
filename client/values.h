/* values: the bits behind traj_unset, for code that compares bits only. */
#ifndef TRAJ_VALUES_H
#define TRAJ_VALUES_H

/* A quiet NaN whose payload spells "trjuns": processors make NaNs with an
 * empty payload, and the sign of a made one is no matter here. */
#define TRAJ_UNSET_BITS 0x7ff874726a756e73u

#endif
