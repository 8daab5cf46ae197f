/* api_metrics_text.c: /metrics, in OpenMetrics 1.0 text. */
#include "http/routes.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/counters.h"
#include "http/reply.h"
#include "http/run_json.h"
#include "pure/alert.h"
#include "pure/grad_norm.h"
#include "pure/trainer.h"
#include "store/scan.h"
#include "traj.h"

#define MEDIA_OPENMETRICS                                                      \
    "application/openmetrics-text; version=1.0.0; charset=utf-8"
/* Runs looked at, newest first; of them the live ones have gauges. */
#define RUNS_MAX 200
/* Step numbers among which the newest norm is looked for where the last record
 * has none, and records read of them at most. */
#define LOOK_BACK_STEPS 2048
#define LOOK_BACK_RECORDS 65536u

struct gauge_row {
    char uid[RUN_UID_MAX + 1];
    char *project; /* owned, malloc */
    struct run_id run;
    struct trainer trainer;
    uint64_t last_step;
    int64_t last_step_wall_ns;
    double loss;
    double grad_norm;
    bool has_grad; /* the last record */
};

struct gauge_rows {
    int64_t now_wall_ns;
    size_t n;
    struct gauge_row rows[RUNS_MAX];
};

/* Counters end in _total; their family does not (OpenMetrics 5.1). */
static void write_family(
    struct buf *out, const char *name, const char *type, const char *help)
{
    size_t n = strlen(name);
    bool total = n > 6 && strcmp(name + n - 6, "_total") == 0;
    int family = (int)(total ? n - 6 : n);
    buf_printf(out, "# TYPE trajd_%.*s %s\n", family, name, type);
    buf_printf(out, "# HELP trajd_%.*s %s\n", family, name, help);
}

static void write_counters(struct buf *out)
{
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        write_family(out, counter_name(i), "counter", counter_help(i));
        buf_printf(out, "trajd_%s ", counter_name(i));
        buf_u64(out, counter_get(i));
        buf_char(out, '\n');
    }
    static_assert(COUNTER_RULES == ALERT_RULES, "a counter for each rule");
    write_family(out, "alerts_total", "counter", "alerts raised");
    for (unsigned i = 0; i < COUNTER_RULES; i++) {
        buf_printf(out, "trajd_alerts_total{rule=\"%s\"} ",
            alert_rule_name((enum alert_rule)i));
        buf_u64(out, counter_rule_get(i));
        buf_char(out, '\n');
    }
    for (unsigned i = 0; i < GAUGE_COUNT; i++) {
        write_family(out, gauge_name(i), "gauge", gauge_help(i));
        buf_printf(out, "trajd_%s ", gauge_name(i));
        buf_i64(out, gauge_get(i));
        buf_char(out, '\n');
    }
    write_family(out, "build", "info", "what runs here");
    buf_text(out, "trajd_build_info{version=\"" TRAJ_BUILD_VERSION "\"} 1\n");
}

/* Backslash, quote and newline are escaped in a label's value. */
static void write_label(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\n') {
            buf_text(out, "\\n");
            continue;
        }
        if (text.p[i] == '"' || text.p[i] == '\\') {
            buf_char(out, '\\');
        }
        buf_char(out, text.p[i]);
    }
}

static void write_double(struct buf *out, double value)
{
    if (isinf(value)) {
        buf_text(out, value > 0 ? "+Inf" : "-Inf");
        return;
    }
    buf_double(out, value);
}

enum run_gauge { LAST_STEP, LAST_STEP_TIME, LOSS, GRAD_NORM, RUN_GAUGES };

static const struct {
    const char *name;
    const char *help;
} run_gauges[RUN_GAUGES] = {
    [LAST_STEP] = { "run_last_step", "newest step of a live run" },
    [LAST_STEP_TIME] = { "run_last_step_timestamp_seconds",
        "when it came, by the daemon's clock" },
    [LOSS] = { "run_loss", "loss of the newest step" },
    [GRAD_NORM] = { "run_grad_norm", "newest gradient norm" },
};

static void write_run_gauge(
    struct buf *out, enum run_gauge gauge, const struct gauge_row *row)
{
    buf_printf(out, "trajd_%s{run=\"%s\",project=\"", run_gauges[gauge].name,
        row->uid);
    write_label(out, str_of(row->project));
    buf_text(out, "\"} ");
    switch (gauge) {
    case LAST_STEP:
        buf_u64(out, row->last_step);
        break;
    case LAST_STEP_TIME:
        write_double(out, (double)row->last_step_wall_ns / (double)NS_PER_S);
        break;
    case LOSS:
        write_double(out, row->loss);
        break;
    case GRAD_NORM:
        write_double(out, row->grad_norm);
        break;
    case RUN_GAUGES:
        break;
    }
    buf_char(out, '\n');
}

static void write_runs(struct buf *out, const struct gauge_rows *rows)
{
    for (unsigned g = 0; g < RUN_GAUGES; g++) {
        write_family(out, run_gauges[g].name, "gauge", run_gauges[g].help);
        for (size_t i = 0; i < rows->n; i++) {
            write_run_gauge(out, (enum run_gauge)g, &rows->rows[i]);
        }
    }
}

static enum err_code visit_run(
    void *context, const struct run_row *run, struct err *e)
{
    struct gauge_rows *rows = context;
    if (!run->has_last_step || rows->n == RUNS_MAX ||
        run_row_state(run, rows->now_wall_ns) != RUN_LIVE) {
        return ERR_NONE;
    }
    char *project = strdup(run->project);
    if (project == NULL) {
        return err_nomem(e);
    }
    struct gauge_row *row = &rows->rows[rows->n++];
    *row = (struct gauge_row){ .run = run->id,
        .project = project,
        .last_step = run->last_step,
        .last_step_wall_ns = run->facts.last_step_wall_ns,
        .loss = (double)NAN,
        .grad_norm = (double)NAN };
    memcpy(row->uid, run->uid, sizeof row->uid);
    return ERR_NONE;
}

/* Of these records, oldest first: the newest loss, and the newest norm of a
 * gradient. A shard's norm is not the run's. */
static void take(struct gauge_row *row, const struct scan_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        const struct row fields = { batch->columns, batch->present[i], i };
        row->loss = row_f64(&fields, STEP_loss);
        row->has_grad = row_has(&fields, STEP_grad_sq);
        const bool whole = row->trainer.world <= 1 ||
                           row_u64(&fields, STEP_combine) != TRAJ_COMBINE_SHARD;
        if (row->has_grad && whole) {
            row->grad_norm = (double)NAN; /* where its factor is not known */
            (void)grad_norm(
                &fields, STEP_grad_sq, row->trainer.world, &row->grad_norm);
        }
    }
}

/* Of the HELLO, which a list does not read. A run that has gone since stays
 * without a norm: it has no last record either. */
static enum err_code read_trainer(
    struct reader *reader, struct gauge_row *row, struct err *e)
{
    struct run_row run;
    enum err_code code = runs_get(reader, row->uid, &run, e);
    if (code == ERR_NONE) {
        row->trainer = trainer_of_hello(run.hello_json);
        run_row_done(&run);
    }
    return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

/* Rank 0's newest records of the run's last steps, so many of them. */
static enum err_code read_steps(
    struct reader *reader, struct gauge_row *row, uint64_t steps, struct err *e)
{
    const uint64_t last = row->last_step;
    const struct scan_query query = { .run = row->run,
        .kind = WIRE_STEP,
        .fields = ROW_BIT(STEP_loss) | ROW_BIT(STEP_grad_sq) |
                  ROW_BIT(STEP_combine) | GRAD_DIVISOR_FIELDS,
        .attempts = SCAN_NEWEST,
        .from_step = last < steps ? 0 : last - steps + 1,
        .to_step = last };
    struct scan *scan = NULL;
    if (scan_open(reader, &query, &scan, e) != ERR_NONE) {
        return e->code;
    }
    struct scan_batch batch = { 0 };
    enum err_code code = ERR_NONE;
    size_t records = 0;
    do {
        code = scan_next(scan, &batch, e);
        if (code == ERR_NONE) {
            take(row, &batch);
            records += batch.n;
        }
    } while (code == ERR_NONE && batch.n > 0 && records < LOOK_BACK_RECORDS);
    scan_close(scan);
    return code;
}

/* The last step; where its record has no gradient, those before it too. */
static enum err_code read_last(
    struct reader *reader, struct gauge_row *row, struct err *e)
{
    enum err_code code = read_steps(reader, row, 1, e);
    if (code == ERR_NONE && !row->has_grad) {
        code = read_steps(reader, row, LOOK_BACK_STEPS, e);
    }
    return code;
}

static enum err_code read_runs(
    struct reader *reader, struct gauge_rows *rows, struct err *e)
{
    const struct run_query query = { .limit = RUNS_MAX };
    if (runs_list(reader, &query, visit_run, rows, e) != ERR_NONE) {
        return e->code;
    }
    for (size_t i = 0; i < rows->n; i++) {
        if (read_trainer(reader, &rows->rows[i], e) != ERR_NONE ||
            read_last(reader, &rows->rows[i], e) != ERR_NONE) {
            return e->code;
        }
    }
    return ERR_NONE;
}

static void rows_free(struct gauge_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++) {
        free(rows->rows[i].project);
    }
    free(rows);
}

enum err_code api_openmetrics(struct request *req, struct err *e)
{
    struct reader *reader = NULL;
    if (request_params(req, e) != ERR_NONE ||
        request_reader(req, &reader, e) != ERR_NONE) {
        return e->code;
    }
    struct gauge_rows *rows = calloc(1, sizeof *rows);
    if (rows == NULL) {
        return err_nomem(e);
    }
    rows->now_wall_ns = clock_wall_ns();
    enum err_code code = read_runs(reader, rows, e);
    struct buf out = { 0 };
    if (code == ERR_NONE) {
        write_counters(&out);
        write_runs(&out, rows);
        buf_text(&out, "# EOF\n");
        code = reply_buf(req, MEDIA_OPENMETRICS, &out, e);
    }
    rows_free(rows);
    return code;
}
