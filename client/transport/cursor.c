/* cursor: runs in the drainer of its spool. */
#include "transport/cursor.h"

#include "wire/fields.h"

struct cursor cursor_at_front(const struct spool *spool, uint64_t next_seq)
{
    return (struct cursor){ .segment = spool->first,
        .offset = sizeof(struct segment_head),
        .next_seq = next_seq };
}

const struct record_head *cursor_peek(struct cursor *cursor)
{
    while (cursor->segment != NULL) {
        /* next before committed: if there is a next, committed is final. */
        struct segment *next =
            atomic_load_explicit(&cursor->segment->next, memory_order_acquire);
        const struct record_head *record =
            segment_record(cursor->segment, cursor->offset);
        if (record != NULL || next == NULL) {
            return record;
        }
        cursor->segment = next;
        cursor->offset = sizeof(struct segment_head);
    }
    return NULL;
}

void cursor_advance(struct cursor *cursor, const struct record_head *record)
{
    cursor->offset += record->length;
    cursor->next_seq = record->seq + 1;
}

void cursor_unpack(const struct record_head *record, uint64_t values[static 64],
    struct wire_record *ret)
{
    const struct wire_kind_info *info = wire_kind_info(record->kind);
    const uint64_t *packed = (const uint64_t *)(const void *)(record + 1);
    for (uint64_t left = record->present; left != 0; left &= left - 1) {
        int field = __builtin_ctzll(left);
        enum wire_field_type type = info->fields[field].type;
        if (type != WIRE_TEXT && type != WIRE_BLOB) {
            values[field] = *packed++;
        }
    }
    *ret = (struct wire_record){ .seq = record->seq,
        .kind = record->kind,
        .present = record->present,
        .values = values,
        .text = packed,
        .text_bytes = record->text_bytes };
}
