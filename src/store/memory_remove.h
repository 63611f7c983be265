/* Removing by pattern from a store in memory, in slices: other sessions have their turn in between. */
#ifndef HAPPN_STORE_MEMORY_REMOVE_H
#define HAPPN_STORE_MEMORY_REMOVE_H

#include "store/memory_shelf.h"

struct memory_removal;

/* One at a time. NULL: out of memory. Everything comes from the shelf's allocator, results from the operation's arena. */
struct memory_removal *memory_removal_new(struct memory_shelf *shelf, struct store_op *op);

/* Looks at about `budget` documents (0: all). PENDING: there are more. Anything else is the end of the operation, at which everything it
 * means is gone at once, or nothing; then comes sweeping. */
happn_status memory_removal_gather(struct memory_removal *removal, size_t budget);

/* Frees about `budget` documents (0: all); true: that was all, and the removal is freed. The operation is not looked at any more. */
bool memory_removal_sweep(struct memory_removal *removal, size_t budget);

/* Without sweeping: the shelf goes, too. */
void memory_removal_free(struct memory_removal *removal);

#endif
