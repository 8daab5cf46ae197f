/*
 * model: a multilayer perceptron, tanh in between and one linear output,
 * with the loss mean (output - target)^2 / 2.
 *
 * Every layer has its arrays for itself, W1, b1, W2, b2, ..., each allocated
 * alone, as most trainers have them: array 2l is the weight of layer l,
 * [output * inputs + input], array 2l + 1 its bias. A gradient is a list of
 * arrays of the same sizes. The activations are workspace and no state.
 */
#ifndef MLP_MODEL_H
#define MLP_MODEL_H

#include <stddef.h>

#include "examples/common/rng.h"
#include "examples/mlp/real.h"

enum { MLP_LAYERS_MAX = 16, MLP_ARRAYS_MAX = 2 * MLP_LAYERS_MAX };

struct mlp {
    size_t n_layers;
    size_t widths[MLP_LAYERS_MAX + 1]; /* of the input, ..., of the output */
    size_t rows_max;
    size_t n_arrays; /* 2 n_layers */
    size_t sizes[MLP_ARRAYS_MAX];
    real *param[MLP_ARRAYS_MAX];
    real *grad[MLP_ARRAYS_MAX];
    real *out[MLP_LAYERS_MAX + 1]; /* of each layer; out[0] is not used */
    real *delta[2];                /* dloss/d(what goes into the tanh) */
};

/* inputs -> hidden, layers - 1 times -> 1; for at most rows_max rows at a
 * time. NULL: out of memory. */
struct mlp *mlp_new(
    size_t inputs, size_t hidden, size_t layers, size_t rows_max);
void mlp_free(struct mlp *model);

/* Weights uniform within +-gain sqrt(3 / inputs of the layer), biases 0. */
void mlp_init(struct mlp *model, struct rng *rng, double gain);

/* The loss of these rows; adds factor times its gradient to the arrays of
 * ret_grad, which may be model->grad. */
double mlp_gradient(struct mlp *model, size_t rows, const real *inputs,
    const real *targets, real factor, real *const *ret_grad);

#endif
