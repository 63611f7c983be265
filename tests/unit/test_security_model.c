/* The directory and its permission sets against a model that is as simple as it can be.
 *
 * Users, groups, links and rules are written and removed at random; then somebody asks for something. Our side has the documents in a directory
 * and compiles sets of it. The model keeps a flat list of what is written, and for each question goes through all of it with a matcher of
 * a few lines. They must always agree. */
#include "vectors.h"

#include "base/buf.h"
#include "security/rights.h"

enum { USERS = 5, GROUPS = 4, MOST_RULES = 400 };

static const char *const user_names[USERS] = {"bob", "bobby", "eve", "a b", "\xc3\xa9ve"};
static const char *const group_names[GROUPS] = {"G", "GG", "staff", "staff/night"};
static const char *const actions[] = {"get", "set", "on", "remove", "delete", "put", "post", "head", "options", "*"};
enum { ACTIONS = sizeof actions / sizeof actions[0] };

/* What a user's custom_data.v is, as JSON, and what a template may make of it: up to two values. */
static const struct {
    const char *json, *values[2];
} customs[] = {
    {NULL, {NULL, NULL}},  {"\"x\"", {"x", NULL}},       {"[\"x\",\"y\"]", {"x", "y"}}, {"\"*\"", {NULL, NULL}},   {"\"a/b\"", {NULL, NULL}},
    {"7", {"7", NULL}},    {"[\"*\",\"y\"]", {"y", NULL}}, {"[]", {NULL, NULL}},        {"null", {NULL, NULL}},    {"{\"a\":1}", {NULL, NULL}},
    {"\"\"", {NULL, NULL}}, {"\"{{user.username}}\"", {NULL, NULL}},
};
enum { CUSTOMS = sizeof customs / sizeof customs[0] };

struct model_rule {
    int owner; /* a user, or USERS + a group */
    int action;
    char path[128];
    bool authorized;
};

static struct {
    bool is_user[USERS], is_group[GROUPS], is_member[USERS][GROUPS];
    int custom[USERS];
    struct model_rule rules[MOST_RULES];
    int rule_count;
} model;

static struct directory directory;
static uint64_t seed;

static int draw(int count)
{
    return (int)(vectors_draw(&seed) % (uint64_t)count);
}

/* --- the model */

static bool fits(const char *pattern, const char *path)
{
    if (*pattern == '*') {
        for (; pattern[1] == '*'; pattern++) {
        }
        return fits(pattern + 1, path) || (*path != '\0' && fits(pattern, path + 1));
    }
    return *pattern == *path && (*path == '\0' || fits(pattern + 1, path + 1));
}

/* Fills the first hole of a pattern with each of its values in turn. */
static bool fits_filled(int user, const char *pattern, const char *path)
{
    const char *hole = strstr(pattern, "{{");
    if (hole == NULL) {
        return fits(pattern, path);
    }
    bool is_name = strncmp(hole, "{{user.username}}", 17) == 0;
    const char *const by_name[2] = {user_names[user], NULL};
    const char *const *values = is_name ? by_name : strncmp(hole, "{{user.custom_data.v}}", 22) == 0 ? customs[model.custom[user]].values : by_name + 1;
    for (int i = 0; i < 2 && values[i] != NULL; i++) {
        char filled[300];
        snprintf(filled, sizeof filled, "%.*s%s%s", (int)(hole - pattern), pattern, values[i], strstr(hole, "}}") + 2);
        if (fits_filled(user, filled, path)) {
            return true;
        }
        if (values == by_name) {
            break;
        }
    }
    return false;
}

static bool concerns(const struct model_rule *rule, int user)
{
    int group = rule->owner - USERS;
    return group < 0 ? rule->owner == user : model.is_group[group] && model.is_member[user][group];
}

static bool model_allows(int user, const char *path, int action)
{
    bool allowed = false, prohibited = false;
    for (int i = 0; i < model.rule_count; i++) {
        const struct model_rule *rule = &model.rules[i];
        bool is_action = rule->action == action || strcmp(actions[rule->action], "*") == 0;
        if (is_action && concerns(rule, user) && fits_filled(user, rule->path, path)) {
            allowed = allowed || rule->authorized;
            prohibited = prohibited || !rule->authorized;
        }
    }
    return allowed && !prohibited;
}

/* --- the same documents for both */

static void write_document(const char *path, const char *data, bool is_there)
{
    if (is_there) {
        assert_int_equal(directory_put(&directory, str_of(path), str_of(data), 1, 1), HAPPN_OK);
    } else {
        directory_drop(&directory, str_of(path), str_of(data));
    }
}

static void toggle_user(void)
{
    int user = draw(USERS);
    bool is_there = draw(4) != 0; /* written anew while it is there, too */
    char path[128], data[256];
    model.is_user[user] = is_there;
    model.custom[user] = is_there ? draw(CUSTOMS) : 0;
    const char *custom = customs[model.custom[user]].json;
    snprintf(path, sizeof path, SECURITY_ROOT "_USER/%s", user_names[user]);
    snprintf(data, sizeof data, "{\"username\":\"%s\",\"custom_data\":{%s%s}}", user_names[user], custom != NULL ? "\"v\":" : "", custom != NULL ? custom : "");
    write_document(path, data, is_there);
}

static void toggle_group(void)
{
    int group = draw(GROUPS);
    char path[128];
    model.is_group[group] = draw(4) != 0;
    snprintf(path, sizeof path, SECURITY_ROOT "_GROUP/%s", group_names[group]);
    write_document(path, "{}", model.is_group[group]);
}

static void toggle_link(void)
{
    int user = draw(USERS), group = draw(GROUPS);
    char path[128];
    model.is_member[user][group] = draw(2) != 0;
    snprintf(path, sizeof path, SECURITY_ROOT "_USER/%s/_USER_GROUP/%s", user_names[user], group_names[group]);
    write_document(path, "{}", model.is_member[user][group]);
}

static void draw_path(char out[128], bool is_pattern)
{
    static const char *const pieces[] = {"/", "/", "a", "b", "ab", "x", "y", "7", "bob", "get", "@HTTP", "*", "**", "a*", "{{user.username}}",
                                         "{{user.custom_data.v}}", "{{user.nothing}}"};
    out[0] = '\0';
    for (int count = 1 + draw(5); count != 0; count--) {
        strcat(out, pieces[draw(is_pattern ? 17 : 14)]);
    }
}

static void write_rule(const struct model_rule *rule, bool is_there)
{
    char path[900], data[400];
    bool is_user = rule->owner < USERS;
    int len = snprintf(path, sizeof path, SECURITY_ROOT "_PERMISSIONS/%s%s/%s/", is_user ? "_USER/" : "",
                       is_user ? user_names[rule->owner] : group_names[rule->owner - USERS], actions[rule->action]);
    for (const char *c = rule->path; *c != '\0'; c++) {
        len += snprintf(path + len, sizeof path - (size_t)len, *c == '*' ? "{{w}}" : "%c", *c);
    }
    snprintf(data, sizeof data, "{\"action\":\"%s\",\"authorized\":%s,\"path\":\"%s\"}", actions[rule->action], rule->authorized ? "true" : "false", rule->path);
    write_document(path, data, is_there);
}

static struct model_rule *find_rule(const struct model_rule *like)
{
    for (int i = 0; i < model.rule_count; i++) {
        struct model_rule *rule = &model.rules[i];
        if (rule->owner == like->owner && rule->action == like->action && strcmp(rule->path, like->path) == 0) {
            return rule;
        }
    }
    return NULL;
}

static void add_rule(void)
{
    struct model_rule rule = {.owner = draw(USERS + GROUPS), .action = draw(ACTIONS), .authorized = draw(5) != 0};
    draw_path(rule.path, true);
    struct model_rule *known = find_rule(&rule);
    if (known == NULL && model.rule_count == MOST_RULES) {
        return;
    }
    *(known != NULL ? known : &model.rules[model.rule_count++]) = rule;
    write_rule(&rule, true);
}

static void remove_rule(void)
{
    if (model.rule_count != 0) {
        struct model_rule *rule = &model.rules[draw(model.rule_count)];
        write_rule(rule, false);
        *rule = model.rules[--model.rule_count];
    }
}

static void change_something(void)
{
    static void (*const changes[])(void) = {toggle_user, toggle_group, toggle_link, add_rule, add_rule, remove_rule};
    changes[draw(6)]();
}

/* --- questions */

static int asked, allowed_answers;

static void ask(struct permission_set *rights, int user)
{
    char path[128];
    int action = draw(ACTIONS - 1);
    draw_path(path, false);
    if (model.rule_count != 0 && draw(3) == 0) { /* something near to what there is a rule for */
        snprintf(path, sizeof path, "%s", model.rules[draw(model.rule_count)].path);
    }
    bool wanted = model_allows(user, path, action);
    bool got = permission_set_allows(rights, str_of(path), may_of(str_of(actions[action])));
    if (got != wanted || got != permission_set_permits(rights, str_of(path), may_of(str_of(actions[action])))) {
        fail_msg("%s, %s %s: the model says %d, we say %d", user_names[user], actions[action], path, wanted, got);
    }
    asked++;
    allowed_answers += wanted;
}

static void ask_many(void)
{
    for (int user = 0; user < USERS; user++) {
        struct user *known = directory_user(&directory, str_of(user_names[user]));
        assert_int_equal(known != NULL, model.is_user[user]);
        if (known == NULL) {
            continue;
        }
        struct permission_set *rights = rights_compile(NULL, known);
        assert_non_null(rights);
        for (int i = 0; i < 40; i++) {
            ask(rights, user);
        }
        permission_set_unref(rights);
    }
}

static void play(uint64_t start, int rounds)
{
    seed = start;
    asked = allowed_answers = 0;
    memset(&model, 0, sizeof model);
    directory_init(&directory, NULL);
    for (int round = 0; round < rounds; round++) {
        for (int changes = 1 + draw(8); changes != 0; changes--) {
            change_something();
        }
        ask_many();
    }
    directory_fini(&directory);
    print_message("%d questions, %d of them allowed\n", asked, allowed_answers);
    assert_true(asked > rounds && allowed_answers > asked / 100); /* it asks what can be allowed, too */
}

static void a_fixed_seed(void **state)
{
    (void)state;
    play(20261126, 600);
}

static void a_new_seed(void **state)
{
    (void)state;
    play(vectors_seed(), 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_fixed_seed), cmocka_unit_test(a_new_seed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
