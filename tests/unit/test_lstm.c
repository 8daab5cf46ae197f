/*
 * The example's LSTM, compiled in double: its gradient against central
 * differences, which are good to about 1e-10 there, and what a recurrent
 * state must and must not do.
 */
#define LSTM_REAL double
#include "examples/lstm/gemm.c"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "examples/lstm/model.c"
#include "examples/common/rng.c"

enum { VOCAB = 7, BATCH = 3, BPTT = 4, TOKENS = BATCH * BPTT };

/* A model, a batch of random tokens and a state that is not zero. */
struct bench {
    struct lstm_shape shape;
    struct lstm *model;
    size_t n;
    real *param;
    real *grad;
    real *other; /* as large as grad */
    real *state;
    uint8_t inputs[TOKENS];
    uint8_t targets[TOKENS];
    struct lstm_batch batch;
};

static real *numbers(size_t n)
{
    real *at = calloc(n, sizeof *at);
    assert_non_null(at);
    return at;
}

static void bench_init(struct bench *b, size_t width, size_t layers)
{
    struct rng rng = { 42 };
    b->shape = (struct lstm_shape){ VOCAB, width, layers, BATCH, BPTT };
    b->model = lstm_new(&b->shape);
    assert_non_null(b->model);
    b->n = lstm_parameters(&b->shape);
    b->param = numbers(b->n);
    b->grad = numbers(b->n);
    b->other = numbers(b->n);
    b->state = numbers(lstm_state_size(&b->shape));
    draw(&rng, b->param, b->n, 0.8);
    draw(&rng, b->state, lstm_state_size(&b->shape), 0.5);
    for (size_t i = 0; i < TOKENS; i++) {
        b->inputs[i] = (uint8_t)(rng_next(&rng) % VOCAB);
        b->targets[i] = (uint8_t)(rng_next(&rng) % VOCAB);
    }
    b->batch = (struct lstm_batch){ b->inputs, b->targets, b->state };
}

static void bench_done(struct bench *b)
{
    lstm_free(b->model);
    free(b->param);
    free(b->grad);
    free(b->other);
    free(b->state);
}

static double loss_at(struct bench *b)
{
    return lstm_gradient(b->model, b->param, &b->batch, b->other, NULL);
}

/* (f(x + h e_i) - f(x - h e_i)) / 2h; the parameter is put back. */
static double central_difference(struct bench *b, size_t i)
{
    const double h = 1e-5;
    double x = b->param[i];
    b->param[i] = x + h;
    double above = loss_at(b);
    b->param[i] = x - h;
    double below = loss_at(b);
    b->param[i] = x;
    return (above - below) / (2 * h);
}

/* Every element to 1e-6 relative, for which elements below 1e-3 of the
 * largest count as that: truncation is h^2 f'''/6 and rounding 2^-53 f/h,
 * both near 1e-11, so relative to a gradient of 0 nothing could be said. */
static void check_gradient(size_t width, size_t layers)
{
    struct bench b;
    bench_init(&b, width, layers);
    (void)lstm_gradient(b.model, b.param, &b.batch, b.grad, NULL);

    double largest = 0;
    for (size_t i = 0; i < b.n; i++) {
        largest = fmax(largest, fabs(b.grad[i]));
    }
    for (size_t i = 0; i < b.n; i++) {
        double difference = fabs(b.grad[i] - central_difference(&b, i));
        double scale = fmax(fabs(b.grad[i]), 1e-3 * largest);
        assert_true(difference <= 1e-6 * scale);
    }
    bench_done(&b);
}

static void test_gradient_of_one_layer_is_the_derivative(void **unused)
{
    (void)unused;
    check_gradient(5, 1);
}

static void test_gradient_of_two_layers_is_the_derivative(void **unused)
{
    (void)unused;
    check_gradient(5, 2);
}

/* 8 and 4 are the tile of gemm: this shape takes the other paths of it. */
static void test_gradient_in_full_tiles_is_the_derivative(void **unused)
{
    (void)unused;
    check_gradient(8, 3);
}

static void test_gradient_of_a_batch_has_the_same_bits_again(void **unused)
{
    (void)unused;
    struct bench b;
    bench_init(&b, 6, 2);
    real *state = numbers(lstm_state_size(&b.shape));

    double loss = lstm_gradient(b.model, b.param, &b.batch, b.grad, NULL);
    real kept = b.param[3];
    b.param[3] += 1; /* a probe elsewhere, which leaves other activations */
    (void)lstm_gradient(b.model, b.param, &b.batch, b.other, state);
    b.param[3] = kept;

    assert_true(loss == loss_at(&b));
    assert_memory_equal(b.grad, b.other, b.n * sizeof *b.grad);
    free(state);
    bench_done(&b);
}

static void test_state_is_read_from_the_batch_and_left_alone(void **unused)
{
    (void)unused;
    struct bench b;
    bench_init(&b, 6, 2);
    size_t bytes = lstm_state_size(&b.shape) * sizeof *b.state;
    real *before = numbers(lstm_state_size(&b.shape));
    memcpy(before, b.state, bytes);

    (void)lstm_gradient(b.model, b.param, &b.batch, b.grad, NULL);

    assert_memory_equal(b.state, before, bytes);
    free(before);
    bench_done(&b);
}

/* The hazard: forget to put the state back and the gradient is another one. */
static void test_another_state_gives_another_gradient(void **unused)
{
    (void)unused;
    struct bench b;
    bench_init(&b, 6, 2);
    (void)lstm_gradient(b.model, b.param, &b.batch, b.grad, b.state);
    (void)lstm_gradient(b.model, b.param, &b.batch, b.other, NULL);

    double apart = 0;
    double size = 0;
    for (size_t i = 0; i < b.n; i++) {
        apart += (b.grad[i] - b.other[i]) * (b.grad[i] - b.other[i]);
        size += b.grad[i] * b.grad[i];
    }
    assert_true(apart > 1e-4 * size);
    bench_done(&b);
}

/* Carrying the state is what makes two batches one text: the loss over 2T
 * tokens is the mean of the losses over T and the T after them. */
static void test_two_batches_with_carried_state_are_one_long_batch(
    void **unused)
{
    (void)unused;
    struct bench b;
    bench_init(&b, 6, 2);
    struct lstm_shape half = b.shape;
    half.bptt = BPTT / 2;
    struct lstm *model = lstm_new(&half);
    assert_non_null(model);
    struct lstm_batch second = { b.inputs + TOKENS / 2, b.targets + TOKENS / 2,
        b.state };

    double whole = loss_at(&b);
    double first_loss =
        lstm_gradient(model, b.param, &b.batch, b.other, b.state);
    double second_loss = lstm_gradient(model, b.param, &second, b.other, NULL);

    assert_true(fabs(whole - (first_loss + second_loss) / 2) < 1e-14);
    lstm_free(model);
    bench_done(&b);
}

static void test_sequences_side_by_side_do_not_meet(void **unused)
{
    (void)unused;
    struct bench b;
    bench_init(&b, 6, 2);
    size_t n = lstm_state_size(&b.shape);
    real *one = numbers(n);
    real *two = numbers(n);

    (void)lstm_gradient(b.model, b.param, &b.batch, b.grad, one);
    for (size_t t = 0; t < BPTT; t++) { /* other tokens in sequence 0 only */
        b.inputs[t * BATCH] = (uint8_t)((b.inputs[t * BATCH] + 1) % VOCAB);
    }
    (void)lstm_gradient(b.model, b.param, &b.batch, b.grad, two);

    size_t width = b.shape.width;
    for (size_t block = 0; block < n; block += BATCH * width) {
        assert_memory_not_equal(one + block, two + block, width * sizeof *one);
        assert_memory_equal(one + block + width, two + block + width,
            (BATCH - 1) * width * sizeof *one);
    }
    free(one);
    free(two);
    bench_done(&b);
}

/* Without any signal each token costs log(vocab). */
static void test_loss_of_zero_parameters_is_log_of_the_vocabulary(void **unused)
{
    (void)unused;
    struct bench b;
    bench_init(&b, 5, 1);
    zero(b.param, b.n);
    assert_true(fabs(loss_at(&b) - log((double)VOCAB)) < 1e-14);
    bench_done(&b);
}

static void test_layout_fills_the_workspace_exactly(void **unused)
{
    (void)unused;
    struct bench b;
    bench_init(&b, 5, 2);
    const struct layer *last = &b.model->layers[1];
    size_t end = (size_t)(last->tanh_c - b.model->memory) + TOKENS * 5;
    assert_true(end == workspace_size(&b.shape));
    bench_done(&b);
}

static void test_gemm_equals_the_sums_it_stands_for(void **unused)
{
    (void)unused;
    enum { ROWS = 9, COLUMNS = 19, DEPTH = 5 };
    real a[ROWS * DEPTH];
    real at[ROWS * DEPTH];
    real b[DEPTH * COLUMNS];
    real c[ROWS * COLUMNS] = { 0 };
    real ct[ROWS * COLUMNS] = { 0 };
    struct rng rng = { 7 };
    draw(&rng, a, ROWS * DEPTH, 1);
    draw(&rng, b, DEPTH * COLUMNS, 1);
    gemm_transpose(ROWS, DEPTH, a, at);

    gemm(ROWS, COLUMNS, DEPTH, plain(a, DEPTH), b, c);
    gemm(ROWS, COLUMNS, DEPTH, transposed(at, ROWS), b, ct);

    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < COLUMNS; j++) {
            real sum = 0;
            for (size_t k = 0; k < DEPTH; k++) {
                sum += a[i * DEPTH + k] * b[k * COLUMNS + j];
            }
            assert_true(c[i * COLUMNS + j] == sum);
        }
    }
    assert_memory_equal(c, ct, sizeof c);
}

static void test_a_seed_means_the_same_draws(void **unused)
{
    (void)unused;
    struct rng rng = { 0 };
    /* The first outputs of the published splitmix64 for seed 0. */
    assert_true(rng_next(&rng) == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(rng_next(&rng) == UINT64_C(0x6e789e6aa1b965f4));
    for (int i = 0; i < 1000; i++) {
        double value = rng_uniform(&rng, -2, 3);
        assert_true(value >= -2 && value < 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient_of_one_layer_is_the_derivative),
        cmocka_unit_test(test_gradient_of_two_layers_is_the_derivative),
        cmocka_unit_test(test_gradient_in_full_tiles_is_the_derivative),
        cmocka_unit_test(test_gradient_of_a_batch_has_the_same_bits_again),
        cmocka_unit_test(test_state_is_read_from_the_batch_and_left_alone),
        cmocka_unit_test(test_another_state_gives_another_gradient),
        cmocka_unit_test(
            test_two_batches_with_carried_state_are_one_long_batch),
        cmocka_unit_test(test_sequences_side_by_side_do_not_meet),
        cmocka_unit_test(test_loss_of_zero_parameters_is_log_of_the_vocabulary),
        cmocka_unit_test(test_layout_fills_the_workspace_exactly),
        cmocka_unit_test(test_gemm_equals_the_sums_it_stands_for),
        cmocka_unit_test(test_a_seed_means_the_same_draws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
