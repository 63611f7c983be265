/* What a place for documents must be able to do: read, write and erase one, and walk along them in the order of their
 * paths. `operation` carries out everything that can be asked of a store in these steps, so that every kind of store
 * means the same by it. A shelf is used by one thread at a time. */
#ifndef HAPPN_STORE_SHELF_H
#define HAPPN_STORE_SHELF_H

#include "store/provider.h"

struct shelf;

/* A walk: documents whose paths start with `prefix`, from the path `from` (itself included) on. */
struct shelf_walk {
    struct str prefix;
    struct str from;
    bool bare; /* data is not needed */
    const struct search *search; /* a hint for shelves with indexes: what it cannot match may be left out. NULL: everything */
    struct str *index; /* gets the name of the index that was used; NULL: nobody asks */
    bool (*visit)(void *arg, const struct document *document); /* borrowed until it returns; false ends the walk */
    bool (*pass)(void *arg, struct str path); /* told of a place where nothing is any more, which took time all the same; the same. NULL: not wanted */
    void *arg;
};

struct shelf_ops {
    /* Finds one document; out->path is unset when there is none. Borrowed until the next call on the shelf, but data may be
     * passed to write. */
    happn_status (*read)(struct shelf *shelf, struct str path, bool bare, struct document *out, happn_error *error);
    /* Stores it over what is at its path. */
    happn_status (*write)(struct shelf *shelf, const struct document *document, happn_error *error);
    /* Nothing there is fine. */
    happn_status (*erase)(struct shelf *shelf, struct str path, happn_error *error);
    happn_status (*walk)(struct shelf *shelf, const struct shelf_walk *walk, happn_error *error);
    /* The end of an operation: what read has lent is not looked at any more. NULL: nothing to do. */
    void (*rest)(struct shelf *shelf);
    /* Gives back what removed documents have left; not inside a batch. NULL: nothing to do. */
    happn_status (*compact)(struct shelf *shelf, happn_error *error);
    /* A group of writes that happens as a whole or not at all; NULL where each write is final: there
     * an erase cannot fail. */
    happn_status (*group)(struct shelf *shelf, happn_error *error);
    happn_status (*group_end)(struct shelf *shelf, bool keep, happn_error *error);
};

/* First member of every shelf. */
struct shelf {
    const struct shelf_ops *ops;
    int64_t rev; /* the last one given out */
};

#endif
