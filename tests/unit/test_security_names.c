/* What users and groups may be called, in the original's words where it has some, and when two names are one. */
#include "vectors.h"

#include "security/names.h"

static const struct {
    const char *name, *user, *group; /* what is said of it; NULL: it is fine */
} rows[] = {
    {"bob", NULL, NULL},
    {"a b", NULL, NULL},
    {"\xc3\xa9", NULL, NULL},
    {"bob@example.org", NULL, NULL},
    {"", "validation failure: no username specified", "validation error: a group needs a name"},
    {"_ANONYMOUS", "validation failure: username cannot be reserved name _ANONYMOUS", "validation error: group names cannot contain"},
    {"bob:nogroups", "validation failure: username cannot contain the ':nogroups' directive", NULL},
    {"a/b", "a user name cannot contain a forward slash /", "validation error: group names cannot contain"},
    {"mal/_USER_GROUP/_ADMIN", "forward slash", "validation error: group names cannot contain"},
    {"*", "cannot contain *", "cannot contain *"},
    {"b*b", "cannot contain *", "cannot contain *"},
    {"{{user.username}}", "cannot contain *, {", "cannot contain *, {"},
    {"{{w}}", "cannot contain *, {", "cannot contain *, {"},
    {"a\nb", "control characters", "control characters"},
    {"a\x7f", "control characters", "control characters"},
    {"_SYSTEMx", NULL, "validation error: group names cannot contain"},
    {"my_GROUP", NULL, "validation error: group names cannot contain"},
    {"x_PERMISSION", NULL, "validation error: group names cannot contain"},
    {"_USER_GROUPx", NULL, "validation error: group names cannot contain"},
    {"_USER", NULL, "group names cannot be"}, /* its permissions, or those of a group below it, would be a user's or nobody's */
    {"_LOOKUP", NULL, "group names cannot be"},
    {"my_USER", NULL, NULL},
    {"_ADMIN", NULL, "validation error: group names cannot contain"}, /* as a user: the administrator is changed like others */
};

static void expect(const char *kind, const char *name, happn_status status, const happn_error *error, const char *says)
{
    bool fits = says == NULL ? status == HAPPN_OK : status == HAPPN_E_ARGUMENT && strstr(error->message, says) != NULL;
    if (!fits) {
        fail_msg("%s %s: %d %s", kind, name, status, error->message);
    }
}

static void the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        happn_error error = {0};
        expect("user", rows[i].name, name_check_user(str_of(rows[i].name), &error), &error, rows[i].user);
        error = (happn_error){0};
        expect("group", rows[i].name, name_check_group(str_of(rows[i].name), &error), &error, rows[i].group);
        assert_int_equal(name_check_user(str_of(rows[i].name), NULL) == HAPPN_OK, rows[i].user == NULL);
        assert_int_equal(name_check_group(str_of(rows[i].name), NULL) == HAPPN_OK, rows[i].group == NULL);
    }
}

static void the_originals_text(void **state)
{
    (void)state;
    happn_error error = {0};
    name_check_group(STR_LIT("bad/name"), &error);
    assert_string_equal(error.message, "validation error: group names cannot contain the special _SYSTEM, _GROUP, _PERMISSION, _USER_GROUP, _ADMIN, "
                                       "_ANONYMOUS segment or a forward slash /");
    assert_string_equal(error.name, "ValidationError");
    assert_int_equal(error.code, 500);
}

static void odd_names(void **state)
{
    (void)state;
    char *longest = malloc(NAME_MOST + 1);
    memset(longest, 'x', NAME_MOST + 1);
    assert_int_equal(name_check_user(str_make(longest, NAME_MOST), NULL), HAPPN_OK);
    assert_int_equal(name_check_user(str_make(longest, NAME_MOST + 1), NULL), HAPPN_E_ARGUMENT);
    assert_int_equal(name_check_group(str_make(longest, NAME_MOST), NULL), HAPPN_OK);
    assert_int_equal(name_check_group(str_make(longest, NAME_MOST + 1), NULL), HAPPN_E_ARGUMENT);
    assert_int_equal(name_check_user(STR_LIT("a\0b"), NULL), HAPPN_E_ARGUMENT);
    assert_int_equal(name_check_user(STR_NONE, NULL), HAPPN_E_ARGUMENT);
    free(longest);
}

static void folding(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"MixedCase", "mixedcase"}, {"bob", "bob"}, {"\xc3\x89VE", "\xc3\xa9ve"}, {"\xce\x91\xce\xa9", "\xce\xb1\xcf\x89"}, {"a B", "a b"},
        {"\xf0\x90\x90\x80", "\xf0\x90\x90\xa8"}, {"\xe4\xb8\xad", "\xe4\xb8\xad"}, {"", ""},
    };
    struct arena arena;
    arena_init(&arena, NULL);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct str folded = name_fold(&arena, str_of(pairs[i][0]));
        if (!str_is(folded, pairs[i][1])) {
            fail_msg("%s: %.*s", pairs[i][0], (int)folded.len, folded.ptr);
        }
        assert_true(str_equal(name_fold(&arena, folded), folded)); /* once is enough */
    }
    assert_false(str_is_set(name_fold(&arena, STR_LIT("\xc3")))); /* half a letter */
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table),
        cmocka_unit_test(the_originals_text),
        cmocka_unit_test(odd_names),
        cmocka_unit_test(folding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
