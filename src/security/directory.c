#include "security/directory.h"

#include "json/scan.h"
#include "security/permissions.h"

void directory_init(struct directory *directory, const struct allocator *allocator)
{
    *directory = (struct directory){.allocator = allocator};
    idmap_init(&directory->users, allocator);
    idmap_init(&directory->groups, allocator);
}

static struct user *find_user(const struct directory *directory, struct str name)
{
    struct idmap_node *node = idmap_find(&directory->users, str_hash(name));
    while (node != NULL && !str_equal(((struct user *)node)->name, name)) {
        node = idmap_find_next(node);
    }
    return (struct user *)node;
}

static struct group *find_group(const struct directory *directory, struct str name)
{
    struct idmap_node *node = idmap_find(&directory->groups, str_hash(name));
    while (node != NULL && !str_equal(((struct group *)node)->name, name)) {
        node = idmap_find_next(node);
    }
    return (struct group *)node;
}

struct user *directory_user(const struct directory *directory, struct str name)
{
    struct user *user = find_user(directory, name);
    return user != NULL && str_is_set(user->record) ? user : NULL;
}

struct group *directory_group(const struct directory *directory, struct str name)
{
    struct group *group = find_group(directory, name);
    return group != NULL && str_is_set(group->record) ? group : NULL;
}

static struct user *need_user(struct directory *directory, struct str name)
{
    struct user *user = find_user(directory, name);
    if (user != NULL) {
        return user;
    }
    user = memory_zalloc(directory->allocator, sizeof *user + name.len + 1);
    if (user == NULL) {
        return NULL;
    }
    memcpy(user + 1, name.ptr, name.len);
    user->name = str_make((char *)(user + 1), name.len);
    if (idmap_add(&directory->users, &user->node, str_hash(name)) != HAPPN_OK) {
        memory_free(directory->allocator, user);
        return NULL;
    }
    return user;
}

static struct group *need_group(struct directory *directory, struct str name)
{
    struct group *group = find_group(directory, name);
    if (group != NULL) {
        return group;
    }
    group = memory_zalloc(directory->allocator, sizeof *group + name.len + 1);
    if (group == NULL) {
        return NULL;
    }
    memcpy(group + 1, name.ptr, name.len);
    group->name = str_make((char *)(group + 1), name.len);
    if (idmap_add(&directory->groups, &group->node, str_hash(name)) != HAPPN_OK) {
        memory_free(directory->allocator, group);
        return NULL;
    }
    return group;
}

static void touch(struct directory *directory, struct user *user)
{
    if (directory->touched != NULL) {
        directory->touched(user, directory->touched_arg);
    }
}

static void touch_members(struct directory *directory, struct group *group)
{
    for (struct member *member = group->members; member != NULL; member = member->next_of_group) {
        touch(directory, member->user);
    }
}

static bool replace(struct directory *directory, struct str *at, struct str text)
{
    char *copy = memory_strdup(directory->allocator, text.ptr, text.len);
    if (copy == NULL) {
        return false;
    }
    memory_free(directory->allocator, (char *)at->ptr);
    *at = str_make(copy, text.len);
    return true;
}

static void forget(struct directory *directory, struct str *at)
{
    memory_free(directory->allocator, (char *)at->ptr);
    *at = STR_NONE;
}

/* --- rules */

struct rule *rule_find(struct rule *rules, struct str path)
{
    while (rules != NULL && !str_equal(rules->path, path)) {
        rules = rules->next;
    }
    return rules;
}

static struct rule *need_rule(struct directory *directory, struct rule **rules, struct str path)
{
    struct rule *rule = rule_find(*rules, path);
    if (rule != NULL) {
        return rule;
    }
    rule = memory_zalloc(directory->allocator, sizeof *rule + path.len + 1);
    if (rule != NULL) {
        memcpy(rule->bytes, path.ptr, path.len);
        rule->path = str_make(rule->bytes, path.len);
        rule->next = *rules;
        *rules = rule;
    }
    return rule;
}

static void free_rules(struct directory *directory, struct rule **rules)
{
    while (*rules != NULL) {
        struct rule *rule = *rules;
        *rules = rule->next;
        memory_free(directory->allocator, rule);
    }
}

static void drop_rule(struct directory *directory, struct rule **rules, struct str path, unsigned bit)
{
    for (struct rule **at = rules; *at != NULL; at = &(*at)->next) {
        struct rule *rule = *at;
        if (!str_equal(rule->path, path)) {
            continue;
        }
        rule->allowed &= ~bit;
        rule->prohibited &= ~bit;
        if (rule->allowed == 0 && rule->prohibited == 0) {
            *at = rule->next;
            memory_free(directory->allocator, rule);
        }
        return;
    }
}

/* --- memberships */

static struct member *find_member(struct user *user, const struct group *group)
{
    struct member *member = user->members;
    while (member != NULL && member->group != group) {
        member = member->next_of_user;
    }
    return member;
}

bool user_is_in(const struct user *user, struct str group)
{
    for (const struct member *member = user->members; member != NULL; member = member->next_of_user) {
        if (str_equal(member->group->name, group)) {
            return true;
        }
    }
    return false;
}

static happn_status link_member(struct directory *directory, struct user *user, struct group *group, struct str data)
{
    if (user == NULL || group == NULL) {
        return HAPPN_E_MEMORY;
    }
    struct member *member = find_member(user, group);
    if (member == NULL) {
        member = memory_zalloc(directory->allocator, sizeof *member);
        if (member == NULL) {
            return HAPPN_E_MEMORY;
        }
        *member = (struct member){user, group, user->members, group->members, STR_NONE};
        user->members = member;
        group->members = member;
    }
    touch(directory, user);
    return replace(directory, &member->data, data) ? HAPPN_OK : HAPPN_E_MEMORY;
}

static void unlink_member(struct directory *directory, struct member *member)
{
    struct member **at = &member->user->members;
    while (*at != member) {
        at = &(*at)->next_of_user;
    }
    *at = member->next_of_user;
    at = &member->group->members;
    while (*at != member) {
        at = &(*at)->next_of_group;
    }
    *at = member->next_of_group;
    forget(directory, &member->data);
    memory_free(directory->allocator, member);
}

static void free_user(struct directory *directory, struct user *user)
{
    user->is_gone = true;
    touch(directory, user);
    permission_set_unref(user->rights);
    while (user->members != NULL) {
        unlink_member(directory, user->members);
    }
    free_rules(directory, &user->rules);
    forget(directory, &user->record);
    idmap_remove(&directory->users, &user->node);
    memory_free(directory->allocator, user);
}

static void free_group(struct directory *directory, struct group *group)
{
    while (group->members != NULL) {
        unlink_member(directory, group->members);
    }
    free_rules(directory, &group->rules);
    forget(directory, &group->record);
    idmap_remove(&directory->groups, &group->node);
    memory_free(directory->allocator, group);
}

/* What nothing is known of any more goes; links and permissions may be dropped in any order. */
static void tidy_user(struct directory *directory, struct user *user)
{
    if (!str_is_set(user->record) && user->members == NULL && user->rules == NULL) {
        free_user(directory, user);
    }
}

static void tidy_group(struct directory *directory, struct group *group)
{
    if (!str_is_set(group->record) && group->members == NULL && group->rules == NULL) {
        free_group(directory, group);
    }
}

void directory_fini(struct directory *directory)
{
    directory->touched = NULL;
    struct idmap_node *node;
    while ((node = idmap_any(&directory->users)) != NULL) {
        free_user(directory, (struct user *)node);
    }
    while ((node = idmap_any(&directory->groups)) != NULL) {
        free_group(directory, (struct group *)node);
    }
    idmap_fini(&directory->users);
    idmap_fini(&directory->groups);
}

/* --- documents */

enum entry_kind { ENTRY_OTHER, ENTRY_NO_MEMORY, ENTRY_USER, ENTRY_LINK, ENTRY_GROUP, ENTRY_RULE };

struct entry {
    enum entry_kind kind;
    struct str user, group; /* RULE: one of them */
    struct str path;        /* RULE */
    unsigned bit;
    bool authorized;
};

static bool take(struct str *rest, const char *prefix)
{
    if (!str_starts(*rest, str_of(prefix))) {
        return false;
    }
    *rest = str_skip(*rest, strlen(prefix));
    return true;
}

/* Does "/get//a/{{w}}" say this action and the path /a/`*`? */
static bool says(struct str tail, struct str action, struct str path)
{
    if (!take(&tail, "/") || !str_starts(tail, action)) {
        return false;
    }
    tail = str_skip(tail, action.len);
    bool fits = take(&tail, "/");
    for (size_t i = 0; fits && i < path.len; i++) {
        fits = path.ptr[i] == '*' ? take(&tail, "{{w}}") : tail.len != 0 && tail.ptr[0] == path.ptr[i];
        tail = path.ptr[i] == '*' ? tail : str_skip(tail, 1);
    }
    return fits && tail.len == 0;
}

/* A permission's document says its path and action; the owner is what stands before them in its own path. `*` is written {{w}}. One that lies
 * elsewhere than it says is nobody's. */
static void read_rule(struct arena *arena, struct str rest, struct str data, struct entry *entry)
{
    struct str path = json_string(arena, json_get(data, "path")), action = json_string(arena, json_get(data, "action"));
    if (path.ptr == NULL && json_type_of(json_get(data, "path")) == JSON_STRING) {
        entry->kind = ENTRY_NO_MEMORY; /* a prohibition must not get lost */
        return;
    }
    size_t stars = 0;
    for (size_t i = 0; i < path.len; i++) {
        stars += path.ptr[i] == '*';
    }
    size_t tail = 1 + action.len + 1 + path.len + 4 * stars; /* "/get/" + the path */
    entry->bit = str_is(action, "*") ? MAY_STAR : may_of(action);
    if (entry->bit == 0 || path.ptr == NULL || rest.len <= tail) {
        return;
    }
    struct str owner = str_make(rest.ptr, rest.len - tail);
    if (!says(str_skip(rest, owner.len), action, path)) {
        return;
    }
    bool is_user = take(&owner, "_USER/");
    entry->kind = owner.len != 0 ? ENTRY_RULE : ENTRY_OTHER;
    entry->user = is_user ? owner : STR_NONE;
    entry->group = is_user ? STR_NONE : owner;
    entry->path = path;
    entry->authorized = json_true(json_get(data, "authorized"));
}

/* Up to 13.12, happn-3 let a user be called mal/_USER_GROUP/_ADMIN, whose own document then lay where mal's membership of _ADMIN does. It is
 * told by its content. */
static bool is_disguised(struct arena *arena, struct str name, struct str data)
{
    return str_equal(json_string(arena, json_get(data, "username")), name) || str_is_set(json_get(data, "password"));
}

static void read_user(struct arena *arena, struct str rest, struct str data, struct entry *entry)
{
    static const char link[] = "/_USER_GROUP/";
    const char *at = rest.len != 0 ? memmem(rest.ptr, rest.len, link, sizeof link - 1) : NULL;
    entry->user = at != NULL ? str_make(rest.ptr, (size_t)(at - rest.ptr)) : rest;
    entry->group = at != NULL ? str_skip(rest, entry->user.len + sizeof link - 1) : STR_NONE;
    bool is_whole = entry->user.len != 0 && (at == NULL || (entry->group.len != 0 && !is_disguised(arena, rest, data)));
    entry->kind = !is_whole ? ENTRY_OTHER : at != NULL ? ENTRY_LINK : ENTRY_USER;
}

static struct entry entry_of(struct arena *arena, struct str path, struct str data)
{
    struct entry entry = {.kind = ENTRY_OTHER};
    struct str rest = path;
    if (!take(&rest, SECURITY_ROOT)) {
        return entry;
    }
    if (take(&rest, "_USER/")) {
        read_user(arena, rest, data, &entry);
    } else if (take(&rest, "_GROUP/")) {
        entry.kind = rest.len != 0 ? ENTRY_GROUP : ENTRY_OTHER;
        entry.group = rest;
    } else if (take(&rest, "_PERMISSIONS/") && !str_starts(rest, STR_LIT("_LOOKUP/"))) {
        read_rule(arena, rest, data, &entry);
    }
    return entry;
}

static happn_status put_rule(struct directory *directory, const struct entry *entry)
{
    bool is_user = str_is_set(entry->user);
    struct user *user = is_user ? need_user(directory, entry->user) : NULL;
    struct group *group = is_user ? NULL : need_group(directory, entry->group);
    if (user == NULL && group == NULL) {
        return HAPPN_E_MEMORY;
    }
    struct rule *rule = need_rule(directory, is_user ? &user->rules : &group->rules, entry->path);
    if (rule == NULL) {
        return HAPPN_E_MEMORY;
    }
    unsigned *on = entry->authorized ? &rule->allowed : &rule->prohibited;
    unsigned *off = entry->authorized ? &rule->prohibited : &rule->allowed;
    *on |= entry->bit;
    *off &= ~entry->bit;
    if (is_user) {
        touch(directory, user);
    } else {
        touch_members(directory, group);
    }
    return HAPPN_OK;
}

static happn_status put_user(struct directory *directory, struct str name, struct str data, int64_t created, int64_t modified)
{
    struct user *user = need_user(directory, name);
    if (user == NULL) {
        return HAPPN_E_MEMORY;
    }
    bool is_new = !str_is_set(user->record);
    if (!replace(directory, &user->record, data)) {
        return HAPPN_E_MEMORY;
    }
    directory->user_count += is_new;
    user->created = created;
    user->modified = modified;
    touch(directory, user);
    return HAPPN_OK;
}

static happn_status put_group(struct directory *directory, struct str name, struct str data, int64_t created, int64_t modified)
{
    struct group *group = need_group(directory, name);
    if (group == NULL || !replace(directory, &group->record, data)) {
        return HAPPN_E_MEMORY;
    }
    group->created = created;
    group->modified = modified;
    touch_members(directory, group);
    return HAPPN_OK;
}

happn_status directory_put(struct directory *directory, struct str path, struct str data, int64_t created, int64_t modified)
{
    struct arena arena;
    arena_init(&arena, directory->allocator);
    struct entry entry = entry_of(&arena, path, data);
    happn_status status = HAPPN_OK;
    switch (entry.kind) {
    case ENTRY_USER:
        status = put_user(directory, entry.user, data, created, modified);
        break;
    case ENTRY_GROUP:
        status = put_group(directory, entry.group, data, created, modified);
        break;
    case ENTRY_LINK:
        status = link_member(directory, need_user(directory, entry.user), need_group(directory, entry.group), data);
        break;
    case ENTRY_RULE:
        status = put_rule(directory, &entry);
        break;
    case ENTRY_NO_MEMORY:
        status = HAPPN_E_MEMORY;
        break;
    case ENTRY_OTHER:
        break;
    }
    arena_fini(&arena);
    return status;
}

static void drop_user(struct directory *directory, struct user *user)
{
    directory->user_count -= str_is_set(user->record);
    forget(directory, &user->record);
    user->is_gone = true;
    touch(directory, user);
    user->is_gone = false; /* its links and permissions may still stand; they are dropped one by one */
    tidy_user(directory, user);
}

static void drop_link(struct directory *directory, struct user *user, struct group *group)
{
    struct member *member = user != NULL && group != NULL ? find_member(user, group) : NULL;
    if (member == NULL) {
        return;
    }
    unlink_member(directory, member);
    touch(directory, user);
    tidy_user(directory, user);
    tidy_group(directory, group);
}

static void drop_group(struct directory *directory, struct group *group)
{
    forget(directory, &group->record);
    touch_members(directory, group);
    tidy_group(directory, group);
}

static void drop_rule_of(struct directory *directory, const struct entry *entry)
{
    struct user *user = str_is_set(entry->user) ? find_user(directory, entry->user) : NULL;
    struct group *group = str_is_set(entry->group) ? find_group(directory, entry->group) : NULL;
    if (user != NULL) {
        drop_rule(directory, &user->rules, entry->path, entry->bit);
        touch(directory, user);
        tidy_user(directory, user);
    } else if (group != NULL) {
        drop_rule(directory, &group->rules, entry->path, entry->bit);
        touch_members(directory, group);
        tidy_group(directory, group);
    }
}

void directory_drop(struct directory *directory, struct str path, struct str data)
{
    struct arena arena;
    arena_init(&arena, directory->allocator);
    struct entry entry = entry_of(&arena, path, data);
    struct user *user = str_is_set(entry.user) ? find_user(directory, entry.user) : NULL;
    struct group *group = str_is_set(entry.group) ? find_group(directory, entry.group) : NULL;
    if (entry.kind == ENTRY_USER && user != NULL) {
        drop_user(directory, user);
    } else if (entry.kind == ENTRY_LINK) {
        drop_link(directory, user, group);
    } else if (entry.kind == ENTRY_GROUP && group != NULL) {
        drop_group(directory, group);
    } else if (entry.kind == ENTRY_RULE) {
        drop_rule_of(directory, &entry);
    }
    arena_fini(&arena);
}
