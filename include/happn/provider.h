/* A place for documents of your own: what memory and SQLite are to happn, your code can be.
 *
 * A provider is a few steps: read one document, write it, erase it, and walk along all in the order of their paths. Everything
 * else that can be asked of a store (merges, counters, searches, removals by pattern, revisions) happn makes of these steps, so
 * it means the same everywhere. Give the provider a name (happn_service_add_provider), and a datastore of the configuration
 * uses it: {"name": "mine", "provider": "NAME", "settings": {...}}.
 *
 * All functions are called on one thread of the provider's own: they may block, and never two of them at once. */
#ifndef HAPPN_PROVIDER_H
#define HAPPN_PROVIDER_H

#include "happn/service.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Text with its length; not NUL terminated. ptr NULL: not there. */
typedef struct happn_text {
    const char *ptr;
    size_t len;
} happn_text;

typedef struct happn_document {
    happn_text path;
    happn_text data;        /* JSON text of an object */
    happn_text modified_by; /* or not there */
    happn_text tag;         /* or not there */
    int64_t created;        /* milliseconds since 1970 */
    int64_t modified;
    int64_t rev;
} happn_document;

/* Borrowed until it returns. 0: enough, end the walk. */
typedef int (*happn_visit_fn)(const happn_document *document, void *arg);

/* Failures return a status below 0 (HAPPN_E_STORE, HAPPN_E_IO, ...) and say why in error. */
typedef struct happn_provider_ops {
    size_t size; /* of this struct */
    /* Opens a store; settings is the JSON text of the datastore's settings ("{}" when there are none). */
    happn_status (*open)(const char *settings, size_t len, void *host, void **store, happn_error *error);
    /* Finds one document. Not there: document->path.ptr stays NULL. What it points to stays until the next call. */
    happn_status (*read)(void *store, happn_text path, happn_document *document, happn_error *error);
    /* Keeps the document in place of what is at its path. Copy what you keep. */
    happn_status (*write)(void *store, const happn_document *document, happn_error *error);
    /* Nothing there is fine. */
    happn_status (*erase)(void *store, happn_text path, happn_error *error);
    /* Visits every document whose path is `from` or comes behind it (compared byte by byte) in that order, until visit has enough. */
    happn_status (*walk)(void *store, happn_text from, happn_visit_fn visit, void *arg, happn_error *error);
    /* The highest rev of all documents ever written; 0 for a new store. */
    happn_status (*last_rev)(void *store, int64_t *rev, happn_error *error);
    /* Around a batch of operations; NULL where each write is final at once. After begin, end is called once: with keep 0 nothing of
     * the batch may stay. Writes count as stored, and are answered, when end(keep 1) has returned. */
    happn_status (*begin)(void *store, happn_error *error);
    happn_status (*end)(void *store, int keep, happn_error *error);
    void (*close)(void *store);
} happn_provider_ops;

/* Makes a provider known by its name, before the service starts. ops must stay; host is given to open. E_ARGUMENT: a function is
 * missing, the name is taken, or the service has been started. */
HAPPN_API HAPPN_MUST_USE happn_status happn_service_add_provider(happn_service *service, const char *name, const happn_provider_ops *ops,
                                                                 void *host, happn_error *error);

#ifdef __cplusplus
}
#endif
#endif
