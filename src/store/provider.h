/* The interface between documents and whatever keeps them: asynchronous, shaped for batches. */
#ifndef HAPPN_STORE_PROVIDER_H
#define HAPPN_STORE_PROVIDER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "happn/status.h"
#include "search/document.h"

enum store_kind {
    STORE_SET,       /* path, data -> document */
    STORE_MERGE,     /* the same, top-level members of data laid over what is there, atomically */
    STORE_INCREMENT, /* path, field, by -> document, number: adds to data[field].value, which starts at 0 */
    STORE_TAG,       /* path, target, tag -> document: a snapshot of what is at path, kept at target; E_NOT_FOUND */
    STORE_RESTORE,   /* path, data, restored -> document: exactly as it once was, with its dates and its author */
    STORE_GET,       /* explicit path -> documents[0..1] */
    STORE_FIND,      /* path or pattern of the string language -> documents, ordered by path or as the search says */
    STORE_COUNT,     /* the same -> count */
    STORE_COMPACT,   /* path: "*" -> gives back what removed documents have left, where a store has such a thing */
    STORE_REMOVE     /* path or pattern -> removed; with lists_removed: documents (paths and rev only) */
};

struct search;
struct routing;

/* One operation. The documents it gives live in its arena until it is disposed of. The caller fills the first part and keeps everything alive until the end;
 * the provider fills the second. Embed it in whatever waits for it. */
struct store_op {
    enum store_kind kind;
    struct str path;
    struct str data;         /* SET, MERGE, RESTORE: JSON text of an object */
    struct str modified_by;
    int64_t now;             /* milliseconds: what created and modified become */
    struct str field;        /* INCREMENT: the counter's name */
    struct str by;           /* INCREMENT: JSON number */
    struct str target;       /* TAG: the path of the snapshot */
    struct str tag;          /* TAG: its name */
    struct document restored; /* RESTORE: created, modified, modified_by, tag */
    bool has_if_rev;         /* writing one path: E_CONFLICT unless the document has this rev; 0: unless there is none */
    int64_t if_rev;
    const struct search *search; /* GET, FIND, COUNT, REMOVE: which documents, in what order and form; NULL: all as they are */
    size_t most_bytes;       /* FIND: E_LIMIT when what is found is longer, as text with all around it; 0: no end */
    bool paths_only;         /* GET, FIND: data is not needed */
    bool include_system;     /* FIND, COUNT, REMOVE by pattern: may touch /_SYSTEM */
    bool lists_removed;      /* REMOVE by pattern: what was removed is wanted */
    bool in_whole;           /* FIND, COUNT: without skip, and with skip + limit as the limit: somebody puts several together */
    bool in_order;           /* GET: not before what was submitted earlier, even where that cannot be seen */
    bool (*shows)(const void *arg, struct str path); /* FIND, COUNT, REMOVE by pattern: what is not shown is not there; NULL: all is. Any thread */
    const void *shows_arg;
    const struct routing *routing; /* FIND, COUNT, REMOVE: only paths that belong to this store, when there are several */
    const void *store;       /* who "this store" is in `routing` */
    struct arena *arena;     /* results are allocated here; the provider's until the operation is done */
    void (*done)(struct store_op *op); /* on the loop's thread, exactly once, only after PENDING */
    void *context;

    happn_status status;
    happn_error error;
    struct document document; /* the writing kinds: as stored; after E_CONFLICT its rev, 0 when there is none */
    bool was_created;
    struct document *documents; /* GET, FIND, REMOVE with lists_removed */
    size_t count;
    int64_t removed;          /* after a failure, too: in several stores some may have done their part */
    struct str number;        /* INCREMENT: the counter's new value, JSON number */
    int64_t snapshot_rev;     /* highest rev that the results can contain */
    struct str index;         /* FIND, COUNT, REMOVE: the declared index that was used; not set: none */
    size_t examined;          /* FIND, COUNT: documents that were looked at */

    struct store_op *next; /* the provider's, while it has the operation */
    void *scratch;         /* the provider's */
};

struct provider;

struct provider_ops {
    const char *name;
    bool keeps_order; /* what was submitted first is done first; else only what is answered at once is in order */
    /* Carries out the operation now (returns op->status, HAPPN_OK or a failure; done is not called)
     * or later (returns HAPPN_PENDING; done is called on the loop's thread, never before this returns).
     * Operations of one provider take effect in the order of submission. */
    happn_status (*submit)(struct provider *provider, struct store_op *op);
    /* Finishes everything submitted, then calls closed on the loop's thread (never before returning)
     * after which the provider is gone. */
    void (*close)(struct provider *provider, void (*closed)(void *arg), void *arg);
    /* Of a pending FIND: whether it has looked already at what is at this path. NULL: it keeps order, so no write is done() that its result does
     * not have. */
    bool (*has_passed)(const struct store_op *op, struct str path);
};

/* First member of every provider. */
struct provider {
    const struct provider_ops *ops;
    size_t waiting; /* operations submitted and not done */
};

static inline happn_status provider_submit(struct provider *provider, struct store_op *op)
{
    return provider->ops->submit(provider, op);
}

static inline bool provider_has_passed(const struct provider *provider, const struct store_op *op, struct str path)
{
    return provider->ops->has_passed != NULL && provider->ops->has_passed(op, path);
}

#endif
