/* order.c: heap sort and quickselect. Pure; any thread. qsort(3) would do,
 * but glibc's takes memory, and the fits promise not to. */
#include "math/order.h"

#include <stdint.h>

static void sift_down(struct ranked *items, size_t root, size_t n)
{
    struct ranked moving = items[root];
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= n) {
            break;
        }
        if (child + 1 < n && items[child].value < items[child + 1].value) {
            child++;
        }
        if (items[child].value <= moving.value) {
            break;
        }
        items[root] = items[child];
        root = child;
    }
    items[root] = moving;
}

void order_sort(struct ranked *items, size_t n)
{
    for (size_t root = n / 2; root-- > 0;) {
        sift_down(items, root, n);
    }
    for (size_t last = n; last-- > 1;) {
        struct ranked largest = items[0];
        items[0] = items[last];
        items[last] = largest;
        sift_down(items, 0, last);
    }
}

static void swap(double *a, double *b)
{
    double keep = *a;
    *a = *b;
    *b = keep;
}

/* Three parts: below the pivot, equal to it, above it. The middle one makes
 * many equal values cheap. */
static void partition(
    double *values, size_t n, double pivot, size_t *ret_below, size_t *ret_upto)
{
    size_t below = 0;
    size_t i = 0;
    size_t above = n;
    while (i < above) {
        if (values[i] < pivot) {
            swap(&values[i++], &values[below++]);
        } else if (values[i] > pivot) {
            swap(&values[i], &values[--above]);
        } else {
            i++;
        }
    }
    *ret_below = below;
    *ret_upto = above;
}

double order_select(double *values, size_t n, size_t k)
{
    /* Pivots are drawn, so that no ordering of the data is the slow one; from
     * a constant seed, so that equal data takes equal time. */
    uint64_t state = 0x9e3779b97f4a7c15u;
    while (n > 1) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t below = 0;
        size_t upto = 0;
        partition(values, n, values[(state >> 33) % n], &below, &upto);
        if (k < below) {
            n = below;
        } else if (k < upto) {
            return values[below];
        } else {
            values += upto;
            n -= upto;
            k -= upto;
        }
    }
    return values[0];
}

double order_median(double *values, size_t n)
{
    return order_select(values, n, (n - 1) / 2);
}
