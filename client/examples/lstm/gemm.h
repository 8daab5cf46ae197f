/*
 * gemm: the one matrix product that the model is made of.
 */
#ifndef LSTM_GEMM_H
#define LSTM_GEMM_H

#include <stddef.h>

#include "examples/lstm/real.h"

/* A matrix of rows x depth whose element (i, k) is at[i * row + k * column]:
 * the two strides make a transpose free. */
struct gemm_left {
    const real *at;
    size_t row;
    size_t column;
};

/*
 * c += a b, with a of rows x depth, b of depth x columns and c of rows x
 * columns; b and c contiguous by rows, c apart from a and b. The order of
 * additions depends on the shape alone, so equal inputs give equal bits.
 */
void gemm(size_t rows, size_t columns, size_t depth, struct gemm_left a,
    const real *b, real *c);

/* to = from transposed; from is rows x columns, contiguous by rows. */
void gemm_transpose(size_t rows, size_t columns, const real *from, real *to);

#endif
