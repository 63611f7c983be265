/* One form for every path of a URL, and what is refused. */
#include "vectors.h"

#include "security/http_path.h"

static const struct {
    const char *target, *path; /* NULL: refused */
} rows[] = {
    {"/", "/"},
    {"/web", "/web"},
    {"/web/", "/web/"},
    {"/web?x=1", "/web"},
    {"/web#x", "/web"},
    {"/web?x=/../..", "/web"},
    {"/?", "/"},
    {"//web///a//", "/web/a/"},
    {"/./web/./a/.", "/web/a/"},
    {"/web/../web/a", "/web/a"},
    {"/ex/../two", "/two"},
    {"/ex/..", "/"},
    {"/ex/../", "/"},
    {"/a/b/../../c/", "/c/"},
    {"/a//../b", "/b"},
    {"/a/.../b", "/a/.../b"},
    {"/a/..b", "/a/..b"},
    {"/a/b..", "/a/b.."},
    {"/web/%61", "/web/a"},
    {"/%77%65%62", "/web"},
    {"/ex/%2e%2e/two", "/two"},
    {"/ex/%2E./two", "/two"},
    {"/ex%2f..%2Ftwo", "/two"},
    {"/ex/%252e%252e/two", "/ex/%2e%2e/two"}, /* decoded once */
    {"/a%20b", "/a b"},
    {"/a+b", "/a+b"},
    {"/a%3fb", "/a?b"},
    {"/a%23b", "/a#b"},
    {"/a*b", "/a*b"},
    {"/caf%C3%A9", "/caf\xc3\xa9"},
    {"/caf\xc3\xa9", "/caf\xc3\xa9"},
    {"/\xf0\x9f\x98\x80", "/\xf0\x9f\x98\x80"},
    {"/a\\..\\b", "/a\\..\\b"}, /* a backslash is a character */
    {"/..", NULL},
    {"/../", NULL},
    {"/../etc/passwd", NULL},
    {"/a/../../etc/passwd", NULL},
    {"/%2e%2e/etc/passwd", NULL},
    {"/%2e%2e%2fetc", NULL},
    {"/a/b/../../../a", NULL},
    {"/./..", NULL},
    {"//..", NULL},
    {"", NULL},
    {"web", NULL},
    {"*", NULL},
    {"?x", NULL},
    {"http://host/web", NULL},
    {"/%", NULL},
    {"/%4", NULL},
    {"/a%", NULL},
    {"/%zz", NULL},
    {"/%4g", NULL},
    {"/%u0041", NULL},
    {"/%-1", NULL},
    {"/% 1", NULL},
    {"/a%00b", NULL},
    {"/a%00", NULL},
    {"/a%0d%0aSet-Cookie:x", NULL},
    {"/a%09", NULL},
    {"/a\tb", NULL},
    {"/a%7f", NULL},
    {"/%c0%af", NULL},          /* overlong / */
    {"/%c0%ae%c0%ae/", NULL},   /* overlong .. */
    {"/%e0%80%af", NULL},
    {"/%f0%80%80%af", NULL},
    {"/%ed%a0%80", NULL},       /* a surrogate */
    {"/%f4%90%80%80", NULL},    /* above U+10FFFF */
    {"/%ff", NULL},
    {"/%c3", NULL},
    {"/%c3/%a9", NULL},
    {"/\xc0\xaf", NULL},
};

static void the_table(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str path = STR_NONE;
        happn_error error = {0};
        happn_status status = http_path_normalise(&arena, str_of(rows[i].target), &path, &error);
        bool fits = rows[i].path == NULL ? status == HAPPN_E_PATH && error.message[0] != '\0' : status == HAPPN_OK && str_is(path, rows[i].path);
        if (!fits) {
            fail_msg("%s: %d %.*s %s", rows[i].target, status, (int)path.len, path.ptr, error.message);
        }
    }
    arena_fini(&arena);
}

static void nul_is_seen(void **state)
{
    (void)state;
    struct arena arena;
    struct str path;
    arena_init(&arena, NULL);
    assert_int_equal(http_path_normalise(&arena, STR_LIT("/a\0b"), &path, NULL), HAPPN_E_PATH);
    assert_int_equal(http_path_normalise(&arena, STR_NONE, &path, NULL), HAPPN_E_PATH);
    arena_fini(&arena);
}

static void lengths(void **state)
{
    (void)state;
    struct arena arena;
    struct str path;
    char *text = malloc(3 * HTTP_PATH_MOST + 10);
    arena_init(&arena, NULL);
    memset(text, 'a', HTTP_PATH_MOST + 1);
    text[0] = '/';
    assert_int_equal(http_path_normalise(&arena, str_make(text, HTTP_PATH_MOST), &path, NULL), HAPPN_OK);
    assert_int_equal(path.len, HTTP_PATH_MOST);
    assert_int_equal(http_path_normalise(&arena, str_make(text, HTTP_PATH_MOST + 1), &path, NULL), HAPPN_E_PATH);
    size_t len = 1;
    for (int i = 1; i < HTTP_PATH_MOST; i++, len += 3) { /* the decoded length counts */
        memcpy(text + len, "%61", 3);
    }
    assert_int_equal(http_path_normalise(&arena, str_make(text, len), &path, NULL), HAPPN_OK);
    assert_int_equal(path.len, HTTP_PATH_MOST);
    free(text);
    arena_fini(&arena);
}

/* What is normal stays as it is. */
static void twice_is_once(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, NULL);
    uint64_t seed = vectors_seed();
    static const char *const pieces[] = {"/", "//", ".", "..", "a", "bc", "%2e", "%2f", "%41", "/./", "/../", "\xc3\xa9", "-"};
    for (int round = 0; round < 20000; round++) {
        char text[200] = "/";
        for (uint64_t i = vectors_draw(&seed) % 12; i != 0; i--) {
            strcat(text, pieces[vectors_draw(&seed) % (sizeof pieces / sizeof pieces[0])]);
        }
        struct str once, twice;
        if (http_path_normalise(&arena, str_of(text), &once, NULL) == HAPPN_OK) {
            assert_true(once.ptr[0] == '/' && !str_has(once, '%'));
            assert_null(strstr(once.ptr, "//"));
            assert_null(strstr(once.ptr, "/./"));
            assert_null(strstr(once.ptr, "/../"));
            assert_int_equal(http_path_normalise(&arena, once, &twice, NULL), HAPPN_OK);
            assert_true(str_equal(once, twice));
        }
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table),
        cmocka_unit_test(nul_is_seen),
        cmocka_unit_test(lengths),
        cmocka_unit_test(twice_is_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
