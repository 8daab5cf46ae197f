/*
 * layers: a hook in a trainer as one finds them, in the style of many small C
 * nets, and three ways to hook it wrongly:
 *
 * 1. weight_updates is no gradient. It is the momentum buffer, several times
 *    as long; the gradient has an array of its own. Ask what the update reads
 *    before anything else is added to it.
 * 2. The gradients are NULL till the first backward pass. A watch opened
 *    earlier is refused (TRAJ_ENOGRAD); open it when they are there.
 * 3. on_batch is called for every batch, but gradients are summed over two of
 *    them and only then applied. Measured in on_batch, every other norm would
 *    be that of half a gradient, and every other update 0. The place is around
 *    the update; the stage says that the gradient is a sum.
 *
 *   cc layers.c $(pkg-config --cflags --libs traj) -lm
 *   ./a.out [no-watch]
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <traj.h>

/* ---- the trainer, as found ---------------------------------------------- */

enum { LAYERS = 2, INPUTS = 4, HIDDEN = 6, SUBDIVISIONS = 2, BATCHES = 400 };

struct layer {
    int inputs, outputs;
    float *weights;
    float *gradient;       /* summed over subdivisions; NULL at first */
    float *weight_updates; /* momentum times itself, plus the gradient */
    float output[HIDDEN], delta[HIDDEN];
};

struct net {
    struct layer layers[LAYERS];
    float lr, momentum, loss;
    int seen; /* batches */
    void (*update)(struct net *net, void *context);
    void *context;
};

/* What a failed allocation does in such trainers. */
static float *numbers(int n)
{
    float *at = calloc((size_t)n, sizeof *at);
    if (at == NULL) {
        (void)fputs("layers: out of memory\n", stderr);
        exit(1);
    }
    return at;
}

static void net_init(struct net *net)
{
    const int widths[LAYERS + 1] = { INPUTS, HIDDEN, 1 };
    for (int l = 0; l < LAYERS; l++) {
        struct layer *layer = &net->layers[l];
        layer->inputs = widths[l];
        layer->outputs = widths[l + 1];
        int n = layer->inputs * layer->outputs;
        layer->weights = numbers(n);
        layer->weight_updates = numbers(n);
        for (int i = 0; i < n; i++) {
            layer->weights[i] = (float)sin(3.7 * (i + 1) * (l + 1)) / 2;
        }
    }
}

static void net_done(struct net *net)
{
    for (int l = 0; l < LAYERS; l++) {
        free(net->layers[l].weights);
        free(net->layers[l].gradient);
        free(net->layers[l].weight_updates);
    }
}

static void forward(struct net *net, const float *in)
{
    for (int l = 0; l < LAYERS; l++) {
        struct layer *layer = &net->layers[l];
        for (int j = 0; j < layer->outputs; j++) {
            float sum = 0;
            for (int i = 0; i < layer->inputs; i++) {
                sum += layer->weights[j * layer->inputs + i] * in[i];
            }
            layer->output[j] = tanhf(sum);
        }
        in = layer->output;
    }
}

/* in_delta is NULL where nothing is below. */
static void layer_backward(
    struct layer *layer, const float *in, float *in_delta)
{
    if (layer->gradient == NULL) {
        layer->gradient = numbers(layer->inputs * layer->outputs);
    }
    for (int j = 0; j < layer->outputs; j++) {
        float y = layer->output[j];
        float d = layer->delta[j] * (1 - y * y);
        for (int i = 0; i < layer->inputs; i++) {
            int at = j * layer->inputs + i;
            layer->gradient[at] += d * in[i];
            if (in_delta != NULL) {
                in_delta[i] += d * layer->weights[at];
            }
        }
    }
}

static void backward(struct net *net, const float *in)
{
    for (int l = LAYERS - 1; l > 0; l--) {
        struct layer *below = &net->layers[l - 1];
        memset(below->delta, 0, sizeof below->delta);
        layer_backward(&net->layers[l], below->output, below->delta);
    }
    layer_backward(&net->layers[0], in, NULL);
}

static void net_update(struct net *net, void *context)
{
    (void)context;
    for (int l = 0; l < LAYERS; l++) {
        struct layer *layer = &net->layers[l];
        for (int i = 0; i < layer->inputs * layer->outputs; i++) {
            layer->weight_updates[i] =
                net->momentum * layer->weight_updates[i] +
                layer->gradient[i] / SUBDIVISIONS;
            layer->weights[i] -= net->lr * layer->weight_updates[i];
            layer->gradient[i] = 0;
        }
    }
}

static void net_train_batch(struct net *net)
{
    float in[INPUTS];
    for (int i = 0; i < INPUTS; i++) {
        in[i] = (float)sin(1.3 * (net->seen + 1) * (i + 1));
    }
    float target = tanhf(in[0] * in[1] - in[2]);
    forward(net, in);
    float miss = net->layers[LAYERS - 1].output[0] - target;
    net->loss = miss * miss / 2;
    net->layers[LAYERS - 1].delta[0] = miss;
    backward(net, in);
    net->seen++;
    if (net->seen % SUBDIVISIONS == 0) {
        net->update(net, net->context);
    }
}

/* ---- the hook ----------------------------------------------------------- */

struct hook {
    traj_run *run;
    traj_watch *watch; /* NULL till the gradients are there */
    struct traj_group groups[LAYERS];
    uint64_t step;
};

/* Measuring is no reason to stop training: tell, and go on. */
static void check(enum traj_status status)
{
    if (status != TRAJ_OK) {
        (void)fprintf(stderr, "layers: %s. %s\n", traj_strerror(status),
            traj_last_error());
    }
}

static enum traj_status open_watch(struct hook *hook, const struct net *net)
{
    struct traj_watch_segment segments[LAYERS];
    for (int l = 0; l < LAYERS; l++) {
        const struct layer *layer = &net->layers[l];
        segments[l] = (struct traj_watch_segment){
            .dtype = TRAJ_F32,
            .n = (size_t)hook->groups[l].size,
            .param = layer->weights,
            .grad = layer->gradient, /* not weight_updates: see 1. */
            .group = (uint32_t)l + 1,
        };
    }
    struct traj_watch_options options = TRAJ_WATCH_INIT;
    options.segments = segments;
    options.n_segments = LAYERS;
    options.groups = hook->groups;
    options.n_groups = LAYERS;
    options.group_every = 1;
    return traj_watch_open(hook->run, &options, &hook->watch);
}

static void hook_open(struct hook *hook, const struct net *net)
{
    static const char *const names[LAYERS] = { "hidden", "output" };
    for (int l = 0; l < LAYERS; l++) {
        const struct layer *layer = &net->layers[l];
        hook->groups[l] = (struct traj_group){
            .name = names[l],
            .size = (uint64_t)layer->inputs * (uint64_t)layer->outputs,
            .rows = (uint32_t)layer->outputs,
            .cols = (uint32_t)layer->inputs,
        };
    }
    struct traj_options options = TRAJ_OPTIONS_INIT;
    options.groups = hook->groups;
    options.n_groups = LAYERS;
    check(traj_open(&options, &hook->run));
    enum traj_status early = open_watch(hook, net);
    if (early != TRAJ_ENOGRAD) { /* which is what 2. says */
        check(early);
    }
}

/* What 1. would have measured, as a curve beside the true one. */
static void log_momentum_norm(const struct hook *hook, const struct net *net)
{
    double sum = 0;
    for (int l = 0; l < LAYERS; l++) {
        for (uint64_t i = 0; i < hook->groups[l].size; i++) {
            double v = (double)net->layers[l].weight_updates[i];
            sum += v * v;
        }
    }
    check(traj_log(hook->run, "wrong/weight_updates", hook->step, sqrt(sum)));
}

/* In the place of net_update: the gradient is complete, nothing is applied. */
static void watched_update(struct net *net, void *context)
{
    struct hook *hook = context;
    if (hook->watch == NULL) {
        check(open_watch(hook, net));
    }
    if (hook->watch == NULL) {
        net_update(net, NULL);
        return;
    }
    struct traj_step step;
    traj_step_init(&step);
    step.step = hook->step;
    step.loss = (double)net->loss;
    step.lr = (double)net->lr;
    step.momentum = (double)net->momentum;
    step.stage = TRAJ_STAGE_ACCUMULATED; /* the sum over SUBDIVISIONS */
    step.micro_batches = SUBDIVISIONS;
    check(traj_before_update(hook->watch, &step));
    net_update(net, NULL);
    check(traj_after_update(hook->watch, &step));
    log_momentum_norm(hook, net);
    hook->step++;
}

static const char help[] =
    "usage: layers [no-watch]\n"
    "Trains a small net of two layers in 400 batches, in the style of many C\n"
    "nets, with the hook where it belongs; the source says where it does not.\n"
    "\n"
    "  no-watch  make no call into libtraj; the losses are the same\n"
    "\n"
    "TRAJ_URL, TRAJ_DIR, TRAJ_RUN_ID and TRAJ_MODE are read by libtraj.\n"
    "Exit status: 0 done, also where nothing could be recorded, which is "
    "told;\n"
    "1 out of memory, 2 wrong options.\n";

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        (void)fputs(help, stdout);
        return 0;
    }
    const bool quiet = argc == 2 && strcmp(argv[1], "no-watch") == 0;
    if (argc > 1 && !quiet) {
        (void)fprintf(
            stderr, "layers: %s: see layers --help\n", argv[argc - 1]);
        return 2;
    }
    struct net net = { .lr = 0.05F, .momentum = 0.9F, .update = net_update };
    struct hook hook = { 0 };
    net_init(&net);
    if (!quiet) {
        hook_open(&hook, &net);
        net.update = watched_update;
        net.context = &hook;
    }
    for (int k = 0; k < BATCHES; k++) {
        net_train_batch(&net);
        (void)printf(
            "batch %d loss %.9g %a\n", k, (double)net.loss, (double)net.loss);
    }
    traj_watch_close(hook.watch);
    if (hook.run != NULL) {
        check(traj_finish(hook.run, 0, 0));
    }
    net_done(&net);
    return 0;
}
