/*
 * longest: a run whose identity and records are as long as traj.h allows, each
 * tried with one byte or item more first.
 *
 *   longest DIR ENDPOINT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traj.h"

enum {
    PROJECT_MAX = 100,
    NAME_MAX_BYTES = 200,
    RUN_ID_MAX = 64,
    CONFIG_MAX = 128 << 10,
    CONFIG_DEPTH = 31,
    TAGS_MAX = 64,
    TAG_MAX = 100,
    OPTIMIZER_MAX = 200,
    METRIC_MAX = 200,
    EVENT_MAX = 65535,
    GROUP_NAME_MAX = 64,
};

static void check(int good, const char *what)
{
    if (!good) {
        (void)fprintf(stderr, "longest: %s: %s\n", what, traj_last_error());
        exit(EXIT_FAILURE);
    }
}

/* n times c, terminated. */
static char *repeated(char c, size_t n)
{
    char *text = malloc(n + 1);
    check(text != NULL, "memory");
    memset(text, c, n);
    text[n] = '\0';
    return text;
}

/* {"a":[[...[1]...]]}, then spaces. */
static char *make_config(size_t bytes, size_t depth)
{
    char *config = repeated(' ', bytes);
    size_t brackets = depth - 1;
    memcpy(config, "{\"a\":", 5);
    memset(config + 5, '[', brackets);
    config[5 + brackets] = '1';
    memset(config + 6 + brackets, ']', brackets);
    config[bytes - 1] = '}';
    return config;
}

static char *make_tags(size_t n, size_t bytes)
{
    char *tags = repeated('t', n * (bytes + 1) - 1);
    for (size_t i = 0; i < n; i++) {
        char number[3];
        (void)snprintf(number, sizeof number, "%02zu", i % 100);
        memcpy(tags + i * (bytes + 1), number, 2);
        if (i > 0) {
            tags[i * (bytes + 1) - 1] = ',';
        }
    }
    return tags;
}

/* Names of `bytes` that differ in their first four. */
static const struct traj_group *make_groups(size_t n, size_t bytes)
{
    struct traj_group *groups = calloc(n, sizeof *groups);
    check(groups != NULL, "memory");
    for (size_t i = 0; i < n; i++) {
        char *name = repeated('g', bytes);
        char number[21];
        (void)snprintf(number, sizeof number, "%04zu", i);
        memcpy(name, number, 4);
        groups[i] = (struct traj_group){ .name = name,
            .size = UINT64_C(1) << 53,
            .rows = UINT32_MAX,
            .cols = UINT32_MAX,
            .norm = TRAJ_NORM_LINF,
            .combine = TRAJ_COMBINE_REPLICA };
    }
    return groups;
}

static void refuse(const struct traj_options *options, const char *what)
{
    traj_run *run = NULL;
    check(traj_open(options, &run) == TRAJ_EINVAL && run == NULL, what);
}

#define REFUSE(good, member, value)                                            \
    do {                                                                       \
        struct traj_options more = (good);                                     \
        more.member = (value);                                                 \
        refuse(&more, #member);                                                \
    } while (0)

static void try_more(const struct traj_options *good)
{
    REFUSE(*good, project, repeated('p', PROJECT_MAX + 1));
    REFUSE(*good, name, repeated('n', NAME_MAX_BYTES + 1));
    REFUSE(*good, run_id, repeated('r', RUN_ID_MAX + 1));
    REFUSE(*good, config_json, make_config(CONFIG_MAX + 1, 2));
    REFUSE(*good, config_json, make_config(1000, CONFIG_DEPTH + 1));
    REFUSE(*good, tags, make_tags(TAGS_MAX + 1, 10));
    REFUSE(*good, tags, make_tags(1, TAG_MAX + 1));
    REFUSE(*good, optimizer, repeated('o', OPTIMIZER_MAX + 1));
    REFUSE(*good, world, 65537);
    REFUSE(*good, rank, 65536);
    REFUSE(*good, n_groups, TRAJ_GROUPS_MAX + 1);
    REFUSE(*good, groups, make_groups(TRAJ_GROUPS_MAX, GROUP_NAME_MAX + 1));
}

int main(int argc, char **argv)
{
    check(argc == 3, "arguments");
    struct traj_options options = TRAJ_OPTIONS_INIT;
    options.dir = argv[1];
    options.endpoint = argv[2];
    options.project = repeated('p', PROJECT_MAX);
    options.name = repeated('n', NAME_MAX_BYTES);
    options.run_id = repeated('r', RUN_ID_MAX);
    options.config_json = make_config(CONFIG_MAX, CONFIG_DEPTH);
    options.tags = make_tags(TAGS_MAX, TAG_MAX);
    options.optimizer = repeated('o', OPTIMIZER_MAX);
    options.rank = 65535;
    options.world = 65536;
    options.groups = make_groups(TRAJ_GROUPS_MAX, GROUP_NAME_MAX);
    options.n_groups = TRAJ_GROUPS_MAX;
    try_more(&options);

    traj_run *run = NULL;
    check(traj_open(&options, &run) == TRAJ_OK, "open");
    const char *metric = repeated('m', METRIC_MAX + 1);
    const char *event = repeated('e', EVENT_MAX + 1);
    check(traj_log(run, metric, 1, 1) == TRAJ_EINVAL, "metric");
    check(traj_log(run, metric + 1, 1, 1) == TRAJ_OK, "metric");
    check(traj_event(run, TRAJ_INFO, 1, event) == TRAJ_EINVAL, "event");
    check(traj_event(run, TRAJ_INFO, 1, event + 1) == TRAJ_OK, "event");
    check(traj_finish(run, 0, 20000) == TRAJ_OK, "finish");
    return EXIT_SUCCESS;
}
