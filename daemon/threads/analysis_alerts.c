/* analysis_alerts.c: see the header. */
#include "threads/analysis_alerts.h"

#include "base/clock.h"
#include "base/counters.h"
#include "pure/alert_json.h"

static enum err_code look(struct analysis_run *run, struct alert_pool *pool,
    struct reader *reader, const struct alert_limits *limits, struct err *e)
{
    struct run_row row;
    enum err_code code = reader_begin(reader, e);
    if (code != ERR_NONE) {
        return code;
    }
    code = runs_get(reader, run->uid, &row, e);
    if (code == ERR_NONE) {
        code = alert_watch_read(&run->watch, pool, reader, &row, limits, e);
        run_row_done(&row);
    }
    reader_end(reader);
    return code;
}

static void tell(const struct analysis_options *options,
    const struct analysis_run *run, const struct alert *alert, struct buf *text)
{
    counter_rule_add((unsigned)alert->rule);
    buf_clear(text);
    alert_json(text, run->uid, alert);
    if (!text->failed) {
        live_send(options->live, LIVE_EVENT_ALERT, run->uid,
            (struct str){ text->p, text->n });
    }
}

/* What cannot be stored waits for the next time. */
static enum err_code pass_on(struct analysis_run *run,
    const struct analysis_options *options, struct buf *text, struct err *e)
{
    struct alert_cases *cases = &run->watch.cases;
    enum err_code code = ERR_NONE;
    struct alert alert;
    while (code == ERR_NONE &&
           alert_cases_next(cases, clock_mono_ns(), clock_wall_ns(), &alert)) {
        bool is_new = false;
        code =
            options->add_alert(options->context, run->uid, &alert, &is_new, e);
        if (code == ERR_NONE) {
            alert_cases_told(cases, &alert);
        }
        if (is_new) {
            tell(options, run, &alert, text);
            run->dirty = true; /* its row counts them */
        }
    }
    return code;
}

enum err_code analysis_alerts(struct analysis_run *run, struct alert_pool *pool,
    struct reader *reader, const struct analysis_options *options,
    struct buf *text, struct err *e)
{
    run->wants_alerts = false;
    enum err_code code = look(run, pool, reader, &options->alert_limits, e);
    if (code == ERR_NONE) {
        code = pass_on(run, options, text, e);
    }
    if (code != ERR_NOT_FOUND) {
        run->wants_alerts = run->watch.cases.n > 0 || code != ERR_NONE;
    }
    return code;
}
