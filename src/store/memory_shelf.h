/* The documents of a store in memory, ordered by path. */
#ifndef HAPPN_STORE_MEMORY_SHELF_H
#define HAPPN_STORE_MEMORY_SHELF_H

#include "store/memory_index.h"
#include "store/skip_list.h"

struct node;
struct removal;

struct memory_shelf {
    struct shelf shelf; /* first */
    const struct allocator *allocator;
    struct memory_index *index; /* NULL: nothing is declared */
    struct node **slots;
    size_t slot_count, count;
    struct skip_list list;
    uint64_t random;
    struct node *last; /* what was found last, at last_path */
    struct str last_path;
    struct removal *removal; /* gathers documents and wants to know of writes meanwhile; NULL: nobody does */
};

/* What a removal has to do with a document. `doom` says whose it is; from the moment on at which is_done is set, all documents it has doomed
 * are gone for everybody, though they still have to be taken out one by one. */
struct removal {
    bool is_done;
    size_t doomed; /* documents */
    void (*written)(struct removal *removal, struct node *node); /* after each write, also of a doomed one */
};

/* All allocations go through `allocator`. E_MEMORY. */
happn_status memory_shelf_init(struct memory_shelf *shelf, const struct allocator *allocator);
void memory_shelf_fini(struct memory_shelf *shelf);

/* The text of a path may change from here on: what was found last is forgotten. */
void memory_shelf_begin(struct memory_shelf *shelf);

struct document node_document(const struct node *node);

/* NULL: nothing is there, or only something that a removal has done away with. */
struct node *memory_shelf_find(struct memory_shelf *shelf, struct str path);

/* The walk of `struct shelf_ops`, with nodes for visit's second argument. */
void memory_shelf_walk(struct memory_shelf *shelf, const struct shelf_walk *walk, bool (*visit)(void *arg, struct node *node), void *arg);

/* The document belongs to the removal from now on, or to none. Fine also when it does already. */
void node_doom(struct node *node, struct removal *removal);
bool node_is_doomed(const struct node *node, const struct removal *removal);

/* Takes out what is at the path when the removal that is done has it, or gives it free when that came to nothing. */
void memory_shelf_sweep(struct memory_shelf *shelf, struct removal *removal, struct str path);

#endif
