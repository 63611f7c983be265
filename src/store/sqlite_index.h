/* Declared indexes of a database: for each field the keys of every document, in order. */
#ifndef HAPPN_STORE_SQLITE_INDEX_H
#define HAPPN_STORE_SQLITE_INDEX_H

#include "store/sqlite_file.h"

/* Makes the tables fit what is declared: builds what is new, drops what is no longer wanted. Once, before anything is written. */
happn_status sqlite_index_open(struct sqlite_file *file, const struct sqlite_options *options, happn_error *error);
/* For a connection that only reads: what another one has made. */
happn_status sqlite_index_open_reader(struct sqlite_file *file, const struct sqlite_options *options, happn_error *error);
void sqlite_index_close(struct sqlite_file *file);

/* Before a document is written or erased: its keys go; after it was written: its new ones come. SQLite codes. */
int sqlite_index_forget(struct sqlite_file *file, struct str path);
int sqlite_index_keep(struct sqlite_file *file, const struct document *document);

/* The paths an index leaves for this walk, sorted, in `arena`. False: no index helps, or the walk would not be brief. */
bool sqlite_index_paths(struct sqlite_file *file, const struct shelf_walk *walk, struct arena *arena, struct str **paths, size_t *count,
                        struct str *name);

#endif
