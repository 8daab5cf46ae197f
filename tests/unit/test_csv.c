/* The CSV reader's bounds and places; what `traj fit` makes of files is in
 * tests/oracle. The CLI is in no library, so its source is included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../client/cli/csv.c"

static struct csv csv;
static FILE *in;

static void give(const char *text, size_t n)
{
    in = tmpfile();
    assert_non_null(in);
    assert_int_equal(fwrite(text, 1, n, in), n);
    rewind(in);
    csv_init(&csv, in, "f.csv");
}

static int finish(void **state)
{
    (void)state;
    csv_done(&csv);
    return in == NULL ? 0 : fclose(in);
}

static void assert_row(size_t line, size_t fields, const char *last)
{
    assert_int_equal(csv_next(&csv), CSV_ROW);
    assert_int_equal(csv.row_line, line);
    assert_int_equal(csv.fields, fields);
    assert_string_equal(csv_field(&csv, fields - 1), last);
}

static void assert_error(const char *text)
{
    assert_int_equal(csv_next(&csv), CSV_ERROR);
    assert_string_equal(csv.error, text);
}

static void test_rows_know_the_line_they_begin_on(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf"
                               "a,b\r\n\r\n1,\"x\ny\"\n\n\n2,\"\"\"\"\n3,";
    give(text, sizeof text - 1);
    assert_row(1, 2, "b");
    assert_row(3, 2, "x\ny");
    assert_row(7, 2, "\"");
    assert_row(8, 2, "");
    assert_int_equal(csv_next(&csv), CSV_END);
    assert_int_equal(csv_next(&csv), CSV_END);
}

static void test_a_mark_is_one_only_if_it_is_whole(void **state)
{
    (void)state;
    give("\xef\xbb,b", 4);
    assert_row(1, 2, "b");
    assert_string_equal(csv_field(&csv, 0), "\xef\xbb");
    assert_int_equal(csv_next(&csv), CSV_END);
}

static void test_a_lone_return_is_text(void **state)
{
    (void)state;
    give("a\rb,\"c\"\r\n", 9);
    assert_row(1, 2, "c");
    assert_string_equal(csv_field(&csv, 0), "a\rb");
}

static void test_a_quote_inside_a_plain_field_is_text(void **state)
{
    (void)state;
    give("5\" disk,b", 9);
    assert_row(1, 2, "b");
    assert_string_equal(csv_field(&csv, 0), "5\" disk");
}

static void test_a_row_beyond_its_bound_is_refused(void **state)
{
    (void)state;
    const size_t n = CSV_ROW_MAX + 10;
    char *text = malloc(n);
    assert_non_null(text);
    memset(text, 'a', n);
    memcpy(text, "x\n\"", 3);
    give(text, n);
    free(text);
    assert_row(1, 1, "x");
    assert_error("f.csv:2: a row of more than 16777216 bytes (is a quote not "
                 "closed?)");
}

/* Else "2<NUL>7" would read as 2. */
static void test_a_nul_byte_is_refused(void **state)
{
    (void)state;
    static const char plain[] = "x,y\n1,2\0007\n";
    static const char quoted[] = "x,y\n1,\"\0\"\n";
    give(plain, sizeof plain - 1);
    assert_row(1, 2, "y");
    assert_error("f.csv:2: a NUL byte: this is no text");
    csv_done(&csv);
    give(quoted, sizeof quoted - 1);
    assert_row(1, 2, "y");
    assert_error("f.csv:2: a NUL byte: this is no text");
}

static void test_fields_beyond_their_bound_are_refused(void **state)
{
    (void)state;
    static char commas[CSV_FIELDS_MAX];
    memset(commas, ',', sizeof commas);
    give(commas, sizeof commas - 1);
    assert_row(1, CSV_FIELDS_MAX, "");
    (void)finish(NULL);
    give(commas, sizeof commas);
    assert_error("f.csv:1: more than 65536 fields");
}

static void test_numbers_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum csv_number kind;
    } cases[] = { { "1.5", CSV_NUMBER }, { " -2e-3\t", CSV_NUMBER },
        { "", CSV_MISSING }, { "  ", CSV_MISSING }, { "na", CSV_MISSING },
        { "NULL", CSV_MISSING }, { "nan", CSV_NONFINITE },
        { "-inf", CSV_NONFINITE }, { "1e400", CSV_NONFINITE },
        { "1.5x", CSV_NO_NUMBER }, { "0x1p3", CSV_NO_NUMBER },
        { "1 2", CSV_NO_NUMBER }, { "1,5", CSV_NO_NUMBER } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double value = -7;
        assert_int_equal(csv_number(cases[i].text, &value), cases[i].kind);
        assert_true((value == -7) == (cases[i].kind != CSV_NUMBER));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_teardown(name, finish)
        TEST(test_rows_know_the_line_they_begin_on),
        TEST(test_a_mark_is_one_only_if_it_is_whole),
        TEST(test_a_lone_return_is_text),
        TEST(test_a_quote_inside_a_plain_field_is_text),
        TEST(test_a_row_beyond_its_bound_is_refused),
        TEST(test_a_nul_byte_is_refused),
        TEST(test_fields_beyond_their_bound_are_refused),
        cmocka_unit_test(test_numbers_are_read_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
