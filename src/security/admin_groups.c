/* Groups, and who is in them. */

#include "json/scan.h"
#include "json/write.h"
#include "security/admin_call.h"
#include "security/names.h"
#include "security/user_text.h"

static const char group_root[] = SECURITY_ROOT "_GROUP/";

/* The full name of a group below another one: "staff/night". False: the call has failed. */
static bool take_name(struct admin_call *call, struct str given)
{
    struct str name = json_string(&call->arena, json_get(given, "name"));
    struct str parent = admin_raw(call, "parent");
    parent = str_is_set(parent) ? parent : json_get(admin_raw(call, "options"), "parent");
    if (name_check_group(name, &call->error) != HAPPN_OK) {
        admin_failed(call);
        return false;
    }
    call->subject = name;
    if (!str_is_set(parent) || json_type_of(parent) == JSON_NULL) {
        return true;
    }
    struct str path = json_string(&call->arena, json_get(json_get(parent, "_meta"), "path"));
    struct str parent_name = json_string(&call->arena, parent);
    if (!str_is_set(path) && !str_is_set(parent_name)) {
        admin_fail(call, HAPPN_E_ARGUMENT, "validation error: parent group path is not in your request, have you included the _meta?");
        return false;
    }
    if (!str_is_set(parent_name)) {
        parent_name = str_starts(path, STR_LIT(group_root)) ? str_skip(path, sizeof group_root - 1) : path;
    }
    if (directory_group(&call->security->directory, parent_name) == NULL) {
        admin_fail(call, HAPPN_E_NOT_FOUND, "validation error: parent group does not exist: %.*s", (int)(str_is_set(path) ? path.len : parent_name.len),
                   str_is_set(path) ? path.ptr : parent_name.ptr);
        return false;
    }
    struct str parts[] = {parent_name, STR_LIT("/"), name};
    call->subject = arena_join(&call->arena, parts, 3);
    if (call->subject.ptr == NULL) {
        admin_fail_memory(call);
        return false;
    }
    return true;
}

static struct str without_permissions(struct admin_call *call, struct str given)
{
    struct buf text;
    buf_init(&text, call->security->allocator, 1 << 24);
    bool first = true;
    buf_add_char(&text, '{');
    for (struct json_iter it = json_iter(given); json_next(&it);) {
        if (json_text_is(it.key, STR_LIT("permissions")) || json_text_is(it.key, STR_LIT("_meta"))) {
            continue;
        }
        buf_add_text(&text, first ? "\"" : ",\"");
        first = false;
        buf_add_str(&text, it.key);
        buf_add_lit(&text, "\":");
        buf_add_str(&text, it.value);
    }
    buf_add_char(&text, '}');
    struct str record = text.status == HAPPN_OK ? arena_str(&call->arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    return record;
}

static void add_result(struct admin_call *call, struct str record, struct str path, struct str permissions)
{
    bool has_members = false;
    json_add_open_object(&call->result, record, NULL, &has_members);
    buf_add_lit(&call->result, ",\"_meta\":{\"path\":");
    json_add_string(&call->result, path);
    buf_add_char(&call->result, '}');
    buf_add_lit(&call->result, ",\"permissions\":"); /* clients that are told of it look into it, whatever it is */
    buf_add_str(&call->result, json_type_of(permissions) == JSON_OBJECT ? permissions : STR_LIT("{}"));
    buf_add_char(&call->result, '}');
}

void admin_upsert_group(struct admin_call *call)
{
    struct str given = admin_raw(call, "group");
    if (json_type_of(given) != JSON_OBJECT) {
        admin_fail(call, HAPPN_E_ARGUMENT, "group is null or not an object");
        return;
    }
    struct str permissions = json_get(given, "permissions");
    if (!take_name(call, given) || !admin_check_permissions(call, permissions, "group")) {
        return;
    }
    const struct group *before = directory_group(&call->security->directory, call->subject);
    bool overwrites = !str_is(admin_raw(call, "overwrite"), "false") && !str_is(json_get(admin_raw(call, "options"), "overwrite"), "false");
    if (before != NULL && !overwrites) {
        admin_fail(call, HAPPN_E_CONFLICT, "validation failure: group by the name %.*s already exists", (int)call->subject.len, call->subject.ptr);
        return;
    }
    struct str record = without_permissions(call, given);
    struct str path = admin_path(call, STR_LIT("_GROUP/"), call->subject, STR_NONE, STR_NONE);
    if (record.ptr == NULL || path.ptr == NULL) {
        admin_fail_memory(call);
        return;
    }
    if (!admin_begin_change(call)) {
        return;
    }
    change_put(call->change, path, record);
    admin_put_permissions(call, call->subject, before != NULL ? before->rules : NULL, permissions);
    add_result(call, record, path, permissions);
    admin_submit(call, "upsert-group", buf_str(&call->result));
}

static const struct group *existing(struct admin_call *call, const char *argument, const char *text)
{
    struct str name = admin_text(call, argument);
    const struct group *group = str_is_set(name) ? directory_group(&call->security->directory, name) : NULL;
    if (group == NULL) {
        admin_fail(call, HAPPN_E_NOT_FOUND, "%s", text);
    }
    return group;
}

void admin_delete_group(struct admin_call *call)
{
    const struct group *group = existing(call, "name", "group you are deleting does not exist");
    if (group == NULL) {
        return;
    }
    if (str_is(group->name, ADMIN_NAME)) {
        admin_fail(call, HAPPN_E_DENIED, "unable to delete a group with the reserved name: _ADMIN");
        return;
    }
    if (!admin_begin_change(call)) {
        return;
    }
    for (const struct member *member = group->members; member != NULL; member = member->next_of_group) {
        change_remove(call->change, admin_path(call, STR_LIT("_USER/"), member->user->name, STR_LIT("/_USER_GROUP/"), group->name), STR_NONE);
    }
    admin_remove_rules(call, group->name, group->rules);
    admin_remove_lookup_lists(call, group->name);
    change_remove(call->change, admin_path(call, STR_LIT("_GROUP/"), group->name, STR_NONE, STR_NONE), STR_NONE);
    buf_add_lit(&call->result, "{\"removed\":1,\"obj\":");
    group_add_text(&call->result, group, true);
    buf_add_char(&call->result, '}');
    admin_submit(call, "delete-group", buf_str(&call->result));
}

void admin_get_group(struct admin_call *call)
{
    struct str name = admin_text(call, "name");
    if (!str_is_set(name) || str_has(name, '*')) {
        admin_fail(call, HAPPN_E_ARGUMENT, "invalid group name: %.*s", (int)(str_is_set(name) ? name.len : 4), str_is_set(name) ? name.ptr : "null");
        return;
    }
    const struct group *group = directory_group(&call->security->directory, name);
    if (group == NULL) {
        buf_add_lit(&call->result, "null");
    } else {
        group_add_text(&call->result, group, true);
    }
    admin_reply(call);
}

struct walk {
    struct admin_list list;
    struct buf text;
    bool with_permissions, failed;
};

static void visit_group(struct idmap_node *node, void *arg)
{
    struct walk *walk = arg;
    const struct group *group = (const struct group *)node;
    if (!str_is_set(group->record) || !admin_list_wants(&walk->list, group->name)) {
        return;
    }
    buf_clear(&walk->text);
    group_add_text(&walk->text, group, walk->with_permissions);
    bool is_added = walk->text.status == HAPPN_OK &&
                    admin_list_add(&walk->list, group->name, buf_str(&walk->text), group->created, group->modified);
    walk->failed = walk->failed || !is_added;
}

void admin_list_groups(struct admin_call *call)
{
    struct walk walk = {.list = {.call = call}};
    struct str prefix = admin_text(call, "name");
    bool skips = json_true(admin_raw(call, "skipPermissions")) || json_true(json_get(admin_raw(call, "options"), "skipPermissions"));
    if (str_ends(prefix, STR_LIT("*"))) {
        prefix.len--;
    }
    walk.list.prefix = str_is_set(prefix) ? prefix : STR_LIT("");
    walk.with_permissions = !skips;
    buf_init(&walk.text, call->security->allocator, 1 << 24);
    idmap_each(&call->security->directory.groups, visit_group, &walk);
    buf_fini(&walk.text);
    if (walk.failed) {
        admin_fail_memory(call);
        return;
    }
    admin_list_reply(&walk.list);
}

/* --- memberships */

/* Not set: the call has failed. */
static struct str membership(struct admin_call *call, const struct group **group, const struct user **user)
{
    struct directory *directory = &call->security->directory;
    struct str group_name = admin_text(call, "group");
    struct str username = admin_user_name(call, admin_text(call, "username"));
    *group = str_is_set(group_name) ? directory_group(directory, group_name) : NULL;
    *user = str_is_set(username) ? directory_user(directory, username) : NULL;
    if (*group == NULL) {
        admin_fail(call, HAPPN_E_NOT_FOUND, "validation error: group does not exist or has not been saved");
        return STR_NONE;
    }
    if (*user == NULL) {
        admin_fail(call, HAPPN_E_NOT_FOUND, "validation error: user does not exist or has not been saved");
        return STR_NONE;
    }
    struct str path = admin_path(call, STR_LIT("_USER/"), username, STR_LIT("/_USER_GROUP/"), group_name);
    if (path.ptr == NULL) {
        admin_fail_memory(call);
    }
    return path;
}

/* {"path":..,"groupName":..,"username":..,"permissions":{..}} */
static struct str detail_of(struct admin_call *call, struct str path, const struct group *group, const struct user *user)
{
    struct buf text;
    buf_init(&text, call->security->allocator, 1 << 24);
    buf_add_lit(&text, "{\"path\":");
    json_add_string(&text, path);
    buf_add_lit(&text, ",\"groupName\":");
    json_add_string(&text, group->name);
    buf_add_lit(&text, ",\"username\":");
    json_add_string(&text, user->name);
    buf_add_lit(&text, ",\"permissions\":");
    rules_add_text(&text, group->rules);
    buf_add_char(&text, '}');
    struct str copy = text.status == HAPPN_OK ? arena_str(&call->arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    return copy;
}

void admin_link_group(struct admin_call *call)
{
    const struct group *group;
    const struct user *user;
    struct str path = membership(call, &group, &user);
    if (path.ptr == NULL || !admin_begin_change(call)) {
        return;
    }
    struct str data = admin_raw(call, "data");
    bool has_members = false;
    change_put(call->change, path, json_type_of(data) == JSON_OBJECT ? data : STR_LIT("{}"));
    json_add_open_object(&call->result, json_type_of(data) == JSON_OBJECT ? data : STR_LIT("{}"), "_meta", &has_members);
    buf_add_text(&call->result, has_members ? ",\"_meta\":{\"path\":" : "\"_meta\":{\"path\":");
    json_add_string(&call->result, path);
    buf_add_lit(&call->result, "}}");
    admin_submit(call, "link-group", detail_of(call, path, group, user));
}

void admin_unlink_group(struct admin_call *call)
{
    const struct group *group;
    const struct user *user;
    struct str path = membership(call, &group, &user);
    if (path.ptr == NULL) {
        return;
    }
    if (str_is(group->name, ADMIN_NAME) && str_is(user->name, ADMIN_NAME)) {
        admin_fail(call, HAPPN_E_DENIED, "the user _ADMIN is always in the group _ADMIN");
        return;
    }
    bool is_in = user_is_in(user, group->name);
    buf_add_format(&call->result, "{\"data\":{\"removed\":%d},\"_meta\":{\"path\":", is_in);
    json_add_string(&call->result, path);
    buf_add_lit(&call->result, "}}");
    if (!is_in) {
        admin_reply(call);
        return;
    }
    if (!admin_begin_change(call)) {
        return;
    }
    change_remove(call->change, path, STR_NONE);
    admin_submit(call, "unlink-group", detail_of(call, path, group, user));
}
