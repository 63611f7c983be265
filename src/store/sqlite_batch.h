/* Many operations, one transaction, one commit. */
#ifndef HAPPN_STORE_SQLITE_BATCH_H
#define HAPPN_STORE_SQLITE_BATCH_H

#include "store/sqlite_file.h"

/* What the storage thread keeps for an operation, in op->scratch. The operation's own arena is the loop's, so results
 * grow in this one, of the same allocator, and the loop adopts it. */
struct sqlite_results {
    struct arena arena;
};

/* Carries out the list in its order and fills in the status of each. The results of none are to be seen by anybody
 * before this returns: only then they are committed. */
void sqlite_batch_run(struct sqlite_file *file, struct store_op *first);

#endif
