/* diagnostics_json.c: pure; any thread. cJSON takes a NULL object and returns
 * NULL for it, so only the last of a chain is looked at. */
#include "http/diagnostics_json.h"

#include <math.h>

#include "http/json.h"

static bool add_share(
    cJSON *object, const char *name, uint64_t part, uint64_t of)
{
    return json_add_optional(object, name, of > 0, (double)part / (double)of);
}

static bool add_mean(cJSON *object, const char *name, double sum, uint64_t n)
{
    return json_add_optional(object, name, n > 0, sum / (double)n);
}

static bool add_window_steps(cJSON *object, unsigned window)
{
    const uint64_t steps = diag_window_steps[window];
    return steps == UINT64_MAX ? json_add_null(object, "steps")
                               : json_add_u64(object, "steps", steps);
}

/* A new object at the end of array. */
static cJSON *append(cJSON *array)
{
    cJSON *object = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(array, object)) {
        cJSON_Delete(object);
        return NULL;
    }
    return object;
}

static bool add_clip_windows(cJSON *clipping, const struct diag_clip *clip)
{
    cJSON *windows = cJSON_AddArrayToObject(clipping, "windows");
    bool ok = windows != NULL;
    for (unsigned w = 0; w < DIAG_WINDOWS; w++) {
        const struct clip_window *window = &clip->windows[w];
        cJSON *object = append(windows);
        ok = ok && add_window_steps(object, w) &&
             json_add_u64(object, "n", window->n) &&
             json_add_u64(object, "clipped", window->clipped) &&
             add_share(object, "fraction", window->clipped, window->n) &&
             add_mean(object, "mean_shrink", window->shrink, window->n_scale);
    }
    return ok;
}

static bool add_would(cJSON *clipping, const struct diag_clip *clip)
{
    cJSON *array = cJSON_AddArrayToObject(clipping, "would");
    bool ok = array != NULL;
    for (size_t i = 0; i < clip->n_would; i++) {
        const struct clip_would *would = &clip->would[i];
        cJSON *object = append(array);
        ok = ok &&
             json_add_optional(object, "threshold", true, would->threshold) &&
             json_add_u64(object, "n", would->n) &&
             json_add_u64(object, "clipped", would->clipped) &&
             add_share(object, "fraction", would->clipped, would->n) &&
             add_mean(object, "mean_scale", would->scale, would->clipped);
    }
    return ok;
}

static bool add_rules(cJSON *clipping, struct diag_clip *clip)
{
    double threshold = 0;
    cJSON *object = cJSON_AddObjectToObject(clipping, "autoclip");
    /* The recent norms first: the whole history is reordered by its own. */
    bool has = autoclip_recent(clip, &threshold);
    bool ok = json_add_u64(object, "n", clip->n_norms) &&
              json_add_optional(object, "recent_threshold", has, threshold);
    has = autoclip_all(clip, &threshold);
    ok = ok && json_add_optional(object, "threshold", has, threshold);
    const struct zclip *zclip = &clip->zclip;
    object = cJSON_AddObjectToObject(clipping, "zclip");
    has = zclip_threshold(zclip, &threshold);
    return ok && json_add_u64(object, "n", zclip->n) &&
           json_add_u64(object, "clipped", zclip->clipped) &&
           add_share(object, "fraction", zclip->clipped, zclip->n) &&
           json_add_optional(object, "threshold", has, threshold) &&
           json_add_optional(object, "mean", has, zclip->mean) &&
           json_add_optional(object, "deviation", has, sqrt(zclip->variance));
}

/* Why records say nothing, and in words why there is no scale at all. */
static bool add_absent(cJSON *object, const struct diag_noise *noise)
{
    cJSON *absent = cJSON_AddObjectToObject(object, "absent");
    bool ok = absent != NULL;
    for (unsigned why = 0; ok && why < NOISE_ABSENT; why++) {
        ok = json_add_u64(absent, noise_absent_name((enum noise_absent)why),
            noise->absent[why]);
    }
    enum noise_absent most = NOISE_NONFINITE;
    const bool none = noise->windows[DIAG_WINDOWS - 1].n == 0 &&
                      noise_absent_most(noise, &most);
    return ok &&
           (none ? json_add_text(object, "reason", noise_absent_text(most))
                 : json_add_null(object, "reason"));
}

static bool add_noise(cJSON *data, const struct diag_noise *noise)
{
    cJSON *object_of_all = cJSON_AddObjectToObject(data, "noise");
    cJSON *array = cJSON_AddArrayToObject(object_of_all, "windows");
    bool ok = array != NULL && add_absent(object_of_all, noise);
    for (unsigned w = 0; w < DIAG_WINDOWS; w++) {
        const struct noise_window *window = &noise->windows[w];
        const bool any = window->n > 0;
        double scale = 0;
        double error = 0;
        const bool has_scale = noise_scale(window, &scale);
        const bool has_error = noise_scale_error(window, &error);
        cJSON *object = append(array);
        ok = ok && add_window_steps(object, w) &&
             json_add_u64(object, "n", window->n) &&
             json_add_optional(object, "signal_sq", any, window->signal) &&
             json_add_optional(object, "noise", any, window->noise) &&
             json_add_optional(object, "scale", has_scale, scale) &&
             json_add_optional(object, "standard_error", has_error, error);
    }
    return ok;
}

static bool add_recent_spikes(cJSON *object, const struct diag_spikes *spikes)
{
    cJSON *array = cJSON_AddArrayToObject(object, "recent");
    bool ok = array != NULL;
    const struct spike_event *event = NULL;
    for (size_t i = 0; (event = diag_spikes_recent(spikes, i)) != NULL; i++) {
        cJSON *item = append(array);
        ok = ok && json_add_u64(item, "step", event->step) &&
             json_add_text(
                 item, "of", event->of == SPIKE_LOSS ? "loss" : "grad_norm") &&
             json_add_optional(item, "z", true, event->z);
    }
    return ok;
}

static bool add_spikes(cJSON *data, const struct diag_spikes *spikes)
{
    cJSON *object = cJSON_AddObjectToObject(data, "spikes");
    return json_add_u64(object, "n_loss", spikes->n_loss_values) &&
           json_add_u64(object, "n_grad_norm", spikes->n_grad_values) &&
           json_add_u64(object, "loss", spikes->n_loss) &&
           json_add_u64(object, "grad_norm", spikes->n_grad) &&
           json_add_u64(object, "grad_norm_alone", spikes->alone) &&
           json_add_u64(object, "grad_norm_leading", spikes->leading) &&
           json_add_u64(object, "grad_norm_with", spikes->with) &&
           add_mean(object, "mean_lead", spikes->lead_sum, spikes->leading) &&
           add_recent_spikes(object, spikes);
}

static bool add_decrease(cJSON *descent, const char *name, bool same_data,
    const struct decrease *decrease)
{
    cJSON *object = cJSON_AddObjectToObject(descent, name);
    const bool any = decrease->n > 0;
    return cJSON_AddBoolToObject(object, "same_data", same_data) != NULL &&
           json_add_u64(object, "n", decrease->n) &&
           json_add_optional(object, "predicted", any, decrease->predicted) &&
           json_add_optional(object, "realised", any, decrease->realised);
}

static bool add_laws(cJSON *object, const struct diag_descent *descent,
    const struct diagnostics_laws *laws)
{
    cJSON *array = cJSON_AddArrayToObject(object, "laws");
    bool ok = array != NULL;
    for (size_t i = 0; i < descent->n_laws; i++) {
        const size_t at = laws->index[i];
        const double tau = laws->fit->report.fits[at].tau;
        const struct decrease *steps = &descent->steps;
        const struct decrease *probes = &descent->probes;
        cJSON *law = append(array);
        ok = ok &&
             json_add_text(law, "method", laws->fit->report.fits[at].method) &&
             json_add_optional(law, "tau", !isnan(tau), tau) &&
             json_add_optional(law, "L0", true, descent->laws[i].L0) &&
             json_add_optional(law, "L1", true, descent->laws[i].L1) &&
             json_add_u64(law, "step_violations", steps->violations[i]) &&
             add_share(law, "step_rate", steps->violations[i], steps->n) &&
             json_add_u64(law, "probe_violations", probes->violations[i]) &&
             add_share(law, "probe_rate", probes->violations[i], probes->n);
    }
    return ok;
}

static bool add_descent(cJSON *data, const struct diag_descent *descent,
    const struct diagnostics_laws *laws)
{
    cJSON *object = cJSON_AddObjectToObject(data, "descent");
    return add_decrease(object, "steps", false, &descent->steps) &&
           add_decrease(object, "probes", true, &descent->probes) &&
           add_laws(object, descent, laws);
}

static bool add_adgd(cJSON *data, const struct adgd *adgd)
{
    cJSON *object = cJSON_AddObjectToObject(data, "adgd");
    const bool any = adgd->n_ratio > 0;
    return json_add_u64(object, "n", adgd->n) &&
           json_add_optional(object, "lambda", adgd->n > 0, adgd->lambda) &&
           json_add_u64(object, "n_ratio", adgd->n_ratio) &&
           json_add_optional(object, "ratio", any, adgd->ratio) &&
           json_add_optional(object, "mean_ratio", any,
               exp(adgd->ratio_log / (double)adgd->n_ratio)) &&
           add_share(object, "above", adgd->above, adgd->n_ratio);
}

static bool add_faults(cJSON *data, const struct faults *faults)
{
    cJSON *object = cJSON_AddObjectToObject(data, "faults");
    return json_add_u64(object, "n_flags", faults->n_flags) &&
           json_add_u64(object, "skipped", faults->skipped) &&
           json_add_u64(object, "found_inf", faults->found_inf) &&
           json_add_u64(object, "n_updates", faults->n_updates) &&
           json_add_u64(object, "zero_updates", faults->still) &&
           json_add_u64(object, "n_values", faults->n_values) &&
           json_add_u64(object, "nonfinite", faults->nonfinite) &&
           (faults->has_nonfinite
                   ? json_add_u64(object, "first_nonfinite_step",
                         faults->first_nonfinite)
                   : json_add_null(object, "first_nonfinite_step"));
}

static bool add_all(
    cJSON *data, struct diagnostics *d, const struct diagnostics_laws *laws)
{
    cJSON *clipping = cJSON_AddObjectToObject(data, "clipping");
    return json_add_u64(data, "records", d->records) &&
           json_add_u64(data, "steps", d->steps) &&
           json_add_u64(data, "probes", d->probes) &&
           add_clip_windows(clipping, &d->clip) &&
           add_would(clipping, &d->clip) && add_rules(clipping, &d->clip) &&
           add_noise(data, &d->noise) && add_spikes(data, &d->spikes) &&
           add_descent(data, &d->descent, laws) &&
           add_adgd(data, &d->descent.adgd) && add_faults(data, &d->faults);
}

cJSON *diagnostics_json(
    struct diagnostics *diagnostics, const struct diagnostics_laws *laws)
{
    cJSON *root = cJSON_CreateObject();
    if (add_all(cJSON_AddObjectToObject(root, "data"), diagnostics, laws)) {
        return root;
    }
    cJSON_Delete(root);
    return NULL;
}
