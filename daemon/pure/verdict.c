/* verdict.c: pure; any thread. */
#include "pure/verdict.h"

#include <assert.h>
#include <math.h>

#include "math/fit_limits.h"

const char *verdict_name(enum verdict_kind kind)
{
    static const char *const names[] = {
        [VERDICT_NO_DATA] = "no_data",
        [VERDICT_TOO_FEW] = "too_few",
        [VERDICT_NOISE_LIMITED] = "noise_limited",
        [VERDICT_ROUNDING_LIMITED] = "rounding_limited",
        [VERDICT_NEAR_CEILING] = "near_ceiling",
        [VERDICT_NOT_IDENTIFIABLE] = "not_identifiable",
        [VERDICT_NOT_SEPARABLE] = "not_separable_from_time",
        [VERDICT_INCONCLUSIVE] = "inconclusive",
        [VERDICT_FLAT] = "flat",
        [VERDICT_FALLS] = "falls",
        [VERDICT_DIRECTION_ARTEFACT] = "direction_artefact",
        [VERDICT_GROWS_UNCONFIRMED] = "grows_unconfirmed",
        [VERDICT_GROWS] = "grows",
    };
    static_assert(sizeof names / sizeof names[0] == VERDICT_KINDS, "all named");
    return names[kind];
}

/* ---- what decides, in turn ----------------------------------------------- */

/* Notes a figure and passes on whether it decides. */
static bool note(struct verdict *v, const char *name, double value,
    double limit, bool decides)
{
    assert(v->n_reasons < VERDICT_REASONS_MAX);
    v->reasons[v->n_reasons++] = (struct verdict_reason){
        .name = name, .value = value, .limit = limit, .speaks_for = decides
    };
    return decides;
}

static bool note_below(
    struct verdict *v, const char *name, struct figure figure, double limit)
{
    return figure.has && note(v, name, figure.v, limit, figure.v < limit);
}

static bool note_above(
    struct verdict *v, const char *name, struct figure figure, double limit)
{
    return figure.has && note(v, name, figure.v, limit, figure.v > limit);
}

/* Of n pairs and those left out: more than half are. */
static bool most_are(const struct verdict_facts *f, uint64_t left_out)
{
    return left_out > 0 && left_out >= f->n;
}

/* Whether the pairs are worth a look; sets the kind where they are not. */
static bool data_fail(const struct verdict_facts *f, struct verdict *v)
{
    if (f->probes == 0) {
        v->kind = VERDICT_NO_DATA;
        return true;
    }
    note(v, "pairs", (double)f->n, VERDICT_PAIRS_MIN, f->n < VERDICT_PAIRS_MIN);
    if (most_are(f, f->noise) && f->noise >= f->rounding) {
        v->kind = VERDICT_NOISE_LIMITED;
        return note(
            v, "noise_limited_pairs", (double)f->noise, (double)f->n, true);
    }
    if (most_are(f, f->rounding)) {
        v->kind = VERDICT_ROUNDING_LIMITED;
        return note(
            v, "rounding_pairs", (double)f->rounding, (double)f->n, true);
    }
    v->kind = VERDICT_TOO_FEW;
    return f->n < VERDICT_PAIRS_MIN;
}

static bool measurement_fails(const struct verdict_facts *f, struct verdict *v)
{
    v->kind = VERDICT_NEAR_CEILING;
    if (note_above(
            v, "ceiling_ratio", f->ceiling_ratio, FIT_CEILING_RATIO_MAX)) {
        return true;
    }
    v->kind = VERDICT_NOISE_LIMITED;
    return f->noise_unknown && note(v, "different_data", 1, (double)NAN, true);
}

/* An interval of L1 that holds both no growth and growth in proportion tells
 * nothing. */
static bool interval_tells_nothing(
    const struct verdict_facts *f, struct verdict *v)
{
    const bool known =
        f->slope_low.has && f->slope_high.has && f->proportional.has;
    return known && f->slope_low.v <= 0 && f->slope_high.v >= 0 &&
           note(v, "proportional_L1", f->proportional.v, f->slope_high.v,
               f->slope_high.v >= f->proportional.v);
}

static bool not_identifiable(const struct verdict_facts *f, struct verdict *v)
{
    v->kind = VERDICT_NOT_IDENTIFIABLE;
    if (note_below(v, "grad_norm_spread", f->x_spread, FIT_SPREAD_MIN) ||
        note_below(v, "independent_pairs", f->n_eff, VERDICT_N_EFF_MIN)) {
        return true;
    }
    v->kind = VERDICT_NOT_SEPARABLE;
    struct figure size = f->step_rank;
    size.v = fabs(size.v);
    if (note_above(v, "spearman_step", size, FIT_TIME_RANK_MAX)) {
        return true;
    }
    v->kind = VERDICT_NOT_IDENTIFIABLE;
    return interval_tells_nothing(f, v);
}

static double p_max(const struct verdict_facts *f)
{
    return f->phases > 1 ? VERDICT_P_MAX / f->phases : VERDICT_P_MAX;
}

/* What noise takes out is what it lowers. */
static bool is_tilted(const struct verdict_facts *f, struct verdict *v)
{
    const double share = (double)f->noise / (double)(f->noise + f->n);
    return note(v, "noise_share", share, VERDICT_NOISE_SHARE_MAX,
        share > VERDICT_NOISE_SHARE_MAX);
}

/* All must say so: the slope, its interval, and, time taken out, the ranks. */
static bool grows_along_update(const struct verdict_facts *f, struct verdict *v)
{
    const bool slope = note_below(v, "slope_p", f->slope_p, p_max(f));
    const bool rank =
        note_below(v, "partial_spearman_p", f->partial_p, p_max(f));
    return slope && rank && f->slope_low.v > 0;
}

static bool falls_along_update(const struct verdict_facts *f, struct verdict *v)
{
    if (!(f->slope_high.v < 0) || !f->slope_p.has) {
        return false;
    }
    const struct figure p = { true, 1 - f->slope_p.v };
    const bool slope = note_below(v, "falling_slope_p", p, p_max(f));
    const bool rank =
        note_below(v, "falling_spearman_p", f->partial_p_any, p_max(f));
    return slope && rank && f->partial_rank.v < 0;
}

/* Certainly not with it. */
static bool operator_stays(const struct verdict_facts *f, struct verdict *v)
{
    const struct figure most = { f->operator_growth.has && f->growth.has,
        (f->operator_growth.v + 2 * f->operator_growth_se.v) / f->growth.v };
    return note_below(
        v, "operator_growth_most", most, VERDICT_OPERATOR_GROWTH_LOW);
}

static bool operator_grows(const struct verdict_facts *f, struct verdict *v)
{
    const struct figure share = { f->operator_growth.has && f->growth.has,
        f->operator_growth.v / f->growth.v };
    const bool follows =
        note_below(v, "operator_p", f->operator_p, VERDICT_P_MAX);
    const bool enough =
        note_above(v, "operator_growth", share, VERDICT_OPERATOR_GROWTH_MIN);
    return follows && enough && f->operator_rank.has && f->operator_rank.v > 0;
}

static void judge_operator(const struct verdict_facts *f, struct verdict *v)
{
    v->kind = VERDICT_GROWS_UNCONFIRMED;
    if (note(v, "operator_norms", (double)f->operator_n, VERDICT_OPERATOR_MIN,
            f->operator_n < VERDICT_OPERATOR_MIN) ||
        note_above(v, "operator_share", f->operator_share,
            VERDICT_OPERATOR_SHARE_MAX)) {
        return;
    }
    if (operator_stays(f, v)) {
        v->kind = VERDICT_DIRECTION_ARTEFACT;
    } else if (operator_grows(f, v)) {
        v->kind = VERDICT_GROWS;
    }
}

static void judge_slope(const struct verdict_facts *f, struct verdict *v)
{
    if (is_tilted(f, v)) {
        v->kind = VERDICT_INCONCLUSIVE;
    } else if (grows_along_update(f, v)) {
        judge_operator(f, v);
    } else if (falls_along_update(f, v)) {
        v->kind = VERDICT_FALLS;
    } else if (f->slope_low.v <= 0 && f->slope_high.v >= 0) {
        v->kind = VERDICT_FLAT;
        note(v, "slope_low", f->slope_low.v, 0, true);
    } else {
        v->kind = VERDICT_INCONCLUSIVE; /* slope and ranks do not agree */
    }
}

static void judge_law(const struct verdict_facts *f, struct verdict *v)
{
    if (f->constant) {
        v->kind = VERDICT_FLAT;
    } else if (!f->slope_low.has || !f->slope_high.has) {
        v->kind = VERDICT_INCONCLUSIVE; /* no interval */
    } else {
        judge_slope(f, v);
    }
}

void verdict_decide(const struct verdict_facts *facts, struct verdict *ret)
{
    *ret = (struct verdict){ .kind = VERDICT_NO_DATA };
    if (!data_fail(facts, ret) && !measurement_fails(facts, ret) &&
        !not_identifiable(facts, ret)) {
        judge_law(facts, ret);
    }
}

/* ---- the sentence -------------------------------------------------------- */

static void put_law(const struct verdict_facts *f, struct buf *out)
{
    buf_printf(out, "L1 = %.3g, %g %% %.3g to %.3g", f->slope.v, 100 * f->level,
        f->slope_low.v, f->slope_high.v);
}

static void put_rounding(const struct verdict_facts *f, struct buf *out)
{
    if (2 * f->still > f->rounding) {
        buf_printf(out,
            "nothing to measure: in %llu probes the update was zero, or too "
            "short for its precision, in %llu it was not",
            (unsigned long long)f->rounding, (unsigned long long)f->n);
        return;
    }
    buf_printf(out,
        "limited by rounding: in %llu probes the gradient changed by no more "
        "than rounding, in %llu by more",
        (unsigned long long)f->rounding, (unsigned long long)f->n);
}

static void put_data(
    const struct verdict *v, const struct verdict_facts *f, struct buf *out)
{
    switch (v->kind) {
    case VERDICT_NO_DATA:
        buf_text(out, "nothing was probed");
        break;
    case VERDICT_TOO_FEW:
        buf_printf(out, "too few probes: %llu pairs of %llu, %u are needed",
            (unsigned long long)f->n, (unsigned long long)f->probes,
            VERDICT_PAIRS_MIN);
        if (f->left_out != NULL) {
            buf_printf(out, " (most were left out: %s)", f->left_out);
        }
        break;
    case VERDICT_NOISE_LIMITED:
        if (f->noise_unknown && !most_are(f, f->noise)) {
            buf_text(out, "gradients of different batches whose noise is not "
                          "known: it alone may give this picture");
            break;
        }
        buf_printf(out,
            "limited by sampling noise: %llu probes lie at the noise floor, "
            "%llu above it",
            (unsigned long long)f->noise, (unsigned long long)f->n);
        break;
    case VERDICT_ROUNDING_LIMITED:
        put_rounding(f, out);
        break;
    default:
        buf_printf(out,
            "the smoothness is %.2g of the most that unrelated gradients "
            "could give: noise alone would look like this",
            f->ceiling_ratio.v);
        break;
    }
}

static const struct verdict_reason *decisive(const struct verdict *v)
{
    if (v->n_reasons == 0) {
        return NULL;
    }
    const struct verdict_reason *last = &v->reasons[v->n_reasons - 1];
    return last->speaks_for ? last : NULL;
}

static void put_not_identifiable(
    const struct verdict *v, const struct verdict_facts *f, struct buf *out)
{
    const struct verdict_reason *why = decisive(v);
    if (f->x_spread.has && f->x_spread.v < FIT_SPREAD_MIN) {
        buf_printf(out, "not identifiable: the gradient norm varied by %.3gx",
            f->x_spread.v);
    } else if (f->n_eff.has && f->n_eff.v < VERDICT_N_EFF_MIN) {
        buf_printf(out,
            "not identifiable: %llu pairs that follow each other are worth "
            "%.3g independent ones",
            (unsigned long long)f->n, f->n_eff.v);
    } else {
        buf_text(out, "not identifiable: ");
        put_law(f, out);
        buf_printf(out,
            ", which holds both no growth and growth in "
            "proportion (%.3g)",
            why != NULL ? why->value : f->proportional.v);
    }
}

static void put_flat(const struct verdict_facts *f, struct buf *out)
{
    if (f->constant) {
        buf_text(out, "smoothness is constant");
        return;
    }
    buf_text(out, "smoothness does not grow measurably (");
    put_law(f, out);
    buf_char(out, ')');
}

static void put_inconclusive(const struct verdict_facts *f, struct buf *out)
{
    buf_text(out, "inconclusive: ");
    if (!f->slope_low.has) {
        buf_printf(out,
            "%llu pairs that follow each other are too few for an interval of "
            "L1",
            (unsigned long long)f->n);
        return;
    }
    const uint64_t both = f->noise + f->n;
    const double noise = (double)f->noise / (double)both;
    put_law(f, out);
    if (noise > VERDICT_NOISE_SHARE_MAX) {
        buf_printf(out,
            ", but %llu of %llu probes lie at the noise floor, and leaving "
            "them out tilts what is left",
            (unsigned long long)f->noise, (unsigned long long)both);
    } else if (!f->partial_p.has) {
        buf_text(out,
            ", but it cannot be told from a common course in time or of the "
            "learning rate");
    } else if (f->slope_low.v > 0 && !(f->slope_p.v < p_max(f))) {
        buf_printf(
            out, ", which of %u phases one may show by chance", f->phases);
    } else {
        buf_text(out, ", but ranks, with time taken out, do not confirm it");
    }
}

static void put_growth(
    const struct verdict *v, const struct verdict_facts *f, struct buf *out)
{
    if (v->kind == VERDICT_GROWS) {
        buf_text(out, "smoothness grows with gradient norm (");
        put_law(f, out);
        buf_text(out, "; operator norm agrees)");
    } else if (v->kind == VERDICT_DIRECTION_ARTEFACT) {
        buf_text(out, "looks like L1 > 0 (");
        put_law(f, out);
        buf_text(
            out, ") but the operator norm does not follow: direction artefact");
    } else {
        buf_text(out, "smoothness along the update grows with gradient norm (");
        put_law(f, out);
        buf_text(out, f->operator_n < VERDICT_OPERATOR_MIN
                          ? "), as it does on a quadratic too: only the "
                            "operator norm could confirm it"
                          : "); the operator norms that were measured do not "
                            "tell");
    }
}

static void put_judged(
    const struct verdict *v, const struct verdict_facts *f, struct buf *out)
{
    switch (v->kind) {
    case VERDICT_NOT_SEPARABLE:
        buf_printf(out,
            "not separable from time: the gradient norm follows the step "
            "(Spearman %.3f)",
            f->step_rank.v);
        break;
    case VERDICT_FLAT:
        put_flat(f, out);
        break;
    case VERDICT_FALLS:
        buf_text(out, "smoothness falls as the gradient norm grows (");
        put_law(f, out);
        buf_char(out, ')');
        break;
    case VERDICT_NOT_IDENTIFIABLE:
        put_not_identifiable(v, f, out);
        break;
    case VERDICT_INCONCLUSIVE:
        put_inconclusive(f, out);
        break;
    default:
        put_growth(v, f, out);
        break;
    }
}

void verdict_sentence(const struct verdict *verdict,
    const struct verdict_facts *facts, struct buf *out)
{
    if (verdict->kind <= VERDICT_NEAR_CEILING) {
        put_data(verdict, facts, out);
    } else {
        put_judged(verdict, facts, out);
    }
}
