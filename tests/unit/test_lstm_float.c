/*
 * The example's LSTM as it is trained, in float, and the text that it reads.
 */
#include "examples/lstm/gemm.c"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>

#include "examples/lstm/model.c"
#include "examples/common/rng.c"
#include "examples/lstm/text.c"

enum { VOCAB = 11, WIDTH = 12, BATCH = 4, BPTT = 6, TOKENS = BATCH * BPTT };

static const struct lstm_shape shape = { VOCAB, WIDTH, 2, BATCH, BPTT };

struct bench {
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

static void bench_init(struct bench *b)
{
    struct rng rng = { 3 };
    b->model = lstm_new(&shape);
    b->n = lstm_parameters(&shape);
    b->param = calloc(b->n, sizeof *b->param);
    b->grad = calloc(b->n, sizeof *b->grad);
    b->other = calloc(b->n, sizeof *b->other);
    b->state = calloc(lstm_state_size(&shape), sizeof *b->state);
    assert_true(b->model != NULL && b->param != NULL && b->grad != NULL &&
                b->other != NULL && b->state != NULL);
    lstm_init(&shape, &rng, b->param);
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

/* Along the gradient itself the derivative is ||g||. With a displacement of
 * 1e-2 the difference of two losses, each good to 1e-7, is good to 1e-5 of
 * it, and truncation is of the order of (1e-2)^2: so 1e-2 relative has room,
 * and a wrong gradient none. */
static void test_derivative_along_the_gradient_is_its_norm(void **unused)
{
    (void)unused;
    struct bench b;
    bench_init(&b);
    (void)lstm_gradient(b.model, b.param, &b.batch, b.grad, NULL);
    double norm = 0;
    for (size_t i = 0; i < b.n; i++) {
        norm += (double)b.grad[i] * (double)b.grad[i];
    }
    norm = sqrt(norm);

    double loss[2];
    for (int side = 0; side < 2; side++) {
        real move = (real)((side == 0 ? 1 : -2) * 1e-2 / norm);
        for (size_t i = 0; i < b.n; i++) {
            b.param[i] += move * b.grad[i];
        }
        loss[side] = lstm_gradient(b.model, b.param, &b.batch, b.other, NULL);
    }

    assert_true(fabs((loss[0] - loss[1]) / 2e-2 - norm) < 1e-2 * norm);
    bench_done(&b);
}

static void test_gradient_in_float_is_idempotent_to_the_bit(void **unused)
{
    (void)unused;
    struct bench b;
    bench_init(&b);
    real *end = calloc(lstm_state_size(&shape), sizeof *end);
    assert_non_null(end);
    double loss = lstm_gradient(b.model, b.param, &b.batch, b.grad, end);
    double again = lstm_gradient(b.model, b.param, &b.batch, b.other, NULL);

    assert_true(loss == again);
    assert_memory_equal(b.grad, b.other, b.n * sizeof *b.grad);
    free(end);
    bench_done(&b);
}

/* Plain gradient descent on one batch must learn it. */
static void test_descent_lowers_the_loss_of_a_batch(void **unused)
{
    (void)unused;
    struct bench b;
    bench_init(&b);
    double first = lstm_gradient(b.model, b.param, &b.batch, b.grad, NULL);
    double before = first;
    for (int k = 0; k < 20; k++) {
        for (size_t i = 0; i < b.n; i++) {
            b.param[i] -= (real)0.1 * b.grad[i];
        }
        double loss = lstm_gradient(b.model, b.param, &b.batch, b.grad, NULL);
        assert_true(loss < before);
        before = loss;
    }
    assert_true(fabs(first - log((double)VOCAB)) < 0.1);
    bench_done(&b);
}

/* ---- text -----------------------------------------------------------------
 */

/* A file with these bytes; the caller unlinks the path. */
static void write_text(char *path, const char *bytes, size_t n)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    ssize_t written = write(fd, bytes, n);
    assert_true(written == (ssize_t)n);
    assert_int_equal(close(fd), 0);
}

static void test_tokens_are_ranks_of_the_bytes_that_occur(void **unused)
{
    (void)unused;
    char path[] = "/tmp/lstm-text-XXXXXX";
    const char bytes[] = { 'b', '\0', 'a', '\xff', 'b', 'a' };
    struct text text = { 0 };
    write_text(path, bytes, sizeof bytes);

    assert_null(text_read(path, &text));

    const uint8_t expected[] = { 2, 0, 1, 3, 2, 1 };
    assert_int_equal(text.vocab, 4);
    assert_int_equal(text.length, sizeof expected);
    assert_memory_equal(text.tokens, expected, sizeof expected);
    text_done(&text);
    assert_int_equal(unlink(path), 0);
}

static void test_all_256_bytes_are_256_tokens(void **unused)
{
    (void)unused;
    char path[] = "/tmp/lstm-text-XXXXXX";
    char bytes[256];
    struct text text = { 0 };
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)i;
    }
    write_text(path, bytes, sizeof bytes);

    assert_null(text_read(path, &text));

    assert_int_equal(text.vocab, 256);
    assert_int_equal(text.tokens[255], 255);
    text_done(&text);
    assert_int_equal(unlink(path), 0);
}

static void test_what_is_no_text_is_refused_with_a_reason(void **unused)
{
    (void)unused;
    char path[] = "/tmp/lstm-text-XXXXXX";
    struct text text = { 0 };
    write_text(path, "", 0);

    assert_string_equal(text_read(path, &text), "is empty");
    assert_string_equal(text_read("/tmp", &text), "is no regular file");
    assert_string_equal(
        text_read("/nowhere/at/all", &text), "No such file or directory");
    assert_null(text.tokens);
    assert_int_equal(unlink(path), 0);
}

/* 13 tokens in 2 sequences of 6, 2 at a time: 2 batches, then anew. */
static void test_reader_cuts_sequences_and_starts_anew(void **unused)
{
    (void)unused;
    uint8_t tokens[13] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
    struct text text = { tokens, sizeof tokens, 13 };
    struct text_reader reader = { .text = &text, .batch = 2, .bptt = 2 };
    uint8_t inputs[4];
    uint8_t targets[4];

    assert_int_equal(text_batches(&text, 2, 2), 2);
    assert_true(text_next(&reader, inputs, targets));
    assert_memory_equal(inputs, ((uint8_t[]){ 0, 6, 1, 7 }), 4);
    assert_memory_equal(targets, ((uint8_t[]){ 1, 7, 2, 8 }), 4);
    assert_false(text_next(&reader, inputs, targets));
    assert_memory_equal(inputs, ((uint8_t[]){ 2, 8, 3, 9 }), 4);
    assert_true(text_next(&reader, inputs, targets));
    assert_memory_equal(inputs, ((uint8_t[]){ 0, 6, 1, 7 }), 4);
}

static void test_a_text_of_one_token_less_is_too_short(void **unused)
{
    (void)unused;
    struct text text = { NULL, 8 * 33, 2 };
    assert_int_equal(text_batches(&text, 8, 32), 1);
    text.length--;
    assert_int_equal(text_batches(&text, 8, 32), 0);
    text.length = 0;
    assert_int_equal(text_batches(&text, 8, 32), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_derivative_along_the_gradient_is_its_norm),
        cmocka_unit_test(test_gradient_in_float_is_idempotent_to_the_bit),
        cmocka_unit_test(test_descent_lowers_the_loss_of_a_batch),
        cmocka_unit_test(test_tokens_are_ranks_of_the_bytes_that_occur),
        cmocka_unit_test(test_all_256_bytes_are_256_tokens),
        cmocka_unit_test(test_what_is_no_text_is_refused_with_a_reason),
        cmocka_unit_test(test_reader_cuts_sequences_and_starts_anew),
        cmocka_unit_test(test_a_text_of_one_token_less_is_too_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
