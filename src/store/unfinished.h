/* Which paths have writes under way: a reader that looks past the queue must not look at those. */
#ifndef HAPPN_STORE_UNFINISHED_H
#define HAPPN_STORE_UNFINISHED_H

#include <stdint.h>

#include "store/provider.h"

enum { UNFINISHED_SLOTS = 1024 };

/* Counts by hash of the path: two paths may share a slot, then one waits for the other's write. Never the opposite. */
struct unfinished {
    uint32_t slots[UNFINISHED_SLOTS];
    uint32_t patterns; /* removals by pattern: they concern any path */
};

void unfinished_add(struct unfinished *unfinished, const struct store_op *op);
void unfinished_take(struct unfinished *unfinished, const struct store_op *op);
bool unfinished_has(const struct unfinished *unfinished, struct str path);

#endif
