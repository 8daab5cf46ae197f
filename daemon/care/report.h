/* report: what a check finds, as lines for people or for programs. */
#ifndef TRAJD_REPORT_H
#define TRAJD_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "care/check.h"
#include "care/finding.h"

enum report_form { REPORT_TEXT, REPORT_JSON };

struct report {
    FILE *out;
    enum report_form form;
    const char *path;
    bool shows_progress; /* standard error is a terminal */
    long long told_ns;   /* of the progress */
};

void report_init(
    struct report *report, enum report_form form, const char *path);

/* For check_options: context is the report. */
void report_finding(void *report, const struct finding *finding);
void report_progress(void *report, const struct check_counts *counts);

/* The last line: what was looked at. */
void report_end(struct report *report, const struct check_counts *counts);

#endif
