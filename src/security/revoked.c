#include "security/revoked.h"

#include "json/write.h"

void revoked_init(struct revoked *revoked, const struct allocator *allocator)
{
    *revoked = (struct revoked){.allocator = allocator};
    idmap_init(&revoked->entries, allocator);
}

/* --- by their end */

static void put_at(struct revoked *revoked, struct revoked_entry *entry, size_t place)
{
    revoked->heap[place] = entry;
    entry->place = place;
}

static void rise(struct revoked *revoked, struct revoked_entry *entry)
{
    size_t place = entry->place;
    for (; place != 0 && revoked->heap[(place - 1) / 2]->until > entry->until; place = (place - 1) / 2) {
        put_at(revoked, revoked->heap[(place - 1) / 2], place);
    }
    put_at(revoked, entry, place);
}

static void sink(struct revoked *revoked, struct revoked_entry *entry)
{
    size_t place = entry->place;
    for (size_t child; (child = 2 * place + 1) < revoked->heap_count; place = child) {
        child += child + 1 < revoked->heap_count && revoked->heap[child + 1]->until < revoked->heap[child]->until;
        if (revoked->heap[child]->until >= entry->until) {
            break;
        }
        put_at(revoked, revoked->heap[child], place);
    }
    put_at(revoked, entry, place);
}

static bool enter_heap(struct revoked *revoked, struct revoked_entry *entry)
{
    if (revoked->heap_count == revoked->heap_room) {
        size_t room = revoked->heap_room == 0 ? 64 : revoked->heap_room * 2;
        struct revoked_entry **heap = memory_resize(revoked->allocator, revoked->heap, room * sizeof(struct revoked_entry *));
        if (heap == NULL) {
            return false;
        }
        revoked->heap = heap;
        revoked->heap_room = room;
    }
    entry->is_waiting = true;
    entry->place = revoked->heap_count++;
    rise(revoked, entry);
    return true;
}

static void leave_heap(struct revoked *revoked, struct revoked_entry *entry)
{
    struct revoked_entry *last = revoked->heap[--revoked->heap_count];
    entry->is_waiting = false;
    if (last != entry) {
        last->place = entry->place;
        rise(revoked, last);
        sink(revoked, last);
    }
}

static void drop(struct revoked *revoked, struct revoked_entry *entry)
{
    if (entry->is_waiting) {
        leave_heap(revoked, entry);
    }
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
    memory_free(revoked->allocator, revoked->heap);
    revoked->heap = NULL;
    revoked->heap_room = 0;
}

const struct revoked_entry *revoked_find(const struct revoked *revoked, struct str id)
{
    struct idmap_node *node = idmap_find(&revoked->entries, str_hash(id));
    while (node != NULL && !str_equal(((struct revoked_entry *)node)->id, id)) {
        node = idmap_find_next(node);
    }
    return (struct revoked_entry *)node;
}

/* The one that was there goes last: without memory it must not be good again. */
happn_status revoked_add(struct revoked *revoked, struct str id, struct str reason, int64_t since, int64_t until)
{
    struct revoked_entry *before = (struct revoked_entry *)revoked_find(revoked, id);
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
    if (until != 0 && !enter_heap(revoked, entry)) {
        memory_free(revoked->allocator, entry);
        return HAPPN_E_MEMORY;
    }
    if (idmap_add(&revoked->entries, &entry->node, str_hash(id)) != HAPPN_OK) {
        if (entry->is_waiting) {
            leave_heap(revoked, entry);
        }
        memory_free(revoked->allocator, entry);
        return HAPPN_E_MEMORY;
    }
    if (before != NULL) {
        drop(revoked, before);
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

const struct revoked_entry *revoked_outlived(struct revoked *revoked, int64_t now)
{
    struct revoked_entry *entry = revoked->heap_count != 0 && revoked->heap[0]->until <= now ? revoked->heap[0] : NULL;
    if (entry != NULL) {
        leave_heap(revoked, entry);
    }
    return entry;
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
