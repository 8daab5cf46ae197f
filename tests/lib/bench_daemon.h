/* bench_daemon: a real trajd on a fresh database, for benchmarks, and what it
 * uses. Ends the process when something fails. */
#ifndef TRAJD_TEST_BENCH_DAEMON_H
#define TRAJD_TEST_BENCH_DAEMON_H

#include <sys/types.h>

struct bench_daemon {
    pid_t pid;
    char http[256];   /* address:port */
    char ingest[256]; /* endpoint */
    char folder[64];
};

/* $TRAJ_BUILD/trajd, or build/trajd. durability: NULL = the default. */
struct bench_daemon bench_daemon_start(const char *durability);
void bench_daemon_stop(const struct bench_daemon *daemon);

struct bench_usage {
    long peak_rss_kb;
    double cpu_s;         /* all threads */
    double busiest_s;     /* the thread that has used most */
    double written_bytes; /* by write calls */
};
struct bench_usage bench_usage_of(pid_t pid);

#endif
