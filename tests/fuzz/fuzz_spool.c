/* Recovery of a segment whose bytes are anything: what it accepts can be
 * encoded as a frame. The first byte says whether checksums are put right. */
#include <assert.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/cursor.h"
#include "transport/segment.h"
#include "wire/crc32c.h"
#include "wire/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const uint8_t uid[16] = { 1 };

/* A folder of this process, made at the first input, removed at the end. */
static char dir[] = "/tmp/traj-fuzz-XXXXXX";
static int dir_fd = -1;

static void remove_folder(void)
{
    (void)unlinkat(dir_fd, "00000000.seg", 0);
    (void)rmdir(dir);
}

static void make_folder(void)
{
    if (dir_fd < 0) {
        assert(mkdtemp(dir) != NULL);
        dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
        assert(dir_fd >= 0);
        (void)atexit(remove_folder);
    }
}

/* Give each record the checksum of what it holds, as far as lengths lead. */
static void put_checksums_right(uint8_t *bytes, size_t n)
{
    size_t at = 0;
    struct record_head head;
    while (n - at >= sizeof head) {
        memcpy(&head, bytes + at, sizeof head);
        if (head.length < sizeof head || head.length > n - at) {
            return;
        }
        head.crc32c =
            crc32c(bytes + at + RECORD_CRC_FROM, head.length - RECORD_CRC_FROM);
        memcpy(bytes + at, &head, sizeof head);
        at += head.length;
    }
}

static void write_segment(const uint8_t *data, size_t n, bool right)
{
    static uint8_t bytes[1u << 16];
    struct segment_head head = { .magic = SEGMENT_MAGIC,
        .version = SEGMENT_VERSION,
        .first_seq = 1,
        .committed = UINT64_MAX };
    n = n < sizeof bytes - sizeof head ? n : sizeof bytes - sizeof head;
    memcpy(head.stream_uid, uid, sizeof uid);
    memcpy(bytes, &head, sizeof head);
    memcpy(bytes + sizeof head, data, n);
    if (right) {
        put_checksums_right(bytes + sizeof head, n);
    }
    int fd = openat(dir_fd, "00000000.seg", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert(fd >= 0);
    assert(write(fd, bytes, sizeof head + n) == (ssize_t)(sizeof head + n));
    assert(close(fd) == 0);
}

static void read_segment(void)
{
    static uint8_t message[WIRE_MESSAGE_MAX];
    struct segment *segment = NULL;
    enum segment_state state = SEGMENT_NONE;
    assert(segment_recover(dir_fd, 0, uid, &state, &segment) == TRAJ_OK);
    assert(state == SEGMENT_HAS_RECORDS); /* its head is good */
    struct spool spool = { .first = segment };
    struct cursor cursor = cursor_at_front(&spool, 1);
    const struct record_head *record = NULL;
    while ((record = cursor_peek(&cursor)) != NULL) {
        uint64_t values[WIRE_FIELDS_MAX];
        struct wire_record r;
        assert(record->seq >= cursor.next_seq); /* the seqs rise */
        cursor_unpack(record, values, &r);
        assert(wire_encode_data(message, sizeof message, uid, 0, r.seq, &r, 1) >
               0);
        cursor_advance(&cursor, record);
    }
    segment_close(segment);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 1) {
        return 0;
    }
    make_folder();
    write_segment(data + 1, n - 1, data[0] % 2 != 0);
    read_segment();
    return 0;
}
