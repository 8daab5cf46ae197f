/* alert_rules.c: pure; one thread at a time. */
#include "pure/alert_rules.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>

#include "pure/unmeasured.h"
#include "traj.h"

/* ---- gates --------------------------------------------------------------- */

bool alert_gate_raise(struct alert_gate *gate)
{
    const bool news = !gate->raised;
    *gate = (struct alert_gate){ .raised = true };
    return news;
}

void alert_gate_clear(struct alert_gate *gate, uint8_t wanted)
{
    if (gate->clear < wanted) {
        gate->clear++;
    }
    gate->raised = gate->raised && gate->clear < wanted;
}

void alert_windows_init(struct alert_windows *windows)
{
    *windows =
        (struct alert_windows){ .clipped = { .length = ALERT_CLIP_WINDOW },
            .skipped = { .length = ALERT_SKIPPED_WINDOW } };
    spike_init(&windows->loss, 0);
    spike_init(&windows->grad, SPIKE_LOG_FLOOR);
}

/* ---- one STEP record ------------------------------------------------------
 */

struct step {
    struct alert_rules *rules;
    const struct alert_limits *limits;
    struct alert_found *found;
    const struct row *row;
    uint32_t attempt;
    uint64_t step;
    uint64_t flags;
    double loss; /* of folded steps the largest; NaN: not measured */
    bool has_norm;
    double norm; /* so too */
};

/* The first of them that is not finite: its name and value. NULL: all are. */
static const char *find_non_finite(const struct step *s, double *ret_value)
{
    static const struct {
        unsigned field;
        const char *name;
    } values[] = {
        { STEP_loss, "the loss" },
        { STEP_param_sq, "the parameters' norm" },
        { STEP_grad_sq, "the gradient norm" },
    };
    static const struct {
        unsigned field;
        const char *name;
        double value;
    } counts[] = {
        { STEP_param_nan, "a parameter", (double)NAN },
        { STEP_param_inf, "a parameter", (double)INFINITY },
        { STEP_grad_nan, "an element of the gradient", (double)NAN },
        { STEP_grad_inf, "an element of the gradient", (double)INFINITY },
        { STEP_fold_nonfinite, "the loss or gradient of a folded step",
            (double)NAN },
    };
    /* A loss scaler that is too high makes such gradients, sees them and leaves
     * the step out: that is how it finds its scale. */
    const uint64_t handled = TRAJ_STEP_FOUND_INF | TRAJ_STEP_SKIPPED;
    const bool scaler = (s->flags & handled) == handled;
    for (size_t i = 0; i < (scaler ? 2u : 3u); i++) {
        *ret_value = row_f64(s->row, values[i].field);
        if (row_has(s->row, values[i].field) && !isfinite(*ret_value)) {
            return values[i].name;
        }
    }
    for (size_t i = 0; i < (scaler ? 2u : 5u); i++) {
        if (row_u64(s->row, counts[i].field) > 0) {
            *ret_value = counts[i].value;
            return counts[i].name;
        }
    }
    return NULL;
}

static const char *word_of(double value)
{
    return isnan(value) ? "NaN" : value > 0 ? "infinite" : "-infinite";
}

/* A warning without a value. NULL: it is no news. */
static struct alert *find(const struct step *s, enum alert_rule rule)
{
    if (!alert_gate_raise(&s->rules->gates[rule])) {
        return NULL;
    }
    assert(s->found->n < ALERT_STEP_MAX);
    struct alert *alert = &s->found->v[s->found->n++];
    *alert = (struct alert){ .rule = rule,
        .severity = ALERT_WARNING,
        .rank = ALERT_NO_RANK,
        .attempt = s->attempt,
        .step = s->step,
        .limit = (double)NAN };
    return alert;
}

static void clear(const struct step *s, enum alert_rule rule, uint8_t wanted)
{
    alert_gate_clear(&s->rules->gates[rule], wanted);
}

/* true: something is not finite, and no spike is to be looked for. */
static bool rule_non_finite(const struct step *s)
{
    double value = 0;
    const char *what = find_non_finite(s, &value);
    if (what == NULL) {
        clear(s, ALERT_NON_FINITE, ALERT_NON_FINITE_CLEAR);
        return false;
    }
    struct alert *alert = find(s, ALERT_NON_FINITE);
    if (alert != NULL) {
        alert->severity = ALERT_ERROR;
        alert->value = value;
        alert_say(
            alert, "%s is %s at step %" PRIu64, what, word_of(value), s->step);
    }
    return true;
}

static void say_spike(
    const struct step *s, double z_loss, double z_grad, struct alert *alert)
{
    const bool is_loss = z_loss >= z_grad;
    const double z = is_loss ? z_loss : z_grad;
    alert->value = z;
    alert->limit = s->limits->spike_z;
    if (z > alert->limit) {
        alert_say(alert,
            "%s %.4g at step %" PRIu64 " is %.3g robust standard deviations "
            "above the median of the %u steps before",
            is_loss ? "loss" : "gradient norm", is_loss ? s->loss : s->norm,
            s->step, z, SPIKE_WINDOW);
        return;
    }
    alert_say(alert,
        "the trainer reports a spike of loss or gradient norm at step %" PRIu64,
        s->step);
}

static void rule_spike(const struct step *s)
{
    struct alert_windows *windows = s->rules->windows;
    double z_loss = 0;
    double z_grad = 0;
    if (windows != NULL && isfinite(s->loss)) {
        z_loss = spike_add(&windows->loss, s->loss);
    }
    if (windows != NULL && s->has_norm && isfinite(s->norm) && s->norm > 0) {
        z_grad = spike_add(&windows->grad, log(s->norm));
    }
    const bool spike = (s->flags & TRAJ_STEP_SPIKE) != 0 ||
                       fmax(z_loss, z_grad) > s->limits->spike_z;
    if (!spike) {
        clear(s, ALERT_SPIKE, ALERT_SPIKE_CLEAR);
        return;
    }
    struct alert *alert = find(s, ALERT_SPIKE);
    if (alert != NULL) {
        say_spike(s, z_loss, z_grad, alert);
    }
}

static void share_add(struct alert_share *share, bool yes)
{
    uint64_t *word = &share->bits[share->next / 64];
    const uint64_t bit = UINT64_C(1) << share->next % 64;
    share->set += yes;
    share->set -= share->n == share->length && (*word & bit) != 0;
    *word = yes ? *word | bit : *word & ~bit;
    share->n += share->n < share->length;
    share->next = (share->next + 1) % share->length;
}

/* A window that is not full says nothing, that it is clear neither: after a
 * start what was raised before would be raised again. */
static void judge_share(const struct step *s, enum alert_rule rule,
    const struct alert_share *share, double limit)
{
    const double part = (double)share->set / share->length;
    if (share->n < share->length) {
        return;
    }
    if (part <= limit) {
        if (part < ALERT_SHARE_CLEAR * limit) {
            clear(s, rule, 1);
        }
        return;
    }
    struct alert *alert = find(s, rule);
    if (alert != NULL) {
        alert->value = part;
        alert->limit = limit;
        alert_say(alert,
            "%.3g %% of the last %u steps %s, at step "
            "%" PRIu64 " (limit %.3g %%)",
            100 * part, share->length,
            rule == ALERT_SKIPPED ? "left the parameters as they were: their "
                                    "updates were skipped"
                                  : "were clipped: the threshold, not the "
                                    "learning rate, sets their length",
            s->step, 100 * limit);
    }
}

/* Steps whose trainer does not say whether it clips are not counted. */
static void rule_clip_fraction(const struct step *s)
{
    struct alert_share *share = &s->rules->windows->clipped;
    const double threshold = row_f64(s->row, STEP_clip_threshold);
    const double scale = row_f64(s->row, STEP_clip_scale);
    const bool flagged =
        (s->flags & TRAJ_STEP_CLIPPED) != 0 && !row_is_unmeasured(s->row);
    const bool above = threshold > 0 && s->has_norm && s->norm > threshold;
    if (!flagged && !isfinite(scale) && !(threshold > 0 && s->has_norm)) {
        return;
    }
    const uint64_t folded = row_u64(s->row, STEP_fold_count);
    const bool clipped = folded > 1 && row_has(s->row, STEP_fold_clipped)
                             ? row_u64(s->row, STEP_fold_clipped) > folded / 2
                             : flagged || (isfinite(scale) ? scale < 1 : above);
    share_add(share, clipped);
    judge_share(s, ALERT_CLIP_FRACTION, share, s->limits->clip_fraction);
}

/* With a learning rate of 0, as at the start of a warm-up, no update is one
 * that was skipped. */
static void rule_skipped(const struct step *s)
{
    struct alert_share *share = &s->rules->windows->skipped;
    const bool has_delta = row_has(s->row, STEP_delta_sq);
    if (row_is_unmeasured(s->row) ||
        (!has_delta && !row_has(s->row, STEP_flags))) {
        return;
    }
    const double grad_sq = row_f64(s->row, STEP_grad_sq);
    const double lr = row_f64(s->row, STEP_lr);
    const double delta_sq = row_f64(s->row, STEP_delta_sq);
    const bool at_rest = !(lr < 0 || lr > 0) && !isnan(lr);
    const bool still = has_delta && !isnan(delta_sq) && !(delta_sq > 0);
    const bool moved_by_g = grad_sq > 0 || grad_sq < 0;
    const bool skipped = !at_rest && ((s->flags & TRAJ_STEP_SKIPPED) != 0 ||
                                         (still && moved_by_g));
    share_add(share, skipped);
    judge_share(s, ALERT_SKIPPED, share, s->limits->skipped_fraction);
}

void alert_rules_step(struct alert_rules *rules,
    const struct alert_limits *limits, uint32_t attempt, const struct row *row,
    uint32_t world, struct alert_found *ret)
{
    ret->n = 0;
    if (!row_has(row, STEP_step)) {
        return;
    }
    struct step s = { .rules = rules,
        .limits = limits,
        .found = ret,
        .row = row,
        .attempt = attempt,
        .step = row_u64(row, STEP_step),
        .flags = row_u64(row, STEP_flags),
        .loss =
            row_f64(row, row_has(row, STEP_fold_loss_max) ? STEP_fold_loss_max
                                                          : STEP_loss) };
    s.has_norm = grad_norm(row,
        row_has(row, STEP_fold_grad_sq_max) ? STEP_fold_grad_sq_max
                                            : STEP_grad_sq,
        world, &s.norm);
    if (!rule_non_finite(&s)) {
        rule_spike(&s);
    }
    if (rules->windows != NULL) {
        rule_clip_fraction(&s);
        rule_skipped(&s);
    }
}
