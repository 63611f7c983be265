/* Documents in an SQLite file: durable, in the order of their paths. */
#ifndef HAPPN_STORE_SQLITE_H
#define HAPPN_STORE_SQLITE_H

#include "base/loop.h"
#include "store/provider.h"

struct sqlite_options {
    const char *file;       /* path of the database; its folder exists */
    bool sync;              /* true (durability "fsync"): a commit is on the disk before it is acknowledged;
                             * false ("file"): it is with the system, which may lose it when the power fails */
    size_t cache_bytes;     /* page cache; 0: 32 MiB */
    const char *vfs;        /* SQLite's file layer; NULL: its default */
    size_t checkpoint_pages; /* pages in the log before they move into the database; 0: 8000 */
    const struct str *indexes; /* names of fields that searches ask for */
    size_t index_count;
    size_t max_operations;  /* waiting, beyond that E_BUSY; 0: 100 000 */
    size_t max_bytes;       /* the same for their texts; 0: 256 MiB */
};

/* Opens the file or makes it. E_BUSY: open in another program; E_STORE: not ours, of a newer happn, or damaged; E_IO: cannot
 * be reached. The allocators given here and to the arenas of operations are called on the storage thread, too.
 * submit() answers an explicit STORE_GET at once when no write to that path is under way, and a STORE_FIND or STORE_COUNT that looks at few
 * documents, the first of a turn of the loop, when nothing at all is; everything else is PENDING;
 * E_BUSY when too much waits, E_CLOSED after close. */
happn_status store_sqlite_open(struct loop *loop, const struct allocator *allocator, const struct sqlite_options *options,
                               struct provider **out, happn_error *error);

#endif
