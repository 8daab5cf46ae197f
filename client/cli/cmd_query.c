/*
 * traj query: one SELECT on trajd's database, in this process: it needs no
 * trajd, and one that runs is neither asked nor held up. Ctrl-C and --timeout
 * end the statement where it is, also one that waits for whom it writes to.
 */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "cli/rows.h"
#include "sql/query.h"

#define SQL_MAX (1u << 20) /* bytes of a statement from standard input */
#define TIMEOUT_MAX_S 86400u

extern char **environ; /* POSIX has it declared by the user */

struct query_job {
    const char *db; /* NULL: as trajd finds it */
    const char *sql;
    enum rows_format format;
    uint64_t limit;     /* rows; 0 = all */
    unsigned timeout_s; /* 0 = none */
};

/* The signal that ends the statement; 0: none has come. */
static volatile sig_atomic_t caught;

static void catch_signal(int number)
{
    caught = number;
}

static bool is_caught(void)
{
    return caught != 0;
}

static void usage(FILE *out)
{
    fputs(
        "usage: traj query [--db FILE] [--format FORMAT] [--limit N]\n"
        "                  [--timeout SECONDS] [SQL]\n"
        "\n"
        "One SELECT, WITH, VALUES or EXPLAIN on trajd's database, which is "
        "opened\n"
        "read-only, also while trajd runs. SQL is read from standard input if "
        "it is\n"
        "- or missing.\n"
        "\n"
        "  --db FILE        the database; default: trajd's ($TRAJD_DB, "
        "$TRAJD_CONFIG,\n"
        "                   else trajd.db)\n"
        "  --format FORMAT  table (default on a terminal), csv (default "
        "elsewhere),\n"
        "                   json or ndjson: exact but for table\n"
        "  --limit N        end after N rows\n"
        "  --timeout S      give up after S seconds\n"
        "\n"
        "Tables: steps, probes, metrics, events, sharpness, groups, each with "
        "run,\n"
        "attempt, rank, seq and its fields; fits, runs, streams. Their "
        "columns:\n"
        "SELECT name, type, hidden FROM pragma_table_xinfo('steps')\n"
        "\n"
        "Exit status 1: the statement did not come to its end.\n",
        out);
}

/* ---- what is asked ------------------------------------------------------- */

static bool parse_number(const char *text, uint64_t max, uint64_t *ret)
{
    return str_to_u64(str_of(text), max, ret) && *ret > 0;
}

static bool parse_format(const char *text, enum rows_format *ret)
{
    static const char *const names[] = { "table", "csv", "json", "ndjson" };
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum rows_format)i;
            return true;
        }
    }
    return false;
}

/* CLI_USAGE: asked wrongly, and told. */
static int take_option(struct query_job *job, int option)
{
    uint64_t number = 0;
    switch (option) {
    case 'd':
        job->db = optarg;
        return CLI_OK;
    case 'f':
        return parse_format(optarg, &job->format)
                   ? CLI_OK
                   : cli_wrong(usage, "--format: '%s' is none", optarg);
    case 'l':
        return parse_number(optarg, UINT64_MAX, &job->limit)
                   ? CLI_OK
                   : cli_wrong(
                         usage, "--limit: '%s' is no number of rows", optarg);
    case 't':
        if (!parse_number(optarg, TIMEOUT_MAX_S, &number)) {
            return cli_wrong(usage,
                "--timeout: '%s' is not a number from 1 to "
                "%u",
                optarg, TIMEOUT_MAX_S);
        }
        job->timeout_s = (unsigned)number;
        return CLI_OK;
    default:
        return cli_wrong(usage, NULL);
    }
}

/* NULL: too long, or it could not be read. */
static char *read_sql(void)
{
    char *sql = malloc(SQL_MAX + 1);
    size_t n = sql == NULL ? 0 : fread(sql, 1, SQL_MAX + 1, stdin);
    if (sql == NULL || ferror(stdin) != 0 || n > SQL_MAX) {
        fprintf(stderr, "traj query: standard input: %s\n",
            n > SQL_MAX ? "longer than 1 MiB" : strerror(errno));
        free(sql);
        return NULL;
    }
    sql[n] = '\0';
    return sql;
}

/* Where trajd would look for it, by the same rules. */
static bool find_database(
    const char *given, struct config *config, struct err *e)
{
    const char *const argv[] = { "traj", "--db", given, NULL };
    const char *const *environment = (const char *const *)environ;
    return config_load(config, given == NULL ? 1 : 3, argv, environment, e) ==
           ERR_NONE;
}

/* ---- asking -------------------------------------------------------------- */

static void catch_signals(unsigned timeout_s)
{
    struct sigaction action = { .sa_handler = catch_signal };
    cli_catch_ending(catch_signal);
    (void)sigaction(SIGALRM, &action, NULL);
    (void)alarm(timeout_s);
}

/* The rest of the rows, of which the first is there. */
static enum err_code print_on(const struct query_job *job, struct query *query,
    struct rows *rows, bool more, struct err *e)
{
    enum err_code code = ERR_NONE;
    bool written = true;
    while (written && more && code == ERR_NONE) {
        written = rows_add(rows);
        more = rows->n != job->limit;
        if (written && more) {
            code = query_step(query, &more, e);
        }
    }
    if (written && code == ERR_NONE) {
        written = rows_end(rows);
    }
    return written ? code
                   : err_set(e, ERR_IO, "standard output: %s", strerror(errno));
}

/* The first row comes before the header: what fails at once prints nothing. */
static enum err_code print_rows(const struct query_job *job,
    struct query *query, sqlite3_stmt *stmt, struct err *e)
{
    struct rows rows;
    bool more = false;
    enum err_code code = query_step(query, &more, e);
    if (code != ERR_NONE) {
        return code;
    }
    if (rows_begin(&rows, stdout, job->format, stmt)) {
        code = print_on(job, query, &rows, more, e);
    } else {
        code = err_set(e, ERR_IO, "standard output: %s", strerror(errno));
    }
    rows_done(&rows);
    return code;
}

static bool ask(const struct query_job *job, const char *path, struct err *e)
{
    struct query *query = NULL;
    sqlite3_stmt *stmt = NULL;
    struct stat status;
    if (stat(path, &status) != 0) { /* SQLite does not say why */
        (void)err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
        return false;
    }
    bool ok = query_open(path, is_caught, &query, e) == ERR_NONE &&
              query_prepare(query, job->sql, &stmt, e) == ERR_NONE &&
              print_rows(job, query, stmt, e) == ERR_NONE;
    query_close(query);
    return ok;
}

/* By the signal that ended it, so that the shell knows; of the timeout by
 * itself. */
static int say_why(const struct query_job *job, const struct err *e)
{
    if (caught == SIGALRM) {
        fprintf(stderr, "traj query: not done after %u s\n", job->timeout_s);
    } else if (caught != 0) {
        (void)signal(caught, SIG_DFL);
        (void)raise(caught);
    } else {
        fprintf(stderr, "traj query: %s\n", e->text);
    }
    return CLI_FAILED;
}

static int run(struct query_job *job)
{
    static struct config config;
    struct err e = { 0 };
    char *sql = NULL;
    if (!find_database(job->db, &config, &e)) {
        fprintf(stderr, "traj query: %s\n", e.text);
        return CLI_USAGE;
    }
    if (job->sql == NULL || strcmp(job->sql, "-") == 0) {
        sql = read_sql();
        job->sql = sql;
    }
    if (job->sql == NULL) {
        return CLI_FAILED;
    }
    catch_signals(job->timeout_s);
    bool ok = ask(job, config.values[SETTING_DB], &e);
    free(sql);
    return ok && !is_caught() ? CLI_OK : say_why(job, &e);
}

int cmd_query(int argc, char **argv)
{
    static const struct option options[] = {
        { "db", required_argument, NULL, 'd' },
        { "format", required_argument, NULL, 'f' },
        { "limit", required_argument, NULL, 'l' },
        { "timeout", required_argument, NULL, 't' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct query_job job = { .format = isatty(STDOUT_FILENO) ? ROWS_TABLE
                                                             : ROWS_CSV };
    int option = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            usage(stdout);
            return CLI_OK;
        }
        if (take_option(&job, option) != CLI_OK) {
            return CLI_USAGE;
        }
    }
    bool from_terminal = optind == argc && isatty(STDIN_FILENO);
    if (argc - optind > 1 || from_terminal) {
        return cli_wrong(
            usage, from_terminal ? "which statement?" : "one statement only");
    }
    job.sql = argv[optind]; /* NULL behind the last */
    return run(&job);
}
