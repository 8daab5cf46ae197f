/* main.c: flags, signals, and the daemon between them, or a command; the main
 * thread. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"
#include "care/command.h"
#include "daemon.h"

#define EXIT_USAGE 2

extern char **environ; /* POSIX has it declared by the user */

/* One that is ignored already stays so: nohup, and the background jobs of a
 * script, which leave Ctrl-C to the script. */
static sigset_t ending_signals(void)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
    sigset_t signals;
    (void)sigemptyset(&signals);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction action;
        bool known = sigaction(numbers[i], NULL, &action) == 0;
        if (known && action.sa_handler != SIG_IGN) {
            (void)sigaddset(&signals, numbers[i]);
        }
    }
    return signals;
}

static int serve(const struct config *config)
{
    const sigset_t signals = ending_signals();
    struct daemon *daemon = NULL;
    struct err e = { 0 };
    int number = 0;

    (void)signal(SIGPIPE, SIG_IGN); /* a closed socket is an error of send */
    (void)signal(SIGXFSZ, SIG_IGN); /* a file's limit is one of write */
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (daemon_start(config, &daemon, &e) != ERR_NONE) {
        (void)fprintf(stderr, "trajd: %s\n", e.text);
        return EXIT_FAILURE;
    }
    daemon_announce(daemon, stdout);

    (void)sigwait(&signals, &number);
    log_line(LOG_INFO, "main", "event=stopping signal=%d", number);
    /* A second signal has its default action: the end, at once. */
    (void)pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    daemon_stop(daemon);
    log_line(LOG_INFO, "main", "event=stopped");
    return EXIT_SUCCESS;
}

/* A full disk behind stdout shows here and nowhere else. */
static int finish(int code)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0) {
        return code;
    }
    perror("trajd: standard output");
    return code == EXIT_SUCCESS ? EXIT_FAILURE : code;
}

static int say(const struct config *config)
{
    switch (config->action) {
    case CONFIG_HELP:
        config_help(stdout);
        break;
    case CONFIG_VERSION:
        (void)puts("trajd " TRAJ_BUILD_VERSION);
        break;
    case CONFIG_PRINT:
        config_print(config, stdout);
        break;
    case CONFIG_CHECK:
        (void)puts("trajd: the settings are right");
        break;
    case CONFIG_RUN:
        break;
    }
    return finish(EXIT_SUCCESS);
}

int main(int argc, char **argv)
{
    static struct config config;
    struct err e = { 0 };

    /* What one chunk or reply frees, the next one wants: without this each
     * gives a few hundred KiB back to the system and takes them again. Setting
     * one stops glibc from finding the other. */
    (void)mallopt(M_TRIM_THRESHOLD, 4 << 20);
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);

    const char *const *arguments = (const char *const *)argv;
    const char *const *environment = (const char *const *)environ;

    if (command_is_named(argc, arguments)) {
        return finish((int)command_run(argc, arguments, environment));
    }
    if (config_load(&config, argc, arguments, environment, &e) != ERR_NONE) {
        (void)fprintf(stderr, "trajd: %s\nSee trajd --help.\n", e.text);
        return EXIT_USAGE;
    }
    log_set_level(config.log_level);
    return config.action == CONFIG_RUN ? serve(&config) : say(&config);
}
