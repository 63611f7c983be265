/* Who may do what: the recommended column of tests/vectors/permissions.json, from the documents a store has; what changes, limits, words. */
#include "vectors.h"
#include "test_arena.h"

#include "base/buf.h"
#include "security/rights.h"

/* --- documents as happn-3 stores them */

static void put(struct directory *directory, struct str path, struct str data)
{
    assert_int_equal(directory_put(directory, path, data, 1, 1), HAPPN_OK);
}

static void put_rule(struct directory *directory, const char *owner, struct str action, struct str path, bool authorized)
{
    struct buf at, data;
    buf_init(&at, NULL, 1 << 14);
    buf_init(&data, NULL, 1 << 14);
    buf_add_format(&at, SECURITY_ROOT "_PERMISSIONS/%s/%.*s/", owner, (int)action.len, action.ptr);
    for (size_t i = 0; i < path.len; i++) {
        buf_add(&at, path.ptr[i] == '*' ? "{{w}}" : path.ptr + i, path.ptr[i] == '*' ? 5 : 1);
    }
    buf_add_format(&data, "{\"action\":\"%.*s\",\"authorized\":%s,\"path\":\"%.*s\"}", (int)action.len, action.ptr, authorized ? "true" : "false",
                   (int)path.len, path.ptr);
    put(directory, buf_str(&at), buf_str(&data));
    buf_fini(&at);
    buf_fini(&data);
}

static void put_words(struct directory *directory, const char *owner, struct str path, struct str words, bool authorized)
{
    for (struct json_iter it = json_iter(words); str_is_set(words) && json_next(&it);) {
        put_rule(directory, owner, json_string(&test_arena, it.value), path, authorized);
    }
}

static void put_permissions(struct directory *directory, const char *owner, struct str permissions)
{
    for (struct json_iter it = json_iter(permissions); str_is_set(permissions) && json_next(&it);) {
        put_words(directory, owner, it.key, json_get(it.value, "actions"), true);
        put_words(directory, owner, it.key, json_get(it.value, "prohibit"), false);
    }
}

static void put_format(struct directory *directory, struct str data, const char *format, const char *a, const char *b)
{
    char path[256];
    snprintf(path, sizeof path, format, a, b);
    put(directory, str_of(path), data);
}

/* One set of the vectors: a user in groups G0, G1, ... */
static struct user *load(struct directory *directory, struct str set)
{
    struct str name = vectors_text(&test_arena, set, "username"), custom = json_get(set, "custom_data");
    const char *user = arena_str(&test_arena, name).ptr;
    char record[512], group[16], owner[80];
    snprintf(record, sizeof record, "{\"username\":\"%s\",\"custom_data\":%.*s}", user, str_is_set(custom) ? (int)custom.len : 2,
             str_is_set(custom) ? custom.ptr : "{}");
    put_format(directory, str_of(record), SECURITY_ROOT "_USER/%s%s", user, "");
    int number = 0;
    for (struct json_iter it = json_iter(json_get(set, "groups")); json_next(&it); number++) {
        snprintf(group, sizeof group, "G%d", number);
        put_format(directory, STR_LIT("{}"), SECURITY_ROOT "_GROUP/%s%s", group, "");
        put_format(directory, STR_LIT("{}"), SECURITY_ROOT "_USER/%s/_USER_GROUP/%s", user, group);
        put_permissions(directory, group, json_get(it.value, "permissions"));
    }
    snprintf(owner, sizeof owner, "_USER/%s", user);
    put_permissions(directory, owner, json_get(set, "userPermissions"));
    return directory_user(directory, name);
}

/* "http-get" of /web?x=1 is get of /@HTTP/web; count is get. */
static unsigned question(struct str action, struct str asked, struct str *path)
{
    if (!str_starts(action, STR_LIT("http-"))) {
        *path = asked;
        return str_is(action, "count") ? MAY_GET : may_of(action);
    }
    const char *query = memchr(asked.ptr, '?', asked.len);
    size_t len = query != NULL ? (size_t)(query - asked.ptr) : asked.len;
    char *text = arena_alloc(&test_arena, len + 7);
    memcpy(text, "/@HTTP", 6);
    memcpy(text + 6, asked.ptr, len);
    *path = str_make(text, len + 6);
    return may_of_method(arena_str(&test_arena, str_skip(action, 5)).ptr);
}

static int check_rows(struct permission_set *rights, struct str set)
{
    struct str id = json_get(set, "id");
    int checked = 0;
    for (struct json_iter it = json_iter(json_get(set, "rows")); json_next(&it);) {
        struct str wanted = vectors_text(&test_arena, it.value, "recommended"), path, asked = vectors_text(&test_arena, it.value, "path");
        if (str_starts(wanted, STR_LIT("rejected"))) {
            continue; /* by the path's own rules */
        }
        unsigned may = question(vectors_text(&test_arena, it.value, "action"), asked, &path);
        bool allowed = str_is(wanted, "allowed");
        assert_int_not_equal(may, 0);
        for (int again = 0; again < 2; again++) { /* the second answer comes from memory */
            if (permission_set_allows(rights, path, may) != allowed || permission_set_permits(rights, path, may) != allowed) {
                fail_msg("%.*s: %.*s", (int)id.len, id.ptr, (int)it.value.len, it.value.ptr);
            }
        }
        checked++;
    }
    return checked;
}

static void recommended(void **state)
{
    (void)state;
    struct str file = vectors_read("permissions.json");
    int checked = 0;
    for (struct json_iter it = json_iter(json_get(file, "sets")); json_next(&it);) {
        struct directory directory;
        directory_init(&directory, NULL);
        struct permission_set *rights = rights_compile(NULL, load(&directory, it.value));
        assert_non_null(rights);
        checked += check_rows(rights, it.value);
        permission_set_unref(rights);
        directory_fini(&directory);
    }
    assert_int_equal(checked, 247);
    free((char *)file.ptr);
}

/* A prohibition below what is allowed: the wildcard is allowed, and its results must be looked at one by one. */
static void prohibited_below(void **state)
{
    (void)state;
    struct permission_set *set = permission_set_new(NULL);
    assert_int_equal(permission_set_add(set, STR_LIT("/p/*"), MAY_GET | MAY_ON, 0), HAPPN_OK);
    assert_false(permission_set_has_prohibitions(set, MAY_GET));
    assert_int_equal(permission_set_add(set, STR_LIT("/p/no"), 0, MAY_GET), HAPPN_OK);
    assert_true(permission_set_has_prohibitions(set, MAY_GET));
    assert_false(permission_set_has_prohibitions(set, MAY_ON));
    assert_true(permission_set_allows(set, STR_LIT("/p/*"), MAY_GET));
    assert_true(permission_set_prohibits(set, STR_LIT("/p/no"), MAY_GET));
    assert_false(permission_set_prohibits(set, STR_LIT("/p/no"), MAY_ON));
    assert_false(permission_set_prohibits(set, STR_LIT("/p/yes"), MAY_GET));
    permission_set_unref(set);
}

static void nothing_is_allowed_to_nobody(void **state)
{
    (void)state;
    struct permission_set *set = permission_set_new(NULL);
    assert_false(permission_set_allows(set, STR_LIT("/a"), MAY_GET));
    assert_false(permission_set_allows(set, STR_LIT(""), MAY_ALL));
    assert_false(permission_set_permits(set, STR_NONE, MAY_ALL));
    permission_set_unref(set);
    permission_set_unref(NULL);
}

static void words(void **state)
{
    (void)state;
    static const char *const known[] = {"get", "set", "on", "remove", "*", "delete", "put", "post", "head", "options"};
    unsigned all = 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        unsigned bit = may_of(str_of(known[i]));
        assert_int_not_equal(bit, 0);
        assert_string_equal(may_word(bit), known[i]);
        all |= bit;
    }
    assert_int_equal(all, MAY_ALL);
    static const char *const unknown[] = {"", "patch", "trace", "connect", "GET", "get ", "getx", "ge", "**"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_int_equal(may_of(str_of(unknown[i])), 0);
    }
    assert_int_equal(may_of_method("GET"), MAY_GET);
    assert_int_equal(may_of_method("get"), MAY_GET);
    assert_int_equal(may_of_method("DELETE"), MAY_DELETE);
    assert_int_equal(may_of_method("PATCH"), MAY_OTHER);
    assert_int_equal(may_of_method("SET"), MAY_OTHER); /* no method of HTTP: a permission to set does not cover it */
    assert_int_equal(may_of_method("*"), MAY_OTHER);
    assert_int_equal(may_of_method(""), MAY_OTHER);
}

/* The table of answers is of fixed size: many paths, long paths, paths that meet in one slot. */
static void many_paths(void **state)
{
    (void)state;
    struct permission_set *set = permission_set_new(NULL);
    assert_int_equal(permission_set_add(set, STR_LIT("/even/*"), MAY_GET, 0), HAPPN_OK);
    char path[400];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3000; i++) {
            snprintf(path, sizeof path, "/%s/%0*d", i % 2 == 0 ? "even" : "odd", 1 + i % 300, i);
            assert_int_equal(permission_set_allows(set, str_of(path), MAY_GET), i % 2 == 0);
            assert_false(permission_set_allows(set, str_of(path), MAY_SET));
        }
    }
    permission_set_unref(set);
}

static void nul_in_a_path(void **state)
{
    (void)state;
    struct permission_set *set = permission_set_new(NULL);
    assert_int_equal(permission_set_add(set, STR_LIT("/a"), MAY_GET, 0), HAPPN_OK);
    assert_true(permission_set_allows(set, STR_LIT("/a"), MAY_GET));
    assert_false(permission_set_allows(set, STR_LIT("/a\0"), MAY_GET));
    assert_false(permission_set_allows(set, STR_LIT("/a\0/../b"), MAY_GET));
    permission_set_unref(set);
}

/* What a compiled set says stays, whatever happens to the directory. */
static void sets_are_their_own(void **state)
{
    (void)state;
    struct directory directory;
    directory_init(&directory, NULL);
    put(&directory, STR_LIT(SECURITY_ROOT "_USER/bob"), STR_LIT("{\"username\":\"bob\"}"));
    put_rule(&directory, "_USER/bob", STR_LIT("get"), STR_LIT("/a/*"), true);
    struct permission_set *rights = rights_compile(NULL, directory_user(&directory, STR_LIT("bob")));
    permission_set_ref(rights);
    directory_fini(&directory);
    permission_set_unref(rights);
    assert_true(permission_set_allows(rights, STR_LIT("/a/1"), MAY_GET));
    permission_set_unref(rights);
}

/* A group that others only speak of gives nothing. */
static void groups_that_do_not_exist(void **state)
{
    (void)state;
    struct directory directory;
    directory_init(&directory, NULL);
    put(&directory, STR_LIT(SECURITY_ROOT "_USER/bob"), STR_LIT("{}"));
    put(&directory, STR_LIT(SECURITY_ROOT "_USER/bob/_USER_GROUP/G"), STR_LIT("{}"));
    put_rule(&directory, "G", STR_LIT("get"), STR_LIT("/a"), true);
    struct permission_set *rights = rights_compile(NULL, directory_user(&directory, STR_LIT("bob")));
    assert_false(permission_set_allows(rights, STR_LIT("/a"), MAY_GET));
    permission_set_unref(rights);
    put(&directory, STR_LIT(SECURITY_ROOT "_GROUP/G"), STR_LIT("{}"));
    rights = rights_compile(NULL, directory_user(&directory, STR_LIT("bob")));
    assert_true(permission_set_allows(rights, STR_LIT("/a"), MAY_GET));
    permission_set_unref(rights);
    directory_fini(&directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recommended),         cmocka_unit_test(prohibited_below), cmocka_unit_test(nothing_is_allowed_to_nobody),
        cmocka_unit_test(words),               cmocka_unit_test(many_paths),       cmocka_unit_test(nul_in_a_path),
        cmocka_unit_test(sets_are_their_own),  cmocka_unit_test(groups_that_do_not_exist),
    };
    return cmocka_run_group_tests(tests, open_test_arena, close_test_arena);
}
