/* crc32c against the vectors of RFC 3720, B.4, and against its own table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/crc32c.h"

static void assert_both(uint32_t expected, const void *bytes, size_t n)
{
    assert_int_equal(crc32c(bytes, n), expected);
    assert_int_equal(crc32c_portable(bytes, n), expected);
}

static void test_the_check_value_is_that_of_castagnoli(void **state)
{
    (void)state;
    assert_both(0xe3069283u, "123456789", 9);
    assert_both(0, "", 0);
}

static void test_rfc_3720_vectors_hold(void **state)
{
    (void)state;
    uint8_t zeros[32] = { 0 };
    uint8_t ones[32];
    uint8_t rising[32];
    memset(ones, 0xff, sizeof ones);
    for (size_t i = 0; i < sizeof rising; i++) {
        rising[i] = (uint8_t)i;
    }
    assert_both(0x8a9136aau, zeros, sizeof zeros);
    assert_both(0x62a8ab43u, ones, sizeof ones);
    assert_both(0x46dd794eu, rising, sizeof rising);
}

static void test_instruction_and_table_agree_at_every_length_and_offset(
    void **state)
{
    (void)state;
    uint8_t bytes[96];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 167 + 13);
    }
    for (size_t from = 0; from < 8; from++) {
        for (size_t n = 0; from + n <= sizeof bytes; n++) {
            assert_both(crc32c_portable(bytes + from, n), bytes + from, n);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_check_value_is_that_of_castagnoli),
        cmocka_unit_test(test_rfc_3720_vectors_hold),
        cmocka_unit_test(
            test_instruction_and_table_agree_at_every_length_and_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
