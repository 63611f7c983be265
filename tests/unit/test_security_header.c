/* Cookies and bearer tokens. */
#include "vectors.h"

#include "security/header.h"

static void cookies_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *header, *name, *value; /* NULL: none */
    } rows[] = {
        {"happn_token=abc", "happn_token", "abc"},
        {"a=1; happn_token=abc; b=2", "happn_token", "abc"},
        {"a=1;happn_token=abc", "happn_token", "abc"},
        {" happn_token = abc ", "happn_token", "abc"},
        {"happn_token=\"abc\"", "happn_token", "abc"},
        {"happn_token=\"", "happn_token", "\""},
        {"happn_token=a=b==", "happn_token", "a=b=="},
        {"happn_token=", "happn_token", ""},
        {"happn_token=1; happn_token=2", "happn_token", "1"}, /* the first, as the original */
        {"happn_token", "happn_token", NULL},
        {"happn_token; x=1", "happn_token", NULL},
        {"HAPPN_TOKEN=abc", "happn_token", NULL},
        {"xhappn_token=abc", "happn_token", NULL},
        {"happn_tokenx=abc", "happn_token", NULL},
        {"x=happn_token=abc", "happn_token", NULL},
        {"=abc", "happn_token", NULL},
        {"=abc", "", NULL},
        {"", "happn_token", NULL},
        {";;;;=;=;", "happn_token", NULL},
        {"x=\"; happn_token=abc\"", "happn_token", "abc\""}, /* quotes hold nothing together: RFC 6265 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str value = cookie_read(str_of(rows[i].header), str_of(rows[i].name));
        bool fits = rows[i].value == NULL ? !str_is_set(value) : str_is_set(value) && str_is(value, rows[i].value);
        if (!fits) {
            fail_msg("%s: %.*s", rows[i].header, (int)value.len, value.ptr);
        }
    }
    assert_false(str_is_set(cookie_read(STR_NONE, STR_LIT("a"))));
}

static void bearers_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *header, *token;
    } rows[] = {
        {"Bearer abc", "abc"},     {"bearer abc", "abc"},   {"BEARER \t abc  ", "abc"}, {"  Bearer abc", "abc"}, {"Bearer abc.d-e_f", "abc.d-e_f"},
        {"Basic dXNlcjpwdw==", NULL}, {"Bearer", NULL},     {"Bearer ", NULL},          {"Bearerabc", NULL},     {"Bearer a b", NULL},
        {"Bearer a, Basic b", NULL}, {"", NULL},            {"abc", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str token = bearer_read(str_of(rows[i].header));
        bool fits = rows[i].token == NULL ? !str_is_set(token) : str_is(token, rows[i].token);
        if (!fits) {
            fail_msg("%s: %.*s", rows[i].header, (int)token.len, token.ptr);
        }
    }
    assert_false(str_is_set(bearer_read(STR_NONE)));
}

static void expect(const struct cookie *cookie, const char *text)
{
    struct buf out;
    buf_init(&out, NULL, 4096);
    bool added = cookie_add(&out, cookie);
    assert_int_equal(added, text != NULL);
    if (text != NULL) {
        buf_add_char(&out, '\0');
        assert_string_equal(out.ptr, text);
        struct str value = cookie_read(str_of(text), cookie->name);
        assert_true(str_equal(value, cookie->value)); /* what we write we read */
    } else {
        assert_int_equal(out.len, 0);
    }
    buf_fini(&out);
}

static void cookies_are_written(void **state)
{
    (void)state;
    struct cookie cookie = {.name = STR_LIT("happn_token"), .value = STR_LIT("a.b-c_d")};
    expect(&cookie, "happn_token=a.b-c_d; Path=/; HttpOnly; SameSite=Lax");
    cookie.is_secure = true;
    cookie.max_age_ms = 1500;
    cookie.domain = STR_LIT("example.org");
    cookie.path = STR_LIT("/app");
    cookie.same_site = SAME_SITE_STRICT;
    expect(&cookie, "happn_token=a.b-c_d; Path=/app; Domain=example.org; Max-Age=2; HttpOnly; Secure; SameSite=Strict");
    cookie = (struct cookie){.name = STR_LIT("t"), .value = STR_LIT("x"), .for_scripts = true, .same_site = SAME_SITE_NONE};
    expect(&cookie, "t=x; Path=/; Secure; SameSite=None");
    cookie = (struct cookie){.name = STR_LIT("t"), .value = STR_LIT(""), .max_age_ms = -1};
    expect(&cookie, "t=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
}

/* Nothing that comes from outside can begin a header or an attribute of its own. */
static void nothing_is_injected(void **state)
{
    (void)state;
    static const char *const wrong[] = {"a;b", "a\r\nSet-Cookie: x=y", "a\nb", "a b", "a\tb", "a\x7f", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct str text = str_of(wrong[i]);
        expect(&(struct cookie){.name = text, .value = STR_LIT("x")}, NULL);
        expect(&(struct cookie){.name = STR_LIT("t"), .value = text}, NULL);
        expect(&(struct cookie){.name = STR_LIT("t"), .value = STR_LIT("x"), .domain = text}, NULL);
        expect(&(struct cookie){.name = STR_LIT("t"), .value = STR_LIT("x"), .path = text}, NULL);
    }
    expect(&(struct cookie){.name = STR_LIT(""), .value = STR_LIT("x")}, NULL);
    expect(&(struct cookie){.name = STR_LIT("a=b"), .value = STR_LIT("x")}, NULL);
    expect(&(struct cookie){.name = STR_LIT("t"), .value = STR_LIT("a\"b")}, NULL);
    expect(&(struct cookie){.name = STR_LIT("t"), .value = STR_LIT("a\0b")}, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cookies_are_read),
        cmocka_unit_test(bearers_are_read),
        cmocka_unit_test(cookies_are_written),
        cmocka_unit_test(nothing_is_injected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
