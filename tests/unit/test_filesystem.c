/* filesystem: kinds by the numbers of statfs(2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/filesystem.h"

static void test_network_file_systems_are_told_from_local_ones(void **state)
{
    (void)state;
    assert_string_equal(filesystem_network_name(0x6969), "NFS");
    assert_string_equal(filesystem_network_name(0xff534d42), "CIFS");
    assert_string_equal(
        filesystem_network_name((unsigned long)(long)(int)0xff534d42), "CIFS");
    assert_string_equal(filesystem_network_name(0xfe534d42), "SMB");
    assert_string_equal(filesystem_network_name(0x01021997), "9P");
    assert_non_null(filesystem_network_name(0x65735546));
    assert_null(filesystem_network_name(0xef53));     /* ext4 */
    assert_null(filesystem_network_name(0x01021994)); /* tmpfs */
    assert_null(filesystem_network_name(0x58465342)); /* XFS */
    assert_null(filesystem_network_name(0x9123683e)); /* Btrfs */
}

static void test_a_file_is_where_its_folder_is(void **state)
{
    (void)state;
    assert_null(filesystem_network_of("/proc/none"));
    assert_null(filesystem_network_of("none"));
    assert_null(filesystem_network_of("/none"));
    assert_null(filesystem_network_of("/no/such/folder/none"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network_file_systems_are_told_from_local_ones),
        cmocka_unit_test(test_a_file_is_where_its_folder_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
