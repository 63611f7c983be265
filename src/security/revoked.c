#include "security/revoked.h"

#include "json/write.h"

void revoked_init(struct revoked *revoked, const struct allocator *allocator)
{
    revoked->allocator = allocator;
    idmap_init(&revoked->entries, allocator);
}

static void drop(struct revoked *revoked, struct revoked_entry *entry)
{
    idmap_remove(&revoked->entries, &entry->node);
    memory_free(revoked->allocator, entry);
}

void revoked_fini(struct revoked *revoked)
{
    struct idmap_node *node;
    while ((node = idmap_any(&revoked->entries)) != NULL) {
        drop(revoked, (struct revoked_entry *)node);
    }
    idmap_fini(&revoked->entries);
}

static uint64_t hash_of(struct str text)
{
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (unsigned char)text.ptr[i]) * 1099511628211u;
    }
    return hash;
}

const struct revoked_entry *revoked_find(const struct revoked *revoked, struct str id)
{
    struct idmap_node *node = idmap_find(&revoked->entries, hash_of(id));
    while (node != NULL && !str_equal(((struct revoked_entry *)node)->id, id)) {
        node = idmap_find_next(node);
    }
    return (struct revoked_entry *)node;
}

happn_status revoked_add(struct revoked *revoked, struct str id, struct str reason, int64_t since, int64_t until)
{
    revoked_drop(revoked, id);
    struct revoked_entry *entry = memory_zalloc(revoked->allocator, sizeof *entry + id.len + reason.len + 1);
    if (entry == NULL) {
        return HAPPN_E_MEMORY;
    }
    memcpy(entry->bytes, id.ptr, id.len);
    if (reason.len != 0) {
        memcpy(entry->bytes + id.len, reason.ptr, reason.len);
    }
    entry->id = str_make(entry->bytes, id.len);
    entry->reason = str_make(entry->bytes + id.len, reason.len);
    entry->since = since;
    entry->until = until;
    if (idmap_add(&revoked->entries, &entry->node, hash_of(id)) != HAPPN_OK) {
        memory_free(revoked->allocator, entry);
        return HAPPN_E_MEMORY;
    }
    return HAPPN_OK;
}

void revoked_drop(struct revoked *revoked, struct str id)
{
    struct revoked_entry *entry = (struct revoked_entry *)revoked_find(revoked, id);
    if (entry != NULL) {
        drop(revoked, entry);
    }
}

struct hunt {
    int64_t now;
    const struct revoked_entry *found;
};

static void look(struct idmap_node *node, void *arg)
{
    struct hunt *hunt = arg;
    const struct revoked_entry *entry = (const struct revoked_entry *)node;
    if (entry->until != 0 && entry->until <= hunt->now) {
        hunt->found = entry;
    }
}

const struct revoked_entry *revoked_outlived(const struct revoked *revoked, int64_t now)
{
    struct hunt hunt = {now, NULL};
    idmap_each(&revoked->entries, look, &hunt);
    return hunt.found;
}

void revoked_add_data(struct buf *out, struct str id, struct str reason, int64_t since, int64_t until)
{
    long long ttl = until != 0 ? (long long)(until - since) : 0;
    buf_add_lit(out, "{\"data\":{\"reason\":");
    json_add_string(out, reason);
    buf_add_format(out, ",\"timestamp\":%lld,\"ttl\":%lld},\"key\":", (long long)since, ttl);
    json_add_string(out, id);
    buf_add_format(out, ",\"ttl\":%lld}", ttl);
}
