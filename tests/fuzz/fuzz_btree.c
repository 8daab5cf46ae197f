/*
 * Any bytes as the pages of a database: rows, or none, and each value lies
 * within its row.
 */
#include "care/btree.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct btree btree;

static enum err_code look_at(
    void *context, const struct btree_row *row, struct err *e)
{
    (void)context;
    (void)e;
    const char *start = (const char *)btree.row;
    for (size_t i = 0; i < row->n; i++) {
        struct str bytes = row->values[i].bytes;
        if (bytes.n > 0 &&
            (bytes.p < start ||
                bytes.p + bytes.n > start + btree.row_capacity)) {
            abort();
        }
    }
    return ERR_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static FILE *file;
    char path[40];
    struct pages pages;
    struct err e = { 0 };
    file = file == NULL ? tmpfile() : file;
    if (file == NULL || ftruncate(fileno(file), 0) != 0 ||
        pwrite(fileno(file), data, n, 0) != (ssize_t)n) {
        abort();
    }
    (void)snprintf(path, sizeof path, "/dev/fd/%d", fileno(file));
    if (pages_open(path, &pages, &e) != ERR_NONE) {
        abort();
    }
    if (btree_init(&btree, &pages, &e) == ERR_NONE) {
        (void)!btree_walk(&btree, 1, look_at, NULL, &e);
        (void)!btree_walk(&btree, 2, look_at, NULL, &e);
        (void)!btree_skip_free(&btree, &e);
        (void)!btree_rest(&btree, look_at, NULL, &e);
    }
    btree_done(&btree);
    pages_close(&pages);
    return 0;
}
