/*
 * notify.c: owns its thread and the notices that wait. A notice belongs to
 * whoever took it out of the queue.
 */
#include "threads/notify.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/queue.h"
#include "pure/alert_json.h"
#include "threads/notice.h"

#define IDLE_MS 1000

struct notify {
    struct notify_options options;
    struct queue *queue;
    struct patience patience; /* ends soon after notify_stop */
    pthread_t thread;
};

static bool is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static void notice_free(struct notice *notice)
{
    buf_done(&notice->json);
    free(notice);
}

static void note_outcome(const struct notice *notice, const char *way,
    enum err_code code, const struct err *e)
{
    char text[sizeof e->text];
    if (code == ERR_NONE) {
        counter_add(COUNTER_NOTICES_SENT, 1);
        return;
    }
    counter_add(COUNTER_NOTICES_FAILED, 1);
    log_limited(LOG_WARN, "notify",
        "event=alert_not_sent by=%s run=%s rule=%s error=%s kept=listed", way,
        notice->run_uid, alert_rule_name(notice->rule),
        log_quoted(text, sizeof text, e->text));
}

static void send_out(struct notify *notify, const struct notice *notice)
{
    struct err e = { 0 };
    if (is_set(notify->options.command)) {
        enum err_code code = notice_command(
            notify->options.command, notice, &notify->patience, &e);
        note_outcome(notice, "command", code, &e);
    }
    if (is_set(notify->options.webhook)) {
        enum err_code code = notice_webhook(
            notify->options.webhook, notice, &notify->patience, &e);
        note_outcome(notice, "webhook", code, &e);
    }
}

static void drop(const char *run_uid, const char *why)
{
    counter_add(COUNTER_NOTICES_DROPPED, 1);
    log_limited(LOG_WARN, "notify",
        "event=alert_dropped run=%s why=%s kept=listed", run_uid, why);
}

static void *run_thread(void *context)
{
    struct notify *notify = context;
    while (!queue_is_over(notify->queue)) {
        void *item = NULL;
        if (queue_pop(notify->queue, &item, 1, IDLE_MS) == 0) {
            continue;
        }
        struct notice *notice = item;
        if (patience_lasts(&notify->patience, INT64_MAX)) {
            send_out(notify, notice);
        } else {
            drop(notice->run_uid, "stopping");
        }
        notice_free(notice);
    }
    return NULL;
}

/* Better told at the start than when the first alert comes. */
static enum err_code check_command(const char *path, struct err *e)
{
    return !is_set(path) || access(path, X_OK) == 0
               ? ERR_NONE
               : err_set(e, ERR_INVALID, "the alert command %s: %s", path,
                     strerror(errno));
}

enum err_code notify_start(const struct notify_options *options,
    struct notify **ret_notify, struct err *e)
{
    enum err_code code = check_command(options->command, e);
    if (code != ERR_NONE) {
        return code;
    }
    struct notify *notify = calloc(1, sizeof *notify);
    if (notify == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(notify);
        return err_nomem(e);
    }
    notify->options = *options;
    code = queue_new(NOTIFY_QUEUE, &notify->queue, e);
    if (code != ERR_NONE) {
        goto err_curl;
    }
    code = patience_init(&notify->patience, e);
    if (code != ERR_NONE) {
        goto err_queue;
    }
    if (pthread_create(&notify->thread, NULL, run_thread, notify) != 0) {
        code = err_set(e, ERR_NOMEM, "the notify thread does not start");
        goto err_patience;
    }
    *ret_notify = notify;
    return ERR_NONE;

err_patience:
    patience_done(&notify->patience);
err_queue:
    queue_free(notify->queue);
err_curl:
    curl_global_cleanup();
    free(notify);
    return code;
}

void notify_add(
    struct notify *notify, const char *run_uid, const struct alert *alert)
{
    struct notice *notice = calloc(1, sizeof *notice);
    if (notice == NULL) {
        drop(run_uid, "no_memory");
        return;
    }
    notice->rule = alert->rule;
    memcpy(notice->run_uid, run_uid, strnlen(run_uid, RUN_UID_MAX));
    alert_json(&notice->json, run_uid, alert);
    if (notice->json.failed) {
        drop(run_uid, "no_memory");
        notice_free(notice);
    } else if (!queue_push(notify->queue, notice)) {
        drop(run_uid, "too_many_wait");
        notice_free(notice);
    }
}

void notify_stop(struct notify *notify)
{
    if (notify == NULL) {
        return;
    }
    patience_end_at(
        &notify->patience, clock_mono_ns() + NOTIFY_DRAIN_MS * NS_PER_MS);
    queue_close(notify->queue);
    (void)pthread_join(notify->thread, NULL); /* cannot fail: our own thread */
    queue_free(notify->queue);
    patience_done(&notify->patience);
    curl_global_cleanup();
    free(notify);
}
