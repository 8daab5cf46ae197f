/*
 * bench_readers: what asks a trajd while it takes in: one client that exports a
 * run again and again, and dashboards, each with an event stream open and its
 * charts fetched every few seconds. Ends the process when something fails.
 */
#ifndef TRAJD_TEST_BENCH_READERS_H
#define TRAJD_TEST_BENCH_READERS_H

#include <stdint.h>

struct bench_readers;

/* exported: a run with many records; watched: the one that is recorded. Both
 * and http, "address:port", are borrowed until the end. */
struct bench_readers *bench_readers_start(const char *http,
    const char *exported, const char *watched, unsigned dashboards);

struct bench_read {
    uint64_t exports; /* whole ones */
    uint64_t export_bytes;
    uint64_t charts;
    uint64_t event_bytes;
};
struct bench_read bench_readers_stop(struct bench_readers *readers);

#endif
