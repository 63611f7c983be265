/* The index of subscriptions finds the permissions that match a path, whatever their number. What was found for a path is
 * kept in a table of fixed size, one entry a slot: a client that works on few paths pays a hash and a comparison. */

#include "security/permissions.h"

#include <strings.h>

#include "paths/subscriptions.h"

enum { CACHE_SLOTS = 128, CACHED_PATH = 104 };

static const struct {
    const char *word;
    unsigned bit;
} words[] = {
    {"get", MAY_GET},       {"set", MAY_SET}, {"on", MAY_ON},     {"remove", MAY_REMOVE}, {"delete", MAY_DELETE},
    {"put", MAY_PUT},       {"post", MAY_POST}, {"head", MAY_HEAD}, {"options", MAY_OPTIONS}, {"*", MAY_ALL},
};
enum { WORDS = sizeof words / sizeof words[0] };

struct permission {
    struct subscription subscription; /* first: its place in the index */
    struct permission *next;
    unsigned allowed, prohibited;
    char path[];
};

/* All permissions that match one path, put together. */
struct cached {
    uint64_t hash;
    size_t len;
    unsigned allowed, prohibited;
    char path[CACHED_PATH];
};

struct permission_set {
    const struct allocator *allocator;
    size_t refs;
    struct subscriptions *index;
    struct permission *permissions;
    unsigned prohibited; /* by any permission */
    struct cached *cache;
};

unsigned may_of(struct str word)
{
    for (int i = 0; i < WORDS; i++) {
        if (str_is(word, words[i].word)) {
            return words[i].bit;
        }
    }
    return 0;
}

const char *may_word(unsigned bit)
{
    bit = bit == MAY_STAR ? MAY_ALL : bit;
    for (int i = 0; i < WORDS; i++) {
        if (words[i].bit == bit) {
            return words[i].word;
        }
    }
    return "";
}

unsigned may_of_method(const char *method)
{
    for (int i = 0; i < WORDS; i++) {
        bool is_method = words[i].bit == MAY_GET || words[i].bit >= MAY_DELETE;
        if (is_method && words[i].bit != MAY_ALL && strcasecmp(words[i].word, method) == 0) {
            return words[i].bit;
        }
    }
    return MAY_OTHER;
}

struct permission_set *permission_set_new(const struct allocator *allocator)
{
    struct permission_set *set = memory_zalloc(allocator, sizeof *set);
    if (set == NULL) {
        return NULL;
    }
    *set = (struct permission_set){.allocator = allocator, .refs = 1, .index = subscriptions_new(allocator)};
    if (set->index == NULL) {
        memory_free(allocator, set);
        return NULL;
    }
    return set;
}

void permission_set_ref(struct permission_set *set)
{
    set->refs++;
}

void permission_set_unref(struct permission_set *set)
{
    if (set == NULL || --set->refs != 0) {
        return;
    }
    while (set->permissions != NULL) {
        struct permission *permission = set->permissions;
        set->permissions = permission->next;
        memory_free(set->allocator, permission);
    }
    subscriptions_free(set->index);
    memory_free(set->allocator, set->cache);
    memory_free(set->allocator, set);
}

happn_status permission_set_add(struct permission_set *set, struct str path, unsigned allowed, unsigned prohibited)
{
    struct permission *permission = memory_zalloc(set->allocator, sizeof *permission + path.len + 1);
    if (permission == NULL) {
        return HAPPN_E_MEMORY;
    }
    memcpy(permission->path, path.ptr, path.len);
    permission->allowed = allowed;
    permission->prohibited = prohibited;
    permission->subscription = (struct subscription){.pattern = str_make(permission->path, path.len),
                                                     .events = EVENT_ALL,
                                                     .language = WILDCARD_STRING};
    if (subscriptions_add(set->index, &permission->subscription) != HAPPN_OK) {
        memory_free(set->allocator, permission);
        return HAPPN_E_MEMORY;
    }
    permission->next = set->permissions;
    set->permissions = permission;
    set->prohibited |= prohibited;
    return HAPPN_OK;
}

struct found {
    unsigned allowed, prohibited;
};

static void note(struct subscription *subscription, void *arg)
{
    const struct permission *permission = (const struct permission *)subscription;
    struct found *found = arg;
    found->allowed |= permission->allowed;
    found->prohibited |= permission->prohibited;
}

static struct found look_up(const struct permission_set *set, struct str path)
{
    struct found found = {0, 0};
    path = str_is_set(path) ? path : STR_LIT("");
    subscriptions_match(set->index, path, EVENT_SET, note, &found);
    return found;
}

static bool may_do(struct found found, unsigned may)
{
    return (found.allowed & ~found.prohibited & may) != 0;
}

/* Eight bytes at a step: it only has to spread well, what is found is compared. */
static uint64_t hash_path(struct str path)
{
    uint64_t hash = path.len * 0x9e3779b97f4a7c15u;
    size_t at = 0;
    for (; at + 8 <= path.len; at += 8) {
        uint64_t word;
        memcpy(&word, path.ptr + at, 8);
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    for (; at < path.len; at++) {
        hash = (hash ^ (unsigned char)path.ptr[at]) * 1099511628211u;
    }
    return hash ^ hash >> 29;
}

static struct found remember(struct permission_set *set, struct str path)
{
    if (set->cache == NULL) {
        set->cache = memory_zalloc(set->allocator, CACHE_SLOTS * sizeof *set->cache);
    }
    if (set->cache == NULL || path.len > CACHED_PATH || path.len == 0) {
        return look_up(set, path);
    }
    uint64_t hash = hash_path(path);
    struct cached *cached = &set->cache[hash & (CACHE_SLOTS - 1)];
    if (cached->hash != hash || cached->len != path.len || memcmp(cached->path, path.ptr, path.len) != 0) {
        struct found found = look_up(set, path);
        *cached = (struct cached){.hash = hash, .len = path.len, .allowed = found.allowed, .prohibited = found.prohibited};
        memcpy(cached->path, path.ptr, path.len);
    }
    return (struct found){cached->allowed, cached->prohibited};
}

bool permission_set_allows(struct permission_set *set, struct str path, unsigned may)
{
    return may_do(remember(set, path), may);
}

bool permission_set_permits(const struct permission_set *set, struct str path, unsigned may)
{
    return may_do(look_up(set, path), may);
}

bool permission_set_prohibits(const struct permission_set *set, struct str path, unsigned may)
{
    return (set->prohibited & may) != 0 && (look_up(set, path).prohibited & may) != 0;
}

bool permission_set_has_prohibitions(const struct permission_set *set, unsigned may)
{
    return (set->prohibited & may) != 0;
}
