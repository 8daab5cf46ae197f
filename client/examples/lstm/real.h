/*
 * real: the model's floating-point type. Training is in float; the gradient
 * check compiles the same sources with LSTM_REAL=double, where central
 * differences are good to 1e-9 instead of 1e-3. The mathematics is written
 * with <tgmath.h>, which follows the type.
 */
#ifndef LSTM_REAL_H
#define LSTM_REAL_H

#ifndef LSTM_REAL
#define LSTM_REAL float
#endif

typedef LSTM_REAL real;

#endif
