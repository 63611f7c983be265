#include "security/activity.h"

struct entry {
    struct idmap_node node;
    struct entry *previous, *next; /* by last use, the longest ago first */
    int64_t used, last_used;
    struct str token_id;
    char bytes[];
};

struct activity {
    const struct allocator *allocator;
    struct idmap entries;
    struct entry *first, *last;
};

struct activity *activity_new(const struct allocator *allocator)
{
    struct activity *activity = memory_zalloc(allocator, sizeof *activity);
    if (activity != NULL) {
        activity->allocator = allocator;
        idmap_init(&activity->entries, allocator);
    }
    return activity;
}

static void leave(struct activity *activity, struct entry *entry)
{
    *(entry->previous != NULL ? &entry->previous->next : &activity->first) = entry->next;
    *(entry->next != NULL ? &entry->next->previous : &activity->last) = entry->previous;
}

static void enter(struct activity *activity, struct entry *entry)
{
    entry->previous = activity->last;
    entry->next = NULL;
    *(activity->last != NULL ? &activity->last->next : &activity->first) = entry;
    activity->last = entry;
}

static void drop(struct activity *activity, struct entry *entry)
{
    leave(activity, entry);
    idmap_remove(&activity->entries, &entry->node);
    memory_free(activity->allocator, entry);
}

void activity_free(struct activity *activity)
{
    if (activity == NULL) {
        return;
    }
    while (activity->first != NULL) {
        drop(activity, activity->first);
    }
    idmap_fini(&activity->entries);
    memory_free(activity->allocator, activity);
}

static struct entry *find(const struct activity *activity, struct str token_id)
{
    struct idmap_node *node = idmap_find(&activity->entries, str_hash(token_id));
    while (node != NULL && !str_equal(((struct entry *)node)->token_id, token_id)) {
        node = idmap_find_next(node);
    }
    return (struct entry *)node;
}

static bool is_limited(const struct identity *identity)
{
    return identity->policy.usage_limit != 0 || identity->policy.inactivity != 0;
}

void activity_load(struct activity *activity, struct identity *identity)
{
    const struct entry *entry = is_limited(identity) ? find(activity, identity->token_id) : NULL;
    if (entry != NULL) {
        identity->used = entry->used;
        identity->last_used = entry->last_used;
    }
}

static struct entry *add(struct activity *activity, struct str token_id)
{
    struct entry *entry = memory_zalloc(activity->allocator, sizeof *entry + token_id.len + 1);
    if (entry == NULL) {
        return NULL;
    }
    memcpy(entry->bytes, token_id.ptr, token_id.len);
    entry->token_id = str_make(entry->bytes, token_id.len);
    if (idmap_add(&activity->entries, &entry->node, str_hash(token_id)) != HAPPN_OK) {
        memory_free(activity->allocator, entry);
        return NULL;
    }
    enter(activity, entry);
    if (activity->entries.count > ACTIVITY_MOST) {
        drop(activity, activity->first);
    }
    return entry;
}

void activity_save(struct activity *activity, const struct identity *identity)
{
    if (!is_limited(identity)) {
        return;
    }
    struct entry *entry = find(activity, identity->token_id);
    if (entry == NULL && (entry = add(activity, identity->token_id)) == NULL) {
        return;
    }
    leave(activity, entry);
    enter(activity, entry);
    entry->used = identity->used;
    entry->last_used = identity->last_used;
}
