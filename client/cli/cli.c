/* cli.c: keeps nothing; one thread. */
#include "cli/cli.h"

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>

int cli_wrong(cli_usage_fn usage, const char *format, ...)
{
    if (format != NULL) {
        va_list args;
        va_start(args, format);
        fputs("traj: ", stderr);
        (void)vfprintf(stderr, format, args);
        fputs("\n", stderr);
        va_end(args);
    }
    usage(stderr);
    return CLI_USAGE;
}

/* Without SA_RESTART: a write that waits ends too. */
void cli_catch_ending(void (*handler)(int number))
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action = { .sa_handler = handler };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction before;
        bool known = sigaction(numbers[i], NULL, &before) == 0;
        if (known && before.sa_handler != SIG_IGN) {
            (void)sigaction(numbers[i], &action, NULL);
        }
    }
}
