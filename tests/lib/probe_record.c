/* probe_record: pure. */
#include "probe_record.h"

#include <string.h>

void record_set_bits(struct record *r, unsigned field, uint64_t bits)
{
    r->bits[field] = bits;
    r->row.present |= ROW_BIT(field);
}

void record_set(struct record *r, unsigned field, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    record_set_bits(r, field, bits);
}

const struct row *record_row(struct record *r)
{
    for (unsigned f = 0; f < WIRE_FIELDS_MAX; f++) {
        r->columns[f] = (r->row.present >> f & 1) != 0 ? &r->bits[f] : NULL;
    }
    r->row.columns = r->columns;
    return &r->row;
}
