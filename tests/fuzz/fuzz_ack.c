/* wire_decode_ack on any bytes: total, and what it accepts reads back. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/crc32c.h"
#include "wire/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const uint8_t *data, size_t n)
{
    struct wire_head head;
    struct wire_ack ack;
    uint8_t again[128];
    if (!wire_decode_ack(data, n, &head, &ack)) {
        return;
    }
    size_t m = wire_encode_ack(again, sizeof again, head.stream_uid,
        (enum wire_ack_status)head.flags, &ack);
    assert(m == sizeof head + sizeof ack);
    assert(n > m || memcmp(again, data, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t fixed[512];
    check(data, n);
    if (n < sizeof(struct wire_head) || n > sizeof fixed) {
        return 0;
    }
    /* Once more with length and checksum put right, to get behind them. */
    struct wire_head head;
    memcpy(fixed, data, n);
    memcpy(&head, fixed, sizeof head);
    head.length = (uint32_t)n;
    memcpy(fixed, &head, sizeof head);
    head.crc32c = crc32c(fixed + WIRE_CRC_FROM, n - WIRE_CRC_FROM);
    memcpy(fixed, &head, sizeof head);
    check(fixed, n);
    return 0;
}
