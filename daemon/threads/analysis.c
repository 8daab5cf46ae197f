/*
 * analysis.c: owns its thread, a reader of the store, and what it remembers
 * of runs.
 *
 * Threads: everything is the analysis thread's, but for the table of runs and
 * their last fits: those are changed under `lock` and read by others under it.
 * The lock is held for copies only; no other lock is taken under it.
 *
 * Invariants:
 * 1. runs[0..n_runs) have distinct uids; n_runs <= ANALYSIS_RUNS_MAX.
 * 2. credit_ns grows by a twentieth of the time that passes and falls by what
 *    fits and alerts take: one is begun only while it is positive.
 */
#include "threads/analysis.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/cond.h"
#include "base/counters.h"
#include "base/log.h"
#include "pure/fit_json.h"
#include "pure/verdict_json.h"
#include "threads/analysis_alerts.h"

#define PASS_NS (250 * NS_PER_MS) /* between two passes over the runs */
#define LOOK_NS NS_PER_S          /* between two looks at one run */
#define CREDIT_MAX_NS (250 * NS_PER_MS)
#define CREDIT_SHARE 20 /* one part in so many of the time */

struct analysis {
    struct analysis_options options;
    pthread_t thread;
    struct reader *reader;
    struct live_changed changed;
    struct buf text;
    int64_t credit_ns;
    int64_t credited_mono_ns;
    bool fits_turn; /* else it is that of the alerts */
    struct alert_pool alert_pool;

    pthread_mutex_t lock; /* see above */
    pthread_cond_t stop;
    bool stopping;
    struct analysis_run *runs[ANALYSIS_RUNS_MAX];
    size_t n_runs;
};

static void lock(struct analysis *analysis)
{
    int rc = pthread_mutex_lock(&analysis->lock);
    assert(rc == 0);
    (void)rc;
}

static void unlock(struct analysis *analysis)
{
    (void)pthread_mutex_unlock(&analysis->lock);
}

/* ---- the table of runs -------------------------------------------------- */

static struct analysis_run *find(
    const struct analysis *analysis, const char *uid)
{
    for (size_t i = 0; i < analysis->n_runs; i++) {
        if (strcmp(analysis->runs[i]->uid, uid) == 0) {
            return analysis->runs[i];
        }
    }
    return NULL;
}

static void forget(struct analysis *analysis, struct analysis_run *run)
{
    lock(analysis);
    for (size_t i = 0; i < analysis->n_runs; i++) {
        if (analysis->runs[i] == run) {
            analysis->runs[i] = analysis->runs[--analysis->n_runs];
            break;
        }
    }
    unlock(analysis);
    analysis_run_free(run);
}

static void forget_the_quietest(struct analysis *analysis)
{
    struct analysis_run *quietest = analysis->runs[0];
    for (size_t i = 1; i < analysis->n_runs; i++) {
        if (analysis->runs[i]->changed_mono_ns < quietest->changed_mono_ns) {
            quietest = analysis->runs[i];
        }
    }
    forget(analysis, quietest);
}

static void note_change(struct analysis *analysis, const char *uid)
{
    struct analysis_run *run = find(analysis, uid);
    if (run == NULL) {
        run = analysis_run_new(uid);
        if (run == NULL) {
            log_limited(
                LOG_WARN, "analysis", "run=%s not followed: no memory", uid);
            return;
        }
        if (analysis->n_runs == ANALYSIS_RUNS_MAX) {
            forget_the_quietest(analysis);
        }
        lock(analysis);
        analysis->runs[analysis->n_runs++] = run;
        unlock(analysis);
    }
    run->dirty = true;
    run->changed_mono_ns = clock_mono_ns();
}

/* ---- looking at a run --------------------------------------------------- */

static void log_survived(
    const struct analysis_run *run, const char *what, const struct err *e)
{
    char quoted[200];
    log_limited(LOG_WARN, "analysis", "run=%s %s error=%s retried=1", run->uid,
        what, log_quoted(quoted, sizeof quoted, e->text));
}

static void tell_run(struct analysis *analysis, const struct analysis_run *run,
    const struct run_row *row, int64_t now_wall_ns)
{
    buf_clear(&analysis->text);
    analysis->options.run_json(&analysis->text, row, now_wall_ns);
    if (!analysis->text.failed && analysis->text.n > 0) {
        live_send(analysis->options.live, LIVE_EVENT_RUN, run->uid,
            (struct str){ analysis->text.p, analysis->text.n });
    }
}

static void take_in(struct analysis *analysis, struct analysis_run *run,
    const struct run_row *row)
{
    int64_t now = clock_wall_ns();
    enum run_state state = run_state_at(&row->facts, now, run_limits());
    if (!run->seen || row->revision != run->revision || state != run->state) {
        tell_run(analysis, run, row, now);
    }
    uint64_t probes = row->records[WIRE_PROBE];
    uint64_t norms = row->records[WIRE_SHARPNESS];
    if (probes > 0 &&
        (!run->has_fit || probes != run->fit_records || norms != run->norms ||
            row->attempts != run->attempts)) {
        run->wants_fit = true;
    }
    if (analysis->options.add_alert != NULL &&
        (!run->seen || row->records[WIRE_STEP] != run->steps ||
            row->attempts != run->attempts || state != run->state)) {
        run->wants_alerts = true;
    }
    run->seen = true;
    run->steps = row->records[WIRE_STEP];
    run->norms = norms;
    run->last_step = row->has_last_step ? row->last_step : 0;
    run->revision = row->revision;
    run->state = state;
    run->facts = row->facts;
    run->attempts = row->attempts;
}

/* The run is deleted: false. */
static bool look(struct analysis *analysis, struct analysis_run *run)
{
    struct run_row row;
    struct err e = { 0 };
    run->dirty = false;
    run->next_look_mono_ns = clock_mono_ns() + LOOK_NS;
    enum err_code code = runs_get(analysis->reader, run->uid, &row, &e);
    if (code == ERR_NOT_FOUND) {
        return false;
    }
    if (code != ERR_NONE) {
        log_survived(run, "look", &e);
        run->dirty = true;
        return true;
    }
    take_in(analysis, run, &row);
    run_row_done(&row);
    return true;
}

/* A run that nobody writes to changes too: it stalls, it is lost. */
static bool has_turned(const struct analysis_run *run)
{
    return run->seen && run_state_at(&run->facts, clock_wall_ns(),
                            run_limits()) != run->state;
}

static void look_at_runs(struct analysis *analysis)
{
    int64_t now = clock_mono_ns();
    for (size_t i = 0; i < analysis->n_runs;) {
        struct analysis_run *run = analysis->runs[i];
        bool due =
            (run->dirty || has_turned(run)) && now >= run->next_look_mono_ns;
        if (due && !look(analysis, run)) {
            forget(analysis, run); /* another one takes place i */
            continue;
        }
        analysis_run_rest(run, now);
        i++;
    }
}

/* ---- fits --------------------------------------------------------------- */

static int64_t thread_cpu_ns(void)
{
    struct timespec now = { 0 };
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* cannot fail */
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void tell_fit(struct analysis *analysis, const struct analysis_run *run,
    const struct run_fit *fit)
{
    buf_clear(&analysis->text);
    fit_json(&analysis->text, fit, run->uid);
    if (!analysis->text.failed) {
        live_send(analysis->options.live, LIVE_EVENT_FIT, run->uid,
            (struct str){ analysis->text.p, analysis->text.n });
    }
}

static void tell_verdict(struct analysis *analysis,
    const struct analysis_run *run, const struct run_verdict *verdict)
{
    buf_clear(&analysis->text);
    verdict_event_json(&analysis->text, verdict, run->uid);
    if (!analysis->text.failed) {
        live_send(analysis->options.live, LIVE_EVENT_VERDICT, run->uid,
            (struct str){ analysis->text.p, analysis->text.n });
    }
}

/* The run's row, its pairs and what else there is to judge by are of one state
 * of the database. *ret_verdict is for run_verdict_done. */
static enum err_code read_run(struct analysis *analysis,
    struct analysis_run *run, uint64_t *ret_records, struct run_fit *ret_fit,
    struct run_verdict *ret_verdict, struct err *e)
{
    struct run_row row;
    enum err_code code = reader_begin(analysis->reader, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = runs_get(analysis->reader, run->uid, &row, e);
    if (code == ERR_NONE) {
        code = analysis_run_read(run, analysis->reader, &row, e);
        if (code == ERR_NONE) {
            code = analysis_run_fit(run, analysis->reader, &row, ret_fit, e);
        }
        if (code == ERR_NONE) {
            code =
                analysis_run_judge(run, analysis->reader, &row, ret_verdict, e);
        }
        *ret_records = row.records[WIRE_PROBE];
        run_row_done(&row);
    }
    reader_end(analysis->reader);
    return code;
}

static void keep_fit(struct analysis *analysis, struct analysis_run *run,
    const struct run_fit *fit, const struct run_verdict *verdict,
    uint64_t records)
{
    lock(analysis);
    run->fit = *fit;
    run->fit_records = records;
    run->has_fit = true;
    run->has_law = analysis_run_law(verdict, &run->law);
    unlock(analysis);
}

static enum err_code fit_run(
    struct analysis *analysis, struct analysis_run *run, struct err *e)
{
    struct run_verdict verdict;
    struct run_fit fit;
    uint64_t records = 0;
    enum err_code code = read_run(analysis, run, &records, &fit, &verdict, e);
    if (code != ERR_NONE) {
        return code;
    }
    counter_add(COUNTER_FITS, 1);
    keep_fit(analysis, run, &fit, &verdict, records);
    tell_fit(analysis, run, &fit);
    tell_verdict(analysis, run, &verdict);
    alert_watch_verdict(&run->watch, &verdict, run->last_step);
    run->wants_alerts = run->wants_alerts || run->watch.cases.n > 0;
    run_verdict_done(&verdict);
    return ERR_NONE;
}

/* A verdict is news for the alerts: they come first. */
static bool may_fit(
    const struct analysis *analysis, const struct analysis_run *run)
{
    return run->wants_fit &&
           (run->watch.pool != NULL || analysis->options.add_alert == NULL);
}

/* Of those that want a fit, the one that has waited longest. */
static struct analysis_run *next_to_fit(const struct analysis *analysis)
{
    struct analysis_run *next = NULL;
    int64_t latest = clock_mono_ns() - LOOK_NS;
    for (size_t i = 0; i < analysis->n_runs; i++) {
        struct analysis_run *run = analysis->runs[i];
        bool due = may_fit(analysis, run) &&
                   (run->fitted_mono_ns == 0 || run->fitted_mono_ns <= latest);
        if (due &&
            (next == NULL || run->fitted_mono_ns < next->fitted_mono_ns)) {
            next = run;
        }
    }
    return next;
}

static void earn_credit(struct analysis *analysis)
{
    int64_t now = clock_mono_ns();
    analysis->credit_ns += (now - analysis->credited_mono_ns) / CREDIT_SHARE;
    analysis->credited_mono_ns = now;
    if (analysis->credit_ns > CREDIT_MAX_NS) {
        analysis->credit_ns = CREDIT_MAX_NS;
    }
}

/* false: no run wants a fit. */
static bool fit_one(struct analysis *analysis)
{
    struct analysis_run *run = next_to_fit(analysis);
    struct err e = { 0 };
    if (run == NULL) {
        return false;
    }
    run->wants_fit = false;
    enum err_code code = fit_run(analysis, run, &e);
    run->fitted_mono_ns = clock_mono_ns();
    if (code != ERR_NONE && code != ERR_NOT_FOUND) {
        log_survived(run, "fit", &e);
        run->wants_fit = true;
    }
    return true;
}

/* ---- alerts ------------------------------------------------------------- */

/* The one that has waited longest. */
static struct analysis_run *next_to_judge(const struct analysis *analysis)
{
    struct analysis_run *next = NULL;
    const int64_t latest = clock_mono_ns() - LOOK_NS;
    for (size_t i = 0; i < analysis->n_runs; i++) {
        struct analysis_run *run = analysis->runs[i];
        bool due = run->wants_alerts &&
                   (run->judged_mono_ns == 0 || run->judged_mono_ns <= latest);
        if (due &&
            (next == NULL || run->judged_mono_ns < next->judged_mono_ns)) {
            next = run;
        }
    }
    return next;
}

static void log_left_out(const struct analysis_run *run)
{
    const struct alert_watch *watch = &run->watch;
    if (watch->left_out > 0) {
        log_limited(LOG_INFO, "analysis",
            "event=alerts_of_the_newest run=%s looked_at=%u left_out=%llu",
            run->uid, ALERT_LOOK_RECORDS, (unsigned long long)watch->left_out);
    }
    if (watch->n_ranks < watch->cases.world) {
        log_limited(LOG_INFO, "analysis",
            "event=alerts_of_some_ranks run=%s watched=%u world=%u", run->uid,
            watch->n_ranks, watch->cases.world);
    }
}

static bool judge_one(struct analysis *analysis)
{
    struct analysis_run *run = next_to_judge(analysis);
    struct err e = { 0 };
    if (run == NULL) {
        return false;
    }
    enum err_code code = analysis_alerts(run, &analysis->alert_pool,
        analysis->reader, &analysis->options, &analysis->text, &e);
    run->judged_mono_ns = clock_mono_ns();
    log_left_out(run);
    if (code != ERR_NONE && code != ERR_NOT_FOUND) {
        log_survived(run, "alerts", &e);
    }
    return true;
}

/* In turns while there is credit. */
static void work(struct analysis *analysis)
{
    earn_credit(analysis);
    for (int idle = 0; idle < 2 && analysis->credit_ns > 0;) {
        const int64_t began = thread_cpu_ns();
        const bool worked =
            analysis->fits_turn ? fit_one(analysis) : judge_one(analysis);
        analysis->fits_turn = !analysis->fits_turn;
        analysis->credit_ns -= thread_cpu_ns() - began;
        idle = worked ? 0 : idle + 1;
    }
}

/* ---- the thread --------------------------------------------------------- */

static enum err_code follow(
    void *context, const struct run_row *row, struct err *e)
{
    (void)e;
    enum run_state state =
        run_state_at(&row->facts, clock_wall_ns(), run_limits());
    if (state == RUN_LIVE || state == RUN_STALLED) {
        note_change(context, row->uid);
    }
    return ERR_NONE;
}

/* After a start, and when more runs changed than have been named. */
static void follow_the_newest(struct analysis *analysis)
{
    const struct run_query newest = { .limit = ANALYSIS_RUNS_MAX };
    struct err e = { 0 };
    if (runs_list(analysis->reader, &newest, follow, analysis, &e) !=
        ERR_NONE) {
        char quoted[200];
        log_limited(LOG_WARN, "analysis", "list error=%s",
            log_quoted(quoted, sizeof quoted, e.text));
    }
}

/* Until the next pass. false: stop. */
static bool rest(struct analysis *analysis, int64_t until_mono_ns)
{
    lock(analysis);
    bool in_time = true;
    while (!analysis->stopping && in_time) {
        in_time =
            cond_wait_until(&analysis->stop, &analysis->lock, until_mono_ns);
    }
    bool go_on = !analysis->stopping;
    unlock(analysis);
    return go_on;
}

static void *run_thread(void *context)
{
    struct analysis *analysis = context;
    struct live_changed *changed = &analysis->changed;
    follow_the_newest(analysis);
    do {
        int64_t began = clock_mono_ns();
        for (size_t i = 0; i < changed->n; i++) {
            note_change(analysis, changed->uids[i]);
        }
        if (changed->overflow) {
            follow_the_newest(analysis);
        }
        look_at_runs(analysis);
        work(analysis);
        if (!rest(analysis, began + PASS_NS)) {
            break;
        }
        live_changed(
            analysis->options.live, (int)(LOOK_NS / NS_PER_MS), changed);
    } while (true);
    return NULL;
}

/* ---- public ------------------------------------------------------------- */

static enum err_code init_locks(struct analysis *analysis, struct err *e)
{
    if (pthread_mutex_init(&analysis->lock, NULL) != 0) {
        return err_set(e, ERR_NOMEM, "no memory for a lock");
    }
    if (!cond_init(&analysis->stop)) {
        (void)pthread_mutex_destroy(&analysis->lock);
        return err_set(e, ERR_NOMEM, "no memory for a condition");
    }
    return ERR_NONE;
}

enum err_code analysis_start(const struct analysis_options *options,
    struct analysis **ret_analysis, struct err *e)
{
    struct analysis *analysis = calloc(1, sizeof *analysis);
    if (analysis == NULL) {
        return err_set(e, ERR_NOMEM, "no memory for the analysis");
    }
    analysis->options = *options;
    analysis->credit_ns = CREDIT_MAX_NS;
    analysis->credited_mono_ns = clock_mono_ns();
    enum err_code code = init_locks(analysis, e);
    if (code != ERR_NONE) {
        goto err_free;
    }
    code = reader_open(options->db_path, &analysis->reader, e);
    if (code != ERR_NONE) {
        goto err_locks;
    }
    if (pthread_create(&analysis->thread, NULL, run_thread, analysis) != 0) {
        code = err_set(e, ERR_NOMEM, "the analysis thread does not start");
        goto err_reader;
    }
    *ret_analysis = analysis;
    return ERR_NONE;

err_reader:
    reader_close(analysis->reader);
err_locks:
    (void)pthread_cond_destroy(&analysis->stop);
    (void)pthread_mutex_destroy(&analysis->lock);
err_free:
    free(analysis);
    return code;
}

void analysis_stop(struct analysis *analysis)
{
    if (analysis == NULL) {
        return;
    }
    lock(analysis);
    analysis->stopping = true;
    (void)pthread_cond_signal(&analysis->stop);
    unlock(analysis);
    live_interrupt(analysis->options.live);
    (void)pthread_join(analysis->thread, NULL);
    for (size_t i = 0; i < analysis->n_runs; i++) {
        analysis_run_free(analysis->runs[i]);
    }
    buf_done(&analysis->text);
    reader_close(analysis->reader);
    (void)pthread_cond_destroy(&analysis->stop);
    (void)pthread_mutex_destroy(&analysis->lock);
    free(analysis);
}

bool analysis_fit(struct analysis *analysis, const char *run_uid,
    uint64_t probe_records, struct run_fit *ret_fit)
{
    lock(analysis);
    const struct analysis_run *run = find(analysis, run_uid);
    bool has = run != NULL && run->has_fit && run->fit_records == probe_records;
    if (has) {
        *ret_fit = run->fit;
    }
    unlock(analysis);
    return has;
}

bool analysis_advice(
    struct analysis *analysis, const char *run_uid, struct run_law *ret_law)
{
    lock(analysis);
    const struct analysis_run *run = find(analysis, run_uid);
    const bool has = run != NULL && run->has_law;
    if (has) {
        *ret_law = run->law;
    }
    unlock(analysis);
    return has;
}
