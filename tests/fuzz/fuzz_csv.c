/* fuzz_csv: any bytes as a CSV file. The reader must end, and every field it
 * gives must lie in its row. The CLI is in no library: its source is included.
 */
#include <stdint.h>

#include "../../client/cli/csv.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(struct csv *csv)
{
    while (csv_next(csv) == CSV_ROW) {
        for (size_t i = 0; i < csv->fields; i++) {
            double value = 0;
            const char *field = csv_field(csv, i);
            if (field + strlen(field) >= csv->text + csv->used ||
                (csv_number(field, &value) == CSV_NUMBER && !isfinite(value))) {
                abort();
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    uint8_t *bytes = malloc(size);
    if (bytes == NULL) {
        return 0;
    }
    memcpy(bytes, data, size);
    FILE *in = fmemopen(bytes, size, "rb");
    if (in == NULL) {
        abort();
    }
    struct csv csv;
    csv_init(&csv, in, "input");
    read_all(&csv);
    csv_done(&csv);
    (void)fclose(in);
    free(bytes);
    return 0;
}
