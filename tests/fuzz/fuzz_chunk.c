/*
 * Any bytes as a chunk: read, or refused with a reason. The checksums are put
 * right first, else no mutation would come past them.
 */
#include "store/chunk.h"
#include <stdlib.h>
#include <string.h>

#include "wire/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct bytes {
    uint8_t *p;
    size_t n;
};

static enum err_code read_bytes(
    void *context, void *to, size_t n, size_t offset, struct err *e)
{
    (void)e;
    struct bytes *bytes = context;
    if (offset > bytes->n || n > bytes->n - offset) {
        abort(); /* the reader promised to stay within */
    }
    memcpy(to, bytes->p + offset, n);
    return ERR_NONE;
}

static void mend_checksums(struct bytes *b)
{
    struct chunk_head head;
    if (b->n < sizeof head) {
        return;
    }
    memcpy(&head, b->p, sizeof head);
    size_t end = sizeof head + head.entries * sizeof(struct chunk_entry);
    if (end > b->n) {
        return;
    }
    for (size_t at = sizeof head; at < end; at += sizeof(struct chunk_entry)) {
        struct chunk_entry entry;
        memcpy(&entry, b->p + at, sizeof entry);
        if (entry.offset <= b->n && entry.length <= b->n - entry.offset) {
            entry.crc32c = crc32c(b->p + entry.offset, entry.length);
            memcpy(b->p + at, &entry, sizeof entry);
        }
    }
    head.crc32c = crc32c(b->p + CHUNK_CRC_FROM, end - CHUNK_CRC_FROM);
    memcpy(b->p, &head, sizeof head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct chunk_coder coder;
    struct bytes bytes = { malloc(n + 1), n };
    if (bytes.p == NULL || n == 0) {
        free(bytes.p);
        return 0;
    }
    memcpy(bytes.p, data, n);
    mend_checksums(&bytes);
    struct chunk_source source = {
        .context = &bytes, .size = n, .read = read_bytes
    };
    for (unsigned kind = WIRE_STEP; kind < WIRE_KINDS; kind++) {
        struct records records;
        struct err e = { 0 };
        records_init(&records, (enum wire_kind)kind, UINT64_MAX);
        if (chunk_read(&coder, &source, &records, &e) == ERR_NONE) {
            for (size_t i = 0; i < records.n; i++) {
                struct str text = records_text(&records, i);
                if (text.n > 0 &&
                    (size_t)(text.p - records.heap) + text.n > records.heap_n) {
                    abort();
                }
            }
        }
        records_done(&records);
    }
    free(bytes.p);
    return 0;
}
