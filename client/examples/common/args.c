/* args: on top of getopt_long, which keeps state: one parse at a time. */
#include "examples/common/args.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ID 256 /* apart from every character of getopt_long */

static bool take_count(const struct arg *arg, const char *text)
{
    char *end = NULL;
    errno = 0;
    /* strtoull takes "-1" for a large number. */
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 ||
        value > (UINT64_C(1) << 53) || (double)value < arg->low ||
        (double)value > arg->high) {
        return false;
    }
    *(uint64_t *)arg->to = value;
    return true;
}

static bool take_real(const struct arg *arg, const char *text)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < arg->low ||
        value > arg->high) {
        return false;
    }
    *(double *)arg->to = value;
    return true;
}

static bool take_word(const struct arg *arg, const char *text)
{
    for (size_t i = 0; i < arg->n_words; i++) {
        if (strcmp(text, arg->words[i]) == 0) {
            *(int *)arg->to = (int)i;
            return true;
        }
    }
    return false;
}

static bool take(const struct arg *arg, const char *text)
{
    switch (arg->kind) {
    case ARG_FLAG:
        *(bool *)arg->to = true;
        return true;
    case ARG_COUNT:
        return take_count(arg, text);
    case ARG_REAL:
        return take_real(arg, text);
    case ARG_TEXT:
        *(const char **)arg->to = text;
        return true;
    case ARG_WORD:
        return take_word(arg, text);
    default:
        return false;
    }
}

static void help(const char *about, const struct arg *table, size_t n)
{
    (void)fputs(about, stdout);
    for (size_t i = 0; i < n; i++) {
        (void)printf("  --%-16s %s", table[i].name, table[i].help);
        for (size_t k = 0; k < table[i].n_words; k++) {
            (void)printf("%s%s", k == 0 ? ": " : ", ", table[i].words[k]);
        }
        (void)putchar('\n');
    }
    (void)printf("  --%-16s %s\n", "help", "print this");
}

enum args_result args_parse(int argc, char **argv, const char *program,
    const char *about, const struct arg *table, size_t n)
{
    struct option options[ARGS_MAX + 2] = { { 0 } };
    for (size_t i = 0; i < n; i++) {
        int needs = table[i].kind == ARG_FLAG ? no_argument : required_argument;
        options[i] =
            (struct option){ table[i].name, needs, NULL, FIRST_ID + (int)i };
    }
    options[n] =
        (struct option){ "help", no_argument, NULL, FIRST_ID + (int)n };

    for (;;) {
        int id = getopt_long(argc, argv, "", options, NULL);
        if (id == -1) {
            break;
        }
        if (id == '?') { /* getopt_long has said what is wrong */
            return ARGS_WRONG;
        }
        size_t i = (size_t)(id - FIRST_ID);
        if (i == n) {
            help(about, table, n);
            return ARGS_HELP;
        }
        if (!take(&table[i], optarg)) {
            (void)fprintf(stderr, "%s: --%s %s: see %s --help\n", program,
                table[i].name, optarg, program);
            return ARGS_WRONG;
        }
    }
    if (optind < argc) {
        (void)fprintf(
            stderr, "%s: %s: see %s --help\n", program, argv[optind], program);
        return ARGS_WRONG;
    }
    return ARGS_RUN;
}
