#include "net/chunked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The body of a text that comes in pieces of `size` bytes, and how many bytes lie behind it; how it ended. */
static enum chunked_found read_by(size_t size, struct str text, char *body, size_t *behind)
{
    struct chunked chunked = {0};
    enum chunked_found found = CHUNKED_MORE;
    size_t len = 0;
    *behind = 0;
    while (text.len != 0 && (found == CHUNKED_MORE || found == CHUNKED_PART)) {
        struct str in = str_make(text.ptr, text.len < size ? text.len : size), part;
        text = str_skip(text, size);
        while ((found = chunked_take(&chunked, &in, &part)) == CHUNKED_PART) {
            memcpy(body + len, part.ptr, part.len);
            len += part.len;
        }
        *behind = in.len + text.len;
    }
    body[len] = '\0';
    return found;
}

static void expect(const char *text, enum chunked_found wanted, const char *body, size_t behind)
{
    for (size_t size = 1; size <= strlen(text); size++) {
        char got[256];
        size_t left;
        assert_int_equal(read_by(size, str_of(text), got, &left), wanted);
        if (wanted != CHUNKED_BROKEN) {
            assert_string_equal(got, body);
            assert_int_equal(left, behind);
        }
    }
}

static void bodies_are_read_however_they_are_cut(void **state)
{
    (void)state;
    expect("0\r\n\r\n", CHUNKED_END, "", 0);
    expect("5\r\nhello\r\n0\r\n\r\n", CHUNKED_END, "hello", 0);
    expect("3\r\nab\n\r\n00B\r\n 0\r\n\r\nhello\r\n0\r\n\r\n", CHUNKED_END, "ab\n 0\r\n\r\nhello", 0);
    expect("0a;name=\"v\"\r\n0123456789\r\n000;x\r\nTrailer: one\r\nX: two\r\n\r\n", CHUNKED_END, "0123456789", 0);
    expect("1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n", CHUNKED_END, "a", 16);
    expect("5\r\nhello\r\n", CHUNKED_MORE, "hello", 0);
    expect("5\r\nhell", CHUNKED_MORE, "hell", 0);
    expect("0\r\nTrailer: one\r\n", CHUNKED_MORE, "", 0);
}

static void what_others_might_read_differently_is_refused(void **state)
{
    static const char *const broken[] = {"\r\n", "g\r\n", "-1\r\n", "+1\r\n", "0x1\r\n", " 1\r\n", "1 \r\n", "1\n", "1\r\r", ";a\r\n", "000000001\r\n", "fffffffff\r\n",
                                         "1\r\nab", "1\r\na\n", "1\r\na\r0", "0\r\n\n", "0\r\n\ra", "0\r\nX: y\n", "0\r\nX: y\ra", "1;a\nb\r\n", "1;\x01\r\n", "0\r\nX\x7f\r\n"};
    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        expect(broken[i], CHUNKED_BROKEN, "", 0);
    }
}

static void what_is_ignored_has_an_end(void **state)
{
    static char text[10000];
    char body[16];
    size_t behind;
    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text, "1;", 2);
    assert_int_equal(read_by(1000, str_make(text, sizeof text), body, &behind), CHUNKED_BROKEN);
    memcpy(text, "0\r\n", 3);
    assert_int_equal(read_by(1000, str_make(text, sizeof text), body, &behind), CHUNKED_BROKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_read_however_they_are_cut),
        cmocka_unit_test(what_others_might_read_differently_is_refused),
        cmocka_unit_test(what_is_ignored_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
