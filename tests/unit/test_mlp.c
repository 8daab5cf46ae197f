/*
 * The example's perceptron, compiled in double: its gradient against central
 * differences, and what its table reader takes and refuses.
 */
#define MLP_REAL double
#include "examples/mlp/model.c"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "examples/common/rng.c"
#include "examples/mlp/table.c"

enum { INPUTS = 3, ROWS = 5 };

struct bench {
    struct mlp *model;
    real inputs[ROWS * INPUTS];
    real targets[ROWS];
};

static void bench_init(struct bench *b, size_t hidden, size_t layers)
{
    struct rng rng = { 42 };
    b->model = mlp_new(INPUTS, hidden, layers, ROWS);
    assert_non_null(b->model);
    mlp_init(b->model, &rng, 1);
    for (size_t i = 0; i < b->model->n_arrays; i++) { /* biases too */
        for (size_t j = 0; j < b->model->sizes[i]; j++) {
            b->model->param[i][j] += rng_uniform(&rng, -0.5, 0.5);
        }
    }
    for (size_t i = 0; i < ROWS * INPUTS; i++) {
        b->inputs[i] = rng_normal(&rng);
    }
    for (size_t i = 0; i < ROWS; i++) {
        b->targets[i] = rng_normal(&rng);
    }
}

/* The same without any sharing of code: one row at a time, by hand. */
static double loss_at(const struct bench *b)
{
    const struct mlp *m = b->model;
    double loss = 0;
    for (size_t r = 0; r < ROWS; r++) {
        double in[8] = { b->inputs[r * INPUTS], b->inputs[r * INPUTS + 1],
            b->inputs[r * INPUTS + 2] };
        for (size_t l = 0; l < m->n_layers; l++) {
            double out[8];
            for (size_t j = 0; j < m->widths[l + 1]; j++) {
                out[j] = m->param[2 * l + 1][j];
                for (size_t i = 0; i < m->widths[l]; i++) {
                    out[j] += m->param[2 * l][j * m->widths[l] + i] * in[i];
                }
                out[j] = l + 1 < m->n_layers ? tanh(out[j]) : out[j];
            }
            memcpy(in, out, sizeof in);
        }
        loss += (in[0] - b->targets[r]) * (in[0] - b->targets[r]) / 2 / ROWS;
    }
    return loss;
}

static double central_difference(const struct bench *b, real *at)
{
    const double h = 1e-5;
    double x = *at;
    *at = x + h;
    double above = loss_at(b);
    *at = x - h;
    double below = loss_at(b);
    *at = x;
    return (above - below) / (2 * h);
}

/* Truncation h^2 f'''/6 and rounding 2^-53 f/h are both near 1e-11. */
static void check_gradient(size_t hidden, size_t layers, double factor)
{
    struct bench b;
    bench_init(&b, hidden, layers);
    double loss =
        mlp_gradient(b.model, ROWS, b.inputs, b.targets, factor, b.model->grad);
    assert_true(fabs(loss - loss_at(&b)) < 1e-14);
    for (size_t i = 0; i < b.model->n_arrays; i++) {
        for (size_t j = 0; j < b.model->sizes[i]; j++) {
            double expected =
                factor * central_difference(&b, &b.model->param[i][j]);
            assert_true(fabs(b.model->grad[i][j] - expected) < 1e-9);
        }
    }
    mlp_free(b.model);
}

static void test_gradient_of_a_linear_model_is_the_derivative(void **unused)
{
    (void)unused;
    check_gradient(1, 1, 1);
}

static void test_gradient_of_three_layers_is_the_derivative(void **unused)
{
    (void)unused;
    check_gradient(4, 3, 1);
}

static void test_gradient_is_times_its_factor(void **unused)
{
    (void)unused;
    check_gradient(4, 2, 8);
}

static void test_gradients_of_parts_add_up_to_that_of_the_batch(void **unused)
{
    (void)unused;
    struct bench b;
    bench_init(&b, 4, 2);
    struct mlp *m = b.model;
    real *whole[MLP_ARRAYS_MAX] = { 0 };
    for (size_t i = 0; i < m->n_arrays; i++) {
        whole[i] = calloc(m->sizes[i], sizeof(real));
        assert_non_null(whole[i]);
    }
    (void)mlp_gradient(m, 4, b.inputs, b.targets, 1, whole);
    (void)mlp_gradient(m, 2, b.inputs, b.targets, 0.5, m->grad);
    (void)mlp_gradient(
        m, 2, b.inputs + 2 * INPUTS, b.targets + 2, 0.5, m->grad);
    for (size_t i = 0; i < m->n_arrays; i++) {
        for (size_t j = 0; j < m->sizes[i]; j++) {
            assert_true(fabs(whole[i][j] - m->grad[i][j]) < 1e-14);
        }
        free(whole[i]);
    }
    mlp_free(m);
}

/* ---- the table ---------------------------------------------------------- */

static bool read_text(
    const char *text, struct table *ret_table, char *ret_reason)
{
    char path[] = "/tmp/test_mlp.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    size_t bytes = strlen(text);
    assert_true(write(fd, text, bytes) == (ssize_t)bytes);
    assert_int_equal(close(fd), 0);
    bool good = table_read(path, ret_table, ret_reason);
    assert_int_equal(unlink(path), 0);
    return good;
}

static void test_a_table_is_names_and_numbers(void **unused)
{
    (void)unused;
    struct table table;
    char reason[TABLE_REASON_BYTES] = "";
    bool good =
        read_text("a,\"b c\",d\r\n1,-2.5e3,.5\n0x10,1,2", &table, reason);
    assert_string_equal(reason, "");
    assert_true(good);
    assert_int_equal(table.rows, 2);
    assert_int_equal(table.columns, 3);
    assert_int_equal(table_find(&table, "b c"), 1);
    assert_int_equal(table_find(&table, "e"), 3);
    const double expected[] = { 1, -2500, 0.5, 16, 1, 2 };
    assert_memory_equal(table.values, expected, sizeof expected);
    table_done(&table);
}

static void test_columns_are_brought_to_mean_0_and_variance_1(void **unused)
{
    (void)unused;
    struct table table;
    char reason[TABLE_REASON_BYTES];
    assert_true(read_text("a,b\n1,7\n3,7\n1,7\n3,7\n", &table, reason));
    table_standardize(&table);
    const double expected[] = { -1, 0, 1, 0, -1, 0, 1, 0 };
    assert_memory_equal(table.values, expected, sizeof expected);
    table_done(&table);
}

static void refuse(const char *text, const char *expected)
{
    struct table table;
    char reason[TABLE_REASON_BYTES] = "";
    assert_false(read_text(text, &table, reason));
    assert_string_equal(reason, expected);
}

static void test_a_broken_table_is_refused_with_the_line(void **unused)
{
    (void)unused;
    refuse("", "has one column: nothing to learn from");
    refuse("a\n1\n2\n", "has one column: nothing to learn from");
    refuse(
        "a,b\n1,2\n", "is too short: 1 rows of numbers, and training needs 2");
    refuse("a,b\n1,2\n3\n",
        "line 3 has fewer than the 2 numbers that the first line names");
    refuse("a,b\n1,2\n3,4,5\n",
        "line 3 has more than the 2 numbers that the first line names");
    refuse("a,b\n1,x\n", "line 2: x in column b is no finite number");
    refuse("a,b\n1,\n", "line 2: nothing in column b is no finite number");
    refuse("a,b\n1,2z\n", "line 2: 2z in column b is no finite number");
    refuse("a,b\nnan,2\n", "line 2: nan,2 in column a is no finite number");
    refuse("a,b\n1,1e999\n", "line 2: 1e999 in column b is no finite number");
    refuse("a,b\n1,2\n\n3,4\n", "line 3: nothing in column a is no finite "
                                "number");
}

static void test_a_table_has_at_most_as_many_columns_as_there_are_names_for(
    void **unused)
{
    (void)unused;
    static char text[TABLE_COLUMNS_MAX + 1];
    char *at = text;
    for (int i = 0; i < TABLE_COLUMNS_MAX; i++) {
        *at++ = ','; /* one column more than commas */
    }
    refuse(text, "has more than 1024 columns");

    at[-1] = '\n'; /* 1024 columns, and no row */
    refuse(text, "is too short: 0 rows of numbers, and training needs 2");
}

static void test_a_file_that_cannot_be_read_says_why(void **unused)
{
    (void)unused;
    struct table table;
    char reason[TABLE_REASON_BYTES];
    assert_false(table_read("/nonexistent/x.csv", &table, reason));
    assert_string_equal(reason, "No such file or directory");
    assert_false(table_read("/tmp", &table, reason));
    assert_string_equal(reason, "Is a directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient_of_a_linear_model_is_the_derivative),
        cmocka_unit_test(test_gradient_of_three_layers_is_the_derivative),
        cmocka_unit_test(test_gradient_is_times_its_factor),
        cmocka_unit_test(test_gradients_of_parts_add_up_to_that_of_the_batch),
        cmocka_unit_test(test_a_table_is_names_and_numbers),
        cmocka_unit_test(test_columns_are_brought_to_mean_0_and_variance_1),
        cmocka_unit_test(test_a_broken_table_is_refused_with_the_line),
        cmocka_unit_test(
            test_a_table_has_at_most_as_many_columns_as_there_are_names_for),
        cmocka_unit_test(test_a_file_that_cannot_be_read_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
