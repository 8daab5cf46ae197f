/*
 * checkpointer.c: owns a thread and its connection. checkpointer_start and
 * _stop belong to the writer thread too.
 *
 * 1. `asked` is set by the writer while idle, and cleared when the task has
 *    ended: at most one task is under way.
 */
#include "threads/checkpointer.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/cond.h"
#include "base/counters.h"
#include "base/log.h"
#include "store/checkpoint.h"

struct checkpointer {
    struct checkpoint *checkpoint; /* the thread's, once it runs */
    pthread_t thread;
    pthread_mutex_t lock; /* guards the rest; a leaf */
    pthread_cond_t changed;
    bool asked;
    enum checkpointer_task task; /* if asked */
    bool stopping;
};

/* Locking a sound mutex of the default kind does not fail. */
static void lock(struct checkpointer *c)
{
    (void)pthread_mutex_lock(&c->lock);
}

static void unlock(struct checkpointer *c)
{
    (void)pthread_mutex_unlock(&c->lock);
}

static void do_task(struct checkpointer *c, enum checkpointer_task task)
{
    struct err e = { 0 };
    char text[sizeof e.text];
    enum err_code code = task == CHECKPOINTER_MOVE
                             ? checkpoint_move(c->checkpoint, &e)
                             : checkpoint_sync(c->checkpoint, &e);
    counter_add(COUNTER_SYNCS, task == CHECKPOINTER_SYNC && code == ERR_NONE);
    if (code != ERR_NONE && code != ERR_BUSY) {
        counter_add(COUNTER_CHECKPOINT_ERRORS, 1);
        log_limited(LOG_ERROR, "checkpointer",
            "event=%s error=%s kept=in_the_log",
            task == CHECKPOINTER_MOVE ? "checkpoint_failed" : "sync_failed",
            log_quoted(text, sizeof text, e.text));
    }
}

/* false: stop. */
static bool wait_for_task(
    struct checkpointer *c, enum checkpointer_task *ret_task)
{
    lock(c);
    while (!c->asked && !c->stopping) {
        (void)pthread_cond_wait(&c->changed, &c->lock);
    }
    bool go_on = c->asked;
    *ret_task = c->task;
    unlock(c);
    return go_on;
}

static void *run_thread(void *context)
{
    struct checkpointer *c = context;
    enum checkpointer_task task = CHECKPOINTER_MOVE;
    while (wait_for_task(c, &task)) {
        do_task(c, task);
        lock(c);
        c->asked = false;
        unlock(c);
    }
    return NULL;
}

enum err_code checkpointer_start(
    const char *db_path, struct checkpointer **ret_checkpointer, struct err *e)
{
    struct checkpointer *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return err_nomem(e);
    }
    enum err_code code = checkpoint_open(db_path, &c->checkpoint, e);
    if (code != ERR_NONE) {
        goto err_free;
    }
    code = ERR_NOMEM;
    if (pthread_mutex_init(&c->lock, NULL) != 0) {
        goto err_close;
    }
    if (!cond_init(&c->changed)) {
        goto err_lock;
    }
    if (pthread_create(&c->thread, NULL, run_thread, c) != 0) {
        goto err_cond;
    }
    *ret_checkpointer = c;
    return ERR_NONE;

err_cond:
    (void)pthread_cond_destroy(&c->changed);
err_lock:
    (void)pthread_mutex_destroy(&c->lock);
err_close:
    checkpoint_close(c->checkpoint);
    (void)err_set(e, code, "no thread for checkpoints");
err_free:
    free(c);
    return code;
}

void checkpointer_stop(struct checkpointer *checkpointer)
{
    struct checkpointer *c = checkpointer;
    if (c == NULL) {
        return;
    }
    lock(c);
    c->stopping = true;
    (void)pthread_cond_signal(&c->changed);
    unlock(c);
    (void)pthread_join(c->thread, NULL); /* cannot fail: our own thread */
    checkpoint_close(c->checkpoint);
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

void checkpointer_ask(
    struct checkpointer *checkpointer, enum checkpointer_task task)
{
    lock(checkpointer);
    assert(!checkpointer->asked);
    checkpointer->asked = true;
    checkpointer->task = task;
    (void)pthread_cond_signal(&checkpointer->changed);
    unlock(checkpointer);
}

bool checkpointer_is_idle(struct checkpointer *checkpointer)
{
    lock(checkpointer);
    bool idle = !checkpointer->asked;
    unlock(checkpointer);
    return idle;
}
