/* Declared indexes of a database: for each field the keys of every document, in order. */
#ifndef HAPPN_STORE_SQLITE_INDEX_H
#define HAPPN_STORE_SQLITE_INDEX_H

#include "search/plan.h"
#include "store/sqlite_file.h"

enum sqlite_index_statement {
    INDEX_PATHS,
    INDEX_DOCUMENTS,
    INDEX_HAS_ARRAYS,
    INDEX_READING, /* how many a reading connection has */
    INDEX_FORGET = INDEX_READING,
    INDEX_KEEP,
    INDEX_STATEMENTS
};

struct sqlite_index {
    struct arena arena;
    struct field *fields;
    int64_t *numbers; /* in the table */
    size_t count;
    sqlite3_stmt *statements[INDEX_STATEMENTS];
    const struct shelf_walk *walk; /* the one that is being prepared */
    size_t few_left;               /* entries it may look at along with their documents */
};

/* Makes the tables fit what is declared: builds what is new, drops what is no longer wanted. Once, before anything is written. */
happn_status sqlite_index_open(struct sqlite_file *file, const struct sqlite_options *options, happn_error *error);
/* For a connection that only reads: what another one has made. */
happn_status sqlite_index_open_reader(struct sqlite_file *file, const struct sqlite_options *options, happn_error *error);
void sqlite_index_close(struct sqlite_file *file);

/* Before a document is written or erased: its keys go; after it was written: its new ones come. SQLite codes. */
int sqlite_index_forget(struct sqlite_file *file, struct str path);
int sqlite_index_keep(struct sqlite_file *file, const struct document *document);

/* What an index leaves for a walk, in the order of the paths. */
struct sqlite_choice {
    struct str name;            /* of the index */
    struct document *documents; /* where they are few and short; NULL: only the paths were looked at */
    struct str *paths;
    size_t count;
};

/* The function is_wanted(path) of INDEX_DOCUMENTS, before that is prepared. An SQLite code. */
int sqlite_index_add_function(struct sqlite_file *file);

/* In `arena`. False: no index helps, or the walk would not be brief. */
bool sqlite_index_choose(struct sqlite_file *file, const struct shelf_walk *walk, struct arena *arena, struct sqlite_choice *out);

#endif
