/* show_ranks.c: prints to stdout. */
#include "cli/show_ranks.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/member.h"
#include "cli/print.h"

static uint64_t count_state(const cJSON *rows, const char *state)
{
    uint64_t n = 0;
    const cJSON *row = NULL;
    cJSON_ArrayForEach(row, rows)
    {
        n += strcmp(member_text(row, "state"), state) == 0;
    }
    return n;
}

static void print_states(const cJSON *rows)
{
    static const char *const states[] = { "live", "stalled", "lost", "finished",
        "failed", "missing" };
    bool any = false;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        uint64_t n = count_state(rows, states[i]);
        if (n > 0) {
            printf("%s%" PRIu64 " %s", any ? ", " : "; ", n, states[i]);
            any = true;
        }
    }
}

/* Who is farthest behind, and how many are behind at all. */
static void print_behind(const cJSON *rows)
{
    const cJSON *last = NULL;
    const cJSON *row = NULL;
    uint64_t n = 0;
    cJSON_ArrayForEach(row, rows)
    {
        uint64_t behind = member_u64(row, "behind");
        n += behind > 0;
        if (behind > 0 &&
            (last == NULL || behind > member_u64(last, "behind"))) {
            last = row;
        }
    }
    if (last == NULL) {
        return;
    }
    printf("; %" PRIu64 " steps behind: rank %" PRIu64,
        member_u64(last, "behind"), member_u64(last, "rank"));
    if (n > 1) {
        printf(" (%" PRIu64 " are behind)", n);
    }
}

static void print_steps(const cJSON *steps)
{
    if (member_is_null(steps, "last_complete")) {
        fputs("; no whole step", stdout);
    } else {
        printf(
            "; last whole step %" PRIu64, member_u64(steps, "last_complete"));
    }
    uint64_t incomplete = member_u64(steps, "incomplete");
    if (incomplete > 0) {
        printf(", %" PRIu64 " incomplete", incomplete);
    }
}

void print_ranks(const cJSON *ranks)
{
    const cJSON *rows = member(ranks, "ranks");
    const cJSON *steps = member(ranks, "steps");
    const cJSON *findings = member(ranks, "findings");
    const cJSON *finding = NULL;
    uint64_t world = member_u64(ranks, "world");
    if (world < 2 && cJSON_GetArraySize(findings) == 0) {
        return;
    }
    printf("ranks      %" PRIu64 " of %" PRIu64 " here, combined as %s",
        world - count_state(rows, "missing"), world,
        member_is_null(steps, "rule") ? "-" : member_text(steps, "rule"));
    print_states(rows);
    print_steps(steps);
    print_behind(rows);
    putchar('\n');
    cJSON_ArrayForEach(finding, findings)
    {
        fputs("  warning: ", stdout);
        print_text(stdout, member_text(finding, "text"));
        putchar('\n');
    }
}
