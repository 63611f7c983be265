/* One line of a file of documents, whoever wrote it. */
#ifndef HAPPN_TRANSFER_RECORD_H
#define HAPPN_TRANSFER_RECORD_H

#include "base/arena.h"
#include "base/error.h"
#include "search/document.h"

enum record_kind { RECORD_DOCUMENT, RECORD_REMOVE, RECORD_INCREMENT, RECORD_SNAPSHOT, RECORD_NOTHING };

struct record {
    enum record_kind kind;
    struct document document; /* DOCUMENT; REMOVE, INCREMENT: path */
    bool is_set;              /* DOCUMENT: written again: what is there keeps its `created` */
    bool is_merge;            /* the same, and its data is laid over what is there */
    struct str criteria;      /* REMOVE: raw, or not set */
    struct str field, by;     /* INCREMENT */
    struct str snapshot;      /* SNAPSHOT: JSON text of the whole database */
};

/* line is borrowed for the record's life. now: the time of documents that have none. An error says why it is no document. */
happn_status record_read(struct arena *arena, struct str line, int64_t now, struct record *out, happn_error *error);

/* Visits the documents of a snapshot; each is `document`, or a reason why not. False from visit ends it. */
typedef bool (*record_visit)(void *arg, const struct document *document, const happn_error *error, struct str text);
happn_status record_each(struct arena *arena, struct str snapshot, int64_t now, record_visit visit, void *arg, happn_error *error);

#endif
