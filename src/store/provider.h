/* The interface between documents and whatever keeps them: asynchronous, shaped for batches. */
#ifndef HAPPN_STORE_PROVIDER_H
#define HAPPN_STORE_PROVIDER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "happn/status.h"

enum store_kind {
    STORE_SET,    /* path, data, options -> document */
    STORE_MERGE,  /* the same, top-level members of data laid over what is there, atomically */
    STORE_GET,    /* explicit path -> documents[0..1] */
    STORE_FIND,   /* pattern in the string language -> documents, ordered by path */
    STORE_REMOVE  /* path or pattern -> removed */
};

/* A stored document. Slices live in the operation's arena until it is disposed of. */
struct document {
    struct str path;
    struct str data;        /* JSON text of an object */
    int64_t created;        /* milliseconds since 1970 */
    int64_t modified;
    struct str modified_by; /* user name; not set when nobody is known */
    int64_t rev;
};

/* One operation. The caller fills the first part and keeps everything alive until the end;
 * the provider fills the second. Embed it in whatever waits for it. */
struct store_op {
    enum store_kind kind;
    struct str path;
    struct str data;         /* SET, MERGE: JSON text of an object */
    struct str modified_by;
    int64_t now;             /* milliseconds: what created and modified become */
    bool paths_only;         /* GET, FIND: data is not needed */
    bool include_system;     /* FIND, REMOVE by pattern: may touch /_SYSTEM */
    bool in_order;           /* GET: not before what was submitted earlier, even where that cannot be seen */
    struct arena *arena;     /* results are allocated here; the provider's until the operation is done */
    void (*done)(struct store_op *op); /* on the loop's thread, exactly once, only after PENDING */
    void *context;

    happn_status status;
    happn_error error;
    struct document document; /* SET, MERGE: as stored */
    bool was_created;
    struct document *documents; /* GET, FIND */
    size_t count;
    int64_t removed;
    int64_t snapshot_rev;     /* highest rev that the results can contain */

    struct store_op *next; /* the provider's, while it has the operation */
    void *scratch;         /* the provider's */
};

struct provider;

struct provider_ops {
    const char *name;
    /* Carries out the operation now (returns op->status, HAPPN_OK or a failure; done is not called)
     * or later (returns HAPPN_PENDING; done is called on the loop's thread, never before this returns).
     * Operations of one provider take effect in the order of submission. */
    happn_status (*submit)(struct provider *provider, struct store_op *op);
    /* Finishes everything submitted, then calls closed on the loop's thread (never before returning)
     * after which the provider is gone. */
    void (*close)(struct provider *provider, void (*closed)(void *arg), void *arg);
};

/* First member of every provider. */
struct provider {
    const struct provider_ops *ops;
};

static inline happn_status provider_submit(struct provider *provider, struct store_op *op)
{
    return provider->ops->submit(provider, op);
}

#endif
