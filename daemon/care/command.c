/* command.c: owns the arguments; the main thread. */
#include "care/command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/config.h"
#include "base/log.h"
#include "care/backup.h"
#include "care/check.h"
#include "care/compact.h"
#include "care/prune.h"
#include "care/repair.h"
#include "care/report.h"
#include "store/db_name.h"

enum command_flag {
    FLAG_QUICK = 1,
    FLAG_JSON = 2,
    FLAG_FORCE = 4,
    FLAG_DRY_RUN = 8,
    FLAG_HELP = 16,
};

struct arguments {
    struct config config;
    char db[DB_NAME_BYTES];  /* where it lies */
    const char *destination; /* of a backup, or NULL */
    unsigned flags;          /* enum command_flag */
};

/* ---- the commands -------------------------------------------------------- */

static enum command_exit fail(const struct err *e)
{
    (void)fprintf(stderr, "trajd: %s\n", e->text);
    return COMMAND_FAILED;
}

static enum command_exit do_check(const struct arguments *a)
{
    struct report report;
    report_init(&report,
        (a->flags & FLAG_JSON) != 0 ? REPORT_JSON : REPORT_TEXT, a->db);
    const struct check_options options = {
        .path = a->db,
        .depth = (a->flags & FLAG_QUICK) != 0 ? CHECK_QUICK : CHECK_ALL,
        .found = report_finding,
        .progress = report_progress,
        .context = &report,
    };
    struct check_counts counts = { 0 };
    struct err e = { 0 };
    if (check_database(&options, &counts, &e) != ERR_NONE) {
        (void)fail(&e);
        return COMMAND_USAGE; /* nothing is known of it */
    }
    report_end(&report, &counts);
    return counts.findings == 0 ? COMMAND_DONE : COMMAND_FAILED;
}

static enum command_exit do_repair(const struct arguments *a)
{
    struct err e = { 0 };
    return repair_database(a->db, stdout, &e) == ERR_NONE ? COMMAND_DONE
                                                          : fail(&e);
}

static enum command_exit do_compact(const struct arguments *a)
{
    struct compact_result result = { 0 };
    struct err e = { 0 };
    if (compact_database(a->db, &result, &e) != ERR_NONE) {
        return fail(&e);
    }
    (void)printf("%s: %" PRIu64 " bytes before, %" PRIu64 " now\n", a->db,
        result.bytes_before, result.bytes_after);
    return COMMAND_DONE;
}

static enum command_exit do_backup(const struct arguments *a)
{
    enum backup_mode mode =
        (a->flags & FLAG_FORCE) != 0 ? BACKUP_OVER : BACKUP_NEW;
    struct err e = { 0 };
    if (backup_database(a->db, a->destination, mode, &e) != ERR_NONE) {
        return fail(&e);
    }
    (void)printf("%s: whole\n", a->destination);
    return COMMAND_DONE;
}

static enum command_exit do_prune(const struct arguments *a)
{
    const struct retention_policy policy = {
        .keep_days = a->config.keep_days,
        .thin_days = a->config.thin_days,
        .keep_bytes = a->config.keep_bytes,
        .run_bytes = a->config.run_bytes,
    };
    struct err e = { 0 };
    enum err_code code = (a->flags & FLAG_DRY_RUN) != 0
                             ? prune_show(a->db, &policy, stdout, &e)
                             : prune_database(a->db, &policy, stdout, &e);
    return code == ERR_NONE ? COMMAND_DONE : fail(&e);
}

static const struct command {
    const char *name;
    enum command_exit (*run)(const struct arguments *arguments);
    unsigned flags;     /* that it knows */
    unsigned positions; /* arguments without a flag */
    const char *usage;
} commands[] = {
    { "check", do_check, FLAG_QUICK | FLAG_JSON, 0,
        "check [--quick] [--json] --db FILE\n"
        "  Says whether the database is whole: 0 yes, 1 no. Also while trajd "
        "runs.\n" },
    { "repair", do_repair, 0, 0,
        "repair --db FILE\n"
        "  Makes a whole database of what can be read; FILE stays as "
        "FILE.damaged-TIME.\n" },
    { "compact", do_compact, 0, 0,
        "compact --db FILE\n"
        "  Seals all records and gives unused pages back. Not while trajd "
        "runs.\n" },
    { "backup", do_backup, FLAG_FORCE, 1,
        "backup [--force] --db FILE DEST\n"
        "  Copies one state of the database. Also while trajd runs.\n" },
    { "prune", do_prune, FLAG_DRY_RUN, 0,
        "prune [--dry-run] [--keep-days N] [--keep-bytes N] [--thin-days N]\n"
        "    [--run-bytes N] --db FILE\n"
        "  Does what the retention policy says, or with --dry-run shows "
        "it.\n" },
};

/* ---- arguments ----------------------------------------------------------- */

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

bool command_is_named(int argc, const char *const *argv)
{
    return argc > 1 && find(argv[1]) != NULL;
}

static unsigned flag_of(const char *argument)
{
    static const struct {
        const char *name;
        unsigned flag;
    } flags[] = {
        { "--quick", FLAG_QUICK },
        { "--json", FLAG_JSON },
        { "--force", FLAG_FORCE },
        { "--dry-run", FLAG_DRY_RUN },
        { "--help", FLAG_HELP },
        { "-h", FLAG_HELP },
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (strcmp(argument, flags[i].name) == 0) {
            return flags[i].flag;
        }
    }
    return 0;
}

/* Takes the command's own arguments out; what is left is for config_load,
 * with room for argc of them. A setting's value is not a destination. */
static int take_own(const struct command *command, int argc,
    const char *const *argv, struct arguments *a, const char **ret_rest)
{
    int rest = 0;
    ret_rest[rest++] = argv[0];
    for (int i = 2; i < argc; i++) {
        unsigned flag = flag_of(argv[i]);
        bool is_value = rest > 1 && ret_rest[rest - 1][0] == '-' &&
                        strchr(ret_rest[rest - 1], '=') == NULL;
        if ((flag & (command->flags | FLAG_HELP)) != 0) {
            a->flags |= flag;
        } else if (argv[i][0] != '-' && !is_value && command->positions > 0 &&
                   a->destination == NULL) {
            a->destination = argv[i];
        } else {
            ret_rest[rest++] = argv[i];
        }
    }
    return rest;
}

static bool has_policy(const struct config *config)
{
    return config->keep_days > 0 || config->thin_days > 0 ||
           config->keep_bytes > 0 || config->run_bytes > 0;
}

static enum err_code read_arguments(const struct command *command, int argc,
    const char *const *argv, const char *const *environment,
    struct arguments *a, struct err *e)
{
    const char **rest = calloc((size_t)argc + 1, sizeof *rest);
    if (rest == NULL) {
        return err_nomem(e);
    }
    int n = take_own(command, argc, argv, a, rest);
    enum err_code code = config_load(&a->config, n, rest, environment, e);
    free(rest);
    if (code == ERR_NONE) {
        code = db_name(a->config.values[SETTING_DB], a->db, e);
    }
    struct stat status;
    if (code == ERR_NONE && (a->flags & FLAG_HELP) == 0) {
        if (command->positions > 0 && a->destination == NULL) {
            return err_set(e, ERR_INVALID, "where to?");
        }
        if (command->run == do_prune && !has_policy(&a->config)) {
            return err_set(e, ERR_INVALID,
                "nothing to prune by: no option says what may go");
        }
        if (stat(a->db, &status) != 0) {
            return err_set(e, ERR_IO, "%s: %s", a->db, strerror(errno));
        }
    }
    return code;
}

enum command_exit command_run(
    int argc, const char *const *argv, const char *const *environment)
{
    static struct arguments a;
    const struct command *command = find(argv[1]);
    struct err e = { 0 };
    if (read_arguments(command, argc, argv, environment, &a, &e) != ERR_NONE) {
        (void)fprintf(
            stderr, "trajd: %s\nusage: trajd %s", e.text, command->usage);
        return COMMAND_USAGE;
    }
    log_set_level(a.config.log_level);
    if ((a.flags & FLAG_HELP) != 0) {
        (void)printf("usage: trajd %s", command->usage);
        return COMMAND_DONE;
    }
    return command->run(&a);
}
