/* diag_clip.c: owns the history of norms; one thread at a time. */
#include "pure/diag_clip.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/order.h"
#include "pure/unmeasured.h"
#include "traj.h"
#include "wire.h"

#define AUTOCLIP_ALL 0.1
#define AUTOCLIP_RECENT 0.9
#define ZCLIP_ALPHA 0.97
#define ZCLIP_Z 2.5
#define ZCLIP_EPSILON 1e-6

void diag_clip_init(struct diag_clip *clip, const double *thresholds, size_t n)
{
    assert(n <= CLIP_THRESHOLDS_MAX);
    *clip = (struct diag_clip){ .n_would = n };
    for (size_t i = 0; i < n; i++) {
        clip->would[i].threshold = thresholds[i];
    }
}

void diag_clip_done(struct diag_clip *clip)
{
    free(clip->norms);
    *clip = (struct diag_clip){ 0 };
}

/* ---- what it did -------------------------------------------------------- */

/* The factor on g: as recorded, else what the threshold makes of the norm. */
static struct figure scale_of(const struct diag_step *step)
{
    const double recorded = row_f64(step->row, STEP_clip_scale);
    if (isfinite(recorded)) {
        return (struct figure){ true, recorded };
    }
    const double threshold = row_f64(step->row, STEP_clip_threshold);
    if (!(threshold > 0) || !step->norm.has || !isfinite(step->norm.v)) {
        return (struct figure){ 0 };
    }
    return (struct figure){ true,
        step->norm.v > threshold ? threshold / step->norm.v : 1 };
}

static void add_to_window(struct clip_window *window,
    const struct diag_step *step, const struct figure *scale)
{
    const bool flagged =
        (step->flags & TRAJ_STEP_CLIPPED) != 0 && !row_is_unmeasured(step->row);
    const bool clipped = flagged || (scale->has && scale->v < 1);
    if (!clipped && !scale->has) {
        return;
    }
    const bool counted =
        step->steps > 1 && row_has(step->row, STEP_fold_clipped);
    window->n += counted ? step->steps : 1;
    window->clipped +=
        counted ? row_u64(step->row, STEP_fold_clipped) : clipped;
    if (scale->has && scale->v < 1) {
        window->n_scale++;
        window->shrink += 1 - scale->v;
    }
}

/* ---- what others would do ----------------------------------------------- */

static void add_would(struct clip_would *would, double norm)
{
    would->n++;
    if (norm > would->threshold) {
        would->clipped++;
        would->scale += would->threshold / norm;
    }
}

static void zclip_start(struct zclip *zclip)
{
    for (size_t i = 0; i < ZCLIP_WARM_UP; i++) {
        zclip->mean += zclip->warm_norms[i] / ZCLIP_WARM_UP;
    }
    for (size_t i = 0; i < ZCLIP_WARM_UP; i++) {
        double distance = zclip->warm_norms[i] - zclip->mean;
        zclip->variance += distance * distance / ZCLIP_WARM_UP;
    }
}

static void zclip_add(struct zclip *zclip, double norm)
{
    if (zclip->warm < ZCLIP_WARM_UP) {
        zclip->warm_norms[zclip->warm++] = norm;
        if (zclip->warm == ZCLIP_WARM_UP) {
            zclip_start(zclip);
        }
        return;
    }
    const double deviation = sqrt(zclip->variance);
    const double z = (norm - zclip->mean) / (deviation + ZCLIP_EPSILON);
    zclip->n++;
    if (z > ZCLIP_Z) {
        zclip->clipped++;
        norm = zclip->mean + ZCLIP_Z * deviation / (z / ZCLIP_Z);
    }
    zclip->mean = ZCLIP_ALPHA * zclip->mean + (1 - ZCLIP_ALPHA) * norm;
    const double distance = norm - zclip->mean;
    zclip->variance =
        ZCLIP_ALPHA * zclip->variance + (1 - ZCLIP_ALPHA) * distance * distance;
}

bool zclip_threshold(const struct zclip *zclip, double *ret)
{
    if (zclip->warm < ZCLIP_WARM_UP) {
        return false;
    }
    *ret = zclip->mean + ZCLIP_Z * (sqrt(zclip->variance) + ZCLIP_EPSILON);
    return true;
}

static bool keep_norm(struct diag_clip *clip, double norm)
{
    if (clip->n_norms == clip->capacity) {
        size_t capacity = clip->capacity == 0 ? 4096 : clip->capacity * 2;
        double *norms = realloc(clip->norms, capacity * sizeof *norms);
        if (norms == NULL) {
            return false;
        }
        clip->norms = norms;
        clip->capacity = capacity;
    }
    clip->norms[clip->n_norms++] = norm;
    return true;
}

bool diag_clip_add(
    struct diag_clip *clip, const struct diag_step *step, uint64_t last_step)
{
    const struct figure scale = scale_of(step);
    for (unsigned w = 0; w < DIAG_WINDOWS; w++) {
        if (diag_in_window(w, step->step, last_step)) {
            add_to_window(&clip->windows[w], step, &scale);
        }
    }
    if (!step->norm.has || !isfinite(step->norm.v)) {
        return true;
    }
    for (size_t i = 0; i < clip->n_would; i++) {
        add_would(&clip->would[i], step->norm.v);
    }
    zclip_add(&clip->zclip, step->norm.v);
    return keep_norm(clip, step->norm.v);
}

bool autoclip_all(struct diag_clip *clip, double *ret)
{
    if (clip->n_norms == 0) {
        return false;
    }
    *ret = order_quantile(clip->norms, clip->n_norms, AUTOCLIP_ALL);
    return true;
}

bool autoclip_recent(struct diag_clip *clip, double *ret)
{
    double recent[CLIP_RECENT];
    const size_t n = clip->n_norms < CLIP_RECENT ? clip->n_norms : CLIP_RECENT;
    if (n == 0) {
        return false;
    }
    memcpy(recent, &clip->norms[clip->n_norms - n], n * sizeof *recent);
    *ret = order_quantile(recent, n, AUTOCLIP_RECENT);
    return true;
}
