/* One request on its way through the house; its arena owns everything that belongs to it. */
#ifndef HAPPN_CORE_REQUEST_H
#define HAPPN_CORE_REQUEST_H

#include "base/arena.h"
#include "base/str.h"
#include "core/held.h"
#include "happn/layer.h"
#include "json/scan.h"
#include "security/sight.h"
#include "store/provider.h"

struct session;
struct core;

/* How a publication went. */
struct publication_results {
    size_t successful;   /* messages handed to connections */
    size_t failed;
    size_t queued;       /* subscriptions that matched, before several of one session became one message */
    size_t acknowledged;
    char error[200];     /* of the last failure */
};

enum action {
    ACTION_UNKNOWN,
    ACTION_CONFIGURE_SESSION,
    ACTION_DESCRIBE,
    ACTION_LOGIN,
    ACTION_SET,
    ACTION_GET,
    ACTION_COUNT,
    ACTION_REMOVE,
    ACTION_ON,
    ACTION_OFF,
    ACTION_ACK,
    ACTION_DISCONNECT,
    ACTION_REQUEST_NONCE,
    ACTION_REVOKE_SESSION,
    ACTION_REVOKE_TOKEN,
    ACTION_CHANGE_PASSWORD,
    ACTION_DISCONNECT_CHILDREN,
    ACTION_ADMINISTER
};

/* What of the options object the core reads; `raw` keeps all of it. */
struct request_options {
    bool no_store;
    bool no_publish;
    bool merge;
    bool path_only;
    bool initial_callback;
    bool initial_emit;
    bool publish_results;    /* set, remove: how the publication went, in the reply */
    bool no_data_response;   /* set: the reply without data */
    bool is_sibling;         /* set: below the path, under a new name */
    bool shows_rev;          /* _meta.rev in the reply */
    bool has_if_rev;
    bool publish_each;       /* remove: an event for each document, too */
    bool explain;            /* get: how it was answered */
    int64_t if_rev;
    int consistency;         /* 0 to 3 */
    int64_t listener;        /* on, off: the client's own name of the subscription; -1: not given */
    int depth;               /* on; 0: not given */
    struct str reference_id; /* off: raw JSON value */
    struct str meta;         /* raw JSON object for publications */
    struct str wildcard;     /* on: "string" or "segment" */
    struct str tag;          /* decoded */
    struct str increment;    /* raw JSON number */
    struct str targets;      /* raw JSON array of session ids */
    struct str on_behalf_of; /* decoded: the user whose rights count */
    bool revokes;            /* disconnect: the token ends, too */
    struct str criteria, fields, sort; /* raw */
    int64_t skip, limit;
};

enum reply_kind {
    REPLY_DATA,     /* reply.data is the text of a JSON value */
    REPLY_DOCUMENT, /* one document: data, and created, modified, path in _meta */
    REPLY_LIST,     /* documents: the array shape */
    REPLY_SHORT,    /* noDataResponse: _meta only */
    REPLY_PATH,     /* getPaths on an explicit path: _meta.path, no data */
    REPLY_INITIAL,  /* subscribed, with the values that were there: documents, and data = reference id (raw) */
    REPLY_ERROR     /* request.error, request.error_fields */
};

struct reply {
    enum reply_kind kind;
    bool published;
    bool is_stored;     /* DOCUMENT: created and modified are known */
    bool has_path;      /* _meta.path */
    bool has_timestamp; /* _meta.timestamp (remove) */
    bool has_results;   /* _meta.publishResults: as in publication_results */
    size_t successful, failed, queued;
    const char *explanation; /* _meta.explain: JSON text */
    int64_t timestamp;
    struct str data;
    struct str path;
    struct document document;
    struct document *documents;
    size_t count;
    struct lending *lending; /* encoding only: the document's data, when it shall be left out; or NULL */
};

struct happn_message {
    happn_direction direction;
    struct request *request;         /* inbound and replies */
    struct publication *publication; /* publications: being sent to `session` */
    struct session *session;         /* whose request, or who receives; of an event for all: who published */
    bool is_for_all;                 /* publications: once, before the recipients */
    struct arena *arena;
    happn_error *error;              /* publications: why this recipient gets nothing */
    struct str path;                 /* of the one document of a list; unset: the request's or publication's */
    struct str data;                 /* what the layers see and change */
};

struct request {
    struct arena arena;
    struct core *core;
    struct session *session;
    struct request *next;
    enum action action;
    struct str action_text;
    struct str path;       /* decoded, without the event prefix of `on` and `off` */
    bool path_is_text;     /* false: absent or not a string */
    struct str path_raw;   /* raw JSON value, for error texts */
    struct str channel;    /* on, off: the path as it came, "/SET@/a/b" or "*" */
    uint64_t reference;    /* on: the subscription that was made */
    int events;            /* on, off: EVENT_SET, ..; 0 when the prefix names no event */
    struct str event_id;   /* raw JSON values; STR_NONE when absent */
    struct str session_id;
    struct str data;
    struct json_parts *data_parts; /* of the data that was received, for layers; NULL: not listed */
    struct str options_raw;
    struct request_options options;
    struct reply reply;
    happn_error error;
    struct str error_fields;
    struct store_op op;
    void (*finish)(struct request *request); /* goes on after the store */
    void (*undo)(struct request *request);   /* before a failure of the store is answered: takes back, or tells, what has happened; NULL: nothing */
    const struct datastore *store;           /* where op goes; NULL: to several */
    struct held held;      /* a list that is being found: events that wait for it */
    bool holds_all;        /* whatever comes waits for it */
    size_t layer;          /* next inbound layer, or next one behind the checkpoint */
    size_t budget;         /* what of the session's it has taken */
    bool is_authorized;    /* it has passed the checkpoint */
    bool is_sealed;        /* an encrypted login */
    bool in_layer;         /* parked by a layer that answered LATER */
    struct happn_message message;
    struct sight sight;    /* rights: what of a pattern's results is seen; NULL: everything */
    struct str modified_by;
};

#endif
