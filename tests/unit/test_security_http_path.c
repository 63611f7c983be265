/* Paths of URLs that are in their one form, and those that are not. How raw requests come to it: tests/e2e/http_paths.test.js. */
#include "vectors.h"

#include "security/http_path.h"

static const struct {
    const char *path;
    bool fits;
} rows[] = {
    {"/", true}, {"/web", true}, {"/web/", true}, {"/a/b/c", true}, {"/a/.../b", true}, {"/a/..b", true}, {"/a/b..", true}, {"/.a", true},
    {"/ex/%2e%2e/two", true}, /* decoded once: these are texts */
    {"/a b", true}, {"/a?b", true}, {"/a*b", true}, {"/caf\xc3\xa9", true}, {"/\xf0\x9f\x98\x80", true}, {"/a\\..\\b", true},
    {"", false}, {"web", false}, {"*", false}, {"//", false}, {"//web", false}, {"/a//b", false}, {"/a//", false}, {"/..", false}, {"/.", false},
    {"/../a", false}, {"/a/..", false}, {"/a/../b", false}, {"/a/./b", false}, {"/a/.", false}, {"/a\tb", false}, {"/a\r\nb", false}, {"/a\x7f", false},
    {"/\xc0\xaf", false},             /* overlong / */
    {"/\xc0\xae\xc0\xae/", false},    /* overlong .. */
    {"/\xe0\x80\xaf", false}, {"/\xed\xa0\x80", false}, {"/\xf4\x90\x80\x80", false}, {"/\xff", false}, {"/\xc3", false}, {"/\xc3/\xa9", false},
};

static void the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        happn_error error = {0};
        happn_status status = http_path_check(str_of(rows[i].path), &error);
        bool fits = rows[i].fits ? status == HAPPN_OK : status == HAPPN_E_PATH && error.message[0] != '\0';
        if (!fits) {
            fail_msg("%s: %d %s", rows[i].path, status, error.message);
        }
    }
    assert_int_equal(http_path_check(STR_LIT("/a\0b"), NULL), HAPPN_E_PATH);
    assert_int_equal(http_path_check(STR_NONE, NULL), HAPPN_E_PATH);
}

static void lengths(void **state)
{
    (void)state;
    char *text = malloc(HTTP_PATH_MOST + 1);
    memset(text, 'a', HTTP_PATH_MOST + 1);
    text[0] = '/';
    assert_int_equal(http_path_check(str_make(text, HTTP_PATH_MOST), NULL), HAPPN_OK);
    assert_int_equal(http_path_check(str_make(text, HTTP_PATH_MOST + 1), NULL), HAPPN_E_PATH);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_table), cmocka_unit_test(lengths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
