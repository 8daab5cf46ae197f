/*
 * The matrix product, in tiles that stay in registers: TILE_ROWS x
 * TILE_COLUMNS sums are kept while k runs over the depth, so that each load
 * feeds several multiplications. The tile's loops have constant bounds:
 * gcc -O2 vectorises only loops it can vectorise whole. No state; any thread.
 */
#include "examples/lstm/gemm.h"

enum { TILE_ROWS = 4, TILE_COLUMNS = 8 };

/* A full tile of c. */
static void tile(size_t columns, size_t depth, struct gemm_left a,
    const real *restrict b, real *restrict c)
{
    real sum[TILE_ROWS][TILE_COLUMNS] = { { 0 } };

    for (size_t k = 0; k < depth; k++) {
        for (int i = 0; i < TILE_ROWS; i++) {
            real factor = a.at[(size_t)i * a.row + k * a.column];
            for (int j = 0; j < TILE_COLUMNS; j++) {
                sum[i][j] += factor * b[k * columns + (size_t)j];
            }
        }
    }
    for (int i = 0; i < TILE_ROWS; i++) {
        for (int j = 0; j < TILE_COLUMNS; j++) {
            c[(size_t)i * columns + (size_t)j] += sum[i][j];
        }
    }
}

/* What is left at the edges: one element of c. */
static void element(size_t columns, size_t depth, struct gemm_left a,
    const real *restrict b, real *restrict c)
{
    real sum = 0;
    for (size_t k = 0; k < depth; k++) {
        sum += a.at[k * a.column] * b[k * columns];
    }
    *c += sum;
}

static void strip(size_t columns, size_t depth, struct gemm_left a,
    const real *b, real *c, size_t from)
{
    for (size_t i = 0; i < TILE_ROWS; i++) {
        struct gemm_left row = { a.at + i * a.row, a.row, a.column };
        for (size_t j = from; j < columns; j++) {
            element(columns, depth, row, b + j, c + i * columns + j);
        }
    }
}

void gemm(size_t rows, size_t columns, size_t depth, struct gemm_left a,
    const real *b, real *c)
{
    size_t tiled_rows = rows - rows % TILE_ROWS;
    size_t tiled_columns = columns - columns % TILE_COLUMNS;

    for (size_t i = 0; i < tiled_rows; i += TILE_ROWS) {
        struct gemm_left rows_a = { a.at + i * a.row, a.row, a.column };
        for (size_t j = 0; j < tiled_columns; j += TILE_COLUMNS) {
            tile(columns, depth, rows_a, b + j, c + i * columns + j);
        }
        strip(columns, depth, rows_a, b, c + i * columns, tiled_columns);
    }
    for (size_t i = tiled_rows; i < rows; i++) {
        struct gemm_left row = { a.at + i * a.row, a.row, a.column };
        for (size_t j = 0; j < columns; j++) {
            element(columns, depth, row, b + j, c + i * columns + j);
        }
    }
}

void gemm_transpose(size_t rows, size_t columns, const real *from, real *to)
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            to[j * rows + i] = from[i * columns + j];
        }
    }
}
