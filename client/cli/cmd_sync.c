/* traj sync: sends what spools hold, in one thread; being interrupted at any
 * point leaves everything as it was or as acknowledged. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <getopt.h>

#include "cli/cli.h"
#include "transport/options.h"
#include "transport/sync.h"

struct sync_job {
    const char *endpoint;
    int64_t timeout_ns;
    struct link link;
    struct drain_buffer *buffer; /* owned by cmd_sync */
    uint64_t streams;
    bool failed;  /* something that is not live is not acknowledged */
    bool gave_up; /* the daemon does not answer: no use to try the others */
};

static void usage(FILE *out)
{
    fputs(
        "usage: traj sync [--endpoint ENDPOINT] [--timeout SECONDS] [DIR]\n"
        "\n"
        "Send to the daemon what is left in DIR: a folder of runs, one run's\n"
        "folder or one stream's. Default: $TRAJ_DIR, else traj-runs. What is\n"
        "acknowledged is deleted; runs that are being recorded are skipped.\n"
        "\n"
        "  --endpoint E  default: $TRAJ_URL, else tcp://127.0.0.1:7011\n"
        "  --timeout S   give up after S seconds without an answer; default "
        "10\n",
        out);
}

static const char *setting(const char *variable, const char *otherwise)
{
    const char *text = getenv(variable);
    return text != NULL && text[0] != '\0' ? text : otherwise;
}

static bool parse_seconds(const char *text, int64_t *ret_ns)
{
    char *end = NULL;
    errno = 0;
    unsigned long seconds = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' ||
        seconds < 1 || seconds > 86400) {
        return false;
    }
    *ret_ns = (int64_t)seconds * 1000000000;
    return true;
}

static int open_folder(int at_fd, const char *name)
{
    return openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void print_result(const struct sync_job *job, const char *run,
    const char *stream, enum sync_result result,
    const struct sync_counts *counts)
{
    printf("%s/%s: %" PRIu64 " records sent, ", run, stream, counts->records);
    switch (result) {
    case SYNC_DONE:
        puts(counts->unreadable == 0 ? "all acknowledged"
                                     : "all that can be read acknowledged");
        break;
    case SYNC_LIVE:
        puts("live: its trainer sends it itself");
        break;
    case SYNC_REFUSED:
        printf("refused by the daemon: %" PRIu64 " kept\n", counts->left);
        break;
    case SYNC_TIMEOUT:
        printf("no answer from %s: %" PRIu64 " kept\n", job->endpoint,
            counts->left);
        break;
    case SYNC_DAMAGED:
        printf("unreadable: %s\n", traj_last_error());
        break;
    }
    (void)fflush(stdout); /* as it happens */
}

/* The files of the stream that sync has put aside, this time or before. */
static void print_kept(
    int run_fd, const char *run, const struct stream_name *name)
{
    int fd = open_folder(run_fd, ".");
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    const struct dirent *entry = NULL;
    while ((entry = readdir(dir)) != NULL) {
        if (rundir_is_put_aside(entry->d_name, name)) {
            printf("  kept: %s/%s\n", run, entry->d_name);
        }
    }
    (void)closedir(dir);
}

static void print_loss(int run_fd, const char *run,
    const struct stream_name *name, uint64_t unreadable)
{
    if (unreadable > 0) {
        printf("  lost: %" PRIu64 " record%s of run %s, rank %" PRIu32
               ", cannot be read\n",
            unreadable, unreadable == 1 ? "" : "s", run, name->rank);
        print_kept(run_fd, run, name);
    }
}

static void sync_one(struct sync_job *job, int run_fd, const char *run,
    const struct stream_name *name)
{
    struct sync_counts counts = { 0 };
    if (job->gave_up) {
        printf("%s/%s: not tried\n", run, name->text);
        return;
    }
    enum sync_result result = sync_stream(
        &job->link, run_fd, name, job->timeout_ns, job->buffer, &counts);
    job->streams++;
    job->failed = job->failed || counts.unreadable > 0 ||
                  (result != SYNC_DONE && result != SYNC_LIVE);
    job->gave_up = result == SYNC_TIMEOUT;
    print_result(job, run, name->text, result, &counts);
    print_loss(run_fd, run, name, counts.unreadable);
}

/* All streams of the run's folder; how many there are. */
static size_t sync_run(struct sync_job *job, int run_fd, const char *run)
{
    struct stream_name *names = NULL;
    size_t n = 0;
    if (rundir_list(run_fd, &names, &n) != TRAJ_OK) {
        fprintf(stderr, "traj sync: %s: %s\n", run, traj_last_error());
        job->failed = true;
    }
    for (size_t i = 0; i < n; i++) {
        sync_one(job, run_fd, run, &names[i]);
    }
    free(names);
    return n;
}

/* What could not be opened, and errno says why. */
static void tell(struct sync_job *job, const char *name)
{
    fprintf(stderr, "traj sync: %s: %s\n", name, strerror(errno));
    job->failed = true;
}

static void sync_runs_below(struct sync_job *job, int root_fd)
{
    int fd = open_folder(root_fd, ".");
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        tell(job, "DIR");
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    const struct dirent *entry = NULL;
    while ((entry = readdir(dir)) != NULL) {
        if (!options_is_run_id(entry->d_name)) {
            continue;
        }
        int run_fd = open_folder(root_fd, entry->d_name);
        if (run_fd >= 0) {
            (void)sync_run(job, run_fd, entry->d_name);
            (void)close(run_fd);
        } else if (errno != ENOTDIR && errno != ENOENT) {
            tell(job, entry->d_name); /* it may be a run's */
        }
    }
    (void)closedir(dir);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* DIR is a stream's folder: then its run's folder is the one above. */
static bool is_stream_folder(char *path, struct stream_name *ret_name)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') {
        path[--n] = '\0';
    }
    return rundir_parse_stream_name(last_part(path), ret_name);
}

/* The stream's folder, in that of its run. */
static void sync_stream_folder(
    struct sync_job *job, char *path, int fd, const struct stream_name *name)
{
    char *slash = strrchr(path, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    int run_fd = open_folder(fd, "..");
    if (run_fd < 0) {
        tell(job, name->text);
        return;
    }
    sync_one(job, run_fd, slash != NULL ? last_part(path) : "..", name);
    (void)close(run_fd);
}

static void sync_path(struct sync_job *job, char *path, int fd)
{
    struct stream_name name;
    if (is_stream_folder(path, &name)) {
        sync_stream_folder(job, path, fd, &name);
    } else if (sync_run(job, fd, last_part(path)) == 0) {
        sync_runs_below(job, fd);
    }
}

static int sync_dir(struct sync_job *job, const char *dir)
{
    int fd = open_folder(AT_FDCWD, dir);
    char *path = strdup(dir);
    job->buffer = malloc(sizeof *job->buffer);
    int code = CLI_FAILED;
    if (fd < 0) {
        fprintf(stderr, "traj sync: %s: %s\n", dir, strerror(errno));
    } else if (path == NULL || job->buffer == NULL) {
        fprintf(stderr, "traj sync: out of memory\n");
    } else if (!link_open(&job->link, job->endpoint)) {
        fprintf(stderr, "traj sync: %s: %s\n", job->endpoint, strerror(errno));
    } else {
        sync_path(job, path, fd);
        link_close(&job->link);
        code = job->failed ? CLI_FAILED : CLI_OK;
        if (job->streams == 0 && !job->failed) {
            printf("%s: nothing to send\n", dir);
        }
    }
    free(job->buffer);
    free(path);
    if (fd >= 0) {
        (void)close(fd);
    }
    return code;
}

int cmd_sync(int argc, char **argv)
{
    static const struct option options[] = {
        { "endpoint", required_argument, NULL, 'e' },
        { "timeout", required_argument, NULL, 't' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct sync_job job = { .timeout_ns = 10000000000,
        .endpoint = setting("TRAJ_URL", "tcp://127.0.0.1:7011") };
    int option = 0;
    while ((option = getopt_long(argc, argv, "e:t:h", options, NULL)) != -1) {
        if (option == 'h') {
            usage(stdout);
            return CLI_OK;
        }
        if (option == 'e') {
            job.endpoint = optarg;
        } else if (option != 't') {
            return cli_wrong(usage, NULL);
        } else if (!parse_seconds(optarg, &job.timeout_ns)) {
            return cli_wrong(usage,
                "--timeout: '%s' is not a number from 1 to 86400", optarg);
        }
    }
    if (argc - optind > 1 || options_check_endpoint(job.endpoint) != TRAJ_OK) {
        return cli_wrong(usage, "%s",
            argc - optind > 1 ? "one DIR only" : traj_last_error());
    }
    return sync_dir(
        &job, optind < argc ? argv[optind] : setting("TRAJ_DIR", "traj-runs"));
}
