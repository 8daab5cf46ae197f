/* tables.c: owns nothing but constant tables; the thread of the connection. */
#include "sql/tables.h"

#include <stddef.h>

#include "sql/vtab.h"
#include "store/db.h"
#include "wire.h"

static const enum wire_kind kinds[] = { WIRE_STEP, WIRE_PROBE, WIRE_METRIC,
    WIRE_EVENT, WIRE_SHARPNESS, WIRE_GROUP };

static const struct {
    const char *name;
    const sqlite3_module *module;
    const enum wire_kind *kind;
} tables[] = {
    { "steps", &record_module, &kinds[0] },
    { "probes", &record_module, &kinds[1] },
    { "metrics", &record_module, &kinds[2] },
    { "events", &record_module, &kinds[3] },
    { "sharpness", &record_module, &kinds[4] },
    { "groups", &record_module, &kinds[5] },
    { "fits", &fits_module, NULL },
};

/* SQLite hands the pointer back as it is; nobody writes through it. */
static void *as_context(const enum wire_kind *kind)
{
    union {
        const enum wire_kind *in;
        void *out;
    } pointer = { .in = kind };
    return pointer.out;
}

enum err_code tables_register(sqlite3 *db, struct err *e)
{
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (sqlite3_create_module(db, tables[i].name, tables[i].module,
                as_context(tables[i].kind)) != SQLITE_OK) {
            return db_fail(db, e, "tables");
        }
    }
    return ERR_NONE;
}
