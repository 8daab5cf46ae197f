/*
 * api_scatter.c: the pairs of a run as points, or as a density grid when they
 * are more than the caller can draw. Two passes over the probes in one
 * snapshot: the first counts and finds the range, the second fills; so memory
 * follows what is sent and not what there is, but for what rank_scan.h takes.
 */
#include "http/routes.h"

#include <math.h>

#include "http/pair_query.h"
#include "http/rank_pairs_json.h"
#include "http/reply.h"
#include "pure/scatter.h"
#include "traj.h"

#define MAX_DEFAULT 20000
#define MAX_MOST 200000

struct scatter {
    struct pair_choice choice;
    int wanted_regressor, wanted_estimator;
    uint64_t max;
    /* The first pass. */
    struct pair_census census;
    struct scatter_range ranges[PAIR_ESTIMATORS][PAIR_REGRESSORS];
    uint64_t n; /* pairs of all classes, and probes that are in none */
    struct rank_pairs tally;
    /* What is shown. */
    enum fit_regressor regressor;
    unsigned estimator;
    const struct scatter_range *range;
    /* The second pass: one of the two. */
    struct pairs points;
    struct scatter_grid *grid;
};

static enum err_code parse(
    struct request *req, struct scatter *ret, struct err *e)
{
    *ret = (struct scatter){ 0 };
    pair_choice_parse(req, &ret->choice);
    ret->wanted_regressor = pair_query_regressor(req, "x");
    ret->wanted_estimator = pair_query_estimator(req);
    ret->max = request_u64(req, "max", 1, MAX_MOST, MAX_DEFAULT);
    return request_params(req, e);
}

/* ---- the two passes ----------------------------------------------------- */

static bool count(void *context, const struct pair *pair)
{
    struct scatter *s = context;
    pair_census_add(&s->census, pair);
    s->n++;
    for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
        if (scatter_shown(pair->x[k], pair->y[k])) {
            scatter_range_add(
                &s->ranges[pair->estimator][k], pair->x[k], pair->y[k]);
        }
    }
    return true;
}

static bool is_shown(const struct scatter *s, const struct pair *pair)
{
    return pair->estimator == s->estimator &&
           scatter_shown(pair->x[s->regressor], pair->y[s->regressor]);
}

static bool take_point(void *context, const struct pair *pair)
{
    struct scatter *s = context;
    return !is_shown(s, pair) || pairs_add(&s->points, pair);
}

static bool take_cell(void *context, const struct pair *pair)
{
    struct scatter *s = context;
    if (is_shown(s, pair)) {
        const struct scatter_point point = { pair->step, pair->x[s->regressor],
            pair->y[s->regressor] };
        scatter_grid_add(s->grid, &point);
    }
    return true;
}

static void choose(struct scatter *s)
{
    s->estimator = s->wanted_estimator >= 0 ? (unsigned)s->wanted_estimator
                                            : pair_census_estimator(&s->census);
    s->regressor = s->wanted_regressor >= 0
                       ? (enum fit_regressor)s->wanted_regressor
                       : pair_census_regressor(&s->census, s->estimator);
    s->range = &s->ranges[s->estimator][s->regressor];
}

static enum err_code pass(struct reader *reader, struct scatter *s,
    pair_visit_fn visit, struct rank_pairs *tally, struct err *e)
{
    struct pair_query query = s->choice.query; /* both from the start */
    struct pair_window window;
    struct pair_visitor visitor = {
        .window = &window, .visit = visit, .context = s, .tally = tally
    };
    pair_window_init(&window, s->choice.window);
    enum err_code code = pair_scan(reader, &query, &visitor, e);
    s->n += tally != NULL ? pair_window_waiting(&window) : 0;
    return code;
}

static enum err_code collect(
    struct reader *reader, struct scatter *s, struct err *e)
{
    enum err_code code = pass(reader, s, count, &s->tally, e);
    if (code != ERR_NONE) {
        return code;
    }
    choose(s);
    if (s->range->n <= s->max) {
        return pass(reader, s, take_point, NULL, e);
    }
    s->grid = scatter_grid_new(s->range);
    if (s->grid == NULL) {
        return err_set(e, ERR_NOMEM, "no memory for a density grid");
    }
    return pass(reader, s, take_cell, NULL, e);
}

static enum err_code collect_in_one_snapshot(struct request *req,
    const struct run_row *run, struct scatter *s, struct err *e)
{
    struct reader *reader = NULL;
    enum err_code code = request_reader(req, &reader, e);
    if (code == ERR_NONE) {
        code = reader_begin(reader, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = pair_choice_of_run(&s->choice, reader, run, e);
    if (code == ERR_NONE && !rank_pairs_init(&s->tally, s->choice.world)) {
        code = err_nomem(e);
    }
    if (code == ERR_NONE) {
        code = collect(reader, s, e);
    }
    reader_end(reader);
    return code;
}

/* ---- writing ------------------------------------------------------------ */

/* null where it is not known. */
typedef double (*floor_fn)(const struct pair *pair, enum fit_regressor r);

static void write_floors(
    struct buf *out, const char *name, const struct scatter *s, floor_fn floor)
{
    buf_printf(out, "],\"%s\":[", name);
    for (size_t i = 0; i < s->points.n; i++) {
        const double value = floor(&s->points.v[i], s->regressor);
        buf_comma(out, i);
        buf_json_optional(out, !isnan(value), value);
    }
}

static void write_points(struct buf *out, const struct scatter *s)
{
    const struct pair *v = s->points.v;
    size_t n = s->points.n;
    buf_text(out, "\"mode\":\"points\",\"step\":[");
    for (size_t i = 0; i < n; i++) {
        buf_comma(out, i);
        buf_json_u64(out, v[i].step);
    }
    buf_text(out, "],\"x\":[");
    for (size_t i = 0; i < n; i++) {
        buf_comma(out, i);
        buf_json_double(out, v[i].x[s->regressor]);
    }
    buf_text(out, "],\"y\":[");
    for (size_t i = 0; i < n; i++) {
        buf_comma(out, i);
        buf_json_double(out, v[i].y[s->regressor]);
    }
    buf_text(out, "],\"ceiling\":[");
    for (size_t i = 0; i < n; i++) {
        buf_comma(out, i);
        buf_json_optional(out, pair_has_ceiling(&v[i], s->regressor),
            v[i].ceiling[s->regressor]);
    }
    write_floors(out, "noise_floor", s, pair_noise_floor);
    write_floors(out, "rounding_floor", s, pair_rounding_floor);
    buf_text(out, "],\"flags\":[");
    for (size_t i = 0; i < n; i++) {
        buf_comma(out, i);
        buf_u64(out, v[i].flags);
    }
    buf_char(out, ']');
}

static void write_extremes(struct buf *out, const struct scatter_grid *grid)
{
    struct scatter_point points[2 * SCATTER_WIDTH];
    size_t n = scatter_grid_extremes(grid, points);
    buf_text(out, "\"extremes\":{\"step\":[");
    for (size_t i = 0; i < n; i++) {
        buf_comma(out, i);
        buf_json_u64(out, points[i].step);
    }
    buf_text(out, "],\"x\":[");
    for (size_t i = 0; i < n; i++) {
        buf_comma(out, i);
        buf_json_double(out, points[i].x);
    }
    buf_text(out, "],\"y\":[");
    for (size_t i = 0; i < n; i++) {
        buf_comma(out, i);
        buf_json_double(out, points[i].y);
    }
    buf_text(out, "]}");
}

static void write_axis(
    struct buf *out, const char *name, const double axis[static 2])
{
    buf_printf(out, "\"%s\":[", name);
    buf_json_double(out, axis[0]);
    buf_char(out, ',');
    buf_json_double(out, axis[1]);
    buf_text(out, "],");
}

static void write_density(struct buf *out, const struct scatter_grid *grid)
{
    buf_text(out, "\"mode\":\"density\",");
    write_axis(out, "x_log10", grid->x_log10);
    write_axis(out, "y_log10", grid->y_log10);
    buf_printf(
        out, "\"w\":%d,\"h\":%d,\"counts\":[", SCATTER_WIDTH, SCATTER_HEIGHT);
    for (size_t i = 0; i < SCATTER_CELLS; i++) {
        buf_comma(out, i);
        buf_u64(out, grid->counts[i]);
    }
    buf_text(out, "],\"mean_step\":[");
    for (size_t i = 0; i < SCATTER_CELLS; i++) {
        buf_comma(out, i);
        if (grid->counts[i] == 0) {
            buf_text(out, "null");
        } else {
            /* A colour: whole steps will do. */
            buf_printf(out, "%.0f", grid->step_sums[i] / grid->counts[i]);
        }
    }
    buf_text(out, "],");
    write_extremes(out, grid);
}

static void write_json(struct buf *out, const struct scatter *s)
{
    uint64_t shown = s->range->n;
    buf_printf(out,
        "{\"data\":{\"x_name\":\"%s\",\"y_name\":\"%s\",\"estimator\":\"%s\",",
        pair_regressor_name(s->regressor), pair_smoothness_name(s->regressor),
        pair_estimator_name(s->estimator));
    buf_printf(out, "\"group\":%u,\"window\":%u,\"rank\":\"",
        (unsigned)s->choice.query.group,
        s->estimator == TRAJ_ESTIMATOR_MICROBATCH ? (unsigned)s->choice.window
                                                  : 1U);
    pair_choice_write_rank(out, &s->choice);
    buf_text(out, "\",");
    if (s->grid != NULL) {
        write_density(out, s->grid);
    } else {
        write_points(out, s);
    }
    buf_printf(out, "},\"sampling\":{\"method\":\"%s\",\"rows_in\":",
        s->grid != NULL ? "density" : "none");
    buf_u64(out, s->n);
    buf_text(out, ",\"rows_out\":");
    buf_u64(out, shown);
    buf_text(out, "},\"excluded\":");
    buf_u64(out, s->n - shown);
    buf_text(out, ",\"ranks\":");
    if (s->choice.query.global) {
        rank_pairs_json(out, &s->tally);
    } else {
        buf_text(out, "null");
    }
    buf_char(out, '}');
}

static enum err_code answer(struct request *req, struct scatter *s,
    const struct run_row *run, struct err *e)
{
    if (request_is_fresh(req, run, 0)) {
        return reply_not_modified(req, e);
    }
    pairs_init(&s->points, MAX_MOST);
    struct buf out = { 0 };
    enum err_code code = collect_in_one_snapshot(req, run, s, e);
    if (code == ERR_NONE) {
        write_json(&out, s);
        code = reply_buf(req, MEDIA_JSON, &out, e);
    }
    scatter_grid_free(s->grid);
    pairs_done(&s->points);
    rank_pairs_done(&s->tally);
    pair_choice_done(&s->choice);
    return code;
}

enum err_code api_scatter(struct request *req, struct err *e)
{
    struct scatter scatter;
    struct run_row run;
    enum err_code code = parse(req, &scatter, e);
    if (code == ERR_NONE) {
        code = request_run(req, &run, e);
    }
    if (code != ERR_NONE) {
        return code;
    }
    code = answer(req, &scatter, &run, e);
    run_row_done(&run);
    return code;
}
