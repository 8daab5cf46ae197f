/*
 * layers.c: one thread at a time per struct layers.
 *
 * Invariants:
 * 1. table[h] is 0 or 1 + the index of a layer; each layer is in it once.
 * 2. A layout is a list of groups as HELLOs have it, byte for byte: processes
 *    of one list share it, as thousands of them would take too long else.
 * 3. newest[r] is 1 + the index of rank r's process with the highest attempt,
 *    its `older` 1 + that of the one before; 0 = none.
 */
#include "pure/layers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pure/json_scan.h"
#include "pure/trainer.h"
#include "wire.h"

#define TABLE_SLOTS (LAYERS_MAX * 2u) /* a power of two */
#define HELLO_DEPTH 64                /* cJSON's, and more than a HELLO's */

struct known {
    size_t name, name_bytes; /* in names */
    struct layer says;       /* but for the name */
};

struct layout {
    struct str groups; /* owned copy */
    uint32_t n;
    uint32_t *numbers; /* of layers, by own number - 1 */
    uint64_t *sizes;
    uint64_t *has; /* bit i: layer i + 1 is in it; after layers_ready */
};

struct process {
    uint32_t attempt, rank, world;
    uint32_t layout;
    uint32_t older;
};

struct layers {
    struct known *known;
    uint32_t n;
    uint32_t capacity;
    struct buf names;
    uint32_t *table;
    struct layout *layouts;
    uint32_t n_layouts;
    uint32_t layouts_capacity;
    size_t n_groups; /* of all layouts */
    struct process *processes;
    uint32_t n_processes;
    uint32_t processes_capacity;
    uint32_t *newest;
    uint32_t n_ranks;
    uint32_t ranks_capacity;
};

struct layers *layers_new(void)
{
    struct layers *layers = calloc(1, sizeof *layers);
    if (layers == NULL) {
        return NULL;
    }
    layers->table = calloc(TABLE_SLOTS, sizeof *layers->table);
    if (layers->table == NULL) {
        free(layers);
        return NULL;
    }
    return layers;
}

static void layout_done(struct layout *layout)
{
    free(layout->numbers);
    free(layout->sizes);
    free(layout->has);
}

void layers_free(struct layers *layers)
{
    if (layers == NULL) {
        return;
    }
    for (uint32_t i = 0; i < layers->n_layouts; i++) {
        free((void *)(uintptr_t)layers->layouts[i].groups.p);
        layout_done(&layers->layouts[i]);
    }
    free(layers->known);
    free(layers->table);
    free(layers->layouts);
    free(layers->processes);
    free(layers->newest);
    buf_done(&layers->names);
    free(layers);
}

/* Room for one more than n; the new room is zero. */
static bool grow(void **v, uint32_t *capacity, uint32_t n, size_t size)
{
    if (n < *capacity) {
        return true;
    }
    uint32_t larger = *capacity == 0 ? 64 : *capacity * 2;
    larger = larger > n ? larger : n + 1;
    void *grown = realloc(*v, larger * size);
    if (grown == NULL) {
        return false;
    }
    memset((char *)grown + *capacity * size, 0, (larger - *capacity) * size);
    *v = grown;
    *capacity = larger;
    return true;
}

/* ---- names ----------------------------------------------------------------
 */

static struct str name_at(const struct layers *layers, uint32_t i)
{
    const struct known *known = &layers->known[i];
    return (struct str){ layers->names.p + known->name, known->name_bytes };
}

static uint32_t hash_of(struct str name)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < name.n; i++) {
        hash = (hash ^ (unsigned char)name.p[i]) * 16777619u;
    }
    return hash;
}

/* Its place in the table: of the layer of that name, or an empty one. */
static uint32_t slot_of(const struct layers *layers, struct str name)
{
    uint32_t slot = hash_of(name) % TABLE_SLOTS;
    while (layers->table[slot] != 0 &&
           !str_equal(name, name_at(layers, layers->table[slot] - 1))) {
        slot = (slot + 1) % TABLE_SLOTS;
    }
    return slot;
}

static enum layers_status add_name(struct layers *layers, struct str name,
    const struct layer *says, uint32_t *ret_number)
{
    const uint32_t slot = slot_of(layers, name);
    if (layers->table[slot] == 0) {
        void *v = layers->known;
        if (layers->n == LAYERS_MAX) {
            return LAYERS_FULL;
        }
        if (!grow(&v, &layers->capacity, layers->n, sizeof *layers->known)) {
            return LAYERS_NOMEM;
        }
        layers->known = v;
        layers->known[layers->n] = (struct known){
            .name = layers->names.n, .name_bytes = name.n, .says = *says
        };
        buf_append(&layers->names, name.p, name.n);
        if (layers->names.failed) {
            return LAYERS_NOMEM;
        }
        layers->table[slot] = ++layers->n;
    }
    *ret_number = layers->table[slot];
    return LAYERS_OK;
}

/* ---- one list of groups ---------------------------------------------------
 */

/* A whole number of a group; 0 where it is absent, or none in a HELLO that was
 * taken by an older trajd. */
static uint64_t number_of(struct str value)
{
    double number = 0;
    bool whole = str_to_double(value, &number) && number >= 0 &&
                 number <= (double)WIRE_GROUP_SIZE_MAX;
    return whole ? (uint64_t)number : 0;
}

static void read_group(
    struct str group, struct str *ret_name, struct layer *ret_says)
{
    struct str key = { 0 };
    struct str value = { 0 };
    size_t pos = 0;
    *ret_name = STR("\"\"");
    *ret_says = (struct layer){ 0 };
    while (json_next_member(group, &pos, &key, &value)) {
        if (str_equal(key, STR("\"name\"")) && value.p[0] == '"') {
            *ret_name = value;
        } else if (str_equal(key, STR("\"size\""))) {
            ret_says->size = number_of(value);
        } else if (str_equal(key, STR("\"rows\""))) {
            ret_says->rows = number_of(value);
        } else if (str_equal(key, STR("\"cols\""))) {
            ret_says->cols = number_of(value);
        } else if (str_equal(key, STR("\"norm\""))) {
            ret_says->norm = number_of(value);
        } else if (str_equal(key, STR("\"combine\""))) {
            ret_says->combine = number_of(value);
        }
    }
}

static enum layers_status add_group(
    struct layers *layers, struct layout *layout, struct str group)
{
    struct str name = { 0 };
    struct layer says;
    read_group(group, &name, &says);
    layout->sizes[layout->n] = says.size;
    return add_name(layers, name, &says, &layout->numbers[layout->n++]);
}

static enum layers_status read_layout(
    struct layers *layers, struct layout *layout)
{
    struct str group = { 0 };
    size_t pos = 0;
    size_t n = 0;
    while (json_next_element(layout->groups, &pos, &group)) {
        n++;
    }
    if (n > LAYERS_GROUPS_MAX - layers->n_groups) {
        return LAYERS_FULL;
    }
    layers->n_groups += n;
    layout->numbers = calloc(n + 1, sizeof *layout->numbers);
    layout->sizes = calloc(n + 1, sizeof *layout->sizes);
    if (layout->numbers == NULL || layout->sizes == NULL) {
        return LAYERS_NOMEM;
    }
    enum layers_status status = LAYERS_OK;
    pos = 0;
    while (status == LAYERS_OK &&
           json_next_element(layout->groups, &pos, &group)) {
        status = add_group(layers, layout, group);
    }
    return status;
}

/* The list that is groups, byte for byte; added if it is new. */
static enum layers_status find_layout(
    struct layers *layers, struct str groups, uint32_t *ret_layout)
{
    /* Neighbours have the same list more often than not. */
    for (uint32_t i = layers->n_layouts; i > 0; i--) {
        if (str_equal(layers->layouts[i - 1].groups, groups)) {
            *ret_layout = i - 1;
            return LAYERS_OK;
        }
    }
    void *v = layers->layouts;
    if (!grow(&v, &layers->layouts_capacity, layers->n_layouts,
            sizeof *layers->layouts)) {
        return LAYERS_NOMEM;
    }
    layers->layouts = v;
    char *copy = malloc(groups.n + 1);
    if (copy == NULL) {
        return LAYERS_NOMEM;
    }
    if (groups.n > 0) {
        memcpy(copy, groups.p, groups.n);
    }
    *ret_layout = layers->n_layouts++;
    struct layout *layout = &layers->layouts[*ret_layout];
    layout->groups = (struct str){ copy, groups.n };
    return read_layout(layers, layout);
}

/* ---- processes ------------------------------------------------------------
 */

static enum layers_status read_groups(
    const char *hello_json, struct str *ret_groups)
{
    struct str key = { 0 };
    struct str value = { 0 };
    size_t pos = 0;
    *ret_groups = (struct str){ 0 };
    if (hello_json == NULL) {
        return LAYERS_OK;
    }
    if (!json_is_valid(str_of(hello_json), HELLO_DEPTH)) {
        return LAYERS_DAMAGED;
    }
    while (json_next_member(str_of(hello_json), &pos, &key, &value)) {
        if (str_equal(key, STR("\"groups\""))) {
            *ret_groups = value;
        }
    }
    return LAYERS_OK;
}

enum layers_status layers_lead(struct layers *layers, const char *hello_json)
{
    struct str groups = { 0 };
    uint32_t layout = 0;
    const enum layers_status status = read_groups(hello_json, &groups);
    return status == LAYERS_OK ? find_layout(layers, groups, &layout) : status;
}

static bool make_room(struct layers *layers, uint32_t rank)
{
    void *v = layers->processes;
    bool ok = grow(&v, &layers->processes_capacity, layers->n_processes,
        sizeof *layers->processes);
    layers->processes = v;
    v = layers->newest;
    ok = ok && grow(&v, &layers->ranks_capacity, rank, sizeof *layers->newest);
    layers->newest = v;
    return ok;
}

enum layers_status layers_add(struct layers *layers, uint32_t attempt,
    uint32_t rank, const char *hello_json)
{
    struct str groups = { 0 };
    enum layers_status status = read_groups(hello_json, &groups);
    if (status != LAYERS_OK) {
        return status;
    }
    if (rank >= TRAINER_WORLD_MAX) {
        return LAYERS_FULL;
    }
    if (!make_room(layers, rank)) {
        return LAYERS_NOMEM;
    }
    struct process process = {
        .attempt = attempt,
        .rank = rank,
        .world = trainer_of_hello(hello_json).world,
        .older = layers->newest[rank],
    };
    status = find_layout(layers, groups, &process.layout);
    if (status == LAYERS_OK) {
        layers->processes[layers->n_processes++] = process;
        layers->newest[rank] = layers->n_processes;
        layers->n_ranks = rank >= layers->n_ranks ? rank + 1 : layers->n_ranks;
    }
    return status;
}

static bool mark_layers(struct layers *layers, struct layout *layout)
{
    layout->has = calloc(layers->n / 64 + 1, sizeof *layout->has);
    for (uint32_t i = 0; layout->has != NULL && i < layout->n; i++) {
        const uint32_t at = layout->numbers[i] - 1;
        layout->has[at / 64] |= UINT64_C(1) << at % 64;
    }
    return layout->has != NULL;
}

/* What the newest process of a rank has; ranks come in order. */
static void count_parts(struct layers *layers, const struct process *process)
{
    const struct layout *layout = &layers->layouts[process->layout];
    for (uint32_t i = 0; i < layout->n; i++) {
        struct layer *says = &layers->known[layout->numbers[i] - 1].says;
        if (says->ranks++ == 0) {
            says->lowest = process->rank;
        }
        says->size_sum += layout->sizes[i];
    }
}

enum layers_status layers_ready(struct layers *layers)
{
    for (uint32_t i = 0; i < layers->n_layouts; i++) {
        if (!mark_layers(layers, &layers->layouts[i])) {
            return LAYERS_NOMEM;
        }
    }
    for (uint32_t rank = 0; rank < layers->n_ranks; rank++) {
        if (layers->newest[rank] != 0) {
            count_parts(layers, &layers->processes[layers->newest[rank] - 1]);
        }
    }
    return LAYERS_OK;
}

/* ---- asking ---------------------------------------------------------------
 */

uint32_t layers_count(const struct layers *layers)
{
    return layers->n;
}

void layers_get(
    const struct layers *layers, uint32_t number, struct layer *ret_layer)
{
    assert(number > 0 && number <= layers->n);
    *ret_layer = layers->known[number - 1].says;
    ret_layer->name = name_at(layers, number - 1);
}

uint32_t layers_number(
    const struct layers *layers, uint32_t attempt, uint32_t rank, uint64_t own)
{
    uint32_t i = rank < layers->n_ranks ? layers->newest[rank] : 0;
    while (i != 0 && layers->processes[i - 1].attempt != attempt) {
        i = layers->processes[i - 1].older;
    }
    if (i == 0) {
        return 0;
    }
    const struct layout *layout =
        &layers->layouts[layers->processes[i - 1].layout];
    return own == 0 || own > layout->n ? 0 : layout->numbers[own - 1];
}

bool layers_holds(
    const struct layers *layers, uint32_t world, uint32_t rank, uint32_t number)
{
    assert(number > 0 && number <= layers->n);
    uint32_t i = rank < layers->n_ranks ? layers->newest[rank] : 0;
    while (i != 0 && layers->processes[i - 1].world != world) {
        i = layers->processes[i - 1].older;
    }
    if (i == 0) {
        return false;
    }
    const uint64_t *has = layers->layouts[layers->processes[i - 1].layout].has;
    return (has[(number - 1) / 64] >> (number - 1) % 64 & 1) != 0;
}
