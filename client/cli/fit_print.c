/* fit_print.c: the answer of `traj fit` for people. One thread. */
#include <math.h>
#include <stdio.h>

#include "cli/fit_answer.h"

static void print_lines(const struct fit_answer *answer)
{
    printf("%-16s %6s %14s %14s\n", "method", "tau", "L0", "L1");
    for (size_t i = 0; i < answer->n_fits; i++) {
        const struct fit_estimate *fit = &answer->fits[i];
        char tau[16] = "";
        if (!isnan(fit->tau)) {
            (void)snprintf(tau, sizeof tau, "%g", fit->tau);
        }
        printf("%-16s %6s %14.6g %14.6g\n", fit->method, tau, fit->line.L0,
            fit->line.L1);
    }
}

/* At the abscissa that was asked for, and all that are valid. */
static void print_valid(
    const struct fit_request *request, const struct fit_answer *answer)
{
    if (answer->at.method != NULL) {
        char c[16];
        (void)snprintf(c, sizeof c, "c=%g", request->at);
        printf("%-16s %6s %14.6g %14.6g\n", "envelope", c, answer->at.line.L0,
            answer->at.line.L1);
    }
    if (answer->n_frontier > 0) {
        const size_t last = answer->n_frontier - 1;
        printf("valid pairs       from (%g, %g) to (%g, %g), %zu vertices\n",
            answer->frontier_L0[0], answer->frontier_L1[0],
            answer->frontier_L0[last], answer->frontier_L1[last], last + 1);
    }
}

static void print_powers(
    const struct fit_request *request, const struct fit_answer *answer)
{
    const struct fit_power *power = &answer->report.power;
    if (answer->report.has_power) {
        printf("power law         %g + %g x^%g, log error %.4f\n",
            power->line.L0, power->line.L1, power->rho,
            power->scores[(size_t)lround(power->rho / FIT_POWER_STEP)]);
        fputs("  log error of", stdout);
        for (size_t k = 0; k < FIT_POWERS; k++) {
            printf(" x^%g %.4f%s", FIT_POWER_STEP * (double)k, power->scores[k],
                k + 1 < FIT_POWERS ? "," : "\n");
        }
    }
    if (answer->has_power_at) {
        printf("power asked for   %g + %g x^%g\n", answer->power_at.L0,
            answer->power_at.L1, request->rho);
    }
}

static void print_slopes(const struct fit_report *report)
{
    if (report->has_spearman) {
        printf("Spearman          %+.4f\n", report->spearman);
    }
    if (report->has_loglog) {
        printf("log-log slope     %+.4f (r %+.4f, %zu pairs with x, y > 0), "
               "median of slopes %+.4f\n",
            report->loglog.slope, report->loglog.pearson_r, report->loglog.n,
            report->loglog.theil_sen);
    }
}

static void print_interval(const char *name, const struct traj_interval *of)
{
    printf("  %s %.4g (%.4g to %.4g)", name, of->estimate, of->low, of->high);
}

/* Of the unconstrained line, which for the first is weighted; of NNLS itself by
 * the bootstrap. */
static void print_uncertainty(const struct fit_answer *answer)
{
    const struct traj_fit_uncertainty *first = &answer->uncertainty[0];
    if (first->absent != TRAJ_PRESENT) {
        printf("intervals         none: %s\n", traj_absent_text(first->absent));
        return;
    }
    printf("%g %% intervals    rows in the order of time, remembered for %.3g; "
           "%llu blocks of %llu\n",
        100 * first->level, first->tau_int, (unsigned long long)first->blocks,
        (unsigned long long)first->block);
    for (size_t i = 0; i < FIT_UNCERTAIN; i++) {
        const struct traj_fit_uncertainty *u = &answer->uncertainty[i];
        const bool own = fit_uncertain_method(i) == TRAJ_FIT_NNLS;
        if ((own ? u->boot_absent : u->absent) != TRAJ_PRESENT) {
            continue;
        }
        printf("  %-14s", fit_uncertain_name(i));
        print_interval("L0", own ? &u->boot_L0 : &u->L0);
        print_interval("L1", own ? &u->boot_L1 : &u->L1);
        puts(own ? "  (bootstrap)" : "");
    }
}

static void print_tests(const struct traj_fit_tests *tests)
{
    if (tests->slope_absent == TRAJ_PRESENT) {
        printf("p of L1 > 0       %.3g by the slope", tests->slope_p);
    } else {
        fputs("p of L1 > 0       none by the slope", stdout);
    }
    if (tests->spearman.absent == TRAJ_PRESENT) {
        printf(", %.3g by ranks", tests->spearman.p_greater);
    }
    if (tests->differences.absent == TRAJ_PRESENT) {
        printf(", %.3g by ranks of differences", tests->differences.p_greater);
    }
    putchar('\n');
}

static void print_correction(const char *method, const struct traj_fit *fit)
{
    if (traj_is_unset(fit->L0)) {
        printf("  %-21s %14s %14s\n", method, "none", "none");
    } else {
        printf("  %-21s %14.6g %14.6g\n", method, fit->L0, fit->L1);
    }
}

static void print_corrected(
    const struct fit_request *request, const struct fit_answer *answer)
{
    if (request->names[FIT_COLUMN_LENGTH] == NULL) {
        return;
    }
    printf("of %s/psi(L1 %s), %llu pairs\n", request->names[FIT_COLUMN_Y],
        request->names[FIT_COLUMN_LENGTH],
        (unsigned long long)answer->corrected.relative.n);
    print_correction("nnls_relative", &answer->corrected.relative);
    print_correction("envelope", &answer->corrected.envelope);
}

static void print_rivals(
    const struct fit_request *request, const struct traj_fit_rivals *rivals)
{
    if (request->names[FIT_COLUMN_LOSS] == NULL) {
        return;
    }
    printf("rivals, of %llu pairs, f* = %g%s\n", (unsigned long long)rivals->n,
        rivals->least_loss,
        rivals->least_is_seen != 0 ? ", the least loss seen" : "");
    printf(
        "  %-10s %10s %14s %14s %14s\n", "law", "log error", "L0", "L1", "H1");
    for (size_t k = 0; k < TRAJ_FIT_RIVALS; k++) {
        if (traj_is_unset(rivals->of[k].score)) {
            continue;
        }
        printf("  %-10s %10.4f %14.6g %14.6g %14.6g%s\n", fit_rival_name(k),
            rivals->of[k].score, rivals->of[k].L0, rivals->of[k].L1,
            rivals->of[k].H1, k == (size_t)rivals->best ? "  best" : "");
    }
}

void fit_answer_print(
    const struct fit_request *request, const struct fit_answer *answer)
{
    const struct fit_report *report = &answer->report;
    const char *x = request->names[FIT_COLUMN_X];
    const char *y = request->names[FIT_COLUMN_Y];
    printf("%s <= L0 + L1 %s\n%zu pairs", y, x, report->n);
    if (report->n_excluded > 0) {
        printf(", %zu left out (missing or not finite)", report->n_excluded);
    }
    if (answer->n_fits == 0) {
        puts(""); /* a note says why there is no more */
        return;
    }
    printf("\n%s in [%g, %g], %s in [%g, %g]\n\n", x, report->x_min,
        report->x_max, y, report->y_min, report->y_max);
    print_lines(answer);
    print_valid(request, answer);
    puts("");
    print_slopes(report);
    print_uncertainty(answer);
    print_tests(&answer->tests);
    print_powers(request, answer);
    print_rivals(request, &answer->rivals);
    print_corrected(request, answer);
}
