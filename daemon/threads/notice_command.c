/*
 * notice_command.c: a child process; the notify thread.
 *
 * Its end is asked for every few milliseconds while it runs: a wait with a
 * limit would need SIGCHLD, which is the whole process's.
 */
#include "threads/notice.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "threads/notify.h"

#define ASK_NS (10 * NS_PER_MS)

extern char **environ; /* POSIX has it declared by the user */

/* ---- what it starts with --------------------------------------------------
 */

struct start {
    char rule[64];
    char run[32 + RUN_UID_MAX];
    char **environment; /* owned; its texts are not */
    int input[2];       /* a pipe: what it reads, where we write */
};

static bool is_named(const char *variable, const char *like)
{
    const size_t n = strcspn(like, "=") + 1;
    return strncmp(variable, like, n) == 0;
}

static enum err_code make_environment(
    struct start *start, const struct notice *notice, struct err *e)
{
    size_t n = 0;
    (void)snprintf(start->rule, sizeof start->rule, "TRAJD_ALERT_RULE=%s",
        alert_rule_name(notice->rule));
    (void)snprintf(
        start->run, sizeof start->run, "TRAJD_ALERT_RUN=%s", notice->run_uid);
    while (environ[n] != NULL) {
        n++;
    }
    start->environment = calloc(n + 3, sizeof *start->environment);
    if (start->environment == NULL) {
        return err_nomem(e);
    }
    char **to = start->environment;
    *to++ = start->rule;
    *to++ = start->run;
    for (size_t i = 0; i < n; i++) {
        if (!is_named(environ[i], start->rule) &&
            !is_named(environ[i], start->run)) {
            *to++ = environ[i];
        }
    }
    return ERR_NONE;
}

/* The pipe holds all of it (4096 bytes at the least), so that a child that does
 * not read it keeps nobody waiting. Both ends are closed on exec: no other
 * child holds one open. */
static enum err_code make_input(
    struct start *start, const struct notice *notice, struct err *e)
{
    if (pipe(start->input) != 0) {
        start->input[0] = start->input[1] = -1;
        return err_set(e, ERR_IO, "pipe: %s", strerror(errno));
    }
    for (int i = 0; i < 2; i++) {
        if (fcntl(start->input[i], F_SETFD, FD_CLOEXEC) != 0) {
            return err_set(e, ERR_IO, "pipe: %s", strerror(errno));
        }
    }
    const ssize_t n = write(start->input[1], notice->json.p, notice->json.n);
    (void)close(start->input[1]); /* nothing is kept of a pipe */
    start->input[1] = -1;
    return n == (ssize_t)notice->json.n
               ? ERR_NONE
               : err_set(e, ERR_IO, "pipe: %s", strerror(errno));
}

static void start_done(struct start *start)
{
    for (int i = 0; i < 2; i++) {
        if (start->input[i] >= 0) {
            (void)close(start->input[i]);
        }
    }
    free(start->environment);
}

/* ---- the child ------------------------------------------------------------
 */

/* Signals as a program expects them: trajd blocks and ignores some. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    int rc = posix_spawnattr_setflags(attributes,
        POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    rc |= posix_spawnattr_setsigmask(attributes, &none);
    rc |= posix_spawnattr_setsigdefault(attributes, &all);
    rc |= posix_spawnattr_setpgroup(attributes, 0);
    return rc;
}

static int set_files(posix_spawn_file_actions_t *actions, int input)
{
    int rc = posix_spawn_file_actions_adddup2(actions, input, STDIN_FILENO);
    rc |= posix_spawn_file_actions_addopen(
        actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    return rc;
}

static enum err_code spawn(
    const char *path, const struct start *start, pid_t *ret_pid, struct err *e)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    union {
        const char *in;
        char *out; /* posix_spawn writes nothing there */
    } name = { .in = path };
    char *argv[] = { name.out, NULL };
    if (posix_spawnattr_init(&attributes) != 0) {
        return err_nomem(e);
    }
    if (posix_spawn_file_actions_init(&actions) != 0) {
        (void)posix_spawnattr_destroy(&attributes);
        return err_nomem(e);
    }
    int rc = set_attributes(&attributes) | set_files(&actions, start->input[0]);
    rc = rc != 0 ? ENOMEM
                 : posix_spawn(ret_pid, path, &actions, &attributes, argv,
                       start->environment);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    return rc == 0 ? ERR_NONE
                   : err_set(e, ERR_IO, "does not start: %s", strerror(rc));
}

/* The child has ended. A parent that ignores SIGCHLD hears nothing of it. */
static enum err_code judge(int status, struct err *e)
{
    if (WIFSIGNALED(status)) {
        return err_set(e, ERR_IO, "was ended by signal %d", WTERMSIG(status));
    }
    return WEXITSTATUS(status) == 0
               ? ERR_NONE
               : err_set(e, ERR_IO, "exit status %d", WEXITSTATUS(status));
}

static enum err_code wait_for(
    pid_t pid, struct patience *patience, struct err *e)
{
    const int64_t until = clock_mono_ns() + NOTIFY_TIMEOUT_MS * NS_PER_MS;
    int status = 0;
    while (patience_lasts(patience, until)) {
        const pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended != 0 && !(ended < 0 && errno == EINTR)) {
            return ended < 0 ? ERR_NONE : judge(status, e);
        }
        patience_wait(patience, clock_mono_ns() + ASK_NS);
    }
    (void)kill(-pid, SIGKILL); /* it, and what it has started */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        continue;
    }
    return err_set(e, ERR_IO, "took too long and was killed");
}

enum err_code notice_command(const char *path, const struct notice *notice,
    struct patience *patience, struct err *e)
{
    struct start start = { .input = { -1, -1 } };
    pid_t pid = 0;
    enum err_code code = make_environment(&start, notice, e);
    if (code == ERR_NONE) {
        code = make_input(&start, notice, e);
    }
    if (code == ERR_NONE) {
        code = spawn(path, &start, &pid, e);
    }
    start_done(&start);
    return code == ERR_NONE ? wait_for(pid, patience, e) : code;
}
