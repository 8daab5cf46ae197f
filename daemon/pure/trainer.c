/* trainer.c: pure; any thread. */
#include "pure/trainer.h"

#include <strings.h>

#include "base/str.h"
#include "pure/json_scan.h"

static const struct {
    const char *quoted; /* as it stands in the JSON */
    enum optimizer optimizer;
} names[] = {
    { "\"sgd\"", OPTIMIZER_SGD },
    { "\"gd\"", OPTIMIZER_SGD },
    { "\"heavy_ball\"", OPTIMIZER_HEAVY_BALL },
    { "\"heavy-ball\"", OPTIMIZER_HEAVY_BALL },
    { "\"momentum\"", OPTIMIZER_HEAVY_BALL },
    { "\"ema_momentum\"", OPTIMIZER_EMA_MOMENTUM },
    { "\"nesterov\"", OPTIMIZER_NESTEROV },
    { "\"adam\"", OPTIMIZER_ADAM },
    { "\"adamw\"", OPTIMIZER_ADAM },
};

static enum optimizer optimizer_of(struct str quoted)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_of(names[i].quoted).n == quoted.n &&
            strncasecmp(names[i].quoted, quoted.p, quoted.n) == 0) {
            return names[i].optimizer;
        }
    }
    return OPTIMIZER_OTHER;
}

static uint32_t world_of(struct str text)
{
    double world = 0;
    bool ok =
        str_to_double(text, &world) && world >= 1 && world <= TRAINER_WORLD_MAX;
    return ok ? (uint32_t)world : 1;
}

struct trainer trainer_of_hello(const char *hello_json)
{
    struct trainer trainer = { .world = 1 };
    struct str key = { 0 };
    struct str value = { 0 };
    size_t pos = 0;
    struct str text = str_of(hello_json == NULL ? "" : hello_json);
    while (json_next_member(text, &pos, &key, &value)) {
        if (str_equal(key, STR("\"world\""))) {
            trainer.world = world_of(value);
        } else if (str_equal(key, STR("\"optimizer\""))) {
            trainer.optimizer = optimizer_of(value);
        }
    }
    return trainer;
}

bool trainer_edge(enum optimizer optimizer, struct figure momentum,
    double *ret_above, double *ret_below)
{
    const double b = momentum.has ? momentum.v : 0;
    *ret_above = 2 + 2 * b;
    *ret_below = 1;
    switch (optimizer) {
    case OPTIMIZER_SGD:
        return true;
    case OPTIMIZER_HEAVY_BALL:
        return momentum.has;
    case OPTIMIZER_NESTEROV:
        *ret_below = 1 + 2 * b;
        return momentum.has;
    case OPTIMIZER_EMA_MOMENTUM:
    case OPTIMIZER_ADAM:
        *ret_below = 1 - b;
        return momentum.has;
    case OPTIMIZER_OTHER:
        break;
    }
    return false;
}

double trainer_gain(enum optimizer optimizer, struct figure momentum)
{
    const bool adds = optimizer == OPTIMIZER_SGD ||
                      optimizer == OPTIMIZER_HEAVY_BALL ||
                      optimizer == OPTIMIZER_NESTEROV;
    const bool known = momentum.has && momentum.v > 0 && momentum.v < 1;
    return adds && known ? 1 / (1 - momentum.v) : 1;
}
