/* Prints the norm and the dual norm of a matrix from standard input, for the
 * oracle: norms NORM DTYPE ROWS COLS, with the numbers that traj.h has. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "traj.h"

int main(int argc, char **argv)
{
    if (argc != 5) {
        return 2;
    }
    const enum traj_norm norm = (enum traj_norm)strtol(argv[1], NULL, 10);
    const enum traj_dtype dtype = (enum traj_dtype)strtol(argv[2], NULL, 10);
    const uint64_t rows = strtoull(argv[3], NULL, 10);
    const uint64_t cols = strtoull(argv[4], NULL, 10);
    const size_t bytes = (size_t)(rows * cols) * sizeof(double);
    void *values = malloc(bytes + 1);
    double value, dual;
    if (values == NULL || fread(values, 1, bytes, stdin) == 0 ||
        traj_norm(norm, dtype, rows, cols, values, NULL, &value) != TRAJ_OK ||
        traj_dual_norm(norm, dtype, rows, cols, values, NULL, &dual) !=
            TRAJ_OK) {
        (void)fprintf(stderr, "norms: %s\n", traj_last_error());
        return 1;
    }
    (void)printf("%a %a\n", value, dual);
    free(values);
    return 0;
}
