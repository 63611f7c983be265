/* Permissions of groups and users, one by one and as they come with their owner. */

#include <stdio.h>

#include "json/scan.h"
#include "json/write.h"
#include "security/admin_call.h"
#include "security/policy.h"
#include "security/user_text.h"

static void add_problem(struct buf *out, const char *text)
{
    buf_add_text(out, out->len != 0 ? "," : "");
    buf_add_text(out, text);
}

/* One path at a time, so that everything that is wrong is named. */
static void check_one(struct admin_call *call, struct str key, struct str value, struct buf *problems)
{
    struct str path = json_string(&call->arena, str_make(key.ptr - 1, key.len + 2));
    if (path.ptr != NULL && path.len != 0 && memmem(path.ptr, path.len, "{{w}}", 5) != NULL) {
        add_problem(problems, "invalid permission path, cannot contain special string {{w}}");
        return;
    }
    char text[600];
    struct buf one;
    buf_init(&one, call->security->allocator, 1 << 20);
    buf_add_lit(&one, "{\"");
    buf_add_str(&one, key);
    buf_add_lit(&one, "\":");
    buf_add_str(&one, value);
    buf_add_char(&one, '}');
    happn_error error = {.status = HAPPN_OK};
    if (one.status != HAPPN_OK || policy_add_permissions(buf_str(&one), NULL, &error) != HAPPN_OK) {
        snprintf(text, sizeof text, "%s", error.message);
        add_problem(problems, text);
    }
    buf_fini(&one);
}

bool admin_check_permissions(struct admin_call *call, struct str permissions, const char *whose)
{
    if (!str_is_set(permissions) || json_type_of(permissions) == JSON_NULL) {
        return true;
    }
    if (json_type_of(permissions) != JSON_OBJECT) {
        admin_fail(call, HAPPN_E_ARGUMENT, "%s permissions invalid: they must be an object: {\"/path/*\": {\"actions\": [\"get\"]}}", whose);
        return false;
    }
    struct buf problems;
    buf_init(&problems, call->security->allocator, 1 << 20);
    for (struct json_iter it = json_iter(permissions); json_next(&it);) {
        check_one(call, it.key, it.value, &problems);
    }
    bool is_fine = problems.len == 0 && problems.status == HAPPN_OK;
    bool is_hidden = str_starts(buf_str(&problems), STR_LIT("invalid permission path"));
    char text[400];
    snprintf(text, sizeof text, "%.*s", (int)problems.len, problems.ptr != NULL ? problems.ptr : "");
    buf_fini(&problems);
    if (!is_fine) {
        admin_fail(call, HAPPN_E_ARGUMENT, is_hidden ? "%s%s" : "%s permissions invalid: %s", is_hidden ? "" : whose, text);
    }
    return is_fine;
}

static void put(struct admin_call *call, struct str owner, const char *action, struct str path, bool authorized)
{
    struct str where = permission_path(&call->arena, owner, action, path);
    struct str data = permission_data(&call->arena, action, path, authorized);
    change_put(call->change, where, data);
}

static void take_away(struct admin_call *call, struct str owner, const char *action, struct str path, bool authorized)
{
    struct str where = permission_path(&call->arena, owner, action, path);
    struct str data = permission_data(&call->arena, action, path, authorized);
    change_remove(call->change, data.ptr != NULL ? where : STR_NONE, data);
}

static void put_words(struct admin_call *call, struct str owner, struct str path, struct str words, bool authorized, bool removes)
{
    for (struct json_iter it = json_iter(words); json_type_of(words) == JSON_ARRAY && json_next(&it);) {
        char action[16];
        snprintf(action, sizeof action, "%.*s", (int)it.value.len - 2, it.value.ptr + 1);
        if (removes) {
            take_away(call, owner, action, path, authorized);
        } else {
            put(call, owner, action, path, authorized);
        }
    }
}

void admin_put_permissions(struct admin_call *call, struct str owner, const struct rule *rules, struct str permissions)
{
    (void)rules;
    if (json_type_of(permissions) != JSON_OBJECT) {
        return;
    }
    for (struct json_iter it = json_iter(permissions); json_next(&it);) {
        struct str path = json_string(&call->arena, str_make(it.key.ptr - 1, it.key.len + 2));
        bool removes = json_true(json_get(it.value, "remove"));
        put_words(call, owner, path, json_get(it.value, "actions"), true, removes);
        put_words(call, owner, path, json_get(it.value, "prohibit"), false, removes);
    }
}

/* Each word of a rule. */
static void each_word(unsigned bits, void (*visit)(const char *word, void *arg), void *arg)
{
    for (unsigned bit = 1; bit <= MAY_STAR; bit <<= 1) {
        if ((bits & bit) != 0) {
            visit(may_word(bit), arg);
        }
    }
}

struct removal {
    struct admin_call *call;
    struct str owner;
    const struct rule *rule;
    bool authorized;
};

static void remove_word(const char *word, void *arg)
{
    const struct removal *removal = arg;
    take_away(removal->call, removal->owner, word, removal->rule->path, removal->authorized);
}

void admin_remove_rules(struct admin_call *call, struct str owner, const struct rule *rules)
{
    for (const struct rule *rule = rules; rule != NULL; rule = rule->next) {
        struct removal removal = {call, owner, rule, true};
        each_word(rule->allowed, remove_word, &removal);
        removal.authorized = false;
        each_word(rule->prohibited, remove_word, &removal);
    }
}

/* --- the verbs */

struct owner {
    struct str key;  /* "_USER/bob", or the group */
    struct str name;
    bool is_user;
    const struct rule *rules;
};

static bool find_owner(struct admin_call *call, struct owner *out)
{
    struct directory *directory = &call->security->directory;
    struct str username = admin_user_name(call, admin_text(call, "username"));
    struct str name = admin_text(call, "group");
    const struct user *user = str_is_set(username) ? directory_user(directory, username) : NULL;
    const struct group *group = str_is_set(name) ? directory_group(directory, name) : NULL;
    if (user == NULL && group == NULL) {
        admin_fail(call, HAPPN_E_NOT_FOUND, str_is_set(username) ? "user does not exist: %.*s" : "group does not exist: %.*s",
                   (int)(str_is_set(username) ? username.len : name.len), str_is_set(username) ? username.ptr : str_is_set(name) ? name.ptr : "");
        return false;
    }
    struct str parts[] = {STR_LIT("_USER/"), username};
    *out = user != NULL ? (struct owner){arena_join(&call->arena, parts, 2), username, true, user->rules}
                        : (struct owner){name, name, false, group->rules};
    return true;
}

/* {"groupName":"G1","path":"/a","action":"on"}: what those concerned are told. */
static struct str detail_of(struct admin_call *call, const struct owner *owner, struct str path, struct str action)
{
    struct buf text;
    buf_init(&text, call->security->allocator, 1 << 20);
    buf_add_text(&text, owner->is_user ? "{\"username\":" : "{\"groupName\":");
    json_add_string(&text, owner->name);
    buf_add_lit(&text, ",\"path\":");
    json_add_string(&text, path);
    buf_add_lit(&text, ",\"action\":");
    json_add_string(&text, action);
    buf_add_char(&text, '}');
    struct str copy = text.status == HAPPN_OK ? arena_str(&call->arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    return copy;
}

static bool take_path(struct admin_call *call, struct str *path)
{
    *path = admin_text(call, "path");
    if (path->len == 0) {
        admin_fail(call, HAPPN_E_ARGUMENT, "permission path is null");
        return false;
    }
    if (memmem(path->ptr, path->len, "{{w}}", 5) != NULL) {
        admin_fail(call, HAPPN_E_ARGUMENT, "invalid permission path, cannot contain special string {{w}}");
        return false;
    }
    return true;
}

void admin_upsert_permission(struct admin_call *call)
{
    struct str path, action = admin_text(call, "action"), authorized = admin_raw(call, "authorized");
    struct owner owner;
    if (!take_path(call, &path) || !find_owner(call, &owner)) {
        return;
    }
    if (may_of(action) == 0) {
        admin_fail(call, HAPPN_E_ARGUMENT, "unknown action: %.*s for path: %.*s", (int)action.len, action.ptr != NULL ? action.ptr : "",
                   (int)path.len, path.ptr);
        return;
    }
    bool is_allowed = !str_is(authorized, "false");
    if (!admin_begin_change(call)) {
        return;
    }
    const char *word = may_word(may_of(action));
    put(call, owner.key, word, path, is_allowed);
    buf_add_str(&call->result, permission_data(&call->arena, word, path, is_allowed));
    admin_submit(call, "permission-upserted", detail_of(call, &owner, path, action));
}

void admin_remove_permission(struct admin_call *call)
{
    struct str path = admin_text(call, "path"), action = admin_text(call, "action");
    struct owner owner;
    path = path.len != 0 ? path : STR_LIT("*");
    action = action.len != 0 ? action : STR_LIT("*");
    if (!find_owner(call, &owner)) {
        return;
    }
    const struct rule *rule = rule_find((struct rule *)owner.rules, path);
    unsigned bit = str_is(action, "*") ? MAY_STAR : may_of(action);
    bool is_there = rule != NULL && bit != 0 && (((rule->allowed | rule->prohibited) & bit) == bit);
    buf_add_format(&call->result, "{\"removed\":%d}", is_there);
    if (!is_there) {
        admin_reply(call);
        return;
    }
    if (!admin_begin_change(call)) {
        return;
    }
    take_away(call, owner.key, may_word(bit), path, (rule->allowed & bit) == bit);
    admin_submit(call, "permission-removed", detail_of(call, &owner, path, action));
}

struct listing {
    struct admin_call *call;
    const struct rule *rule;
    bool authorized, has_one;
};

static void list_word(const char *word, void *arg)
{
    struct listing *listing = arg;
    struct buf *out = &listing->call->result;
    buf_add_format(out, "%s{\"action\":\"%s\",\"authorized\":%s,\"path\":", listing->has_one ? "," : "", word, listing->authorized ? "true" : "false");
    json_add_string(out, listing->rule->path);
    buf_add_char(out, '}');
    listing->has_one = true;
}

void admin_list_permissions(struct admin_call *call)
{
    struct owner owner;
    if (!find_owner(call, &owner)) {
        return;
    }
    struct listing listing = {.call = call};
    buf_add_char(&call->result, '[');
    for (const struct rule *rule = owner.rules; rule != NULL; rule = rule->next) {
        listing.rule = rule;
        listing.authorized = true;
        each_word(rule->allowed, list_word, &listing);
        listing.authorized = false;
        each_word(rule->prohibited, list_word, &listing);
    }
    buf_add_char(&call->result, ']');
    admin_reply(call);
}
