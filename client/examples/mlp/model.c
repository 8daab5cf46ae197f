/* model: one thread at a time for each; the caller owns inputs and targets. */
#include "examples/mlp/model.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <tgmath.h>

/* ---- memory ------------------------------------------------------------- */

static bool allocate(struct mlp *m)
{
    bool good = true;
    size_t widest = 0;
    for (size_t l = 0; l < m->n_layers; l++) {
        size_t width = m->widths[l + 1];
        m->sizes[2 * l] = width * m->widths[l];
        m->sizes[2 * l + 1] = width;
        m->out[l + 1] = calloc(m->rows_max * width, sizeof(real));
        good = good && m->out[l + 1] != NULL;
        widest = width > widest ? width : widest;
    }
    for (size_t i = 0; i < m->n_arrays; i++) {
        m->param[i] = calloc(m->sizes[i], sizeof(real));
        m->grad[i] = calloc(m->sizes[i], sizeof(real));
        good = good && m->param[i] != NULL && m->grad[i] != NULL;
    }
    for (size_t i = 0; i < 2; i++) {
        m->delta[i] = calloc(m->rows_max * widest, sizeof(real));
        good = good && m->delta[i] != NULL;
    }
    return good;
}

struct mlp *mlp_new(
    size_t inputs, size_t hidden, size_t layers, size_t rows_max)
{
    struct mlp *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return NULL;
    }
    m->n_layers = layers;
    m->n_arrays = 2 * layers;
    m->rows_max = rows_max;
    for (size_t l = 1; l < layers; l++) {
        m->widths[l] = hidden;
    }
    m->widths[0] = inputs;
    m->widths[layers] = 1;
    if (!allocate(m)) {
        mlp_free(m);
        return NULL;
    }
    return m;
}

void mlp_free(struct mlp *model)
{
    if (model == NULL) {
        return;
    }
    for (size_t i = 0; i < model->n_arrays; i++) {
        free(model->param[i]);
        free(model->grad[i]);
    }
    for (size_t l = 1; l <= model->n_layers; l++) {
        free(model->out[l]);
    }
    free(model->delta[0]);
    free(model->delta[1]);
    free(model);
}

void mlp_init(struct mlp *model, struct rng *rng, double gain)
{
    for (size_t l = 0; l < model->n_layers; l++) {
        double bound = gain * sqrt(3 / (double)model->widths[l]);
        for (size_t i = 0; i < model->sizes[2 * l]; i++) {
            model->param[2 * l][i] = (real)rng_uniform(rng, -bound, bound);
        }
    }
}

/* ---- forward and back --------------------------------------------------- */

static void forward(
    const struct mlp *m, size_t l, size_t rows, const real *in, real *out)
{
    const size_t n_in = m->widths[l];
    const size_t n_out = m->widths[l + 1];
    const bool bend = l + 1 < m->n_layers;
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < n_out; j++) {
            const real *weight = m->param[2 * l] + j * n_in;
            real sum = m->param[2 * l + 1][j];
            for (size_t i = 0; i < n_in; i++) {
                sum += weight[i] * in[r * n_in + i];
            }
            out[r * n_out + j] = bend ? tanh(sum) : sum;
        }
    }
}

static void add_gradient(const struct mlp *m, size_t l, size_t rows,
    const real *in, const real *delta, real *const *grad)
{
    const size_t n_in = m->widths[l];
    const size_t n_out = m->widths[l + 1];
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < n_out; j++) {
            real d = delta[r * n_out + j];
            grad[2 * l + 1][j] += d;
            for (size_t i = 0; i < n_in; i++) {
                grad[2 * l][j * n_in + i] += d * in[r * n_in + i];
            }
        }
    }
}

/* From behind layer l to before it; in is what the layer before gave. */
static void back(const struct mlp *m, size_t l, size_t rows, const real *in,
    const real *delta, real *ret_delta)
{
    const size_t n_in = m->widths[l];
    const size_t n_out = m->widths[l + 1];
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n_in; i++) {
            real sum = 0;
            for (size_t j = 0; j < n_out; j++) {
                sum += m->param[2 * l][j * n_in + i] * delta[r * n_out + j];
            }
            real y = in[r * n_in + i];
            ret_delta[r * n_in + i] = sum * (1 - y * y);
        }
    }
}

double mlp_gradient(struct mlp *model, size_t rows, const real *inputs,
    const real *targets, real factor, real *const *ret_grad)
{
    const size_t last = model->n_layers - 1;
    for (size_t l = 0; l <= last; l++) {
        forward(
            model, l, rows, l > 0 ? model->out[l] : inputs, model->out[l + 1]);
    }
    double loss = 0;
    real *delta = model->delta[0];
    real *next = model->delta[1];
    for (size_t r = 0; r < rows; r++) {
        real miss = model->out[last + 1][r] - targets[r];
        loss += (double)miss * (double)miss / 2 / (double)rows;
        delta[r] = factor * miss / (real)rows;
    }
    for (size_t l = last + 1; l-- > 0;) {
        const real *in = l > 0 ? model->out[l] : inputs;
        add_gradient(model, l, rows, in, delta, ret_grad);
        if (l > 0) {
            back(model, l, rows, in, delta, next);
            real *swap = delta;
            delta = next;
            next = swap;
        }
    }
    return loss;
}
