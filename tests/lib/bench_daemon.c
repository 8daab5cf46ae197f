/* bench_daemon.c: test support; one thread. */
#include "bench_daemon.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
    (void)fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void exec_trajd(const char *folder, int out, const char *durability)
{
    char db[128];
    char program[512];
    const char *build = getenv("TRAJ_BUILD");
    (void)snprintf(db, sizeof db, "%s/trajd.db", folder);
    (void)snprintf(
        program, sizeof program, "%s/trajd", build == NULL ? "build" : build);
    (void)dup2(out, STDOUT_FILENO);
    (void)execl(program, program, "--db", db, "--http", "127.0.0.1:0",
        "--ingest", "tcp://127.0.0.1:0", "--log-level", "error",
        durability == NULL ? (char *)NULL : "--durability", durability,
        (char *)NULL);
    die(program);
}

struct bench_daemon bench_daemon_start(const char *durability)
{
    struct bench_daemon d = { .folder = "build/bench-daemon.XXXXXX" };
    int out[2];
    char line[1024];
    if (mkdtemp(d.folder) == NULL || pipe(out) != 0) {
        die("folder");
    }
    d.pid = fork();
    if (d.pid == 0) {
        exec_trajd(d.folder, out[1], durability);
    }
    (void)close(out[1]);
    FILE *ready = fdopen(out[0], "r");
    if (d.pid < 0 || ready == NULL || fgets(line, sizeof line, ready) == NULL ||
        sscanf(line, "trajd ready http=http://%255s ingest=%255s", d.http,
            d.ingest) != 2) {
        die("trajd does not start");
    }
    (void)fclose(ready);
    return d;
}

void bench_daemon_stop(const struct bench_daemon *daemon)
{
    int status = 0;
    char path[400];
    (void)kill(daemon->pid, SIGTERM);
    if (waitpid(daemon->pid, &status, 0) != daemon->pid || status != 0) {
        die("trajd ended badly");
    }
    DIR *dir = opendir(daemon->folder);
    if (dir == NULL) {
        die(daemon->folder);
    }
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        (void)snprintf(path, sizeof path, "%s/%s", daemon->folder, d->d_name);
        (void)unlink(path); /* . and .. stay */
    }
    (void)closedir(dir);
    (void)rmdir(daemon->folder);
}

/* The number after `name` in a file of /proc; 0 if it is not there. */
static double proc_number(const char *path, const char *name)
{
    char line[256];
    double number = 0;
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            number = strtod(line + strlen(name), NULL);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return number;
}

/* Seconds on a processor. */
static double cpu_of(const char *stat_path)
{
    char text[1024];
    unsigned long user = 0;
    unsigned long system = 0;
    FILE *file = fopen(stat_path, "r");
    size_t n = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    if (file != NULL) {
        (void)fclose(file);
    }
    text[n] = '\0';
    const char *fields = strrchr(text, ')'); /* after a name with anything */
    if (fields != NULL) {
        (void)sscanf(fields + 1,
            " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", &user,
            &system);
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

struct bench_usage bench_usage_of(pid_t pid)
{
    char path[400];
    char tasks[64];
    struct bench_usage usage = { 0 };
    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    usage.peak_rss_kb = (long)proc_number(path, "VmHWM:");
    (void)snprintf(path, sizeof path, "/proc/%ld/io", (long)pid);
    usage.written_bytes = proc_number(path, "wchar:");
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    usage.cpu_s = cpu_of(path);
    (void)snprintf(tasks, sizeof tasks, "/proc/%ld/task", (long)pid);
    DIR *dir = opendir(tasks);
    if (dir == NULL) {
        die(tasks);
    }
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        (void)snprintf(path, sizeof path, "%s/%s/stat", tasks, d->d_name);
        double s = d->d_name[0] == '.' ? 0 : cpu_of(path);
        usage.busiest_s = s > usage.busiest_s ? s : usage.busiest_s;
    }
    (void)closedir(dir);
    return usage;
}
