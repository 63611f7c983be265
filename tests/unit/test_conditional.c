#include "net/conditional.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct file_facts facts = {.tag = "\"a-b\"", .modified = 784111777, .size = 100};

static void dates_are_written_and_read(void **state)
{
    static const int64_t moments[] = {0, 784111777, 951782399, 951782400, 4102444799};
    char text[HTTP_DATE_SIZE];
    int64_t read;
    (void)state;
    http_date_write(784111777, text);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
        http_date_write(moments[i], text);
        assert_true(http_date_read(str_of(text), &read));
        assert_int_equal(read, moments[i]);
    }
}

static void other_texts_are_no_dates(void **state)
{
    static const char *const others[] = {"", "now", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Noo 1994 08:49:37 GMT",
                                         "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GM"};
    int64_t read;
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(http_date_read(str_of(others[i]), &read));
    }
}

static int ask(struct conditions conditions, struct file_range *out)
{
    return conditional_status(&conditions, &facts, out);
}

static void what_a_browser_has_is_not_sent_again(void **state)
{
    struct file_range range;
    (void)state;
    assert_int_equal(ask((struct conditions){.none_match = STR_LIT("\"a-b\"")}, &range), 304);
    assert_int_equal(ask((struct conditions){.none_match = STR_LIT("\"x\" , W/\"a-b\"")}, &range), 304);
    assert_int_equal(ask((struct conditions){.none_match = STR_LIT("*")}, &range), 304);
    assert_int_equal(ask((struct conditions){.none_match = STR_LIT("\"a\", \"b\"")}, &range), 200);
    assert_int_equal(ask((struct conditions){.none_match = STR_LIT("a-b")}, &range), 200);
    assert_int_equal(ask((struct conditions){.modified_since = STR_LIT("Sun, 06 Nov 1994 08:49:37 GMT")}, &range), 304);
    assert_int_equal(ask((struct conditions){.modified_since = STR_LIT("Sun, 06 Nov 1994 08:49:36 GMT")}, &range), 200);
    assert_int_equal(ask((struct conditions){.modified_since = STR_LIT("yesterday")}, &range), 200);
    /* The tag knows better. */
    assert_int_equal(ask((struct conditions){.none_match = STR_LIT("\"x\""), .modified_since = STR_LIT("Sun, 06 Nov 1994 08:49:37 GMT")}, &range), 200);
}

static void ranges_are_read(void **state)
{
    static const struct {
        const char *text;
        int status;
        uint64_t from, to;
    } rows[] = {
        {"bytes=0-9", 206, 0, 10},      {"bytes=90-", 206, 90, 100},  {"bytes=-10", 206, 90, 100},  {"bytes=-1000", 206, 0, 100},
        {"bytes=99-1000", 206, 99, 100}, {"Bytes= 5-5 ", 206, 5, 6},  {"bytes=0-99999999999999999999999", 206, 0, 100},
        {"bytes=100-", 416, 0, 100},    {"bytes=-0", 416, 0, 100},    {"bytes=99999999999999999999999-", 416, 0, 100},
        {"bytes=9-5", 200, 0, 100},     {"bytes=-", 200, 0, 100},     {"bytes=a-b", 200, 0, 100},   {"bytes=1-2x", 200, 0, 100},
        {"bytes=0-1,5-6", 200, 0, 100}, {"lines=0-1", 200, 0, 100},   {"bytes=", 200, 0, 100},      {"bytes=1", 200, 0, 100},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct file_range range;
        assert_int_equal(ask((struct conditions){.range = str_of(rows[i].text)}, &range), rows[i].status);
        assert_int_equal(range.from, rows[i].from);
        assert_int_equal(range.to, rows[i].to);
    }
}

static void a_part_is_of_the_same_file(void **state)
{
    struct file_range range;
    const struct str part = STR_LIT("bytes=0-9");
    (void)state;
    assert_int_equal(ask((struct conditions){.range = part, .if_range = STR_LIT("\"a-b\"")}, &range), 206);
    assert_int_equal(ask((struct conditions){.range = part, .if_range = STR_LIT("Sun, 06 Nov 1994 08:49:37 GMT")}, &range), 206);
    assert_int_equal(ask((struct conditions){.range = part, .if_range = STR_LIT("\"old\"")}, &range), 200);
    assert_int_equal(ask((struct conditions){.range = part, .if_range = STR_LIT("W/\"a-b\"")}, &range), 200);
    assert_int_equal(ask((struct conditions){.range = part, .if_range = STR_LIT("Sun, 06 Nov 1994 08:49:38 GMT")}, &range), 200);
    assert_int_equal(range.to, 100);
    const struct conditions any = {.range = part};
    assert_int_equal(conditional_status(&any, &(struct file_facts){.tag = "\"e\""}, &range), 416);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_written_and_read), cmocka_unit_test(other_texts_are_no_dates), cmocka_unit_test(what_a_browser_has_is_not_sent_again),
        cmocka_unit_test(ranges_are_read),            cmocka_unit_test(a_part_is_of_the_same_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
