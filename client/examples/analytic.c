/*
 * analytic: gradient descent on functions whose smoothness is known in closed
 * form, measured on the way: is what the instrument reads the truth? Shows a
 * watch with every estimator, a step size from the law, exact
 * Hessian-vector products, and records of one's own (traj_log, traj_log_probe).
 *
 *   cc -I.. analytic.c analytic/x.c common/x.c \
 *       $(pkg-config --cflags --libs traj) -lm          (x.c: all there)
 *
 * Invariant: what is printed is the same, digit for digit, with measuring and
 * with --no-watch, where no function of libtraj is called.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/analytic/functions.h"
#include "examples/analytic/options.h"
#include "examples/analytic/pairs.h"
#include "traj.h"

struct trainer {
    struct options options;
    struct problem problem;
    enum rule rule;
    double lr;
    double *x, *grad, *micro_grad, *work;
    double micro_grad_sq; /* mean of the squares of the microbatches' norms */
    uint64_t step;
    traj_run *run;     /* NULL: nothing is recorded */
    traj_watch *watch; /* NULL: nothing is measured */
};

/* Measuring is no reason to stop training: tell, and go on. */
static void check(enum traj_status status)
{
    if (status != TRAJ_OK) {
        (void)fprintf(stderr, "analytic: %s. %s\n", traj_strerror(status),
            traj_last_error());
    }
}

/* ---- the gradient ------------------------------------------------------- */

static double square_of(const double *at, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += at[i] * at[i];
    }
    return sum;
}

/* The mean over the step's K microbatches; the sum over them that --sum asks
 * for is that of K times the loss, see set_up. */
static double batch_gradient(struct trainer *t, double *ret_grad)
{
    const size_t n = t->problem.n;
    const double share = 1 / (double)t->options.micro;
    double loss = 0;
    double squares = 0;
    memset(ret_grad, 0, n * sizeof *ret_grad);
    for (uint64_t k = 0; k < t->options.micro; k++) {
        loss += share *
                problem_gradient(&t->problem, t->x, t->step, k, t->micro_grad);
        squares += share * square_of(t->micro_grad, n);
        for (size_t i = 0; i < n; i++) {
            ret_grad[i] += share * t->micro_grad[i];
        }
    }
    t->micro_grad_sq = t->options.sum ? squares * share * share : squares;
    return loss;
}

/* ---- what libtraj asks for ---------------------------------------------- */

static int gradient_again(void *context, void *ret_grad, double *ret_loss)
{
    struct trainer *t = context;
    *ret_loss = batch_gradient(t, ret_grad);
    return 0;
}

static int micro_gradient(
    void *context, uint32_t k, void *ret_grad, double *ret_loss)
{
    struct trainer *t = context;
    *ret_loss = problem_gradient(&t->problem, t->x, t->step, k, ret_grad);
    return 0;
}

static int hessian_vector(void *context, const void *v, void *ret_hv)
{
    struct trainer *t = context;
    problem_hessian_vector(&t->problem, t->x, v, ret_hv);
    return 0;
}

static traj_run *open_run(const struct options *o)
{
    struct traj_options options = TRAJ_OPTIONS_INIT;
    options.project = o->project;
    options.name = o->name;
    options.run_id = o->run_id;
    options.optimizer = "gd";
    traj_run *run = NULL;
    check(traj_open(&options, &run));
    return run;
}

static void choose_estimator(
    const struct trainer *t, struct traj_watch_options *options)
{
    switch ((enum estimator)t->options.estimator) {
    case ESTIMATOR_FULL:
        options->estimator = TRAJ_ESTIMATOR_FULL;
        options->gradient = gradient_again;
        break;
    case ESTIMATOR_SAME:
        options->estimator = TRAJ_ESTIMATOR_SAME_BATCH;
        options->gradient = gradient_again;
        break;
    case ESTIMATOR_MICRO:
        options->estimator = TRAJ_ESTIMATOR_MICROBATCH;
        options->micro_gradient = micro_gradient;
        options->micro_batches = (uint32_t)t->options.micro;
        break;
    case ESTIMATOR_DIFFERENT:
        options->estimator = TRAJ_ESTIMATOR_DIFFERENT;
        options->different_every = (uint32_t)t->options.probe_every;
        break;
    case ESTIMATOR_NONE:
    default:
        options->probe_every = UINT32_MAX;
        options->different_every = UINT32_MAX;
        break;
    }
}

static void hook_open(struct trainer *t)
{
    const struct options *o = &t->options;
    if (o->no_watch) {
        return;
    }
    t->run = open_run(o);
    struct traj_watch_options options = TRAJ_WATCH_INIT;
    options.dtype = TRAJ_F64;
    options.n = t->problem.n;
    options.param = t->x;
    options.grad = t->grad;
    options.context = t;
    options.probe_every = (uint32_t)o->probe_every;
    options.check_idempotence = 1;
    choose_estimator(t, &options);
    const bool probes =
        options.gradient != NULL || options.micro_gradient != NULL;
    options.sharpness_every = probes && o->sharpness_every > 0
                                  ? (uint32_t)o->sharpness_every
                                  : UINT32_MAX;
    options.sharpness_hvps = (uint32_t)o->sharpness_hvps;
    options.hvp = options.sharpness_every != UINT32_MAX ? hessian_vector : NULL;
    check(traj_watch_open(t->run, &options, &t->watch));
}

static void hook_close(struct trainer *t, int exit_code)
{
    traj_watch_close(t->watch);
    if (t->run != NULL) {
        check(traj_finish(t->run, exit_code, 0));
    }
}

/* ---- training ----------------------------------------------------------- */

/* The factor h of x -= h g. */
static double step_length(const struct trainer *t, double norm)
{
    const struct options *o = &t->options;
    switch (t->rule) {
    case RULE_CLIPPED:
        return norm > o->clip ? t->lr * (o->clip / norm) : t->lr;
    case RULE_NORMALIZED:
        return t->lr / (norm + o->beta);
    case RULE_L0L1:
        return 1 /
               (problem_L0(&t->problem) + 1.5 * problem_L1(&t->problem) * norm);
    case RULE_FIXED:
    default:
        return t->lr;
    }
}

static void describe(const struct trainer *t, double loss, double norm,
    double length, struct traj_step *ret_step)
{
    const struct options *o = &t->options;
    traj_step_init(ret_step);
    ret_step->step = t->step;
    ret_step->loss = loss;
    ret_step->lr = t->rule == RULE_L0L1 ? length : t->lr;
    ret_step->stage = o->sum ? TRAJ_STAGE_ACCUMULATED : TRAJ_STAGE_UNSCALED;
    ret_step->micro_batches = o->micro;
    ret_step->micro_grad_sq = t->micro_grad_sq;
    if (t->rule == RULE_CLIPPED) {
        ret_step->clip_threshold = o->clip;
        ret_step->clip_scale = norm > o->clip ? length / t->lr : 1;
    }
}

static double train_step(struct trainer *t, double *ret_norm)
{
    double loss = batch_gradient(t, t->grad);
    double norm = sqrt(square_of(t->grad, t->problem.n));
    double length = step_length(t, norm);

    struct traj_step step;
    if (t->watch != NULL) {
        describe(t, loss, norm, length, &step);
        check(traj_log(t->run, "truth/operator_norm", t->step,
            problem_operator_norm(&t->problem, t->x)));
        check(traj_before_update(t->watch, &step));
    }
    for (size_t i = 0; i < t->problem.n; i++) {
        t->x[i] -= length * t->grad[i];
    }
    if (t->watch != NULL) {
        check(traj_after_update(t->watch, &step));
    }
    *ret_norm = norm;
    return loss;
}

static int train(struct trainer *t)
{
    const struct options *o = &t->options;
    for (t->step = 0; t->step < o->steps; t->step++) {
        double norm = 0;
        double loss = train_step(t, &norm);
        bool finite = isfinite(loss) && isfinite(norm);
        if (t->step % o->print_every == 0 || t->step + 1 == o->steps ||
            !finite) {
            (void)printf("step %" PRIu64 " loss %.9g %a grad_norm %.9g %a\n",
                t->step, loss, loss, norm, norm);
        }
        if (!finite) {
            (void)fprintf(stderr,
                "analytic: step %" PRIu64 " is not finite: a smaller --lr "
                "would help\n",
                t->step);
            return 1;
        }
    }
    return 0;
}

/* N3 and N4: there is nothing to train; a probe is what its fields say. */
static int record_pairs(const struct options *o, struct pairs *pairs)
{
    traj_run *run = o->no_watch ? NULL : open_run(o);
    for (uint64_t k = 0; k < o->steps; k++) {
        double x = 0;
        double y = 0;
        pairs_next(pairs, &x, &y);
        if (k % o->print_every == 0 || k + 1 == o->steps) {
            (void)printf(
                "pair %" PRIu64 " x %.9g %a y %.9g %a\n", k, x, x, y, y);
        }
        if (run == NULL) {
            continue;
        }
        struct traj_probe probe;
        traj_probe_init(&probe);
        probe.step = k;
        probe.estimator = TRAJ_ESTIMATOR_FULL;
        probe.dtype = TRAJ_F64;
        probe.grad_sq = probe.grad_mid_sq = probe.grad_end_sq = x * x;
        probe.delta_sq = 1;
        probe.dgrad_sq = y * y;
        probe.smoothness = y;
        probe.smoothness_gamma = 1;
        check(traj_log_probe(run, &probe));
    }
    if (run != NULL) {
        check(traj_finish(run, 0, 0));
    }
    return 0;
}

/* ---- setting up --------------------------------------------------------- */

static double own_unless(double given, double own)
{
    return isnan(given) ? own : given;
}

static bool set_up(struct trainer *t, const struct function *f)
{
    const struct options *o = &t->options;
    if (o->n > 0 && o->n != f->n && f->n <= 2) {
        (void)fprintf(stderr,
            "analytic: %s has %zu variables, not %" PRIu64 "\n", f->name, f->n,
            o->n);
        return false;
    }
    const size_t n = o->n > 0 ? (size_t)o->n : f->n;
    t->work = calloc(4 * n, sizeof *t->work);
    if (t->work == NULL) {
        (void)fputs("analytic: out of memory\n", stderr);
        return false;
    }
    t->x = t->work + n;
    t->grad = t->work + 2 * n;
    t->micro_grad = t->work + 3 * n;
    t->rule = o->rule < 0 ? f->rule : (enum rule)o->rule;
    t->lr = own_unless(o->lr, f->lr);
    t->problem = (struct problem){
        .function = f,
        .n = n,
        .L0 = own_unless(o->L0, f->L0),
        .L1 = own_unless(o->L1, f->L1),
        .power = own_unless(o->power, f->power),
        .times = o->times * (o->sum ? (double)o->micro : 1),
        .units = o->units,
        .noise = own_unless(o->noise, f->noise),
        .swing = own_unless(o->swing, f->swing),
        .seed = o->seed,
        .x = t->work,
    };
    problem_start(&t->problem, own_unless(o->start, f->start), t->x);
    return true;
}

static int list_functions(void)
{
    const struct function *f = NULL;
    for (size_t i = 0; (f = function_at(i)) != NULL; i++) {
        (void)printf("%-4s %s\n", f->name, f->formula);
    }
    const char *name = NULL;
    const char *formula = NULL;
    for (size_t i = 0; (name = pairs_at(i, &formula)) != NULL; i++) {
        (void)printf("%-4s %s\n", name, formula);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct trainer t = { 0 };
    struct pairs pairs;
    enum args_result parsed = options_parse(argc, argv, &t.options);
    const char *name = t.options.function;
    if (parsed != ARGS_RUN) {
        return parsed == ARGS_HELP ? 0 : 2;
    }
    if (t.options.list) {
        return list_functions();
    }
    if (name != NULL &&
        pairs_init(name, t.options.seed, t.options.steps, &pairs)) {
        return record_pairs(&t.options, &pairs);
    }
    const struct function *f = name != NULL ? function_find(name) : NULL;
    if (f == NULL) {
        (void)fprintf(stderr, "analytic: --function %s: see --list\n",
            name != NULL ? name : "is missing");
        return 2;
    }
    int exit_code = 2;
    if (set_up(&t, f)) {
        hook_open(&t);
        exit_code = train(&t);
        hook_close(&t, exit_code);
    }
    free(t.work);
    return exit_code;
}
