/* Tests of daemon/pure/scatter.c. */
#include "pure/scatter.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct scatter_grid *grid_over(
    double x_min, double x_max, double y_min, double y_max)
{
    struct scatter_range range = { 0 };
    scatter_range_add(&range, x_min, y_max);
    scatter_range_add(&range, x_max, y_min);
    struct scatter_grid *grid = scatter_grid_new(&range);
    assert_non_null(grid);
    return grid;
}

static void put(struct scatter_grid *grid, uint64_t step, double x, double y)
{
    struct scatter_point point = { step, x, y };
    scatter_grid_add(grid, &point);
}

static uint64_t total(const struct scatter_grid *grid)
{
    uint64_t n = 0;
    for (size_t i = 0; i < SCATTER_CELLS; i++) {
        n += grid->counts[i];
    }
    return n;
}

static void test_only_positive_finite_points_are_shown(void **state)
{
    (void)state;
    assert_true(scatter_shown(1e-300, 5));
    assert_false(scatter_shown(0, 5));
    assert_false(scatter_shown(5, -1));
    assert_false(scatter_shown((double)NAN, 5));
    assert_false(scatter_shown(5, (double)INFINITY));
}

static void test_corners_of_the_range_are_corners_of_the_grid(void **state)
{
    (void)state;
    struct scatter_grid *grid = grid_over(0.01, 100, 1, 1000);
    put(grid, 1, 0.01, 1);
    put(grid, 2, 100, 1000);
    assert_int_equal(grid->counts[0], 1);
    assert_int_equal(grid->counts[SCATTER_CELLS - 1], 1);
    assert_true(grid->x_log10[0] == -2 && grid->x_log10[1] == 2);
    assert_true(grid->y_log10[0] == 0 && grid->y_log10[1] == 3);
    scatter_grid_free(grid);
}

static void test_the_middle_of_the_decades_is_the_middle_cell(void **state)
{
    (void)state;
    struct scatter_grid *grid = grid_over(1, 100, 1, 100);
    put(grid, 1, 10, 10);
    size_t row = (SCATTER_HEIGHT - 1 + 1) / 2;
    size_t column = (SCATTER_WIDTH - 1 + 1) / 2;
    assert_int_equal(grid->counts[row * SCATTER_WIDTH + column], 1);
    scatter_grid_free(grid);
}

static void test_no_point_is_lost_and_steps_are_averaged(void **state)
{
    (void)state;
    struct scatter_grid *grid = grid_over(1, 10, 1, 10);
    for (uint64_t step = 0; step < 1000; step++) {
        double t = pow(10.0, (double)step / 999.0);
        put(grid, step, t, t);
    }
    put(grid, 100, 1, 1);
    assert_int_equal(total(grid), 1001);
    double steps = 0;
    for (size_t i = 0; i < SCATTER_CELLS; i++) {
        steps += grid->step_sums[i];
    }
    assert_true(steps == 499500.0 + 100.0);
    scatter_grid_free(grid);
}

static void test_the_extremes_of_each_column_are_kept(void **state)
{
    (void)state;
    struct scatter_grid *grid = grid_over(1, 10, 1e-3, 1e3);
    for (uint64_t step = 0; step < 100; step++) {
        put(grid, step, 1, 1.0 + (double)step);
    }
    put(grid, 500, 1, 1e3);
    put(grid, 501, 1, 1e-3);
    put(grid, 502, 10, 7);
    struct scatter_point out[2 * SCATTER_WIDTH];
    size_t n = scatter_grid_extremes(grid, out);
    assert_int_equal(n, 3);
    assert_int_equal(out[0].step, 500);
    assert_int_equal(out[1].step, 501);
    assert_int_equal(out[2].step, 502);
    assert_true(out[2].x == 10 && out[2].y == 7);
    scatter_grid_free(grid);
}

static void test_points_in_one_place_have_a_cell(void **state)
{
    (void)state;
    struct scatter_grid *grid = grid_over(3, 3, 4, 4);
    put(grid, 9, 3, 4);
    assert_int_equal(total(grid), 1);
    assert_true(grid->x_log10[1] - grid->x_log10[0] == 1);
    scatter_grid_free(grid);
}

static void test_the_widest_range_there_is_works(void **state)
{
    (void)state;
    struct scatter_grid *grid = grid_over(DBL_MIN, DBL_MAX, DBL_MIN, DBL_MAX);
    put(grid, 1, DBL_MIN, DBL_MAX);
    put(grid, 2, DBL_MAX, DBL_MIN);
    assert_int_equal(grid->counts[SCATTER_WIDTH - 1], 1);
    assert_int_equal(grid->counts[SCATTER_CELLS - SCATTER_WIDTH], 1);
    scatter_grid_free(grid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_positive_finite_points_are_shown),
        cmocka_unit_test(test_corners_of_the_range_are_corners_of_the_grid),
        cmocka_unit_test(test_the_middle_of_the_decades_is_the_middle_cell),
        cmocka_unit_test(test_no_point_is_lost_and_steps_are_averaged),
        cmocka_unit_test(test_the_extremes_of_each_column_are_kept),
        cmocka_unit_test(test_points_in_one_place_have_a_cell),
        cmocka_unit_test(test_the_widest_range_there_is_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
