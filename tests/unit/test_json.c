/* The scanner, the writer, merge and splice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "json/merge.h"
#include "json/splice.h"
#include "json/write.h"

static void valid_and_invalid(void **state)
{
    (void)state;
    static const char *const good[] = {"{}", "[]", " 1 ", "-0", "1.5e3", "\"\\u00e9\\n\"", "null", "true", "false",
                                       "[1,[2,{\"a\":[]}],\"x\"]", "{\"a\":1,\"b\":{\"c\":null}}", "9007199254740993"};
    static const char *const bad[] = {"", " ", "{", "}", "[1,]", "{\"a\":}", "{\"a\":1,}", "{a:1}", "01", "1.", "-", "+1",
                                      ".5", "1e", "\"\\x\"", "\"\\u12g4\"", "\"\n\"", "tru", "nul", "1 2", "[1}", "{\"a\" 1}",
                                      "{\"a\":1]", "[1 2]", "\"open", "[", "{\"a\":1", "NaN", "'a'"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (json_check(str_of(good[i]), NULL) != HAPPN_OK) {
            fail_msg("refused: %s", good[i]);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (json_check(str_of(bad[i]), NULL) != HAPPN_E_JSON) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
}

static void deep_and_huge(void **state)
{
    (void)state;
    char text[20001];
    memset(text, '[', 10000);
    memset(text + 10000, ']', 10000);
    assert_int_equal(json_check(str_make(text, 20000), NULL), HAPPN_E_DEPTH);
    assert_int_equal(json_check(str_make(text + 10000 - JSON_MAX_DEPTH, 2 * JSON_MAX_DEPTH), NULL), HAPPN_OK);
    assert_int_equal(json_check(STR_LIT("[1e400]"), NULL), HAPPN_E_NUMBER);
    assert_int_equal(json_check(STR_LIT("[1e-400,1e308]"), NULL), HAPPN_OK);
}

static void members_by_name(void **state)
{
    (void)state;
    struct json_member wanted[] = {{STR_LIT("path"), {0}}, {STR_LIT("data"), {0}}, {STR_LIT("none"), {0}}};
    struct str text = STR_LIT("{\"x\":{\"path\":1}, \"p\\u0061th\" : \"/a\" ,\"data\":{\"b\":[1, 2]},\"data\":7}");
    assert_int_equal(json_scan(text, wanted, 3, NULL), HAPPN_OK);
    assert_true(str_is(wanted[0].value, "\"/a\""));
    assert_true(str_is(wanted[1].value, "7"));
    assert_false(str_is_set(wanted[2].value));
    assert_true(str_is(json_get(text, "path"), "\"/a\""));
}

static void strings_there_and_back(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, NULL);
    struct str decoded = json_string(&arena, STR_LIT("\"\\ud83d\\ude00 \\ud800 \\\"\\n\""));
    assert_true(str_is(decoded, "\xf0\x9f\x98\x80 \xef\xbf\xbd \"\n"));
    struct buf out;
    buf_init(&out, NULL, 1000);
    json_add_string(&out, STR_LIT("a\"\\\x01\n\xe2\x80\xa8" "b"));
    assert_true(str_is(buf_str(&out), "\"a\\\"\\\\\\u0001\\n\\u2028b\""));
    buf_fini(&out);
    arena_fini(&arena);
}

static void expect_merge(const char *base, const char *patch, const char *wanted)
{
    struct buf out;
    buf_init(&out, NULL, 1u << 20);
    json_merge(&out, str_of(base), str_of(patch));
    assert_int_equal(out.status, HAPPN_OK);
    if (!str_is(buf_str(&out), wanted)) {
        fail_msg("%s + %s: %.*s", base, patch, (int)out.len, out.ptr);
    }
    buf_fini(&out);
}

static void merges_are_shallow(void **state)
{
    (void)state;
    expect_merge("{}", "{}", "{}");
    expect_merge("{\"a\":1,\"b\":2}", "{\"c\":1.50,\"a\":null}", "{\"a\":null,\"b\":2,\"c\":1.50}");
    expect_merge("{\"n\":{\"x\":1}}", "{\"n\":{\"z\":3}}", "{\"n\":{\"z\":3}}");
    expect_merge("{\"a\":1}", "{\"\\u0061\":2}", "{\"a\":2}");
    expect_merge("{\"\\u0061\":1}", "{\"a\":2}", "{\"\\u0061\":2}");
}

static void splices_one_member(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, NULL, 1000);
    json_splice(&out, STR_LIT("{\"a\":1.0,\"b\":2}"), STR_LIT("b"), STR_LIT("[3]"));
    assert_true(str_is(buf_str(&out), "{\"a\":1.0,\"b\":[3]}"));
    buf_clear(&out);
    json_splice(&out, STR_LIT("{\"a\":1,\"b\":2}"), STR_LIT("a"), STR_NONE);
    assert_true(str_is(buf_str(&out), "{\"b\":2}"));
    buf_clear(&out);
    json_splice(&out, STR_LIT("{}"), STR_LIT("x\"y"), STR_LIT("true"));
    assert_true(str_is(buf_str(&out), "{\"x\\\"y\":true}"));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_and_invalid),      cmocka_unit_test(deep_and_huge),
        cmocka_unit_test(members_by_name),        cmocka_unit_test(strings_there_and_back),
        cmocka_unit_test(merges_are_shallow),     cmocka_unit_test(splices_one_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
