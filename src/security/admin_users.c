/* Users: making, changing, finding and removing them. */

#include <stdio.h>

#include "base/id.h"
#include "json/scan.h"
#include "json/write.h"
#include "security/admin_call.h"
#include "security/names.h"
#include "security/user_text.h"

static const struct user *user_of(struct admin_call *call, const char *argument)
{
    struct str name = admin_user_name(call, admin_text(call, argument));
    return str_is_set(name) ? directory_user(&call->security->directory, name) : NULL;
}

static const struct user *existing(struct admin_call *call)
{
    const struct user *user = user_of(call, "username");
    if (user == NULL) {
        struct str name = admin_text(call, "username");
        admin_fail(call, HAPPN_E_NOT_FOUND, "user does not exist: %.*s", (int)name.len, name.len != 0 ? name.ptr : "");
    }
    return user;
}

/* --- upsertUser */

static bool is_ours(struct str key)
{
    static const char *const names[] = {"password", "permissions", "groups", "_meta", "userid", "username"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (json_text_is(key, str_of(names[i]))) {
            return true;
        }
    }
    return false;
}

/* Compared as they are written: a name may be long, and may hold what a C string ends at. */
static bool has_member(struct str object, struct str key)
{
    for (struct json_iter it = json_iter(object); json_type_of(object) == JSON_OBJECT && json_next(&it);) {
        if (str_equal(it.key, key)) {
            return true;
        }
    }
    return false;
}

static void add_members(struct buf *out, struct str object, struct str without)
{
    for (struct json_iter it = json_iter(object); json_type_of(object) == JSON_OBJECT && json_next(&it);) {
        if (is_ours(it.key) || has_member(without, it.key)) {
            continue;
        }
        buf_add_lit(out, ",\"");
        buf_add_str(out, it.key);
        buf_add_lit(out, "\":");
        buf_add_str(out, it.value);
    }
}

/* The record as it will be stored: what is given over what was there. */
static struct str record_of(struct admin_call *call, struct str given, const struct user *before, struct str hash)
{
    struct str old = before != NULL ? before->record : STR_LIT("{}");
    char id[40];
    id_uuid(id);
    struct str userid = json_string(&call->arena, json_get(old, "userid"));
    struct buf text;
    buf_init(&text, call->security->allocator, 1 << 24);
    buf_add_lit(&text, "{\"username\":");
    json_add_string(&text, call->subject);
    add_members(&text, old, given);
    add_members(&text, given, STR_LIT("{}"));
    buf_add_lit(&text, ",\"userid\":");
    json_add_string(&text, str_is_set(userid) ? userid : str_of(id));
    struct str kept = json_get(old, "password");
    if (str_is_set(hash)) {
        buf_add_lit(&text, ",\"password\":");
        json_add_string(&text, hash);
    } else if (str_is_set(kept)) {
        buf_add_lit(&text, ",\"password\":");
        buf_add_str(&text, kept);
    }
    buf_add_char(&text, '}');
    struct str record = text.status == HAPPN_OK ? arena_str(&call->arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    return record;
}

static void add_result(struct admin_call *call, struct str record, struct str permissions)
{
    bool has_members = false;
    json_add_open_object(&call->result, record, "password", &has_members);
    buf_add_lit(&call->result, ",\"permissions\":");
    buf_add_str(&call->result, json_type_of(permissions) == JSON_OBJECT ? permissions : STR_LIT("{}"));
    buf_add_char(&call->result, '}');
}

/* False: it failed, because the user is there and shall not be written over. */
static bool check_new(struct admin_call *call, const struct user *before)
{
    bool overwrites = !str_is(admin_raw(call, "overwrite"), "false") && !str_is(json_get(admin_raw(call, "options"), "overwrite"), "false");
    if (before != NULL && !overwrites) {
        admin_fail(call, HAPPN_E_CONFLICT, "validation failure: user by the name %.*s already exists", (int)call->subject.len, call->subject.ptr);
        return false;
    }
    return true;
}

static void write_user(struct turn *turn)
{
    struct admin_call *call = (struct admin_call *)turn;
    struct str given = admin_raw(call, "user"), hash = str_or_none(str_of(call->job.made));
    const struct user *before = directory_user(&call->security->directory, call->subject);
    if (!check_new(call, before)) {
        return;
    }
    struct str record = record_of(call, given, before, hash);
    struct str path = admin_path(call, STR_LIT("_USER/"), call->subject, STR_NONE, STR_NONE);
    if (record.ptr == NULL || path.ptr == NULL) {
        admin_fail_memory(call);
        return;
    }
    if (!admin_begin_change(call)) {
        return;
    }
    struct str owner[] = {STR_LIT("_USER/"), call->subject};
    struct str permissions = json_get(given, "permissions");
    change_put(call->change, path, record);
    admin_put_permissions(call, arena_join(&call->arena, owner, 2), before != NULL ? before->rules : NULL, permissions);
    add_result(call, record, permissions);
    admin_submit(call, "upsert-user", buf_str(&call->result));
}

static void hashed(struct hash_job *job)
{
    struct admin_call *call = job->arg;
    if (job->made[0] == '\0') {
        admin_fail(call, HAPPN_E_MEMORY, "the password could not be hashed");
        return;
    }
    change_in_turn(call->security, &call->turn, write_user);
}

static void hash_password(struct admin_call *call, struct str password, void (*done)(struct hash_job *job))
{
    call->job = (struct hash_job){.password = password, .iterations = call->security->settings.iterations, .done = done, .arg = call};
    happn_status status = hashing_submit(call->security->hashing, &call->job);
    if (status != HAPPN_OK) {
        admin_fail(call, status, "%s", happn_status_text(status));
    }
}

/* False: it failed. *password is not set when none is given. */
static bool take_password(struct admin_call *call, struct str raw, struct str *password)
{
    enum json_type type = json_type_of(raw);
    *password = json_string(&call->arena, raw);
    if (type != JSON_NONE && type != JSON_NULL && type != JSON_STRING) {
        admin_fail(call, HAPPN_E_ARGUMENT, "validation failure: a password must be a text");
        return false;
    }
    if (password->len > PASSWORD_MOST) {
        admin_fail(call, HAPPN_E_ARGUMENT, "validation failure: a password has at most %d bytes", PASSWORD_MOST);
        return false;
    }
    if (password->len == 0) {
        *password = STR_NONE;
    }
    return true;
}

static bool check_user(struct admin_call *call, struct str given, const struct user **before)
{
    struct str name = admin_user_name(call, json_string(&call->arena, json_get(given, "username")));
    struct str label = json_string(&call->arena, json_get(given, "name"));
    call->subject = name;
    *before = str_is_set(name) ? directory_user(&call->security->directory, name) : NULL;
    if (name_check_user(name, &call->error) != HAPPN_OK) {
        admin_failed(call);
        return false;
    }
    if (label.len != 0 && name_check_group(label, &call->error) != HAPPN_OK) {
        admin_fail(call, HAPPN_E_ARGUMENT, "validation error: user names cannot contain the special _SYSTEM, _GROUP, _PERMISSION, _USER_GROUP, _ADMIN, "
                                           "_ANONYMOUS segment or a forward slash /");
        return false;
    }
    return check_new(call, *before);
}

void admin_upsert_user(struct admin_call *call)
{
    struct str given = admin_raw(call, "user"), password;
    const struct user *before;
    if (json_type_of(given) != JSON_OBJECT) {
        admin_fail(call, HAPPN_E_ARGUMENT, "user is null or not an object");
        return;
    }
    if (!check_user(call, given, &before) || !take_password(call, json_get(given, "password"), &password) ||
        !admin_check_permissions(call, json_get(given, "permissions"), "user")) {
        return;
    }
    struct str key = json_string(&call->arena, json_get(given, "publicKey"));
    if (before == NULL && !str_is_set(password) && key.len == 0) {
        admin_fail(call, HAPPN_E_ARGUMENT, "validation failure: no password or publicKey specified for a new user");
        return;
    }
    if (str_is_set(password)) {
        hash_password(call, password, hashed);
    } else {
        change_in_turn(call->security, &call->turn, write_user);
    }
}

/* --- resetPassword */

static void end_sessions(struct user *user)
{
    for (struct identity *identity = user->identities, *next; identity != NULL; identity = next) {
        next = identity->next_of_user;
        identity_end(identity, &refused_revoked);
    }
}

static void reset_done(happn_status status, const happn_error *error, void *arg)
{
    struct admin_call *call = arg;
    if (status != HAPPN_OK) {
        call->error = *error;
        admin_failed(call);
        return;
    }
    struct user *user = directory_user(&call->security->directory, call->subject);
    if (user != NULL && json_true(admin_raw(call, "endSessions"))) {
        end_sessions(user);
    }
    buf_add_lit(&call->result, "{\"changed\":true}");
    admin_reply(call);
}

static void reset_hashed(struct hash_job *job)
{
    struct admin_call *call = job->arg;
    if (job->made[0] == '\0') {
        admin_fail(call, HAPPN_E_MEMORY, "the password could not be hashed");
        return;
    }
    security_set_password(call->security, call->subject, job->made, STR_NONE, reset_done, call);
}

void admin_reset_password(struct admin_call *call)
{
    const struct user *user = existing(call);
    struct str password;
    if (user == NULL || !take_password(call, admin_raw(call, "password"), &password)) {
        return;
    }
    if (!str_is_set(password)) {
        admin_fail(call, HAPPN_E_ARGUMENT, "validation failure: no password specified");
        return;
    }
    call->subject = arena_str(&call->arena, user->name);
    hash_password(call, password, reset_hashed);
}

/* --- deleteUser */

static void remove_memberships(struct admin_call *call, const struct user *user)
{
    for (const struct member *member = user->members; member != NULL; member = member->next_of_user) {
        struct str path = admin_path(call, STR_LIT("_USER/"), user->name, STR_LIT("/_USER_GROUP/"), member->group->name);
        change_remove(call->change, path, STR_NONE);
    }
}

void admin_delete_user(struct admin_call *call)
{
    struct str name = admin_user_name(call, admin_text(call, "username"));
    const struct user *user = str_is_set(name) ? directory_user(&call->security->directory, name) : NULL;
    if (str_is(name, ADMIN_NAME) || str_is(name, ANONYMOUS_NAME)) {
        admin_fail(call, HAPPN_E_DENIED, "unable to delete a user with the reserved name: %.*s", (int)name.len, name.ptr);
        return;
    }
    struct str path = admin_path(call, STR_LIT("_USER/"), str_is_set(name) ? name : STR_LIT(""), STR_NONE, STR_NONE);
    buf_add_format(&call->result, "{\"obj\":{\"data\":{\"removed\":%d},\"_meta\":{\"path\":", user != NULL);
    json_add_string(&call->result, path);
    buf_add_lit(&call->result, "}}}");
    if (user == NULL) {
        admin_reply(call);
        return;
    }
    if (!admin_begin_change(call)) {
        return;
    }
    struct str owner[] = {STR_LIT("_USER/"), name};
    remove_memberships(call, user);
    admin_remove_rules(call, arena_join(&call->arena, owner, 2), user->rules);
    change_remove(call->change, path, STR_NONE);
    admin_submit(call, "delete-user", buf_str(&call->result));
}

/* --- finding */

void admin_get_user(struct admin_call *call)
{
    const struct user *user = user_of(call, "username");
    if (!str_is_set(admin_text(call, "username"))) {
        admin_fail(call, HAPPN_E_ARGUMENT, "validation failure: no username specified");
        return;
    }
    if (user == NULL) {
        buf_add_lit(&call->result, "null");
    } else {
        user_add_text(&call->result, user, !str_is(admin_raw(call, "includeGroups"), "false"), true);
    }
    admin_reply(call);
}

struct walk {
    struct admin_list list;
    struct buf text;
    bool failed;
};

static bool add_user(struct walk *walk, const struct user *user)
{
    buf_clear(&walk->text);
    user_add_text(&walk->text, user, false, false);
    return walk->text.status == HAPPN_OK && admin_list_add(&walk->list, user->name, buf_str(&walk->text), user->created, user->modified);
}

static void visit_user(struct idmap_node *node, void *arg)
{
    struct walk *walk = arg;
    const struct user *user = (const struct user *)node;
    if (str_is_set(user->record) && admin_list_wants(&walk->list, user->name) && !add_user(walk, user)) {
        walk->failed = true;
    }
}

static void walk_init(struct walk *walk, struct admin_call *call)
{
    *walk = (struct walk){.list = {.call = call}};
    buf_init(&walk->text, call->security->allocator, 1 << 24);
}

static void walk_reply(struct walk *walk)
{
    struct admin_call *call = walk->list.call;
    buf_fini(&walk->text);
    if (walk->failed) {
        admin_fail_memory(call);
        return;
    }
    admin_list_reply(&walk->list);
}

void admin_list_users(struct admin_call *call)
{
    struct walk walk;
    walk_init(&walk, call);
    struct str prefix = admin_text(call, "name");
    if (str_ends(prefix, STR_LIT("*"))) {
        prefix.len--;
    }
    walk.list.prefix = str_is_set(prefix) ? prefix : STR_LIT("");
    idmap_each(&call->security->directory.users, visit_user, &walk);
    walk_reply(&walk);
}

static const struct group *group_of(struct admin_call *call)
{
    struct str name = admin_text(call, "group");
    if (name.len == 0) {
        admin_fail(call, HAPPN_E_ARGUMENT, "validation error: groupName must be specified");
        return NULL;
    }
    const struct group *group = directory_group(&call->security->directory, name);
    if (group == NULL) {
        buf_add_lit(&call->result, "[]");
        admin_reply(call);
    }
    return group;
}

void admin_list_users_by_group(struct admin_call *call)
{
    const struct group *group = group_of(call);
    if (group == NULL) {
        return;
    }
    struct walk walk;
    walk_init(&walk, call);
    for (const struct member *member = group->members; member != NULL; member = member->next_of_group) {
        walk.failed = walk.failed || (str_is_set(member->user->record) && !add_user(&walk, member->user));
    }
    walk_reply(&walk);
}

void admin_list_user_names_by_group(struct admin_call *call)
{
    const struct group *group = group_of(call);
    if (group == NULL) {
        return;
    }
    bool first = true;
    buf_add_char(&call->result, '[');
    for (const struct member *member = group->members; member != NULL; member = member->next_of_group) {
        if (str_is_set(member->user->record)) {
            buf_add_text(&call->result, first ? "" : ",");
            json_add_string(&call->result, member->user->name);
            first = false;
        }
    }
    buf_add_char(&call->result, ']');
    admin_reply(call);
}

void admin_get_group_memberships(struct admin_call *call)
{
    const struct user *user = existing(call);
    if (user == NULL) {
        return;
    }
    bool first = true;
    buf_add_char(&call->result, '[');
    for (const struct member *member = user->members; member != NULL; member = member->next_of_user) {
        buf_add_text(&call->result, first ? "{\"groupName\":" : ",{\"groupName\":");
        json_add_string(&call->result, member->group->name);
        buf_add_lit(&call->result, ",\"membership\":{\"data\":");
        buf_add_str(&call->result, str_is_set(member->data) ? member->data : STR_LIT("{}"));
        buf_add_lit(&call->result, "}}");
        first = false;
    }
    buf_add_char(&call->result, ']');
    admin_reply(call);
}

void admin_user_belongs_to_groups(struct admin_call *call)
{
    const struct user *user = existing(call);
    struct str groups = admin_raw(call, "groups");
    if (user == NULL) {
        return;
    }
    bool is_in_all = json_type_of(groups) == JSON_ARRAY;
    for (struct json_iter it = json_iter(groups); is_in_all && json_next(&it);) {
        struct str name = json_string(&call->arena, it.value);
        is_in_all = str_is_set(name) && user_is_in(user, name);
    }
    buf_add_text(&call->result, is_in_all ? "true" : "false");
    admin_reply(call);
}
