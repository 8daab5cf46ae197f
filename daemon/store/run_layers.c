/* run_layers.c: the thread of its reader. */
#include "store/run_layers.h"

#include "store/db.h"
#include "store/runs.h"

struct process {
    struct stream_id id;
    uint32_t attempt, rank;
};

struct reading {
    struct process *v; /* by attempt, then rank */
    size_t n;
    size_t capacity;
    struct layers *layers;
    const struct process *at; /* whose HELLO is read */
};

static enum err_code take_stream(
    void *context, const struct stream_row *row, struct err *e)
{
    struct reading *reading = context;
    if (reading->n == reading->capacity) {
        size_t larger = reading->capacity == 0 ? 64 : reading->capacity * 2;
        void *grown = db_realloc(reading->v, larger * sizeof *reading->v);
        if (grown == NULL) {
            return db_nomem(e, "layers");
        }
        reading->v = grown;
        reading->capacity = larger;
    }
    reading->v[reading->n++] =
        (struct process){ row->id, row->attempt, row->rank };
    return ERR_NONE;
}

static enum err_code code_of(enum layers_status status, struct err *e)
{
    switch (status) {
    case LAYERS_OK:
        return ERR_NONE;
    case LAYERS_NOMEM:
        return db_nomem(e, "layers");
    case LAYERS_FULL:
        return err_set(e, ERR_FULL, "the run has more than %u layers",
            (unsigned)LAYERS_MAX);
    case LAYERS_DAMAGED:
        break;
    }
    return err_set(e, ERR_STORE, "the run's HELLO is damaged");
}

static enum err_code take_hello(
    void *context, const char *hello_json, struct err *e)
{
    struct reading *reading = context;
    return code_of(layers_add(reading->layers, reading->at->attempt,
                       reading->at->rank, hello_json),
        e);
}

static enum err_code read_hellos(
    struct reading *reading, struct reader *reader, struct err *e)
{
    enum err_code code = ERR_NONE;
    for (size_t i = 0; i < reading->n && code == ERR_NONE; i++) {
        reading->at = &reading->v[i];
        code = runs_hello(reader, reading->at->id, take_hello, reading, e);
    }
    return code == ERR_NONE ? code_of(layers_ready(reading->layers), e) : code;
}

/* On success *ret_layers are reading's. */
static enum err_code end(
    struct reading *reading, enum err_code code, struct layers **ret_layers)
{
    db_free(reading->v);
    if (code == ERR_NONE) {
        *ret_layers = reading->layers;
    } else {
        layers_free(reading->layers);
    }
    return code;
}

enum err_code run_layers_read(struct reader *reader, struct run_id run,
    const char *lead, struct layers **ret_layers, struct err *e)
{
    struct reading reading = { .layers = layers_new() };
    if (reading.layers == NULL) {
        return db_nomem(e, "layers");
    }
    enum err_code code = code_of(layers_lead(reading.layers, lead), e);
    if (code == ERR_NONE) {
        code = runs_streams(reader, run, take_stream, &reading, e);
    }
    if (code == ERR_NONE) {
        code = read_hellos(&reading, reader, e);
    }
    return end(&reading, code, ret_layers);
}

/* Leaves the newest process of the rank alone, if it has any. */
static void keep_newest(struct reading *reading, uint32_t rank)
{
    size_t kept = 0;
    for (size_t i = 0; i < reading->n; i++) {
        if (reading->v[i].rank == rank) {
            reading->v[0] = reading->v[i];
            kept = 1;
        }
    }
    reading->n = kept;
}

enum err_code run_layers_of_rank(struct reader *reader, struct run_id run,
    uint32_t rank, struct layers **ret_layers, struct err *e)
{
    struct reading reading = { .layers = layers_new() };
    if (reading.layers == NULL) {
        return db_nomem(e, "layers");
    }
    enum err_code code = runs_streams(reader, run, take_stream, &reading, e);
    keep_newest(&reading, rank);
    if (code == ERR_NONE && reading.n == 0) {
        code = err_set(e, ERR_NOT_FOUND, "there is no rank %u", (unsigned)rank);
    }
    if (code == ERR_NONE) {
        code = read_hellos(&reading, reader, e);
    }
    return end(&reading, code, ret_layers);
}
