/* rank_diagnosis.c: pure; one thread at a time per struct rank_diagnosis. */
#include "pure/rank_diagnosis.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "pure/rank_factor.h"
#include "wire/fields.h"

/* What was seen, and where first. */
struct note {
    uint64_t steps;
    uint64_t first_step;
};

/* Of one compared field. */
struct difference {
    struct note note;
    double worst;                 /* relative */
    uint32_t low_rank, high_rank; /* at the worst */
};

struct rank_diagnosis {
    struct trainer trainer;
    uint32_t world;    /* the largest seen */
    uint64_t examined; /* steps of several ranks that were all in */
    struct note mixed;
    struct note shards;
    double shard_factors; /* sum over the steps of `shards` */
    uint32_t shard_world; /* of the last of them */
    struct note own_data;
    struct difference differences[RANK_SPREADS];
    struct note probes_mixed;
    struct note gammas;
    struct difference probe_differences[RANK_SPREADS];
    struct rank_factor factor;
    /* Steps at which a rank is off the median, by rank. */
    uint32_t *grad_off;
    uint32_t *param_off;
    double *sorted;
};

const char *rank_finding_name(enum rank_finding_code code)
{
    static const char *const names[] = {
        [RANK_FINDING_MIXED] = "mixed_rules",
        [RANK_FINDING_ONE_SHARD] = "one_shard",
        [RANK_FINDING_OWN_DATA] = "own_data",
        [RANK_FINDING_FACTOR] = "wrong_factor",
        [RANK_FINDING_DISAGREE] = "replicas_disagree",
        [RANK_FINDING_DIFFER] = "ranks_differ",
        [RANK_FINDING_GAMMAS] = "gammas_differ",
    };
    return names[code];
}

struct rank_diagnosis *rank_diagnosis_new(const struct trainer *trainer)
{
    struct rank_diagnosis *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return NULL;
    }
    d->trainer = *trainer;
    d->grad_off = calloc(TRAINER_WORLD_MAX, sizeof *d->grad_off);
    d->param_off = calloc(TRAINER_WORLD_MAX, sizeof *d->param_off);
    d->sorted = calloc(TRAINER_WORLD_MAX, sizeof *d->sorted);
    if (d->grad_off == NULL || d->param_off == NULL || d->sorted == NULL) {
        rank_diagnosis_free(d);
        return NULL;
    }
    return d;
}

void rank_diagnosis_free(struct rank_diagnosis *diagnosis)
{
    if (diagnosis == NULL) {
        return;
    }
    free(diagnosis->grad_off);
    free(diagnosis->param_off);
    free(diagnosis->sorted);
    free(diagnosis);
}

static void note(struct note *note, uint64_t step)
{
    if (note->steps++ == 0) {
        note->first_step = step;
    }
}

/* ---- squares over ranks ---------------------------------------------------
 */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* How the squares of all ranks lie around their median. */
struct cloud {
    bool known; /* all are there and finite, and the median is not 0 */
    double median;
    double sum;
    double widest;  /* largest relative distance from the median */
    uint32_t n_off; /* beyond RANK_AGREE */
};

static bool is_off(const struct cloud *cloud, double square, double limit)
{
    return fabs(square - cloud->median) > limit * cloud->median;
}

static struct cloud look(
    struct rank_diagnosis *d, const double *squares, uint32_t world)
{
    struct cloud cloud = { 0 };
    for (uint32_t rank = 0; rank < world; rank++) {
        if (!isfinite(squares[rank])) {
            return cloud;
        }
        d->sorted[rank] = squares[rank];
        cloud.sum += squares[rank];
    }
    qsort(d->sorted, world, sizeof *d->sorted, compare_doubles);
    cloud.median = (d->sorted[(world - 1) / 2] + d->sorted[world / 2]) / 2;
    cloud.known = cloud.median > 0;
    for (uint32_t rank = 0; cloud.known && rank < world; rank++) {
        double off = fabs(squares[rank] - cloud.median) / cloud.median;
        cloud.widest = off > cloud.widest ? off : cloud.widest;
        cloud.n_off += off > RANK_AGREE;
    }
    return cloud;
}

static void count_off(uint32_t *counts, const struct cloud *cloud,
    const struct rank_step *step, const double *squares)
{
    for (uint32_t rank = 0; rank < step->world; rank++) {
        bool in = (step->in[rank / 64] >> rank % 64 & 1) != 0;
        bool finite = isfinite(squares[rank]);
        counts[rank] +=
            in && (!finite || (cloud->known &&
                                  is_off(cloud, squares[rank], RANK_AGREE)));
    }
}

static void examine_squares(
    struct rank_diagnosis *d, const struct rank_step *step)
{
    const struct cloud g = look(d, step->grad_sq, step->world);
    const struct cloud x = look(d, step->param_sq, step->world);
    if (step->rule != TRAJ_COMBINE_NONE) {
        count_off(d->grad_off, &g, step, step->grad_sq);
        count_off(d->param_off, &x, step, step->param_sq);
    }
    if (!g.known || g.n_off < (step->world + 1) / 2 || g.widest <= RANK_APART) {
        return;
    }
    double alike = g.sum / (step->world * g.median);
    if (x.known && x.widest <= RANK_AGREE) {
        note(&d->own_data, step->step);
    } else if ((!x.known || x.widest > RANK_APART) && alike <= RANK_ALIKE &&
               alike >= 1 / RANK_ALIKE) {
        note(&d->shards, step->step);
        d->shard_factors += sqrt(g.sum / g.median);
        d->shard_world = step->world;
    }
}

/* ---- what ranks say of a step ---------------------------------------------
 */

/* Inf: not everybody's is a number. */
static double relative(const struct rank_spread *spread)
{
    double most = fmax(fabs(spread->least), fabs(spread->most));
    double off = spread->most / most - spread->least / most;
    return spread->n_nan > 0 || !isfinite(off) ? (double)INFINITY : off;
}

/* The two farthest ranks; the one without a number where there is such. */
static void name_farthest(
    struct difference *difference, const struct rank_spread *spread)
{
    difference->low_rank = spread->least_rank;
    difference->high_rank = spread->most_rank;
    if (spread->n_nan > 0) {
        difference->low_rank = spread->nan_rank;
        difference->high_rank = spread->nan_rank;
    } else if (isinf(spread->most)) {
        difference->low_rank = spread->most_rank;
    } else if (isinf(spread->least)) {
        difference->high_rank = spread->least_rank;
    }
}

static void add_difference(struct difference *difference,
    const struct rank_spread *spread, uint64_t step)
{
    double off = relative(spread);
    note(&difference->note, step);
    if (off > difference->worst) {
        difference->worst = off;
        name_farthest(difference, spread);
    }
}

static void add_differences(
    struct difference *differences, const struct rank_step *step)
{
    for (size_t i = 0; i < step->rules->n_compared; i++) {
        if ((step->disagree & ROW_BIT(step->rules->compared[i].field)) != 0) {
            add_difference(&differences[i], &step->spreads[i], step->step);
        }
    }
}

static void add_probe(struct rank_diagnosis *d, const struct rank_step *step)
{
    if ((step->flags & RANK_MIXED) != 0) {
        note(&d->probes_mixed, step->step);
    }
    if ((step->flags & RANK_GAMMAS) != 0) {
        note(&d->gammas, step->step);
    }
    add_differences(d->probe_differences, step);
}

static void add_step(struct rank_diagnosis *d, const struct rank_step *step)
{
    assert(step->grad_sq != NULL);
    if ((step->flags & RANK_MIXED) != 0) {
        note(&d->mixed, step->step);
    }
    add_differences(d->differences, step);
    if (step->world > 1 && step->n_in == step->world) {
        d->examined++;
        if (step->rule != TRAJ_COMBINE_SHARD &&
            (step->flags & (RANK_MIXED | RANK_LOCAL)) == 0) {
            examine_squares(d, step);
        }
    }
    if (d->trainer.optimizer == OPTIMIZER_SGD) {
        rank_factor_add(&d->factor, step);
    }
}

void rank_diagnosis_add(struct rank_diagnosis *d, const struct rank_step *step)
{
    assert(step->world <= TRAINER_WORLD_MAX);
    assert(step->rules->kind != WIRE_GROUP);
    d->world = step->world > d->world ? step->world : d->world;
    if (step->rules->kind == WIRE_PROBE) {
        add_probe(d, step);
    } else {
        add_step(d, step);
    }
}

/* ---- findings -------------------------------------------------------------
 */

struct findings {
    struct rank_finding *v;
    size_t n;
};

static struct rank_finding *add(struct findings *findings,
    enum rank_finding_code code, const struct note *note)
{
    struct rank_finding *finding = &findings->v[findings->n++];
    *finding = (struct rank_finding){
        .code = code,
        .kind = WIRE_STEP,
        .factor = (double)NAN,
        .first_step = note->first_step,
        .steps = note->steps,
    };
    return finding;
}

static bool mostly(const struct rank_diagnosis *d, const struct note *note)
{
    return 2 * note->steps > d->examined;
}

static void find_shards(
    const struct rank_diagnosis *d, struct findings *findings)
{
    struct rank_finding *f = add(findings, RANK_FINDING_ONE_SHARD, &d->shards);
    f->field = "grad_sq";
    f->factor = d->shard_factors / (double)d->shards.steps;
    (void)snprintf(f->text, sizeof f->text,
        "||g|| of each rank looks like one shard's norm: the run's is about "
        "%.4g times larger (sqrt of the %u ranks); record with combine SHARD",
        f->factor, (unsigned)d->shard_world);
}

static void find_own_data(
    const struct rank_diagnosis *d, struct findings *findings)
{
    struct rank_finding *f = add(findings, RANK_FINDING_OWN_DATA, &d->own_data);
    f->field = "grad_sq";
    (void)snprintf(f->text, sizeof f->text,
        "ranks have one ||x|| and each its own ||g||: the gradient is of each "
        "rank's own data, before it is reduced; record it with stage LOCAL, "
        "or after the reduction");
}

static void find_factor(
    const struct rank_diagnosis *d, struct findings *findings)
{
    struct rank_factor_verdict verdict;
    char text[RANK_FINDING_TEXT];
    if (!rank_factor_verdict(&d->factor, &verdict, text, sizeof text)) {
        return;
    }
    const struct note seen = { verdict.steps, verdict.first_step };
    struct rank_finding *f = add(findings, RANK_FINDING_FACTOR, &seen);
    f->field = "grad_sq";
    f->factor = verdict.factor;
    (void)snprintf(f->text, sizeof f->text, "%s", text);
}

/* The ranks that were off the median at some step; else the two farthest. */
static void name_ranks(const struct rank_diagnosis *d, unsigned field,
    const struct difference *difference, struct rank_finding *f)
{
    const uint32_t *off = f->kind == WIRE_PROBE    ? NULL
                          : field == STEP_grad_sq  ? d->grad_off
                          : field == STEP_param_sq ? d->param_off
                                                   : NULL;
    for (uint32_t rank = 0; off != NULL && rank < d->world; rank++) {
        if (off[rank] > 0 && f->n_ranks++ < RANK_FINDING_RANKS) {
            f->ranks[f->n_ranks - 1] = rank;
        }
    }
    if (f->n_ranks == 0) {
        bool in_order = difference->low_rank < difference->high_rank;
        f->ranks[!in_order] = difference->low_rank;
        f->ranks[in_order] = difference->high_rank;
        f->n_ranks = difference->low_rank == difference->high_rank ? 1 : 2;
    }
}

static void find_difference(const struct rank_diagnosis *d, enum wire_kind kind,
    size_t i, struct findings *findings)
{
    const bool of_probe = kind == WIRE_PROBE;
    const struct difference *difference =
        of_probe ? &d->probe_differences[i] : &d->differences[i];
    const struct rank_compared *compared = &rank_rules_of(kind)->compared[i];
    bool measured = rank_is_measured(compared);
    struct rank_finding *f =
        add(findings, measured ? RANK_FINDING_DISAGREE : RANK_FINDING_DIFFER,
            &difference->note);
    f->kind = kind;
    f->field = wire_kind_info(kind)->fields[compared->field].name;
    f->factor = difference->worst;
    name_ranks(d, compared->field, difference, f);
    char apart[64] = "is finite on some ranks and not on others";
    if (isfinite(difference->worst)) {
        (void)snprintf(apart, sizeof apart,
            "differs by up to %.2g of itself between ranks", difference->worst);
    }
    (void)snprintf(f->text, sizeof f->text,
        "%s: %s%s %s, since step %" PRIu64 " (rank %u, for one); %s",
        measured ? "replicas disagree" : "ranks differ",
        of_probe ? "a probe's " : "", f->field, apart,
        difference->note.first_step, (unsigned)f->ranks[0],
        !measured  ? "the lowest rank's is shown"
        : of_probe ? "their gradients are of different data or different models"
                   : "they do not train the same model");
}

static void find_differences(const struct rank_diagnosis *d, bool shards,
    bool own_data, struct findings *findings)
{
    const struct rank_rules *rules = rank_rules_of(WIRE_STEP);
    for (size_t i = 0; i < rules->n_compared; i++) {
        /* What follows from shards and own data is not said again. */
        bool said = (shards && rank_is_measured(&rules->compared[i])) ||
                    (own_data && rank_has_data(&rules->compared[i]));
        if (d->differences[i].note.steps > 0 && !said) {
            find_difference(d, WIRE_STEP, i, findings);
        }
    }
    for (size_t i = 0; i < rank_rules_of(WIRE_PROBE)->n_compared; i++) {
        if (d->probe_differences[i].note.steps > 0) {
            find_difference(d, WIRE_PROBE, i, findings);
        }
    }
}

static void find_odd_probes(
    const struct rank_diagnosis *d, struct findings *findings)
{
    if (d->probes_mixed.steps > 0) {
        struct rank_finding *f =
            add(findings, RANK_FINDING_MIXED, &d->probes_mixed);
        f->kind = WIRE_PROBE;
        f->field = "combine";
        (void)snprintf(f->text, sizeof f->text,
            "ranks give different rules or numbers of microbatches for one "
            "probe: it is left out");
    }
    if (d->gammas.steps > 0) {
        struct rank_finding *f = add(findings, RANK_FINDING_GAMMAS, &d->gammas);
        f->kind = WIRE_PROBE;
        f->field = "gammas";
        (void)snprintf(f->text, sizeof f->text,
            "ranks measure one probe at different gammas: it is left out; "
            "give all ranks the same");
    }
}

size_t rank_diagnosis_findings(const struct rank_diagnosis *d,
    struct rank_finding ret_findings[static RANK_FINDINGS_MAX])
{
    struct findings findings = { ret_findings, 0 };
    bool shards = mostly(d, &d->shards);
    bool own_data = mostly(d, &d->own_data);
    if (d->mixed.steps > 0) {
        struct rank_finding *f = add(&findings, RANK_FINDING_MIXED, &d->mixed);
        f->field = "combine";
        (void)snprintf(f->text, sizeof f->text,
            "ranks give different rules or stages for one step: the lowest "
            "rank's record is shown as it is");
    }
    if (shards) {
        find_shards(d, &findings);
    }
    if (own_data) {
        find_own_data(d, &findings);
    }
    find_factor(d, &findings);
    find_odd_probes(d, &findings);
    find_differences(d, shards, own_data, &findings);
    return findings.n;
}
