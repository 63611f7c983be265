/* Documents in memory, ordered by path. */
#ifndef HAPPN_STORE_MEMORY_H
#define HAPPN_STORE_MEMORY_H

#include "base/loop.h"
#include "store/provider.h"

/* Answers every operation at once. */
happn_status store_memory_open(struct loop *loop, const struct allocator *allocator, struct provider **out);

#endif
