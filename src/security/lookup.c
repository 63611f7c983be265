#include "security/lookup.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/utf8.h"
#include "json/scan.h"
#include "paths/path.h"
#include "security/permissions.h"
#include "security/template.h"

struct row {
    struct idmap_node node; /* by the path */
    struct str path;        /* without a slash at the front */
    char bytes[];
};

struct table {
    struct idmap_node node; /* by the name */
    struct idmap rows;
    struct str name;
    char bytes[];
};

struct ask {
    struct ask *next;
    struct regex *regex;
    unsigned actions;
    struct str path;
};

/* What one group has for one table. */
struct grant {
    struct idmap_node node; /* by the group's name */
    struct arena arena;
    struct ask *asks;
    struct str group, table;
    struct str permissions; /* raw, as they are stored */
};

struct lookup {
    const struct allocator *allocator;
    struct idmap tables, grants;
    struct regex_work *work;
};

struct lookup *lookup_new(const struct allocator *allocator)
{
    struct lookup *lookup = memory_zalloc(allocator, sizeof *lookup);
    if (lookup != NULL) {
        lookup->allocator = allocator;
        idmap_init(&lookup->tables, allocator);
        idmap_init(&lookup->grants, allocator);
    }
    return lookup;
}

/* --- tables */

static struct table *find_table(const struct lookup *lookup, struct str name)
{
    struct idmap_node *node = idmap_find(&lookup->tables, str_hash(name));
    while (node != NULL && !str_equal(((struct table *)node)->name, name)) {
        node = idmap_find_next(node);
    }
    return (struct table *)node;
}

static struct row *find_row(const struct table *table, struct str path)
{
    struct idmap_node *node = idmap_find(&table->rows, str_hash(path));
    while (node != NULL && !str_equal(((struct row *)node)->path, path)) {
        node = idmap_find_next(node);
    }
    return (struct row *)node;
}

/* A table is there as long as it has rows. */
static void tidy_table(struct lookup *lookup, struct table *table)
{
    if (table->rows.count == 0) {
        idmap_remove(&lookup->tables, &table->node);
        idmap_fini(&table->rows);
        memory_free(lookup->allocator, table);
    }
}

static void drop_row(struct lookup *lookup, struct table *table, struct row *row)
{
    idmap_remove(&table->rows, &row->node);
    memory_free(lookup->allocator, row);
    tidy_table(lookup, table);
}

static struct table *need_table(struct lookup *lookup, struct str name)
{
    struct table *table = find_table(lookup, name);
    if (table != NULL) {
        return table;
    }
    table = memory_zalloc(lookup->allocator, sizeof *table + name.len + 1);
    if (table == NULL) {
        return NULL;
    }
    memcpy(table->bytes, name.ptr, name.len);
    table->name = str_make(table->bytes, name.len);
    idmap_init(&table->rows, lookup->allocator);
    if (idmap_add(&lookup->tables, &table->node, str_hash(name)) != HAPPN_OK) {
        memory_free(lookup->allocator, table);
        return NULL;
    }
    return table;
}

static happn_status put_row(struct lookup *lookup, struct str name, struct str path)
{
    struct table *table = need_table(lookup, name);
    if (table == NULL || find_row(table, path) != NULL) {
        return table == NULL ? HAPPN_E_MEMORY : HAPPN_OK;
    }
    struct row *row = memory_zalloc(lookup->allocator, sizeof *row + path.len + 1);
    if (row == NULL || idmap_add(&table->rows, &row->node, str_hash(path)) != HAPPN_OK) {
        memory_free(lookup->allocator, row);
        tidy_table(lookup, table);
        return HAPPN_E_MEMORY;
    }
    memcpy(row->bytes, path.ptr, path.len);
    row->path = str_make(row->bytes, path.len);
    return HAPPN_OK;
}

static bool has_row(const struct lookup *lookup, struct str name, struct str path)
{
    const struct table *table = find_table(lookup, name);
    return table != NULL && find_row(table, path) != NULL;
}

/* --- permissions */

static happn_status wrong(happn_error *error, const char *what)
{
    return error_set(error, HAPPN_E_ARGUMENT, "a lookup permission needs %s", what);
}

static happn_status read_actions(struct str list, unsigned *actions, happn_error *error)
{
    if (json_type_of(list) != JSON_ARRAY) {
        return wrong(error, "a list of actions");
    }
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        unsigned bit = json_type_of(it.value) == JSON_STRING ? may_of(str_make(it.value.ptr + 1, it.value.len - 2)) : 0;
        if (bit == 0) {
            return error_set(error, HAPPN_E_ARGUMENT, "unknown action of a lookup permission: %.*s", it.value.len < 80 ? (int)it.value.len : 80,
                             it.value.ptr);
        }
        *actions |= bit;
    }
    return *actions != 0 ? HAPPN_OK : wrong(error, "an action");
}

/* table: the one it must name; not set: any. */
static happn_status read_ask(struct arena *arena, struct str json, struct str table, struct ask *out, happn_error *error)
{
    struct str regex = json_string(arena, json_get(json, "regex")), path = json_string(arena, json_get(json, "path"));
    struct str name = json_string(arena, json_get(json, "table"));
    if (regex.len == 0) {
        return wrong(error, "a regex");
    }
    if (path.len == 0 || path.len > PATH_MAX_LENGTH) {
        return wrong(error, "a path");
    }
    if (name.len == 0 || str_has(name, '/') || (str_is_set(table) && !str_equal(name, table))) {
        return wrong(error, "the name of its table, without a /");
    }
    path = arena_str(arena, path);
    out->path = path;
    happn_status status = path.ptr == NULL ? HAPPN_E_MEMORY : read_actions(json_get(json, "actions"), &out->actions, error);
    return status == HAPPN_OK ? regex_compile(arena, regex, STR_LIT(""), &out->regex, error) : status;
}

happn_status lookup_check(struct str permission, happn_error *error)
{
    struct arena arena;
    struct ask ask = {NULL, NULL, 0, STR_NONE};
    arena_init(&arena, NULL);
    happn_status status = read_ask(&arena, permission, STR_NONE, &ask, error);
    arena_fini(&arena);
    return status;
}

static struct grant *find_grant(const struct lookup *lookup, struct str group, struct str table)
{
    struct idmap_node *node = idmap_find(&lookup->grants, str_hash(group));
    while (node != NULL && !(str_equal(((struct grant *)node)->group, group) && str_equal(((struct grant *)node)->table, table))) {
        node = idmap_find_next(node);
    }
    return (struct grant *)node;
}

static void free_grant(struct lookup *lookup, struct grant *grant)
{
    arena_fini(&grant->arena);
    memory_free(lookup->allocator, grant);
}

static void drop_grant(struct lookup *lookup, struct str group, struct str table)
{
    struct grant *grant = find_grant(lookup, group, table);
    if (grant != NULL) {
        idmap_remove(&lookup->grants, &grant->node);
        free_grant(lookup, grant);
    }
}

static happn_status read_asks(struct grant *grant, struct str permissions, happn_error *error)
{
    size_t count = 0;
    happn_status status = HAPPN_OK;
    for (struct json_iter it = json_iter(permissions); status == HAPPN_OK && json_next(&it);) {
        struct ask *ask = arena_alloc(&grant->arena, sizeof *ask);
        if (ask == NULL) {
            return HAPPN_E_MEMORY;
        }
        *ask = (struct ask){.next = grant->asks};
        grant->asks = ask;
        status = ++count <= LOOKUP_MOST_PERMISSIONS ? read_ask(&grant->arena, it.value, grant->table, ask, error)
                                                    : error_set(error, HAPPN_E_LIMIT, "more than %d lookup permissions", LOOKUP_MOST_PERMISSIONS);
    }
    return status;
}

static happn_status put_grant(struct lookup *lookup, struct str group, struct str table, struct str permissions, happn_error *error)
{
    drop_grant(lookup, group, table);
    struct grant *grant = memory_zalloc(lookup->allocator, sizeof *grant);
    if (grant == NULL) {
        return HAPPN_E_MEMORY;
    }
    arena_init(&grant->arena, lookup->allocator);
    grant->group = arena_str(&grant->arena, group);
    grant->table = arena_str(&grant->arena, table);
    grant->permissions = arena_str(&grant->arena, permissions);
    bool is_copied = grant->group.ptr != NULL && grant->table.ptr != NULL && grant->permissions.ptr != NULL;
    happn_status status = is_copied ? read_asks(grant, permissions, error) : HAPPN_E_MEMORY;
    status = status == HAPPN_OK ? idmap_add(&lookup->grants, &grant->node, str_hash(group)) : status;
    if (status != HAPPN_OK) {
        free_grant(lookup, grant);
    }
    return status;
}

/* --- documents */

static bool take(struct str *rest, const char *prefix)
{
    bool is_there = str_starts(*rest, str_of(prefix));
    *rest = is_there ? str_skip(*rest, strlen(prefix)) : *rest;
    return is_there;
}

/* "<table>/<path>": a table's name has no slash. */
static bool split_row(struct str rest, struct str *table, struct str *path)
{
    const char *slash = rest.len != 0 ? memchr(rest.ptr, '/', rest.len) : NULL;
    *table = str_make(rest.ptr, slash != NULL ? (size_t)(slash - rest.ptr) : 0);
    *path = slash != NULL ? str_skip(rest, table->len + 1) : STR_LIT("");
    return table->len != 0 && path->len != 0;
}

/* "<group>/<table>": a group's may. */
static bool split_grant(struct str rest, struct str *group, struct str *table)
{
    const char *slash = rest.len != 0 ? memrchr(rest.ptr, '/', rest.len) : NULL;
    *group = str_make(rest.ptr, slash != NULL ? (size_t)(slash - rest.ptr) : 0);
    *table = slash != NULL ? str_skip(rest, group->len + 1) : STR_LIT("");
    return group->len != 0 && table->len != 0;
}

happn_status lookup_put(struct lookup *lookup, struct str path, struct str data, happn_error *error)
{
    struct str rest = path, first, second, permissions = json_get(data, "permissions");
    if (!take(&rest, SECURITY_ROOT)) {
        return HAPPN_OK;
    }
    if (take(&rest, "_LOOKUP/")) {
        if (!split_row(rest, &first, &second)) {
            return HAPPN_OK;
        }
        if (json_true(json_get(data, "authorized"))) {
            return put_row(lookup, first, second);
        }
        lookup_drop(lookup, path);
        return HAPPN_OK;
    }
    /* happn-3 keeps an empty document at <table>/<group>, too, to find the groups of a table. */
    bool is_grant = take(&rest, "_PERMISSIONS/_LOOKUP/") && split_grant(rest, &first, &second) && json_type_of(permissions) == JSON_ARRAY;
    return is_grant ? put_grant(lookup, first, second, permissions, error) : HAPPN_OK;
}

void lookup_drop(struct lookup *lookup, struct str path)
{
    struct str rest = path, first, second;
    if (!take(&rest, SECURITY_ROOT)) {
        return;
    }
    if (take(&rest, "_LOOKUP/") && split_row(rest, &first, &second)) {
        struct table *table = find_table(lookup, first);
        struct row *row = table != NULL ? find_row(table, second) : NULL;
        if (row != NULL) {
            drop_row(lookup, table, row);
        }
    } else if (take(&rest, "_PERMISSIONS/_LOOKUP/") && split_grant(rest, &first, &second)) {
        drop_grant(lookup, first, second);
    }
}

void lookup_free(struct lookup *lookup)
{
    struct idmap_node *node;
    if (lookup == NULL) {
        return;
    }
    while ((node = idmap_any(&lookup->tables)) != NULL) {
        struct table *table = (struct table *)node;
        drop_row(lookup, table, (struct row *)idmap_any(&table->rows));
    }
    while ((node = idmap_any(&lookup->grants)) != NULL) {
        idmap_remove(&lookup->grants, node);
        free_grant(lookup, (struct grant *)node);
    }
    idmap_fini(&lookup->tables);
    idmap_fini(&lookup->grants);
    regex_work_free(lookup->work);
    memory_free(lookup->allocator, lookup);
}

/* --- questions */

struct question {
    struct lookup *lookup;
    const struct grant *grant;
    bool allowed;
};

static happn_status take_path(struct str path, void *arg)
{
    struct question *question = arg;
    while (path.len != 0 && path.ptr[0] == '/') {
        path = str_skip(path, 1);
    }
    question->allowed = question->allowed || has_row(question->lookup, question->grant->table, path);
    return HAPPN_OK;
}

/* The number in {{$1}} at the front of text; its length, or 0 when there is none. */
static size_t hole_at(struct str text, size_t *number)
{
    size_t at = 3;
    *number = 0;
    if (!str_starts(text, STR_LIT("{{$"))) {
        return 0;
    }
    while (at < text.len && at < 6 && text.ptr[at] >= '0' && text.ptr[at] <= '9') {
        *number = *number * 10 + (size_t)(text.ptr[at++] - '0');
    }
    return at > 3 && str_starts(str_skip(text, at), STR_LIT("}}")) ? at + 2 : 0;
}

static bool is_literal(struct str caught)
{
    return str_is_set(caught) && !str_has(caught, '*') && !str_has(caught, '{') && !str_has(caught, '}') && !str_has(caught, '\0');
}

/* Fills in what was caught; false: something was not, or is no plain text. */
static bool fill_caught(struct lookup *lookup, struct str path, struct str asked, struct buf *out)
{
    while (path.len != 0) {
        size_t number, len = hole_at(path, &number);
        struct str caught = len != 0 ? regex_group(lookup->work, asked, number) : STR_NONE;
        if (len != 0 && !is_literal(caught)) {
            return false;
        }
        buf_add_str(out, len != 0 ? caught : str_make(path.ptr, 1));
        path = str_skip(path, len != 0 ? len : 1);
    }
    return out->status == HAPPN_OK;
}

static bool ask_allows(struct lookup *lookup, const struct grant *grant, const struct ask *ask, const struct user *user, struct str path)
{
    bool matches = false;
    happn_error error;
    if (regex_match(ask->regex, &lookup->work, path, &matches, &error) != HAPPN_OK || !matches) {
        return false;
    }
    struct question question = {lookup, grant, false};
    struct arena arena;
    struct buf filled;
    arena_init(&arena, lookup->allocator);
    buf_init(&filled, lookup->allocator, 2 * PATH_MAX_LENGTH);
    if (fill_caught(lookup, ask->path, path, &filled)) {
        (void)template_fill(&arena, buf_str(&filled), user->record, take_path, &question);
    }
    buf_fini(&filled);
    arena_fini(&arena);
    return question.allowed;
}

static bool group_allows(struct lookup *lookup, const struct group *group, const struct user *user, struct str path, unsigned may)
{
    for (struct idmap_node *node = idmap_find(&lookup->grants, str_hash(group->name)); node != NULL; node = idmap_find_next(node)) {
        const struct grant *grant = (const struct grant *)node;
        for (const struct ask *ask = str_equal(grant->group, group->name) ? grant->asks : NULL; ask != NULL; ask = ask->next) {
            if ((ask->actions & may) != 0 && ask_allows(lookup, grant, ask, user, path)) {
                return true;
            }
        }
    }
    return false;
}

bool lookup_allows(struct lookup *lookup, const struct user *user, struct str path, unsigned may)
{
    if (!lookup_is_used(lookup) || !str_is_set(user->record) || !str_is_set(path) || path.len > PATH_MAX_LENGTH || !utf8_is_valid(path)) {
        return false;
    }
    for (const struct member *member = user->members; member != NULL; member = member->next_of_user) {
        if (str_is_set(member->group->record) && group_allows(lookup, member->group, user, path, may)) {
            return true;
        }
    }
    return false;
}

bool lookup_is_used(const struct lookup *lookup)
{
    return lookup->grants.count != 0;
}

bool lookup_means(struct str path)
{
    return take(&path, SECURITY_ROOT "_LOOKUP/") || take(&path, SECURITY_ROOT "_PERMISSIONS/_LOOKUP/");
}

bool lookup_concerns(const struct lookup *lookup, struct str group)
{
    struct idmap_node *node = idmap_find(&lookup->grants, str_hash(group));
    while (node != NULL && !str_equal(((struct grant *)node)->group, group)) {
        node = idmap_find_next(node);
    }
    return node != NULL;
}

bool lookup_asks(const struct lookup *lookup, struct str group, struct str table)
{
    return find_grant(lookup, group, table) != NULL;
}

struct visiting {
    lookup_visit visit;
    void *arg;
    struct str table;
};

static void visit_row(struct idmap_node *node, void *arg)
{
    const struct visiting *visiting = arg;
    visiting->visit(visiting->table, ((struct row *)node)->path, visiting->arg);
}

void lookup_each_row(const struct lookup *lookup, struct str table, lookup_visit visit, void *arg)
{
    const struct table *found = find_table(lookup, table);
    struct visiting visiting = {visit, arg, table};
    if (found != NULL) {
        idmap_each(&found->rows, visit_row, &visiting);
    }
}

void lookup_each_grant(const struct lookup *lookup, struct str group, lookup_visit visit, void *arg)
{
    for (struct idmap_node *node = idmap_find(&lookup->grants, str_hash(group)); node != NULL; node = idmap_find_next(node)) {
        const struct grant *grant = (const struct grant *)node;
        if (str_equal(grant->group, group)) {
            visit(grant->table, grant->permissions, arg);
        }
    }
}
