/* rank_slices.c: the thread of its reader. */
#include "store/rank_slices.h"

#include "store/db.h"

#define FIELD_STEP 0 /* of every kind */

static enum err_code add_start(
    struct rank_slices *slices, uint64_t step, struct err *e)
{
    if (slices->n == slices->capacity) {
        size_t larger = slices->capacity == 0 ? 64 : slices->capacity * 2;
        void *grown = db_realloc(slices->starts, larger * sizeof(uint64_t));
        if (grown == NULL) {
            return db_nomem(e, "ranks");
        }
        slices->starts = grown;
        slices->capacity = larger;
    }
    slices->starts[slices->n++] = step;
    return ERR_NONE;
}

/* Where the rank is on its way through the steps. Steps that it does again do
 * not count. */
struct pilot {
    bool any;
    uint64_t top;
    size_t n; /* since the last start */
    size_t slice;
};

static enum err_code pass(struct rank_slices *slices, struct pilot *pilot,
    uint64_t step, struct err *e)
{
    if (pilot->any && step < pilot->top) {
        return ERR_NONE;
    }
    enum err_code code = ERR_NONE;
    if (pilot->n >= pilot->slice && step > pilot->top) {
        pilot->n = 0;
        code = add_start(slices, step, e);
    }
    pilot->any = true;
    pilot->top = step;
    pilot->n++;
    return code;
}

static enum err_code follow(struct rank_slices *slices, struct scan *scan,
    struct pilot *pilot, rank_slices_fn counts, const void *context,
    struct err *e)
{
    struct scan_batch batch = { .n = 1 };
    enum err_code code = ERR_NONE;
    while (code == ERR_NONE && batch.n > 0) {
        code = scan_next(scan, &batch, e);
        for (size_t i = 0; code == ERR_NONE && i < batch.n; i++) {
            const uint64_t *steps = batch.columns[FIELD_STEP];
            if (counts(context, &batch, i)) {
                code = pass(slices, pilot, steps == NULL ? 0 : steps[i], e);
            }
        }
    }
    return code;
}

enum err_code rank_slices_find(struct rank_slices *slices,
    struct reader *reader, const struct scan_query *query, size_t records,
    rank_slices_fn counts, const void *context, struct err *e)
{
    *slices = (struct rank_slices){ 0 };
    struct pilot pilot = { .slice = records };
    struct scan *scan = NULL;
    enum err_code code = add_start(slices, query->from_step, e);
    if (code == ERR_NONE) {
        code = scan_open(reader, query, &scan, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = follow(slices, scan, &pilot, counts, context, e);
    scan_close(scan);
    return code;
}

void rank_slices_done(struct rank_slices *slices)
{
    db_free(slices->starts);
    *slices = (struct rank_slices){ 0 };
}
