/* figure: a number that may not have been measured. */
#ifndef TRAJD_FIGURE_H
#define TRAJD_FIGURE_H

#include <stdbool.h>

struct figure {
    bool has;
    double v; /* 0 where it has none */
};

#endif
