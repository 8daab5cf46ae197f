/* live_rows.c: pure; one thread at a time per struct live_rows. */
#include "pure/live_rows.h"

#include <math.h>

#include "pure/grad_norm.h"
#include "traj.h"

void live_rows_clear(struct live_rows *rows, const struct live_rows *from)
{
    rows->n_steps = 0;
    rows->n_probes = 0;
    rows->more = false;
    rows->last_step = 0;
    rows->has_last_step = false;
    rows->attempt = from->attempt;
    rows->last_seq = from->last_seq;
}

bool live_rows_any(const struct live_rows *rows)
{
    return rows->n_steps > 0 || rows->n_probes > 0 || rows->more;
}

static void see_step(struct live_rows *rows, uint64_t step)
{
    if (!rows->has_last_step || step > rows->last_step) {
        rows->last_step = step;
        rows->has_last_step = true;
    }
}

static const struct {
    const char *name;
    unsigned field;
    enum { PLAIN, ROOT, GRADIENT } of; /* ROOT: the field is a sum of squares */
} step_columns[LIVE_COLUMNS] = {
    [LIVE_LOSS] = { "loss", STEP_loss, PLAIN },
    [LIVE_GRAD_NORM] = { "grad_norm", STEP_grad_sq, GRADIENT },
    [LIVE_LR] = { "lr", STEP_lr, PLAIN },
    [LIVE_CLIP_THRESHOLD] = { "clip_threshold", STEP_clip_threshold, PLAIN },
    [LIVE_DELTA_NORM] = { "delta_norm", STEP_delta_sq, ROOT },
    [LIVE_PARAM_NORM] = { "param_norm", STEP_param_sq, ROOT },
};

#define STEP_ROW_FIELDS                                                        \
    (GRAD_DIVISOR_FIELDS | ROW_BIT(STEP_loss) | ROW_BIT(STEP_grad_sq) |        \
        ROW_BIT(STEP_lr) | ROW_BIT(STEP_clip_threshold) |                      \
        ROW_BIT(STEP_delta_sq) | ROW_BIT(STEP_param_sq))

/* One record of a message, laid out as a row of columns. */
struct laid_out {
    uint64_t bits[WIRE_FIELDS_MAX];
    const uint64_t *columns[WIRE_FIELDS_MAX];
    struct row row;
};

static void lay_out(
    struct laid_out *out, const struct section *s, uint32_t i, uint64_t fields)
{
    const uint64_t present = section_present(s, i);
    for (unsigned f = 0; f < WIRE_FIELDS_MAX; f++) {
        bool there = (fields & present & ROW_BIT(f)) != 0;
        out->bits[f] = there ? section_bits(s, f, i) : 0;
        out->columns[f] = there ? &out->bits[f] : NULL;
    }
    out->row = (struct row){ out->columns, present, 0 };
}

static bool read_column(
    const struct row *row, enum live_column column, uint32_t world, double *ret)
{
    const unsigned field = step_columns[column].field;
    if (step_columns[column].of == GRADIENT) {
        return grad_norm(row, field, world, ret);
    }
    const double value = row_f64(row, field);
    *ret = step_columns[column].of == ROOT ? sqrt(value) : value;
    return row_has(row, field);
}

static bool is_shard(
    const struct live_source *source, const struct section *s, uint32_t i)
{
    const unsigned combine =
        s->kind == WIRE_STEP ? (unsigned)STEP_combine : (unsigned)PROBE_combine;
    return source->world > 1 &&
           section_bits(s, combine, i) == TRAJ_COMBINE_SHARD;
}

static void add_step(struct live_rows *rows, const struct live_source *source,
    uint64_t seq, const struct section *s, uint32_t i)
{
    if ((section_present(s, i) & ROW_BIT(STEP_step)) == 0) {
        return;
    }
    uint64_t step = section_bits(s, STEP_step, i);
    see_step(rows, step);
    if (is_shard(source, s, i) || rows->n_steps == LIVE_ROWS_MAX) {
        rows->more = true;
        return;
    }
    struct laid_out record;
    lay_out(&record, s, i, STEP_ROW_FIELDS);
    struct live_step *row = &rows->steps[rows->n_steps++];
    *row = (struct live_step){
        .attempt = source->attempt, .seq = seq, .step = step
    };
    for (unsigned c = 0; c < LIVE_COLUMNS; c++) {
        double value = 0;
        if (read_column(
                &record.row, (enum live_column)c, source->world, &value)) {
            row->values[c] = value;
            row->present |= 1u << c;
        }
    }
}

static void add_probe(struct live_rows *rows, const struct live_source *source,
    const struct section *s, uint32_t i)
{
    struct laid_out record;
    lay_out(&record, s, i, PAIR_FIELDS);
    struct pair pair;
    if (row_u64(&record.row, PROBE_group) != 0 ||
        !pair_read(&record.row, &pair)) {
        return;
    }
    see_step(rows, pair.step);
    bool in_window = pair.estimator == TRAJ_ESTIMATOR_MICROBATCH;
    if (is_shard(source, s, i) || in_window ||
        rows->n_probes == LIVE_ROWS_MAX) {
        rows->more = true;
        return;
    }
    rows->probes[rows->n_probes++] =
        (struct live_probe){ source->attempt, pair };
}

static void add_section(struct live_rows *rows,
    const struct live_source *source, uint64_t first_seq,
    const struct section *s)
{
    /* A backlog of thousands: that there is more is all that is needed. */
    for (uint32_t i = 0; i < s->count; i++) {
        uint64_t seq = first_seq + section_seq_offset(s, i);
        if (seq <= rows->last_seq) {
            continue;
        }
        if (s->kind == WIRE_STEP) {
            add_step(rows, source, seq, s, i);
        } else {
            add_probe(rows, source, s, i);
        }
    }
}

/* Of a rank that has no rows of its own here. */
static void add_other(struct live_rows *rows, const struct live_source *source,
    const struct message *message)
{
    for (uint32_t i = 0; i < message->n_sections; i++) {
        const struct section *s = &message->sections[i];
        bool steps = s->kind == WIRE_STEP || s->kind == WIRE_PROBE;
        if (steps && is_shard(source, s, 0)) {
            rows->more = true;
        }
    }
}

void live_rows_add(struct live_rows *rows, const struct live_source *source,
    const struct message *message)
{
    const uint32_t attempt = source->attempt;
    if (source->rank != 0) {
        add_other(rows, source, message);
        return;
    }
    if (message->count == 0) {
        return;
    }
    if (attempt != rows->attempt) {
        rows->more = rows->more || rows->attempt != 0;
        if (attempt < rows->attempt) {
            return;
        }
        rows->attempt = attempt;
        rows->last_seq = 0;
    }
    for (uint32_t i = 0; i < message->n_sections; i++) {
        const struct section *s = &message->sections[i];
        if (s->kind == WIRE_STEP || s->kind == WIRE_PROBE) {
            add_section(rows, source, message->first_seq, s);
        }
    }
    uint64_t last_seq = message->first_seq + message->count - 1;
    rows->last_seq = last_seq > rows->last_seq ? last_seq : rows->last_seq;
}

static void put_steps(struct buf *out, const struct live_rows *rows)
{
    buf_text(out, "\"step\":{\"attempt\":[");
    for (size_t i = 0; i < rows->n_steps; i++) {
        buf_comma(out, i);
        buf_u64(out, rows->steps[i].attempt);
    }
    buf_text(out, "],\"seq\":[");
    for (size_t i = 0; i < rows->n_steps; i++) {
        buf_comma(out, i);
        buf_json_u64(out, rows->steps[i].seq);
    }
    buf_text(out, "],\"step\":[");
    for (size_t i = 0; i < rows->n_steps; i++) {
        buf_comma(out, i);
        buf_json_u64(out, rows->steps[i].step);
    }
    for (size_t c = 0; c < LIVE_COLUMNS; c++) {
        buf_printf(out, "],\"%s\":[", step_columns[c].name);
        for (size_t i = 0; i < rows->n_steps; i++) {
            const struct live_step *row = &rows->steps[i];
            buf_comma(out, i);
            buf_json_optional(
                out, (row->present >> c & 1) != 0, row->values[c]);
        }
    }
    buf_text(out, "]}");
}

static void put_probe_regressors(struct buf *out, const struct live_rows *rows)
{
    for (unsigned k = 0; k < PAIR_REGRESSORS; k++) {
        buf_printf(
            out, "],\"%s\":[", pair_regressor_name((enum fit_regressor)k));
        for (size_t i = 0; i < rows->n_probes; i++) {
            const struct pair *pair = &rows->probes[i].pair;
            buf_comma(out, i);
            buf_json_optional(
                out, pair_has_x(pair, (enum fit_regressor)k), pair->x[k]);
        }
    }
}

/* null where it is not known. */
typedef double (*floor_fn)(const struct pair *pair, enum fit_regressor r);

static void put_floors(struct buf *out, const struct live_rows *rows,
    const char *kind, enum fit_regressor r, floor_fn floor)
{
    buf_printf(out, "],\"%s_%s_floor\":[", pair_smoothness_name(r), kind);
    for (size_t i = 0; i < rows->n_probes; i++) {
        const double value = floor(&rows->probes[i].pair, r);
        buf_comma(out, i);
        buf_json_optional(out, !isnan(value), value);
    }
}

/* y, its ceiling and its floors, of the regressors that share them. */
static void put_probe_smoothness(
    struct buf *out, const struct live_rows *rows, enum fit_regressor r)
{
    const char *name = pair_smoothness_name(r);
    buf_printf(out, "],\"%s\":[", name);
    for (size_t i = 0; i < rows->n_probes; i++) {
        const struct pair *pair = &rows->probes[i].pair;
        buf_comma(out, i);
        buf_json_optional(out, pair_has_y(pair, r), pair->y[r]);
    }
    buf_printf(out, "],\"%s_ceiling\":[", name);
    for (size_t i = 0; i < rows->n_probes; i++) {
        const struct pair *pair = &rows->probes[i].pair;
        buf_comma(out, i);
        buf_json_optional(out, pair_has_ceiling(pair, r), pair->ceiling[r]);
    }
    put_floors(out, rows, "noise", r, pair_noise_floor);
    put_floors(out, rows, "rounding", r, pair_rounding_floor);
}

static void put_probes(struct buf *out, const struct live_rows *rows)
{
    buf_text(out, "\"probe\":{\"attempt\":[");
    for (size_t i = 0; i < rows->n_probes; i++) {
        buf_comma(out, i);
        buf_u64(out, rows->probes[i].attempt);
    }
    buf_text(out, "],\"step\":[");
    for (size_t i = 0; i < rows->n_probes; i++) {
        buf_comma(out, i);
        buf_json_u64(out, rows->probes[i].pair.step);
    }
    put_probe_regressors(out, rows);
    put_probe_smoothness(out, rows, FIT_REGRESSOR_START);
    put_probe_smoothness(out, rows, FIT_REGRESSOR_TRAPEZOID);
    buf_text(out, "],\"flags\":[");
    for (size_t i = 0; i < rows->n_probes; i++) {
        buf_comma(out, i);
        buf_u64(out, rows->probes[i].pair.flags);
    }
    buf_text(out, "]}");
}

void live_rows_json(
    struct buf *out, const struct live_rows *rows, const char *run_uid)
{
    buf_text(out, "{\"run\":");
    buf_json_text(out, str_of(run_uid));
    buf_char(out, ',');
    if (rows->more) {
        buf_text(out, "\"last_step\":");
        if (rows->has_last_step) {
            buf_json_u64(out, rows->last_step);
        } else {
            buf_text(out, "null");
        }
    } else {
        put_steps(out, rows);
        buf_char(out, ',');
        put_probes(out, rows);
    }
    buf_char(out, '}');
}
