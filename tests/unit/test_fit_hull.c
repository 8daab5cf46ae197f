/* The upper hull against its definition in whole numbers, which is exact, and
 * against itself in any order. What linprog can tell is in tests/oracle. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "math/fit_hull.h"

#define N 40

__extension__ typedef __int128 wide;

static uint64_t draw(uint64_t *state, uint64_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (*state >> 11) % below;
}

/* Points that are whole numbers below 2^52, of several kinds: few and so with
 * ties and whole lines; along a line, but for the rounding to whole numbers;
 * along a concave curve. */
static void draw_points(struct xy *points, size_t n, uint64_t *state)
{
    const uint64_t kind = draw(state, 4);
    for (size_t i = 0; i < n; i++) {
        uint64_t x = draw(state, (uint64_t)1 << 51);
        uint64_t y = draw(state, (uint64_t)1 << 51);
        if (kind == 0) {
            x %= 6;
            y %= 6;
        } else if (kind == 1) {
            y = x / 7 * 3;
        } else if (kind == 2) {
            x %= 1000;
            y = x * (2000 - x) / 3;
        }
        points[i] = (struct xy){ (double)x, (double)y };
    }
}

static wide area(struct xy a, struct xy b, struct xy c)
{
    return ((wide)b.x - (wide)a.x) * ((wide)c.y - (wide)a.y) -
           ((wide)b.y - (wide)a.y) * ((wide)c.x - (wide)a.x);
}

/* Whether p is below another point, or on or below the line of two. */
static bool is_covered(const struct xy *points, size_t n, struct xy p)
{
    for (size_t i = 0; i < n; i++) {
        const struct xy a = points[i];
        if (a.x >= p.x && a.x <= p.x && a.y > p.y) {
            return true;
        }
        for (size_t j = 0; j < n; j++) {
            const struct xy b = points[j];
            if (a.x < p.x && p.x < b.x && area(a, b, p) <= 0) {
                return true;
            }
        }
    }
    return false;
}

static void assert_same(
    const struct xy *a, size_t n_a, const struct xy *b, size_t n_b)
{
    assert_int_equal(n_a, n_b);
    for (size_t i = 0; i < n_a; i++) {
        assert_true(a[i].x >= b[i].x && a[i].x <= b[i].x);
        assert_true(a[i].y >= b[i].y && a[i].y <= b[i].y);
    }
}

static void test_hull_is_the_points_that_nothing_covers(void **state)
{
    (void)state;
    uint64_t random = 3;
    for (int round = 0; round < 2000; round++) {
        struct xy points[N];
        struct xy hull[N];
        const size_t n = 1 + (size_t)draw(&random, 14);
        draw_points(points, n, &random);
        memcpy(hull, points, sizeof hull);
        const size_t in_hull = fit_hull_reduce(hull, n);
        size_t expected = 0;
        for (size_t i = 0; i < n; i++) {
            bool first = true;
            for (size_t j = 0; j < i; j++) {
                first = first &&
                        memcmp(&points[j], &points[i], sizeof *points) != 0;
            }
            expected += first && !is_covered(points, n, points[i]);
        }
        assert_int_equal(in_hull, expected);
        for (size_t i = 0; i < in_hull; i++) {
            assert_false(is_covered(points, n, hull[i]));
            assert_true(i == 0 || hull[i - 1].x < hull[i].x);
        }
    }
}

static void test_hull_is_the_same_however_it_is_made(void **state)
{
    (void)state;
    uint64_t random = 5;
    for (int round = 0; round < 2000; round++) {
        struct xy points[N];
        double x[N];
        double y[N];
        const size_t n = 1 + (size_t)draw(&random, N - 1);
        draw_points(points, n, &random);
        struct xy inserted[N];
        size_t n_inserted = 0;
        for (size_t i = 0; i < n; i++) {
            x[i] = points[i].x;
            y[i] = points[i].y;
            n_inserted = fit_hull_insert(inserted, n_inserted, points[i]);
        }
        struct xy built[N + 1];
        const size_t n_built = fit_hull_build(x, y, n, FIT_HULL_PLAIN, built);
        struct xy merged[N];
        memcpy(merged, points, sizeof merged);
        const size_t cut = (size_t)draw(&random, n + 1);
        const size_t n_left = fit_hull_reduce(merged, cut);
        memmove(merged + n_left, points + cut, (n - cut) * sizeof *merged);
        const size_t n_right = fit_hull_reduce(merged + n_left, n - cut);
        const size_t n_merged = fit_hull_reduce(merged, n_left + n_right);
        struct xy whole[N];
        memcpy(whole, points, sizeof whole);
        const size_t n_whole = fit_hull_reduce(whole, n);
        assert_same(inserted, n_inserted, whole, n_whole);
        assert_same(built, n_built, whole, n_whole);
        assert_same(merged, n_merged, whole, n_whole);
        for (size_t i = 0; i < n; i++) {
            assert_true(fit_hull_covers(whole, n_whole, points[i]));
        }
    }
}

/* More points than wait at a time, all of them on the hull. */
static void test_a_hull_of_many_points_keeps_them_all(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    double *x = calloc(MANY, sizeof *x);
    double *y = calloc(MANY, sizeof *y);
    struct xy *hull = calloc(MANY + 1, sizeof *hull);
    assert_true(x != NULL && y != NULL && hull != NULL);
    for (size_t i = 0; i < MANY; i++) {
        x[i] = (double)((i * 2654435761u) % MANY); /* each once */
        y[i] = 1e8 - (x[i] - MANY) * (x[i] - MANY);
    }
    assert_int_equal(fit_hull_build(x, y, MANY, FIT_HULL_PLAIN, hull), MANY);
    assert_int_equal(
        fit_hull_build(x, y, MANY, FIT_HULL_WITH_ORIGIN, hull), MANY);
    free(x);
    free(y);
    free(hull);
}

static void test_scale_changes_no_orientation(void **state)
{
    (void)state;
    static const double scales[] = { 0x1p-900, 0x1p-300, 0x1p300, 0x1p900 };
    uint64_t random = 9;
    for (int round = 0; round < 400; round++) {
        struct xy points[N];
        struct xy scaled[N];
        const size_t n = 1 + (size_t)draw(&random, N - 1);
        draw_points(points, n, &random);
        const double fx = scales[round % 4];
        const double fy = scales[round / 4 % 4];
        for (size_t i = 0; i < n; i++) {
            scaled[i] = (struct xy){ points[i].x * fx, points[i].y * fy };
        }
        const size_t in_hull = fit_hull_reduce(points, n);
        assert_int_equal(fit_hull_reduce(scaled, n), in_hull);
        for (size_t i = 0; i < in_hull; i++) {
            assert_true(scaled[i].x / fx >= points[i].x &&
                        scaled[i].x / fx <= points[i].x);
        }
    }
}

static void test_support_and_frontier_of_one_point(void **state)
{
    (void)state;
    const double x[] = { 4 };
    const double y[] = { 2 };
    struct xy hull[2];
    struct fit_line vertices[2];
    const size_t n = fit_hull_build(x, y, 1, FIT_HULL_WITH_ORIGIN, hull);
    assert_int_equal(n, 2);
    struct fit_line line = fit_hull_support(hull, n, 1);
    assert_true(line.L0 <= 0 && line.L1 >= 0.5 && line.L1 <= 0.5);
    line = fit_hull_support(hull, n, 5);
    assert_true(line.L0 >= 2 && line.L0 <= 2 && line.L1 <= 0);
    assert_int_equal(fit_hull_frontier(hull, n, vertices), 2);
    assert_true(vertices[0].L0 >= 2 && vertices[0].L1 <= 0);
    assert_true(vertices[1].L0 <= 0 && vertices[1].L1 >= 0.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hull_is_the_points_that_nothing_covers),
        cmocka_unit_test(test_hull_is_the_same_however_it_is_made),
        cmocka_unit_test(test_a_hull_of_many_points_keeps_them_all),
        cmocka_unit_test(test_scale_changes_no_orientation),
        cmocka_unit_test(test_support_and_frontier_of_one_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
