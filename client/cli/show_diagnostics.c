/* show_diagnostics.c: prints to stdout. */
#include "cli/show_diagnostics.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/member.h"

/* The window of all steps: the last of a list. */
static const cJSON *whole_window(const cJSON *part)
{
    const cJSON *windows = member(part, "windows");
    return cJSON_GetArrayItem(windows, cJSON_GetArraySize(windows) - 1);
}

static void print_clipping(const cJSON *clipping)
{
    const cJSON *window = whole_window(clipping);
    if (member_u64(window, "n") == 0) {
        return;
    }
    printf("  %-16s %.3g %% of %" PRIu64 " steps", "clipped",
        100 * member_double(window, "fraction"), member_u64(window, "n"));
    if (!member_is_null(window, "mean_shrink")) {
        printf(", by %.3g %% on average",
            100 * member_double(window, "mean_shrink"));
    }
    putchar('\n');
}

static void print_noise(const cJSON *noise)
{
    const cJSON *window = whole_window(noise);
    if (member_is_null(window, "scale")) {
        return;
    }
    printf(
        "  %-16s %.4g samples", "noise scale", member_double(window, "scale"));
    if (!member_is_null(window, "standard_error")) {
        printf(" +- %.2g", member_double(window, "standard_error"));
    }
    printf(", n = %" PRIu64 "\n", member_u64(window, "n"));
}

static void print_spikes(const cJSON *spikes)
{
    const uint64_t loss = member_u64(spikes, "loss");
    const uint64_t norm = member_u64(spikes, "grad_norm");
    if (loss == 0 && norm == 0) {
        return;
    }
    printf("  %-16s %" PRIu64 " of the loss, %" PRIu64
           " of the gradient norm (%" PRIu64 " alone, %" PRIu64 " leading",
        "spikes", loss, norm, member_u64(spikes, "grad_norm_alone"),
        member_u64(spikes, "grad_norm_leading"));
    if (!member_is_null(spikes, "mean_lead")) {
        printf(" by %.3g steps", member_double(spikes, "mean_lead"));
    }
    puts(")");
}

static void print_decrease(const cJSON *descent, const char *of)
{
    const cJSON *decrease = member(descent, of);
    if (member_u64(decrease, "n") > 0) {
        char name[32];
        (void)snprintf(name, sizeof name, "decrease, %s", of);
        const cJSON *same = member(decrease, "same_data");
        printf("  %-16s predicted %.4g, realised %.4g, n = %" PRIu64 "%s\n",
            name, member_double(decrease, "predicted"),
            member_double(decrease, "realised"), member_u64(decrease, "n"),
            cJSON_IsFalse(same) ? " (each loss of its own batch)" : "");
    }
}

/* Of the first law: the one that is drawn. */
static void print_bound(const cJSON *descent)
{
    const cJSON *law = cJSON_GetArrayItem(member(descent, "laws"), 0);
    if (law != NULL && !member_is_null(law, "probe_rate")) {
        printf("  %-16s broken at %" PRIu64 " of %" PRIu64 " probes (%s)\n",
            "law's bound", member_u64(law, "probe_violations"),
            member_u64(member(descent, "probes"), "n"),
            member_text(law, "method"));
    }
}

static void print_adgd(const cJSON *adgd)
{
    if (!member_is_null(adgd, "ratio")) {
        printf("  %-16s %.4g, geometric mean %.4g, n = %" PRIu64 "\n",
            "lr / AdGD's step", member_double(adgd, "ratio"),
            member_double(adgd, "mean_ratio"), member_u64(adgd, "n_ratio"));
    }
}

static void print_count(const char **separator, const cJSON *faults,
    const char *n, const char *count, const char *what)
{
    if (member_u64(faults, n) > 0) {
        printf("%s%" PRIu64 " %s", *separator, member_u64(faults, count), what);
        *separator = ", ";
    }
}

static void print_faults(const cJSON *faults)
{
    const char *separator = "  faults           ";
    print_count(&separator, faults, "n_flags", "skipped", "skipped");
    print_count(&separator, faults, "n_flags", "found_inf", "found_inf");
    print_count(
        &separator, faults, "n_updates", "zero_updates", "updates of zero");
    print_count(&separator, faults, "n_values", "nonfinite", "not finite");
    if (!member_is_null(faults, "first_nonfinite_step")) {
        printf(" (first at step %" PRIu64 ")",
            member_u64(faults, "first_nonfinite_step"));
    }
    fputs(*separator == ',' ? "\n" : "", stdout);
}

void print_diagnostics(const cJSON *data)
{
    const cJSON *descent = member(data, "descent");
    printf("last       %" PRIu64 " steps, %" PRIu64 " probes\n",
        member_u64(data, "steps"), member_u64(data, "probes"));
    print_faults(member(data, "faults"));
    print_clipping(member(data, "clipping"));
    print_noise(member(data, "noise"));
    print_spikes(member(data, "spikes"));
    print_decrease(descent, "steps");
    print_decrease(descent, "probes");
    print_bound(descent);
    print_adgd(member(data, "adgd"));
}
