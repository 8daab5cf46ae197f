/* group_name.c: pure; any thread. */
#include "wire/group_name.h"

#include "wire.h"

bool wire_is_group_name(const char *p, size_t n)
{
    if (n < 1 || n > WIRE_GROUP_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)p[i];
        /* C1 in UTF-8: 0xc2 0x80 .. 0xc2 0x9f. */
        const bool c1 =
            c == 0xc2 && i + 1 < n && (unsigned char)p[i + 1] < 0xa0;
        if (c < 0x20 || c == 0x7f || c == '"' || c == '\\' || c1) {
            return false;
        }
    }
    return true;
}
