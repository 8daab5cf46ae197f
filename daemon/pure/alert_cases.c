/* alert_cases.c: see the header. */
#include "pure/alert_cases.h"

#include <assert.h>
#include <inttypes.h>

/* ---- what was raised ----------------------------------------------------- */

void alert_past_add(struct alert_past *past, enum alert_rule rule,
    const struct alert_told *told)
{
    if (past->n[rule] < ALERTS_PER_RULE_MAX) {
        past->v[rule][past->n[rule]++] = *told;
    }
}

/* What verdicts say is of the run, and has steps of its own. */
static bool is_of_steps(enum alert_rule rule)
{
    return rule < ALERT_LR_OVER_LIMIT;
}

static bool are_together(enum alert_rule rule, uint32_t attempt, uint64_t step,
    uint32_t other_attempt, uint64_t other)
{
    const uint64_t apart = step > other ? step - other : other - step;
    return is_of_steps(rule) && attempt == other_attempt &&
           apart < ALERT_TOGETHER;
}

static bool is_at_or_before(
    const struct alert *found, const struct alert_told *told)
{
    return found->attempt < told->attempt ||
           (found->attempt == told->attempt && found->step <= told->step);
}

static bool was_raised(const struct alert_past *past, const struct alert *found)
{
    for (size_t i = 0; i < past->n[found->rule]; i++) {
        const struct alert_told *told = &past->v[found->rule][i];
        const bool own =
            told->rank == found->rank || told->rank == ALERT_NO_RANK;
        if ((own && is_at_or_before(found, told)) ||
            are_together(found->rule, found->attempt, found->step,
                told->attempt, told->step)) {
            return true;
        }
    }
    return false;
}

/* ---- cases --------------------------------------------------------------- */

static struct alert_case *find_case(
    struct alert_cases *cases, const struct alert *found)
{
    for (size_t i = 0; i < cases->n; i++) {
        struct alert_case *c = &cases->open[i];
        if (c->alert.rule == found->rule &&
            are_together(found->rule, found->attempt, found->step,
                c->alert.attempt, c->alert.step)) {
            return c;
        }
    }
    return NULL;
}

/* One more rank has it. */
static void join(struct alert_case *c, const struct alert *found)
{
    if (c->first == 0) {
        return; /* it is the whole run's already */
    }
    if (found->step > c->alert.step) {
        c->later++;
        return;
    }
    if (found->step < c->alert.step) {
        c->later += c->first;
        c->first = 0;
        c->alert = *found;
    } else if (found->rank < c->alert.rank) {
        c->alert = *found;
    }
    c->first++;
}

static bool is_too_often(
    const struct alert_cases *cases, const struct alert *found)
{
    const struct alert_past *past = &cases->past;
    size_t n = past->n[found->rule];
    size_t of_rank = 0;
    for (size_t i = 0; i < past->n[found->rule]; i++) {
        of_rank += past->v[found->rule][i].rank == found->rank;
    }
    for (size_t i = 0; i < cases->n; i++) {
        const bool same = cases->open[i].alert.rule == found->rule;
        n += same;
        of_rank += same && cases->open[i].alert.rank == found->rank;
    }
    return n >= ALERTS_PER_RULE_MAX ||
           (found->rank != ALERT_NO_RANK && of_rank >= ALERTS_PER_RANK_MAX);
}

bool alert_cases_last_step(
    const struct alert_cases *cases, enum alert_rule rule, uint64_t *ret_step)
{
    bool any = false;
    uint64_t most = 0;
    for (size_t i = 0; i < cases->past.n[rule]; i++) {
        const uint64_t step = cases->past.v[rule][i].step;
        most = !any || step > most ? step : most;
        any = true;
    }
    for (size_t i = 0; i < cases->n; i++) {
        const struct alert *alert = &cases->open[i].alert;
        if (alert->rule == rule) {
            most = !any || alert->step > most ? alert->step : most;
            any = true;
        }
    }
    if (any) {
        *ret_step = most;
    }
    return any;
}

static void open_case(struct alert_cases *cases, const struct alert *found,
    uint32_t first, int64_t now_mono_ns)
{
    assert(cases->n < sizeof cases->open / sizeof cases->open[0]);
    cases->open[cases->n++] = (struct alert_case){
        .alert = *found, .opened_mono_ns = now_mono_ns, .first = first
    };
}

void alert_cases_add_of_run(
    struct alert_cases *cases, const struct alert *found, int64_t now_mono_ns)
{
    if (!was_raised(&cases->past, found) && find_case(cases, found) == NULL &&
        !is_too_often(cases, found)) {
        open_case(cases, found, 0, now_mono_ns);
    }
}

void alert_cases_add_of_rank(
    struct alert_cases *cases, const struct alert *found, int64_t now_mono_ns)
{
    struct alert_case *c = NULL;
    if (was_raised(&cases->past, found)) {
        return;
    }
    c = find_case(cases, found);
    if (c != NULL) {
        join(c, found);
    } else if (!is_too_often(cases, found)) {
        open_case(cases, found, 1, now_mono_ns);
    }
}

/* ---- raising ------------------------------------------------------------- */

static bool is_ripe(const struct alert_cases *cases, const struct alert_case *c,
    int64_t now_mono_ns)
{
    return c->first == 0 || c->first + c->later >= cases->world ||
           now_mono_ns - c->opened_mono_ns >= ALERT_SETTLE_NS;
}

static bool is_earlier(const struct alert *a, const struct alert *b)
{
    return a->attempt < b->attempt ||
           (a->attempt == b->attempt && a->step < b->step);
}

static struct alert_case *next_case(
    struct alert_cases *cases, int64_t now_mono_ns)
{
    struct alert_case *next = NULL;
    for (size_t i = 0; i < cases->n; i++) {
        struct alert_case *c = &cases->open[i];
        if (is_ripe(cases, c, now_mono_ns) &&
            (next == NULL || is_earlier(&c->alert, &next->alert))) {
            next = c;
        }
    }
    return next;
}

/* Several, of whom half or more of the run: it is the run that has it. */
static bool is_of_most(const struct alert_cases *cases, uint32_t ranks)
{
    return ranks > 1 && 2 * (uint64_t)ranks >= cases->world;
}

static void say_who(const struct alert_cases *cases, const struct alert_case *c,
    struct alert *alert)
{
    if (c->first == 0) {
        return;
    }
    if (c->first == 1) {
        alert_say(alert, "rank %" PRIu32 ": ", alert->rank);
    } else if (c->first >= cases->world) {
        alert_say(alert, "all %" PRIu32 " ranks: ", cases->world);
    } else if (is_of_most(cases, c->first)) {
        alert_say(alert, "%" PRIu32 " of %" PRIu32 " ranks: ", c->first,
            cases->world);
    } else {
        alert_say(alert,
            "%" PRIu32 " of %" PRIu32 " ranks, the lowest %" PRIu32 ": ",
            c->first, cases->world, alert->rank);
    }
}

/* After this one no more of its rule, or of its rank, are raised. */
static void say_that_it_is_the_last(
    const struct alert_past *past, struct alert *alert)
{
    size_t of_rank = 1;
    for (size_t i = 0; i < past->n[alert->rule]; i++) {
        of_rank += past->v[alert->rule][i].rank == alert->rank;
    }
    if (past->n[alert->rule] + 1 == ALERTS_PER_RULE_MAX) {
        alert_say(alert, " (the last of this rule: more are not raised)");
    } else if (alert->rank != ALERT_NO_RANK && of_rank == ALERTS_PER_RANK_MAX) {
        alert_say(
            alert, " (the last of this rule and rank: more are not raised)");
    }
}

bool alert_cases_next(struct alert_cases *cases, int64_t now_mono_ns,
    int64_t now_wall_ns, struct alert *ret)
{
    struct alert_case *c = next_case(cases, now_mono_ns);
    if (c == NULL) {
        return false;
    }
    if (c->alert.wall_ns == 0) {
        c->alert.wall_ns = now_wall_ns;
    }
    *ret = c->alert;
    ret->sentence[0] = '\0';
    say_who(cases, c, ret);
    alert_say(ret, "%s", c->alert.sentence);
    if (c->later > 0) {
        alert_say(ret, "; %" PRIu32 " more within %u steps", c->later,
            ALERT_TOGETHER);
    }
    if (is_of_most(cases, c->first)) {
        ret->rank = ALERT_NO_RANK;
    }
    say_that_it_is_the_last(&cases->past, ret);
    return true;
}

void alert_cases_told(struct alert_cases *cases, const struct alert *told)
{
    const struct alert_told raised = { told->rank, told->attempt, told->step };
    size_t i = 0;
    while (cases->open[i].alert.rule != told->rule ||
           cases->open[i].alert.attempt != told->attempt ||
           cases->open[i].alert.step != told->step) {
        i++;
        assert(i < cases->n);
    }
    cases->open[i] = cases->open[--cases->n];
    alert_past_add(&cases->past, told->rule, &raised);
}
