/* One connection to a database of ours, and its prepared statements. */
#ifndef HAPPN_STORE_SQLITE_FILE_H
#define HAPPN_STORE_SQLITE_FILE_H

#include <sqlite3.h>

#include "store/shelf.h"
#include "store/sqlite.h"

/* Columns come in one order everywhere: path (FIND only), created, modified, modified_by, tag, rev, then unless _BARE: data (NULL
 * where it is long), rowid. _BARE have the length of data instead. */
enum sqlite_statement {
    SQL_GET,
    SQL_GET_BARE,
    SQL_FIND,
    SQL_FIND_BARE,
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_READING, /* how many a reading connection has */
    SQL_PUT = SQL_READING,
    SQL_DELETE,
    SQL_KEEP_REV,
    SQL_BEGIN_WRITING,
    SQL_ROLLBACK,
    SQL_SAVEPOINT,
    SQL_RELEASE,
    SQL_UNDO,
    SQL_COUNT
};

struct sqlite_file {
    struct shelf shelf; /* rev: the last one given out */
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT];
    struct sqlite_index *index; /* what is declared; NULL: nothing */
    sqlite3_stmt *open;  /* has a row that somebody may still be reading */
    int64_t cache_kilobytes;
    bool is_narrow;      /* the cache is small for now */
    bool has_met_long;   /* this operation has seen a long text, and may go on to write over it or to remove it */
    struct buf long_text; /* what was read last, where it is long; its allocator is set by the owner */
    bool is_brief;       /* walks end with E_BUSY when they turn out to be long */
    size_t rows_left, bytes_left;
    uint64_t brief_end;
    int failed_code;  /* SQLite's, of the last failure */
    int64_t kept_rev; /* what the file says: never below rev once a transaction is committed */
    int log_pages;    /* in the WAL after the last commit */
    int checkpoint_pages;
};

/* Opens for reading and writing: makes the tables in a new file, refuses one that is not ours. */
happn_status sqlite_file_open(struct sqlite_file *file, const struct sqlite_options *options, happn_error *error);

/* A second connection to a file that is open already. Only the statements before SQL_READING. */
happn_status sqlite_file_open_reader(struct sqlite_file *file, const struct sqlite_options *options,
                                     happn_error *error);
void sqlite_file_close(struct sqlite_file *file);

/* Runs a statement that gives no rows, and resets it. An SQLite code. */
int sqlite_file_run(struct sqlite_file *file, enum sqlite_statement which);

/* Writes the high-water mark of rev; inside a transaction or alone. An SQLite code. */
int sqlite_file_keep_rev(struct sqlite_file *file, int64_t rev);

/* E_STORE, with what SQLite has to say about the last failure, whose code is kept. */
happn_status sqlite_file_failed(struct sqlite_file *file, happn_error *error);

/* A document of so many bytes would drive everything else out of the page cache, and double its own cost: while it is read or written the
 * cache is small. */
enum { SQLITE_LONG = 1 << 20 };
void sqlite_file_narrow(struct sqlite_file *file);
void sqlite_file_widen(struct sqlite_file *file);

/* The connection of the loop must not keep others waiting: a walk there looks at few documents, and goes along an index when the
 * search has criteria. From here on one may begin. */
void sqlite_file_be_brief(struct sqlite_file *file);
/* One more row of so many bytes; false: that was too much. */
bool sqlite_file_spend(struct sqlite_file *file, size_t bytes);

/* Moves the log into the database when it has grown long. */
void sqlite_file_checkpoint(struct sqlite_file *file);
/* The same at once, because the disk is full: the place that the log has there can be used anew. */
void sqlite_file_make_room(struct sqlite_file *file);

#endif
