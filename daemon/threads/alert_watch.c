/* alert_watch.c: see the header; the analysis thread. */
#include "threads/alert_watch.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/counters.h"
#include "pure/trainer.h"
#include "store/alerts.h"
#include "store/scan.h"

/* ---- who is watched ------------------------------------------------------ */

/* What was raised before counts as not clear yet, of every rank: the others may
 * have had it too. */
static void rank_init(
    const struct alert_watch *watch, struct alert_watch_rank *rank)
{
    *rank = (struct alert_watch_rank){ .attempt = 0 };
    for (size_t i = 0; i < ALERT_RULES; i++) {
        rank->rules.gates[i].raised = watch->cases.past.n[i] > 0;
    }
}

static enum err_code watch_ranks(
    struct alert_watch *watch, uint32_t world, struct err *e)
{
    const uint32_t room = ALERT_RANKS_MAX - watch->pool->ranks;
    const uint32_t wanted = world > watch->n_ranks ? world - watch->n_ranks : 0;
    const uint32_t n = watch->n_ranks + (wanted < room ? wanted : room);
    watch->cases.world = world;
    if (n == watch->n_ranks) {
        return ERR_NONE;
    }
    struct alert_watch_rank *grown =
        realloc(watch->ranks, n * sizeof *watch->ranks);
    if (grown == NULL) {
        return err_nomem(e);
    }
    watch->ranks = grown;
    watch->pool->ranks += n - watch->n_ranks;
    for (; watch->n_ranks < n; watch->n_ranks++) {
        rank_init(watch, &grown[watch->n_ranks]);
    }
    return ERR_NONE;
}

static enum err_code set_up(struct alert_watch *watch, struct alert_pool *pool,
    struct reader *reader, const struct run_row *row,
    const struct alert_limits *limits, struct err *e)
{
    if (watch->pool == NULL) {
        enum err_code code =
            alerts_past(reader, row->id, &watch->cases.past, e);
        if (code != ERR_NONE) {
            return code;
        }
        watch->pool = pool;
        watch->limits = *limits;
        watch->lr.raised = watch->cases.past.n[ALERT_LR_OVER_LIMIT] > 0;
        alert_windows_init(&watch->windows);
    }
    return watch_ranks(watch, trainer_of_hello(row->hello_json).world, e);
}

static void take_windows(struct alert_watch *watch, uint32_t rank)
{
    struct alert_rules *rules = &watch->ranks[rank].rules;
    if (rank == 0) {
        rules->windows = &watch->windows;
        return;
    }
    if (rules->windows != NULL || watch->pool->windows >= ALERT_WINDOWS_MAX) {
        return;
    }
    rules->windows = malloc(sizeof *rules->windows);
    if (rules->windows != NULL) {
        watch->pool->windows++;
        alert_windows_init(rules->windows);
    }
}

void alert_watch_rest(struct alert_watch *watch)
{
    for (uint32_t i = 1; i < watch->n_ranks; i++) {
        struct alert_rules *rules = &watch->ranks[i].rules;
        watch->pool->windows -= rules->windows != NULL;
        free(rules->windows);
        rules->windows = NULL;
    }
}

void alert_watch_done(struct alert_watch *watch)
{
    if (watch->pool != NULL) {
        alert_watch_rest(watch);
        watch->pool->ranks -= watch->n_ranks;
        free(watch->ranks);
    }
}

/* ---- how much has come --------------------------------------------------- */

struct backlog {
    struct alert_watch *watch;
    uint64_t records;      /* of all ranks behind their places */
    uint64_t quota;        /* of each rank the newest so many */
    int64_t began_wall_ns; /* the newest attempt */
};

static uint64_t waiting(
    const struct alert_watch_rank *rank, const struct stream_row *row)
{
    if (row->attempt < rank->attempt) {
        return 0;
    }
    const uint64_t seen = row->attempt == rank->attempt ? rank->seq : 0;
    return row->committed_seq > seen ? row->committed_seq - seen : 0;
}

static enum err_code count_stream(
    void *context, const struct stream_row *row, struct err *e)
{
    (void)e;
    struct backlog *backlog = context;
    struct alert_watch *watch = backlog->watch;
    if (row->rank >= watch->n_ranks) {
        return ERR_NONE;
    }
    struct alert_watch_rank *rank = &watch->ranks[row->rank];
    const uint64_t n = waiting(rank, row);
    rank->waiting += n;
    backlog->records += n;
    rank->newest_attempt = row->attempt;
    rank->newest_seq = row->committed_seq;
    if (row->attempt != watch->attempt ||
        row->created_wall_ns < backlog->began_wall_ns) {
        backlog->began_wall_ns = row->created_wall_ns;
    }
    watch->attempt = row->attempt; /* they come in ascending order */
    return ERR_NONE;
}

static uint64_t looked_at(const struct alert_watch *watch, uint64_t quota)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < watch->n_ranks; i++) {
        const uint64_t w = watch->ranks[i].waiting;
        n += w < quota ? w : quota;
    }
    return n;
}

/* The most of each rank that together are not too many. */
static uint64_t quota_of(const struct alert_watch *watch)
{
    uint64_t low = 0;
    uint64_t high = ALERT_LOOK_RECORDS;
    while (low < high) {
        const uint64_t half = (low + high + 1) / 2;
        if (looked_at(watch, half) <= ALERT_LOOK_RECORDS) {
            low = half;
        } else {
            high = half - 1;
        }
    }
    return low;
}

static enum err_code skip_stream(
    void *context, const struct stream_row *row, struct err *e)
{
    (void)e;
    struct backlog *backlog = context;
    if (row->rank >= backlog->watch->n_ranks) {
        return ERR_NONE;
    }
    struct alert_watch_rank *rank = &backlog->watch->ranks[row->rank];
    const uint64_t n = waiting(rank, row);
    if (n == 0 || rank->waiting <= backlog->quota) {
        return ERR_NONE;
    }
    const uint64_t skip = rank->waiting - backlog->quota;
    const uint64_t taken = n < skip ? n : skip;
    rank->seq = row->attempt == rank->attempt ? rank->seq + taken : taken;
    rank->attempt = row->attempt;
    rank->waiting -= taken;
    return ERR_NONE;
}

static enum err_code skip_old(struct reader *reader, const struct run_row *row,
    struct backlog *backlog, struct err *e)
{
    struct alert_watch *watch = backlog->watch;
    watch->left_out = 0;
    for (uint32_t i = 0; i < watch->n_ranks; i++) {
        watch->ranks[i].waiting = 0;
    }
    enum err_code code =
        runs_streams(reader, row->id, count_stream, backlog, e);
    if (code != ERR_NONE || backlog->records <= ALERT_LOOK_RECORDS) {
        return code;
    }
    backlog->quota = quota_of(watch);
    watch->left_out = backlog->records - looked_at(watch, backlog->quota);
    counter_add(COUNTER_ALERT_RECORDS_SKIPPED, watch->left_out);
    return runs_streams(reader, row->id, skip_stream, backlog, e);
}

/* ---- reading ------------------------------------------------------------- */

static void look_at_batch(
    struct alert_watch *watch, const struct scan_batch *batch)
{
    struct alert_watch_rank *rank = &watch->ranks[batch->rank];
    const int64_t now_mono_ns = clock_mono_ns();
    const bool among_others = watch->cases.world > 1;
    take_windows(watch, batch->rank);
    for (size_t i = 0; i < batch->n; i++) {
        const struct row row = { batch->columns, batch->present[i], i };
        struct alert_found found;
        alert_rules_step(&rank->rules, &watch->limits, batch->attempt, &row,
            watch->cases.world, &found);
        for (size_t k = 0; k < found.n; k++) {
            if (among_others) {
                found.v[k].rank = batch->rank;
                alert_cases_add_of_rank(
                    &watch->cases, &found.v[k], now_mono_ns);
            } else {
                alert_cases_add_of_run(&watch->cases, &found.v[k], now_mono_ns);
            }
        }
        rank->attempt = batch->attempt;
        rank->seq = batch->seq[i];
    }
}

static uint64_t place_of(const void *context, uint32_t attempt, uint32_t rank)
{
    const struct alert_watch *watch = context;
    if (rank >= watch->n_ranks || attempt < watch->ranks[rank].attempt) {
        return UINT64_MAX;
    }
    return attempt == watch->ranks[rank].attempt ? watch->ranks[rank].seq : 0;
}

static enum err_code read_steps(struct alert_watch *watch,
    struct reader *reader, const struct run_row *row, struct err *e)
{
    const struct scan_query query = { .run = row->id,
        .kind = WIRE_STEP,
        .fields = ALERT_STEP_FIELDS,
        .attempts = SCAN_ALL,
        .rank = SCAN_ALL_RANKS,
        .to_step = UINT64_MAX,
        .above = place_of,
        .above_context = watch };
    struct scan *scan = NULL;
    struct scan_batch batch = { .n = 1 };
    enum err_code code = scan_open(reader, &query, &scan, e);
    while (code == ERR_NONE && batch.n > 0) {
        code = scan_next(scan, &batch, e);
        if (code == ERR_NONE && batch.n > 0) {
            look_at_batch(watch, &batch);
        }
    }
    scan_close(scan);
    return code;
}

/* Records of other kinds behind the last step were seen too. */
static void go_to_the_end(struct alert_watch *watch)
{
    for (uint32_t i = 0; i < watch->n_ranks; i++) {
        struct alert_watch_rank *rank = &watch->ranks[i];
        rank->attempt = rank->newest_attempt;
        rank->seq = rank->newest_seq;
    }
}

/* ---- who is silent ------------------------------------------------------- */

struct presence {
    struct alert_watch *watch;
    const struct run_row *run;
    int64_t began_wall_ns;
    int64_t now_wall_ns;
    int64_t now_mono_ns;
    bool live; /* the run is */
    struct alert_behind behind;
};

/* Of the newest attempt, or heard since that began: a rank that was restarted
 * alone has an attempt of its own, those of a run that was are over. */
static bool is_there(const struct presence *p, const struct stream_row *row)
{
    const struct alert_watch *watch = p->watch;
    return row->rank < watch->n_ranks &&
           row->attempt == watch->ranks[row->rank].newest_attempt &&
           (row->attempt == watch->attempt ||
               row->heard_wall_ns > p->began_wall_ns);
}

static void note_behind(struct presence *p, const struct stream_row *row)
{
    if (row->facts.finished || !row->has_first_step || !p->run->has_last_step ||
        row->last_step >= p->run->last_step) {
        return;
    }
    struct alert_behind *behind = &p->behind;
    if (behind->n++ == 0 || row->rank < behind->rank) {
        behind->rank = row->rank;
        behind->step = row->last_step;
    }
}

static enum err_code look_at_stream(
    void *context, const struct stream_row *row, struct err *e)
{
    (void)e;
    struct presence *p = context;
    if (!is_there(p, row)) {
        return ERR_NONE;
    }
    note_behind(p, row);
    struct alert found;
    const struct alert_situation now = { .facts = &row->facts,
        .now_wall_ns = p->now_wall_ns,
        .attempt = row->attempt,
        .last_step = row->has_first_step ? row->last_step : 0 };
    struct alert_silence *silence = &p->watch->ranks[row->rank].silence;
    if (p->live && alert_silence_of_rank(silence, &now, row->rank, &found)) {
        alert_cases_add_of_rank(&p->watch->cases, &found, p->now_mono_ns);
    }
    return ERR_NONE;
}

static void look_at_run(struct presence *p)
{
    struct alert found;
    const struct alert_situation now = { .facts = &p->run->facts,
        .now_wall_ns = p->now_wall_ns,
        .attempt = p->watch->attempt,
        .last_step = p->run->has_last_step ? p->run->last_step : 0 };
    if (alert_silence_of_run(&p->watch->silence, &now, &p->behind, &found)) {
        alert_cases_add_of_run(&p->watch->cases, &found, p->now_mono_ns);
    }
}

static enum err_code listen(struct alert_watch *watch, struct reader *reader,
    const struct run_row *row, int64_t began_wall_ns, struct err *e)
{
    struct presence presence = { .watch = watch,
        .run = row,
        .began_wall_ns = began_wall_ns,
        .now_wall_ns = clock_wall_ns(),
        .now_mono_ns = clock_mono_ns(),
        .behind = { .world = watch->cases.world } };
    enum err_code code = ERR_NONE;
    presence.live = run_state_at(&row->facts, presence.now_wall_ns,
                        run_limits()) == RUN_LIVE;
    if (watch->cases.world > 1) {
        code = runs_streams(reader, row->id, look_at_stream, &presence, e);
    }
    if (code == ERR_NONE) {
        look_at_run(&presence);
    }
    return code;
}

/* ---- public -------------------------------------------------------------- */

enum err_code alert_watch_read(struct alert_watch *watch,
    struct alert_pool *pool, struct reader *reader, const struct run_row *row,
    const struct alert_limits *limits, struct err *e)
{
    struct backlog backlog = { .watch = watch, .began_wall_ns = INT64_MAX };
    enum err_code code = set_up(watch, pool, reader, row, limits, e);
    if (code == ERR_NONE) {
        code = skip_old(reader, row, &backlog, e);
    }
    if (code == ERR_NONE) {
        code = read_steps(watch, reader, row, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    go_to_the_end(watch);
    return listen(watch, reader, row, backlog.began_wall_ns, e);
}

void alert_watch_verdict(struct alert_watch *watch,
    const struct run_verdict *verdict, uint64_t last_step)
{
    struct alert found;
    uint64_t jump = 0;
    const int64_t now = clock_mono_ns();
    if (watch->pool == NULL) {
        return;
    }
    if (alert_verdict_lr(&watch->lr, watch->limits.lr_over_limit, verdict,
            watch->attempt, last_step, &found)) {
        alert_cases_add_of_run(&watch->cases, &found, now);
    }
    const bool jumped =
        alert_cases_last_step(&watch->cases, ALERT_L1_JUMP, &jump);
    if (alert_verdict_jump(jumped ? &jump : NULL, watch->limits.l1_jump,
            verdict, watch->attempt, &found)) {
        alert_cases_add_of_run(&watch->cases, &found, now);
    }
}
