/*
 * alert_rules.c: what is common to all rules, and those over STEP records and
 * the run's state; those over verdicts are alert_verdict.c. Pure.
 */
#include "pure/alert_rules.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "pure/alert_raise.h"
#include "traj.h"

static const char *const rule_names[ALERT_RULES] = {
    [ALERT_NON_FINITE] = "non_finite",
    [ALERT_SPIKE] = "spike",
    [ALERT_STALL] = "stall",
    [ALERT_CLIP_FRACTION] = "clip_fraction",
    [ALERT_SKIPPED] = "skipped",
    [ALERT_LR_OVER_LIMIT] = "lr_over_limit",
    [ALERT_L1_JUMP] = "l1_jump",
};

const char *alert_rule_name(enum alert_rule rule)
{
    return rule_names[rule];
}

bool alert_rule_find(struct str name, enum alert_rule *ret)
{
    for (size_t i = 0; i < ALERT_RULES; i++) {
        if (str_equal(name, str_of(rule_names[i]))) {
            *ret = (enum alert_rule)i;
            return true;
        }
    }
    return false;
}

const char *alert_severity_name(enum alert_severity severity)
{
    return severity == ALERT_ERROR ? "error" : "warning";
}

/* ---- raising ------------------------------------------------------------- */

static bool is_past(
    const struct alert_past *past, uint32_t attempt, uint64_t step)
{
    return past->n > 0 && (attempt < past->attempt ||
                              (attempt == past->attempt && step <= past->step));
}

struct alert *alert_raise(struct alert_rules *rules, enum alert_rule rule,
    uint32_t attempt, uint64_t step, struct alert_list *out)
{
    struct alert_state *state = &rules->states[rule];
    const bool before = state->raised;
    state->clear = 0;
    state->raised = true;
    if (before || is_past(&state->past, attempt, step) ||
        state->past.n >= ALERTS_PER_RULE_MAX) {
        return NULL;
    }
    assert(out->n < ALERT_LIST_MAX);
    state->past = (struct alert_past){ state->past.n + 1, attempt, step };
    struct alert *alert = &out->v[out->n++];
    *alert = (struct alert){ .rule = rule,
        .severity = ALERT_WARNING,
        .attempt = attempt,
        .step = step,
        .limit = (double)NAN };
    return alert;
}

void alert_clear(
    struct alert_rules *rules, enum alert_rule rule, uint32_t wanted)
{
    struct alert_state *state = &rules->states[rule];
    state->clear += state->clear < wanted;
    state->raised = state->raised && state->clear < wanted;
}

void alert_say(const struct alert_rules *rules, struct alert *alert,
    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(alert->sentence, sizeof alert->sentence, format, arguments);
    va_end(arguments);
    if (rules->states[alert->rule].past.n == ALERTS_PER_RULE_MAX) {
        static const char last[] = " (the last of this rule: more are not "
                                   "raised)";
        size_t n = strlen(alert->sentence);
        if (n + sizeof last <= sizeof alert->sentence) {
            memcpy(alert->sentence + n, last, sizeof last);
        }
    }
}

void alert_rules_init(struct alert_rules *rules,
    const struct alert_limits *limits,
    const struct alert_past past[static ALERT_RULES])
{
    *rules = (struct alert_rules){ .limits = *limits,
        .clipped = { .length = ALERT_CLIP_WINDOW },
        .skipped = { .length = ALERT_SKIPPED_WINDOW } };
    for (size_t i = 0; i < ALERT_RULES; i++) {
        rules->states[i] =
            (struct alert_state){ .past = past[i], .raised = past[i].n > 0 };
    }
    spike_init(&rules->loss, 0);
    spike_init(&rules->grad, SPIKE_LOG_FLOOR);
}

/* ---- one STEP record ------------------------------------------------------
 */

struct step {
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

/* true: something is not finite, and no spike is to be looked for. */
static bool rule_non_finite(
    struct alert_rules *rules, const struct step *s, struct alert_list *out)
{
    double value = 0;
    const char *what = find_non_finite(s, &value);
    if (what == NULL) {
        alert_clear(rules, ALERT_NON_FINITE, ALERT_NON_FINITE_CLEAR);
        return false;
    }
    struct alert *alert =
        alert_raise(rules, ALERT_NON_FINITE, s->attempt, s->step, out);
    if (alert != NULL) {
        alert->severity = ALERT_ERROR;
        alert->value = value;
        alert_say(rules, alert, "%s is %s at step %" PRIu64, what,
            word_of(value), s->step);
    }
    return true;
}

static void say_spike(struct alert_rules *rules, const struct step *s,
    double z_loss, double z_grad, struct alert *alert)
{
    const bool is_loss = z_loss >= z_grad;
    const double z = is_loss ? z_loss : z_grad;
    alert->value = z;
    alert->limit = rules->limits.spike_z;
    if (z > alert->limit) {
        alert_say(rules, alert,
            "%s %.4g at step %" PRIu64 " is %.3g robust standard deviations "
            "above the median of the %u steps before",
            is_loss ? "loss" : "gradient norm", is_loss ? s->loss : s->norm,
            s->step, z, SPIKE_WINDOW);
        return;
    }
    alert_say(rules, alert,
        "the trainer reports a spike of loss or gradient norm at step %" PRIu64,
        s->step);
}

static void rule_spike(
    struct alert_rules *rules, const struct step *s, struct alert_list *out)
{
    double z_loss = 0;
    double z_grad = 0;
    if (isfinite(s->loss)) {
        z_loss = spike_add(&rules->loss, s->loss);
    }
    if (s->has_norm && isfinite(s->norm) && s->norm > 0) {
        z_grad = spike_add(&rules->grad, log(s->norm));
    }
    const bool spike = (s->flags & TRAJ_STEP_SPIKE) != 0 ||
                       fmax(z_loss, z_grad) > rules->limits.spike_z;
    if (!spike) {
        alert_clear(rules, ALERT_SPIKE, ALERT_SPIKE_CLEAR);
        return;
    }
    struct alert *alert =
        alert_raise(rules, ALERT_SPIKE, s->attempt, s->step, out);
    if (alert != NULL) {
        say_spike(rules, s, z_loss, z_grad, alert);
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

/* Nothing is said of a window that is not full. */
static void judge_share(struct alert_rules *rules, enum alert_rule rule,
    const struct alert_share *share, double limit, const struct step *s,
    struct alert_list *out)
{
    const double part = (double)share->set / share->length;
    if (share->n < share->length || part <= limit) {
        if (part < ALERT_SHARE_CLEAR * limit) {
            alert_clear(rules, rule, 1);
        }
        return;
    }
    struct alert *alert = alert_raise(rules, rule, s->attempt, s->step, out);
    if (alert != NULL) {
        alert->value = part;
        alert->limit = limit;
        alert_say(rules, alert,
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
static void rule_clip_fraction(
    struct alert_rules *rules, const struct step *s, struct alert_list *out)
{
    const double threshold = row_f64(s->row, STEP_clip_threshold);
    const double scale = row_f64(s->row, STEP_clip_scale);
    const bool flagged = (s->flags & TRAJ_STEP_CLIPPED) != 0;
    const bool above = threshold > 0 && s->has_norm && s->norm > threshold;
    if (!flagged && !isfinite(scale) && !(threshold > 0 && s->has_norm)) {
        return;
    }
    const uint64_t folded = row_u64(s->row, STEP_fold_count);
    const bool clipped = folded > 1 && row_has(s->row, STEP_fold_clipped)
                             ? row_u64(s->row, STEP_fold_clipped) > folded / 2
                             : flagged || (isfinite(scale) ? scale < 1 : above);
    share_add(&rules->clipped, clipped);
    judge_share(rules, ALERT_CLIP_FRACTION, &rules->clipped,
        rules->limits.clip_fraction, s, out);
}

/* With a learning rate of 0, as at the start of a warm-up, no update is one
 * that was skipped. */
static void rule_skipped(
    struct alert_rules *rules, const struct step *s, struct alert_list *out)
{
    const bool has_delta = row_has(s->row, STEP_delta_sq);
    if (!has_delta && !row_has(s->row, STEP_flags)) {
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
    share_add(&rules->skipped, skipped);
    judge_share(rules, ALERT_SKIPPED, &rules->skipped,
        rules->limits.skipped_fraction, s, out);
}

void alert_rules_step(struct alert_rules *rules, uint32_t attempt,
    const struct row *row, uint32_t world, struct alert_list *out)
{
    assert(out->n + ALERT_STEP_MAX <= ALERT_LIST_MAX);
    if (!row_has(row, STEP_step)) {
        return;
    }
    struct step s = { .row = row,
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
    if (!rule_non_finite(rules, &s, out)) {
        rule_spike(rules, &s, out);
    }
    rule_clip_fraction(rules, &s, out);
    rule_skipped(rules, &s, out);
}

/* ---- the run's state ------------------------------------------------------
 */

static double seconds(int64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

static void say_stall(struct alert_rules *rules,
    const struct alert_situation *now, enum run_state state,
    struct alert *alert)
{
    const struct run_facts *facts = now->facts;
    const int64_t then =
        state == RUN_STALLED ? facts->last_step_wall_ns : facts->heard_wall_ns;
    alert->value = seconds(now->now_wall_ns - then);
    if (state == RUN_STALLED) {
        alert->limit = seconds(run_state_stall_ns(facts, run_limits()));
        alert_say(rules, alert,
            "no step for %.3g s after step %" PRIu64
            ", though the trainer is heard: it hangs, or a step takes long",
            alert->value, now->last_step);
        return;
    }
    alert->severity = ALERT_ERROR;
    if (facts->writer_gone) {
        alert_say(rules, alert,
            "the trainer has ended after step %" PRIu64
            " without saying that it has finished",
            now->last_step);
        return;
    }
    alert->limit = seconds(run_limits()->lost_after_ns);
    alert_say(rules, alert,
        "nothing was heard of the trainer for %.3g s after step %" PRIu64
        ": it was killed, or its machine or network is down",
        alert->value, now->last_step);
}

/* Lost is news only of a run that was seen alive: one that is synced later, or
 * was lost before trajd started, is not. */
void alert_rules_state(struct alert_rules *rules,
    const struct alert_situation *now, struct alert_list *out)
{
    struct alert_state *stall = &rules->states[ALERT_STALL];
    const enum run_state state =
        run_state_at(now->facts, now->now_wall_ns, run_limits());
    if (state == RUN_STALLED || (state == RUN_LOST && rules->seen_alive)) {
        struct alert *alert =
            alert_raise(rules, ALERT_STALL, now->attempt, now->last_step, out);
        if (alert != NULL) {
            say_stall(rules, now, state, alert);
        }
    } else if (now->attempt != stall->past.attempt ||
               now->last_step >= stall->past.step + ALERT_STALL_CLEAR) {
        stall->raised = false;
    }
    rules->seen_alive =
        rules->seen_alive || state == RUN_LIVE || state == RUN_STALLED;
}
