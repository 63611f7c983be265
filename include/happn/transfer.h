/* Moving documents in and out of database files: import, export, backup. These functions block until they are done; call them on
 * a thread of your own, not on a runtime's. */
#ifndef HAPPN_TRANSFER_H
#define HAPPN_TRANSFER_H

#include "happn/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How far it has come, and at the end how it went. */
typedef struct happn_transfer_report {
    size_t size;        /* of this struct */
    uint64_t lines;     /* import: read */
    uint64_t stored;    /* import: writes; export and backup: documents */
    uint64_t removed;   /* import: removals that the file tells of */
    uint64_t skipped;   /* import: what has no meaning here (indexes, the original's own version number) */
    uint64_t rejected;  /* import: lines that cannot be a document */
    uint64_t documents; /* in the database at the end */
} happn_transfer_report;

typedef struct happn_transfer_options {
    size_t size;          /* of this struct */
    const char *database; /* the database file; needed */
    const char *pattern;  /* export: only these paths (`*` is any text); NULL: all */
    int add;              /* import: into a database that has documents already; otherwise that is refused */
    int dry_run;          /* import: reads and checks, stores nothing */
    int force;            /* export, backup: over a file that is there already */
    /* Called now and then, and once at the end; may be NULL. */
    void (*progress)(const happn_transfer_report *report, void *arg);
    /* A line of the source that was not taken, and why. text is borrowed. May be NULL. */
    void (*rejected)(uint64_t line, const char *reason, const char *text, size_t len, void *arg);
    void *arg;
} happn_transfer_options;

/* Reads the file ("-": standard input) of happn-3 (6 and 8: lines of documents; 13: a snapshot and what happened since) or of
 * happn_export, told apart line by line. A new database appears under its name only when it is complete. Rejected lines are no
 * failure. E_BUSY: the database is open in a server; E_REFUSED: it has documents already; E_IO, E_STORE. error may be NULL. */
HAPPN_API HAPPN_MUST_USE happn_status happn_import(const happn_transfer_options *options, const char *source,
                                                   happn_transfer_report *report, happn_error *error);

/* Writes one JSON object a line: path, data, created, modified, modifiedBy, tag; in the order of the paths, as of one moment, also
 * while a server writes. The file ("-": standard output) appears under its name only when it is complete. */
HAPPN_API HAPPN_MUST_USE happn_status happn_export(const happn_transfer_options *options, const char *target,
                                                   happn_transfer_report *report, happn_error *error);

/* Copies the database as of one moment, also while a server writes. The copy is a database that a server can open. */
HAPPN_API HAPPN_MUST_USE happn_status happn_backup(const happn_transfer_options *options, const char *target,
                                                   happn_transfer_report *report, happn_error *error);

#ifdef __cplusplus
}
#endif
#endif
