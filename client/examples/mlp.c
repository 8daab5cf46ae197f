/*
 * mlp: trains a multilayer perceptron on a table of numbers. Shows how to
 * watch a trainer whose layers have arrays of their own, one by one and all
 * together, with what real training loops have: gradients accumulated over
 * microbatches, clipping, momentum, a loss scale that is halved at an
 * overflow, and several ranks.
 *
 *   cc -I.. mlp.c mlp/x.c common/x.c $(pkg-config --cflags --libs traj) -lm
 *                                                       (x.c: all there)
 *
 * What libtraj needs is in three places: hook_open, train_step and hook_close.
 * Invariant: what is printed is the same, digit for digit, with measuring and
 * with --no-watch, where no function of libtraj is called.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/common/rng.h"
#include "examples/mlp/model.h"
#include "examples/mlp/options.h"
#include "examples/mlp/table.h"
#include "traj.h"

struct trainer {
    struct options options;
    struct table table;
    size_t target; /* the column */
    struct mlp *model;
    real *velocity[MLP_ARRAYS_MAX];
    struct rng rng;
    size_t *order; /* of the rows in this epoch */
    size_t taken;  /* of them */
    real *inputs;  /* of the batch */
    real *targets;
    double loss_scale;
    /* What is watched: all arrays, or with --shard this rank's part of each. */
    char names[MLP_LAYERS_MAX][24];
    struct traj_group groups[MLP_LAYERS_MAX + 1]; /* W1, W2, .., biases */
    struct traj_watch_segment segments[MLP_ARRAYS_MAX];
    size_t n_segments;
    traj_run *run;     /* NULL: nothing is recorded */
    traj_watch *watch; /* NULL: nothing is measured */
};

/* Measuring is no reason to stop training: tell, and go on. */
static void check(enum traj_status status)
{
    if (status != TRAJ_OK) {
        (void)fprintf(
            stderr, "mlp: %s. %s\n", traj_strerror(status), traj_last_error());
    }
}

/* ---- the gradient ------------------------------------------------------- */

/* The next batch rows of the shuffled table; a short rest is left out. */
static void take_batch(struct trainer *t)
{
    const size_t batch = (size_t)t->options.batch;
    const size_t columns = t->table.columns;
    if (t->taken + batch > t->table.rows) {
        t->taken = 0;
        for (size_t i = t->table.rows - 1; i > 0; i--) {
            size_t other = (size_t)(rng_next(&t->rng) % (i + 1));
            size_t kept = t->order[i];
            t->order[i] = t->order[other];
            t->order[other] = kept;
        }
    }
    real *input = t->inputs;
    for (size_t r = 0; r < batch; r++) {
        const double *row = t->table.values + t->order[t->taken + r] * columns;
        t->targets[r] = (real)row[t->target];
        for (size_t i = 0; i < columns; i++) {
            if (i != t->target) {
                *input++ = (real)row[i];
            }
        }
    }
    t->taken += batch;
}

/* Adds factor times the gradient of microbatch k's mean loss. */
static double add_micro(
    struct trainer *t, uint64_t k, double factor, real *const *grad)
{
    const size_t rows = (size_t)(t->options.batch / t->options.micro);
    const size_t first = (size_t)k * rows;
    return mlp_gradient(t->model, rows, t->inputs + first * t->model->widths[0],
        t->targets + first, (real)factor, grad);
}

static void zero(const struct mlp *m, real *const *grad)
{
    for (size_t i = 0; i < m->n_arrays; i++) {
        memset(grad[i], 0, m->sizes[i] * sizeof(real));
    }
}

static void multiply(const struct mlp *m, real factor, real *const *at)
{
    for (size_t i = 0; i < m->n_arrays; i++) {
        for (size_t j = 0; j < m->sizes[i]; j++) {
            at[i][j] *= factor;
        }
    }
}

/* Of the mean loss over the batch. The scaled loss is for backpropagation
 * only: what leaves here is unscaled, for the optimizer and for the watch. */
static double batch_gradient(struct trainer *t, real *const *grad)
{
    const double share = 1 / (double)t->options.micro;
    double loss = 0;
    zero(t->model, grad);
    for (uint64_t k = 0; k < t->options.micro; k++) {
        loss += share * add_micro(t, k, t->loss_scale * share, grad);
    }
    multiply(t->model, (real)(1 / t->loss_scale), grad);
    return loss;
}

static double square_of(const struct mlp *m, real *const *at)
{
    double sum = 0;
    for (size_t i = 0; i < m->n_arrays; i++) {
        for (size_t j = 0; j < m->sizes[i]; j++) {
            sum += (double)at[i][j] * (double)at[i][j];
        }
    }
    return sum;
}

/* ---- the hook ----------------------------------------------------------- */

/* With several arrays, ret_grad is one array per segment. */
static int gradient_again(void *context, void *ret_grad, double *ret_loss)
{
    *ret_loss = batch_gradient(context, (real *const *)ret_grad);
    return 0;
}

static int micro_gradient(
    void *context, uint32_t k, void *ret_grad, double *ret_loss)
{
    struct trainer *t = context;
    real *const *grad = ret_grad;
    zero(t->model, grad);
    *ret_loss = add_micro(t, k, 1, grad);
    return 0;
}

/* Elements from..to of array i belong to this rank. A shard never is a
 * matrix, so it has neither rows nor cols. */
static void watch_array(struct trainer *t, size_t i)
{
    const struct options *o = &t->options;
    const struct mlp *m = t->model;
    const size_t layer = i / 2;
    const bool bias = i % 2 == 1;
    const size_t from =
        o->shard ? (size_t)(m->sizes[i] * o->rank / o->ranks) : 0;
    const size_t to = o->shard
                          ? (size_t)(m->sizes[i] * (o->rank + 1) / o->ranks)
                          : m->sizes[i];
    struct traj_group *group = &t->groups[bias ? m->n_layers : layer];
    group->size += to - from;
    if (bias) {
        group->name = "biases";
    } else {
        (void)snprintf(
            t->names[layer], sizeof t->names[layer], "W%zu", layer + 1);
        group->name = t->names[layer];
        group->norm = (enum traj_norm)o->norm;
        group->rows = o->shard ? 0 : (uint32_t)m->widths[layer + 1];
        group->cols = o->shard ? 0 : (uint32_t)m->widths[layer];
    }
    if (to > from) {
        t->segments[t->n_segments++] = (struct traj_watch_segment){
            .dtype = sizeof(real) == sizeof(double) ? TRAJ_F64 : TRAJ_F32,
            .n = to - from,
            .param = m->param[i] + from,
            .grad = m->grad[i] + from,
            .group = (uint32_t)(bias ? m->n_layers : layer) + 1,
        };
    }
}

static void open_run(struct trainer *t)
{
    const struct options *o = &t->options;
    struct traj_options options = TRAJ_OPTIONS_INIT;
    options.project = o->project;
    options.name = o->name;
    options.run_id = o->run_id;
    options.optimizer = o->optimizer == OPTIMIZER_SGD ? "sgd" : "heavy-ball";
    options.rank = (uint32_t)o->rank;
    options.world = (uint32_t)o->ranks;
    options.groups = t->groups;
    options.n_groups = (uint32_t)t->model->n_layers + 1;
    check(traj_open(&options, &t->run));
}

/* A probe moves what is watched; moving a shard alone would measure another
 * function's smoothness, so a shard has moments only. */
static void choose_probes(struct trainer *t, struct traj_watch_options *options)
{
    const struct options *o = &t->options;
    options->different_every = UINT32_MAX;
    if (o->shard || o->probe_every == 0) {
        return;
    }
    options->probe_every = (uint32_t)o->probe_every;
    options->check_idempotence = 1;
    options->gradient = gradient_again;
    options->batch_samples = o->batch;
    options->sharpness_every =
        o->sharpness_every > 0 ? (uint32_t)o->sharpness_every : UINT32_MAX;
    if (o->unbiased) {
        options->estimator = TRAJ_ESTIMATOR_MICROBATCH;
        options->micro_gradient = micro_gradient;
        options->micro_batches = (uint32_t)o->micro;
        options->batch_samples = o->batch / o->micro;
    }
}

static void hook_open(struct trainer *t)
{
    if (t->options.no_watch) {
        return;
    }
    for (size_t i = 0; i < t->model->n_arrays; i++) {
        watch_array(t, i);
    }
    open_run(t);
    struct traj_watch_options options = TRAJ_WATCH_INIT;
    options.segments = t->segments;
    options.n_segments = t->n_segments;
    options.groups = t->groups;
    options.n_groups = (uint32_t)t->model->n_layers + 1;
    options.context = t;
    choose_probes(t, &options);
    check(traj_watch_open(t->run, &options, &t->watch));
}

static void hook_close(struct trainer *t, int exit_code)
{
    traj_watch_close(t->watch);
    if (t->run != NULL) {
        check(traj_finish(t->run, exit_code, 0));
    }
}

static void describe(
    const struct trainer *t, uint64_t k, double loss, struct traj_step *step)
{
    const struct options *o = &t->options;
    traj_step_init(step);
    step->step = k;
    step->loss = loss;
    step->lr = o->lr;
    step->stage = TRAJ_STAGE_UNSCALED;
    step->loss_scale = t->loss_scale;
    step->micro_batches = o->micro;
    step->batch_samples = o->batch;
    step->samples = (k + 1) * o->batch;
    step->combine = o->ranks == 1 ? TRAJ_COMBINE_NONE
                    : o->shard    ? TRAJ_COMBINE_SHARD
                                  : TRAJ_COMBINE_REPLICA;
    if (o->optimizer == OPTIMIZER_HEAVY_BALL) {
        step->momentum = o->momentum;
    }
    if (o->clip > 0) {
        step->clip_threshold = o->clip;
    }
}

/* ---- training ----------------------------------------------------------- */

static void update(struct trainer *t)
{
    const struct options *o = &t->options;
    const struct mlp *m = t->model;
    const real lr = (real)o->lr;
    const real momentum =
        o->optimizer == OPTIMIZER_HEAVY_BALL ? (real)o->momentum : 0;
    for (size_t i = 0; i < m->n_arrays; i++) {
        for (size_t j = 0; j < m->sizes[i]; j++) {
            real v = momentum * t->velocity[i][j] + m->grad[i][j];
            t->velocity[i][j] = v;
            m->param[i][j] -= lr * v;
        }
    }
}

/* One update, or with a gradient that overflowed none and a smaller scale. */
static double train_step(struct trainer *t, uint64_t k, double *ret_norm)
{
    const struct options *o = &t->options;
    take_batch(t);
    double loss = batch_gradient(t, t->model->grad);
    double norm = sqrt(square_of(t->model, t->model->grad));
    bool overflow = !isfinite(norm) && t->loss_scale > 1;

    struct traj_step step;
    if (t->watch != NULL) { /* ready, not clipped, not applied */
        describe(t, k, loss, &step);
        step.flags |= overflow ? TRAJ_STEP_FOUND_INF | TRAJ_STEP_SKIPPED : 0;
        check(traj_before_update(t->watch, &step));
    }
    if (o->clip > 0 && norm > o->clip) {
        multiply(t->model, (real)(o->clip / norm), t->model->grad);
    }
    if (overflow) {
        t->loss_scale /= 2;
    } else {
        update(t);
    }
    if (t->watch != NULL) {
        check(traj_after_update(t->watch, &step));
    }
    *ret_norm = overflow ? 0 : norm;
    return loss;
}

static int train(struct trainer *t)
{
    const struct options *o = &t->options;
    for (uint64_t k = 0; k < o->steps; k++) {
        double norm = 0;
        double loss = train_step(t, k, &norm);
        bool finite = isfinite(loss) && isfinite(norm);
        if (k % o->print_every == 0 || k + 1 == o->steps || !finite) {
            (void)printf("step %" PRIu64 " loss %.9g %a grad_norm %.9g %a\n", k,
                loss, loss, norm, norm);
        }
        if (!finite) {
            (void)fprintf(stderr,
                "mlp: step %" PRIu64 " is not finite: a smaller --lr or a "
                "--clip would help\n",
                k);
            return 1;
        }
    }
    return 0;
}

/* ---- setting up --------------------------------------------------------- */

static bool load(struct trainer *t)
{
    const struct options *o = &t->options;
    char reason[TABLE_REASON_BYTES];
    if (!table_read(o->data, &t->table, reason)) {
        (void)fprintf(stderr, "mlp: %s: %s\n", o->data, reason);
        return false;
    }
    t->target = o->target != NULL ? table_find(&t->table, o->target)
                                  : t->table.columns - 1;
    if (t->target == t->table.columns) {
        (void)fprintf(stderr, "mlp: %s: no column %s\n", o->data, o->target);
        return false;
    }
    if (o->batch > t->table.rows) {
        (void)fprintf(stderr,
            "mlp: %s: %zu rows, and a --batch has %" PRIu64 "\n", o->data,
            t->table.rows, o->batch);
        return false;
    }
    table_standardize(&t->table);
    return true;
}

static bool set_up(struct trainer *t)
{
    const struct options *o = &t->options;
    const size_t inputs = t->table.columns - 1;
    const size_t batch = (size_t)o->batch;
    t->model = mlp_new(
        inputs, (size_t)o->hidden, (size_t)o->layers, batch / (size_t)o->micro);
    t->order = calloc(t->table.rows, sizeof *t->order);
    t->inputs = calloc(batch * inputs, sizeof *t->inputs);
    t->targets = calloc(batch, sizeof *t->targets);
    bool good = t->model != NULL && t->order != NULL && t->inputs != NULL &&
                t->targets != NULL;
    for (size_t i = 0; good && i < t->model->n_arrays; i++) {
        t->velocity[i] = calloc(t->model->sizes[i], sizeof(real));
        good = t->velocity[i] != NULL;
    }
    if (!good) {
        (void)fputs("mlp: out of memory\n", stderr);
        return false;
    }
    for (size_t i = 0; i < t->table.rows; i++) {
        t->order[i] = i;
    }
    t->taken = t->table.rows; /* the first batch begins an epoch */
    t->rng.state = o->seed;
    t->loss_scale = o->loss_scale;
    mlp_init(t->model, &t->rng, o->gain);
    return true;
}

static void tear_down(struct trainer *t)
{
    for (size_t i = 0; i < MLP_ARRAYS_MAX; i++) {
        free(t->velocity[i]);
    }
    mlp_free(t->model);
    free(t->order);
    free(t->inputs);
    free(t->targets);
    table_done(&t->table);
}

int main(int argc, char **argv)
{
    static struct trainer t;
    enum args_result parsed = options_parse(argc, argv, &t.options);
    if (parsed != ARGS_RUN) {
        return parsed == ARGS_HELP ? 0 : 2;
    }
    int exit_code = 1;
    if (load(&t) && set_up(&t)) {
        hook_open(&t);
        exit_code = train(&t);
        hook_close(&t, exit_code);
    }
    tear_down(&t);
    return exit_code;
}
