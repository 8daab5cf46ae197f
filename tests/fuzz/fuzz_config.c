/* fuzz_config: any bytes as a configuration file. What is taken, printed and
 * taken again is the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"

static struct config first;
static struct config second;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct err e = { 0 };
    char *text = NULL;
    size_t length = 0;
    config_init(&first);
    if (n > CONFIG_FILE_MAX ||
        config_parse(&first, (struct str){ (const char *)data, n }, "file",
            &e) != ERR_NONE) {
        return 0;
    }
    FILE *out = open_memstream(&text, &length);
    if (out == NULL) {
        return 0;
    }
    config_print(&first, out);
    (void)fclose(out);
    config_init(&second);
    if (config_parse(&second, (struct str){ text, length }, "again", &e) !=
            ERR_NONE ||
        memcmp(first.values, second.values, sizeof first.values) != 0) {
        abort();
    }
    free(text);
    return 0;
}
