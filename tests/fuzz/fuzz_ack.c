/* wire_decode_ack on any bytes: total, and what it accepts reads back; a law
 * in it is believed only if one can step by it. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "traj.h"
#include "transport/law.h"
#include "wire/crc32c.h"
#include "wire/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_law(const struct wire_ack *ack)
{
    struct law_board board = { 0 };
    struct law law;
    law_say(&board, ack, 1);
    if (law_read(&board, &law)) {
        assert(law.n > 0 && law.n == ack->advice_n);
        assert(traj_rule_step(TRAJ_RULE_L0L1, law.L0, law.L1, 1) >= 0);
    }
}

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
    /* It may end before wait_ms, or say more than is known here. */
    const size_t both = n < m ? sizeof head + WIRE_ACK_BYTES_MIN : m;
    const size_t head_end = sizeof head;
    assert(n >= head_end + WIRE_ACK_BYTES_MIN);
    assert(memcmp(again + head_end, data + head_end, both - head_end) == 0);
    assert(n != m || memcmp(again, data, n) == 0);
    check_law(&ack);
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
