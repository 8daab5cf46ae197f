/* pair_follow.c: the thread of its reader. */
#include "store/pair_follow.h"

void pair_follow_start(
    struct pair_follow *follow, struct run_id run, bool global)
{
    pairs_done(&follow->pairs);
    follow->pairs.window = PAIR_WINDOW_DEFAULT;
    follow->query = (struct pair_query){
        .scan = { .run = run, .to_step = UINT64_MAX },
        .global = global,
    };
    pair_window_init(&follow->window, PAIR_WINDOW_DEFAULT);
    follow->at_settled = follow->window;
    follow->any = false;
    follow->settled = 0;
    follow->records = 0;
    follow->later = 0;
}

static bool take(void *context, const struct pair *pair)
{
    struct pair_follow *follow = context;
    return pairs_add(&follow->pairs, pair);
}

static void settle(void *context, uint64_t step)
{
    struct pair_follow *follow = context;
    if (!follow->any || step >= follow->settled) {
        follow->any = true;
        follow->settled = step;
        follow->at_settled = follow->window;
        pairs_set_mark(&follow->pairs);
    }
}

static enum err_code read_new(struct pair_follow *follow, struct reader *reader,
    uint64_t *ret_records, struct err *e)
{
    struct pair_visitor visitor = {
        .window = &follow->window,
        .visit = take,
        .context = follow,
        .settled = follow->query.global ? settle : NULL,
    };
    enum err_code code = pair_scan(reader, &follow->query, &visitor, e);
    follow->pairs.waiting = pair_window_waiting(&follow->window);
    *ret_records = visitor.records;
    return code;
}

/* Records of steps behind the last whole one. */
static enum err_code count_later(struct pair_follow *follow,
    struct reader *reader, uint64_t *ret_later, struct err *e)
{
    struct scan_query query = follow->query.scan;
    struct scan *scan = NULL;
    struct scan_batch batch = { .n = 1 };
    query.fields = ROW_BIT(PROBE_step);
    query.rank = SCAN_ALL_RANKS;
    query.from_step = follow->settled + 1;
    *ret_later = 0;
    enum err_code code = scan_open(reader, &query, &scan, e);
    if (code != ERR_NONE) {
        return code;
    }
    while (code == ERR_NONE && batch.n > 0) {
        code = scan_next(scan, &batch, e);
        *ret_later += code == ERR_NONE ? batch.n : 0;
    }
    scan_close(scan);
    return code;
}

/* false: what was read before does not stand. */
static bool go_on(struct pair_follow *follow)
{
    const bool first = follow->records == 0;
    follow->query.scan.from_step = follow->any ? follow->settled + 1 : 0;
    follow->window = follow->at_settled;
    return pairs_rewind(&follow->pairs) &&
           (first || follow->settled < UINT64_MAX);
}

static enum err_code read_ranks(struct pair_follow *follow,
    struct reader *reader, uint64_t records, struct err *e)
{
    uint64_t n = 0;
    const bool first = follow->records == 0;
    const bool stands = go_on(follow);
    enum err_code code = stands ? read_new(follow, reader, &n, e) : ERR_NONE;
    if (code != ERR_NONE) {
        return code;
    }
    if (!stands || (!first && n != follow->later + records - follow->records)) {
        pair_follow_start(follow, follow->query.scan.run, true);
        code = read_new(follow, reader, &n, e);
    }
    if (code == ERR_NONE && follow->any && follow->settled < UINT64_MAX) {
        code = count_later(follow, reader, &n, e);
    }
    follow->later = n;
    follow->records = records;
    return code;
}

enum err_code pair_follow_read(struct pair_follow *follow,
    struct reader *reader, uint64_t records, struct err *e)
{
    uint64_t n = 0;
    return follow->query.global ? read_ranks(follow, reader, records, e)
                                : read_new(follow, reader, &n, e);
}
