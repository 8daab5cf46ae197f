/*
 * traj export: every record of a run, as rows. The file appears only when it
 * is whole: it is written beside its place and renamed (what is no file, a
 * device or a pipe, is written to as it stands). NDJSON ends with a
 * trailer that says how many rows there were and what their checksum is; it
 * is checked and not written, so every line of the result is a record.
 */
#define _XOPEN_SOURCE 700 /* realpath */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/client_http.h"
#include "cli/find_run.h"
#include "cli/member.h"
#include "cli/run_get.h"
#include "wire/crc32c.h"
#include "wire/fields.h"

#define LINE_MAX_BYTES (1u << 20) /* of one row; the longest is far below */
static const char trailer_start[] = "{\"trailer\":";

enum export_format { EXPORT_NDJSON, EXPORT_CSV };

struct export
{
    const char *url, *run, *kind;
    enum export_format format;
    const char *file; /* NULL = stdout */
    FILE *out;
    /* NDJSON: the line that is not complete yet, and what has gone by. */
    char *line;
    size_t line_bytes, line_capacity;
    uint64_t rows;
    uint32_t crc;
    cJSON *trailer;
};

static void usage(FILE *out)
{
    fputs(
        "usage: traj export RUN [--url URL] [--kind KIND] [--format FORMAT]\n"
        "                   [-o FILE]\n"
        "\n"
        "Writes every record of every attempt and rank of a run, exactly as "
        "it\n"
        "was recorded. RUN is its id, the beginning of its id, or its name.\n"
        "\n"
        "  --url URL        where trajd is; default $TRAJD_URL or\n"
        "                   " CLIENT_URL_DEFAULT "\n"
        "  --kind KIND      step (default), probe, metric, event, sharpness\n"
        "                   or group\n"
        "  --format FORMAT  csv (default) or ndjson\n"
        "  -o FILE          where to; default: standard output. FILE appears\n"
        "                   only when it is complete\n"
        "\n"
        "Exit status 1: nothing, or not all, could be had.\n",
        out);
}

static bool write_out(struct export *x, const char *bytes, size_t n)
{
    if (fwrite(bytes, 1, n, x->out) != n) {
        fprintf(stderr, "traj: %s: %s\n",
            x->file == NULL ? "standard output" : x->file, strerror(errno));
        return false;
    }
    return true;
}

/* ---- NDJSON: lines, their number, their checksum ------------------------ */

static bool keep(struct export *x, const char *bytes, size_t n)
{
    if (n > LINE_MAX_BYTES - x->line_bytes) {
        fputs("traj: a line of the reply is too long\n", stderr);
        return false;
    }
    if (x->line_bytes + n + 1 > x->line_capacity) {
        size_t capacity = 2 * (x->line_bytes + n + 1);
        char *line = realloc(x->line, capacity);
        if (line == NULL) {
            fputs("traj: out of memory\n", stderr);
            return false;
        }
        x->line = line;
        x->line_capacity = capacity;
    }
    memcpy(x->line + x->line_bytes, bytes, n);
    x->line_bytes += n;
    x->line[x->line_bytes] = '\0';
    return true;
}

/* One whole line with its newline. */
static bool take_line(struct export *x)
{
    size_t start = sizeof trailer_start - 1;
    if (x->trailer != NULL) {
        fputs("traj: the export goes on behind its trailer\n", stderr);
        return false;
    }
    if (x->line_bytes > start && memcmp(x->line, trailer_start, start) == 0) {
        x->trailer = cJSON_Parse(x->line);
        x->line_bytes = 0;
        return true;
    }
    x->rows++;
    x->crc = crc32c_extend(x->crc, x->line, x->line_bytes);
    bool ok = write_out(x, x->line, x->line_bytes);
    x->line_bytes = 0;
    return ok;
}

static bool take_lines(void *context, const char *bytes, size_t n)
{
    struct export *x = context;
    while (n > 0) {
        const char *newline = memchr(bytes, '\n', n);
        size_t part = newline == NULL ? n : (size_t)(newline - bytes) + 1;
        if (!keep(x, bytes, part) || (newline != NULL && !take_line(x))) {
            return false;
        }
        bytes += part;
        n -= part;
    }
    return true;
}

static bool trailer_agrees(const struct export *x)
{
    const cJSON *trailer = member(x->trailer, "trailer");
    if (trailer == NULL || x->line_bytes > 0) {
        fputs("traj: the export was cut off\n", stderr);
        return false;
    }
    uint64_t rows = member_u64(trailer, "rows");
    uint64_t crc = strtoull(member_text(trailer, "crc32c"), NULL, 16);
    if (rows != x->rows || crc != x->crc) {
        fprintf(stderr,
            "traj: the export is damaged: %" PRIu64 " rows of %" PRIu64
            ", checksum %08" PRIx32 " for %08" PRIx64 "\n",
            x->rows, rows, x->crc, crc);
        return false;
    }
    return true;
}

/* ---- CSV: as it comes; its end is that of the HTTP body ----------------- */

static bool take_bytes(void *context, const char *bytes, size_t n)
{
    return write_out(context, bytes, n);
}

/* ---- the transfer ------------------------------------------------------- */

/* What no row says: rows that there were once. */
static void say_thinned(struct client *client, const char *run_path)
{
    cJSON *run = NULL;
    if (client_get_json(client, run_path, &run) != CLIENT_OK) {
        return; /* it has said why */
    }
    const uint64_t thinned = member_u64(run, "thinned_records");
    if (thinned > 0) {
        fprintf(stderr,
            "traj: note: retention has thinned %" PRIu64
            " records of this run, of all kinds: they are in its charts and "
            "fits, not here\n",
            thinned);
    }
    cJSON_Delete(run);
}

static bool get_rows(
    struct export *x, struct client *client, const char *run_path)
{
    const bool ndjson = x->format == EXPORT_NDJSON;
    char *path = client_path("%s/export?kind=%s&format=%s", run_path, x->kind,
        ndjson ? "ndjson" : "csv");
    if (path == NULL) {
        return false;
    }
    enum client_result result =
        client_get_stream(client, path, ndjson ? take_lines : take_bytes, x);
    free(path);
    if (result == CLIENT_NOT_FOUND) {
        fputs("traj: " RUN_GONE "\n", stderr);
    }
    return result == CLIENT_OK && (!ndjson || trailer_agrees(x));
}

static bool transfer(struct export *x)
{
    struct client *client = client_new(x->url);
    char *run_path = NULL;
    bool ok = false;
    if (client == NULL) {
        fputs("traj: out of memory\n", stderr);
    } else if (find_run(client, x->run, &run_path) &&
               get_rows(x, client, run_path)) {
        ok = true;
        say_thinned(client, run_path);
    }
    free(run_path);
    free(x->line);
    cJSON_Delete(x->trailer);
    client_free(client);
    return ok;
}

/* Beside the file, so that the rename stays on one file system. */
static char *partial_name(const char *file)
{
    static const char suffix[] = ".partial-XXXXXX";
    size_t size = strlen(file) + sizeof suffix;
    char *name = malloc(size);
    if (name != NULL) {
        (void)snprintf(name, size, "%s%s", file, suffix);
    }
    return name;
}

/* The file that is not whole yet: a signal that ends traj removes it. */
static _Atomic(const char *) partial;

static void on_ending(int number)
{
    const char *name = atomic_load(&partial);
    if (name != NULL) {
        (void)unlink(name);
    }
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* mkstemp makes files that only their owner reads; an export is no secret. */
static FILE *open_partial(char *name)
{
    atomic_store(&partial, name); /* mkstemp writes the rest of it */
    cli_catch_ending(on_ending);
    int fd = mkstemp(name);
    if (fd < 0) {
        return NULL;
    }
    mode_t mask = umask(0);
    (void)umask(mask);
    (void)fchmod(fd, 0666 & ~mask);
    FILE *out = fdopen(fd, "w");
    if (out == NULL) {
        (void)close(fd);
        (void)unlink(name);
    }
    return out;
}

static bool finish_partial(struct export *x, const char *name, bool ok)
{
    if (ok && (fflush(x->out) != 0 || fsync(fileno(x->out)) != 0)) {
        fprintf(stderr, "traj: %s: %s\n", x->file, strerror(errno));
        ok = false;
    }
    ok = fclose(x->out) == 0 && ok;
    if (ok && rename(name, x->file) != 0) {
        fprintf(stderr, "traj: %s: %s\n", x->file, strerror(errno));
        ok = false;
    }
    if (!ok) {
        (void)unlink(name);
    }
    return ok;
}

static bool is_special(const char *file)
{
    struct stat s;
    return stat(file, &s) == 0 && !S_ISREG(s.st_mode);
}

/* A device, a pipe: a rename would put a file in its place. */
static bool export_in_place(struct export *x)
{
    x->out = fopen(x->file, "w");
    if (x->out == NULL) {
        fprintf(stderr, "traj: %s: %s\n", x->file, strerror(errno));
        return false;
    }
    bool ok = transfer(x);
    if (fclose(x->out) != 0 && ok) {
        fprintf(stderr, "traj: %s: %s\n", x->file, strerror(errno));
        ok = false;
    }
    return ok;
}

/* At the end of a symbolic link, which stays one. */
static bool export_beside(struct export *x)
{
    char *target = realpath(x->file, NULL);
    x->file = target != NULL ? target : x->file;
    char *name = partial_name(x->file);
    x->out = name == NULL ? NULL : open_partial(name);
    bool ok = false;
    if (x->out == NULL) {
        fprintf(stderr, "traj: %s: %s\n", x->file, strerror(errno));
    } else {
        ok = finish_partial(x, name, transfer(x));
    }
    atomic_store(&partial, NULL);
    free(name);
    free(target);
    return ok;
}

static bool export_to_stdout(struct export *x)
{
    x->out = stdout;
    return transfer(x);
}

static bool export_it(struct export *x)
{
    if (x->file == NULL) {
        return export_to_stdout(x);
    }
    return is_special(x->file) ? export_in_place(x) : export_beside(x);
}

static bool is_kind(const char *text)
{
    for (unsigned kind = 1; kind < WIRE_KINDS; kind++) {
        if (strcmp(text, wire_kind_info(kind)->name) == 0) {
            return true;
        }
    }
    return false;
}

/* CLI_USAGE: asked wrongly, and told. */
static int take_option(struct export *x, int option)
{
    switch (option) {
    case 'u':
        x->url = optarg;
        return CLI_OK;
    case 'k':
        x->kind = optarg;
        return is_kind(optarg)
                   ? CLI_OK
                   : cli_wrong(usage, "--kind: '%s' is none", optarg);
    case 'f':
        x->format = strcmp(optarg, "ndjson") == 0 ? EXPORT_NDJSON : EXPORT_CSV;
        return x->format == EXPORT_NDJSON || strcmp(optarg, "csv") == 0
                   ? CLI_OK
                   : cli_wrong(usage, "--format: '%s' is none", optarg);
    case 'o':
        x->file = strcmp(optarg, "-") == 0 ? NULL : optarg;
        return CLI_OK;
    default:
        return cli_wrong(usage, NULL);
    }
}

int cmd_export(int argc, char **argv)
{
    static const struct option options[] = {
        { "url", required_argument, NULL, 'u' },
        { "kind", required_argument, NULL, 'k' },
        { "format", required_argument, NULL, 'f' },
        { "output", required_argument, NULL, 'o' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct export x = { .kind = "step", .format = EXPORT_CSV };
    int option;
    while ((option = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
        if (option == 'h') {
            usage(stdout);
            return CLI_OK;
        }
        if (take_option(&x, option) != CLI_OK) {
            return CLI_USAGE;
        }
    }
    if (optind != argc - 1) {
        return cli_wrong(usage, optind == argc ? "which run?" : "one run only");
    }
    x.run = argv[optind];
    return export_it(&x) ? CLI_OK : CLI_FAILED;
}
