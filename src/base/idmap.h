/* From numbers to objects: a hash table whose nodes are embedded in what it finds. */
#ifndef HAPPN_BASE_IDMAP_H
#define HAPPN_BASE_IDMAP_H

#include "base/memory.h"
#include "happn/status.h"

struct idmap_node {
    struct idmap_node *next;
    uint64_t id;
};

struct idmap {
    struct idmap_node **slots;
    size_t slot_count, count;
    const struct allocator *allocator;
};

void idmap_init(struct idmap *map, const struct allocator *allocator);
/* Forgets the nodes, which are the owner's. */
void idmap_fini(struct idmap *map);

/* E_MEMORY: nothing changed. The same number may be there several times. */
happn_status idmap_add(struct idmap *map, struct idmap_node *node, uint64_t id);
/* The node added last with this number, NULL when there is none. */
struct idmap_node *idmap_find(const struct idmap *map, uint64_t id);
/* The next one with the same number. */
struct idmap_node *idmap_find_next(const struct idmap_node *node);
/* The node must be in the map. */
void idmap_remove(struct idmap *map, struct idmap_node *node);
/* Any node at all; for emptying. Costs the number of slots in the worst case. */
struct idmap_node *idmap_any(const struct idmap *map);

/* Visits all; visit must not add or remove. */
void idmap_each(const struct idmap *map, void (*visit)(struct idmap_node *node, void *arg), void *arg);

#endif
