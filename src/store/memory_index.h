/* Declared indexes of a store in memory: for each field the keys of every document, in order. */
#ifndef HAPPN_STORE_MEMORY_INDEX_H
#define HAPPN_STORE_MEMORY_INDEX_H

#include "store/shelf.h"

struct memory_index;
struct index_entry;

/* What a document in memory has of the indexes; zero: nothing yet. The text of the path belongs to the document. */
struct indexed {
    struct str path;
    struct index_entry *entries;
};

/* E_ARGUMENT: a name cannot be understood. */
happn_status memory_index_new(const struct allocator *allocator, const struct str *names, size_t count, struct memory_index **out,
                              happn_error *error);
/* The entries of all documents have been freed before. NULL is fine. */
void memory_index_free(struct memory_index *index);

/* Writing is two steps, so that running out of memory changes nothing: the entries a document will have are made before it is written,
 * and put in place of the old ones afterwards. *entries is of no use to anybody until then. False: out of memory, nothing was made. */
bool memory_index_make(struct memory_index *index, const struct indexed *indexed, const struct document *document, struct index_entry **entries);
void memory_index_replace(struct memory_index *index, struct indexed *indexed, struct index_entry *entries);
/* The document was not written after all. */
void memory_index_discard(struct memory_index *index, const struct indexed *indexed, struct index_entry *entries);
/* The document goes. */
void memory_index_drop(struct memory_index *index, struct indexed *indexed);
/* All documents go, and the index with them: nothing is kept in order any more. */
void memory_index_free_entries(struct memory_index *index, struct indexed *indexed);

/* Calls visit with what an index leaves of this walk, in the order of paths, until it returns false. False: no index helps, nothing was
 * visited. The store does not change meanwhile. */
bool memory_index_walk(struct memory_index *index, const struct shelf_walk *walk, bool (*visit)(void *arg, struct indexed *indexed), void *arg);

#endif
