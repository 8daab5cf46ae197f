/*
 * model: an LSTM language model with truncated backpropagation through time.
 *
 *   embedding -> 1 or more LSTM layers -> linear -> softmax -> cross-entropy
 *
 * All parameters are one flat array and so is the gradient, which is all that
 * a measurement of the training needs to know about the model. The recurrent
 * state is an argument, never hidden inside: lstm_gradient is a function of
 * (parameters, batch), and computing the gradient of a batch again gives the
 * same bits, however often and in between whatever.
 */
#ifndef LSTM_MODEL_H
#define LSTM_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "examples/lstm/real.h"
#include "examples/common/rng.h"

struct lstm_shape {
    size_t vocab; /* tokens are 0 .. vocab-1; at most 256 */
    size_t width; /* of the embedding and of every layer's state */
    size_t layers;
    size_t batch; /* sequences side by side */
    size_t bptt;  /* steps in time of one batch */
};

/*
 * What one gradient is computed from. Token t of sequence b is at
 * [t * batch + b]; a target is the token that follows. state is what the
 * sequences left behind before the first token, lstm_state_size() numbers:
 * zeros at the start of a text.
 */
struct lstm_batch {
    const uint8_t *inputs;
    const uint8_t *targets;
    const real *state;
};

struct lstm;

size_t lstm_parameters(const struct lstm_shape *shape);
size_t lstm_state_size(const struct lstm_shape *shape);

/* Workspace for one gradient at a time. NULL: out of memory. */
struct lstm *lstm_new(const struct lstm_shape *shape);
void lstm_free(struct lstm *model);

/* Uniform draws: +-1/sqrt(width) in the recurrent layers, +-0.1 in embedding
 * and output, biases of the output 0. */
void lstm_init(
    const struct lstm_shape *shape, struct rng *rng, real *ret_param);

/*
 * The mean cross-entropy in nats per token, and its gradient in ret_grad.
 * ret_state, unless NULL, receives the state after the last token; it may be
 * the array that batch->state is.
 */
double lstm_gradient(struct lstm *model, const real *param,
    const struct lstm_batch *batch, real *ret_grad, real *ret_state);

#endif
