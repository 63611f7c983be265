/* Profiles and durations: what the original does with each text (tests/vectors/profiles.json), the block in its README, and what is refused. */
#include "vectors.h"

#include "security/policy.h"

static struct arena arena;
static struct search_work work;
static struct str file;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, NULL);
    search_work_init(&work, NULL);
    file = vectors_read("profiles.json");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free((char *)file.ptr);
    search_work_fini(&work);
    arena_fini(&arena);
    return 0;
}

static struct str row(const char *name)
{
    for (struct json_iter it = json_iter(json_get(file, "rows")); json_next(&it);) {
        if (str_is(json_string(&arena, json_get(it.value, "case")), name)) {
            return it.value;
        }
    }
    fail_msg("no row %s", name);
    return STR_NONE;
}

/* --- durations */

static bool ends_with(struct str text, const char *tail)
{
    return str_ends(text, str_of(tail));
}

/* The JSON value that a row's key stands for: "2000 (number)" is 2000, "abc" is the text. */
static struct str duration_of(struct str key)
{
    if (ends_with(key, " (number)")) {
        struct str number = str_make(key.ptr, key.len - 9);
        return str_is(number, "Infinity") ? STR_LIT("\"Infinity\"") : number; /* JSON has no other */
    }
    return str_is(key, "null") ? key : str_make(key.ptr - 1, key.len + 2);
}

/* What either generation gives a number for, we read as that number, but for what is negative; what becomes undefined there, and so lasts
 * for ever, is refused here. */
static void durations_as_the_original(void **state)
{
    (void)state;
    struct str rows = row("toMilliseconds"), six = json_get(rows, "6.3.2"), thirteen = json_get(rows, "13.12.1");
    int checked = 0;
    for (struct json_iter it = json_iter(thirteen); json_next(&it); checked++) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)it.key.len, it.key.ptr);
        struct str theirs = json_type_of(it.value) == JSON_NUMBER ? it.value : json_get(six, name);
        bool is_ever = str_is(it.value, "null") || str_is(json_get(six, name), "\"Infinity\"");
        bool is_bare = str_is(it.value, "\"100\"");
        bool is_padded = str_is(it.key, "  5 s "); /* spaces around it change nothing for us */
        double number = is_bare ? 100 : is_padded ? 5000 : is_ever ? 0 : json_number(theirs, -1);
        int64_t ms = -7;
        bool fits = duration_read(&arena, duration_of(it.key), &ms);
        if (fits != (number >= 0) || (fits && ms != (int64_t)number)) {
            fail_msg("%s: read %d as %lld, the original %.*s", name, fits, (long long)ms, (int)theirs.len, theirs.ptr);
        }
    }
    assert_int_equal(checked, 30);
}

static void more_durations(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int64_t ms; /* -1: refused */
    } rows[] = {
        {"\"0x10\"", -1}, {"\"1e3\"", -1}, {"\"nan\"", -1}, {"\"inf\"", -1}, {"\"+5\"", -1}, {"\".5s\"", 500}, {"\"5.s\"", 5000}, {"\".\"", -1},
        {"\"1,5h\"", -1}, {"\"99999999999999999999 days\"", -1}, {"1e300", -1}, {"-0.5", -1}, {"true", -1}, {"{}", -1}, {"[1]", -1},
        {"\"4\\u0020seconds\"", 4000}, {"\"4\\u0000seconds\"", -1}, {"\"1 hour 30 minutes\"", -1}, {"\"infinity\"", 0}, {"1500.7", 1500},
        {"\"5 S\"", 5000}, {"\"2 weeks\"", 1209600000}, {"\"1 yr\"", 31557600000}, {"\"\"", -1}, {"\" \"", -1}, {"\"\xd9\xa3 days\"", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ms = -7;
        bool fits = duration_read(&arena, str_of(rows[i].json), &ms);
        if (fits != (rows[i].ms >= 0) || (fits && ms != rows[i].ms)) {
            fail_msg("%s: %d %lld", rows[i].json, fits, (long long)ms);
        }
    }
}

/* --- profiles */

static void read_all(const char *json, struct profiles *profiles)
{
    happn_error error = {0};
    if (profiles_read(&arena, json != NULL ? str_of(json) : STR_NONE, profiles, &error) != HAPPN_OK) {
        fail_msg("%s", error.message);
    }
}

static struct str match(const struct profiles *profiles, const char *session)
{
    const struct profile *profile = profiles_match(profiles, str_of(session), &work);
    assert_int_equal(work.status, HAPPN_OK);
    return profile->name;
}

static struct str session_of(const char *user, int type)
{
    struct buf out;
    buf_init(&out, NULL, 4096);
    const char *group = strcmp(user, "u_usage") == 0 ? "LIMITED" : strcmp(user, "u_readme") == 0 ? "READMEG" : strcmp(user, "u_dot") == 0 ? "DOTG" : "OTHER";
    buf_add_format(&out, "{\"type\":%d,\"ip_address\":\"127.0.0.1\",\"user\":{\"username\":\"%s\",\"custom_data\":{\"role\":\"%s\"},\"groups\":{\"%s\":{}}}}",
                   type, user, strcmp(user, "u_cust") == 0 ? "x" : "y", group);
    struct str text = arena_str(&arena, buf_str(&out));
    buf_fini(&out);
    return text;
}

/* Does the policy say what this JSON, as the original tells it to the client, says? */
static bool is_policy(const struct policy *policy, struct str json)
{
    int64_t ttl = 0, inactivity = 0;
    struct str limit = json_get(json, "inactivity_threshold"), span = json_get(json, "ttl");
    assert_true(!str_is_set(span) || duration_read(&arena, span, &ttl));
    assert_true(!str_is_set(limit) || duration_read(&arena, limit, &inactivity));
    struct str permissions = json_get(json, "permissions");
    bool same_permissions = str_is_set(permissions) == str_is_set(policy->permissions) &&
                            (!str_is_set(permissions) || vectors_same(&arena, permissions, policy->permissions));
    return policy->ttl == ttl && policy->inactivity == inactivity && policy->usage_limit == json_int(json_get(json, "usage_limit"), 0) && same_permissions;
}

/* The users of the vectors get the policies they got there; two rows are defects of the original: u_ttl in 6.3.2 (the prefix of u_ttlh) and
 * u_ip, whose profile asks for the address, which no filter could see. */
static void policies_as_the_original(void **state)
{
    (void)state;
    struct profiles profiles;
    struct str configured = json_get(row("configured profiles"), "13.12.1");
    happn_error error;
    assert_int_equal(profiles_read(&arena, configured, &profiles, &error), HAPPN_OK);
    int checked = 0;
    for (struct json_iter it = json_iter(json_get(file, "rows")); json_next(&it);) {
        struct str name = json_string(&arena, json_get(it.value, "case"));
        if (!str_starts(name, STR_LIT("policy u_"))) {
            continue;
        }
        char user[32];
        snprintf(user, sizeof user, "%.*s", (int)name.len - 7, name.ptr + 7);
        struct str theirs = json_get(it.value, "13.12.1");
        theirs = json_type_of(theirs) == JSON_OBJECT ? theirs : json_get(it.value, "6.3.2");
        for (int type = 0; type < 2; type++) {
            const struct profile *profile = profiles_match(&profiles, session_of(user, type), &work);
            struct str wanted = json_get(theirs, type == 0 ? "0" : "1");
            if (strcmp(user, "u_ip") == 0) {
                assert_true(str_is(profile->name, "ip"));
            } else if (!is_policy(&profile->policy, wanted)) {
                fail_msg("%s type %d: the profile %.*s", user, type, (int)profile->name.len, profile->name.ptr);
            }
            checked++;
        }
    }
    assert_int_equal(checked, 24);
}

/* The filters of the vectors' row "profile filters"; it names them and says whether they matched in [http, ws]. */
static const struct {
    const char *name, *filter;
} filters[] = {
    {"eq_nested", "{\"user\":{\"username\":{\"$eq\":\"u\"}}}"},
    {"eq_dotted", "{\"user.username\":{\"$eq\":\"u\"}}"},
    {"bare_nested", "{\"user\":{\"username\":\"u\"}}"},
    {"bare_dotted", "{\"user.username\":\"u\"}"},
    {"and_nested", "{\"$and\":[{\"user\":{\"username\":{\"$eq\":\"u\"}},\"type\":{\"$eq\":1}}]}"},
    {"exists_nested", "{\"user\":{\"groups\":{\"G\":{\"$exists\":true}}}}"},
    {"exists_dotted", "{\"user.groups.G\":{\"$exists\":true}}"},
    {"exists_false", "{\"user.groups.NONE\":{\"$exists\":false}}"},
    {"and_or", "{\"$and\":[{\"$or\":[{\"user.username\":\"x\"},{\"user\":{\"username\":\"u\"}}]}]}"},
    {"in", "{\"user.username\":{\"$in\":[\"x\",\"u\"]}}"},
    {"nin", "{\"user.username\":{\"$nin\":[\"x\",\"y\"]}}"},
    {"regex", "{\"user.username\":{\"$regex\":\"^u\"}}"},
    {"ne", "{\"user.username\":{\"$ne\":\"x\"}}"},
    {"custom_gt", "{\"user.custom_data.n\":{\"$gt\":1}}"},
    {"info", "{\"info.me\":\"x\"}"},
    {"info_nested", "{\"info\":{\"me\":\"x\"}}"},
    {"origin", "{\"origin\":\"here\"}"},
    {"empty", "{}"},
};

static void filters_as_the_original(void **state)
{
    (void)state;
    struct str matched = json_get(row("profile filters [http,ws] matched"), "6.3.2");
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        char json[512], session[512];
        struct profiles profiles;
        snprintf(json, sizeof json, "[{\"name\":\"it\",\"session\":%s,\"policy\":{\"ttl\":1}}]", filters[i].filter);
        read_all(json, &profiles);
        struct json_iter wanted = json_iter(json_get(matched, filters[i].name));
        for (int type = 0; type < 2; type++) {
            assert_true(json_next(&wanted));
            snprintf(session, sizeof session, "{\"id\":\"1\",\"info\":{\"me\":\"x\"},\"type\":%d,\"origin\":\"here\",\"user\":{\"username\":\"u\","
                     "\"custom_data\":{\"n\":2},\"groups\":{\"G\":{}}}}", type);
            if (str_is(match(&profiles, session), "it") != json_true(wanted.value)) {
                fail_msg("%s, type %d", filters[i].name, type);
            }
        }
    }
}

/* Members of a session that have the name of something of a document. */
static void names_of_documents(void **state)
{
    (void)state;
    static const char *const names[] = {"timestamp", "path", "created", "modified", "_id", "_tag", "_meta", "data", "_data"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char json[256], session[128];
        struct profiles profiles;
        snprintf(json, sizeof json, "[{\"name\":\"it\",\"session\":{\"$or\":[{\"%s\":7},{\"%s.x\":7}]},\"policy\":{}}]", names[i], names[i]);
        read_all(json, &profiles);
        snprintf(session, sizeof session, "{\"type\":1,\"%s\":7}", names[i]);
        assert_true(str_is(match(&profiles, session), "it"));
        snprintf(session, sizeof session, "{\"type\":1,\"%s\":{\"x\":7}}", names[i]);
        assert_true(str_is(match(&profiles, session), "it"));
        assert_false(str_is(match(&profiles, "{\"type\":1,\"other\":7}"), "it"));
    }
}

static void defaults(void **state)
{
    (void)state;
    struct profiles profiles;
    read_all(NULL, &profiles);
    assert_int_equal(profiles.count, 3);
    assert_true(str_is(match(&profiles, "{\"type\":1,\"info\":{\"_browser\":true}}"), "default-browser"));
    assert_int_equal(profiles.items[0].policy.ttl, 7 * 86400000);
    assert_int_equal(profiles.items[0].policy.inactivity, 3600000);
    assert_true(str_is(match(&profiles, "{\"type\":1,\"info\":{\"_browser\":\"true\"}}"), "default-stateful"));
    assert_true(str_is(match(&profiles, "{\"type\":0}"), "default-stateless"));
    assert_true(str_is(match(&profiles, "{}"), "default-stateless"));
}

static void the_readme(void **state)
{
    (void)state;
    struct str readme = vectors_read("readme-profiles.json"), list = json_get(readme, "13.12.1");
    struct profiles profiles;
    happn_error error;
    assert_int_equal(profiles_read(&arena, json_get(readme, "6.3.2"), &profiles, &error), HAPPN_OK);
    assert_int_equal(profiles.count, 7 + 3);
    assert_int_equal(profiles_read(&arena, list, &profiles, &error), HAPPN_OK);
    assert_int_equal(profiles.count, 8 + 3);
    static const struct {
        const char *session, *profile;
    } rows[] = {
        {"{\"type\":0,\"user\":{\"username\":\"WEB_SESSION\",\"groups\":{}}}", "web-session"},
        {"{\"type\":1,\"user\":{\"username\":\"WEB_SESSION\",\"groups\":{}}}", "default-stateful"},
        {"{\"type\":0,\"user\":{\"username\":\"d\",\"groups\":{\"REST_DEVICES\":{\"data\":{}}}}}", "rest-device"},
        {"{\"type\":1,\"user\":{\"username\":\"d\",\"groups\":{\"REST_DEVICES\":{\"data\":{}}}}}", "default-stateful"},
        {"{\"type\":1,\"user\":{\"username\":\"d\",\"groups\":{\"TRUSTED_DEVICES\":{}}}}", "trusted-device"},
        {"{\"type\":1,\"ip_address\":\"127.0.0.1\",\"user\":{\"username\":\"d\"}}", "specific-device"},
        {"{\"type\":0,\"ip_address\":\"127.0.0.1\",\"user\":{\"username\":\"d\"}}", "specific-device"},
        {"{\"type\":0,\"ip_address\":\"10.0.0.1\",\"user\":{\"username\":\"d\",\"groups\":{\"LIMITED_REUSE\":{}}}}", "non-reusable"},
        {"{\"type\":1,\"ip_address\":\"10.0.0.1\",\"user\":{\"username\":\"d\"}}", "default-stateful"},
        {"{\"type\":0,\"ip_address\":\"10.0.0.1\",\"user\":{\"username\":\"d\"}}", "default-stateless"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str name = match(&profiles, rows[i].session);
        if (!str_is(name, rows[i].profile)) {
            fail_msg("%s: %.*s", rows[i].session, (int)name.len, name.ptr);
        }
    }
    size_t number = 0;
    for (struct json_iter it = json_iter(list); json_next(&it); number++) {
        assert_true(is_policy(&profiles.items[number].policy, json_get(it.value, "policy")));
    }
    assert_int_equal(profiles.items[0].policy.ttl, 4000);
    assert_int_equal(profiles.items[6].policy.ttl, 600000);
    assert_true(str_is_set(profiles.items[7].policy.addresses));
    free((char *)readme.ptr);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json, *says;
    } rows[] = {
        {"{}", "profiles must be a list"},
        {"[{\"session\":{},\"policy\":{}}]", "needs a name"},
        {"[7]", "needs a name"},
        {"[{\"name\":\"p\",\"session\":{}}]", "p has no policy"},
        {"[{\"name\":\"p\",\"policy\":{}}]", "p needs a session filter"},
        {"[{\"name\":\"p\",\"session\":{\"a\":{\"$like\":1}},\"policy\":{}}]", "$like"},
        {"[{\"name\":\"p\",\"session\":{},\"policy\":{\"ttl\":\"1 month\"}}]", "ttl \"1 month\" is not a duration"},
        {"[{\"name\":\"p\",\"session\":{},\"policy\":{\"ttl\":-1}}]", "ttl -1 is not a duration"},
        {"[{\"name\":\"p\",\"session\":{},\"policy\":{\"inactivity_threshold\":\"abc\"}}]", "inactivity_threshold \"abc\" is not a duration"},
        {"[{\"name\":\"p\",\"session\":{},\"policy\":{\"usage_limit\":-1}}]", "usage_limit"},
        {"[{\"name\":\"p\",\"session\":{},\"policy\":{\"usage_limit\":\"2\"}}]", "usage_limit"},
        {"[{\"name\":\"p\",\"session\":{},\"policy\":{\"usage_limit\":2.5}}]", "usage_limit"},
        {"[{\"name\":\"p\",\"session\":{},\"policy\":{\"disallowTokenLogins\":\"yes\"}}]", "disallowTokenLogins must be true or false"},
        {"[{\"name\":\"p\",\"session\":{},\"policy\":{\"lockTokenToOrigin\":1}}]", "lockTokenToOrigin must be true or false"},
        {"[{\"name\":\"p\",\"session\":{},\"policy\":{\"usagelimit\":2}}]", "a policy has no usagelimit"},
        {"[{\"name\":\"p\",\"session\":{},\"policy\":{\"sourceIPWhitelist\":\"127.0.0.1\"}}]", "sourceIPWhitelist is a list"},
        {"[{\"name\":\"p\",\"session\":{},\"policy\":{\"sourceIPWhitelist\":[\"home\"]}}]", "\"home\" is not"},
        {"[{\"name\":\"p\",\"session\":{},\"policy\":{\"permissions\":[]}}]", "p: permissions must be an object"},
        {"[{\"name\":\"p\",\"session\":{},\"policy\":{\"permissions\":{\"/x\":{\"actions\":[\"fly\"]}}}}]", "p: unknown action: fly for path: /x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct profiles profiles;
        happn_error error = {0};
        assert_int_not_equal(profiles_read(&arena, str_of(rows[i].json), &profiles, &error), HAPPN_OK);
        if (strstr(error.message, rows[i].says) == NULL) {
            fail_msg("%s: %s", rows[i].json, error.message);
        }
    }
}

/* --- permissions */

static void permissions_in_the_originals_words(void **state)
{
    (void)state;
    static const struct {
        const char *json, *says;
    } rows[] = {
        {"{\"/x\":{\"actions\":[\"fly\"]},\"/y\":{}}", "unknown action: fly for path: /x,missing allowed actions or prohibit rules: /y"},
        {"{\"/x\":{\"actions\":[\"patch\"]}}", "unknown action: patch for path: /x"},
        {"{\"/x\":{\"prohibit\":[\"fly\"]}}", "unknown prohibit action: fly for path: /x"},
        {"{\"/{{w}}/x\":{\"actions\":[\"get\"]}}", "invalid permission path, cannot contain special string {{w}}"},
        {"{\"/x\":{\"actions\":\"get\"}}", "actions of the permission for /x must be a list"},
        {"{\"/x\":{\"actions\":[1]}}", "unknown action: 1 for path: /x"},
        {"{\"/x\":{\"actions\":[[\"get\"]]}}", "unknown action: [\"get\"] for path: /x"},
        {"{\"\":{\"actions\":[\"get\"]}}", "a permission path has 1 to"},
        {"{\"/x\":7}", "missing allowed actions"},
        {"null", "permissions must be an object"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        happn_error error = {0};
        assert_int_equal(policy_add_permissions(str_of(rows[i].json), NULL, &error), HAPPN_E_ARGUMENT);
        assert_int_equal(policy_add_permissions(str_of(rows[i].json), NULL, NULL), HAPPN_E_ARGUMENT);
        if (strncmp(error.message, rows[i].says, strlen(rows[i].says)) != 0) {
            fail_msg("%s: %s", rows[i].json, error.message);
        }
    }
    char many[4000] = "{";
    for (int i = 0; i < 100; i++) {
        snprintf(many + strlen(many), 40, "%s\"/%d\":{\"actions\":[\"fly\"]}", i != 0 ? "," : "", i);
    }
    strcat(many, "}");
    happn_error error = {0};
    assert_int_equal(policy_add_permissions(str_of(many), NULL, &error), HAPPN_E_ARGUMENT); /* as many as there is room for */
    assert_true(strlen(error.message) < sizeof error.message);
}

static void permissions_of_a_profile(void **state)
{
    (void)state;
    struct permission_set *set = permission_set_new(NULL);
    happn_error error;
    assert_int_equal(policy_add_permissions(STR_LIT("{\"/only/*\":{\"actions\":[\"get\",\"on\"],\"prohibit\":[\"on\"]},\"\\/a\\u002fb\":{\"actions\":[\"*\"]}}"), set,
                                            &error), HAPPN_OK);
    assert_true(permission_set_allows(set, STR_LIT("/only/1"), MAY_GET));
    assert_false(permission_set_allows(set, STR_LIT("/only/1"), MAY_ON));
    assert_false(permission_set_allows(set, STR_LIT("/only/1"), MAY_SET));
    assert_true(permission_set_allows(set, STR_LIT("/a/b"), MAY_REMOVE));
    permission_set_unref(set);
}

/* --- as it is told and read again */

static void written_and_read(void **state)
{
    (void)state;
    struct policy in = {.ttl = 1500, .usage_limit = 3, .no_token_logins = true, .permissions = STR_LIT("{\"/a\":{\"actions\":[\"get\"]}}")};
    struct buf out;
    buf_init(&out, NULL, 4096);
    policy_add(&out, &in);
    assert_int_equal(json_check(buf_str(&out), NULL), HAPPN_OK);
    struct policy again = policy_of(buf_str(&out));
    assert_int_equal(again.ttl, 1500);
    assert_int_equal(again.inactivity, 0);
    assert_int_equal(again.usage_limit, 3);
    assert_true(again.no_token_logins && !again.locked_to_origin);
    assert_true(str_equal(again.permissions, in.permissions));
    buf_fini(&out);
    assert_int_equal(policy_of(STR_LIT("{\"ttl\":\"100\"}")).ttl, 100);
    assert_true(policy_of(STR_LIT("{\"ttl\":\"soon\"}")).ttl < 0);
    assert_true(policy_of(STR_LIT("{\"ttl\":-5}")).ttl < 0);
    assert_true(policy_of(STR_LIT("{\"inactivity_threshold\":{}}")).inactivity < 0);
    assert_int_equal(policy_of(STR_LIT("{\"ttl\":null}")).ttl, 0);
    assert_int_equal(policy_of(STR_LIT("{}")).ttl, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_as_the_original), cmocka_unit_test(more_durations),
        cmocka_unit_test(policies_as_the_original),  cmocka_unit_test(filters_as_the_original),
        cmocka_unit_test(names_of_documents),        cmocka_unit_test(defaults),
        cmocka_unit_test(the_readme),                cmocka_unit_test(what_is_refused),
        cmocka_unit_test(permissions_in_the_originals_words), cmocka_unit_test(permissions_of_a_profile),
        cmocka_unit_test(written_and_read),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
