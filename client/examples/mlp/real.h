/*
 * real: the model's floating-point type. Training is in float; the gradient
 * check compiles the same sources with MLP_REAL=double.
 */
#ifndef MLP_REAL_H
#define MLP_REAL_H

#ifndef MLP_REAL
#define MLP_REAL float
#endif

typedef MLP_REAL real;

#endif
