/* The directory: what each document of the store means, in whatever order they come and go, and who is told. */
#include "vectors.h"

#include "security/directory.h"
#include "security/permissions.h"
#include "test_memory.h"

static struct directory directory;
static char touched[4096]; /* names of users, in the order they were touched */

static void note(struct user *user, void *arg)
{
    (void)arg;
    size_t len = strlen(touched);
    snprintf(touched + len, sizeof touched - len, "%s%.*s%s", len != 0 ? " " : "", (int)user->name.len, user->name.ptr, user->is_gone ? "!" : "");
}

static int set_up(void **state)
{
    (void)state;
    directory_init(&directory, NULL);
    directory.touched = note;
    touched[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    directory_fini(&directory);
    return 0;
}

static void put(const char *path, const char *data)
{
    char whole[512];
    snprintf(whole, sizeof whole, SECURITY_ROOT "%s", path);
    assert_int_equal(directory_put(&directory, str_of(whole), str_of(data), 1, 2), HAPPN_OK);
}

static void drop(const char *path, const char *data)
{
    char whole[512];
    snprintf(whole, sizeof whole, SECURITY_ROOT "%s", path);
    directory_drop(&directory, str_of(whole), str_of(data));
}

static void expect_touched(const char *names)
{
    assert_string_equal(touched, names);
    touched[0] = '\0';
}

static unsigned allowed_at(struct rule *rules, const char *path)
{
    struct rule *rule = rule_find(rules, str_of(path));
    return rule != NULL ? rule->allowed : 0;
}

static struct user *user_of(const char *name)
{
    return directory_user(&directory, str_of(name));
}

static struct group *group_of(const char *name)
{
    return directory_group(&directory, str_of(name));
}

static void users_and_groups(void **state)
{
    (void)state;
    assert_null(user_of("bob"));
    put("_USER/bob", "{\"username\":\"bob\",\"password\":\"pbkdf2$\"}");
    put("_GROUP/G1", "{\"name\":\"G1\"}");
    put("_GROUP/G1/CHILD", "{\"name\":\"CHILD\"}");
    assert_non_null(user_of("bob"));
    assert_int_equal(user_of("bob")->created, 1);
    assert_int_equal(user_of("bob")->modified, 2);
    assert_true(str_is(user_of("bob")->record, "{\"username\":\"bob\",\"password\":\"pbkdf2$\"}"));
    assert_non_null(group_of("G1/CHILD"));
    assert_null(group_of("CHILD"));
    assert_int_equal(directory.user_count, 1);
    put("_USER/bob", "{\"username\":\"bob\"}");
    assert_int_equal(directory.user_count, 1);
    drop("_USER/bob", "{\"username\":\"bob\"}");
    assert_null(user_of("bob"));
    assert_int_equal(directory.user_count, 0);
    expect_touched("bob bob bob! bob!");
}

/* 6.3.2 looked for names that begin so: bo and bob and bobby are three here. */
static void names_are_whole(void **state)
{
    (void)state;
    put("_USER/bob", "{}");
    put("_USER/bobby", "{}");
    put("_USER/bobby/_USER_GROUP/G", "{}");
    put("_GROUP/G", "{}");
    assert_null(user_of("bo"));
    assert_null(user_of("bob*"));
    assert_null(user_of("*"));
    assert_null(user_of(""));
    assert_null(user_of("BOB"));
    assert_false(user_is_in(user_of("bob"), STR_LIT("G")));
    assert_true(user_is_in(user_of("bobby"), STR_LIT("G")));
    assert_false(user_is_in(user_of("bobby"), STR_LIT("GG")));
}

static void memberships(void **state)
{
    (void)state;
    put("_USER/bob", "{}");
    put("_GROUP/G1", "{}");
    touched[0] = '\0';
    put("_USER/bob/_USER_GROUP/G1", "{}");
    expect_touched("bob");
    put("_USER/bob/_USER_GROUP/G1", "{\"data\":\"extra\"}");
    assert_true(str_is(user_of("bob")->members->data, "{\"data\":\"extra\"}"));
    assert_null(user_of("bob")->members->next_of_user);
    put("_USER/bob/_USER_GROUP/G1/CHILD", "{}"); /* before the group itself is known */
    assert_null(group_of("G1/CHILD"));
    put("_GROUP/G1/CHILD", "{}");
    assert_true(user_is_in(user_of("bob"), STR_LIT("G1/CHILD")));
    touched[0] = '\0';
    drop("_USER/bob/_USER_GROUP/G1", "{}");
    expect_touched("bob");
    assert_false(user_is_in(user_of("bob"), STR_LIT("G1")));
    assert_true(user_is_in(user_of("bob"), STR_LIT("G1/CHILD")));
    drop("_USER/bob/_USER_GROUP/NOPE", "{}");
    drop("_USER/nobody/_USER_GROUP/G1", "{}");
    expect_touched("");
}

static void rules(void **state)
{
    (void)state;
    put("_PERMISSIONS/G1/get//a/{{w}}", "{\"action\":\"get\",\"authorized\":true,\"path\":\"/a/*\"}");
    put("_GROUP/G1", "{}");
    put("_PERMISSIONS/G1/set//a/{{w}}", "{\"action\":\"set\",\"authorized\":true,\"path\":\"/a/*\"}");
    assert_int_equal(allowed_at(group_of("G1")->rules, "/a/*"), MAY_GET | MAY_SET);
    put("_PERMISSIONS/G1/get//a/{{w}}", "{\"action\":\"get\",\"authorized\":false,\"path\":\"/a/*\"}"); /* the last one written counts */
    assert_int_equal(allowed_at(group_of("G1")->rules, "/a/*"), MAY_SET);
    assert_int_equal(rule_find(group_of("G1")->rules, STR_LIT("/a/*"))->prohibited, MAY_GET);
    drop("_PERMISSIONS/G1/get//a/{{w}}", "{\"action\":\"get\",\"authorized\":false,\"path\":\"/a/*\"}");
    drop("_PERMISSIONS/G1/set//a/{{w}}", "{\"action\":\"set\",\"authorized\":true,\"path\":\"/a/*\"}");
    assert_null(group_of("G1")->rules);
}

static void who_is_told_of_rules(void **state)
{
    (void)state;
    put("_USER/bob", "{}");
    put("_USER/eve", "{}");
    put("_USER/zoe", "{}");
    put("_GROUP/G1", "{}");
    put("_USER/bob/_USER_GROUP/G1", "{}");
    put("_USER/eve/_USER_GROUP/G1", "{}");
    touched[0] = '\0';
    put("_PERMISSIONS/G1/get//a", "{\"action\":\"get\",\"authorized\":true,\"path\":\"/a\"}");
    expect_touched("eve bob");
    put("_PERMISSIONS/_USER/zoe/on//a", "{\"action\":\"on\",\"authorized\":true,\"path\":\"/a\"}");
    expect_touched("zoe");
    assert_int_equal(allowed_at(user_of("zoe")->rules, "/a"), MAY_ON);
    drop("_GROUP/G1", "{}");
    expect_touched("eve bob");
    assert_null(group_of("G1")); /* its links and rules are still known, and count again when it comes back */
    put("_GROUP/G1", "{}");
    assert_int_equal(allowed_at(group_of("G1")->rules, "/a"), MAY_GET);
    touched[0] = '\0';
    drop("_PERMISSIONS/_USER/zoe/on//a", "{\"action\":\"on\",\"authorized\":true,\"path\":\"/a\"}");
    expect_touched("zoe");
}

static void paths_of_rules(void **state)
{
    (void)state;
    put("_GROUP/G", "{}");
    put("_GROUP/G/get", "{}");
    put("_PERMISSIONS/G/get/no/slash", "{\"action\":\"get\",\"authorized\":true,\"path\":\"no/slash\"}");
    put("_PERMISSIONS/G/get/get//x", "{\"action\":\"get\",\"authorized\":true,\"path\":\"/x\"}"); /* of the group G/get */
    put("_PERMISSIONS/G/get//get//x", "{\"action\":\"get\",\"authorized\":true,\"path\":\"/get//x\"}");
    put("_PERMISSIONS/_ADMIN/*/{{w}}", "{\"action\":\"*\",\"authorized\":true,\"path\":\"*\"}");
    put("_GROUP/_ADMIN", "{}");
    assert_int_equal(allowed_at(group_of("G")->rules, "no/slash"), MAY_GET);
    assert_int_equal(allowed_at(group_of("G")->rules, "/x"), 0);
    assert_int_equal(allowed_at(group_of("G/get")->rules, "/x"), MAY_GET);
    assert_int_equal(allowed_at(group_of("G")->rules, "/get//x"), MAY_GET);
    assert_int_not_equal(allowed_at(group_of("_ADMIN")->rules, "*"), 0);
}

/* Whoever can write documents of any name must not get rights out of it. */
static void documents_that_lie(void **state)
{
    (void)state;
    put("_USER/mal", "{\"username\":\"mal\"}");
    put("_GROUP/_ADMIN", "{}");
    put("_GROUP/G", "{}");
    put("_USER/mal/_USER_GROUP/_ADMIN", "{\"username\":\"mal/_USER_GROUP/_ADMIN\",\"password\":\"pbkdf2$1$00$00$sha512\"}");
    assert_false(user_is_in(user_of("mal"), STR_LIT("_ADMIN")));
    put("_USER/mal/_USER_GROUP/_ADMIN", "{\"username\":\"mal/_USER_GROUP/_ADMIN\",\"publicKey\":\"x\"}");
    assert_false(user_is_in(user_of("mal"), STR_LIT("_ADMIN")));
    put("_PERMISSIONS/G/get//a", "{\"action\":\"*\",\"authorized\":true,\"path\":\"/a\"}");
    put("_PERMISSIONS/G/get//a", "{\"action\":\"get\",\"authorized\":true,\"path\":\"*\"}");
    put("_PERMISSIONS/G/get//a", "{\"action\":\"get\",\"authorized\":true,\"path\":\"/b\"}");
    put("_PERMISSIONS/G/fly//a", "{\"action\":\"fly\",\"authorized\":true,\"path\":\"/a\"}");
    put("_PERMISSIONS/G/get//a", "{\"action\":\"get\",\"authorized\":true}");
    put("_PERMISSIONS/G/get//a", "{\"action\":7,\"authorized\":true,\"path\":{}}");
    put("_PERMISSIONS/G/get//{{w}}", "{\"action\":\"get\",\"authorized\":true,\"path\":\"/{{w}}x\"}");
    assert_null(group_of("G")->rules);
    put("_PERMISSIONS/G/get//a", "{\"action\":\"get\",\"authorized\":\"true\",\"path\":\"/a\"}"); /* not true: prohibited */
    assert_int_equal(allowed_at(group_of("G")->rules, "/a"), 0);
    assert_int_equal(directory.user_count, 1);
}

static void what_means_nothing(void **state)
{
    (void)state;
    static const char *const paths[] = {"", "_USER", "_USER/", "_GROUP/", "_PERMISSIONS/", "_PERMISSIONS/_USER/", "_USER//_USER_GROUP/G",
                                        "_USER/bob/_USER_GROUP/", "_SETTINGS/KEYPAIR", "SESSION_TOKEN_SECRET", "_PERMISSIONS/_LOOKUP/G/t", "_LOOKUP/t/a"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        put(paths[i], "{\"action\":\"get\",\"authorized\":true,\"path\":\"/a\"}");
        drop(paths[i], "{\"action\":\"get\",\"authorized\":true,\"path\":\"/a\"}");
    }
    assert_int_equal(directory_put(&directory, STR_LIT("/elsewhere/_USER/bob"), STR_LIT("{}"), 1, 1), HAPPN_OK);
    assert_int_equal(directory_put(&directory, STR_LIT(""), STR_LIT("{}"), 1, 1), HAPPN_OK);
    assert_int_equal(directory.users.count, 0);
    assert_int_equal(directory.groups.count, 0);
}

/* The same documents in any order make the same directory, and dropping all in any order leaves nothing. */
static void any_order(void **state)
{
    (void)state;
    static const char *const documents[][2] = {
        {"_USER/bob", "{\"username\":\"bob\"}"},
        {"_USER/eve", "{\"username\":\"eve\"}"},
        {"_GROUP/G1", "{\"name\":\"G1\"}"},
        {"_GROUP/G2", "{\"name\":\"G2\"}"},
        {"_USER/bob/_USER_GROUP/G1", "{}"},
        {"_USER/bob/_USER_GROUP/G2", "{}"},
        {"_USER/eve/_USER_GROUP/G2", "{}"},
        {"_PERMISSIONS/G1/get//a", "{\"action\":\"get\",\"authorized\":true,\"path\":\"/a\"}"},
        {"_PERMISSIONS/G2/set//a", "{\"action\":\"set\",\"authorized\":false,\"path\":\"/a\"}"},
        {"_PERMISSIONS/_USER/eve/on//b", "{\"action\":\"on\",\"authorized\":true,\"path\":\"/b\"}"},
    };
    enum { COUNT = sizeof documents / sizeof documents[0] };
    uint64_t seed = vectors_seed();
    for (int round = 0; round < 500; round++) {
        int order[COUNT];
        for (int i = 0; i < COUNT; i++) {
            int at = (int)(vectors_draw(&seed) % (uint64_t)(i + 1));
            order[i] = order[at];
            order[at] = i;
        }
        for (int i = 0; i < COUNT; i++) {
            put(documents[order[i]][0], documents[order[i]][1]);
            touched[0] = '\0';
        }
        assert_int_equal(directory.user_count, 2);
        assert_true(user_is_in(user_of("bob"), STR_LIT("G1")) && user_is_in(user_of("bob"), STR_LIT("G2")));
        assert_true(user_is_in(user_of("eve"), STR_LIT("G2")) && !user_is_in(user_of("eve"), STR_LIT("G1")));
        assert_int_equal(allowed_at(group_of("G1")->rules, "/a"), MAY_GET);
        assert_int_equal(rule_find(group_of("G2")->rules, STR_LIT("/a"))->prohibited, MAY_SET);
        assert_int_equal(allowed_at(user_of("eve")->rules, "/b"), MAY_ON);
        for (int i = 0; i < COUNT; i++) {
            int at = order[(i + round) % COUNT];
            drop(documents[at][0], documents[at][1]);
            touched[0] = '\0';
        }
        assert_int_equal(directory.users.count, 0);
        assert_int_equal(directory.groups.count, 0);
        assert_int_equal(directory.user_count, 0);
    }
}

/* Every allocation fails once: an error travels up, and nothing is lost or torn. */
static void memory_runs_out(void **state)
{
    (void)state;
    bool failed = true;
    for (int n = 0; failed; n++) {
        struct test_memory memory = TEST_MEMORY(memory);
        memory.left = n;
        memory.is_rare = true;
        struct directory small;
        directory_init(&small, &memory.allocator);
        happn_status statuses[] = {
            directory_put(&small, STR_LIT(SECURITY_ROOT "_USER/bob"), STR_LIT("{}"), 1, 1),
            directory_put(&small, STR_LIT(SECURITY_ROOT "_USER/bob/_USER_GROUP/G"), STR_LIT("{}"), 1, 1),
            directory_put(&small, STR_LIT(SECURITY_ROOT "_GROUP/G"), STR_LIT("{}"), 1, 1),
            directory_put(&small, STR_LIT(SECURITY_ROOT "_PERMISSIONS/G/get//\xc3\xa9"), STR_LIT("{\"action\":\"get\",\"authorized\":true,\"path\":\"/\\u00e9\"}"), 1, 1),
        };
        failed = false;
        for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
            assert_true(statuses[i] == HAPPN_OK || statuses[i] == HAPPN_E_MEMORY);
            failed = failed || statuses[i] == HAPPN_E_MEMORY;
        }
        assert_true(n < 100);
        struct group *group = directory_group(&small, STR_LIT("G"));
        assert_true(failed || allowed_at(group->rules, "/\xc3\xa9") == MAY_GET);
        memory.left = -1;
        directory_fini(&small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(users_and_groups, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_are_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memberships, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_told_of_rules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(paths_of_rules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(documents_that_lie, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_means_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_order, set_up, tear_down),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
