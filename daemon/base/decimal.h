/*
 * decimal: the shortest decimal that reads back as a double. Exact, free of
 * the locale, and some twenty times as fast as trying printf and strtod.
 */
#ifndef TRAJD_DECIMAL_H
#define TRAJD_DECIMAL_H

#include <stddef.h>

#define DECIMAL_MAX 32 /* bytes that decimal_write may write */

/*
 * Writes a finite value and returns the number of bytes (no terminator):
 * "0.1", "-0", "12345678", "1e-07", "1.7976931348623157e+308". Of all decimals
 * with the fewest digits that read back to the same bits, the nearest. Any
 * thread.
 */
size_t decimal_write(double value, char out[static DECIMAL_MAX]);

#endif
