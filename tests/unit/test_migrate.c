/* Whose file it is, of which version, and how it is brought to this one. */
#include "../lib/store_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "store/db.h"
#include "store/migrate.h"

static int open_rig(void **state)
{
    static struct rig rig;
    rig_open(&rig, 0);
    *state = &rig;
    return 0;
}

static int close_rig(void **state)
{
    rig_close(*state);
    return 0;
}

static enum err_code try_open(const struct rig *rig, struct err *e)
{
    struct store *store = NULL;
    struct store_options options = { .path = rig->path };
    enum err_code code = store_open(&options, &store, e);
    store_close(store);
    return code;
}

/* The file alone, closed, after these statements. */
static void replace_database(struct rig *rig, const char *sql)
{
    store_close(rig->store);
    rig->store = NULL;
    (void)unlink(rig->path);
    rig_sql(rig, sql);
}

static void test_a_new_database_is_ours_strict_and_in_wal_mode(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(
        rig_number(rig, "PRAGMA application_id"), TRAJD_APPLICATION_ID);
    assert_int_equal(rig_number(rig, "PRAGMA user_version"), migrations_count);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM "
                                     "pragma_journal_mode "
                                     "WHERE journal_mode = 'wal'"),
        1);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM pragma_table_list "
                                     "WHERE type = 'table' AND NOT strict "
                                     "AND name NOT LIKE 'sqlite_%'"),
        0);
    assert_int_equal(rig_number(rig, "PRAGMA page_size"), 4096);
}

static void test_opening_again_changes_nothing(void **state)
{
    struct rig *rig = *state;
    int64_t version = rig_number(rig, "PRAGMA schema_version");
    rig_reopen(rig, 0);
    assert_int_equal(rig_number(rig, "PRAGMA schema_version"), version);
}

static void test_a_newer_database_is_refused_with_its_version(void **state)
{
    struct rig *rig = *state;
    struct err e = { 0 };
    rig_sql(rig, "PRAGMA user_version = 9");
    assert_int_equal(try_open(rig, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "version 9"));
    assert_non_null(strstr(e.text, rig->path));
    struct reader *reader = NULL;
    assert_int_equal(reader_open(rig->path, &reader, &e), ERR_INVALID);
}

static void test_another_applications_database_is_left_alone(void **state)
{
    struct rig *rig = *state;
    struct err e = { 0 };
    replace_database(rig, "CREATE TABLE notes (text TEXT)");
    assert_int_equal(try_open(rig, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "not a database of trajd"));
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM sqlite_schema"), 1);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM "
                                     "pragma_journal_mode "
                                     "WHERE journal_mode = 'delete'"),
        1);
}

static void test_a_file_that_is_no_database_is_refused(void **state)
{
    struct rig *rig = *state;
    struct err e = { 0 };
    store_close(rig->store);
    rig->store = NULL;
    FILE *file = fopen(rig->path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++) {
        (void)fputs("these are my notes\n", file);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(try_open(rig, &e), ERR_INVALID);
    assert_non_null(strstr(e.text, "not a SQLite database"));
}

static void test_a_folder_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct store *store = NULL;
    struct err e = { 0 };
    struct store_options options = { .path = "/nowhere/at/all.db" };
    assert_int_equal(store_open(&options, &store, &e), ERR_STORE);
    assert_null(store);
    assert_non_null(strstr(e.text, "/nowhere/at/all.db"));
}

static void test_a_migration_that_fails_leaves_the_version_before(void **state)
{
    struct rig *rig = *state;
    static const char good[] = "CREATE TABLE a (x INTEGER) STRICT;"
                               "PRAGMA user_version = 6;";
    static const char bad[] = "CREATE TABLE b (x INTEGER) STRICT;"
                              "INSERT INTO nothing VALUES (1);"
                              "PRAGMA user_version = 7;";
    const struct migration table[] = { migrations_table[0], migrations_table[1],
        migrations_table[2], migrations_table[3], migrations_table[4],
        { good, sizeof good - 1 }, { bad, sizeof bad - 1 } };
    struct err e = { 0 };
    sqlite3 *db = NULL;
    assert_int_equal(db_open(rig->path, DB_WRITE, &db, &e), ERR_NONE);
    assert_int_equal(migrate(db, table, 7, &e), ERR_STORE);
    assert_non_null(strstr(e.text, "version 7"));
    assert_int_equal(migrate(db, table, 6, &e), ERR_NONE);
    db_close(db);
    assert_int_equal(rig_number(rig, "PRAGMA user_version"), 6);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM sqlite_schema "
                                     "WHERE name IN ('a', 'b')"),
        1);
}

static void test_a_migration_must_set_its_version(void **state)
{
    struct rig *rig = *state;
    static const char silent[] = "CREATE TABLE a (x INTEGER) STRICT;";
    const struct migration table[] = { migrations_table[0], migrations_table[1],
        migrations_table[2], migrations_table[3], migrations_table[4],
        { silent, sizeof silent - 1 } };
    struct err e = { 0 };
    sqlite3 *db = NULL;
    assert_int_equal(db_open(rig->path, DB_WRITE, &db, &e), ERR_NONE);
    assert_int_equal(migrate(db, table, 6, &e), ERR_STORE);
    db_close(db);
    assert_int_equal(rig_number(rig, "PRAGMA user_version"), 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_new_database_is_ours_strict_and_in_wal_mode),
        TEST(test_opening_again_changes_nothing),
        TEST(test_a_newer_database_is_refused_with_its_version),
        TEST(test_another_applications_database_is_left_alone),
        TEST(test_a_file_that_is_no_database_is_refused),
        TEST(test_a_folder_that_is_not_there_is_an_error),
        TEST(test_a_migration_that_fails_leaves_the_version_before),
        TEST(test_a_migration_must_set_its_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
