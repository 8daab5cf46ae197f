/* Change points: laws that change at known places, against a search of all
 * cuts, and none where nothing changes, with errors that remember. */
#include "math/fit_change.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define N 4096
#define BLOCK 32
#define ROWS (N / BLOCK)
#define CUTS 8

struct series {
    double x[N], y[N], w[N];
    struct fit_sums workspace[2 * (ROWS + 1) + 2 * BLOCK + 1];
    size_t cuts[CUTS];
};

static double uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

static double normal(uint64_t *state)
{
    double s = 0;
    for (int i = 0; i < 12; i++) {
        s += uniform(state);
    }
    return s - 6;
}

/* y = L0 + L1 x + noise AR(phi); a new law from each of the places on. */
static struct series *series_of(const size_t *places, size_t n,
    const struct fit_line *laws, double noise, double phi, uint64_t seed)
{
    struct series *s = calloc(1, sizeof *s);
    assert_non_null(s);
    double e = 0;
    for (size_t i = 0; i < N; i++) {
        size_t k = 0;
        while (k < n && i >= places[k]) {
            k++;
        }
        e = phi * e + sqrt(1 - phi * phi) * normal(&seed);
        s->x[i] = 1 + 9 * uniform(&seed);
        s->y[i] = laws[k].L0 + laws[k].L1 * s->x[i] + noise * e;
    }
    return s;
}

static size_t cut(struct series *s, double tau, size_t n, size_t most)
{
    const struct fit_change_query query = { s->x, s->y, NULL, n, BLOCK, tau,
        most };
    assert_true(fit_change_room(&query) * sizeof(struct fit_sums) <=
                sizeof s->workspace);
    return fit_changes(&query, s->workspace, s->cuts);
}

static void test_two_changes_are_found_to_the_sample(void **state)
{
    (void)state;
    const size_t places[] = { 1000, 3001 };
    const struct fit_line laws[] = { { 2, 0.7 }, { 9, 0.7 }, { 9, 0.1 } };
    struct series *s = series_of(places, 2, laws, 0.1, 0, 1);
    assert_int_equal(cut(s, 1, N, CUTS), 2);
    assert_int_equal(s->cuts[0], 1000);
    assert_true(s->cuts[1] >= 3000 && s->cuts[1] <= 3002);
    assert_int_equal(cut(s, 1, N, 1), 1);
    assert_int_equal(cut(s, 1, N, 0), 0);
    free(s);
}

/* Samples of weight w count as w samples do. */
static void test_weights(void **state)
{
    (void)state;
    const size_t places[] = { 2048 };
    const struct fit_line laws[] = { { 2, 0.7 }, { 3, 0.7 } };
    struct series *s = series_of(places, 1, laws, 1, 0, 5);
    for (size_t i = 0; i < N; i++) {
        s->w[i] = 4;
    }
    const size_t n = cut(s, 1, N, CUTS);
    const size_t at = s->cuts[0];
    const struct fit_change_query query = { s->x, s->y, s->w, N, BLOCK, 1,
        CUTS };
    assert_int_equal(fit_changes(&query, s->workspace, s->cuts), n);
    assert_true(n == 1 && s->cuts[0] == at);
    /* Those of no weight to speak of do not decide. */
    for (size_t i = 0; i < N; i++) {
        s->w[i] = i < 2048 ? 1e-9 : 1;
    }
    assert_int_equal(fit_changes(&query, s->workspace, s->cuts), 0);
    free(s);
}

/* Slopes may change where means do not. */
static void test_a_change_of_the_slope_alone(void **state)
{
    (void)state;
    const size_t places[] = { 2048 };
    const struct fit_line laws[] = { { 0, 1 }, { 5.5, 0 } };
    struct series *s = series_of(places, 1, laws, 0.3, 0, 2);
    assert_int_equal(cut(s, 1, N, CUTS), 1);
    assert_true(s->cuts[0] >= 2040 && s->cuts[0] <= 2056);
    free(s);
}

/* The penalty holds for independent and for dependent errors; without tau the
 * latter would be cut. */
static void test_nothing_changes(void **state)
{
    (void)state;
    const struct fit_line law = { 2, 0.7 };
    size_t cuts = 0;
    size_t dependent = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct series *s = series_of(NULL, 0, &law, 1, 0, seed);
        cuts += cut(s, 1, N, CUTS);
        free(s);
        s = series_of(NULL, 0, &law, 1, 0.9, seed);
        cuts += cut(s, 19, N, CUTS); /* (1 + phi)/(1 - phi) */
        dependent += cut(s, 1, N, CUTS);
        free(s);
    }
    print_message("cuts of 80 series without a change: %zu\n", cuts);
    assert_true(cuts <= 4);
    assert_true(dependent > 40);
}

static void test_both_sides_have_their_blocks(void **state)
{
    (void)state;
    const size_t places[] = { 8 * BLOCK };
    const struct fit_line laws[] = { { 2, 0.7 }, { 90, 0.7 } };
    struct series *s = series_of(places, 1, laws, 0.3, 0, 3);
    assert_int_equal(cut(s, 1, 15 * BLOCK, CUTS), 0);
    assert_int_equal(cut(s, 1, 16 * BLOCK, CUTS), 1);
    assert_int_equal(s->cuts[0], 8 * BLOCK);
    free(s);
}

/* Where most gains, against all places tried one by one with fit_ols. */
static void test_the_place_is_the_best_of_all(void **state)
{
    (void)state;
    const size_t n = 16 * BLOCK;
    const size_t places[] = { 8 * BLOCK + 11 };
    const struct fit_line laws[] = { { 2, 0.7 }, { 4, 0.7 } };
    struct series *s = series_of(places, 1, laws, 1, 0, 4);
    assert_int_equal(cut(s, 1, n, CUTS), 1);
    double least = (double)INFINITY;
    size_t best = 0;
    for (size_t c = 7 * BLOCK; c <= 9 * BLOCK; c++) {
        double both = 0;
        for (size_t side = 0; side < 2; side++) {
            const size_t from = side == 0 ? 0 : c;
            const size_t to = side == 0 ? c : n;
            struct fit_line line;
            assert_true(fit_ols(s->x + from, s->y + from, to - from, &line));
            for (size_t i = from; i < to; i++) {
                const double r = s->y[i] - line.L0 - line.L1 * s->x[i];
                both += r * r;
            }
        }
        if (both < least) {
            least = both;
            best = c;
        }
    }
    assert_int_equal(s->cuts[0], best);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_changes_are_found_to_the_sample),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_a_change_of_the_slope_alone),
        cmocka_unit_test(test_nothing_changes),
        cmocka_unit_test(test_both_sides_have_their_blocks),
        cmocka_unit_test(test_the_place_is_the_best_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
