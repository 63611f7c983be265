/* Which store a path belongs to: a table of patterns that never changes once it is made, so that any thread may read it. */
#ifndef HAPPN_STORE_ROUTING_H
#define HAPPN_STORE_ROUTING_H

#include "base/memory.h"
#include "base/str.h"
#include "happn/status.h"

struct routing;

struct route_entry {
    struct str pattern; /* string language */
    const void *store;
};

/* Sorts by length: the longest pattern that matches decides, else `fallback`. Each pattern also stands for /_TAGS + itself:
 * snapshots live beside their originals. One reference is the caller's. */
happn_status routing_new(const struct allocator *allocator, const struct route_entry *entries, size_t count,
                         const void *fallback, struct routing **out);
void routing_ref(struct routing *routing); /* only on the loop's thread */
void routing_unref(struct routing *routing);

const void *routing_find(const struct routing *routing, struct str path);

/* True when a path exists that the pattern matches and that belongs to the store. Says true when in doubt. */
bool routing_may_match(const struct routing *routing, struct str pattern, const void *store);

#endif
