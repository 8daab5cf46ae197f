/*
 * counters: named totals since start, for /metrics and /api/v1/self.
 * A counter is added to from any thread and only grows; a gauge is set.
 */
#ifndef TRAJD_COUNTERS_H
#define TRAJD_COUNTERS_H

#include <stdint.h>

/* X(id, metric name, help). Names follow OpenMetrics; counters end _total. */
#define COUNTERS(X)                                                            \
    X(FRAMES_RECEIVED, "ingest_frames_total", "messages received")             \
    X(FRAMES_REFUSED, "ingest_refused_total", "messages that do not decode")   \
    X(FRAMES_UNSUPPORTED, "ingest_unsupported_total",                          \
        "messages of another protocol version")                                \
    X(FRAMES_GAP, "ingest_gap_total", "messages ahead of their stream")        \
    X(FRAMES_UNKNOWN, "ingest_unknown_stream_total",                           \
        "messages of a stream without HELLO")                                  \
    X(FRAMES_BUSY, "ingest_busy_total",                                        \
        "messages put off because the store failed")                           \
    X(BYTES_RECEIVED, "ingest_bytes_total", "bytes received")                  \
    X(ROWS_COMMITTED, "ingest_rows_total", "records committed")                \
    X(ROWS_DUPLICATE, "ingest_duplicate_rows_total",                           \
        "records received again and left out")                                 \
    X(HELLOS, "ingest_hellos_total", "HELLO messages accepted")                \
    X(HELLOS_REFUSED, "ingest_hellos_refused_total",                           \
        "HELLO messages whose JSON is wrong")                                  \
    X(ACKS_SENT, "ingest_acks_total", "acknowledgements sent")                 \
    X(ACKS_DROPPED, "ingest_acks_dropped_total",                               \
        "acknowledgements for peers that had gone")                            \
    X(COMMITS, "store_commits_total", "transactions committed")                \
    X(COMMIT_ERRORS, "store_commit_errors_total", "transactions rolled back")  \
    X(SYNCS, "store_syncs_total", "times the log was synced between commits")  \
    X(CHECKPOINT_ERRORS, "store_checkpoint_errors_total",                      \
        "times the write-ahead log could not be moved or synced")              \
    X(CHUNKS_SEALED, "store_chunks_sealed_total", "chunks sealed")             \
    X(CHUNKS_THINNED, "retention_chunks_thinned_total", "chunks thinned")      \
    X(ROWS_THINNED, "retention_rows_thinned_total", "records thinned")         \
    X(RUNS_EXPIRED, "retention_runs_deleted_total",                            \
        "runs deleted by the retention policy")                                \
    X(HTTP_REQUESTS, "http_requests_total", "HTTP requests answered")          \
    X(HTTP_ERRORS, "http_errors_total", "HTTP requests answered 4xx or 5xx")   \
    X(SSE_EVENTS, "sse_events_total", "events written to streams")             \
    X(SSE_RESYNCS, "sse_resyncs_total", "streams told to fetch again")         \
    X(FITS, "analysis_fits_total", "fits computed")                            \
    X(ALERT_RECORDS_SKIPPED, "alert_records_skipped_total",                    \
        "records that came too fast to be looked at for alerts")               \
    X(NOTICES_SENT, "alert_notices_sent_total",                                \
        "alerts that a command or webhook took")                               \
    X(NOTICES_FAILED, "alert_notices_failed_total",                            \
        "alerts that a command or webhook did not take")                       \
    X(NOTICES_DROPPED, "alert_notices_dropped_total",                          \
        "alerts not sent out: too many waited, or trajd stopped")

#define GAUGES(X)                                                              \
    X(QUEUE_DEPTH, "queue_depth", "messages waiting for the writer")           \
    X(SSE_STREAMS, "sse_streams", "open event streams")                        \
    X(STREAMS_LIVE, "ingest_live_streams", "senders heard from lately")        \
    X(DB_BYTES, "db_bytes", "size of the database and its log")                \
    X(COMMITS_FAIL, "store_commits_fail",                                      \
        "1: the database cannot be written, nothing is acknowledged")          \
    X(COMMIT_LAST_US, "store_commit_last_us", "length of the last commit")

#define COUNTER_ENUM(id, name, help) COUNTER_##id,
enum counter { COUNTERS(COUNTER_ENUM) COUNTER_COUNT };
#define GAUGE_ENUM(id, name, help) GAUGE_##id,
enum gauge { GAUGES(GAUGE_ENUM) GAUGE_COUNT };

void counter_add(enum counter counter, uint64_t n);
uint64_t counter_get(enum counter counter);
const char *counter_name(enum counter counter);
const char *counter_help(enum counter counter);

/* Alerts raised, by rule: a counter with a label. The rules are those of
 * pure/alert_rules.h, in their order. */
#define COUNTER_RULES 7u
void counter_rule_add(unsigned rule);
uint64_t counter_rule_get(unsigned rule);

void gauge_set(enum gauge gauge, int64_t value);
void gauge_add(enum gauge gauge, int64_t n);
int64_t gauge_get(enum gauge gauge);
const char *gauge_name(enum gauge gauge);
const char *gauge_help(enum gauge gauge);

#endif
