#include "base/idmap.h"

enum { FIRST_SLOTS = 16 };

void idmap_init(struct idmap *map, const struct allocator *allocator)
{
    *map = (struct idmap){.allocator = allocator};
}

void idmap_fini(struct idmap *map)
{
    memory_free(map->allocator, map->slots);
    *map = (struct idmap){.allocator = map->allocator};
}

/* Numbers are often counted up, so their low bits already spread; the rest is folded in for hashes. */
static struct idmap_node **slot_of(struct idmap_node **slots, size_t count, uint64_t id)
{
    return &slots[(id ^ id >> 32) & (count - 1)];
}

static bool grow(struct idmap *map)
{
    size_t slot_count = map->slot_count == 0 ? FIRST_SLOTS : map->slot_count * 2;
    struct idmap_node **slots = memory_zalloc(map->allocator, slot_count * sizeof(struct idmap_node *));
    if (slots == NULL) {
        return map->slot_count != 0; /* a full table is slower, not wrong */
    }
    for (size_t i = 0; i < map->slot_count; i++) {
        while (map->slots[i] != NULL) {
            struct idmap_node *node = map->slots[i];
            map->slots[i] = node->next;
            struct idmap_node **at = slot_of(slots, slot_count, node->id);
            node->next = *at;
            *at = node;
        }
    }
    memory_free(map->allocator, map->slots);
    map->slots = slots;
    map->slot_count = slot_count;
    return true;
}

happn_status idmap_add(struct idmap *map, struct idmap_node *node, uint64_t id)
{
    if (map->count >= map->slot_count && !grow(map)) {
        return HAPPN_E_MEMORY;
    }
    struct idmap_node **at = slot_of(map->slots, map->slot_count, id);
    node->id = id;
    node->next = *at;
    *at = node;
    map->count++;
    return HAPPN_OK;
}

struct idmap_node *idmap_find(const struct idmap *map, uint64_t id)
{
    if (map->slot_count == 0) {
        return NULL;
    }
    struct idmap_node *node = *slot_of(map->slots, map->slot_count, id);
    return node == NULL || node->id == id ? node : idmap_find_next(&(struct idmap_node){node->next, id});
}

struct idmap_node *idmap_find_next(const struct idmap_node *from)
{
    struct idmap_node *node = from->next;
    while (node != NULL && node->id != from->id) {
        node = node->next;
    }
    return node;
}

void idmap_remove(struct idmap *map, struct idmap_node *node)
{
    struct idmap_node **at = slot_of(map->slots, map->slot_count, node->id);
    while (*at != node) {
        at = &(*at)->next;
    }
    *at = node->next;
    map->count--;
}

struct idmap_node *idmap_any(const struct idmap *map)
{
    for (size_t i = 0; map->count != 0 && i < map->slot_count; i++) {
        if (map->slots[i] != NULL) {
            return map->slots[i];
        }
    }
    return NULL;
}

void idmap_each(const struct idmap *map, void (*visit)(struct idmap_node *node, void *arg), void *arg)
{
    for (size_t i = 0; i < map->slot_count; i++) {
        for (struct idmap_node *node = map->slots[i], *next; node != NULL; node = next) {
            next = node->next;
            visit(node, arg);
        }
    }
}
