/* assets.c: a constant table; any thread. */
#include "http/assets.h"

#include <stddef.h>
#include <string.h>

const struct asset *asset_find(const char *path)
{
    for (uint64_t i = 0; i < assets_count; i++) {
        if (strcmp(assets_table[i].path, path) == 0) {
            return &assets_table[i];
        }
    }
    return NULL;
}
