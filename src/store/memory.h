/* Documents in memory, ordered by path. */
#ifndef HAPPN_STORE_MEMORY_H
#define HAPPN_STORE_MEMORY_H

#include "base/loop.h"
#include "store/provider.h"

/* What concerns one path is answered at once; finds, counts and removals by pattern, too, unless they have long to go: then they are PENDING,
 * and done in slices. */
happn_status store_memory_open(struct loop *loop, const struct allocator *allocator, struct provider **out);

/* The same with indexes: names of fields that searches ask for. E_ARGUMENT, E_LIMIT: a name cannot be understood. */
happn_status store_memory_open_indexed(struct loop *loop, const struct allocator *allocator, const struct str *indexes, size_t count,
                                       struct provider **out, happn_error *error);

#endif
