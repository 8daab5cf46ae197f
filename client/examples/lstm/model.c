/*
 * The LSTM of model.h (Hochreiter and Schmidhuber 1997, with forget gates).
 * For layer input x_t, state h_{t-1}, c_{t-1} and gate sums
 *
 *   [i f o g]_t = x_t Wx + h_{t-1} Wh + b
 *   c_t = sigm(f) c_{t-1} + sigm(i) tanh(g),   h_t = sigm(o) tanh(c_t)
 *
 * Rows are (time, sequence) pairs, so that the products with Wx, with the
 * output matrix, and those of the weight gradients are one gemm over the whole
 * batch; only the recurrent product goes step by step.
 *
 * Invariants:
 *  1. lstm_gradient writes every element of the workspace before it reads it:
 *     nothing of an earlier call can be seen in a later one.
 *  2. gates holds [i f o g] after forward and the gradient of their sums after
 *     backward: backward of a layer consumes it.
 */
#include "examples/lstm/model.h"

#include <stdlib.h>
#include <string.h>
#include <tgmath.h>

#include "examples/lstm/gemm.h"

enum { GATES = 4, GATE_I = 0, GATE_F, GATE_O, GATE_G };

/* Of one layer, for all rows. h and c start with the state before the batch:
 * rows of the past are those without an offset, rows of now lie one batch
 * further. */
struct layer {
    real *gates;  /* rows x 4 width */
    real *h;      /* (rows + batch) x width */
    real *c;      /* (rows + batch) x width */
    real *tanh_c; /* rows x width */
};

struct lstm {
    struct lstm_shape shape;
    size_t rows; /* bptt * batch */
    real *memory;
    real *embedded;   /* rows x width */
    real *logits;     /* rows x vocab; later their gradient */
    real *dh;         /* rows x width: gradient of a layer's output */
    real *dh_past;    /* batch x width: what flows back in time */
    real *dc;         /* batch x width */
    real *transposed; /* a weight matrix, the largest */
    struct layer *layers;
};

/* Where a layer's weights lie in the flat array. */
struct weights {
    size_t x; /* width x 4 width */
    size_t h; /* width x 4 width */
    size_t b; /* 4 width */
};

static struct weights weights_of(const struct lstm_shape *shape, size_t layer)
{
    size_t square = GATES * shape->width * shape->width;
    size_t start = shape->vocab * shape->width +
                   layer * (2 * square + GATES * shape->width);
    return (struct weights){ start, start + square, start + 2 * square };
}

/* The output matrix, width x vocab; its bias follows. */
static size_t output_of(const struct lstm_shape *shape)
{
    return weights_of(shape, shape->layers).x;
}

size_t lstm_parameters(const struct lstm_shape *shape)
{
    return output_of(shape) + (shape->width + 1) * shape->vocab;
}

size_t lstm_state_size(const struct lstm_shape *shape)
{
    return 2 * shape->layers * shape->batch * shape->width;
}

/* ---- workspace ---------------------------------------------------------- */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static real *take(real **from, size_t n)
{
    real *taken = *from;
    *from += n;
    return taken;
}

static void lay_out(struct lstm *model)
{
    const struct lstm_shape *s = &model->shape;
    size_t state = s->batch * s->width;
    size_t all = model->rows * s->width;
    real *rest = model->memory;

    model->embedded = take(&rest, all);
    model->logits = take(&rest, model->rows * s->vocab);
    model->dh = take(&rest, all);
    model->dh_past = take(&rest, state);
    model->dc = take(&rest, state);
    model->transposed =
        take(&rest, s->width * larger(GATES * s->width, s->vocab));
    for (size_t l = 0; l < s->layers; l++) {
        model->layers[l].gates = take(&rest, GATES * all);
        model->layers[l].h = take(&rest, all + state);
        model->layers[l].c = take(&rest, all + state);
        model->layers[l].tanh_c = take(&rest, all);
    }
}

static size_t workspace_size(const struct lstm_shape *s)
{
    size_t state = s->batch * s->width;
    size_t all = s->bptt * state;
    return 2 * all + s->bptt * s->batch * s->vocab + 2 * state +
           s->width * larger(GATES * s->width, s->vocab) +
           s->layers * ((GATES + 3) * all + 2 * state);
}

struct lstm *lstm_new(const struct lstm_shape *shape)
{
    struct lstm *model = calloc(1, sizeof *model);
    if (model == NULL) {
        return NULL;
    }
    model->shape = *shape;
    model->rows = shape->bptt * shape->batch;
    model->layers = calloc(shape->layers, sizeof *model->layers);
    model->memory = calloc(workspace_size(shape), sizeof *model->memory);
    if (model->layers == NULL || model->memory == NULL) {
        lstm_free(model);
        return NULL;
    }
    lay_out(model);
    return model;
}

void lstm_free(struct lstm *model)
{
    if (model == NULL) {
        return;
    }
    free(model->memory);
    free(model->layers);
    free(model);
}

static void draw(struct rng *rng, real *to, size_t n, double bound)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = (real)rng_uniform(rng, -bound, bound);
    }
}

void lstm_init(const struct lstm_shape *shape, struct rng *rng, real *ret_param)
{
    size_t first = weights_of(shape, 0).x;
    size_t output = output_of(shape);
    size_t matrix = shape->width * shape->vocab;

    draw(rng, ret_param, first, 0.1);
    draw(
        rng, ret_param + first, output - first, 1 / sqrt((double)shape->width));
    draw(rng, ret_param + output, matrix, 0.1);
    memset(ret_param + output + matrix, 0, shape->vocab * sizeof *ret_param);
}

/* ---- forward ------------------------------------------------------------ */

static struct gemm_left plain(const real *at, size_t columns)
{
    return (struct gemm_left){ at, columns, 1 };
}

static struct gemm_left transposed(const real *at, size_t columns)
{
    return (struct gemm_left){ at, 1, columns };
}

static real sigmoid(real x)
{
    return 1 / (1 + exp(-x));
}

static void embed(struct lstm *model, const real *param, const uint8_t *inputs)
{
    size_t width = model->shape.width;
    for (size_t row = 0; row < model->rows; row++) {
        memcpy(model->embedded + row * width, param + inputs[row] * width,
            width * sizeof *param);
    }
}

/* Each row of to becomes bias. */
static void fill_rows(real *to, size_t rows, const real *bias, size_t columns)
{
    for (size_t row = 0; row < rows; row++) {
        memcpy(to + row * columns, bias, columns * sizeof *to);
    }
}

/* The cell of one row: gate sums become gates, and c and h of now. */
static void cell_forward(size_t width, real *gates, const real *c_past, real *c,
    real *tanh_c, real *h)
{
    for (size_t j = 0; j < width; j++) {
        real *i = &gates[GATE_I * width + j];
        real *f = &gates[GATE_F * width + j];
        real *o = &gates[GATE_O * width + j];
        real *g = &gates[GATE_G * width + j];
        *i = sigmoid(*i);
        *f = sigmoid(*f);
        *o = sigmoid(*o);
        *g = tanh(*g);
        c[j] = *f * c_past[j] + *i * *g;
        tanh_c[j] = tanh(c[j]);
        h[j] = *o * tanh_c[j];
    }
}

static void layer_forward(
    struct lstm *model, size_t l, const real *param, const real *input)
{
    size_t width = model->shape.width;
    size_t batch = model->shape.batch;
    size_t sums = GATES * width;
    size_t past = batch * width;
    struct weights w = weights_of(&model->shape, l);
    struct layer *layer = &model->layers[l];

    fill_rows(layer->gates, model->rows, param + w.b, sums);
    gemm(model->rows, sums, width, plain(input, width), param + w.x,
        layer->gates);
    for (size_t row = 0; row < model->rows; row += batch) {
        gemm(batch, sums, width, plain(layer->h + row * width, width),
            param + w.h, layer->gates + row * sums);
        for (size_t r = row; r < row + batch; r++) {
            size_t at = r * width;
            cell_forward(width, layer->gates + r * sums, layer->c + at,
                layer->c + past + at, layer->tanh_c + at, layer->h + past + at);
        }
    }
}

/* The loss of one row in nats; logits become d loss / d logits. */
static double softmax_loss(
    real *logits, size_t vocab, uint8_t target, real weight)
{
    real highest = logits[0];
    for (size_t v = 1; v < vocab; v++) {
        highest = logits[v] > highest ? logits[v] : highest;
    }
    double shifted_target = (double)(logits[target] - highest);
    logits[0] = exp(logits[0] - highest);
    real sum = logits[0];
    for (size_t v = 1; v < vocab; v++) {
        logits[v] = exp(logits[v] - highest);
        sum += logits[v];
    }
    for (size_t v = 0; v < vocab; v++) {
        logits[v] *= weight / sum;
    }
    logits[target] -= weight;
    return log((double)sum) - shifted_target;
}

/* What a layer above, or the output, sees of a layer: its h from now on. */
static const real *output_h(const struct lstm *model, size_t l)
{
    return model->layers[l].h + model->shape.batch * model->shape.width;
}

static double output_forward(
    struct lstm *model, const real *param, const uint8_t *targets)
{
    const struct lstm_shape *s = &model->shape;
    size_t output = output_of(s);
    real weight = 1 / (real)model->rows;
    double loss = 0;

    fill_rows(model->logits, model->rows, param + output + s->width * s->vocab,
        s->vocab);
    gemm(model->rows, s->vocab, s->width,
        plain(output_h(model, s->layers - 1), s->width), param + output,
        model->logits);
    for (size_t row = 0; row < model->rows; row++) {
        loss += softmax_loss(
            model->logits + row * s->vocab, s->vocab, targets[row], weight);
    }
    return loss / (double)model->rows;
}

/* ---- backward ----------------------------------------------------------- */

static void zero(real *at, size_t n)
{
    memset(at, 0, n * sizeof *at);
}

static void add_rows(real *to, const real *from, size_t rows, size_t columns)
{
    for (size_t row = 0; row < rows; row++) {
        for (size_t j = 0; j < columns; j++) {
            to[j] += from[row * columns + j];
        }
    }
}

static void output_backward(struct lstm *model, const real *param, real *grad)
{
    const struct lstm_shape *s = &model->shape;
    size_t output = output_of(s);

    gemm(s->width, s->vocab, model->rows,
        transposed(output_h(model, s->layers - 1), s->width), model->logits,
        grad + output);
    add_rows(grad + output + s->width * s->vocab, model->logits, model->rows,
        s->vocab);

    gemm_transpose(s->width, s->vocab, param + output, model->transposed);
    zero(model->dh, model->rows * s->width);
    gemm(model->rows, s->width, s->vocab, plain(model->logits, s->vocab),
        model->transposed, model->dh);
}

/* The cell of one row: gates become the gradient of their sums, dc goes from
 * now to the past. */
static void cell_backward(size_t width, real *gates, const real *c_past,
    const real *tanh_c, const real *dh, const real *dh_past, real *dc)
{
    for (size_t j = 0; j < width; j++) {
        real i = gates[GATE_I * width + j];
        real f = gates[GATE_F * width + j];
        real o = gates[GATE_O * width + j];
        real g = gates[GATE_G * width + j];
        real dout = dh[j] + dh_past[j];
        real dcell = dc[j] + dout * o * (1 - tanh_c[j] * tanh_c[j]);
        gates[GATE_I * width + j] = dcell * g * i * (1 - i);
        gates[GATE_F * width + j] = dcell * c_past[j] * f * (1 - f);
        gates[GATE_O * width + j] = dout * tanh_c[j] * o * (1 - o);
        gates[GATE_G * width + j] = dcell * i * (1 - g * g);
        dc[j] = dcell * f;
    }
}

/* Back through time: the gates of all rows become gradients. */
static void layer_backward_in_time(
    struct lstm *model, size_t l, const real *param)
{
    size_t width = model->shape.width;
    size_t batch = model->shape.batch;
    size_t sums = GATES * width;
    struct layer *layer = &model->layers[l];

    gemm_transpose(
        width, sums, param + weights_of(&model->shape, l).h, model->transposed);
    zero(model->dh_past, batch * width);
    zero(model->dc, batch * width);
    for (size_t row = model->rows; row > 0; row -= batch) {
        size_t first = row - batch;
        for (size_t b = 0; b < batch; b++) {
            size_t at = (first + b) * width;
            cell_backward(width, layer->gates + (first + b) * sums,
                layer->c + at, layer->tanh_c + at, model->dh + at,
                model->dh_past + b * width, model->dc + b * width);
        }
        zero(model->dh_past, batch * width);
        gemm(batch, width, sums, plain(layer->gates + first * sums, sums),
            model->transposed, model->dh_past);
    }
}

/* dh, the gradient of the layer's output, becomes that of its input. */
static void layer_backward(struct lstm *model, size_t l, const real *param,
    const real *input, real *grad)
{
    size_t width = model->shape.width;
    size_t sums = GATES * width;
    struct weights w = weights_of(&model->shape, l);
    struct layer *layer = &model->layers[l];

    layer_backward_in_time(model, l, param);
    gemm(width, sums, model->rows, transposed(input, width), layer->gates,
        grad + w.x);
    gemm(width, sums, model->rows, transposed(layer->h, width), layer->gates,
        grad + w.h);
    add_rows(grad + w.b, layer->gates, model->rows, sums);

    gemm_transpose(width, sums, param + w.x, model->transposed);
    zero(model->dh, model->rows * width);
    gemm(model->rows, width, sums, plain(layer->gates, sums), model->transposed,
        model->dh);
}

static void embed_backward(
    const struct lstm *model, const uint8_t *inputs, real *grad)
{
    size_t width = model->shape.width;
    for (size_t row = 0; row < model->rows; row++) {
        add_rows(grad + inputs[row] * width, model->dh + row * width, 1, width);
    }
}

/* ---- both --------------------------------------------------------------- */

/* State of all layers: h then c of each, batch x width numbers. */
static void load_state(struct lstm *model, const real *state)
{
    size_t n = model->shape.batch * model->shape.width;
    for (size_t l = 0; l < model->shape.layers; l++) {
        memcpy(model->layers[l].h, state + 2 * l * n, n * sizeof *state);
        memcpy(model->layers[l].c, state + (2 * l + 1) * n, n * sizeof *state);
    }
}

static void save_state(const struct lstm *model, real *ret_state)
{
    size_t n = model->shape.batch * model->shape.width;
    size_t last = model->rows * model->shape.width;
    for (size_t l = 0; l < model->shape.layers; l++) {
        memcpy(ret_state + 2 * l * n, model->layers[l].h + last,
            n * sizeof *ret_state);
        memcpy(ret_state + (2 * l + 1) * n, model->layers[l].c + last,
            n * sizeof *ret_state);
    }
}

static const real *input_of(const struct lstm *model, size_t l)
{
    return l == 0 ? model->embedded : output_h(model, l - 1);
}

double lstm_gradient(struct lstm *model, const real *param,
    const struct lstm_batch *batch, real *ret_grad, real *ret_state)
{
    load_state(model, batch->state);
    embed(model, param, batch->inputs);
    for (size_t l = 0; l < model->shape.layers; l++) {
        layer_forward(model, l, param, input_of(model, l));
    }
    double loss = output_forward(model, param, batch->targets);

    zero(ret_grad, lstm_parameters(&model->shape));
    output_backward(model, param, ret_grad);
    for (size_t l = model->shape.layers; l-- > 0;) {
        layer_backward(model, l, param, input_of(model, l), ret_grad);
    }
    embed_backward(model, batch->inputs, ret_grad);
    if (ret_state != NULL) {
        save_state(model, ret_state);
    }
    return loss;
}
