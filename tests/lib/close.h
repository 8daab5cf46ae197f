/* close: doubles that are equal but for rounding. */
#ifndef TRAJD_TEST_CLOSE_H
#define TRAJD_TEST_CLOSE_H

#include <math.h>

/* After cmocka.h. Within tolerance of what is expected, relatively. */
static inline void assert_close(double value, double expected, double tolerance)
{
    assert_true(fabs(value - expected) <= tolerance * fabs(expected));
}

#endif
