/*
 * live_intake.c: owns the watched runs and the list of changed ones.
 *
 * Invariants:
 * 1. runs[0..n_runs) are distinct; only live's thread and live_free take one
 *    out, so live's thread may use one without the lock.
 * 2. changed.uids are distinct; changed_hashes[i] belongs to uids[i].
 */
#include "threads/live_intake.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cond.h"
#include "base/hash.h"

/* So that a look-up compares texts only where the hashes are equal. */
static uint64_t hash_of(const char *run_uid)
{
    return hash_text(HASH_START, run_uid);
}

enum err_code intake_init(struct intake *intake, struct err *e)
{
    if (pthread_mutex_init(&intake->lock, NULL) != 0) {
        return err_set(e, ERR_NOMEM, "no memory for a lock");
    }
    if (!cond_init(&intake->work)) {
        goto err_lock;
    }
    if (!cond_init(&intake->changes)) {
        goto err_work;
    }
    return ERR_NONE;

err_work:
    (void)pthread_cond_destroy(&intake->work);
err_lock:
    (void)pthread_mutex_destroy(&intake->lock);
    return err_set(e, ERR_NOMEM, "no memory for a condition");
}

void intake_done(struct intake *intake)
{
    for (size_t i = 0; i < intake->n_runs; i++) {
        free(intake->runs[i]);
    }
    (void)pthread_cond_destroy(&intake->changes);
    (void)pthread_cond_destroy(&intake->work);
    (void)pthread_mutex_destroy(&intake->lock);
}

static void lock(struct intake *intake)
{
    int rc = pthread_mutex_lock(&intake->lock);
    assert(rc == 0);
    (void)rc;
}

static void unlock(struct intake *intake)
{
    (void)pthread_mutex_unlock(&intake->lock);
}

static struct watched *find(
    const struct intake *intake, const char *run_uid, uint64_t hash)
{
    for (size_t i = 0; i < intake->n_runs; i++) {
        struct watched *watched = intake->runs[i];
        if (watched->hash == hash && strcmp(watched->uid, run_uid) == 0) {
            return watched;
        }
    }
    return NULL;
}

static void note_change(
    struct intake *intake, const char *run_uid, uint64_t hash)
{
    struct live_changed *changed = &intake->changed;
    for (size_t i = 0; i < changed->n; i++) {
        if (intake->changed_hashes[i] == hash &&
            strcmp(changed->uids[i], run_uid) == 0) {
            return;
        }
    }
    if (changed->n == LIVE_CHANGED_MAX) {
        changed->overflow = true;
        return;
    }
    intake->changed_hashes[changed->n] = hash;
    size_t length = strnlen(run_uid, RUN_UID_MAX);
    memcpy(changed->uids[changed->n], run_uid, length);
    changed->uids[changed->n][length] = '\0';
    changed->n++;
    if (changed->n == 1) {
        (void)pthread_cond_signal(&intake->changes);
    }
}

void intake_publish(struct intake *intake, const char *run_uid,
    const struct live_source *source, const struct message *message)
{
    uint64_t hash = hash_of(run_uid);
    lock(intake);
    struct watched *watched = find(intake, run_uid, hash);
    if (watched != NULL) {
        struct live_rows *rows = &watched->rows[watched->filling];
        live_rows_add(rows, source, message);
        if (live_rows_any(rows) && !intake->pending) {
            intake->pending = true;
            (void)pthread_cond_signal(&intake->work);
        }
    }
    note_change(intake, run_uid, hash);
    unlock(intake);
}

void intake_touch(struct intake *intake, const char *run_uid)
{
    lock(intake);
    note_change(intake, run_uid, hash_of(run_uid));
    unlock(intake);
}

void intake_changed(
    struct intake *intake, int64_t timeout_ns, struct live_changed *ret)
{
    int64_t until = clock_mono_ns() + timeout_ns;
    lock(intake);
    bool in_time = true;
    while (intake->changed.n == 0 && !intake->interrupted && in_time) {
        in_time = cond_wait_until(&intake->changes, &intake->lock, until);
    }
    intake->interrupted = false;
    ret->n = intake->changed.n;
    ret->overflow = intake->changed.overflow;
    memcpy(ret->uids, intake->changed.uids, ret->n * sizeof ret->uids[0]);
    intake->changed.n = 0;
    intake->changed.overflow = false;
    unlock(intake);
}

void intake_interrupt(struct intake *intake)
{
    lock(intake);
    intake->interrupted = true;
    (void)pthread_cond_signal(&intake->changes);
    unlock(intake);
}

struct watched *intake_find(struct intake *intake, const char *run_uid)
{
    lock(intake);
    struct watched *watched = find(intake, run_uid, hash_of(run_uid));
    unlock(intake);
    return watched;
}

struct watched *intake_watch(struct intake *intake, const char *run_uid)
{
    size_t length = strlen(run_uid);
    struct watched *watched = calloc(1, sizeof *watched);
    if (watched == NULL || length > RUN_UID_MAX) {
        free(watched);
        return NULL;
    }
    memcpy(watched->uid, run_uid, length + 1);
    watched->hash = hash_of(run_uid);

    lock(intake);
    bool room = intake->n_runs < INTAKE_RUNS_MAX;
    if (room) {
        intake->runs[intake->n_runs++] = watched;
    }
    unlock(intake);
    if (!room) {
        free(watched);
        return NULL;
    }
    return watched;
}

void intake_unwatch(struct intake *intake, struct watched *watched)
{
    lock(intake);
    for (size_t i = 0; i < intake->n_runs; i++) {
        if (intake->runs[i] == watched) {
            intake->runs[i] = intake->runs[--intake->n_runs];
            break;
        }
    }
    unlock(intake);
    free(watched);
}

struct watched *intake_at(struct intake *intake, size_t i)
{
    lock(intake);
    struct watched *watched = i < intake->n_runs ? intake->runs[i] : NULL;
    unlock(intake);
    return watched;
}

bool intake_wait(struct intake *intake, int64_t timeout_ns)
{
    int64_t until = clock_mono_ns() + timeout_ns;
    lock(intake);
    bool in_time = true;
    while (!intake->pending && !intake->stopping && in_time) {
        in_time = cond_wait_until(&intake->work, &intake->lock, until);
    }
    intake->pending = false;
    bool go_on = !intake->stopping;
    unlock(intake);
    return go_on;
}

const struct live_rows *intake_take(
    struct intake *intake, struct watched *watched)
{
    const struct live_rows *taken = NULL;
    lock(intake);
    struct live_rows *full = &watched->rows[watched->filling];
    if (live_rows_any(full)) {
        watched->filling ^= 1;
        live_rows_clear(&watched->rows[watched->filling], full);
        taken = full;
    }
    unlock(intake);
    return taken;
}

void intake_rest(struct intake *intake, int64_t until_mono_ns)
{
    lock(intake);
    bool in_time = true;
    while (!intake->stopping && in_time) {
        in_time = cond_wait_until(&intake->work, &intake->lock, until_mono_ns);
    }
    unlock(intake);
}

void intake_stop(struct intake *intake)
{
    lock(intake);
    intake->stopping = true;
    (void)pthread_cond_signal(&intake->work);
    unlock(intake);
}
