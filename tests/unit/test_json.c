/* The scanner, the writer, merge and splice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "json/merge.h"
#include "json/skip.h"
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

/* Of "data"; as many as are expected, and the names of all. */
static void expect_parts(const char *text, bool is_there, const char *names)
{
    struct json_member wanted[] = {{STR_LIT("path"), {0}}, {STR_LIT("data"), {0}}};
    struct json_parts parts;
    char got[200] = "";
    assert_int_equal(json_scan_parts(str_of(text), wanted, 2, 1, &parts), HAPPN_OK);
    assert_int_equal(str_is_set(parts.object), is_there);
    for (size_t i = 0; is_there && i < parts.count; i++) {
        struct json_part part = parts.items[i];
        snprintf(got + strlen(got), sizeof got - strlen(got), "%.*s=%.*s;", (int)part.key.len, part.key.ptr, (int)part.value.len, part.value.ptr);
    }
    assert_string_equal(got, names);
}

static void members_of_a_member(void **state)
{
    (void)state;
    expect_parts("{\"path\":{\"no\":1},\"data\":{ \"a\" : [1, {\"x\":2}] ,\"b\\u0063\":{\"a\":{}}, \"a\":\"}\"} ,\"e\":{\"f\":1}}", true,
                 "a=[1, {\"x\":2}];b\\u0063={\"a\":{}};a=\"}\";");
    expect_parts("{\"data\":{}}", true, "");
    expect_parts("{\"data\":{\"a\":1},\"data\":{\"b\":2}}", true, "b=2;");
    expect_parts("{\"data\":{\"a\":1},\"data\":7}", false, "");
    expect_parts("{\"data\":[{\"a\":1}]}", false, "");
    expect_parts("{\"x\":{\"data\":{\"a\":1}}}", false, "");
    expect_parts("{\"data\":{\"1\":1,\"2\":2,\"3\":3,\"4\":4,\"5\":5,\"6\":6,\"7\":7,\"8\":8}}", true, "1=1;2=2;3=3;4=4;5=5;6=6;7=7;8=8;");
    expect_parts("{\"data\":{\"1\":1,\"2\":2,\"3\":3,\"4\":4,\"5\":5,\"6\":6,\"7\":7,\"8\":8,\"9\":9}}", false, "");
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

/* Makes JSON text that is full of brackets and quotes where they mean nothing; the numbers come from a small generator. */
static uint32_t state_of_random = 4711;

static uint32_t draw(uint32_t below)
{
    state_of_random = state_of_random * 1664525u + 1013904223u;
    return (state_of_random >> 8) % below;
}

static void add_random_string(struct buf *out)
{
    static const char *const parts[] = {"a", "[", "]", "{", "}", ",", ":", " ", "\\\"", "\\\\", "\\n", "\\u005b", "é", "0123456789", "\\\\\\\""};
    buf_add_char(out, '"');
    for (uint32_t i = draw(6) == 0 ? draw(60) : draw(6); i != 0; i--) {
        buf_add_text(out, parts[draw(sizeof parts / sizeof parts[0])]);
    }
    buf_add_char(out, '"');
}

static void add_random_value(struct buf *out, int depth)
{
    uint32_t kind = draw(depth < 6 ? 6 : 3);
    bool is_object = kind == 4;
    if (kind < 2) {
        add_random_string(out);
    } else if (kind < 4) {
        buf_add_text(out, kind == 2 ? "-1.5e3" : "null");
    } else {
        buf_add_char(out, is_object ? '{' : '[');
        for (uint32_t i = 0, count = draw(6); i < count; i++) {
            buf_add_text(out, i != 0 ? "," : "");
            if (is_object) {
                add_random_string(out);
                buf_add_text(out, draw(2) == 0 ? ":" : " : ");
            }
            add_random_value(out, depth + 1);
        }
        buf_add_char(out, is_object ? '}' : ']');
    }
}

/* Where the value at p ends, one byte after the other. */
static const char *plain_end(const char *p)
{
    int depth = 0;
    do {
        if (*p == '"') {
            for (p++; *p != '"'; p++) {
                p += *p == '\\';
            }
        }
        depth += *p == '{' || *p == '[' ? 1 : *p == '}' || *p == ']' ? -1 : 0;
        p++;
    } while (depth != 0);
    return p;
}

/* The fast way over a value ends where the slow one does: at every place in a block, and also when nothing follows. */
static void skipping_ends_where_the_value_does(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, NULL, 1 << 20);
    size_t longest = 0;
    for (int round = 0; round < 20000; round++) {
        buf_clear(&text);
        for (uint32_t i = draw(64); i != 0; i--) {
            buf_add_char(&text, ' ');
        }
        size_t start = text.len;
        bool is_string = draw(4) == 0;
        if (is_string) {
            add_random_string(&text);
        } else {
            buf_add_char(&text, '[');
            add_random_value(&text, draw(4));
            buf_add_text(&text, ",{},");
            add_random_value(&text, 0);
            buf_add_char(&text, ']');
        }
        size_t end = text.len;
        longest = end - start > longest ? end - start : longest;
        for (uint32_t i = draw(3) * draw(70); i != 0; i--) {
            buf_add_char(&text, "],\"{}"[draw(5)]);
        }
        const char *from = text.ptr + start, *limit = text.ptr + text.len;
        assert_int_equal(json_check(str_make(from, end - start), NULL), HAPPN_OK);
        assert_ptr_equal(plain_end(from), text.ptr + end);
        assert_ptr_equal(is_string ? json_skip_string(from, limit) : json_skip_container(from, limit), text.ptr + end);
    }
    assert_true(longest > 1000);
    buf_fini(&text);
}

/* Text that was cut off is not JSON, and yet nothing is read behind it. */
static void skipping_never_leaves_the_text(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, NULL, 1 << 20);
    for (int round = 0; round < 3000; round++) {
        buf_clear(&text);
        buf_add_char(&text, '[');
        add_random_value(&text, 0);
        add_random_string(&text);
        size_t len = 1 + draw((uint32_t)text.len);
        char *copy = malloc(len); /* the sanitizer sees its end */
        memcpy(copy, text.ptr, len);
        assert_true(json_skip_container(copy, copy + len) <= copy + len);
        copy[0] = '"';
        assert_true(json_skip_string(copy, copy + len) <= copy + len);
        free(copy);
    }
    buf_fini(&text);
}

static void reads_as_the_library(const char *text)
{
    double got = json_number(str_of(text), 0), wanted = strtod(text, NULL);
    if (memcmp(&got, &wanted, sizeof got) != 0) {
        fail_msg("%s: %.17g, wanted %.17g", text, got, wanted);
    }
}

/* To the last bit, whatever the way. */
static void numbers_are_read_exactly(void **state)
{
    (void)state;
    static const char *const texts[] = {"0", "-0", "-0.0", "1", "0.1", "-0.3", "123456789012345", "-999999999999999", "1234567890123456", "9007199254740993",
                                        "0.000000000000001", "1.00000000000000", "0.1000000000000000055", "2.675", "1e5", "-1.5E-7", "1e308", "4.9e-324"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        reads_as_the_library(texts[i]);
    }
    srand(7);
    for (int i = 0; i < 100000; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s%d%s%.*d", rand() % 2 ? "-" : "", rand() % 1000000, rand() % 3 ? "." : "", 1 + rand() % 9, rand() % 100000);
        reads_as_the_library(text);
    }
}

/* What stands in a file may be anything. Reading it ends, within the text; what comes out is of no use, and nobody says it were. */
static void read_all(struct str text, int depth)
{
    struct arena arena;
    arena_init(&arena, NULL);
    size_t steps = 0;
    for (struct json_iter it = json_iter(text); json_next(&it); steps++) {
        assert_true(steps <= text.len);
        (void)json_text_is(it.key, STR_LIT("name"));
        (void)json_string(&arena, it.value);
        (void)json_number(it.value, 0);
        if (depth < 4) {
            read_all(it.value, depth + 1);
        }
    }
    arena_fini(&arena);
}

static void unchecked_text_is_read_to_its_end(void **state)
{
    (void)state;
    static const char *const some[] = {"[1}2]", "{]", "{\"a\":1]2}", "[[}]]", "{\"\\\"}", "[\"\\u00\"]", "[\"\\ud800\\u\"]", "{\"a\\u12\"}", "\"\\", "[\"\\u\"", "{:}",
                                       "{,}", "[,,]", "{\"a\"}", "{\"a\":}", "}{", "]["};
    static const char bytes[] = "{}[]\",:\\ud8 1e-";
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        char *exact = malloc(strlen(some[i])); /* the sanitizer sees who reads beyond it */
        memcpy(exact, some[i], strlen(some[i]));
        read_all(str_make(exact, strlen(some[i])), 0);
        free(exact);
    }
    for (int i = 0; i < 200000; i++) {
        size_t len = draw(24);
        char *exact = malloc(len + (len == 0));
        for (size_t at = 0; at < len; at++) {
            exact[at] = bytes[draw(sizeof bytes - 1)];
        }
        read_all(str_make(exact, len), 0);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_and_invalid),      cmocka_unit_test(deep_and_huge),
        cmocka_unit_test(numbers_are_read_exactly), cmocka_unit_test(members_by_name),
        cmocka_unit_test(members_of_a_member),        cmocka_unit_test(strings_there_and_back),
        cmocka_unit_test(merges_are_shallow),     cmocka_unit_test(splices_one_member),
        cmocka_unit_test(skipping_ends_where_the_value_does), cmocka_unit_test(skipping_never_leaves_the_text),
        cmocka_unit_test(unchecked_text_is_read_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
