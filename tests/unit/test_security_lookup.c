/* Lookup tables: what they allow, the hole that is closed, and expressions that never end. */
#include "vectors.h"

#include "security/lookup.h"
#include "security/permissions.h"
#include "test_memory.h"

static struct directory directory;
static struct lookup *lookup;

#define DEVICES "{\"permissions\":[{\"regex\":\"^/data/(.*)/(.*)\",\"actions\":[\"get\",\"on\"],\"table\":\"devices\"," \
                "\"path\":\"/{{user.custom_data.company}}/{{$1}}\"}]}"

static void document(const char *path, const char *data)
{
    char whole[256];
    snprintf(whole, sizeof whole, SECURITY_ROOT "%s", path);
    assert_int_equal(directory_put(&directory, str_of(whole), str_of(data), 1, 1), HAPPN_OK);
}

static happn_status put(const char *path, const char *data, happn_error *error)
{
    char whole[256];
    snprintf(whole, sizeof whole, SECURITY_ROOT "%s", path);
    return lookup_put(lookup, str_of(whole), str_of(data), error);
}

static void drop(const char *path)
{
    char whole[256];
    snprintf(whole, sizeof whole, SECURITY_ROOT "%s", path);
    lookup_drop(lookup, str_of(whole));
}

static bool may_get(const char *user, const char *path)
{
    return lookup_allows(lookup, directory_user(&directory, str_of(user)), str_of(path), MAY_GET);
}

static int set_up(void **state)
{
    (void)state;
    directory_init(&directory, NULL);
    lookup = lookup_new(NULL);
    document("_GROUP/G", "{}");
    document("_USER/ann", "{\"username\":\"ann\",\"custom_data\":{\"company\":\"acme\"}}");
    document("_USER/ann/_USER_GROUP/G", "{}");
    document("_USER/bob", "{\"username\":\"bob\",\"custom_data\":{\"company\":\"other\"}}");
    document("_USER/bob/_USER_GROUP/G", "{}");
    document("_USER/eve", "{\"username\":\"eve\",\"custom_data\":{\"company\":\"acme\"}}"); /* in no group */
    assert_int_equal(put("_LOOKUP/devices/acme/dev1", "{\"authorized\":true}", NULL), HAPPN_OK);
    assert_int_equal(put("_LOOKUP/devices/acme/dev2", "{\"authorized\":true}", NULL), HAPPN_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lookup_free(lookup);
    directory_fini(&directory);
    return 0;
}

static void the_originals_example(void **state)
{
    (void)state;
    assert_false(lookup_is_used(lookup));
    assert_false(may_get("ann", "/data/dev1/x"));
    assert_int_equal(put("_PERMISSIONS/_LOOKUP/G/devices", DEVICES, NULL), HAPPN_OK);
    assert_int_equal(put("_PERMISSIONS/_LOOKUP/devices/G", "{}", NULL), HAPPN_OK); /* happn-3's way back */
    assert_true(lookup_is_used(lookup));
    assert_true(may_get("ann", "/data/dev1/x"));
    assert_true(may_get("ann", "/data/dev2/x/y") == false); /* (.*) takes as much as it can: dev2/x */
    assert_false(may_get("ann", "/data/dev3/x"));
    assert_false(may_get("bob", "/data/dev1/x"));
    assert_false(may_get("eve", "/data/dev1/x"));
    assert_false(may_get("ann", "/elsewhere/dev1/x"));
    const struct user *ann = directory_user(&directory, STR_LIT("ann"));
    assert_true(lookup_allows(lookup, ann, STR_LIT("/data/dev1/x"), MAY_ON));
    assert_false(lookup_allows(lookup, ann, STR_LIT("/data/dev1/x"), MAY_SET));
}

/* In the original a `*` in the path that is asked for was caught and matched every device. */
static void no_wildcard_hole(void **state)
{
    (void)state;
    assert_int_equal(put("_PERMISSIONS/_LOOKUP/G/devices", DEVICES, NULL), HAPPN_OK);
    static const char *const asked[] = {"/data/*/x", "/data/**/x", "/data/dev*/x", "/data/dev1*/x", "/data//x", "/data/{{user.username}}/x",
                                        "/data/{{$0}}/x", "/data/../x", "/data/dev1/../dev2/x"};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        if (may_get("ann", asked[i])) {
            fail_msg("%s is allowed", asked[i]);
        }
    }
    assert_int_equal(put("_LOOKUP/devices/acme/*", "{\"authorized\":true}", NULL), HAPPN_OK); /* a row with a star is that row */
    assert_false(may_get("ann", "/data/dev3/x"));
    assert_false(may_get("ann", "/data/*/x"));
    assert_true(may_get("ann", "/data/dev1/*")); /* what is not caught may be a pattern: all of it lies below the device */
    assert_false(lookup_allows(lookup, directory_user(&directory, STR_LIT("ann")), STR_LIT("/data/dev1\0/x"), MAY_GET));
    assert_false(lookup_allows(lookup, directory_user(&directory, STR_LIT("ann")), STR_LIT("/data/\xff/x"), MAY_GET));
    assert_false(lookup_allows(lookup, directory_user(&directory, STR_LIT("ann")), STR_NONE, MAY_GET));
}

static void changes(void **state)
{
    (void)state;
    assert_int_equal(put("_PERMISSIONS/_LOOKUP/G/devices", DEVICES, NULL), HAPPN_OK);
    drop("_LOOKUP/devices/acme/dev1");
    assert_false(may_get("ann", "/data/dev1/x"));
    assert_true(may_get("ann", "/data/dev2/x"));
    assert_int_equal(put("_LOOKUP/devices/acme/dev2", "{\"authorized\":false}", NULL), HAPPN_OK);
    assert_false(may_get("ann", "/data/dev2/x"));
    assert_int_equal(put("_LOOKUP/devices/acme/dev2", "{\"authorized\":true}", NULL), HAPPN_OK);
    assert_true(may_get("ann", "/data/dev2/x"));
    document("_USER/ann", "{\"username\":\"ann\",\"custom_data\":{\"company\":\"*\"}}"); /* a value that would promote itself */
    assert_false(may_get("ann", "/data/dev2/x"));
    document("_USER/ann", "{\"username\":\"ann\",\"custom_data\":{\"company\":[\"x\",\"acme\"]}}");
    assert_true(may_get("ann", "/data/dev2/x"));
    drop("_PERMISSIONS/_LOOKUP/G/devices");
    assert_false(may_get("ann", "/data/dev2/x"));
    assert_false(lookup_is_used(lookup));
    drop("_PERMISSIONS/_LOOKUP/G/devices");
    drop("_LOOKUP/nothing/at/all");
}

static void several(void **state)
{
    (void)state;
    static const char many[] = "{\"permissions\":[{\"regex\":\"^/(a|b)/(\\\\d+)$\",\"actions\":[\"get\"],\"table\":\"t\",\"path\":\"{{$2}}/{{$1}}/{{user.username}}\"},"
                               "{\"regex\":\"^/open/\",\"actions\":[\"*\"],\"table\":\"t\",\"path\":\"everybody\"},"
                               "{\"regex\":\"^/opt/(x)?\",\"actions\":[\"get\"],\"table\":\"t\",\"path\":\"o{{$1}}\"},"
                               "{\"regex\":\"^/none/\",\"actions\":[\"get\"],\"table\":\"t\",\"path\":\"everybody{{$1}}\"}]}";
    assert_int_equal(put("_PERMISSIONS/_LOOKUP/G/t", many, NULL), HAPPN_OK);
    assert_int_equal(put("_PERMISSIONS/_LOOKUP/G/devices", DEVICES, NULL), HAPPN_OK);
    put("_LOOKUP/t/7/a/ann", "{\"authorized\":true}", NULL);
    put("_LOOKUP/t/everybody", "{\"authorized\":true}", NULL);
    put("_LOOKUP/t/ox", "{\"authorized\":true}", NULL);
    put("_LOOKUP/t/o", "{\"authorized\":true}", NULL);
    assert_true(may_get("ann", "/a/7"));
    assert_false(may_get("bob", "/a/7"));
    assert_false(may_get("ann", "/b/7"));
    assert_false(may_get("ann", "/a/7/"));
    assert_true(may_get("bob", "/open/x"));
    assert_true(may_get("ann", "/opt/x"));
    assert_false(may_get("ann", "/opt/y"));  /* the group caught nothing */
    assert_false(may_get("ann", "/none/x")); /* there is no such group */
    assert_true(may_get("ann", "/data/dev1/x"));
}

static void nested_groups(void **state)
{
    (void)state;
    document("_GROUP/G/CHILD", "{}");
    document("_USER/eve/_USER_GROUP/G/CHILD", "{}");
    assert_int_equal(put("_PERMISSIONS/_LOOKUP/G/CHILD/devices", DEVICES, NULL), HAPPN_OK);
    assert_true(may_get("eve", "/data/dev1/x"));
    assert_false(may_get("ann", "/data/dev1/x"));
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json, *says;
    } rows[] = {
        {"{}", "regex"},
        {"{\"regex\":\"(\",\"actions\":[\"get\"],\"table\":\"t\",\"path\":\"x\"}", "invalid regular expression"},
        {"{\"regex\":\"x\",\"actions\":[\"fly\"],\"table\":\"t\",\"path\":\"x\"}", "unknown action"},
        {"{\"regex\":\"x\",\"actions\":[],\"table\":\"t\",\"path\":\"x\"}", "an action"},
        {"{\"regex\":\"x\",\"actions\":\"get\",\"table\":\"t\",\"path\":\"x\"}", "a list of actions"},
        {"{\"regex\":\"x\",\"actions\":[\"get\"],\"table\":\"t/u\",\"path\":\"x\"}", "table"},
        {"{\"regex\":\"x\",\"actions\":[\"get\"],\"path\":\"x\"}", "table"},
        {"{\"regex\":\"x\",\"actions\":[\"get\"],\"table\":\"t\"}", "a path"},
        {"7", "regex"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        happn_error error = {0};
        assert_int_not_equal(lookup_check(str_of(rows[i].json), &error), HAPPN_OK);
        if (strstr(error.message, rows[i].says) == NULL) {
            fail_msg("%s: %s", rows[i].json, error.message);
        }
    }
    happn_error error = {0};
    assert_int_equal(put("_PERMISSIONS/_LOOKUP/G/other", DEVICES, &error), HAPPN_E_ARGUMENT); /* names another table */
    assert_false(lookup_is_used(lookup));
    assert_int_equal(put("_PERMISSIONS/_LOOKUP/G/devices", DEVICES, NULL), HAPPN_OK);
    assert_int_equal(put("_PERMISSIONS/_LOOKUP/G/devices", "{\"permissions\":[{}]}", &error), HAPPN_E_ARGUMENT);
    assert_false(may_get("ann", "/data/dev1/x")); /* what took its place is wrong: nothing is allowed by it */
}

/* An expression that backtracks for ever allows nothing, after a while that nobody notices. */
static void expressions_that_never_end(void **state)
{
    (void)state;
    assert_int_equal(put("_PERMISSIONS/_LOOKUP/G/t", "{\"permissions\":[{\"regex\":\"^/(a+)+$\",\"actions\":[\"get\"],\"table\":\"t\",\"path\":\"x\"}]}", NULL), HAPPN_OK);
    put("_LOOKUP/t/x", "{\"authorized\":true}", NULL);
    assert_true(may_get("ann", "/aaaa"));
    assert_false(may_get("ann", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"));
}

static void what_means_nothing(void **state)
{
    (void)state;
    static const char *const paths[] = {"", "_LOOKUP", "_LOOKUP/", "_LOOKUP/t", "_LOOKUP/t/", "_LOOKUP//x", "_PERMISSIONS/_LOOKUP/", "_PERMISSIONS/_LOOKUP/G",
                                        "_PERMISSIONS/_LOOKUP//t", "_PERMISSIONS/_LOOKUP/G/", "_PERMISSIONS/G/get//x", "_USER/ann"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(put(paths[i], "{\"authorized\":true,\"permissions\":[]}", NULL), HAPPN_OK);
        drop(paths[i]);
    }
    assert_int_equal(lookup_put(lookup, STR_LIT("/x/_LOOKUP/t/y"), STR_LIT("{\"authorized\":true}"), NULL), HAPPN_OK);
    assert_false(lookup_is_used(lookup));
}

static void memory_runs_out(void **state)
{
    (void)state;
    bool failed = true;
    for (int n = 0; failed; n++) {
        struct test_memory memory = TEST_MEMORY(memory);
        memory.left = n;
        memory.is_rare = true;
        struct lookup *small = lookup_new(&memory.allocator);
        failed = small == NULL;
        if (small != NULL) {
            happn_error error;
            failed = lookup_put(small, STR_LIT(SECURITY_ROOT "_LOOKUP/devices/acme/dev1"), STR_LIT("{\"authorized\":true}"), &error) != HAPPN_OK;
            failed = lookup_put(small, STR_LIT(SECURITY_ROOT "_PERMISSIONS/_LOOKUP/G/devices"), STR_LIT(DEVICES), &error) != HAPPN_OK || failed;
            bool allowed = lookup_allows(small, directory_user(&directory, STR_LIT("ann")), STR_LIT("/data/dev1/x"), MAY_GET);
            assert_false(failed && allowed);
            failed = failed || !allowed; /* asking needs memory, too: without it, no */
        }
        memory.left = -1;
        lookup_free(small);
        assert_true(n < 200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_originals_example, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_wildcard_hole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(several, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nested_groups, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(expressions_that_never_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_means_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_runs_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
