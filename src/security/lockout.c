#include "security/lockout.h"

enum { MINUTE = 60000 };

/* Key: "name\naddress", or "\naddress" for the number of logins. */
struct lockout_entry {
    struct idmap_node node;
    struct lockout_entry *previous, *next;
    int64_t count, since; /* failures and the last one; or logins and when the first one of this minute was */
    struct str key;
    char bytes[];
};

void lockout_init(struct lockout *lockout, const struct allocator *allocator)
{
    *lockout = (struct lockout){.allocator = allocator, .attempts = 4, .retry_ms = 600000};
    idmap_init(&lockout->entries, allocator);
}

static void leave(struct lockout *lockout, struct lockout_entry *entry)
{
    *(entry->previous != NULL ? &entry->previous->next : &lockout->first) = entry->next;
    *(entry->next != NULL ? &entry->next->previous : &lockout->last) = entry->previous;
}

static void enter(struct lockout *lockout, struct lockout_entry *entry)
{
    entry->previous = lockout->last;
    entry->next = NULL;
    *(lockout->last != NULL ? &lockout->last->next : &lockout->first) = entry;
    lockout->last = entry;
}

static void drop(struct lockout *lockout, struct lockout_entry *entry)
{
    leave(lockout, entry);
    idmap_remove(&lockout->entries, &entry->node);
    memory_free(lockout->allocator, entry);
}

void lockout_fini(struct lockout *lockout)
{
    while (lockout->first != NULL) {
        drop(lockout, lockout->first);
    }
    idmap_fini(&lockout->entries);
}

struct key {
    struct str name, address;
};

static uint64_t hash_more(uint64_t hash, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (unsigned char)text.ptr[i]) * 1099511628211u;
    }
    return (hash ^ '\n') * 1099511628211u;
}

static uint64_t hash_of(struct key key)
{
    return hash_more(hash_more(1469598103934665603u, key.name), key.address);
}

static bool is_key(const struct lockout_entry *entry, struct key key)
{
    return entry->key.len == key.name.len + 1 + key.address.len && str_starts(entry->key, key.name) &&
           entry->key.ptr[key.name.len] == '\n' && str_equal(str_skip(entry->key, key.name.len + 1), key.address);
}

static struct lockout_entry *find(const struct lockout *lockout, struct key key)
{
    struct idmap_node *node = idmap_find(&lockout->entries, hash_of(key));
    while (node != NULL && !is_key((struct lockout_entry *)node, key)) {
        node = idmap_find_next(node);
    }
    return (struct lockout_entry *)node;
}

static struct lockout_entry *need(struct lockout *lockout, struct key key, int64_t now)
{
    struct lockout_entry *entry = find(lockout, key);
    if (entry != NULL) {
        leave(lockout, entry);
        enter(lockout, entry);
        return entry;
    }
    size_t len = key.name.len + 1 + key.address.len;
    entry = memory_zalloc(lockout->allocator, sizeof *entry + len + 1);
    if (entry == NULL) {
        return NULL;
    }
    memcpy(entry->bytes, key.name.ptr != NULL ? key.name.ptr : "", key.name.len);
    entry->bytes[key.name.len] = '\n';
    memcpy(entry->bytes + key.name.len + 1, key.address.ptr != NULL ? key.address.ptr : "", key.address.len);
    entry->key = str_make(entry->bytes, len);
    entry->since = now;
    if (idmap_add(&lockout->entries, &entry->node, hash_of(key)) != HAPPN_OK) {
        memory_free(lockout->allocator, entry);
        return NULL;
    }
    enter(lockout, entry);
    if (lockout->entries.count > LOCKOUT_MOST) {
        drop(lockout, lockout->first);
    }
    return entry;
}

static struct key key_of(struct str name, struct str address)
{
    return (struct key){str_make(name.ptr, name.len < 256 ? name.len : 256), address};
}

bool lockout_is_locked(struct lockout *lockout, struct str name, struct str address, int64_t now)
{
    struct lockout_entry *entry = lockout->is_off ? NULL : find(lockout, key_of(name, address));
    if (entry == NULL) {
        return false;
    }
    if (now >= entry->since + lockout->retry_ms) {
        drop(lockout, entry);
        return false;
    }
    return entry->count >= lockout->attempts;
}

bool lockout_failed(struct lockout *lockout, struct str name, struct str address, int64_t now)
{
    struct lockout_entry *entry = lockout->is_off ? NULL : need(lockout, key_of(name, address), now);
    if (entry == NULL) {
        return false;
    }
    entry->since = now;
    entry->count++;
    return entry->count == lockout->attempts;
}

void lockout_succeeded(struct lockout *lockout, struct str name, struct str address)
{
    struct lockout_entry *entry = find(lockout, key_of(name, address));
    if (entry != NULL) {
        drop(lockout, entry);
    }
}

bool lockout_may_try(struct lockout *lockout, struct str address, int64_t now)
{
    if (lockout->per_minute == 0 || address.len == 0) {
        return true;
    }
    struct lockout_entry *entry = need(lockout, (struct key){STR_LIT(""), address}, now);
    if (entry == NULL) {
        return false;
    }
    if (now >= entry->since + MINUTE) {
        entry->since = now;
        entry->count = 0;
    }
    return ++entry->count <= lockout->per_minute;
}
