/* gammas.c: pure; any thread. */
#include "pure/gammas.h"

#include <string.h>

void gammas_json(struct buf *out, struct str blob)
{
    size_t points = blob.n / 32;
    buf_char(out, '[');
    for (size_t i = 0; i < points * 4; i++) {
        double value = 0;
        memcpy(&value, blob.p + 8 * i, sizeof value);
        buf_text(out, i == 0 ? "[" : i % 4 == 0 ? "],[" : ",");
        buf_json_double(out, value);
    }
    buf_text(out, points == 0 ? "]" : "]]");
}
