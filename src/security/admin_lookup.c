/* Lookup tables, and the permissions that ask them. */

#include "json/scan.h"
#include "json/write.h"
#include "paths/path.h"
#include "search/value.h"
#include "security/admin_call.h"

enum { MOST_NAME = 128 };

/* A table's name is one part of a path, and what it lists are paths of documents: neither may be a pattern. False: the call has failed. */
static bool check_part(struct admin_call *call, struct str text, const char *what, bool is_name)
{
    bool fits = text.len != 0 && text.len <= (is_name ? MOST_NAME : PATH_MAX_LENGTH / 2) && !str_has(text, '*') && !str_has(text, '\0') &&
                !str_has(text, '{') && !(is_name && str_has(text, '/'));
    if (!fits) {
        admin_fail(call, HAPPN_E_ARGUMENT, "validation error: %s is needed, without * and {%s", what, is_name ? " and /" : "");
    }
    return fits;
}

static struct str without_slashes(struct str path)
{
    while (path.len != 0 && path.ptr[0] == '/') {
        path = str_skip(path, 1);
    }
    return path;
}

static struct str row_path(struct admin_call *call, struct str table, struct str path)
{
    return admin_path(call, STR_LIT("_LOOKUP/"), table, STR_LIT("/"), path);
}

static struct str detail_of(struct admin_call *call, const char *first_name, struct str first, const char *second_name, struct str second)
{
    struct buf text;
    buf_init(&text, call->security->allocator, 1 << 16);
    buf_add_format(&text, "{\"%s\":", first_name);
    json_add_string(&text, first);
    if (str_is_set(second)) {
        buf_add_format(&text, ",\"%s\":", second_name);
        json_add_string(&text, second);
    }
    buf_add_char(&text, '}');
    struct str detail = text.status == HAPPN_OK ? arena_str(&call->arena, buf_str(&text)) : STR_NONE;
    buf_fini(&text);
    return detail;
}

static void tell_table(struct admin_call *call, struct str name)
{
    buf_add_lit(&call->result, "{\"name\":");
    json_add_string(&call->result, name);
    buf_add_char(&call->result, '}');
    admin_submit(call, "lookup-table-changed", detail_of(call, "table", name, NULL, STR_NONE));
}

/* --- tables */

void admin_upsert_lookup_table(struct admin_call *call)
{
    struct str table = admin_raw(call, "table"), paths = json_get(table, "paths");
    struct str name = json_string(&call->arena, json_get(table, "name"));
    if (!check_part(call, name, "the table's name", true)) {
        return;
    }
    for (struct json_iter it = json_iter(paths); json_type_of(paths) == JSON_ARRAY && json_next(&it);) {
        if (!check_part(call, without_slashes(json_string(&call->arena, it.value)), "each path", false)) {
            return;
        }
    }
    if (!admin_begin_change(call)) {
        return;
    }
    for (struct json_iter it = json_iter(paths); json_type_of(paths) == JSON_ARRAY && json_next(&it);) {
        struct str path = without_slashes(json_string(&call->arena, it.value));
        change_put(call->change, row_path(call, name, path), STR_LIT("{\"authorized\":true}"));
    }
    tell_table(call, name);
}

static bool take_row(struct admin_call *call, struct str *table, struct str *path)
{
    *table = admin_text(call, "table");
    *path = without_slashes(admin_text(call, "path"));
    return check_part(call, *table, "the table's name", true) && check_part(call, *path, "a path", false) && admin_begin_change(call);
}

void admin_insert_path(struct admin_call *call)
{
    struct str table, path;
    if (take_row(call, &table, &path)) {
        change_put(call->change, row_path(call, table, path), STR_LIT("{\"authorized\":true}"));
        tell_table(call, table);
    }
}

void admin_remove_path(struct admin_call *call)
{
    struct str table, path;
    if (take_row(call, &table, &path)) {
        change_remove(call->change, row_path(call, table, path), STR_NONE);
        tell_table(call, table);
    }
}

static void remove_row(struct str table, struct str path, void *arg)
{
    struct admin_call *call = arg;
    change_remove(call->change, row_path(call, table, path), STR_NONE);
}

void admin_delete_lookup_table(struct admin_call *call)
{
    struct str name = admin_text(call, "name");
    if (check_part(call, name, "the table's name", true) && admin_begin_change(call)) {
        lookup_each_row(call->security->lookup, name, remove_row, call);
        tell_table(call, name);
    }
}

static void list_row(struct str table, struct str path, void *arg)
{
    struct buf *out = arg;
    (void)table;
    buf_add_text(out, out->ptr[out->len - 1] == '[' ? "" : ",");
    json_add_string(out, path);
}

void admin_fetch_lookup_table(struct admin_call *call)
{
    struct str name = admin_text(call, "name");
    if (!check_part(call, name, "the table's name", true)) {
        return;
    }
    buf_add_lit(&call->result, "{\"name\":");
    json_add_string(&call->result, name);
    buf_add_lit(&call->result, ",\"paths\":[");
    if (call->result.status == HAPPN_OK) {
        lookup_each_row(call->security->lookup, name, list_row, &call->result);
    }
    buf_add_lit(&call->result, "]}");
    admin_reply(call);
}

/* --- permissions */

/* The lists of a group without those like `unwanted`, and of one table only. */
struct gathering {
    struct admin_call *call;
    struct str table;    /* not set: all tables */
    struct str unwanted; /* not set: none */
    struct buf *out;     /* elements with commas between */
    bool left_out;
};

static void gather(struct str table, struct str permissions, void *arg)
{
    struct gathering *gathering = arg;
    struct arena *arena = &gathering->call->arena;
    if (str_is_set(gathering->table) && !str_equal(table, gathering->table)) {
        return;
    }
    struct value unwanted = value_of(arena, gathering->unwanted);
    for (struct json_iter it = json_iter(permissions); json_next(&it);) {
        struct value value = value_of(arena, it.value);
        if (str_is_set(gathering->unwanted) && value_equals(arena, &value, &unwanted)) {
            gathering->left_out = true;
            continue;
        }
        buf_add_text(gathering->out, gathering->out->len != 0 ? "," : "");
        buf_add_str(gathering->out, it.value);
    }
}

static bool take_group(struct admin_call *call, struct str *group)
{
    *group = admin_text(call, "group");
    bool is_there = str_is_set(*group) && directory_group(&call->security->directory, *group) != NULL;
    if (!is_there) {
        admin_fail(call, HAPPN_E_NOT_FOUND, "validation error: group does not exist or has not been saved");
    }
    return is_there;
}

static struct str list_path(struct admin_call *call, struct str group, struct str table)
{
    return admin_path(call, STR_LIT("_PERMISSIONS/_LOOKUP/"), group, STR_LIT("/"), table);
}

/* happn-3's way back from a table to a group lies where the list of a group lies that is called as the table, for a table that is called as the group: it
 * must not be written over that one, nor removed. */
static bool has_way_back(struct admin_call *call, struct str group, struct str table)
{
    return !str_equal(group, table) && !lookup_asks(call->security->lookup, table, group);
}

static void remove_list(struct admin_call *call, struct str group, struct str table)
{
    change_remove(call->change, list_path(call, group, table), STR_NONE);
    if (has_way_back(call, group, table)) {
        change_remove(call->change, list_path(call, table, group), STR_NONE);
    }
}

static void put_list(struct admin_call *call, struct str group, struct str table, struct str data)
{
    change_put(call->change, list_path(call, group, table), data);
    if (has_way_back(call, group, table)) {
        change_put(call->change, list_path(call, table, group), STR_LIT("{}"));
    }
}

struct removal {
    struct admin_call *call;
    struct str group;
};

static void remove_visited(struct str table, struct str permissions, void *arg)
{
    const struct removal *removal = arg;
    (void)permissions;
    remove_list(removal->call, removal->group, table);
}

void admin_remove_lookup_lists(struct admin_call *call, struct str group)
{
    struct removal removal = {call, group};
    lookup_each_grant(call->security->lookup, group, remove_visited, &removal);
}

/* The list as it shall be. */
static void store_list(struct admin_call *call, struct str group, struct str table, struct buf *list)
{
    struct str parts[] = {STR_LIT("{\"permissions\":["), buf_str(list), STR_LIT("]}")};
    struct str data = list->status == HAPPN_OK ? arena_join(&call->arena, parts, 3) : STR_NONE;
    bool is_empty = list->len == 0 && list->status == HAPPN_OK;
    buf_fini(list);
    if (data.ptr == NULL) {
        admin_fail_memory(call);
        return;
    }
    if (!admin_begin_change(call)) {
        return;
    }
    if (is_empty) {
        remove_list(call, group, table);
    } else {
        put_list(call, group, table, data);
    }
    buf_add_lit(&call->result, "{}");
    admin_submit(call, "lookup-permission-changed", detail_of(call, "group", group, "table", table));
}

static bool take_permission(struct admin_call *call, struct str *group, struct str *permission, struct str *table)
{
    *permission = admin_raw(call, "permission");
    if (!take_group(call, group)) {
        return false;
    }
    if (lookup_check(*permission, &call->error) != HAPPN_OK) {
        admin_failed(call);
        return false;
    }
    *table = json_string(&call->arena, json_get(*permission, "table"));
    return check_part(call, *table, "the table's name", true);
}

/* The table's permissions but this one; false: it is not among them. */
static bool gather_others(struct admin_call *call, struct str group, struct str table, struct str permission, struct buf *list)
{
    buf_init(list, call->security->allocator, 1 << 20);
    struct gathering gathering = {.call = call, .table = table, .unwanted = permission, .out = list};
    lookup_each_grant(call->security->lookup, group, gather, &gathering);
    return gathering.left_out;
}

void admin_upsert_lookup_permission(struct admin_call *call)
{
    struct str group, permission, table;
    if (!take_permission(call, &group, &permission, &table)) {
        return;
    }
    struct buf list;
    (void)gather_others(call, group, table, permission, &list);
    buf_add_text(&list, list.len != 0 ? "," : "");
    buf_add_str(&list, permission);
    store_list(call, group, table, &list);
}

void admin_remove_lookup_permission(struct admin_call *call)
{
    struct str group, permission, table;
    if (!take_permission(call, &group, &permission, &table)) {
        return;
    }
    struct buf list;
    if (!gather_others(call, group, table, permission, &list)) { /* there was none */
        buf_fini(&list);
        buf_add_lit(&call->result, "{}");
        admin_reply(call);
        return;
    }
    store_list(call, group, table, &list);
}

void admin_remove_table_permissions(struct admin_call *call)
{
    struct str group, table = admin_text(call, "table");
    if (!take_group(call, &group) || !check_part(call, table, "the table's name", true)) {
        return;
    }
    struct buf list;
    buf_init(&list, call->security->allocator, 1 << 20);
    store_list(call, group, table, &list);
}

void admin_fetch_lookup_permissions(struct admin_call *call)
{
    struct str group;
    if (!take_group(call, &group)) {
        return;
    }
    struct buf list;
    buf_init(&list, call->security->allocator, 1 << 24);
    struct gathering gathering = {.call = call, .out = &list};
    lookup_each_grant(call->security->lookup, group, gather, &gathering);
    buf_add_char(&call->result, '[');
    buf_add_str(&call->result, buf_str(&list));
    buf_add_char(&call->result, ']');
    call->result.status = call->result.status == HAPPN_OK ? list.status : call->result.status;
    buf_fini(&list);
    admin_reply(call);
}
