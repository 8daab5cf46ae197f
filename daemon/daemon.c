/*
 * daemon.c: owns all parts, the ZeroMQ context and the database's lock file;
 * the main thread.
 *
 * Each part borrows only from parts that were started before it, so stopping
 * in reverse leaves nobody with a dead pointer. Before that the pipeline is
 * drained from its mouth on: ingest reads what has come, the writer commits it,
 * ingest sends the last acknowledgements.
 */
#define _XOPEN_SOURCE 700 /* realpath */
#include "daemon.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/filesystem.h"
#include "base/log.h"
#include "care/wal_keep.h"
#include "http/http.h"
#include "http/run_json.h"
#include "pure/run_state.h"
#include "store/db_name.h"
#include "store/lock.h"
#include "threads/analysis.h"
#include "threads/ingest.h"
#include "threads/jobs.h"
#include "threads/live.h"
#include "threads/notify.h"
#include "threads/requests.h"
#include "threads/writer.h"

struct daemon {
    const struct config *config;
    char db[DB_NAME_BYTES]; /* where it lies */
    int lock_fd;
    void *zmq;
    struct jobs *jobs;
    struct live *live;
    struct writer *writer;
    struct notify *notify; /* NULL: alerts are sent nowhere */
    struct analysis *analysis;
    struct ingest *ingest;
    struct http *http;
    _Atomic bool ready; /* relaxed: /readyz may be late by a moment */
};

static const char *value(const struct daemon *daemon, enum setting setting)
{
    return daemon->config->values[setting];
}

/* ---- what HTTP may ask for ------------------------------------------------
 */

static enum err_code is_ready(void *context, struct err *e)
{
    struct daemon *daemon = context;
    if (!atomic_load_explicit(&daemon->ready, memory_order_relaxed)) {
        return err_set(e, ERR_BUSY, "starting, or about to stop");
    }
    if (writer_commits(daemon->writer, e) != ERR_NONE) {
        return err_prefix(e, "the database cannot be written");
    }
    return ERR_NONE;
}

static enum err_code delete_run(void *context, const char *uid, struct err *e)
{
    struct daemon *daemon = context;
    return request_delete_run(daemon->jobs, uid, e);
}

static enum err_code set_probe_every(
    void *context, const char *uid, uint32_t probe_every, struct err *e)
{
    struct daemon *daemon = context;
    return writer_set_probe_every(daemon->writer, uid, probe_every, e);
}

static uint32_t probe_every(void *context, const char *uid)
{
    struct daemon *daemon = context;
    return writer_probe_every(daemon->writer, uid);
}

/* ---- starting -------------------------------------------------------------
 */

static enum err_code start_writer(struct daemon *daemon, struct err *e)
{
    const struct writer_options options = {
        .store = { .path = daemon->db,
            .durability = daemon->config->durability },
        .zmq = daemon->zmq,
        .jobs = daemon->jobs,
        .live = daemon->live,
        .window = daemon->config->window,
        .retention = { .keep_days = daemon->config->keep_days,
            .thin_days = daemon->config->thin_days,
            .keep_bytes = daemon->config->keep_bytes,
            .run_bytes = daemon->config->run_bytes },
    };
    return writer_start(&options, &daemon->writer, e);
}

/* Only where alerts go somewhere. */
static enum err_code start_notify(struct daemon *daemon, struct err *e)
{
    const struct notify_options options = {
        .command = value(daemon, SETTING_ALERT_COMMAND),
        .webhook = value(daemon, SETTING_ALERT_WEBHOOK),
    };
    if (options.command[0] == '\0' && options.webhook[0] == '\0') {
        return ERR_NONE;
    }
    return notify_start(&options, &daemon->notify, e);
}

/* The analysis thread: what was raised is stored, and only what is new is sent
 * out. */
static enum err_code add_alert(void *context, const char *run_uid,
    const struct alert *alert, bool *ret_new, struct err *e)
{
    struct daemon *daemon = context;
    enum err_code code =
        request_add_alert(daemon->jobs, run_uid, alert, ret_new, e);
    if (code == ERR_NONE && *ret_new && daemon->notify != NULL) {
        notify_add(daemon->notify, run_uid, alert);
    }
    return code;
}

static enum err_code start_analysis(struct daemon *daemon, struct err *e)
{
    const struct config *config = daemon->config;
    const struct analysis_options options = {
        .db_path = daemon->db,
        .live = daemon->live,
        .run_json = run_json,
        .alert_limits = { .spike_z = config->alert_spike_z,
            .clip_fraction = config->alert_clip_fraction,
            .skipped_fraction = config->alert_skipped_fraction,
            .lr_over_limit = config->alert_lr_over_limit,
            .l1_jump = config->alert_l1_jump },
        .add_alert = add_alert,
        .context = daemon,
    };
    enum err_code code = analysis_start(&options, &daemon->analysis, e);
    if (code == ERR_NONE) {
        writer_set_analysis(daemon->writer, daemon->analysis);
    }
    return code;
}

static enum err_code start_ingest(struct daemon *daemon, struct err *e)
{
    const struct ingest_options options = {
        .zmq = daemon->zmq,
        .endpoint = value(daemon, SETTING_INGEST),
        .jobs = daemon->jobs,
    };
    return ingest_start(&options, &daemon->ingest, e);
}

static enum err_code start_http(struct daemon *daemon, struct err *e)
{
    const char *web_root = value(daemon, SETTING_WEB_ROOT);
    const struct http_options options = {
        .address = daemon->config->http_address,
        .port = daemon->config->http_port,
        .db_path = daemon->db,
        .web_root = web_root[0] == '\0' ? NULL : web_root,
        .ingest_endpoint = ingest_endpoint(daemon->ingest),
        .live = daemon->live,
        .analysis = daemon->analysis,
        .ready = is_ready,
        .delete_run = delete_run,
        .set_probe_every = set_probe_every,
        .probe_every = probe_every,
        .context = daemon,
    };
    return http_start(&options, &daemon->http, e);
}

static enum err_code make_zmq(struct daemon *daemon, struct err *e)
{
    daemon->zmq = zmq_ctx_new();
    return daemon->zmq == NULL
               ? err_set(e, ERR_NOMEM, "zmq: %s", zmq_strerror(zmq_errno()))
               : ERR_NONE;
}

static void warn_of_network(const struct daemon *daemon)
{
    char text[256];
    const char *kind = filesystem_network_of(daemon->db);
    if (kind != NULL) {
        log_line(LOG_WARN, "main",
            "event=network_file_system kind=\"%s\" db=%s "
            "risk=\"SQLite's write-ahead log needs a local disk: the database "
            "may be damaged\"",
            kind, log_quoted(text, sizeof text, daemon->db));
    }
}

static void say_damage(const struct wal_damage *damage, const struct err *e)
{
    char text[sizeof damage->copy];
    if (e != NULL) {
        log_line(LOG_ERROR, "main",
            "event=log_damaged commits_not_read=%" PRIu64 " not_kept=%s",
            damage->commits, log_quoted(text, sizeof text, e->text));
    } else if (!damage->is_known) {
        log_line(LOG_ERROR, "main",
            "event=log_damaged commits_not_read=%" PRIu64 " kept=%s",
            damage->commits, log_quoted(text, sizeof text, damage->copy));
    }
}

/* The database is ours, and SQLite has not written to its log yet. */
static void keep_damaged_log(const struct daemon *daemon)
{
    struct err e = { 0 };
    struct wal_damage damage;
    char text[sizeof e.text];
    enum err_code code = wal_keep(daemon->db, &damage, &e);
    if (damage.commits > 0) {
        say_damage(&damage, code != ERR_NONE ? &e : NULL);
    } else if (code != ERR_NONE) {
        log_line(LOG_WARN, "main", "event=log_not_checked error=%s",
            log_quoted(text, sizeof text, e.text));
    }
}

static enum err_code start_all(struct daemon *daemon, struct err *e)
{
    enum err_code code = lock_take(daemon->db, &daemon->lock_fd, e);
    if (code == ERR_NONE) {
        keep_damaged_log(daemon);
    }
    code = code != ERR_NONE ? code : make_zmq(daemon, e);
    code = code != ERR_NONE ? code : jobs_new(&daemon->jobs, e);
    code = code != ERR_NONE ? code : live_new(&daemon->live, e);
    code = code != ERR_NONE ? code : start_writer(daemon, e);
    code = code != ERR_NONE ? code : start_notify(daemon, e);
    code = code != ERR_NONE ? code : start_analysis(daemon, e);
    code = code != ERR_NONE ? code : start_ingest(daemon, e);
    return code != ERR_NONE ? code : start_http(daemon, e);
}

static void set_run_limits(const struct config *config)
{
    struct run_limits limits = RUN_LIMITS_DEFAULT;
    limits.lost_after_ns = config->lost_after_s * NS_PER_S;
    run_limits_set(&limits);
}

enum err_code daemon_start(
    const struct config *config, struct daemon **ret_daemon, struct err *e)
{
    struct daemon *daemon = calloc(1, sizeof *daemon);
    if (daemon == NULL) {
        return err_nomem(e);
    }
    daemon->config = config;
    daemon->lock_fd = -1;
    set_run_limits(config);
    enum err_code code = db_name(value(daemon, SETTING_DB), daemon->db, e);
    if (code == ERR_NONE) {
        warn_of_network(daemon);
        code = start_all(daemon, e);
    }
    if (code != ERR_NONE) {
        daemon_stop(daemon);
        return code;
    }
    atomic_store_explicit(&daemon->ready, true, memory_order_relaxed);
    *ret_daemon = daemon;
    return ERR_NONE;
}

void daemon_announce(const struct daemon *daemon, FILE *out)
{
    const char *address = daemon->config->http_address;
    bool v6 = strchr(address, ':') != NULL;
    char *db = realpath(daemon->db, NULL);
    (void)fprintf(out,
        "trajd ready http=http://%s%s%s:%u ingest=%s db=%s pid=%ld\n",
        v6 ? "[" : "", address, v6 ? "]" : "",
        (unsigned)http_port(daemon->http), ingest_endpoint(daemon->ingest),
        db != NULL ? db : daemon->db, (long)getpid());
    (void)fflush(out);
    free(db);
}

/* ---- stopping -------------------------------------------------------------
 */

void daemon_stop(struct daemon *daemon)
{
    if (daemon == NULL) {
        return;
    }
    atomic_store_explicit(&daemon->ready, false, memory_order_relaxed);
    if (daemon->http != NULL) {
        http_draining(daemon->http);
    }
    if (daemon->ingest != NULL) {
        ingest_drain(daemon->ingest);
    }
    if (daemon->writer != NULL) {
        writer_drain(daemon->writer);
    }
    ingest_stop(daemon->ingest);
    if (daemon->http != NULL) {
        http_stop(daemon->http);
    }
    analysis_stop(daemon->analysis);
    notify_stop(daemon->notify);
    writer_stop(daemon->writer);
    live_free(daemon->live);
    jobs_free(daemon->jobs);
    if (daemon->zmq != NULL) {
        (void)zmq_ctx_term(daemon->zmq); /* all sockets are closed */
    }
    lock_give(daemon->lock_fd);
    free(daemon);
}
